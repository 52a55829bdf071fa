"""Criterion by criterion: which ones tell answers apart, and what one triggered fault costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rewards import Needs, Reward
from ..scoring.points import ratio
from ..scoring.rubric_arrays import Bools, Floats
from .dead_groups import EQUAL, attainable, extreme_verdicts
from .groups import GroupedVerdicts

MAX_LEVERAGE_PROMPTS = 3_000
"""Prompts whose negative criteria are triggered one by one."""


@dataclass(frozen=True, slots=True)
class CriterionStudy:
    """Each criterion in each group; arrays are [P, C], NaN at padding."""

    pass_rate_PC: Floats
    """Share of the group's answers of which the criterion is true, q; of levels, the mean share of
    its points."""
    contrast_PC: Floats
    """Variance of the verdict between answers, q (1 - q) of met and not met: 0 where it tells no
    two answers apart, 0.25 at most of shares from 0 to 1."""
    variance_share_PC: Floats
    """Share of the group's variance of net points that it carries; a group's sum is 1. Negative
    where a criterion runs against the others. NaN in groups without variance."""
    never_PC: Bools
    """No answer to the prompt meets it, in any group; of levels, none is above the lowest."""
    always_PC: Bools
    """Every answer to the prompt meets it, in every group; of levels, all have all points."""
    negative_PC: Bools
    """Its points are negative."""


@dataclass(frozen=True, slots=True)
class CriterionSummary:
    """A kind of criteria over all groups."""

    kind: str
    n: int
    """Criteria, each counted once for each of its groups."""
    pass_rate: float
    contrast: float
    never: float
    """Share that no answer to their prompt meets."""
    always: float
    """Share that every answer to their prompt meets."""
    variance_share: float | None
    """Mean share of their group's variance that the criteria of this kind carry together."""


@dataclass(frozen=True, slots=True)
class PenaltyLeverage:
    """What one triggered negative criterion costs, as a share of what its rubric can move.

    1 means that one fault takes the reward from the best to the worst its rubric allows.
    """

    reward: str
    n_negative: int
    """Negative criteria looked at."""
    from_best: float
    """Mean cost where all else is perfect."""
    typical: float
    """Mean cost at the pass rates that were seen."""
    lone: float | None
    """Mean cost from the best where the rubric has this one negative criterion."""
    n_lone: int
    by_points: float
    """Mean cost by its points alone: |p| / (P + N)."""


def study_criteria(groups: GroupedVerdicts) -> CriterionStudy:
    """Compute pass rates, contrasts and shares of variance."""
    verdicts_PGC, present_PC = groups.verdicts_PGC, groups.rubric_PC.present
    n_PC = (~np.isnan(verdicts_PGC)).sum(1).astype(np.float64)
    met_PC = np.nansum(verdicts_PGC, axis=1)
    rate_PC = ratio(met_PC, n_PC)
    if groups.levels_PCK is not None:
        met_PC = _at_the_ends(verdicts_PGC, groups.levels_PCK)
    same_P = _same_rubric(groups)
    met_PC, n_PC = _pooled(met_PC, same_P), _pooled(n_PC, same_P)
    return CriterionStudy(
        pass_rate_PC=rate_PC,
        contrast_PC=_contrast(verdicts_PGC, rate_PC, groups),
        variance_share_PC=_variance_shares(groups, rate_PC),
        never_PC=(n_PC > 0) & (met_PC <= 0) & present_PC,
        always_PC=(n_PC > 0) & (met_PC >= n_PC) & present_PC,
        negative_PC=np.asarray(groups.rubric_PC.points < 0),
    )


def _pooled(values_PC: Floats, same_P: NDArray[np.intp]) -> Floats:
    """Give each group the sum over all groups that share its number."""
    sums = np.zeros((int(same_P.max()) + 1, values_PC.shape[1]))
    np.add.at(sums, same_P, values_PC)
    return sums[same_P]


def _contrast(verdicts_PGC: Floats, rate_PC: Floats, groups: GroupedVerdicts) -> Floats:
    """Give the variance of a verdict between answers: p (1 - p), and for levels that of shares."""
    if groups.rubric_PC.conditions is None:
        return rate_PC * (1 - rate_PC)
    squares_PGC = (verdicts_PGC - rate_PC[:, None, :]) ** 2
    return ratio(np.nansum(squares_PGC, axis=1), (~np.isnan(squares_PGC)).sum(1).astype(np.float64))


def _at_the_ends(verdicts_PGC: Floats, levels_PCK: Floats) -> Floats:
    """Count answers, [P, C]: a level between the lowest and the one with all points as a half."""
    least_PC = np.fmin.reduce(levels_PCK, axis=-1)
    ends_PGC = np.where(verdicts_PGC >= 1.0 - EQUAL, 1.0, 0.5)
    ends_PGC = np.where(verdicts_PGC <= least_PC[:, None] + EQUAL, 0.0, ends_PGC)
    has_levels = ~np.isnan(least_PC)[:, None]
    counted = np.where(has_levels, ends_PGC, verdicts_PGC)
    ends_PC: Floats = np.where(np.isnan(verdicts_PGC), 0.0, counted).sum(1)
    return ends_PC


def _same_rubric(groups: GroupedVerdicts) -> NDArray[np.intp]:
    """Number the groups so that those of one prompt under one rubric have one number."""
    clusters_P = groups.clusters_P
    if int(clusters_P.max()) + 1 == groups.n_groups:
        return clusters_P
    keyed = np.column_stack([clusters_P, groups.rubric_PC.points, groups.rubric_PC.desirable])
    return np.unique(keyed, axis=0, return_inverse=True)[1].reshape(-1).astype(np.intp)


