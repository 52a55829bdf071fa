from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.reports.comparison.paired import (
    bonferroni,
    detectable_difference,
    holm,
    paired_difference,
    pass_change,
)

pytestmark = pytest.mark.border

NAN = math.nan


def test_a_difference_of_ten_prompts_is_worked_by_hand():
    # gaps .01 to .10: mean .055, sd .0302765, error .00957427, t = 5.7446 with 9 degrees of freedom
    this = np.arange(1, 11) / 100 + 0.5
    change = paired_difference(this, np.full(10, 0.5))
    assert change.n == 10
    assert change.mean == pytest.approx(0.055)
    assert change.standard_error == pytest.approx(0.00957427)
    # t gives .000278; of the 2^10 patterns of signs two are as far
    assert change.p_value == pytest.approx(2 / 1024)
    # t .975 of 9 degrees of freedom: 2.262157
    assert change.interval.low == pytest.approx(0.055 - 2.262157 * 0.00957427, abs=1e-6)
    assert change.correlation is None  # the other model does not vary
    assert (change.n_better, change.n_worse, change.n_equal) == (10, 0, 0)


def test_nine_prompts_have_a_difference_and_no_interval():
    change = paired_difference(np.arange(9) / 10, np.zeros(9))
    assert change.mean == pytest.approx(0.4)
    assert (change.interval.why, change.p_value) == ("n < 10: no interval", None)


def test_pairing_finds_what_separate_error_bars_hide():
    generator = np.random.default_rng(3)
    hardness = generator.normal(0, 1, 200)
    other = hardness + generator.normal(0, 0.1, 200)
    this = hardness + 0.05 + generator.normal(0, 0.1, 200)
    change = paired_difference(this, other)
    assert change.interval.excludes_zero
    assert change.correlation is not None
    assert change.correlation > 0.98
    unpaired_error = math.sqrt(this.var(ddof=1) / 200 + other.var(ddof=1) / 200)
    assert change.standard_error is not None
    assert change.standard_error < unpaired_error / 5


def test_only_shared_prompts_count():
    change = paired_difference(np.array([1.0, 0.5, NAN]), np.array([0.5, NAN, 0.1]))
    assert change.n == 1
    assert change.mean == 0.5
    assert change.interval.low is None
    assert change.p_value is None


def test_no_shared_prompt_gives_no_difference():
    change = paired_difference(np.array([1.0, NAN]), np.array([NAN, 1.0]))
    assert (change.n, change.mean) == (0, None)


def test_identical_models_do_not_differ():
    same = np.array([0.1, 0.5, 0.9] * 4)
    change = paired_difference(same, same)
    assert (change.mean, change.p_value, change.n_equal) == (0.0, None, 12)
    assert change.interval.why == "all equal: no interval"
    assert change.correlation == pytest.approx(1.0)
    assert change.detectable is None


def test_turning_the_pair_round_turns_the_sign():
    generator = np.random.default_rng(4)
    this, other = generator.normal(size=30), generator.normal(size=30)
    there = paired_difference(this, other)
    back = paired_difference(other, this)
    assert there.mean == pytest.approx(-back.mean)
    assert there.interval.low == pytest.approx(-back.interval.high)
    assert there.p_value == pytest.approx(back.p_value)


def once(values):
    return np.ones(len(values))


def test_mcnemar_is_the_exact_binomial_test_on_the_discordant_prompts():
    # 5 prompts only this model passes, 1 only the other: 2 * (C(6,0) + C(6,1)) / 2^6 = 14/64
    this = np.array([1.0] * 5 + [0.0] + [1.0] * 4 + [0.0] * 3)
    other = np.array([0.0] * 5 + [1.0] + [1.0] * 4 + [0.0] * 3)
    change = pass_change(this, other, once(this), once(other))
    assert (change.test, change.n_only_this, change.n_only_other, change.n) == ("mcnemar", 5, 1, 13)
    assert change.p_value == pytest.approx(14 / 64)
    # (|5 - 1| - 1)^2 / 6 = 1.5: the chi-square of one degree of freedom leaves .2207 above it
    assert change.chi_square_p == pytest.approx(0.2207, abs=1e-4)
    # 4 / 13, and Bonett and Price over 15 prompts: 4 / 15 -+ t(12) sqrt((8 - 16 / 15) / 14 / 15)
    assert change.difference == pytest.approx(4 / 13)
    half = 2.178813 * math.sqrt((8 - 16 / 15) / 14 / 15)
    assert change.interval.low == pytest.approx(4 / 15 - half, abs=1e-6)
    assert change.interval.high == pytest.approx(4 / 15 + half, abs=1e-6)


