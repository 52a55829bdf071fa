"""Whom the dear judge is asked about: the chances, their floor, and the draw."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.budget.two_judges import FLOOR, chances, draw, expected_error


def test_chances_follow_the_error_and_cost_what_they_may() -> None:
    assert chances(np.array([1.0, 2.0, 3.0, 2.0]), 0.5) == pytest.approx([0.25, 0.5, 0.75, 0.5])
    # the first is sure to be asked, the others share what is left
    assert chances(np.array([100.0, 1.0, 1.0, 1.0]), 0.5) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])


def test_no_chance_lies_below_the_floor() -> None:
    found = chances(np.array([0.0, 1.0, 1.0]), 0.3)
    assert found[0] == pytest.approx(FLOOR * 0.3)
    assert found.sum() == pytest.approx(0.9)
    assert chances(np.zeros(4), 0.3) == pytest.approx([0.3] * 4)
    assert (chances(np.array([0.0, 1.0]), 1.0) == 1).all()


def test_what_costs_four_times_as_much_is_asked_half_as_often() -> None:
    found = chances(np.array([1.0, 1.0]), 0.3, cost_U=np.array([1.0, 4.0]))
    assert found[0] == pytest.approx(2 * found[1])
    assert found @ [1, 4] == pytest.approx(1.5)


def test_a_verdict_that_is_sure_or_weighs_nothing_is_expected_to_err_nowhere() -> None:
    found = expected_error(np.array([-2.0, 2.0, 0.0, 1.0]), np.array([0.5, 1.0, 0.5, np.nan]))
    assert found == pytest.approx([1.0, 0.0, 0.0, 0.5])


def test_the_draw_is_the_seeds_and_the_keys_alone() -> None:
    assert draw(1, "a") == draw(1, "a")
    assert len({draw(1, "a"), draw(2, "a"), draw(1, "b")}) == 3
    found = np.array([draw(3, str(n)) for n in range(4000)])
    # 4,000 of a uniform number: the mean has a standard error of .0046
    assert abs(found.mean() - 0.5) < 0.02
    assert abs((found < 0.25).mean() - 0.25) < 0.03
