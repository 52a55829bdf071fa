"""The findings in words: what these verdicts show, and what not; each sentence names its table.

Tables of rows, not prose generation: a row has its words, and the function below it says when they
are said and what stands in their gaps. A sentence carries the numbers it was written from. Where
the data cannot tell, a sentence says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..scoring.estimates import MIN_PROMPTS
from .advantages import Scale, TermVerdict
from .advice import (
    ADVICE,
    FEW_GROUPS,
    SIGNAL,
    Fields,
    Findings,
    in_words,
    listed,
    pct,
    reliability_fault,
    reward_to_train_with,
    row_of,
)
from .levels import MANY_NA, MIN_ANSWERS
from .study import ScaleSummary, Sentence, SignalStudy, Topic
from .variance import votes_for

FIDELITY_WANTED = 0.9
MUCH = 0.02
"""A difference between shares that is worth a sentence."""
SAME_TEACHING = 0.98
"""Advantages that correlate above this are called near-identical."""
ASSUMED_FLIPS = 0.05
"""Flip rate that scalings are compared at when no answer was judged twice."""


FIRST, OF_REWARDS, OF_ONE, LAST = Findings(), Findings(), Findings(), Findings()
TABLES = (SIGNAL, FIRST, ADVICE, OF_REWARDS, OF_ONE, LAST)
"""In the order in which they are said."""


def verdict_in_words(found: SignalStudy) -> tuple[Sentence, ...]:
    """Write the sentences from the tables of a study."""
    # of fewer prompts nothing is said that is of rewards and not of these very answers
    tables = [t for t in TABLES if t is not OF_REWARDS or found.n_prompts >= MIN_PROMPTS]
    return tuple(sentence for table in tables for sentence in table.of(found))


def _has_levels(found: SignalStudy) -> bool:
    """Whether some criterion is neither met nor not met, but on a level."""
    return any(len(one.counts) > 2 for one in found.levels)


def _one(found: SignalStudy) -> str:
    """Name the reward that is spoken of: the one to train with, else the first one asked for."""
    return reward_to_train_with(found) or found.dead[0].reward


@FIRST.says(
    Topic.CAUTION, "facts", "There {groups} only: every share below is a rough estimate.{more}"
)
def _few_groups(found: SignalStudy) -> Iterator[Fields]:
    n, more = found.n_groups, ""
    if found.n_prompts < MIN_PROMPTS:
        more = f" Rewards and scalings are not compared below {MIN_PROMPTS} prompts."
    if n < FEW_GROUPS:
        groups = "is 1 group" if n == 1 else f"are {n} groups"
        yield {"groups": groups, "more": more, "n_groups": n}


@FIRST.says(
    Topic.CAUTION,
    "facts",
    "{missing:pct} of the verdicts are missing. Rewards are renormalised over the answered "
    "criteria; an answer that lacks more than 20 % of the weight has no reward.",
)
def _missing(found: SignalStudy) -> Iterator[Fields]:
    asked = found.n_verdicts + found.n_missing
    # a study of ratings alone asked for no verdict, so none is missing
    if found.n_verdicts and found.n_missing / asked > 0.01:
        yield {"missing": found.n_missing / asked}


@FIRST.says(
    Topic.CAUTION,
    "facts",
    "{repeated:pct} of the answers are exact duplicates of another one in their group: they add "
    "no samples (check temperature and seed).",
)
def _repeated(found: SignalStudy) -> Iterator[Fields]:
    repeated = found.n_repeated / found.n_answers
    if repeated > MUCH:
        yield {"repeated": repeated}


@ADVICE.says(
    Topic.REWARD,
    "facts",
    "In {identical_but_for_p:pct} of the groups with identical verdicts {chance} differs: "
    "soft(of=healthbench) gives them a learning signal. Whether it is the right one needs a "
    "better judge or labels (--gold).",
)
def _soft(found: SignalStudy) -> Iterator[Fields]:
    if found.identical_but_for_p:
        chance = "the expected share of points" if _has_levels(found) else "P(met)"
        yield {"identical_but_for_p": found.identical_but_for_p, "chance": chance}


@OF_REWARDS.says(
    Topic.REWARD,
    "dead",
    "Clipping each answer's score at 0 raises the share of dead groups from {before} to {after}.",
)
def _clip(found: SignalStudy) -> Iterator[Fields]:
    dead = {row.reward: row.dead.value for row in found.dead}
    for plain, clipped in (("healthbench", "healthbench_clipped"), ("hybrid_unclipped", "hybrid")):
        low, high = dead.get(plain), dead.get(clipped)
        if low is not None and high is not None and high - low > MUCH:
            values = {plain: low, clipped: high}
            before, after = (f"{pct(value)} ({name})" for name, value in values.items())
            yield {"before": before, "after": after, "values": values}
            return


@OF_REWARDS.says(
    Topic.SCALE,
    "by_scale",
    "Scaling by group is as good as any for {reward} (fidelity {of_group:.2f}; {source}).",
)
def _group_is_best(found: SignalStudy) -> Iterator[Fields]:
    fidelity, source = _fidelities(found)
    of_group = fidelity.get(Scale.GROUP)
    if of_group is not None and max(fidelity.values()) - of_group <= 0.01:
        yield {"reward": _one(found), "of_group": of_group, "values": _named(fidelity), **source}


@OF_REWARDS.says(
    Topic.SCALE,
    "by_scale",
    "Under scale_rewards {alike} {reward} has fidelity {top:.2f}{group} ({source}){low}.{batches}",
)
def _other_scale(found: SignalStudy) -> Iterator[Fields]:
    (fidelity, source), reward = _fidelities(found), _one(found)
    top, of_group = max(fidelity.values(), default=0.0), fidelity.get(Scale.GROUP)
    if not fidelity or (of_group is not None and top - of_group <= 0.01):
        return
    # over all groups of a study "none" and "batch" are one factor apart; in a training's small
    # batches they are not, and the sentence says how far
    alike = [str(scale) for scale in fidelity if top - fidelity[scale] <= 1e-6]
    values, low_words, batches = _named(fidelity), "", ""
    low = next((r.low_spread_weight for r in _rows(found) if r.scale is Scale.GROUP), None)
    if low is not None:
        low_words = f"; group scaling gives {pct(low)} of the gradient to the quarter of the groups"
        low_words += " with the least spread"
        values["low_spread_weight"] = low
    agreement = found.batch_agreement.get(reward)
    if {"none", "batch"} <= set(alike) and agreement is not None:
        batches = (
            " Over all groups none and batch differ by a constant factor; with "
            f"{found.batch_groups} groups a batch, each scaled by its own spread, their "
            f"advantages correlate {agreement:.2f}."
        )
        values["batch_agreement"] = agreement
    yield {
        "alike": " or ".join(alike),
        "reward": reward,
        "top": top,
        "group": "" if of_group is None else f" against {of_group:.2f} under group",
        "low": low_words,
        "batches": batches,
        "values": values,
        **source,
    }


def _rows(found: SignalStudy) -> list[ScaleSummary]:
    return [row for row in found.by_scale if row.reward == _one(found)]


def _named(fidelity: Mapping[Scale, float]) -> dict[str, float]:
    return {str(scale): value for scale, value in fidelity.items()}


def _fidelities(found: SignalStudy) -> tuple[dict[Scale, float], dict[str, str]]:
    """Give each scaling's fidelity and where it is from; none where fewer than two are known."""
    rows = _rows(found)
    measured = {row.scale: row.replicate_correlation.value for row in rows}
    fidelity = {s: float(np.sqrt(max(v, 0.0))) for s, v in measured.items() if v is not None}
    source = {"source": "two verdicts per answer"}
    if len(fidelity) < len(rows):
        flips = [f for f in found.flips if f.reward == _one(found) and f.rate == ASSUMED_FLIPS]
        fidelity = {f.scale: f.fidelity for f in flips if f.fidelity is not None}
        flipped = f"{pct(ASSUMED_FLIPS)} of the verdicts flipped at random, as this judge's own "
        source = {"source": f"{flipped}noise is unknown", "table": "flips"}
    return (fidelity if len(rows) > 1 and len(fidelity) > 1 else {}), source


