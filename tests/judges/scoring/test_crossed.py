from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.scoring.crossed import crossed_mean

pytestmark = pytest.mark.border

NAN = math.nan


def test_the_two_way_random_model_by_hand() -> None:
    # runs x prompts; run means 1, 3, 5, prompt means 2, 4, grand mean 3
    table = np.array([[0.0, 2.0] * 5, [2.0, 4.0] * 5, [4.0, 6.0] * 5])
    found = crossed_mean(table)
    # MS runs = 10 * (4 + 0 + 4) / 2 = 40, MS prompts = 3 * 10 / 9 = 10 / 3, no rest: variance of
    # the mean (40 + 10 / 3) / 30; at Satterthwaite's freedom of 2.3436 t .975 is 3.7512, which
    # reaches 4.508; each at the t of its own, 4.3027 of 2 and 2.2622 of 9, further:
    # sqrt(4.3027^2 x 40 / 30 + 2.2622^2 x 1 / 9) = 5.0252
    assert found.mean == 3.0
    assert found.interval.high is not None
    assert found.interval.high - 3.0 == pytest.approx(5.0252, abs=1e-3)
    assert found.between_runs == 2.0
    assert (found.n_runs, found.n_prompts) == (3, 10)


def test_runs_that_differ_widen_the_interval_though_prompts_agree() -> None:
    runs = np.repeat([[0.0], [1.0], [2.0]], 50, axis=1)
    found = crossed_mean(runs)
    # three runs, 1/sqrt(3) standard error, t with 2 degrees of freedom 4.3027
    assert found.interval.low == pytest.approx(1 - 4.3027 / math.sqrt(3), abs=1e-3)


def test_one_run_has_students_t_over_prompts() -> None:
    found = crossed_mean(np.array([[1.0, 2.0, NAN, *range(3, 11)]]))
    assert (found.n_runs, found.n_prompts, found.between_runs) == (1, 10, None)
    # 1 to 10: sd 3.02765, t(9) = 2.262157
    assert found.interval.low == pytest.approx(5.5 - 2.262157 * 3.02765 / math.sqrt(10), abs=1e-4)
    # t = 5.5 / .95743 = 5.7446 has p = .000278; ten signs cannot say less than 2 / 2^10
    assert found.p_value == pytest.approx(2 / 2**10)


def test_nothing_known_has_no_mean_and_few_prompts_no_interval() -> None:
    assert crossed_mean(np.full((2, 3), NAN)).mean is None
    one = crossed_mean(np.array([[0.25], [0.75]]))
    assert (one.mean, one.interval.low, one.p_value) == (0.5, None, None)
    nine = crossed_mean(np.random.default_rng(0).normal(size=(3, 9)))
    assert (nine.interval.why, nine.p_value) == ("n < 10: no interval", None)


def test_equal_cells_have_no_interval_instead_of_one_of_no_width() -> None:
    for n_runs in (1, 3):
        found = crossed_mean(np.full((n_runs, 12), 0.25))
        assert (found.mean, found.interval.low, found.p_value) == (0.25, None, None)
        assert found.interval.why == "all equal: no interval"


def test_empty_rows_and_columns_change_nothing() -> None:
    table = np.array([[0.1, 0.4, 0.2], [0.5, 0.3, 0.9]])
    wider = np.full((3, 4), NAN)
    wider[1:, :3] = table
    assert crossed_mean(wider) == crossed_mean(table)


@given(st.integers(0, 1000))
def test_a_missing_cell_keeps_the_mean_of_the_known_ones(seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(3, 11))
    table[1, 2] = NAN
    found = crossed_mean(table)
    assert found.mean == pytest.approx(float(np.nanmean(table)))
    assert found.interval.low is not None and found.mean is not None
    assert found.interval.low < found.mean


def test_three_runs_that_agree_are_not_asked_for_the_t_of_two_degrees_of_freedom() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.1, (3, 32))
    agreeing = noise - noise.mean(axis=1, keepdims=True)
    found = crossed_mean(agreeing).interval
    # the prompts and the rest alone: t near 1.96 instead of 4.30, on the error of their sum
    gaps = agreeing - agreeing.mean()
    rest = gaps - gaps.mean(axis=0)
    of_rest = (rest**2).sum() / 62 / 96
    of_prompts = 32 / 31 * (gaps.sum(axis=0) ** 2).sum() / 96**2
    variance = max(of_prompts, of_rest)
    freedom = variance**2 / (of_prompts**2 / 31 + of_rest**2 / 62)
    assert freedom > 25
    assert found.high == pytest.approx(2.03 * math.sqrt(variance), rel=0.03)
    # two that agree may have done so by chance
    two = crossed_mean(agreeing[:2]).interval
    assert two.high > 2 * found.high


@pytest.mark.parametrize(("of_runs", "of_prompts"), [(0.0, 0.1), (0.05, 0.1), (0.1, 0.0)])
def test_the_interval_covers_the_truth_as_often_as_it_says(
    of_runs: float, of_prompts: float
) -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(400):
        table = (
            rng.normal(0, 1, (3, 1)) * of_runs
            + rng.normal(0, 1, (1, 16)) * of_prompts
            + rng.normal(0, 0.1, (3, 16))
        )
        found = crossed_mean(table).interval
        assert found.low is not None and found.high is not None
        hits += found.low <= 0 <= found.high
    # 95 % of 400 is 380, its standard deviation 4.4; three seeds make it a little cautious
    assert hits >= 366


@pytest.mark.parametrize(("n_runs", "of_runs", "least"), [(3, 0.05, 0.93), (2, 0.05, 0.93)])
def test_runs_that_agree_by_chance_do_not_narrow_the_interval(
    n_runs: int, of_runs: float, least: float
) -> None:
    rng = np.random.default_rng(8)
    hits, n_worlds = 0, 1500
    for _ in range(n_worlds):
        table = rng.normal(0, of_runs, (n_runs, 1)) + rng.normal(0, 0.2, (1, 300))
        found = crossed_mean(table + rng.normal(0, 0.2, (n_runs, 300))).interval
        hits += found.low <= 0 <= found.high
    # Satterthwaite's freedom alone covers 91.6 % with three runs, and 89 % with two
    assert hits / n_worlds >= least


def test_p_is_that_of_the_interval_which_just_holds_nothing() -> None:
    rng = np.random.default_rng(9)
    table = rng.normal(0.1, 0.2, (3, 40))
    found = crossed_mean(table)
    # moved until the lower end of the interval is 0, the p value is 5 %
    at_the_end = crossed_mean(table - found.interval.low)
    assert at_the_end.p_value == pytest.approx(0.05)
