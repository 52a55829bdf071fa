"""The whole signal study of some rewards on some verdicts, as one value.

Every number is measured on the verdicts that are given. What they cannot tell is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..rewards import Reward, get_reward
from ..scoring.estimates import Estimate, effective_n, mean
from ..scoring.jackknife import correlation
from ..scoring.plain_form import plain_form
from ..scoring.rubric_arrays import Bools, Floats
from .advantages import (
    Scale,
    TermEffect,
    advantages_of,
    batch_agreement,
    effective_answers,
    spread_of,
    term_effects,
)
from .advice import Sentence
from .agreement import FlipEffect, PairAgreement, flip_effects, pair_agreements, survival
from .criteria import (
    CriterionStudy,
    CriterionSummary,
    PenaltyLeverage,
    penalty_leverage,
    study_criteria,
    summarise_criteria,
)
from .dead_groups import (
    EQUAL,
    DeadGroups,
    PromptToDrop,
    dead_groups,
    equal_in_group,
    identical_verdicts,
    prompts_to_drop,
)
from .findings import verdict_in_words
from .gold import GoldStudy, hold_against_gold
from .groups import BATCH_GROUPS, GroupedVerdicts
from .levels import LevelCount
from .replay.noise import JudgeNoise, flip_rate, judged_anew
from .replay.study import computable, gold_rewards
from .replay.training import Settings
from .variance import VarianceSplit, split_variance

DEFAULT_REWARDS = (
    "healthbench", "healthbench_clipped", "hybrid", "complexity",
    "rar_explicit", "rar_uniform", "binary", "pass_hb50",
)  # fmt: skip
"""Together they give the table of the method sheet, section 4.2."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SURVIVAL_RATES = (0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class RewardSummary:
    """The distribution of one reward over answers."""

    reward: str
    needs: str
    range: tuple[float, float]
    n: int
    n_none: int
    """Answers without this reward, for want of verdicts."""
    mean: Estimate
    effective_n: float | None
    """Independent answers that would tell the mean as well: answers to one prompt are alike."""
    sd: float
    spread: float
    """Mean over groups of the standard deviation within."""
    quantiles: tuple[float, ...]
    """At `QUANTILES`."""


@dataclass(frozen=True, slots=True)
class ScaleSummary:
    """What one scaling makes of one reward."""

    reward: str
    scale: Scale
    effective_answers: float
    """Answers that carry the gradient: (sum |A|)^2 / sum A^2."""
    effective_share: float
    """Of the answers rewarded."""
    low_spread_weight: float | None
    """Share of sum A^2 held by the quarter of the live groups with the least spread: near .25
    where a small difference counts as much as a large one."""
    replicate_correlation: Estimate
    """Of the advantages from two independent verdicts: measured reliability, the square of the
    fidelity. None without replicates."""
    gold_correlation: Estimate
    """With the advantages of the score under the gold judge, scaled alike; None without gold."""


@dataclass(frozen=True, slots=True)
class SignalStudy:
    """Everything the study found."""

    n_groups: int
    n_prompts: int
    n_answers: int
    n_verdicts: int
    n_missing: int
    """Criteria of answers without a verdict."""
    n_replicates: int
    n_left_out: int
    n_repeated: int
    sizes: Mapping[int, int]
    """Groups by number of answers."""
    criteria_median: float
    scales: tuple[Scale, ...]
    rewards: tuple[RewardSummary, ...]
    skipped: Mapping[str, str]
    """Rewards that could not be computed, and why."""
    dead: tuple[DeadGroups, ...]
    identical: float
    """Share of groups with identical verdicts."""
    identical_but_for_p: float | None
    """Share of those in which P(met) differs between answers; None where no verdict carries one, or
    there is no such group."""
    variance: tuple[VarianceSplit, ...]
    by_scale: tuple[ScaleSummary, ...]
    batch_groups: int
    """Groups in a batch of the training that `batch_agreement` is for."""
    batch_agreement: Mapping[str, float | None]
    """Of each reward's advantages under `none` and under `batch` at so many groups a batch."""
    gold: GoldStudy | None
    """Rewards held against a better judge, under the first scale; None without its verdicts."""
    terms: tuple[TermEffect, ...]
    pairs: tuple[PairAgreement, ...]
    flips: tuple[FlipEffect, ...]
    survival: Mapping[float, float]
    """Chance that a perfect answer to a rubric is seen as such, by share of wrong verdicts: the
    mean over rubrics of (1 - e)^n."""
    criteria: tuple[CriterionSummary, ...]
    leverage: tuple[PenaltyLeverage, ...]
    drop: tuple[PromptToDrop, ...]
    levels: tuple[LevelCount, ...]
    """How often each level is said; not in the plain form where all is met or not met."""
    words: tuple[Sentence, ...]
    arrays: StudyArrays
    """For figures; not part of the plain form."""

    def to_json(self) -> dict[str, Any]:
        """Give the plain form: every table, NaN and infinities as None."""
        left_out = {"arrays", *(() if self.levels else ("levels",))}
        plain = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name not in left_out
        }
        plain = dict(plain_form(plain))
        return plain | ({"levels": [one.to_json() for one in self.levels]} if self.levels else {})