@OF_REWARDS.says(
    Topic.TERMS,
    "terms",
    "The term {term} of {reward} does nothing under scaling by {scales}: it is constant within "
    "each group and cancels (without it advantages differ by {worst}){acting}.",
)
def _cancels(found: SignalStudy) -> Iterator[Fields]:
    return _inert(found, TermVerdict.CANCELS)


@OF_REWARDS.says(
    Topic.TERMS,
    "terms",
    "The term {term} of {reward} has almost no effect under scaling by {scales}: it changes "
    "{share} of the rewards (advantages differ by {worst}){acting}.",
)
def _hardly_acts(found: SignalStudy) -> Iterator[Fields]:
    return _inert(found, TermVerdict.HARDLY_ACTS)


def _inert(found: SignalStudy, verdict: TermVerdict) -> Iterator[Fields]:
    """Give each term that is inert for one reason, with the scales where it is, and where not."""
    effects = found.terms
    for reward, term in dict.fromkeys((e.reward, e.term) for e in effects if e.verdict is verdict):
        of_term = [e for e in effects if (e.reward, e.term) == (reward, term)]
        mine = [e for e in of_term if e.verdict is verdict]
        acting = [str(e.scale) for e in of_term if e.verdict is TermVerdict.ACTS]
        worst = max(mine, key=lambda e: e.max_difference)
        also = "" if worst.correlation is None else f" and correlate {worst.correlation:.6f}"
        yield {
            "term": term,
            "reward": reward,
            "scales": listed([str(e.scale) for e in mine]),
            "share": pct(mine[0].changed),
            "worst": f"{worst.max_difference:.1g} at most{also}",
            "acting": f"; it has an effect under {listed(acting)}" if acting else "",
            "values": {
                "max_difference": worst.max_difference,
                "correlation": worst.correlation,
                "changed": mine[0].changed,
            },
        }


