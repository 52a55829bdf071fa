"""Every table of a signal study, computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import ConfigError
from ..rewards import Reward, get_reward
from ..scoring.estimates import NOTHING, Estimate, effective_n, mean, n_clusters
from ..scoring.jackknife import correlation
from ..scoring.rubric_arrays import Bools, Floats
from .advantages import (
    Scale,
    advantages_of,
    batch_agreement,
    effective_answers,
    spread_of,
    term_effects,
)
from .agreement import flip_effects, pair_agreements, survival
from .criteria import penalty_leverage, study_criteria, summarise_criteria
from .dead_groups import EQUAL, dead_groups, equal_in_group, identical_verdicts, prompts_to_drop
from .findings import verdict_in_words
from .gold import GoldStudy, hold_against_gold
from .groups import BATCH_GROUPS, GroupedVerdicts
from .levels import flip_rate
from .replay.noise import JudgeNoise, judged_anew
from .replay.study import computable, gold_rewards
from .replay.training import Settings
from .study import QUANTILES, RewardSummary, ScaleSummary, SignalStudy, StudyArrays
from .variance import split_variance

DEFAULT_REWARDS = (
    "healthbench", "healthbench_clipped", "hybrid", "complexity",
    "rar_explicit", "rar_uniform", "binary", "pass_hb50",
)  # fmt: skip
"""Together they give the table of the method sheet, section 4.2."""
SURVIVAL_RATES = (0.01, 0.02, 0.05, 0.1, 0.2)


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
    replicates = {reward.name: groups.replicate_rewards(reward) for reward in studied}
    silent = {name for name, rewards_RPG in replicates.items() if np.isnan(rewards_RPG[0]).all()}
    if len(silent) < len(studied):  # rewards are compared on the answers that all of them value
        skipped |= dict.fromkeys(sorted(silent), "it gives no answer a value")
        studied = [reward for reward in studied if reward.name not in silent]
    values = {reward.name: replicates[reward.name][0] for reward in studied}
    advantages = {
        name: {scale: advantages_of(rewards_PG, scale) for scale in scales}
        for name, rewards_PG in values.items()
    }
    gold_PG = gold_rewards(groups)
    identical_P = identical_verdicts(groups)
    criteria = study_criteria(groups)
    leverage = [penalty_leverage(groups, reward, criteria) for reward in studied]
    n_criteria_P = groups.rubric_PC.present.sum(1)
    n_asked = int((groups.sizes_P * n_criteria_P).sum())
    n_na = 0 if groups.excluded_RPGC is None else int(groups.excluded_RPGC[0].sum())
    n_verdicts = int((~np.isnan(groups.verdicts_PGC)).sum())
    sizes, n_of_size = np.unique(groups.sizes_P, return_counts=True)
    study = SignalStudy(
        n_groups=groups.n_groups,
        n_prompts=n_clusters(clusters_P),
        n_answers=groups.n_answers,
        n_verdicts=n_verdicts,
        n_missing=n_asked - n_verdicts - n_na,
        n_replicates=groups.n_replicates,
        n_left_out=groups.n_left_out,
        n_repeated=groups.n_repeated,
        sizes=dict(zip(sizes.tolist(), n_of_size.tolist(), strict=True)),
        criteria_median=float(np.median(n_criteria_P)),
        scales=tuple(scales),
        rewards=tuple(_summary(r, values[r.name], groups) for r in studied),
        skipped=skipped,
        dead=tuple(dead_groups(groups, r, values[r.name], identical_P) for r in studied),
        identical=float(identical_P.mean()),
        identical_but_for_p=_differing_share(groups, identical_P),
        variance=tuple(split_variance(name, replicates[name], clusters_P) for name in values),
        by_scale=tuple(
            _scale_summary(name, scale, replicates[name], of_reward[scale], gold_PG, groups)
            for name, of_reward in advantages.items()
            for scale in scales
        ),
        batch_groups=batch_groups,
        batch_agreement={
            name: batch_agreement(rewards_PG, batch_groups, seed=seed)
            for name, rewards_PG in values.items()
        },
        gold=_held_against_gold(
            groups, studied, values, scales[0], training or Settings(seed=seed)
        ),
        terms=tuple(
            effect for r in studied for effect in term_effects(groups, r, values[r.name], scales)
        ),
        pairs=tuple(pair_agreements(values, advantages, clusters_P)),
        flips=tuple(flip_effects(groups, studied, scales, seed=seed, values=values)),
        survival={
            rate: float(survival(n_criteria_P.astype(np.float64), rate).mean())
            for rate in SURVIVAL_RATES
        },
        criteria=tuple(summarise_criteria(groups, criteria)),
        leverage=tuple(row for row in leverage if row is not None),
        drop=prompts_to_drop(groups, identical_P),
        levels=groups.level_counts,
        arrays=StudyArrays(groups, values, advantages, criteria),
    )
    return replace(study, words=verdict_in_words(study))


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
    if flip_rate(groups.verdicts_RPGC) is None or not len(graded_P):
        return hold_against_gold(groups, values, scale, settings)
    graded, noise = groups.take(graded_P), JudgeNoise.of_replicates(groups)
    pools, _ = judged_anew(graded, rewards, noise, seed=settings.seed)
    shape = (len(next(iter(pools.values()))) if pools else 1, *graded.answered_PG.shape)
    pools = {
        name: pools.get(name, np.broadcast_to(rewards_PG[graded_P], shape))
        for name, rewards_PG in values.items()
    }
    return hold_against_gold(graded, pools, scale, settings, noise=noise.words)


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
    rewards_RPG: Floats,
    advantages_PG: Floats,
    gold_PG: Floats | None,
    groups: GroupedVerdicts,
) -> ScaleSummary:
    rewards_PG = rewards_RPG[0]
    effective = effective_answers(advantages_PG)
    n = int((~np.isnan(rewards_PG)).sum())

    def correlated(first_PG: Floats, second_PG: Floats) -> Estimate:
        """Compare like with like: the answers that both have rewarded."""
        both = ~np.isnan(first_PG) & ~np.isnan(second_PG)
        first, second = (
            advantages_of(np.where(both, one, np.nan), scale) for one in (first_PG, second_PG)
        )
        return correlation(first, second, groups.clusters_P)

    return ScaleSummary(
        reward=name,
        scale=scale,
        effective_answers=effective,
        effective_share=effective / n if n else 0.0,
        low_spread_weight=_low_spread_weight(rewards_PG, advantages_PG),
        replicate_correlation=correlated(*rewards_RPG[:2]) if len(rewards_RPG) > 1 else NOTHING,
        gold_correlation=NOTHING if gold_PG is None else correlated(rewards_PG, gold_PG),
    )


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
