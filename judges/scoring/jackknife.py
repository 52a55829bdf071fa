"""Intervals of figures that are no means: what each is without one prompt, and Student's t.

The delete-one-cluster jackknife needs no draws, and one prompt whose place in the figure is large
shows in it as it should. On a scale where the figure is nearly symmetric (Fisher's z of a
correlation, the logit of an area or an F score) its error makes a t interval. Sources: Tukey 1958;
Efron and Stein 1981, for an error that is never too small on average; Arvesen 1969 for the scale.

Prompts seldom weigh alike. The degrees of freedom are those of the effective number of prompts,
(sum w)^2 / sum w^2 (Kish 1965), and a prompt that holds nothing of a figure is none of its prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .estimates import (
    MIN_PROMPTS,
    NO_SPREAD,
    TOO_FEW,
    Estimate,
    estimate_of,
    share_intervals,
    t_quantile,
    wilson,
)
from .rubric_arrays import Bools, Floats

ONE_PROMPT = "depends on one prompt: no interval"


class IntervalScale(StrEnum):
    """Scale on which a figure's interval is symmetric."""

    PLAIN = "plain"
    LOGIT = "logit"
    """Of figures in [0, 1]."""
    FISHER = "fisher"
    """Of correlations."""


_THERE: dict[IntervalScale, Callable[[Floats], Floats]] = {
    IntervalScale.PLAIN: lambda x: x,
    IntervalScale.LOGIT: lambda x: np.log(x / (1 - x)),
    IntervalScale.FISHER: np.arctanh,
}
_BACK: dict[IntervalScale, Callable[[Floats], Floats]] = {
    IntervalScale.PLAIN: lambda x: x,
    IntervalScale.LOGIT: lambda x: 1 / (1 + np.exp(-x)),
    IntervalScale.FISHER: np.tanh,
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A figure, and what it is without each prompt in turn."""

    value: float
    """NaN where undefined."""
    without_P: Floats
    weight_P: Floats
    """How much of the figure's data each prompt holds, in any unit; 0 for nothing."""

    def estimate(self, curve: IntervalScale = IntervalScale.PLAIN) -> Estimate:
        """Give the figure with its interval.

        None of fewer than ten prompts that hold something, nor where the figure is undefined
        without one of them. A figure of shares at 0 or 1, or brought there by one prompt, has
        Wilson's interval over prompts: what failed in one prompt of 20 or in none may in others.
        """
        if np.isnan(self.value):
            return Estimate(None)
        live_P = self.weight_P > 0
        n = int(live_P.sum())
        if n < MIN_PROMPTS:
            return Estimate(self.value, why=TOO_FEW)
        with np.errstate(divide="ignore", invalid="ignore"):
            curved_P = _THERE[curve](self.without_P[live_P])
            centre = float(_THERE[curve](np.array(self.value)))
        half = spread_of(curved_P, self.weight_P[live_P])
        if curve is IntervalScale.LOGIT and not (np.isfinite(half) and half > 1e-12):
            if np.isnan(self.without_P[live_P]).any():
                return Estimate(self.value, why=ONE_PROMPT)
            low, high = wilson(np.array(self.value), np.array(n))
            return Estimate(self.value, float(low), float(high))
        if not np.isfinite(half) or not np.isfinite(centre) or half < 1e-12:
            return Estimate(self.value, why=NO_SPREAD)
        low, high = _BACK[curve](np.array([centre - half, centre + half]))
        return Estimate(self.value, float(low), float(high))

    def is_not_zero(self, n_tests: int = 1) -> bool:
        """Whether the figure's interval leaves out 0, at 5 % for several tests together.

        Never of fewer than ten prompts. A figure that no prompt changes is what it is.

        Args:
            n_tests: How many share the 5 % (Bonferroni).
        """
        live_P = self.weight_P > 0
        if np.isnan(self.value) or int(live_P.sum()) < MIN_PROMPTS:
            return False
        half = spread_of(self.without_P[live_P], self.weight_P[live_P], n_tests)
        return bool(abs(self.value) > max(half, 1e-12))

    def minus(self, other: LeftOut) -> LeftOut:
        """Give the difference of two figures of the same prompts."""
        return LeftOut(
            self.value - other.value,
            self.without_P - other.without_P,
            np.maximum(self.weight_P, other.weight_P),
        )


def spread_of(without_P: Floats, weight_P: Floats, n_tests: int = 1) -> float:
    """Give half the width of the t interval of a figure from its values without each prompt.

    Args:
        without_P: On a scale where it is symmetric; of prompts that hold something.
        weight_P: Above 0.
        n_tests: Intervals that hold the truth together as often as one does alone (Bonferroni).
    """
    n = len(without_P)
    with np.errstate(invalid="ignore"):  # infinite without one prompt: not a number, and no width
        variance = (n - 1) / n * float(((without_P - without_P.mean()) ** 2).sum())
    effective = float(weight_P.sum() ** 2 / (weight_P**2).sum())
    return float(t_quantile(max(effective - 1, 1.0), n_tests) * np.sqrt(variance))


def ratio(sums_P: Floats, counts_P: Floats) -> Estimate:
    """Give the ratio of two sums over prompts, such as a mean over answers."""
    return ratio_of(sums_P, counts_P).estimate()


def ratio_of(sums_P: Floats, counts_P: Floats) -> LeftOut:
    """Give the ratio of two sums, with all prompts and without each of them."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.float64(sums_P.sum()) / np.float64(counts_P.sum())
        without_P = (sums_P.sum() - sums_P) / (counts_P.sum() - counts_P)
    return LeftOut(float(value), without_P, counts_P)


def rate(sums_P: Floats, counts_P: Floats) -> Estimate:
    """Give the share of cases, with Wilson's interval at their effective number.

    What never happened in 20 prompts may well happen in the next.

    Args:
        sums_P: Cases of each prompt in which it happened.
        counts_P: Cases of each prompt.
    """
    n_cases = float(counts_P.sum())
    if n_cases == 0:
        return Estimate(None)
    p, n = float(sums_P.sum()) / n_cases, int(np.count_nonzero(counts_P))
    error = np.sqrt(max(n, 2) / max(n - 1, 1) * ((sums_P - p * counts_P) ** 2).sum()) / n_cases
    [ends] = share_intervals(np.array([p]), np.array([error]), counts_P[None])
    return estimate_of(p, ends, n)


def share(flags_P: Bools, clusters_P: NDArray[np.intp]) -> Estimate:
    """Give a share of groups as `rate` does, by the prompt of each group."""
    happened_C = np.bincount(clusters_P, weights=flags_P.astype(np.float64)).astype(np.float64)
    return rate(happened_C, np.bincount(clusters_P).astype(np.float64))


def correlation(first_PG: Floats, second_PG: Floats, clusters_P: NDArray[np.intp]) -> Estimate:
    """Correlate two sets of advantages over answers, with an interval on Fisher's z.

    Advantages are centred in their groups already, so no mean is subtracted.

    Args:
        first_PG: NaN is no advantage.
        second_PG: Likewise.
        clusters_P: Prompt of each group.
    """
    both = ~(np.isnan(first_PG) | np.isnan(second_PG))
    first, second = np.where(both, first_PG, 0.0), np.where(both, second_PG, 0.0)
    xx_P, yy_P, xy_P = (
        np.bincount(clusters_P, weights=np.einsum("pg,pg->p", a, b))
        for a, b in ((first, first), (second, second), (first, second))
    )
    xx, yy, xy = (float(of.sum()) for of in (xx_P, yy_P, xy_P))
    if xx <= 0 or yy <= 0:
        return Estimate(None)
    r = float(np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0))
    if abs(r) > 1 - 1e-12:
        return Estimate(r, r, r)
    with np.errstate(invalid="ignore", divide="ignore"):
        without_P = (xy - xy_P) / np.sqrt((xx - xx_P) * (yy - yy_P))
    return LeftOut(r, without_P, np.sqrt(xx_P * yy_P)).estimate(IntervalScale.FISHER)