@OF_REWARDS.says(Topic.TERMS, "terms", "Never applied to these answers: {terms}.")
def _never_act(found: SignalStudy) -> Iterator[Fields]:
    effects = [e for e in found.terms if e.verdict is TermVerdict.NEVER_ACTS]
    if idle := list(dict.fromkeys(f"{e.term} of {e.reward}" for e in effects)):
        yield {"terms": listed(idle), "n": len(idle)}


@OF_REWARDS.says(
    Topic.REWARD,
    "pairs",
    "Near-identical advantages (correlation under {scale}): {pairs}.",
)
def _alike(found: SignalStudy) -> Iterator[Fields]:
    alike = {}
    for pair in found.pairs:
        first = next(iter(pair.correlation.values()), None)
        if first is not None and first.value is not None and first.value > SAME_TEACHING:
            alike[pair.first, pair.second] = float(first.value)
    if alike:
        yield {
            "scale": str(found.scales[0]),
            "pairs": listed([f"{one} and {two} ({r:.3f})" for (one, two), r in alike.items()]),
            "values": {f"{one}/{two}": r for (one, two), r in alike.items()},
        }


@OF_ONE.says(
    Topic.REPLICATES,
    "variance",
    "Reliability unknown: no answer was judged twice. So the share of the spread that is the "
    "judge's noise, and the number of dead groups that it hides, are unknown. Use replicates for "
    "one group in eight.",
)
def _unknown_reliability(found: SignalStudy) -> Iterator[Fields]:
    split = row_of(found.variance, _one(found))
    if split.icc.value is None:
        yield {"n_replicates": split.n_replicates}


