"""Confidence sequences: hand-worked values, and simulations that a wrong rule fails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rubricbeat.judges.budget.confidence_sequence import (
    MADE_UP,
    half_widths,
    left_below,
    lower_end,
)

ALPHA = 0.05


def test_one_prompt_is_as_wide_as_its_two_made_up_companions_say():
    # spread (0 + 2 x 1) / 2 = 1; n rho^2 = (5.9915 + ln 5.9915 + 1) / 100 = 0.087818;
    # 2 x 1.087818 / 0.087818 x ln(1.042985 / 0.05) = 24.774 x 3.03782 = 75.26; its root is 8.675
    assert half_widths(np.array([0.3]), ALPHA, 1.0)[0] == pytest.approx(8.675, abs=1e-3)


def test_one_prompt_without_made_up_ones_says_nothing():
    assert half_widths(np.array([0.3, 0.3]), ALPHA, 0.0).tolist() == [np.inf, 0.0]


def test_no_prompt_has_no_width():
    assert len(half_widths(np.array([]), ALPHA, 1.0)) == 0


def test_a_sequence_is_wider_than_a_fixed_interval_and_narrows():
    values = np.tile([-0.3, 0.5], 500)
    half = half_widths(values, ALPHA, 1.0)
    fixed = 1.96 * 0.4 / np.sqrt(np.arange(1, 1001))
    assert np.all(half > fixed)
    assert half[-1] < 2 * fixed[-1]
    assert np.all(np.diff(half[3::2]) < 0)


def test_ones_leave_out_a_half_after_nine_prompts():
    # capital is the mean of (1 + c)^n over the bets: 39.1 after 8 ones, 71 after 9; needed is 40
    out = left_below(np.ones(12), 0.5, 1 / 40, 0.0)
    assert out.tolist() == [False] * 8 + [True] * 4


def test_what_was_left_out_stays_out():
    values = np.concatenate([np.ones(12), np.zeros(300)])
    assert left_below(values, 0.5, 1 / 40, 0.0)[-1]
    assert lower_end(values, 1 / 40, 0.0, 1.0) > 0.5


def test_the_lower_end_is_where_means_are_no_longer_left_out():
    values = np.random.default_rng(3).random(80)
    end = lower_end(values, 0.025, 0.0, 1.0)
    assert left_below(values, end - 1e-6, 0.025, 0.0)[-1]
    assert not left_below(values, end + 1e-6, 0.025, 0.0)[-1]


def test_the_lowest_value_there_can_be_is_never_left_out():
    assert lower_end(np.zeros(500), 0.025, 0.0, 1.0) == 0.0
    assert lower_end(np.array([]), 0.025, -2.0, 1.0) == -2.0
    assert not left_below(np.ones(500), -0.1, 0.025, 0.0).any()


# ---- how often the mean is ever left out: an interval looked at after each of 300 prompts


def skewed(rng: np.random.Generator) -> np.ndarray:
    """Mean 0: a small gain nearly always, a whole point lost once in twenty."""
    return np.where(rng.random(300) < 0.05, -1.0, 0.05 / 0.95) + rng.normal(0, 0.05, 300)


def scores(rng: np.random.Generator) -> np.ndarray:
    """Mean 0: differences as of HealthBench."""
    return np.clip(rng.normal(0, 0.3, 300), -1, 1)


def flips(rng: np.random.Generator) -> np.ndarray:
    """Mean 0: whole steps."""
    return rng.choice([-1.0, 0.0, 1.0], 300, p=[0.2, 0.6, 0.2])


def by_asymptotics(values: np.ndarray, made_up: float = MADE_UP) -> bool:
    mean = np.cumsum(values) / np.arange(1, len(values) + 1)
    return bool(np.any(np.abs(mean) > half_widths(values, ALPHA, made_up)))


def by_betting(values: np.ndarray) -> bool:
    ends = (left_below(each, 0.0, ALPHA / 2, -2.0).any() for each in (values, -values))
    return any(ends)


def by_a_fixed_interval(values: np.ndarray) -> bool:
    """The rule that is wrong on purpose: an interval for one look, from the tenth prompt on."""
    n = np.arange(1, len(values) + 1)
    mean = np.cumsum(values) / n
    spread = np.sqrt(np.maximum(np.cumsum(values**2) / n - mean**2, 0))
    return bool(np.any((np.abs(mean) > 1.96 * spread / np.sqrt(n))[9:]))


def without_made_up_prompts(values: np.ndarray) -> bool:
    return by_asymptotics(values, 0.0)


def misses(rule: Callable[[np.ndarray], bool], world: Callable[..., np.ndarray]) -> float:
    rng = np.random.default_rng(20261130)
    return float(np.mean([rule(world(rng)) for _ in range(400)]))


@pytest.mark.parametrize("world", [scores, skewed, flips])
@pytest.mark.parametrize("rule", [by_asymptotics, by_betting])
def test_the_mean_is_left_out_in_one_of_twenty_runs_at_most(rule, world):
    # 2,000 runs of more worlds: benchmarks/sequential_coverage.py
    assert misses(rule, world) <= 0.06


@pytest.mark.parametrize(
    ("rule", "world"), [(by_a_fixed_interval, scores), (without_made_up_prompts, skewed)]
)
def test_a_wrong_rule_is_found_out(rule, world):
    assert misses(rule, world) > 0.2
