"""The verdict in words: what to train with here, and why; each sentence names its table.

Rules, not prose generation: a sentence is written when its numbers call for it, and it carries the
numbers it was written from. Where the data cannot tell, a sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from .advantages import Scale, TermEffect, TermVerdict
from .variance import votes_for

FEW_GROUPS = 50
"""Below this many groups the shares of the study are rough."""
FIDELITY_WANTED = 0.9
MUCH = 0.02
"""A difference between shares that is worth a sentence."""
SAME_TEACHING = 0.98
"""Rewards whose advantages correlate above this teach the same."""
ASSUMED_FLIPS = 0.05
"""Flip rate that scalings are compared at when no answer was judged twice."""


class Topic(StrEnum):
    """What a sentence answers."""

    REWARD = "reward"
    SCALE = "scale"
    REPLICATES = "replicates"
    PROMPTS = "prompts"
    TERMS = "terms"
    CAUTION = "caution"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One finding."""

    topic: Topic
    text: str
    table: str
    """The table that holds its numbers: a key of the study's plain form."""
    values: Mapping[str, float | None]
    """The numbers it was written from."""


def verdict_in_words(found: Mapping[str, Any]) -> tuple[Sentence, ...]:
    """Write the sentences from the tables of a study."""
    best = _choose_reward(found)
    return (
        *_cautions_first(found),
        *_reward(found, best),
        *_soft(found),
        *_clip(found),
        *_scale(found, best),
        *_replicates(found, best),
        *_drop(found),
        *_inert(found),
        *_alike(found),
        *_penalty(found),
        *_perfection(found),
    )


def _choose_reward(found: Mapping[str, Any]) -> str:
    """Give the reward of most live groups times alignment with the score, times fidelity."""
    merits: dict[str, float] = {row.reward: _merit(found, row.reward) for row in found["dead"]}
    return max(merits, key=lambda name: merits[name])


def _merit(found: Mapping[str, Any], name: str) -> float:
    dead = _row(found["dead"], name)
    if dead.dead.value is None:
        return -1.0
    aligned = _alignment(found, name)
    fidelity = _row(found["variance"], name).fidelity.value
    return float((1 - dead.dead.value) * max(aligned or 0.0, 0.0) * (fidelity or 1.0))


def _alignment(found: Mapping[str, Any], name: str) -> float | None:
    rows = [row for row in found["by_scale"] if row.reward == name]
    value = rows[0].target_correlation.value if rows else None
    return None if value is None else float(value)


def _cautions_first(found: Mapping[str, Any]) -> list[Sentence]:
    sentences = []
    n_groups = found["n_groups"]
    if n_groups < FEW_GROUPS:
        sentences.append(
            Sentence(
                Topic.CAUTION,
                f"There are {n_groups} groups only: take every share below for a rough one.",
                "facts",
                {"n_groups": n_groups},
            )
        )
    asked = found["n_verdicts"] + found["n_missing"]
    missing = found["n_missing"] / asked if asked else 0.0
    # a study of ratings alone asked for no verdict, so none is missing
    if missing > 0.01 and found["n_verdicts"]:
        sentences.append(
            Sentence(
                Topic.CAUTION,
                f"{_pct(missing)} of the verdicts are missing; rewards are renormalised over the "
                "answered criteria, and are none above 20 % of the weight.",
                "facts",
                {"missing": missing},
            )
        )
    repeated = found["n_repeated"] / found["n_answers"]
    if repeated > MUCH:
        sentences.append(
            Sentence(
                Topic.CAUTION,
                f"{_pct(repeated)} of the answers repeat another one of their group word for "
                "word: they are no new samples (check temperature and seed).",
                "facts",
                {"repeated": repeated},
            )
        )
    return sentences


