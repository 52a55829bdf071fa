"""Error bars for means over answers: clustered on prompts, vectorised over many columns.

Intervals are `estimates.py`'s: Student's t over prompts, Wilson's where every value is 0 or 1. The
seeded draws of whole prompts are for what has no formula, and for the error that HealthBench
reports (arXiv 2505.08775, which draws unseeded): several columns share one matrix product.
Source of the clustered error: Miller 2024 (arXiv 2411.00640).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estimates import MIN_PROMPTS, share_intervals, t_quantile
from .points import ratio
from .rubric_arrays import Bools, Floats

N_DRAWS = 10_000
CHUNK_DRAWS = 250
"""Draws made at a time. Part of what a seed means: another value gives other draws."""
MAX_KEPT_BYTES = 8_000_000
"""Draw weights of one run size and seed that are kept for the next run, one byte each."""


@dataclass(frozen=True, slots=True)
class ClusteredColumns:
    """Columns of values summed up by prompt."""

    sums_MP: Floats
    counts_MP: Floats
    is_share_M: Bools
    """Whether every value is 0 or 1, so that the mean is a share."""

    @classmethod
    def of(cls, values_MN: Floats, prompt_N: NDArray[np.intp], n_prompts: int) -> ClusteredColumns:
        """Sum columns of answers by prompt; NaN is no value and counts for nothing."""
        has_MN = ~np.isnan(values_MN)
        return cls(
            _by_prompt(np.where(has_MN, values_MN, 0.0), prompt_N, n_prompts),
            _by_prompt(has_MN.astype(np.float64), prompt_N, n_prompts),
            ((values_MN == 0) | (values_MN == 1) | ~has_MN).all(axis=1),
        )

    def plus(self, other: ClusteredColumns) -> ClusteredColumns:
        """Add the same columns of further answers to the same prompts."""
        return ClusteredColumns(
            self.sums_MP + other.sums_MP,
            self.counts_MP + other.counts_MP,
            self.is_share_M & other.is_share_M,
        )

    def of_rows(self, rows: Sequence[int]) -> ClusteredColumns:
        """Give some of the columns."""
        at = list(rows)
        return ClusteredColumns(self.sums_MP[at], self.counts_MP[at], self.is_share_M[at])

    @property
    def n_M(self) -> Floats:
        """Values in each column."""
        total: Floats = self.counts_MP.sum(axis=1)
        return total

    @property
    def n_prompts_M(self) -> NDArray[np.intp]:
        """Prompts with a value, in each column."""
        n_M: NDArray[np.intp] = np.count_nonzero(self.counts_MP, axis=1)
        return n_M

    @property
    def means_M(self) -> Floats:
        """Mean of each column over answers; NaN where it holds none."""
        return ratio(self.sums_MP.sum(axis=1), self.n_M)

    @property
    def means_MP(self) -> Floats:
        """Mean of each column over the answers to each prompt; NaN where there is none."""
        return ratio(self.sums_MP, self.counts_MP)

    @property
    def stderr_M(self) -> Floats:
        """Clustered standard error of each mean; NaN with fewer than two prompts.

        Miller's clustered error with the factor G / (G - 1) for G prompts: with one answer a
        prompt it is exactly the usual sd / sqrt(n).
        """
        deviations_MP = self.sums_MP - self.counts_MP * np.nan_to_num(self.means_M)[:, None]
        g_M = self.n_prompts_M.astype(np.float64)
        factor_M = ratio(g_M, np.where(g_M > 1, g_M - 1, 0.0))
        variance_M = ratio((deviations_MP**2).sum(axis=1), self.n_M**2) * factor_M
        return np.sqrt(variance_M)

    @property
    def intervals_M2(self) -> Floats:
        """95 % interval of each mean; NaN of fewer than 10 prompts, and where nothing varies.

        t over prompts at the clustered error; of a share, Wilson's at the effective number.
        """
        g_M, means_M, stderr_M = self.n_prompts_M, np.nan_to_num(self.means_M), self.stderr_M
        has_M = (g_M >= MIN_PROMPTS) & (stderr_M > 1e-12)
        half_M = np.where(has_M, t_quantile(np.maximum(g_M - 1, 1)) * stderr_M, np.nan)
        ends_M2 = np.stack([means_M - half_M, means_M + half_M], axis=1)
        if self.is_share_M.any():
            rows = self.is_share_M
            ends_M2[rows] = share_intervals(means_M[rows], stderr_M[rows], self.counts_MP[rows])
        return ends_M2

    def draws(self, *, seed: int, n_draws: int = N_DRAWS) -> Floats:
        """Draw prompts with replacement and give the mean of each column in each draw, [M, B].

        NaN where a draw holds none of a column's prompts.
        """
        n_prompts = self.sums_MP.shape[1]
        means_M = np.nan_to_num(self.means_M)
        # deviations from the mean: float32 products stay exact where the data is constant
        deviations_MP = (self.sums_MP - self.counts_MP * means_M[:, None]).astype(np.float32)
        counts_QP, column_M = np.unique(self.counts_MP, axis=0, return_inverse=True)
        stacked = np.concatenate([deviations_MP, counts_QP.astype(np.float32)])
        products = np.empty((len(stacked), n_draws), dtype=np.float32)
        start = 0
        for weights_BP in draw_weights(seed, n_draws, n_prompts):
            stop = start + len(weights_BP)
            products[:, start:stop] = stacked @ weights_BP.astype(np.float32).T
            start = stop
        n_columns = len(deviations_MP)
        with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of a draw without a value
            shifts_MB = products[:n_columns] / products[n_columns:][column_M.ravel()]
        return means_M[:, None] + shifts_MB


def draw_weights(seed: int, n_draws: int, n_prompts: int) -> Iterable[NDArray[np.integer[Any]]]:
    """Count how often each prompt is in each draw: chunks [B, P] that make up all draws.

    The same for all runs of one size, so the latest are kept where they are small.
    """
    if n_draws * n_prompts <= MAX_KEPT_BYTES:
        return _kept_weights(seed, n_draws, n_prompts)
    return _fresh_weights(seed, n_draws, n_prompts)


@lru_cache(maxsize=2)
def _kept_weights(seed: int, n_draws: int, n_prompts: int) -> tuple[NDArray[np.integer[Any]], ...]:
    # a byte holds every count: one prompt more than 255 times among as many draws as there are
    # prompts is impossible with few prompts and beyond any chance with many
    return tuple(c.astype(np.uint8) for c in _fresh_weights(seed, n_draws, n_prompts))


def _fresh_weights(seed: int, n_draws: int, n_prompts: int) -> Iterator[NDArray[np.integer[Any]]]:
    rng = np.random.default_rng(seed)
    dtype = np.uint16 if n_prompts <= 2**16 else np.uint32
    offsets_B1 = (np.arange(CHUNK_DRAWS, dtype=np.intp) * n_prompts)[:, None]
    for start in range(0, n_draws, CHUNK_DRAWS):
        size = min(CHUNK_DRAWS, n_draws - start)
        picks_BP = rng.integers(0, n_prompts, size=(size, n_prompts), dtype=dtype)
        cells = (picks_BP + offsets_B1[:size]).ravel()
        yield np.bincount(cells, minlength=size * n_prompts).reshape(size, n_prompts)


def _by_prompt(values_MN: Floats, prompt_N: NDArray[np.intp], n_prompts: int) -> Floats:
    n_columns, n_answers = values_MN.shape
    if n_answers == n_prompts and np.array_equal(prompt_N, np.arange(n_prompts)):
        return values_MN
    cells = np.arange(n_columns)[:, None] * n_prompts + prompt_N
    size = n_columns * n_prompts
    sums = np.bincount(cells.ravel(), weights=values_MN.ravel(), minlength=size)
    return sums.astype(np.float64, copy=False).reshape(n_columns, n_prompts)
