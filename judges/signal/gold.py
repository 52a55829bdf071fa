"""Rewards held against gold: whether what they teach is what a better judge would teach.

A reward cannot vouch for itself: on one judge's verdicts the score agrees with itself perfectly,
however poor the judge. So advantages under the judge that trains are correlated with those of the
*score* under a gold judge, on the answers that both have graded. A dead group pulls the correlation
down by itself, so it is counted there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from ..errors import ConfigError
from ..rewards import get_reward
from ..scoring.estimates import Estimate, clustered_variance
from ..scoring.jackknife import correlation
from ..scoring.rubric_arrays import Bools, Floats
from .advantages import Scale, advantages_of
from .groups import GroupedVerdicts

SCORE = "healthbench"
"""The score that is reported, unclipped; gold is this one under the better judge."""
MIN_GOLD_PROMPTS = 50
"""Prompts with two answers graded by gold, below which no reward is told from another."""


class Standing(StrEnum):
    """How a reward stands to the one that agrees best with gold."""

    BEST = "best"
    TIED = "cannot be told apart"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class GoldRow:
    """How one reward's advantages agree with gold's."""

    reward: str
    alignment: Estimate
    """Correlation of advantages with those of the gold score, with its 95 % interval."""
    behind: Estimate
    """How far it lies behind the best: the paired difference of correlations, with an interval
    that allows for as many comparisons as there are other rewards. None for the best."""
    standing: Standing


@dataclass(frozen=True, slots=True)
class GoldStudy:
    """Every reward against gold, the best first."""

    scale: Scale
    n_prompts: int
    n_groups: int
    n_answers: int
    """That every reward and gold have graded, in groups of two or more."""
    agreement: float | None
    """Share of the verdicts on which judge and gold agree; None where they share none."""
    rows: tuple[GoldRow, ...]
    is_better_than_nothing: bool
    """Whether the best one's correlation is above 0, all rewards tried being allowed for."""
    is_enough: bool
    """Whether there are prompts enough to say any of this."""

    @property
    def contenders(self) -> tuple[str, ...]:
        """The rewards that may be the best: with 95 % confidence the best one is among them."""
        return tuple(row.reward for row in self.rows if row.standing is not Standing.BEHIND)


def gold_rewards(groups: GroupedVerdicts) -> Floats | None:
    """Give the gold score of every answer, [P, G]; NaN without one, None without any.

    Raises:
        ConfigError: Gold says what the judge says: it is the same judge.
    """
    if groups.gold_PGC is None:
        return None
    both = ~np.isnan(groups.gold_PGC) & ~np.isnan(groups.verdicts_PGC)
    if both.any() and (groups.gold_PGC[both] == groups.verdicts_PGC[both]).all():
        raise ConfigError(
            f"--gold: all of its {int(both.sum()):,} verdicts are those of the judge under study; "
            "gold must be another, better judge, or labels of people"
        )
    return groups.gold_rewards(get_reward(SCORE))


def hold_against_gold(
    groups: GroupedVerdicts, values: Mapping[str, Floats], scale: Scale
) -> GoldStudy | None:
    """Compare rewards by what gold says of the same answers.

    A reward is behind where its correlation lies below the best one's by more than the error of
    the paired difference, at 5 % over all comparisons with it (Hsu 1981, comparison with the best;
    Bonferroni's bound in the place of Dunnett's). Prompts are the clusters.

    Args:
        groups: The verdicts, with gold's.
        values: Rewards [P, G] by name.
        scale: Of the advantages.

    Returns:
        None without gold; without rows where no group has two answers that all have graded.
    """
    gold_PG = gold_rewards(groups)
    if gold_PG is None:
        return None
    known_PG = ~np.isnan(gold_PG)
    for rewards_PG in values.values():
        known_PG &= ~np.isnan(rewards_PG)
    known_PG &= (known_PG.sum(1) > 1)[:, None]
    kept_P = known_PG.any(1)
    if not kept_P.any():
        return GoldStudy(scale, 0, 0, 0, _agreement(groups, ~np.isnan(gold_PG)), (), False, False)
    clusters_P = np.unique(groups.clusters_P[kept_P], return_inverse=True)[1].astype(np.intp)

    def masked(rewards_PG: Floats) -> Floats:
        return advantages_of(np.where(known_PG, rewards_PG, np.nan)[kept_P], scale)

    gold = masked(gold_PG)
    advantages = {name: masked(rewards_PG) for name, rewards_PG in values.items()}
    n_prompts = int(clusters_P.max()) + 1
    rows = _compared(advantages, gold, clusters_P)
    return GoldStudy(
        scale=scale,
        n_prompts=n_prompts,
        n_groups=int(kept_P.sum()),
        n_answers=int(known_PG.sum()),
        agreement=_agreement(groups, known_PG),
        rows=tuple(rows),
        is_better_than_nothing=_is_above_zero(advantages, gold, clusters_P, rows),
        is_enough=n_prompts >= MIN_GOLD_PROMPTS,
    )


