"""A figure with its 95 % interval from draws over prompts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Floats
from ..estimates import Estimate, wilson
from ..resampling import interval_of_draws

MIN_PROMPTS = 5
"""Draws of fewer prompts than this are nearly always the same: their interval is far too short."""


def figure_of_draws(value: float, drawn_B: Floats) -> Estimate:
    """Put the percentile interval of its draws beside a figure; NaN is undefined."""
    if np.isnan(value):
        return Estimate(None)
    low, high = interval_of_draws(drawn_B[None, :])[0]
    return Estimate(value, number(low), number(high))


def ratio_figure(sums_P: Floats, counts_P: Floats, weights_BP: Any) -> Estimate:
    """Give the ratio of two sums over prompts, with prompts drawn as the weights say, [B, P].

    Without an interval where fewer than `MIN_PROMPTS` hold anything.
    """
    if counts_P.sum() == 0:
        return Estimate(None)
    if np.count_nonzero(counts_P) < MIN_PROMPTS:
        return Estimate(float(sums_P.sum() / counts_P.sum()))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn_B = (weights_BP @ sums_P) / (weights_BP @ counts_P)
    return figure_of_draws(float(sums_P.sum() / counts_P.sum()), drawn_B)


def rate_figure(sums_P: Floats, counts_P: Floats, weights_BP: Any) -> Estimate:
    """Give a rate as `ratio_figure` does; a rate of 0 or 1 takes Wilson's interval over prompts.

    What never happened in 20 prompts may well happen in the next, and every draw of them says 0.
    """
    found = ratio_figure(sums_P, counts_P, weights_BP)
    if found.value is None or found.low is None or 0.0 < found.value < 1.0:
        return found
    low, high = wilson(np.array(found.value), np.array(np.count_nonzero(counts_P)))
    return Estimate(found.value, float(low), float(high))


def number(value: float) -> float | None:
    """Turn NaN into None."""
    return None if np.isnan(value) else float(value)
