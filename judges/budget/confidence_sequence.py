"""Intervals that hold the mean after every prompt at once: one may look as often as one likes.

A fixed-n interval that is looked at after every prompt misses the mean sooner or later; a
confidence sequence misses it at any time with probability alpha at most. Two are here:

asymptotic: the normal mixture of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024 (Annals of
    Statistics 52, arXiv 2103.06476). Needs no range, and holds as the central limit theorem does:
    not exactly of few prompts. Two made-up prompts that widen it make up for that (ours): a rare
    large loss that no prompt has shown yet is allowed for.
betting: a mixture of fixed bets on bounded values, Waudby-Smith and Ramdas 2024 (JRSS B 86, arXiv
    2010.09686). Holds for every n and every distribution within the range, and is wider.

Both take prompts as independent draws, as a seeded random order makes them. Axis T: prompts in the
order in which they were graded.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..scoring.rubric_arrays import Floats

TUNED_FOR = 100
"""Prompts at which the asymptotic sequence is narrowest; it holds before and after as well."""
MADE_UP = 1.2
"""Distance from the mean of the two made-up prompts, in points of a score.

With 1.2 the mean is left out in at most 4 % of the runs of up to 1,000 prompts of any world of
benchmarks/sequential_coverage.py whose values differ by a point or so, with 1.0 in up to 5.5 %; it
costs a tenth more prompts."""
BETS = np.array([0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 0.95])
"""Shares of the capital that are staked, with equal weights: the best of them is unknown before."""
_HALVINGS = 30
"""Of a range: the ends are exact to its 10^-9th part."""


def half_widths(values_T: Floats, alpha: float, made_up: float = MADE_UP) -> Floats:
    """Give half the width of the asymptotic sequence around the mean after each prompt.

    Without the made-up prompts, values that are .05 nearly always and -1 once in twenty are called
    positive in half of all runs; with them in 4 % (benchmarks/sequential_coverage.py).

    Args:
        values_T: A value per prompt, finite.
        alpha: Chance that the mean is ever left out, in (0, 1).
        made_up: Distance from the mean of two made-up prompts, one on each side, that enter the
            spread, as Bonett and Price 2012 do for differences of shares; 0 is without them.
    """
    n_T = np.arange(1.0, len(values_T) + 1)
    centred_T = values_T - (values_T[0] if len(values_T) else 0.0)  # squares of small numbers
    squares_T = np.cumsum(centred_T**2) - np.cumsum(centred_T) ** 2 / n_T
    freedom_T = n_T - 1 + 2 * (made_up > 0)
    variance_T = (np.maximum(squares_T, 0.0) + 2 * made_up**2) / np.maximum(freedom_T, 1)
    log = -2 * math.log(alpha)
    # n rho^2, with the rho that is best at TUNED_FOR: their appendix B.2
    scaled_T = n_T * (log + math.log(log) + 1) / TUNED_FOR
    factor_T = 2 * (scaled_T + 1) / (scaled_T * n_T) * np.log(np.sqrt(scaled_T + 1) / alpha)
    half_T: Floats = np.sqrt(variance_T * factor_T)
    half_T[: 0 if made_up else 1] = np.inf  # one value alone has no spread
    return half_T


def left_below(values_T: Floats, mean: float, alpha: float, low: float) -> NDArray[np.bool_]:
    """Say after each prompt whether betting has left out all means up to this one.

    Args:
        values_T: A value per prompt.
        mean: The highest mean to be left out.
        alpha: Chance of leaving out a true one, ever.
        low: Lowest value that any prompt could have.
    """
    return np.logical_or.accumulate(_capital(values_T - low, mean - low) >= -math.log(alpha))


def lower_end(values_T: Floats, alpha: float, low: float, high: float) -> float:
    """Give the highest mean that betting has left out after any of the prompts; else `low`.

    The upper end is that of the values turned around: `-lower_end(-values_T, alpha, -high, -low)`.
    """
    end = low
    for _ in range(_HALVINGS):
        middle = (end + high) / 2
        is_out = left_below(values_T, middle, alpha, low)[-1:].any()
        end, high = (middle, high) if is_out else (end, middle)
    return end


def _capital(above_T: Floats, mean: float) -> Floats:
    """Give the logarithm of the capital after each prompt, of bets that the true mean is higher.

    A share c of the capital that is staked pays 1 - c + c x / m: fair where m is the mean and no x
    is below 0. It falls as m rises.
    """
    if mean <= 0:
        return np.full(len(above_T), -np.inf)
    logs_TB = np.cumsum(np.log1p(BETS * (above_T / mean - 1)[:, None]), axis=0)
    most_T = logs_TB.max(axis=1, initial=-np.inf)
    return np.asarray(most_T + np.log(np.exp(logs_TB - most_T[:, None]).mean(axis=1)))