def _agreement(groups: GroupedVerdicts, known_PG: Bools) -> float | None:
    assert groups.gold_PGC is not None
    both = ~np.isnan(groups.gold_PGC) & ~np.isnan(groups.verdicts_PGC) & known_PG[..., None]
    # a study of ratings has no verdict of the judge to agree with
    if not both.any():
        return None
    return float((groups.gold_PGC[both] == groups.verdicts_PGC[both]).mean())


def _compared(
    advantages: Mapping[str, Floats], gold: Floats, clusters_P: NDArray[np.intp]
) -> list[GoldRow]:
    found = {name: correlation(one, gold, clusters_P) for name, one in advantages.items()}
    # a reward without spread has no correlation: it teaches nothing, as one of 0 does
    order = sorted(found, key=lambda name: -_or_nothing(found[name]))
    best = order[0]
    n_others = max(1, len(order) - 1)
    influence = {name: _influence(advantages[name], gold) for name in order}
    rows = []
    for name in order:
        if name == best:
            rows.append(GoldRow(name, found[name], Estimate(None), Standing.BEST))
            continue
        behind = _or_nothing(found[best]) - _or_nothing(found[name])
        variance = clustered_variance(influence[best] - influence[name], clusters_P)
        half = None if variance is None else _t(clusters_P, 0.05 / n_others) * variance**0.5
        difference = Estimate(behind) if half is None else _around(behind, half)
        is_behind = difference.low is not None and difference.low > 0
        standing = Standing.BEHIND if is_behind else Standing.TIED
        rows.append(GoldRow(name, found[name], difference, standing))
    return rows


def _is_above_zero(
    advantages: Mapping[str, Floats],
    gold: Floats,
    clusters_P: NDArray[np.intp],
    rows: Sequence[GoldRow],
) -> bool:
    best = rows[0]
    value = _or_nothing(best.alignment)
    variance = clustered_variance(_influence(advantages[best.reward], gold), clusters_P)
    if value <= 0 or variance is None:
        return False
    return bool(value > _t(clusters_P, 0.05 / len(rows)) * variance**0.5)


def _influence(first_PG: Floats, second_PG: Floats) -> Floats:
    """Give what each group adds to the linearised correlation, [P]; 0 where a side never varies."""
    first, second = np.nan_to_num(first_PG), np.nan_to_num(second_PG)
    xx_P = np.einsum("pg,pg->p", first, first)
    yy_P = np.einsum("pg,pg->p", second, second)
    xy_P = np.einsum("pg,pg->p", first, second)
    xx, yy, xy = float(xx_P.sum()), float(yy_P.sum()), float(xy_P.sum())
    if xx <= 0 or yy <= 0:
        return np.zeros(len(xx_P))
    r = xy / (xx * yy) ** 0.5
    influence: Floats = xy_P / (xx * yy) ** 0.5 - r * (xx_P / (2 * xx) + yy_P / (2 * yy))
    return influence


def _t(clusters_P: NDArray[np.intp], alpha: float) -> float:
    return float(stdtrit(int(clusters_P.max()), 1 - alpha / 2))


def _around(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half)


def _or_nothing(estimate: Estimate) -> float:
    """Take a correlation that is not defined for one of 0: that reward, or gold, never varies."""
    return 0.0 if estimate.value is None else estimate.value