@dataclass(frozen=True, slots=True)
class StudyArrays:
    """Arrays behind the tables."""

    groups: GroupedVerdicts
    rewards: Mapping[str, Floats]
    """[P, G] by name."""
    advantages: Mapping[str, Mapping[Scale, Floats]]
    """[P, G] by name and scale."""
    criteria: CriterionStudy


def study_signal(
    groups: GroupedVerdicts,
    rewards: Sequence[Reward] | None = None,
    scales: Sequence[Scale] = tuple(Scale),
    *,
    seed: int = 0,
    batch_groups: int = BATCH_GROUPS,
    training: Settings | None = None,
) -> SignalStudy:
    """Study the learning signal of rewards on verdicts.

    Args:
        groups: Groups of graded answers.
        rewards: Rewards of any kind; None for `DEFAULT_REWARDS`.
        scales: Scalings of the advantages.
        seed: Of the flip study and of the dealing into batches.
        batch_groups: Groups in a batch of the training, for `batch_agreement`.
        training: Of the replayed training that rewards are held against gold by; None for the
            defaults of `replay-train`.

    Raises:
        ConfigError: None of the rewards can be computed from these verdicts.
    """
    asked = [get_reward(name) for name in DEFAULT_REWARDS] if rewards is None else list(rewards)
    studied, skipped = computable(groups, asked)
    if not studied:
        reasons = "; ".join(skipped.values())
        raise ConfigError(f"no reward can be studied on these verdicts: {reasons}")
    clusters_P = groups.clusters_P
    values = {reward.name: groups.rewards(reward) for reward in studied}
    advantages = {
        name: {scale: advantages_of(rewards_PG, scale) for scale in scales}
        for name, rewards_PG in values.items()
    }
    gold_PG = gold_rewards(groups)
    identical_P = identical_verdicts(groups)
    criteria = study_criteria(groups)
    replicates = {reward.name: _replicates(groups, reward, values) for reward in studied}
    leverage = [penalty_leverage(groups, reward, criteria) for reward in studied]
    present_PC = groups.rubric_PC.present
    n_criteria_P = present_PC.sum(1)
    asked_PGC = groups.answered_PG.sum(1) * n_criteria_P
    n_na = 0 if groups.excluded_RPGC is None else int(groups.excluded_RPGC[0].sum())
    n_verdicts = int((~np.isnan(groups.verdicts_PGC)).sum())
    found: dict[str, Any] = {
        "n_groups": groups.n_groups,
        "n_prompts": int(clusters_P.max()) + 1,
        "n_answers": groups.n_answers,
        "n_verdicts": n_verdicts,
        "n_missing": int(asked_PGC.sum()) - n_verdicts - n_na,
        "n_replicates": groups.n_replicates,
        "n_left_out": groups.n_left_out,
        "n_repeated": groups.n_repeated,
        "sizes": _counts(groups),
        "criteria_median": float(np.median(n_criteria_P)),
        "scales": tuple(scales),
        "rewards": tuple(_summary(r, values[r.name], groups) for r in studied),
        "skipped": skipped,
        "dead": tuple(dead_groups(groups, r, values[r.name], identical_P) for r in studied),
        "identical": float(identical_P.mean()),
        "identical_but_for_p": _differing_share(groups, identical_P),
        "variance": tuple(
            split_variance(name, rewards_RPG, clusters_P)
            for name, rewards_RPG in replicates.items()
        ),
        "by_scale": tuple(
            _scale_summary(name, scale, values[name], replicates[name], advantages, gold_PG, groups)
            for name in values
            for scale in scales
        ),
        "batch_groups": batch_groups,
        "batch_agreement": {
            name: batch_agreement(rewards_PG, batch_groups, seed=seed)
            for name, rewards_PG in values.items()
        },
        "gold": _held_against_gold(
            groups, studied, values, scales[0], training or Settings(seed=seed)
        ),
        "terms": tuple(
            effect for r in studied for effect in term_effects(groups, r, values[r.name], scales)
        ),
        "pairs": tuple(pair_agreements(values, advantages, clusters_P)),
        "flips": tuple(flip_effects(groups, studied, scales, seed=seed, values=values)),
        "survival": {
            rate: float(survival(n_criteria_P.astype(np.float64), rate).mean())
            for rate in SURVIVAL_RATES
        },
        "criteria": tuple(summarise_criteria(groups, criteria)),
        "leverage": tuple(row for row in leverage if row is not None),
        "drop": prompts_to_drop(groups, identical_P),
        "levels": groups.level_counts,
        "arrays": StudyArrays(groups, values, advantages, criteria),
    }
    return SignalStudy(words=verdict_in_words(found), **found)


