"""Every interval of the package: Student's t over prompts, and Wilson's for shares.

Answers to one prompt are not independent, so the prompt is the unit: errors are clustered on it
(Miller 2024, arXiv 2411.00640) and the degrees of freedom count prompts. All intervals are at 95 %
and need no random draws; docs/evidence/coverage.md has what each covers. Student's t and no
bootstrap: on scores shaped as HealthBench's, of 10 to 100 prompts, t held the truth in 94 to 96 %
of 1,500 samples, the percentile bootstrap in 90 to 96 and BCa in 90 to 95; the bootstrap t covers
as t does and is wider (`benchmarks/coverage.py --methods`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rubric_arrays import Floats

LEVEL = 0.95
Z = 1.959963984540054
"""Normal quantile of a 95 % interval."""
MIN_PROMPTS = 10
"""Below so many prompts there is no interval and no p value: their spread is not known well enough
for any method to cover."""
TOO_FEW = "n < 10: no interval"
NO_SPREAD = "all equal: no interval"
BEYOND = "beyond 0 or 1: no interval"
"""Of a figure that is clipped: the whole range of its mean lies outside, and [0, 0] would say that
it is known exactly."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval; an end is None where it cannot be given."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""
    """Why there is no interval, in words for a table; empty where there is one, or no value."""

    @property
    def ends(self) -> list[float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else [self.low, self.high]

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies wholly on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_json(self) -> dict[str, float | str | None]:
        """Give the plain form; `why` only where there is no interval to a value."""
        why: dict[str, str] = {"why": self.why} if self.why else {}
        return {"value": self.value, "low": self.low, "high": self.high, **why}

    def clipped(self, low: float, high: float) -> Estimate:
        """Keep value and ends between two bounds."""
        return self.mapped(lambda x: min(max(x, low), high))

    def mapped(self, function: Callable[[float], float]) -> Estimate:
        """Put a rising function on value and ends."""
        ends = (self.value, self.low, self.high)
        value, low, high = (None if end is None else function(end) for end in ends)
        return Estimate(value, low, high, self.why)


NOTHING = Estimate(None)


def estimate_of(
    value: float | None,
    ends: Sequence[float] | Floats | None,
    n_prompts: int,
    *,
    is_clipped: bool = False,
) -> Estimate:
    """Give a number with its interval, or with why there is none.

    Args:
        value: The number; None where it is undefined.
        ends: Low and high; None or NaN where there is no interval.
        n_prompts: Prompts behind the number.
        is_clipped: Whether the number is kept between 0 and 1.
    """
    if ends is not None and not np.isnan(ends[0]):
        return Estimate(value, float(ends[0]), float(ends[1]))
    if n_prompts < MIN_PROMPTS:
        return Estimate(value, why=TOO_FEW)
    return Estimate(value, why=BEYOND if is_clipped and value in (0.0, 1.0) else NO_SPREAD)


@dataclass(frozen=True, slots=True)
class PairedTests:
    """Paired differences of rows, each with its interval and the test that goes with it, [M]."""

    mean_M: Floats
    interval_M2: Floats
    """NaN below `MIN_PROMPTS`, and where all differences are equal."""
    p_M: Floats
    """Two-sided p of a mean difference of 0: below .05 just where the interval leaves out 0, and
    never below 2^(1 - n), the least that a test on the signs of n differences can give: of nearly
    equal differences the spread is not known well enough for more."""
    n_M: NDArray[np.intp]
    """Prompts with a difference."""

    def estimates(self) -> list[Estimate]:
        """Give the mean differences with their intervals one by one."""
        return [
            estimate_of(None if np.isnan(mean) else float(mean), ends, int(n))
            for mean, ends, n in zip(self.mean_M, self.interval_M2, self.n_M, strict=True)
        ]


def paired_tests(gaps_MP: Floats, step_M: Floats | float = 0.0) -> PairedTests:
    """Test differences between two models over prompts, by Student's t.

    Differences of shares move in steps and are often nearly all 0; their spread is then known
    badly. Two made-up prompts, one step up and one down, mend it (Bonett and Price 2012, for one
    answer each; with more answers the step is smaller, ours).

    Args:
        gaps_MP: Differences, one row a comparison; NaN is no difference.
        step_M: Smallest difference that a prompt's shares can have; 0 where the values are no
            shares.
    """
    known_MP = ~np.isnan(gaps_MP)
    gaps_MP = np.where(known_MP, gaps_MP, 0.0)
    n_M = known_MP.sum(axis=1)
    step_M = np.broadcast_to(np.asarray(step_M, dtype=np.float64), n_M.shape)
    size_M = np.maximum(n_M + 2.0 * (step_M > 0), 1.0)
    sum_M = gaps_MP.sum(axis=1)
    mean_M = sum_M / size_M
    squares_M = (np.where(known_MP, gaps_MP - mean_M[:, None], 0.0) ** 2).sum(axis=1)
    squares_M += np.where(step_M > 0, 2 * (step_M**2 + mean_M**2), 0.0)
    error_M = np.sqrt(squares_M / np.maximum(size_M - 1, 1) / size_M)
    with np.errstate(invalid="ignore", divide="ignore"):
        t_M = np.abs(mean_M) / error_M
    has_M = (n_M >= MIN_PROMPTS) & (error_M > 1e-12)
    df_M = np.maximum(n_M - 1, 1)
    half_M = t_quantile(df_M) * error_M
    from scipy.special import stdtr

    none_M = np.where(n_M > 0, 1.0, np.nan)
    least_M = 2.0 ** (1.0 - n_M)
    ends_2M = np.stack([mean_M - half_M, mean_M + half_M])
    bound_M = np.where(step_M > 0, 1.0, np.inf)  # shares differ by 1 at most
    return PairedTests(
        mean_M=none_M * sum_M / np.maximum(n_M, 1),
        interval_M2=np.where(has_M, np.clip(ends_2M, -bound_M, bound_M), np.nan).T,
        p_M=np.where(has_M, np.maximum(2 * stdtr(df_M, -np.nan_to_num(t_M)), least_M), np.nan),
        n_M=n_M,
    )


def share_intervals(p_M: Floats, error_M: Floats, counts_MP: Floats) -> Floats:
    """Give Wilson's interval of shares of answers at their effective number, [M, 2].

    Answers to one prompt are alike, so that their number overstates what is known. The effective
    number is that of independent answers with the clustered standard error (Kish 1965, the design
    effect), between that of answers that are all alike within a prompt, (sum m)^2 / sum m^2, and
    their number. With repeats it is lowered by (z / t)^2, since few prompts tell the design effect
    badly (Korn and Graubard 1998). At a share of 0 or 1 nothing tells how alike answers are, and
    the lower number counts. NaN below `MIN_PROMPTS`.

    Args:
        p_M: Shares.
        error_M: Their clustered standard errors; NaN is unknown.
        counts_MP: Answers of each prompt.
    """
    n_M, squares_M = counts_MP.sum(axis=1), (counts_MP**2).sum(axis=1)
    prompts_M = np.count_nonzero(counts_MP, axis=1)
    alike_M = n_M**2 / np.maximum(squares_M, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        effective_M = p_M * (1 - p_M) / error_M**2
    usable_M = np.isfinite(effective_M) & (effective_M > 0)
    effective_M = np.clip(np.where(usable_M, effective_M, 0.0), alike_M, np.maximum(n_M, alike_M))
    # at 0 or 1 nothing was estimated that few prompts would tell badly
    repeats_M = (squares_M > n_M) & usable_M
    t_M = t_quantile(np.maximum(prompts_M - 1, 1))
    effective_M = np.where(repeats_M, effective_M * (Z / t_M) ** 2, effective_M)
    low_M, high_M = wilson(p_M, np.maximum(effective_M, 1e-9))
    return np.where(prompts_M >= MIN_PROMPTS, np.stack([low_M, high_M]), np.nan).T


def wilson(p_M: Floats, n_M: Floats) -> tuple[Floats, Floats]:
    """Give Wilson's 95 % interval of shares seen in n independent trials.

    Source: Wilson 1927, the score interval without continuity correction.
    """
    centre_M = (p_M + Z**2 / (2 * n_M)) / (1 + Z**2 / n_M)
    half_M = Z / (1 + Z**2 / n_M) * np.sqrt(p_M * (1 - p_M) / n_M + Z**2 / (4 * n_M**2))
    # at 0 and 1 the end is the share itself, which rounding would miss by its last bit
    low_M = np.where(p_M <= 0, 0.0, np.maximum(0.0, centre_M - half_M))
    return low_M, np.where(p_M >= 1, 1.0, np.minimum(1.0, centre_M + half_M))


def mean(values_PG: Floats, clusters_P: NDArray[np.intp]) -> Estimate:
    """Give the mean over answers, NaN excluded, with a clustered t interval."""
    value, variance = _clustered_mean(values_PG, clusters_P)
    return NOTHING if value is None else around(value, variance, clusters_P)


def effective_n(values_PG: Floats, clusters_P: NDArray[np.intp]) -> float | None:
    """Give the number of independent values that would tell the mean as well.

    The variance of the values over the clustered variance of their mean (Kish 1965, the design
    effect); at most their number. None where one of the two is not known.
    """
    known = ~np.isnan(values_PG)
    _, variance = _clustered_mean(values_PG, clusters_P)
    if not variance:  # also of a single value
        return None
    spread = float(values_PG[known].var(ddof=1))
    return min(float(known.sum()), spread / variance) if spread > 0 else None


def _clustered_mean(
    values_PG: Floats, clusters_P: NDArray[np.intp]
) -> tuple[float | None, float | None]:
    """Give the mean of what is known, and its variance by the sums of each cluster.

    The squares are corrected for the number of clusters; of one there is no spread to learn from.
    """
    known = ~np.isnan(values_PG)
    n_values = int(known.sum())
    if n_values == 0:
        return None, None
    value = float(values_PG[known].mean())
    influence_P = np.where(known, values_PG - value, 0.0).sum(1) / n_values
    sums = np.bincount(clusters_P, weights=influence_P)
    n = len(sums)
    return value, float(n / (n - 1) * (sums**2).sum()) if n > 1 else None


def around(value: float, variance: float | None, clusters_P: NDArray[np.intp]) -> Estimate:
    """Put a t interval around a value; none of few prompts, or without a spread between them."""
    n = n_clusters(clusters_P)
    if variance is None or n < MIN_PROMPTS:
        return Estimate(value, why=TOO_FEW)
    half = float(t_quantile(n - 1) * np.sqrt(variance))
    return (
        Estimate(value, value - half, value + half) if half > 0 else Estimate(value, why=NO_SPREAD)
    )


def t_quantile(df: NDArray[np.integer] | float, n_tests: int = 1) -> Floats:
    """Give the 97.5 % point of Student's t; of several tests the one that 2.5 % share."""
    from scipy.special import stdtrit

    points: Floats = stdtrit(df, 1 - (1 - LEVEL) / (2 * n_tests))
    return points


def n_clusters(clusters_P: NDArray[np.intp]) -> int:
    """Count the prompts."""
    return int(clusters_P.max(initial=-1)) + 1