def _reward(found: Mapping[str, Any], best: str) -> list[Sentence]:
    dead = _row(found["dead"], best)
    if dead.dead.value is None:
        return [
            Sentence(
                Topic.REWARD,
                "No group has two rewards, so these data cannot tell rewards apart.",
                "dead",
                {},
            )
        ]
    if dead.dead.value >= 1:
        return [
            Sentence(
                Topic.REWARD,
                "Every group is dead under every reward studied: no reward teaches on these "
                "prompts with this policy.",
                "dead",
                {"dead": 1.0},
            )
        ]
    others = [row for row in found["dead"] if row.reward != best and row.dead.value is not None]
    worst = max(others, key=lambda row: row.dead.value, default=None)
    text = (
        f"Train with {best}: {_pct(1 - dead.dead.value)} of its groups teach "
        f"({_pct(dead.dead.value)} dead, 95 % interval {_range(dead.dead)}"
    )
    text += f"; {worst.reward} has {_pct(worst.dead.value)} dead)" if worst else ")"
    aligned = _alignment(found, best)
    if best != "healthbench" and aligned is not None:
        text += f", and its advantages correlate {aligned:.2f} with those of the score"
    values = {"dead": dead.dead.value, "aligned": aligned}
    sentences = [Sentence(Topic.REWARD, text + ".", "dead", values)]
    close = [
        row.reward for row in others if _merit(found, row.reward) >= _merit(found, best) - MUCH
    ]
    if close:
        sentences.append(
            Sentence(
                Topic.REWARD,
                f"These data hardly tell it from {_listed(close)}: live groups times alignment "
                f"with the score differ by less than {_pct(MUCH)}.",
                "by_scale",
                {name: _merit(found, name) for name in (best, *close)},
            )
        )
    return sentences


def _soft(found: Mapping[str, Any]) -> list[Sentence]:
    share = found["identical_but_for_p"]
    if not share:
        return []
    return [
        Sentence(
            Topic.REWARD,
            f"In {_pct(share)} of the groups with identical verdicts P(met) differs: "
            "soft(of=healthbench) makes them teach. Whether it teaches right takes a better judge "
            "or labels (rubricbeat bench-reward).",
            "facts",
            {"identical_but_for_p": share},
        )
    ]


def _clip(found: Mapping[str, Any]) -> list[Sentence]:
    names = {row.reward for row in found["dead"]}
    for plain, clipped in (("healthbench", "healthbench_clipped"), ("hybrid_unclipped", "hybrid")):
        if {plain, clipped} <= names:
            low, high = (_row(found["dead"], name).dead.value for name in (plain, clipped))
            if low is not None and high is not None and high - low > MUCH:
                return [
                    Sentence(
                        Topic.REWARD,
                        f"Do not clip single answers at 0: it takes the dead groups from "
                        f"{_pct(low)} ({plain}) to {_pct(high)} ({clipped}).",
                        "dead",
                        {plain: low, clipped: high},
                    )
                ]
    return []


def _scale(found: Mapping[str, Any], best: str) -> list[Sentence]:
    rows = [row for row in found["by_scale"] if row.reward == best]
    if len(rows) < 2:
        return []
    measured = {row.scale: row.replicate_correlation.value for row in rows}
    if all(value is not None for value in measured.values()):
        fidelity = {s: float(np.sqrt(max(v or 0.0, 0.0))) for s, v in measured.items()}
        source, table = "two verdicts on each answer", "by_scale"
    else:
        flips = [f for f in found["flips"] if f.reward == best and f.rate == ASSUMED_FLIPS]
        fidelity = {f.scale: f.fidelity for f in flips if f.fidelity is not None}
        source = f"{_pct(ASSUMED_FLIPS)} of the verdicts flipped at random, as this judge's own "
        source += "noise is unknown"
        table = "flips"
    if len(fidelity) < 2:
        return []
    top = max(fidelity, key=lambda scale: fidelity[scale])
    values = {str(scale): value for scale, value in fidelity.items()}
    if fidelity[top] - fidelity.get(Scale.GROUP, -1.0) <= 0.01:
        text = (
            f"Scaling by group is as good as any for {best} (fidelity "
            f"{fidelity[Scale.GROUP]:.2f}; {source})."
            if Scale.GROUP in fidelity
            else f"These data do not tell the scalings of {best} apart."
        )
        return [Sentence(Topic.SCALE, text, table, values)]
    # "none" and "batch" differ by one factor for all groups: the same up to the step size
    alike = [str(scale) for scale in fidelity if fidelity[top] - fidelity[scale] <= 1e-6]
    text = f"Train {best} with scale_rewards {' or '.join(alike)}: fidelity {fidelity[top]:.2f}"
    if Scale.GROUP in fidelity:
        text += f" against {fidelity[Scale.GROUP]:.2f} under group"
    low = next((r.low_spread_weight for r in rows if r.scale is Scale.GROUP), None)
    text += f" ({source})"
    if low is not None:
        text += (
            f"; group scaling gives {_pct(low)} of the gradient to the quarter of the groups "
            "with the least spread"
        )
        values["low_spread_weight"] = low
    return [Sentence(Topic.SCALE, text + ".", table, values)]