@OF_ONE.says(
    Topic.REPLICATES,
    "variance",
    "One verdict of this judge has reliability {icc:.2f} {interval} for {reward}, so advantages "
    "have fidelity {fidelity:.2f}; {lifted}.",
)
def _reliability(found: SignalStudy) -> Iterator[Fields]:
    reward = _one(found)
    split = row_of(found.variance, reward)
    icc, fidelity = split.icc, split.fidelity.value
    if icc.value is None:
        return
    is_noise = reliability_fault(found, reward) is not None
    votes = None if is_noise else votes_for(icc.value, FIDELITY_WANTED)
    lifted = f"{votes} verdicts per criterion reach {FIDELITY_WANTED:g}"
    if votes is None:
        lifted = "the replicates needed are unknown: the spread may be only noise"
    elif votes == 1:
        lifted = f"one verdict per criterion reaches {FIDELITY_WANTED:g}"
    values = {"icc": icc.value, "fidelity": fidelity, "votes": votes}
    interval = in_words(icc, percent=False)
    yield {**values, "interval": interval, "reward": reward, "lifted": lifted, "values": values}


@OF_ONE.says(
    Topic.CAUTION,
    "dead",
    "The dead share of {dead:pct} is a lower bound: noise of this size hides dead groups.",
)
def _lower_bound(found: SignalStudy) -> Iterator[Fields]:
    icc = row_of(found.variance, _one(found)).icc.value
    dead = row_of(found.dead, _one(found)).dead.value
    if dead is not None and icc is not None and icc < FIDELITY_WANTED**2:
        yield {"dead": dead, "icc": icc}


@LAST.says(
    Topic.PROMPTS,
    "drop",
    "Drop {n} of {n_prompts} prompts: all their answers have identical verdicts, so no reward of "
    "verdicts has a learning signal there ({hard} with less than half of their points {met}, "
    "{rest} with more).",
)
def _drop(found: SignalStudy) -> Iterator[Fields]:
    drop = found.drop
    hard = sum(1 for prompt in drop if prompt.positive_share < 0.5)
    if drop:
        rest = str(sum(1 for prompt in drop if prompt.positive_share >= 0.5))
        met = "earned" if _has_levels(found) else "met"
        counts = {"n": len(drop), "n_prompts": found.n_prompts, "hard": hard}
        yield {**counts, "rest": rest, "met": met}


@LAST.says(
    Topic.CAUTION,
    "leverage",
    "One triggered negative criterion costs an otherwise perfect answer {from_best:pct} of the "
    "range of {reward}, where its points are {by_points:pct} of the rubric's{alone}.",
)
def _penalty(found: SignalStudy) -> Iterator[Fields]:
    # a pass rule loses all by design; the sentence is for rewards that hide it
    rows = [r for r in found.leverage if 2 * r.by_points < r.from_best < 0.999]
    if not rows:
        return
    worst = max(rows, key=lambda row: row.from_best)
    alone = "" if worst.lone is None else f" ({pct(worst.lone)} where it is the rubric's only one)"
    values = {"from_best": worst.from_best, "by_points": worst.by_points, "lone": worst.lone}
    yield {**values, "reward": worst.reward, "alone": alone}


@LAST.says(
    Topic.CAUTION,
    "survival",
    "If {rate:pct} of the verdicts are wrong, a perfect answer is scored as perfect "
    "{survival:pct} of the time (median {median} criteria): a bonus for perfection is unreliable.",
)
def _perfection(found: SignalStudy) -> Iterator[Fields]:
    chance = found.survival.get(ASSUMED_FLIPS)
    if chance is not None and chance <= 0.8:
        median = f"{found.criteria_median:g}"
        yield {"survival": chance, "rate": ASSUMED_FLIPS, "median": median}


@LAST.says(
    Topic.CAUTION,
    "levels",
    "{n} criteria do not apply to more than {many:pct} of the answers ({most:pct} of those to "
    "criterion {number} of prompt {prompt_id}): there they do not distinguish answers, and the "
    "rest of the rubric weighs more.",
)
def _seldom_apply(found: SignalStudy) -> Iterator[Fields]:
    often = [o for o in found.levels if o.n >= MIN_ANSWERS and o.na_share > MANY_NA]
    if often:
        worst = max(often, key=lambda one: one.na_share)
        named = {"number": str(worst.criterion), "prompt_id": worst.prompt_id[:64]}
        yield {"n": len(often), "many": MANY_NA, "most": worst.na_share, **named}