def test_a_rule_that_every_answer_fails_differs_by_little_and_not_by_nothing():
    change = pass_change(np.zeros(20), np.zeros(20), np.ones(20), np.ones(20))
    assert (change.difference, change.p_value) == (0.0, 1.0)
    # two made-up prompts of twenty-two, one up and one down: t(19) sqrt(2 / 21 / 22)
    assert change.interval.high == pytest.approx(2.093024 * math.sqrt(2 / 21 / 22), abs=1e-6)


@pytest.mark.parametrize("repeats", [2, 4])
def test_equal_systems_answered_unequally_often_are_told_apart_one_time_in_twenty(repeats):
    # a majority of two is both, which a single answer is not held to: McNemar on majorities called
    # equal systems different in 96 to 100 % of such samples
    generator = np.random.default_rng(repeats)
    found = 0
    for _ in range(400):
        chance = generator.beta(1, 1, 200)
        this = generator.binomial(1, chance).astype(float)
        other = generator.binomial(repeats, chance) / repeats
        change = pass_change(this, other, np.ones(200), np.full(200, float(repeats)))
        assert (change.test, change.chi_square_p) == ("t", None)
        assert change.p_value is not None
        found += change.p_value < 0.05
    assert found / 400 <= 0.09  # 5 %, sd 1.1 %


def test_repeats_that_are_copies_say_what_one_answer_says_of_the_difference():
    this, other = np.array([1.0, 0.0, 1.0, 1.0] * 5), np.array([0.0, 0.0, 1.0, 0.0] * 5)
    twice = np.full(20, 2.0)
    single, copied = (pass_change(this, other, n, n) for n in (np.ones(20), twice))
    assert single.difference == copied.difference == 0.5
    assert copied.test == "t"


def test_bonferroni_multiplies_every_p_by_the_size_of_the_family():
    assert bonferroni([0.01, None, 0.4]) == [pytest.approx(0.02), None, pytest.approx(0.8)]
    assert bonferroni([0.6, 0.7]) == [1.0, 1.0]


def test_holm_multiplies_the_smallest_p_by_the_number_of_pairs():
    # Holm 1979: sorted .01, .02, .04 times 3, 2, 1 = .03, .04, .04
    assert holm([0.04, 0.01, None, 0.02]) == [
        pytest.approx(0.04),
        pytest.approx(0.03),
        None,
        pytest.approx(0.04),
    ]
    assert holm([None]) == [None]
    assert holm([0.5, 0.6]) == [1.0, 1.0]


def test_a_family_larger_than_its_known_tests_multiplies_by_its_own_size():
    # Holm 1979: sorted .001, .01 of ten tests, times 10 and 9
    assert holm([0.01, 0.001], 10) == [pytest.approx(0.09), pytest.approx(0.01)]
    assert bonferroni([0.01, None], 10) == [pytest.approx(0.1), None]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_gives_what_statsmodels_gives(p_values):
    from statsmodels.stats.multitest import multipletests

    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_the_detectable_difference_nears_the_normal_rule_for_many_prompts():
    # (1.959964 + 0.841621) * sd / sqrt(n) = 2.801585 * 0.2 / 50
    assert detectable_difference(0.2, 2500) == pytest.approx(0.011206, rel=1e-3)
    assert detectable_difference(0.2, 1) is None
    assert detectable_difference(0.0, 100) is None


@pytest.mark.parametrize("n", [3, 10, 105, 887, 2500, 100_000])
def test_the_detectable_difference_is_that_of_statsmodels(n):
    from statsmodels.stats.power import TTestPower

    power = TTestPower().power(detectable_difference(1.0, n), n, 0.05, alternative="two-sided")
    # the noncentral t of scipy 1.11 is good to some 1e-8
    assert power == pytest.approx(0.8, abs=1e-7)


def test_two_prompts_show_a_difference_of_eleven_standard_deviations():
    # statsmodels' own solver; scipy's noncentral t gives 5.37 here
    assert detectable_difference(1.0, 2) == pytest.approx(11.54989, abs=1e-4)


def test_a_difference_of_the_detectable_size_is_found_in_four_of_five_tries():
    generator = np.random.default_rng(9)
    size = detectable_difference(1.0, 50)
    assert size is not None
    found = 0
    for _ in range(400):
        change = paired_difference(generator.normal(size, 1, 50), np.zeros(50))
        assert change.p_value is not None
        found += change.p_value < 0.05
    assert 0.74 <= found / 400 <= 0.86  # 80 %, sd 2 %
