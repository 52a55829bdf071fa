"""The verdict in words: what these verdicts say, and what not; each sentence names its table.

Rules, not prose generation: a sentence is written when its numbers call for it, and it carries the
numbers it was written from. Where the data cannot tell, a sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..scoring.estimates import MIN_PROMPTS
from .advantages import Scale, TermEffect, TermVerdict
from .advice import (
    Sentence,
    Topic,
    in_words,
    listed,
    pct,
    reliability_fault,
    reward_advice,
    reward_to_train_with,
    row_of,
)
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


def verdict_in_words(found: Mapping[str, Any]) -> tuple[Sentence, ...]:
    """Write the sentences from the tables of a study."""
    # what is said of one reward is said of the one to train with, else of the first one asked for
    one = reward_to_train_with(found) or found["dead"][0].reward
    # of fewer prompts nothing is said that is of rewards and not of these very answers
    compared = (
        (*_clip(found), *_scale(found, one), *_inert(found), *_alike(found))
        if found["n_prompts"] >= MIN_PROMPTS
        else ()
    )
    return (
        *_cautions_first(found),
        *reward_advice(found),
        *_soft(found),
        *compared,
        *_replicates(found, one),
        *_drop(found),
        *_penalty(found),
        *_perfection(found),
    )


def _cautions_first(found: Mapping[str, Any]) -> list[Sentence]:
    sentences = []
    n_groups = found["n_groups"]
    if n_groups < FEW_GROUPS:
        groups = "is 1 group" if n_groups == 1 else f"are {n_groups} groups"
        rough = "take every share below for a rough one."
        if found["n_prompts"] < MIN_PROMPTS:
            rough += f" Rewards and scalings are not compared below {MIN_PROMPTS} prompts."
        sentences.append(
            Sentence(
                Topic.CAUTION,
                f"There {groups} only: {rough}",
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
                f"{pct(missing)} of the verdicts are missing; rewards are renormalised over the "
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
                f"{pct(repeated)} of the answers repeat another one of their group word for "
                "word: they are no new samples (check temperature and seed).",
                "facts",
                {"repeated": repeated},
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
            f"In {pct(share)} of the groups with identical verdicts P(met) differs: "
            "soft(of=healthbench) makes them teach. Whether it teaches right takes a better judge "
            "or labels (--gold).",
            "facts",
            {"identical_but_for_p": share},
        )
    ]


def _clip(found: Mapping[str, Any]) -> list[Sentence]:
    names = {row.reward for row in found["dead"]}
    for plain, clipped in (("healthbench", "healthbench_clipped"), ("hybrid_unclipped", "hybrid")):
        if {plain, clipped} <= names:
            low, high = (row_of(found["dead"], name).dead.value for name in (plain, clipped))
            if low is not None and high is not None and high - low > MUCH:
                return [
                    Sentence(
                        Topic.REWARD,
                        "Clipping single answers at 0 takes the dead groups from "
                        f"{pct(low)} ({plain}) to {pct(high)} ({clipped}).",
                        "dead",
                        {plain: low, clipped: high},
                    )
                ]
    return []


def _scale(found: Mapping[str, Any], reward: str) -> list[Sentence]:
    rows = [row for row in found["by_scale"] if row.reward == reward]
    if len(rows) < 2:
        return []
    measured = {row.scale: row.replicate_correlation.value for row in rows}
    if all(value is not None for value in measured.values()):
        fidelity = {s: float(np.sqrt(max(v or 0.0, 0.0))) for s, v in measured.items()}
        source, table = "two verdicts on each answer", "by_scale"
    else:
        flips = [f for f in found["flips"] if f.reward == reward and f.rate == ASSUMED_FLIPS]
        fidelity = {f.scale: f.fidelity for f in flips if f.fidelity is not None}
        source = f"{pct(ASSUMED_FLIPS)} of the verdicts flipped at random, as this judge's own "
        source += "noise is unknown"
        table = "flips"
    if len(fidelity) < 2:
        return []
    top = max(fidelity, key=lambda scale: fidelity[scale])
    values = {str(scale): value for scale, value in fidelity.items()}
    if fidelity[top] - fidelity.get(Scale.GROUP, -1.0) <= 0.01:
        text = (
            f"Scaling by group is as good as any for {reward} (fidelity "
            f"{fidelity[Scale.GROUP]:.2f}; {source})."
            if Scale.GROUP in fidelity
            else f"These data do not tell the scalings of {reward} apart."
        )
        return [Sentence(Topic.SCALE, text, table, values)]
    # over all groups of a study "none" and "batch" are one factor apart; in a training's small
    # batches they are not, and the sentence says how far
    alike = [str(scale) for scale in fidelity if fidelity[top] - fidelity[scale] <= 1e-6]
    text = f"Under scale_rewards {' or '.join(alike)} {reward} has fidelity {fidelity[top]:.2f}"
    if Scale.GROUP in fidelity:
        text += f" against {fidelity[Scale.GROUP]:.2f} under group"
    low = next((r.low_spread_weight for r in rows if r.scale is Scale.GROUP), None)
    text += f" ({source})"
    if low is not None:
        text += (
            f"; group scaling gives {pct(low)} of the gradient to the quarter of the groups "
            "with the least spread"
        )
        values["low_spread_weight"] = low
    text += "."
    agreement = found["batch_agreement"].get(reward)
    if {"none", "batch"} <= set(alike) and agreement is not None:
        n = found["batch_groups"]
        text += (
            f" Over all groups none and batch are one factor apart; with {n} groups a batch, each "
            f"with its own spread, their advantages correlate {agreement:.2f}."
        )
        values["batch_agreement"] = agreement
    return [Sentence(Topic.SCALE, text, table, values)]


def _replicates(found: Mapping[str, Any], reward: str) -> list[Sentence]:
    split = row_of(found["variance"], reward)
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
    is_noise = reliability_fault(found, reward) is not None
    votes = None if is_noise else votes_for(icc.value, FIDELITY_WANTED)
    text = (
        f"One verdict of this judge has reliability {icc.value:.2f} {in_words(icc, percent=False)} "
        f"for {reward}, so advantages have fidelity {split.fidelity.value:.2f}; "
    )
    if votes is None:
        text += "how many replicates would lift that cannot be said: the spread may be noise alone."
    elif votes == 1:
        text += f"one verdict a criterion reaches {FIDELITY_WANTED:g}."
    else:
        text += f"{votes} verdicts a criterion reach {FIDELITY_WANTED:g}."
    values = {"icc": icc.value, "fidelity": split.fidelity.value, "votes": votes}
    sentences = [Sentence(Topic.REPLICATES, text, "variance", values)]
    dead = row_of(found["dead"], reward).dead.value
    if dead is not None and icc.value < FIDELITY_WANTED**2:
        sentences.append(
            Sentence(
                Topic.CAUTION,
                f"The dead share of {pct(dead)} is a lower bound: noise of this size makes dead "
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
                f"No reward of these answers changes without {listed(list(idle))}.",
                "terms",
                {"n": len(idle)},
            )
        )
    return sentences


def _inert_term(mine: Sequence[TermEffect], acting: Sequence[str]) -> Sentence:
    """Write of one term under the scales where it is inert, all for the same reason."""
    effect = mine[0]
    worst = max(mine, key=lambda e: e.max_difference)
    scales = listed([str(e.scale) for e in mine])
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
            f"changes {pct(effect.changed)} of the rewards (advantages differ by "
            f"{worst.max_difference:.1g} at most{correlation})"
        )
    if acting:
        text += f"; it acts under {listed(acting)}"
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
    pairs = listed([f"{first} and {second} ({r:.3f})" for first, second, r in alike])
    scale = found["scales"][0]
    return [
        Sentence(
            Topic.REWARD,
            f"Teach the same here (correlation of advantages under {scale}): {pairs}.",
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
        f"{pct(worst.from_best)} of what {worst.reward} can move, where its points are "
        f"{pct(worst.by_points)} of the rubric's"
    )
    if worst.lone is not None:
        text += f" ({pct(worst.lone)} where it is the rubric's only one)"
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
            f"A perfect answer would be seen as perfect {pct(chance)} of the time if "
            f"{pct(ASSUMED_FLIPS)} of the verdicts were wrong (median "
            f"{found['criteria_median']:g} criteria): do not count on a bonus for perfection.",
            "survival",
            {"survival": chance, "rate": ASSUMED_FLIPS},
        )
    ]
