"""Estimates with intervals, for groups that cluster on their prompt.

Every interval here is at 95 % and needs no random draws: linearised (delta-method) standard errors
over clusters with Student's t, and Wilson's form for shares. Groups of one prompt are one cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri, ndtri, stdtrit

from .arrays import Bools, Floats

LEVEL = 0.95
Z = float(ndtri(0.5 + LEVEL / 2))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval; an end is None where it cannot be given."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Give the plain form."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def clipped(self, low: float, high: float) -> Estimate:
        """Keep value and ends between two bounds."""
        return self.mapped(lambda x: min(max(x, low), high))

    def mapped(self, function: Callable[[float], float]) -> Estimate:
        """Put a rising function on value and ends."""
        ends = (self.value, self.low, self.high)
        return Estimate(*(None if end is None else function(end) for end in ends))


NOTHING = Estimate(None)


@dataclass(frozen=True, slots=True)
class Interval:
    """A range at 95 % confidence; both ends None where it cannot be given."""

    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the range lies wholly on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_json(self) -> list[float] | None:
        """Give both ends, or None."""
        return None if self.low is None or self.high is None else [self.low, self.high]


NO_INTERVAL = Interval(None, None)


def share(flags_P: Bools, clusters_P: NDArray[np.intp]) -> Estimate:
    """Give a share of groups with Wilson's interval.

    Groups of one prompt are alike, so that their number overstates what is known. The interval is
    Wilson's at the number of independent groups that would give the clustered variance.
    Source: Wilson 1927; Korn and Graubard 1998 for the effective number.
    """
    n = len(flags_P)
    if n == 0:
        return NOTHING
    p = float(flags_P.mean())
    influence_P = (flags_P.astype(np.float64) - p) / n
    clustered = clustered_variance(influence_P, clusters_P)
    apart = clustered_variance(influence_P, np.arange(n, dtype=np.intp))
    effective = float(n)
    if clustered and apart:
        effective = min(effective, n * apart / clustered)
    low, high = wilson(p, effective)
    return Estimate(p, low, high)


def wilson(p: float, n: float) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a share seen in n independent trials."""
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def mean(values_PG: Floats, clusters_P: NDArray[np.intp]) -> Estimate:
    """Give the mean over answers, NaN left out, with a clustered t interval."""
    known = ~np.isnan(values_PG)
    n = int(known.sum())
    if n == 0:
        return NOTHING
    value = float(values_PG[known].mean())
    residuals_P = np.where(known, values_PG - value, 0.0).sum(1)
    return around(value, _variance_of_ratio(residuals_P, known.sum(1), clusters_P), clusters_P)


def effective_n(values_PG: Floats, clusters_P: NDArray[np.intp]) -> float | None:
    """Give the number of independent values that would tell the mean as well.

    The variance of the values over the clustered variance of their mean (Kish 1965, the design
    effect); at most their number. None where one of the two is not known.
    """
    known = ~np.isnan(values_PG)
    n = int(known.sum())
    if n < 2:
        return None
    value = float(values_PG[known].mean())
    residuals_P = np.where(known, values_PG - value, 0.0).sum(1)
    variance = _variance_of_ratio(residuals_P, known.sum(1), clusters_P)
    spread = float(values_PG[known].var(ddof=1))
    return min(float(n), spread / variance) if variance and spread > 0 else None


def correlation(first_PG: Floats, second_PG: Floats, clusters_P: NDArray[np.intp]) -> Estimate:
    """Correlate two sets of advantages over answers, with an interval on Fisher's z.

    Advantages are centred in their groups already, so no mean is subtracted. The standard error is
    that of the linearised correlation, summed by prompt.
    """
    both = ~(np.isnan(first_PG) | np.isnan(second_PG))
    first, second = np.where(both, first_PG, 0.0), np.where(both, second_PG, 0.0)
    xx_P = np.einsum("pg,pg->p", first, first)
    yy_P = np.einsum("pg,pg->p", second, second)
    xy_P = np.einsum("pg,pg->p", first, second)
    xx, yy, xy = float(xx_P.sum()), float(yy_P.sum()), float(xy_P.sum())
    if xx <= 0 or yy <= 0:
        return NOTHING
    r = float(np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0))
    if abs(r) > 1 - 1e-12:
        return Estimate(r, r, r)
    # d r = r (dxy / xy - dxx / 2 xx - dyy / 2 yy); written without the division by xy
    influence_P = xy_P / np.sqrt(xx * yy) - r * (xx_P / (2 * xx) + yy_P / (2 * yy))
    variance = clustered_variance(influence_P, clusters_P)
    if variance is None:
        return Estimate(r)
    half = _t(clusters_P) * np.sqrt(variance) / (1 - r**2)
    z = np.arctanh(r)
    return Estimate(r, float(np.tanh(z - half)), float(np.tanh(z + half)))


def around(value: float, variance: float | None, clusters_P: NDArray[np.intp]) -> Estimate:
    """Put a t interval around a value; none where there is no variance to speak of."""
    if variance is None:
        return Estimate(value)
    half = float(_t(clusters_P) * np.sqrt(variance))
    return Estimate(value, value - half, value + half)


def t_quantile(n_clusters: int) -> float:
    """Give the 97.5 % point of Student's t with n - 1 degrees of freedom."""
    return float(stdtrit(n_clusters - 1, 0.5 + LEVEL / 2))


def f_quantile(p: float, top: float, bottom: float) -> float:
    """Give a point of the F distribution."""
    return float(fdtri(top, bottom, p))


def _t(clusters_P: NDArray[np.intp]) -> float:
    return t_quantile(int(clusters_P.max()) + 1)


def _variance_of_ratio(
    residuals_P: Floats, weights_P: NDArray[np.generic], clusters_P: NDArray[np.intp]
) -> float | None:
    total = float(np.sum(weights_P))
    return clustered_variance(residuals_P / total, clusters_P) if total > 0 else None


def clustered_variance(influence_P: Floats, clusters_P: NDArray[np.intp]) -> float | None:
    """Sum influences by cluster, square, and correct for the number of clusters."""
    if len(clusters_P) == 0:
        return None
    sums = np.bincount(clusters_P, weights=influence_P)
    n = len(sums)
    # one cluster: there is no spread between clusters to learn from
    return float(n / (n - 1) * (sums**2).sum()) if n > 1 else None
