"""Figures with intervals from draws over prompts."""

from __future__ import annotations

import numpy as np

from rubricbeat.judges.audit.figure import rate_figure, ratio_figure
from rubricbeat.judges.estimates import Estimate
from rubricbeat.judges.resampling import draw_weights


def drawn(n: int) -> np.ndarray:
    return np.concatenate(list(draw_weights(1, 200, n)))


def test_a_ratio_of_enough_prompts_has_an_interval_around_it() -> None:
    sums, counts = np.array([0.0, 1, 1, 0, 1, 1]), np.ones(6)
    found = ratio_figure(sums, counts, drawn(6))
    assert found.value == 4 / 6
    assert found.low < found.value < found.high


def test_a_single_prompt_gives_a_value_and_no_interval_of_width_0() -> None:
    sums, counts = np.array([3.0, 0, 0, 0, 0, 0]), np.array([4.0, 0, 0, 0, 0, 0])
    assert ratio_figure(sums, counts, drawn(6)) == Estimate(0.75)


def test_a_ratio_of_nothing_is_none() -> None:
    assert ratio_figure(np.zeros(6), np.zeros(6), drawn(6)) == Estimate(None)


def test_a_rate_between_its_ends_is_drawn_and_one_at_an_end_takes_wilsons_interval() -> None:
    between = np.array([0.0, 1, 1, 0, 1, 1])
    assert rate_figure(between, np.ones(6), drawn(6)) == ratio_figure(between, np.ones(6), drawn(6))
    # Wilson for 6 of 6: 6 / (6 + z^2)
    always = rate_figure(np.full(6, 3.0), np.full(6, 3.0), drawn(6))
    assert (always.value, always.high) == (1.0, 1.0)
    assert 0.60 < always.low < 0.62
    assert rate_figure(np.zeros(4), np.ones(4), drawn(4)) == Estimate(0.0)
