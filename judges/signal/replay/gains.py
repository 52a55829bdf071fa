"""Gains of training over seeds and prompts, and which reward gained most.

The best is compared with every other one by the paired difference of their gains on the same
prompts and seeds, at 5 % over all comparisons with it (Hsu 1981, comparison with the best;
Bonferroni's bound in the place of Dunnett's). Seeds and prompts are both samples: the intervals are
those of `scoring/crossed.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ...scoring.crossed import crossed_mean
from ...scoring.estimates import LEVEL, Estimate, n_clusters
from ...scoring.points import ratio
from ...scoring.rubric_arrays import Floats


class Standing(StrEnum):
    """How a reward stands to the one that gains most."""

    BEST = "best"
    TIED = "cannot be distinguished"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Compared:
    """One reward beside the best."""

    reward: str
    gain: Estimate
    """Over seeds and prompts, with its 95 % interval."""
    behind: Estimate
    """How far it lies behind the best, with an interval that allows for as many comparisons as
    there are other rewards. None for the best."""
    standing: Standing


def by_prompt(gain_SP: Floats, clusters_P: NDArray[np.intp]) -> Floats:
    """Average the groups of each prompt, seed by seed; NaN where a seed has none."""
    n = n_clusters(clusters_P)
    if n == len(clusters_P):
        return gain_SP[:, np.argsort(clusters_P)]
    known = ~np.isnan(gain_SP)
    member_PC = (clusters_P[:, None] == np.arange(n)).astype(np.float64)
    return ratio(np.where(known, gain_SP, 0.0) @ member_PC, known @ member_PC)


def gain_of(gain_SC: Floats, level: float = LEVEL) -> Estimate:
    """Give the mean gain with its interval over seeds and prompts."""
    return crossed_mean(gain_SC, level).interval


def compare(gains: Mapping[str, Floats]) -> list[Compared]:
    """Order rewards by their gain, and say which ones may be the best.

    Args:
        gains: By name, [S, C], on the same seeds and prompts.
    """
    found = {name: gain_of(gain_SC) for name, gain_SC in gains.items()}
    order = sorted(found, key=lambda name: -(found[name].value or 0.0))
    best, n_others = order[0], max(1, len(order) - 1)
    rows = [Compared(best, found[best], Estimate(None), Standing.BEST)]
    for name in order[1:]:
        behind = gain_of(gains[best] - gains[name], 1 - (1 - LEVEL) / n_others)
        is_behind = behind.low is not None and behind.low > 0
        standing = Standing.BEHIND if is_behind else Standing.TIED
        rows.append(Compared(name, found[name], behind, standing))
    return rows


def is_above_zero(gains: Mapping[str, Floats], rows: Sequence[Compared]) -> bool:
    """Say whether the best gain is above 0, all rewards tried being allowed for."""
    low = gain_of(gains[rows[0].reward], 1 - (1 - LEVEL) / len(rows)).low
    return low is not None and low > 0
