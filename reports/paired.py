"""Compare two models on the prompts that both answered.

The unit is the prompt: answers repeated under other seeds are averaged first. Pairing is what makes
a difference visible: two models find the same prompts hard, and that shared part cancels.

Sources: Miller 2024 (arXiv 2411.00640) for the paired difference, its correlation and the minimum
detectable difference; McNemar 1947 in its exact form; Holm 1979. Method sheet, section 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..judges.arrays import Floats
from ..judges.estimates import NO_INTERVAL, Interval
from .intervals import mean_intervals

POWER = 0.8
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How far one model's mean lies from another's, on the prompts both have."""

    n: int
    """Prompts both have a number for."""
    mean: float | None
    """Mean of (this model - the other), each prompt once."""
    interval: Interval
    """Percentile bootstrap over prompts."""
    standard_error: float | None
    correlation: float | None
    """Pearson's, between the two models over prompts; None where one of them does not vary."""
    p_value: float | None
    """Of the paired t test over prompts, two-sided, before any correction."""
    detectable: float | None
    """Smallest true difference this n would show in four of five tries (80 % power, 5 % level)."""
    n_better: int
    n_worse: int
    n_equal: int


@dataclass(frozen=True, slots=True)
class PassChange:
    """Prompts that pass under one model and not under the other."""

    n: int
    n_both: int
    n_only_this: int
    n_only_other: int
    n_neither: int
    p_value: float | None
    """Of McNemar's exact test, two-sided, before any correction."""


def paired_difference(
    this_P: Floats, other_P: Floats, *, seed: int, n_draws: int = 10_000
) -> PairedDifference:
    """Compare two models by their means over each prompt.

    Args:
        this_P: One number for each prompt, NaN where the model has none.
        other_P: The other model's, over the same prompts.
        seed: Of the bootstrap.
        n_draws: Of the bootstrap.
    """
    shared = np.isfinite(this_P) & np.isfinite(other_P)
    this, other = this_P[shared], other_P[shared]
    gaps = this - other
    n = int(gaps.size)
    better, worse = int((gaps > 0).sum()), int((gaps < 0).sum())
    counts = (better, worse, n - better - worse)
    if n < 2:
        # one prompt has no spread: a difference, and nothing to say how far to trust it
        mean = float(gaps[0]) if n else None
        return PairedDifference(n, mean, NO_INTERVAL, None, None, None, None, *counts)
    spread = float(gaps.std(ddof=1))
    [interval] = mean_intervals(gaps[None, :], seed=seed, n_draws=n_draws)
    return PairedDifference(
        n,
        float(gaps.mean()),
        interval,
        spread / math.sqrt(n),
        _correlation(this, other),
        _t_test(gaps, spread),
        detectable_difference(spread, n),
        *counts,
    )


def _correlation(this: Floats, other: Floats) -> float | None:
    if np.ptp(this) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(this, other)[0, 1])


def _t_test(gaps: Floats, spread: float) -> float | None:
    # equal answers everywhere: the t statistic is 0/0 or infinite, and says nothing
    if spread < 1e-12:
        return 1.0 if abs(gaps.mean()) < 1e-12 else None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(gaps, 0.0).pvalue)


def detectable_difference(spread: float, n: int) -> float | None:
    """Give the smallest difference that n paired prompts show with 80 % power at the 5 % level.

    Args:
        spread: Standard deviation of the paired differences.
        n: Prompts.

    Source: power of the paired t test, statsmodels `TTestPower`.
    """
    if n < 2 or spread < 1e-12:
        return None
    return _detectable_effect(n) * spread


@cache
def _detectable_effect(n: int) -> float:
    """Solve for the effect in standard deviations; it depends on n alone."""
    from statsmodels.stats.power import TTestPower

    effect = TTestPower().solve_power(nobs=n, alpha=ALPHA, power=POWER, alternative="two-sided")
    return float(np.squeeze(effect))


def pass_change(this_P: Floats, other_P: Floats) -> PassChange:
    """Test whether one model passes more prompts than the other, by McNemar's exact test.

    A prompt with several answers passes when more than half of them do; a prompt enters once,
    however often it was answered.

    Args:
        this_P: Share of a prompt's answers that pass, NaN where the model has none.
        other_P: The other model's, over the same prompts.
    """
    shared = np.isfinite(this_P) & np.isfinite(other_P)
    this, other = passes(this_P[shared]), passes(other_P[shared])
    both, only_this = int((this & other).sum()), int((this & ~other).sum())
    only_other, neither = int((~this & other).sum()), int((~this & ~other).sum())
    p_value = None
    if shared.any():
        from statsmodels.stats.contingency_tables import mcnemar

        result = mcnemar([[both, only_this], [only_other, neither]], exact=True)
        p_value = min(1.0, float(result.pvalue))
    return PassChange(int(shared.sum()), both, only_this, only_other, neither, p_value)


def passes(share_P: Floats) -> NDArray[np.bool_]:
    """Say which prompts pass: those of which more than half of the answers do."""
    return share_P > 0.5


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct a family of p values by Holm's method; a missing one stays missing."""
    known = [p for p in p_values if p is not None]
    if not known:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    corrected = iter(multipletests(known, alpha=ALPHA, method="holm")[1])
    return [None if p is None else float(next(corrected)) for p in p_values]