def _replicates(found: Mapping[str, Any], best: str) -> list[Sentence]:
    split = _row(found["variance"], best)
    icc = split.icc
    if icc.value is None:
        return [
            Sentence(
                Topic.REPLICATES,
                "Reliability unknown: no answer was judged twice, so nothing here can say how "
                "much of the spread is the judge's noise, nor how many dead groups it hides. "
                "Judge one group in eight a second time.",
                "variance",
                {"n_replicates": split.n_replicates},
            )
        ]
    votes = votes_for(icc.value, FIDELITY_WANTED)
    text = (
        f"One verdict of this judge has reliability {icc.value:.2f} {_range(icc, percent=False)} "
        f"for {best}, so advantages have fidelity {split.fidelity.value:.2f}; "
    )
    if votes is None:
        text += "no number of replicates lifts that: the spread is the judge's noise alone."
    elif votes == 1:
        text += f"one verdict a criterion reaches {FIDELITY_WANTED:g}."
    else:
        text += f"{votes} verdicts a criterion reach {FIDELITY_WANTED:g}."
    values = {"icc": icc.value, "fidelity": split.fidelity.value, "votes": votes}
    sentences = [Sentence(Topic.REPLICATES, text, "variance", values)]
    dead = _row(found["dead"], best).dead.value
    if dead is not None and icc.value < FIDELITY_WANTED**2:
        sentences.append(
            Sentence(
                Topic.CAUTION,
                f"The dead share of {_pct(dead)} is a lower bound: noise of this size makes dead "
                "groups look alive.",
                "dead",
                {"dead": dead, "icc": icc.value},
            )
        )
    return sentences


def _drop(found: Mapping[str, Any]) -> list[Sentence]:
    drop = found["drop"]
    if not drop:
        return []
    n = found["n_prompts"]
    hard = sum(1 for prompt in drop if prompt.positive_share < 0.5)
    return [
        Sentence(
            Topic.PROMPTS,
            f"Drop {len(drop)} of {n} prompts: all their answers have identical verdicts, so no "
            f"reward of verdicts can teach there ({hard} with less than half of their points met, "
            f"{len(drop) - hard} with more).",
            "drop",
            {"n": len(drop), "n_prompts": n, "hard": hard},
        )
    ]


def _inert(found: Mapping[str, Any]) -> list[Sentence]:
    effects = found["terms"]
    sentences = []
    for verdict in (TermVerdict.CANCELS, TermVerdict.HARDLY_ACTS):
        inert = [effect for effect in effects if effect.verdict is verdict]
        for reward, term in dict.fromkeys((e.reward, e.term) for e in inert):
            mine = [e for e in inert if (e.reward, e.term) == (reward, term)]
            acting = [
                e.scale
                for e in effects
                if (e.reward, e.term) == (reward, term) and e.verdict is TermVerdict.ACTS
            ]
            sentences.append(_inert_term(mine, [str(scale) for scale in acting]))
    idle = dict.fromkeys(
        f"{e.term} of {e.reward}" for e in effects if e.verdict is TermVerdict.NEVER_ACTS
    )
    if idle:
        sentences.append(
            Sentence(
                Topic.TERMS,
                f"No reward of these answers changes without {_listed(list(idle))}.",
                "terms",
                {"n": len(idle)},
            )
        )
    return sentences


