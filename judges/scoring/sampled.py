"""Estimate a total from a free judge on all parts and an expensive one on a weighted sample.

Each part u (an answer, or one verdict of it) has a weight w, a free judge's value f and, where it
was drawn, the value y that counts; it was drawn with inclusion probability pi. The estimate is

    sum of w (g + drawn / pi (y - g)),   g = a + b f

the difference estimator (Horvitz and Thompson 1952; Cassel, Saerndal and Wretman 1976), which is
prediction-powered inference where the chances differ (Zrnic and Candes 2024, "Active statistical
inference"). Its mean over the draws is the total whatever the free judge says. a and b are those of
least variance under the design, as the weight of PPI++ is (Angelopoulos, Duchi and Zrnic 2023),
and are fitted on other prompts than those they are used on, so that the estimate stays unbiased
where prompts are drawn apart.

The interval is of prompts like these: its spread is that between prompts, which holds the sampling
within them. Axes: U parts, P prompts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .estimates import Estimate, t_quantile
from .rubric_arrays import Floats

N_FOLDS = 5
_SEED = 1234
_MIN_POINTS = 3
"""Drawn parts that a slope takes; with fewer the mean alone is fitted."""


@dataclass(frozen=True, slots=True)
class SampledTotal:
    """An estimated total."""

    value: float
    influence_P: Floats
    """What each prompt adds to the error: the variance of the total is n / (n - 1) times the sum of
    their squares. Those of two systems may be subtracted prompt by prompt."""
    sampling_variance: float
    """The part of the variance that comes from the sampling alone, for these very prompts, where
    parts are drawn apart from each other; 0 where every part was drawn."""
    n_prompts: int
    """Prompts with a drawn part."""

    @property
    def variance(self) -> float:
        """Of the estimate, over prompts and over the sampling."""
        n = len(self.influence_P)
        return float((self.influence_P**2).sum()) * n / (n - 1) if n > 1 else np.nan

    @property
    def interval(self) -> Estimate:
        """The value with a t interval at the effective number of prompts."""
        half = float(t_quantile(freedom(self.influence_P, self.n_prompts))) * self.variance**0.5
        return Estimate(self.value, self.value - half, self.value + half)

    @property
    def p_value(self) -> float | None:
        """Of the t test that the total is 0, two-sided; None where nothing varies."""
        from scipy.special import stdtr

        if not self.variance > 0:
            return None
        t = abs(self.value) / self.variance**0.5
        return float(2 * stdtr(freedom(self.influence_P, self.n_prompts), -t))

    def minus(self, other: SampledTotal) -> SampledTotal:
        """Give the difference from another system's total over the same prompts in the same order.

        The sampling of the two is taken to be apart.
        """
        return SampledTotal(
            self.value - other.value,
            self.influence_P - other.influence_P,
            self.sampling_variance + other.sampling_variance,
            min(self.n_prompts, other.n_prompts),
        )


def sampled_total(
    free_U: Floats,
    dear_U: Floats,
    chance_U: Floats,
    prompt_U: NDArray[np.intp],
    weight_U: Floats,
    *,
    share_P: Floats,
    line: tuple[float, float] | None = None,
) -> SampledTotal:
    """Estimate the weighted sum of what the dear judge would say.

    Args:
        free_U: The free judge's values; NaN where it gave none.
        dear_U: The dear judge's; NaN where a part was not drawn.
        chance_U: Inclusion probabilities in (0, 1] of the drawn parts.
        prompt_U: Prompt of each part, 0 to P - 1.
        weight_U: Weights in the sum.
        share_P: Of each prompt in the answers that the sum is a mean over; they sum to 1.
        line: a and b, where they are not to be fitted.
    """
    drawn_U = ~np.isnan(dear_U)
    known_U = ~np.isnan(free_U)
    middle = float(free_U[known_U].mean()) if known_U.any() else 0.0
    free_U = np.where(known_U, free_U, middle)
    chance_U, dear_U = np.where(drawn_U, chance_U, 1.0), np.where(drawn_U, dear_U, 0.0)
    spread_U = np.where(drawn_U, weight_U**2 * (1 - chance_U) / chance_U**2, 0.0)
    fold_U = _folds(len(share_P))[prompt_U]
    guess_U = np.empty_like(free_U)
    for fold in range(N_FOLDS):
        here_U = fold_U == fold
        a, b = line or fit_line(free_U, dear_U, np.where(here_U, 0.0, spread_U))
        guess_U[here_U] = a + b * free_U[here_U]
    error_U = np.where(drawn_U, dear_U - guess_U, 0.0)
    term_U = weight_U * (guess_U + error_U / chance_U)
    sum_P: Floats = np.bincount(prompt_U, weights=term_U, minlength=len(share_P)).astype(np.float64)
    value = float(sum_P.sum())
    return SampledTotal(
        value,
        sum_P - value * share_P,
        float((spread_U * error_U**2).sum()),
        len(np.unique(prompt_U[drawn_U])),
    )


def freedom(influence_P: Floats, n_prompts: int) -> float:
    """Give the degrees of freedom of a sum of squared influences.

    Satterthwaite's: 2 n / (k - 1) for a kurtosis of k, which is n for normal ones and less where a
    few prompts that were drawn with a small chance make up the spread; at most `n_prompts` - 1.
    """
    n, squares = len(influence_P), float((influence_P**2).sum())
    if squares <= 0:
        return max(1.0, n_prompts - 1.0)
    kurtosis = n * float((influence_P**4).sum()) / squares**2
    return max(1.0, min(2 * n / max(kurtosis - 1, 1e-9), n_prompts - 1.0))


def _folds(n_prompts: int) -> NDArray[np.intp]:
    folds: NDArray[np.intp] = np.random.default_rng(_SEED).permutation(n_prompts) % N_FOLDS
    return folds


def fit_line(free_U: Floats, dear_U: Floats, spread_U: Floats) -> tuple[float, float]:
    """Fit y = a + b f by weighted least squares; b is not below 0, and 1 where nothing tells.

    Args:
        free_U: f.
        dear_U: y, any number where its weight is 0.
        spread_U: Weights.
    """
    total = float(spread_U.sum())
    if total <= 0:
        return 0.0, 1.0
    free, dear = (float((spread_U * values).sum()) / total for values in (free_U, dear_U))
    variance = float((spread_U * (free_U - free) ** 2).sum())
    if np.count_nonzero(spread_U) < _MIN_POINTS or variance <= 1e-12 * total:
        return dear, 0.0
    slope = float((spread_U * (free_U - free) * (dear_U - dear)).sum()) / variance
    return (dear - slope * free, slope) if slope > 0 else (dear, 0.0)