def _held_against_gold(
    groups: GroupedVerdicts,
    rewards: Sequence[Reward],
    values: Mapping[str, Floats],
    scale: Scale,
    settings: Settings,
) -> GoldStudy | None:
    """Replay training on the answers that gold has graded, the judge erring as its repeats say."""
    if groups.gold_PGC is None:
        return None
    graded_P = np.nonzero((~np.isnan(groups.gold_PGC)).any((1, 2)))[0]
    if flip_rate(groups) is None or not len(graded_P):
        return hold_against_gold(groups, values, scale, settings)
    graded, noise = groups.take(graded_P), JudgeNoise.of_replicates(groups)
    pools, _ = judged_anew(graded, rewards, noise, seed=settings.seed)
    shape = (len(next(iter(pools.values()))) if pools else 1, *graded.answered_PG.shape)
    pools = {
        name: pools.get(name, np.broadcast_to(rewards_PG[graded_P], shape))
        for name, rewards_PG in values.items()
    }
    return hold_against_gold(graded, pools, scale, settings, noise=noise.words)


def _replicates(groups: GroupedVerdicts, reward: Reward, values: Mapping[str, Floats]) -> Floats:
    replicates = groups.replicate_rewards(reward)
    return values[reward.name][None] if replicates is None else replicates


def _counts(groups: GroupedVerdicts) -> dict[int, int]:
    sizes, counts = np.unique(groups.sizes_P, return_counts=True)
    return {int(size): int(count) for size, count in zip(sizes, counts, strict=True)}


def _summary(reward: Reward, rewards_PG: Floats, groups: GroupedVerdicts) -> RewardSummary:
    known = rewards_PG[~np.isnan(rewards_PG)]
    spread_P = spread_of(rewards_PG)
    has_spread = ~np.isnan(spread_P)
    return RewardSummary(
        reward=reward.name,
        needs=str(reward.needs),
        range=(float(reward.range[0]), float(reward.range[1])),
        n=len(known),
        n_none=groups.n_answers - len(known),
        mean=mean(rewards_PG, groups.clusters_P),
        effective_n=effective_n(rewards_PG, groups.clusters_P),
        sd=float(known.std(ddof=1)) if len(known) > 1 else math.nan,
        spread=float(spread_P[has_spread].mean()) if has_spread.any() else math.nan,
        quantiles=tuple(map(float, np.quantile(known, QUANTILES))) if len(known) else (),
    )


def _scale_summary(
    name: str,
    scale: Scale,
    rewards_PG: Floats,
    rewards_RPG: Floats,
    advantages: Mapping[str, Mapping[Scale, Floats]],
    gold_PG: Floats | None,
    groups: GroupedVerdicts,
) -> ScaleSummary:
    advantages_PG = advantages[name][scale]
    effective = effective_answers(advantages_PG)
    n = int((~np.isnan(rewards_PG)).sum())
    replicated = Estimate(None)
    if len(rewards_RPG) > 1:
        second_PG = advantages_of(rewards_RPG[1], scale)
        # compare like with like: the first verdicts of the groups that were judged again
        first_PG = np.where(np.isnan(rewards_RPG[1]), np.nan, rewards_RPG[0])
        replicated = correlation(advantages_of(first_PG, scale), second_PG, groups.clusters_P)
    return ScaleSummary(
        reward=name,
        scale=scale,
        effective_answers=effective,
        effective_share=effective / n if n else 0.0,
        low_spread_weight=_low_spread_weight(rewards_PG, advantages_PG),
        replicate_correlation=replicated,
        gold_correlation=_with_gold(rewards_PG, gold_PG, scale, groups),
    )


def _with_gold(
    rewards_PG: Floats, gold_PG: Floats | None, scale: Scale, groups: GroupedVerdicts
) -> Estimate:
    if gold_PG is None:
        return Estimate(None)
    both = ~np.isnan(rewards_PG) & ~np.isnan(gold_PG)
    first, second = (
        advantages_of(np.where(both, one, np.nan), scale) for one in (rewards_PG, gold_PG)
    )
    return correlation(first, second, groups.clusters_P)


def _low_spread_weight(rewards_PG: Floats, advantages_PG: Floats) -> float | None:
    alive_P = ~equal_in_group(rewards_PG) & ((~np.isnan(rewards_PG)).sum(1) > 1)
    squares_P = np.nansum(advantages_PG**2, axis=1)[alive_P]
    spread_P = spread_of(rewards_PG)[alive_P]
    total = float(squares_P.sum())
    if len(spread_P) < 4 or total <= 0:
        return None
    lowest = np.argsort(spread_P, kind="stable")[: len(spread_P) // 4]
    return float(squares_P[lowest].sum()) / total


def _differing_share(groups: GroupedVerdicts, identical_P: Bools) -> float | None:
    if groups.probabilities_RPGC is None or not identical_P.any():
        return None
    chances_PGC = groups.probabilities_RPGC[0][identical_P]
    span_PC = np.fmax.reduce(chances_PGC, axis=1) - np.fmin.reduce(chances_PGC, axis=1)
    return float((span_PC > EQUAL).any(1).mean())