def _inert_term(mine: Sequence[TermEffect], acting: Sequence[str]) -> Sentence:
    """Write of one term under the scales where it is inert, all for the same reason."""
    effect = mine[0]
    worst = max(mine, key=lambda e: e.max_difference)
    scales = _listed([str(e.scale) for e in mine])
    correlation = "" if worst.correlation is None else f" and correlate {worst.correlation:.6f}"
    if effect.verdict is TermVerdict.CANCELS:
        text = (
            f"The term {effect.term} of {effect.reward} does nothing under scaling by {scales}: "
            "it is constant within each group and cancels (without it advantages differ by "
            f"{worst.max_difference:.1g} at most{correlation})"
        )
    else:
        text = (
            f"The term {effect.term} of {effect.reward} hardly acts under scaling by {scales}: it "
            f"changes {_pct(effect.changed)} of the rewards (advantages differ by "
            f"{worst.max_difference:.1g} at most{correlation})"
        )
    if acting:
        text += f"; it acts under {_listed(acting)}"
    values = {
        "max_difference": worst.max_difference,
        "correlation": worst.correlation,
        "changed": effect.changed,
    }
    return Sentence(Topic.TERMS, text + ".", "terms", values)


def _alike(found: Mapping[str, Any]) -> list[Sentence]:
    alike = []
    for pair in found["pairs"]:
        first = next(iter(pair.correlation.values()), None)
        if first is not None and first.value is not None and first.value > SAME_TEACHING:
            alike.append((pair.first, pair.second, float(first.value)))
    if not alike:
        return []
    listed = _listed([f"{first} and {second} ({r:.3f})" for first, second, r in alike])
    scale = found["scales"][0]
    return [
        Sentence(
            Topic.REWARD,
            f"Teach the same here (correlation of advantages under {scale}): {listed}.",
            "pairs",
            {f"{first}/{second}": r for first, second, r in alike},
        )
    ]


def _penalty(found: Mapping[str, Any]) -> list[Sentence]:
    rows = [row for row in found["leverage"] if row.from_best > 2 * row.by_points]
    # a pass rule loses all by design; the sentence is for rewards that hide it
    rows = [row for row in rows if row.from_best < 0.999]
    if not rows:
        return []
    worst = max(rows, key=lambda row: row.from_best)
    text = (
        f"One triggered negative criterion costs an otherwise perfect answer "
        f"{_pct(worst.from_best)} of what {worst.reward} can move, where its points are "
        f"{_pct(worst.by_points)} of the rubric's"
    )
    if worst.lone is not None:
        text += f" ({_pct(worst.lone)} where it is the rubric's only one)"
    return [
        Sentence(
            Topic.CAUTION,
            text + ".",
            "leverage",
            {"from_best": worst.from_best, "by_points": worst.by_points, "lone": worst.lone},
        )
    ]


def _perfection(found: Mapping[str, Any]) -> list[Sentence]:
    chance = found["survival"].get(ASSUMED_FLIPS)
    if chance is None or chance > 0.8:
        return []
    return [
        Sentence(
            Topic.CAUTION,
            f"A perfect answer would be seen as perfect {_pct(chance)} of the time if "
            f"{_pct(ASSUMED_FLIPS)} of the verdicts were wrong (median "
            f"{found['criteria_median']:g} criteria): do not count on a bonus for perfection.",
            "survival",
            {"survival": chance, "rate": ASSUMED_FLIPS},
        )
    ]


def _row(rows: Sequence[Any], name: str) -> Any:
    return next(row for row in rows if row.reward == name)


def _pct(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


def _range(estimate: Any, *, percent: bool = True) -> str:
    if estimate.low is None or estimate.high is None:
        return "[no interval]"
    if percent:
        return f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f} %"
    return f"[{estimate.low:.2f}, {estimate.high:.2f}]"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
