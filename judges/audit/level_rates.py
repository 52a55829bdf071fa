"""A judge's errors on levels: the chance of each of its levels, given the true one.

They are for levels what specificity and sensitivity are for met and not met. With M[j, t] =
P(the judge says j | t is true), the judge's shares of levels q = M p come of the true ones p, so
p = M^-1 q. A share s_t of a criterion's points is corrected verdict by verdict: one at level j
counts a_j with a = M^-T s, whose mean over the judge's errors is s_t whatever the true level is
(Rogan & Gladen 1978 for two levels; Barron 1977 and Kuha & Skinner 1997 for the matrix).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..scoring.rubric_arrays import Floats
from .correction import (
    MIN_ABOVE_CHANCE,
    MIN_LABELS_OF_A_CLASS,
    MIN_PROMPTS_OF_A_CLASS,
    N_DRAWS,
    ErrorRates,
    draws,
)


@dataclass(frozen=True, slots=True)
class LevelRates:
    """Draws of the inverse of a judge's misclassification matrix, of one kind of criterion."""

    inverse: Floats
    """M^-1, [K, K]: the true level, then the judge's; NaN where there is none."""
    inverse_BKK: Floats
    least: float
    """The smallest singular value of M: 0 where two levels cannot be told apart. Of two levels with
    equal errors it is specificity and sensitivity less 1."""
    least_B: Floats
    refused: str | None = None
    has_enough: bool = True
    """Whether there are labels enough of every level, of prompts enough, to say anything."""

    @property
    def youden(self) -> float:
        """What a correction divides by, as by Youden's index where there are two levels."""
        return self.least

    def youden_end(self, q: float) -> float:
        """Give a quantile of it over the draws."""
        return float(np.nanquantile(self.least_B, q))

    @property
    def n_draws(self) -> int:
        """Count the draws."""
        return len(self.least_B)

    @classmethod
    def of(cls, cells_PK: Floats, *, seed: int, n_draws: int = N_DRAWS) -> LevelRates:
        """Estimate a judge's errors on levels, and refuse where they cannot carry a correction.

        Args:
            cells_PK: Counts by prompt of the audit, [P, K * K], the judge's level first.
            seed: Of the bootstrap over the audit's prompts.
            n_draws: Bootstrap draws.
        """
        n_levels = round(cells_PK.shape[1] ** 0.5)
        total = cells_PK.sum(axis=0).reshape(n_levels, n_levels)
        inverse, least = _inverted(total[None])
        inverse_BKK, least_B = _inverted(
            draws(cells_PK, seed, n_draws).reshape(-1, n_levels, n_levels)
        )
        by_label_PK = cells_PK.reshape(-1, n_levels, n_levels).sum(axis=1)
        refused = _few(by_label_PK)
        has_enough = refused is None
        if refused is None:
            refused = _chance(float(least[0]), least_B)
        return cls(inverse[0], inverse_BKK, float(least[0]), least_B, refused, has_enough)


def _inverted(counts_BKK: Floats) -> tuple[Floats, Floats]:
    """Give inverses and smallest singular values; below 0 where levels are turned round."""
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix_BKK = counts_BKK / counts_BKK.sum(axis=1, keepdims=True)
    # a draw without a label of some level says nothing
    known_B = np.isfinite(matrix_BKK).all((1, 2))
    safe_BKK = np.where(known_B[:, None, None], matrix_BKK, np.eye(matrix_BKK.shape[-1]))
    least_B = np.linalg.svd(safe_BKK, compute_uv=False)[:, -1]
    least_B = least_B * np.sign(np.linalg.det(safe_BKK))
    solved_B = known_B & (least_B > 0)
    kept_BKK = np.where(solved_B[:, None, None], safe_BKK, np.eye(matrix_BKK.shape[-1]))
    inverse_BKK = np.where(solved_B[:, None, None], np.linalg.inv(kept_BKK), np.nan)
    return inverse_BKK, np.where(known_B, least_B, np.nan)


def _few(by_label_PK: Floats) -> str | None:
    labels_K = by_label_PK.sum(axis=0)
    prompts_K = np.count_nonzero(by_label_PK, axis=0)
    if labels_K.min() < MIN_LABELS_OF_A_CLASS:
        counts = ", ".join(f"{n:g}" for n in labels_K)
        return (
            f"the audit has {counts} labels of its levels; {MIN_LABELS_OF_A_CLASS} of each are "
            "needed"
        )
    if prompts_K.min() < MIN_PROMPTS_OF_A_CLASS:
        counts = ", ".join(map(str, prompts_K))
        return (
            f"the audit has labels of its levels of {counts} prompts; {MIN_PROMPTS_OF_A_CLASS} "
            "prompts of each are needed"
        )
    return None


def _chance(least: float, least_B: Floats) -> str | None:
    if not least > 0:
        return (
            "the judge swaps levels on the audit, or does not distinguish two of them "
            f"(smallest singular value of its errors {least:.3f})"
        )
    if np.nanquantile(least_B, 0.025) <= MIN_ABOVE_CHANCE:
        return (
            "the audit does not show that this judge distinguishes the levels; it needs more labels"
        )
    return None


@dataclass(frozen=True, slots=True)
class LevelPart:
    """The part of a figure that hangs on verdicts of one kind with levels."""

    sums_PKK: Floats
    """Sum of w s over the verdicts of each prompt: s the share of each level (true, then the
    judge's): the entry [t, j] adds up w s_t of the verdicts at level j."""
    raw_P: Floats
    """Sum of w s at the judge's level."""
    ends_P2: Floats
    """Least and most that the sum can be, whatever the levels are."""
    rates: LevelRates | ErrorRates
    """Error rates of two levels only where they are refused: nothing is known of the kind."""
    name: str = ""

    @property
    def size(self) -> float:
        """How much of the figure hangs on it."""
        return float((self.ends_P2[:, 1] - self.ends_P2[:, 0]).sum())

    @property
    def raw(self) -> float:
        """The part as judged, summed."""
        return float(self.raw_P.sum())

    def columns(self) -> list[Floats]:
        """Give what is summed over the prompts that are drawn."""
        flat_PK = self.sums_PKK.reshape(len(self.raw_P), -1)
        return [*self.ends_P2.T, *flat_PK.T]

    def corrected(self) -> float:
        """Give the part without the judge's error, summed."""
        assert isinstance(self.rates, LevelRates)
        return float((self.rates.inverse * self.sums_PKK.sum(axis=0)).sum())

    def drawn(self, columns_BK: Floats) -> tuple[Floats, Floats]:
        """Give the least and the most that it may be in each draw."""
        least_B, most_B = columns_BK[:, 0], columns_BK[:, 1]
        if self.rates.refused is not None or not isinstance(self.rates, LevelRates):
            return least_B, most_B
        sums_BKK = columns_BK[:, 2:].reshape(-1, *self.sums_PKK.shape[1:])
        solved_B = (self.rates.inverse_BKK * sums_BKK).sum((1, 2))
        # a draw in which levels cannot be told apart says only that the figure may lie anywhere
        told_B = np.isfinite(solved_B)
        return np.where(told_B, solved_B, -np.inf), np.where(told_B, solved_B, np.inf)