def _variance_shares(groups: GroupedVerdicts, rate_PC: Floats) -> Floats:
    """Split the variance of net points in a group: Cov(p v, sum of p v) / Var(sum of p v).

    A missing verdict counts as its criterion's mean: it neither adds to nor takes from the spread.
    """
    verdicts_PGC, rubric_PC = groups.verdicts_PGC, groups.rubric_PC
    # a criterion that counts when it is NOT met moves the other way
    sign_PC = np.where((rubric_PC.points > 0) == rubric_PC.desirable, 1.0, -1.0)
    if rubric_PC.conditions is not None:  # what requires a criterion that is not met counts nothing
        verdicts_PGC, sign_PC = rubric_PC.for_groups().hits(verdicts_PGC), np.ones_like(sign_PC)
        n_PC = (~np.isnan(verdicts_PGC)).sum(1).astype(np.float64)
        rate_PC = ratio(np.nansum(verdicts_PGC, axis=1), n_PC)
    rate_P1C = np.nan_to_num(rate_PC)[:, None, :]
    centred_PGC = verdicts_PGC - rate_P1C
    np.nan_to_num(centred_PGC, copy=False)
    weights_PC = rubric_PC.points * sign_PC
    total_PG = np.matmul(centred_PGC, weights_PC[..., None])[..., 0]
    covariance_PC = np.matmul(total_PG[:, None, :], centred_PGC)[:, 0] * weights_PC
    variance_P1 = (total_PG**2).sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share_PC = np.where(variance_P1 > 1e-12, covariance_PC / variance_P1, np.nan)
    return np.where(groups.rubric_PC.present, share_PC, np.nan)


def summarise_criteria(groups: GroupedVerdicts, study: CriterionStudy) -> list[CriterionSummary]:
    """Summarise all criteria, then those with positive and with negative points."""
    present_PC = groups.rubric_PC.present & ~np.isnan(study.pass_rate_PC)
    points_PC, share_PC = groups.rubric_PC.points, study.variance_share_PC
    kinds = {
        "all": present_PC,
        "positive points": present_PC & ~study.negative_PC,
        "negative points": present_PC & study.negative_PC,
        "5 points or more": present_PC & (points_PC >= 5),
        "under 5 points": present_PC & (points_PC > 0) & (points_PC < 5),
    }
    alive_P = ~np.isnan(np.where(present_PC, share_PC, 0.0)).any(1)
    return [
        CriterionSummary(
            kind,
            int(mask.sum()),
            float(study.pass_rate_PC[mask].mean()),
            float(study.contrast_PC[mask].mean()),
            float(study.never_PC[mask].mean()),
            float(study.always_PC[mask].mean()),
            float(np.where(mask, share_PC, 0.0)[alive_P].sum(1).mean()) if alive_P.any() else None,
        )
        for kind, mask in kinds.items()
        if mask.any()
    ]


def penalty_leverage(
    groups: GroupedVerdicts, reward: Reward, study: CriterionStudy
) -> PenaltyLeverage | None:
    """Trigger each negative criterion by itself; None without negatives or without verdicts.

    Each rubric of a prompt is looked at once, at the pass rates of all answers to it. Of more than
    `MAX_LEVERAGE_PROMPTS` that many are taken, evenly spaced.
    """
    if reward.needs is not Needs.VERDICTS:
        return None
    rubric = groups.rubric_PC
    same_P = _same_rubric(groups)
    first = np.unique(same_P, return_index=True)[1]
    known = ~np.isnan(groups.verdicts_PGC)
    met_PC, n_PC = np.nansum(groups.verdicts_PGC, axis=1), known.sum(1).astype(np.float64)
    rate_PC = ratio(_pooled(met_PC, same_P), _pooled(n_PC, same_P))
    if len(first) > MAX_LEVERAGE_PROMPTS:
        first = first[np.linspace(0, len(first) - 1, MAX_LEVERAGE_PROMPTS).astype(np.intp)]
    rows, columns = np.nonzero(study.negative_PC[first])
    if not len(rows):
        return None
    rows = first[rows]
    chosen = rubric.take(rows)
    worst, best = extreme_verdicts(chosen)
    # what was seen: the pass rates as fractional verdicts, which every linear reward takes
    seen = np.where(np.isnan(rate_PC[rows]), best, rate_PC[rows])
    index = np.arange(len(rows))

    def cost(base: Floats) -> Floats:
        triggered, avoided = base.copy(), base.copy()
        triggered[index, columns] = worst[index, columns]
        avoided[index, columns] = best[index, columns]
        return reward(avoided, chosen) - reward(triggered, chosen)

    low_P, high_P = attainable(groups, reward)
    span = (high_P - low_P)[rows]
    valid = span > 0
    if not valid.any():
        return None
    points = chosen.points[index, columns]
    lone = valid & ((chosen.points < 0).sum(1) == 1)
    from_best = cost(best)
    lone_cost = from_best[lone] / span[lone]
    by_points = np.abs(points[valid]) / np.abs(chosen.points).sum(1)[valid]
    return PenaltyLeverage(
        reward=reward.name,
        n_negative=int(valid.sum()),
        from_best=float(np.nanmean(from_best[valid] / span[valid])),
        typical=float(np.nanmean(cost(seen)[valid] / span[valid])),
        lone=float(np.nanmean(lone_cost)) if lone.any() else None,
        n_lone=int(lone.sum()),
        by_points=float(by_points.mean()),
    )
