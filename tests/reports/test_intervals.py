from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.estimates import NO_INTERVAL, Interval
from rubricbeat.reports.intervals import mean_intervals


def test_a_constant_has_an_interval_of_no_width():
    [interval] = mean_intervals(np.full((1, 20), 0.25), seed=1, n_draws=200)
    assert interval == Interval(0.25, 0.25)


def test_a_prompt_without_a_number_is_left_out():
    [with_gap, without] = mean_intervals(
        np.array([[1.0, np.nan, 1.0], [1.0, 1.0, 1.0]]), seed=1, n_draws=200
    )
    assert with_gap == without == Interval(1.0, 1.0)


def test_nothing_known_gives_no_interval():
    assert mean_intervals(np.full((2, 3), np.nan), seed=1, n_draws=50) == [NO_INTERVAL] * 2
    assert mean_intervals(np.empty((1, 0)), seed=1, n_draws=50) == [NO_INTERVAL]
    assert NO_INTERVAL.to_json() is None


def test_one_prompt_has_no_interval():
    assert mean_intervals(np.array([[0.5]]), seed=1, n_draws=50) == [NO_INTERVAL]


def test_rows_share_their_draws():
    values = np.random.default_rng(0).normal(size=(1, 30))
    low, high = mean_intervals(np.vstack([values, values + 1]), seed=7, n_draws=300)
    assert low.low is not None
    assert high.low == pytest.approx(low.low + 1, abs=1e-6)


def test_only_an_interval_on_one_side_of_zero_excludes_it():
    assert Interval(0.1, 0.2).excludes_zero
    assert Interval(-0.2, -0.1).excludes_zero
    assert not Interval(-0.1, 0.1).excludes_zero
    assert not Interval(0.0, 0.1).excludes_zero
    assert not NO_INTERVAL.excludes_zero


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # 95 % nominal; a percentile interval at n = 40 covers a little less. 300 tries: sd 1.3 %
    generator = np.random.default_rng(5)
    hits = 0
    for seed in range(300):
        [interval] = mean_intervals(generator.normal(0.3, 1, (1, 40)), seed=seed, n_draws=400)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= 0.3 <= interval.high
    assert 0.90 <= hits / 300 <= 0.98
