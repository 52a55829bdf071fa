"""The terms of each published reward: which there are, and what is left without each.

One rubric of points 6, 2, 2, -4 and -1. The answer `MIXED` meets the first and the fourth: it has
s = 6/10 of the positive points and rho = 4/5 of the negative ones; counted alike 1/3 and 1/2.
That of `BAD` triggers both faults and nothing else: s = 0, rho = 1. `PERFECT` is as it should be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rubricbeat.judges.errors import ConfigError, DataError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.scoring.rubric_arrays import RubricArrays

MIXED, BAD, PERFECT = [1, 0, 0, 1, 0], [0, 0, 0, 1, 1], [1, 1, 1, 0, 0]


def rubric(points: list[float]) -> RubricArrays:
    array = np.array(points)
    return RubricArrays(array, array > 0, np.full(array.shape, -1, np.int8))


def value(reward: Any, verdicts: list[int], points: tuple[float, ...] = (6, 2, 2, -4, -1)) -> float:
    return float(reward(np.array(verdicts, dtype=float), rubric([float(p) for p in points])))


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("healthbench", {"weights"}),
        ("healthbench_clipped", {"clip", "weights"}),
        ("binary", set()),
        ("hybrid", {"clip", "penalty", "bonus", "weights"}),
        ("hybrid_unclipped", {"penalty", "bonus", "weights"}),
        ("complexity", {"log_complexity", "penalty", "power", "clip", "cap", "weights"}),
        ("rar_explicit", {"weights"}),
        ("rar_uniform", set()),
        ("rar_implicit", set()),
    ],
)
def test_a_reward_has_the_terms_that_are_switched_on_and_loses_each(
    name: str, terms: set[str]
) -> None:
    reward: Any = get_reward(name)
    assert set(reward.terms) == terms
    for term in terms:
        less = reward.without(term)
        assert set(less.terms) == terms - {term}
        assert less.name == f"{name} without {term}"
        with pytest.raises(ConfigError, match="no term"):
            less.without(term)


@pytest.mark.parametrize(
    ("name", "verdicts", "whole", "term", "left"),
    [
        ("healthbench", MIXED, 0.2, "weights", 0.0),  # (6 - 4) / 10; (1 - 1) / 3
        ("healthbench_clipped", BAD, 0.0, "clip", -0.5),  # -5 / 10
        ("hybrid", MIXED, 5.4, "penalty", 9.0),  # 15 * .6 - 4.5 * .8
        ("hybrid", MIXED, 5.4, "weights", 2.75),  # 15 / 3 - 4.5 / 2
        ("hybrid", BAD, 0.0, "clip", -4.5),
        ("hybrid", PERFECT, 20.0, "bonus", 15.0),
        # t = .6 - .5 * .8 = .2, t^1.2 = .144956, and 1 + .2 ln 6 / ln 26 = 1.109988
        ("complexity", MIXED, 3.217987, "log_complexity", 2.899119),
        ("complexity", MIXED, 3.217987, "power", 4.439952),
        ("complexity", MIXED, 3.217987, "penalty", 12.026239),  # .6^1.2 = .541728
        ("complexity", MIXED, 3.217987, "weights", 1.125462),  # t = 1/12, t^1.2 = .0506971
        ("complexity", BAD, 0.0, "clip", -9.663010),  # -(.5^1.2) = -.435275
        # no labels: essential 1, optional .3 twice, pitfall .9 twice: (1 + .9) / 3.4; 2 of 5
        ("rar_explicit", MIXED, 0.558824, "weights", 0.4),
    ],
)
def test_what_a_reward_gives_and_what_without_a_term(
    name: str, verdicts: list[int], whole: float, term: str, left: float
) -> None:
    reward: Any = get_reward(name)
    assert value(reward, verdicts) == pytest.approx(whole, rel=1e-5, abs=1e-12)
    assert value(reward.without(term), verdicts) == pytest.approx(left, rel=1e-5, abs=1e-12)


def test_the_cap_of_complexity_is_reached_by_a_perfect_answer_to_a_long_rubric() -> None:
    """80 criteria: 20 (1 + .2 ln 81 / ln 26) = 25.395."""
    reward: Any = get_reward("complexity")
    assert value(reward, [1] * 80, (1.0,) * 80) == 25.0
    assert value(reward.without("cap"), [1] * 80, (1.0,) * 80) == pytest.approx(25.3951, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("healthbench", (-np.inf, 1.0)),
        ("healthbench_clipped", (0.0, 1.0)),
        ("binary", (0.0, 20.0)),
        ("hybrid", (0.0, 20.0)),  # 15 of partial credit and a bonus of 5
        ("hybrid_unclipped", (-4.5, 20.0)),
        ("complexity", (0.0, 25.0)),
        ("rar_explicit", (0.0, 1.0)),
        ("rar_implicit", (0.1, 1.0)),
    ],
)
def test_a_reward_says_the_bounds_of_its_values(name: str, bounds: tuple[float, float]) -> None:
    assert get_reward(name).range == bounds


@pytest.mark.parametrize("rating", [0.9, 10.1, 11.0])
def test_a_rating_outside_1_to_10_is_refused_and_the_ends_are_taken(rating: float) -> None:
    implicit: Any = get_reward("rar_implicit")
    with pytest.raises(DataError, match="outside 1 to 10"):
        implicit(np.array([5.0, rating]), rubric([1.0]))
    assert implicit(np.array([1.0, 10.0]), rubric([1.0])).tolist() == [0.1, 1.0]


@pytest.mark.parametrize(
    "spec", ["clip(of=hybrid,low=5,high=1)", "clip(of=hybrid,low=30)", "clip(of=binary,high=-1)"]
)
def test_bounds_between_which_nothing_lies_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="no value lies between"):
        get_reward(spec)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("hybrid(credit=-5)", "credit -5 is below 0"),
        ("hybrid(bonus=-1)", "bonus -1 is below 0"),
        ("complexity(cap=-3)", "cap -3 is not above 0"),
        ("complexity(power=-1)", "power -1 is not above 0"),
        ("complexity(log_bonus=-9)", "log_bonus -9 is below 0"),
        ("binary(scale=-1)", "scale -1 is not above 0"),
        ("length(of=hybrid,per_500_chars=-1)", "per_500_chars -1 is below 0"),
        ("veto(of=hybrid,at_points=-3)", "at_points -3 is not above 0"),
        ("power(of=hybrid,exponent=0)", "exponent 0 is not above 0"),
    ],
)
def test_a_constant_that_would_turn_the_order_around_is_refused(spec: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        get_reward(spec)


def test_a_pass_rule_is_passed_at_its_level_and_not_below() -> None:
    # the answer earns (6 - 4) / 10
    levels = {"0.1": 1, "0.2": 1, "0.21": 0}
    found = {at: value(get_reward(f"threshold(of=healthbench,at={at})"), MIXED) for at in levels}
    assert found == levels
    # 0.5 where none is given: 6 / 10 without the faults
    usual = get_reward("threshold(of=healthbench)")
    assert (value(usual, [1, 0, 0, 0, 0]), value(usual, [0, 1, 1, 0, 0])) == (1, 0)
    assert (usual.range, np.isnan(value(usual, [np.nan] * 5))) == ((0.0, 1.0), True)
