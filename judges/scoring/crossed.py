"""The mean of a table of runs x prompts, and how far to trust it over both.

Runs that differ in the seed answer the same prompts. The runs are a sample of all seeds and the
prompts a sample of all prompts, so an interval over prompts alone says nothing of other seeds.

Sources: the two-way random model without replication (Searle, Casella & McCulloch 1992, chapter 4)
for the balanced table, with the cluster sums of Cameron, Gelbach & Miller 2011 where cells are
missing, which give the same numbers when none is; Satterthwaite 1946 for the degrees of freedom.
His freedom grows where a few runs agree by chance, just where their spread is found too small, so
the interval is never narrower than that of each part at the t of its own freedom (after Cochran
1964): without it three runs of 500 prompts cover 91.5 %, and two 88 %.
A bootstrap over three runs would understate their share of the variance by a third.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .estimates import (
    MIN_PROMPTS,
    NO_SPREAD,
    NOTHING,
    TOO_FEW,
    Estimate,
    paired_tests,
)
from .rubric_arrays import Floats

FIT_ROUNDS = 200
"""Most rounds of the additive fit to a table with missing cells; a full one needs none."""
MIN_AGREEING = 3
"""Runs from which their agreement counts: where they differ by less than their cells do, the few
degrees of freedom between runs lose their weight. Two that agree show nothing."""
P_ROUNDS = 60
"""Halvings of the range in which a p value lies."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class CrossedMean:
    """A mean over runs and prompts."""

    n_runs: int
    n_prompts: int
    mean: float | None
    """Every known cell counts once."""
    interval: Estimate = NOTHING
    """t over runs and prompts; with one run over prompts alone. None below ten prompts."""
    p_value: float | None = None
    """Against a mean of 0, two-sided, uncorrected; None where there is no spread to test by."""
    between_runs: float | None = None
    """Sample standard deviation of the runs' own means; None with one run."""


@dataclass(frozen=True, slots=True)
class _Spread:
    variance: float
    """Of the mean."""
    freedom: float
    parts: tuple[tuple[float, int], ...]
    """Variance that runs and prompts add, with the degrees of freedom of each."""

    def reach(self, alpha: float) -> float:
        """Give half the interval of the mean at 1 - alpha."""
        from scipy.special import stdtrit

        whole = float(stdtrit(self.freedom, 1 - alpha / 2) ** 2) * self.variance
        each = sum(float(stdtrit(its, 1 - alpha / 2) ** 2) * part for part, its in self.parts)
        return math.sqrt(max(whole, each))

    def p_value(self, mean: float) -> float:
        """Give the alpha whose interval just holds 0."""
        low, high = 0.0, 1.0
        for _ in range(P_ROUNDS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.reach(middle) < abs(mean) else (middle, high)
        return high


def crossed_mean(values_RP: Floats, level: float = LEVEL) -> CrossedMean:
    """Average a table of runs and prompts, with an interval over both.

    Args:
        values_RP: NaN where a run has no number for a prompt; rows or columns may be empty.
        level: Of the interval; that of a single run is always at 95 %.
    """
    known_RP = ~np.isnan(values_RP)
    table_RP = values_RP[known_RP.any(axis=1)][:, known_RP.any(axis=0)]
    n_runs, n_prompts = table_RP.shape
    if table_RP.size == 0:
        return CrossedMean(0, 0, None)
    if n_runs == 1:
        found = paired_tests(table_RP)
        [p], [mean] = found.p_M.tolist(), found.mean_M.tolist()
        known_p = None if math.isnan(p) else p
        return CrossedMean(1, n_prompts, mean, found.estimates()[0], known_p)
    mean = float(np.nanmean(table_RP))
    between = float(np.nanmean(table_RP, axis=1).std(ddof=1))
    p_value = None
    if n_prompts < MIN_PROMPTS:
        interval = Estimate(mean, why=TOO_FEW)
    elif math.sqrt((spread := _spread(table_RP, mean)).variance) < 1e-12:
        interval = Estimate(mean, why=NO_SPREAD)
    else:
        reach = spread.reach(1 - level)
        interval = Estimate(mean, mean - reach, mean + reach)
        p_value = spread.p_value(mean)
    return CrossedMean(n_runs, n_prompts, mean, interval, p_value, between)


def _spread(table_RP: Floats, mean: float) -> _Spread:
    """Give the variance of the mean over other runs and other prompts."""
    n_runs, n_prompts = table_RP.shape
    known_RP = ~np.isnan(table_RP)
    n = int(known_RP.sum())
    gaps_RP = np.where(known_RP, table_RP - mean, 0.0)
    of_runs = n_runs / (n_runs - 1) * float((gaps_RP.sum(axis=1) ** 2).sum()) / n**2
    of_prompts = n_prompts / (n_prompts - 1) * float((gaps_RP.sum(axis=0) ** 2).sum()) / n**2
    rest_freedom = n - n_runs - n_prompts + 1
    rest = 0.0
    if rest_freedom > 0:
        residual_RP = _residuals(gaps_RP, known_RP)
        rest = float((residual_RP**2).sum()) / rest_freedom / n
    # a part below the rest is an estimate of zero
    variance = max(of_runs, rest) + max(of_prompts, rest) - rest
    parts = (max(of_runs - rest, 0.0), n_runs - 1), (max(of_prompts, rest), n_prompts - 1)
    if n_runs < MIN_AGREEING:
        of_runs = max(of_runs, rest)
        parts = (of_runs, n_runs - 1), (max(of_prompts - rest, 0.0), n_prompts - 1)
    doubt = of_runs**2 / (n_runs - 1) + of_prompts**2 / (n_prompts - 1)
    if rest_freedom > 0:
        doubt += rest**2 / rest_freedom
    least = float(min(n_runs, n_prompts) - 1)
    return _Spread(variance, max(variance**2 / doubt, least) if doubt > 0 else least, parts)


def _residuals(gaps_RP: Floats, known_RP: Floats) -> Floats:
    """Take the means of runs and of prompts out of a table, whose unknown cells are 0."""
    residual_RP = gaps_RP.copy()
    per_run, per_prompt = known_RP.sum(axis=1), known_RP.sum(axis=0)
    for _ in range(FIT_ROUNDS):
        of_runs = residual_RP.sum(axis=1) / per_run
        residual_RP = np.where(known_RP, residual_RP - of_runs[:, None], 0.0)
        of_prompts = residual_RP.sum(axis=0) / per_prompt
        residual_RP = np.where(known_RP, residual_RP - of_prompts, 0.0)
        if max(np.abs(of_runs).max(), np.abs(of_prompts).max()) < 1e-12:
            break
    return residual_RP
