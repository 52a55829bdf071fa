from __future__ import annotations

import math

import numpy as np
import pytest

from rubricbeat.reports.comparison.measures import repeat_variance


def test_the_split_is_worked_by_hand():
    # prompts with answers (0, 2) and (4, 6): means 1 and 5, their variance 8;
    # within 2 in both; between 8 - 2/2 = 7; error sqrt(8/2) = 2
    split = repeat_variance([0, 2, 4, 6], [0, 0, 1, 1])
    assert split.within == pytest.approx(2)
    assert split.between == pytest.approx(7)
    assert split.standard_error == pytest.approx(2)
    assert split.with_twice_the_prompts == pytest.approx(2 / math.sqrt(2))
    # 7/2 + 2/(2*4) = 3.75
    assert split.with_twice_the_repeats == pytest.approx(math.sqrt(3.75))
    assert split.with_endless_repeats == pytest.approx(math.sqrt(3.5))
    assert split.more_repeats_help is False


def test_one_answer_each_cannot_tell_prompts_from_chance():
    split = repeat_variance([0.0, 1.0, 2.0], [0, 1, 2])
    assert split.within is None
    assert split.between is None
    assert split.more_repeats_help is None
    assert split.standard_error == pytest.approx(1 / math.sqrt(3))


def test_repeats_help_where_the_answers_are_all_noise():
    generator = np.random.default_rng(1)
    split = repeat_variance(generator.normal(size=400), np.repeat(np.arange(100), 4))
    assert split.more_repeats_help is True


def test_missing_scores_are_left_out():
    assert repeat_variance([0, 2, 4, 6, math.nan], [0, 0, 1, 1, 1]).n_answers == 4
    assert repeat_variance([math.nan], [0]).standard_error is None


def test_copies_of_an_answer_do_not_sharpen_the_score():
    once = repeat_variance([0.1, 0.5, 0.9], [0, 1, 2])
    copied = repeat_variance([0.1, 0.5, 0.9] * 5, [0, 1, 2] * 5)
    assert copied.standard_error == pytest.approx(once.standard_error)
    assert copied.within == pytest.approx(0)
