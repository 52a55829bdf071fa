"""Figures with intervals from draws over prompts."""

from __future__ import annotations

import numpy as np

from rubricbeat.judges.audit.figure import Figure, ratio_figure
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
    assert ratio_figure(sums, counts, drawn(6)) == Figure(0.75)


def test_a_ratio_of_nothing_is_none() -> None:
    assert ratio_figure(np.zeros(6), np.zeros(6), drawn(6)) == Figure(None)
