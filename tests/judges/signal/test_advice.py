"""The rule by which one reward is recommended, condition by condition, on tables set by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rubricbeat.judges.scoring.estimates import Estimate
from rubricbeat.judges.signal.advantages import Scale
from rubricbeat.judges.signal.advice import (
    in_words,
    listed,
    reliability_fault,
    reward_to_train_with,
)
from rubricbeat.judges.signal.gold import GoldStudy
from rubricbeat.judges.signal.replay.gains import Compared, Standing
from rubricbeat.judges.signal.variance import VarianceSplit

FIRST = Compared("first", Estimate(0.6, 0.5, 0.7), Estimate(None), Standing.BEST)
SECOND = Compared("second", Estimate(0.4, 0.3, 0.5), Estimate(0.2, 0.1, 0.3), Standing.BEHIND)
GOLD = GoldStudy(
    scale=Scale.GROUP,
    n_prompts=100,
    n_groups=100,
    n_answers=400,
    agreement=0.9,
    rows=(FIRST, SECOND),
    is_better_than_nothing=True,
    is_enough=True,
)
RELIABLE = Estimate(0.8, 0.7, 0.9)


def tables(gold: GoldStudy | None = GOLD, **icc: Estimate) -> Any:
    """Give the two tables that the rule reads; reliable unless told otherwise."""
    splits = tuple(
        VarianceSplit(name, 2, 0.1, 0.1, 0.1, 0.2, icc.get(name, RELIABLE), 50)
        for name in ("first", "second")
    )
    return SimpleNamespace(gold=gold, variance=splits)


def test_the_best_is_recommended_where_it_stands_alone() -> None:
    assert reward_to_train_with(tables()) == "first"


@pytest.mark.parametrize(
    "gold",
    [
        pytest.param(None, id="no gold"),
        pytest.param(replace(GOLD, is_enough=False), id="too few prompts"),
        pytest.param(replace(GOLD, is_better_than_nothing=False), id="no better than nothing"),
        pytest.param(
            replace(GOLD, rows=(FIRST, replace(SECOND, standing=Standing.TIED))), id="a tie"
        ),
    ],
)
def test_without_each_of_its_conditions_none_is_recommended(gold: GoldStudy | None) -> None:
    assert reward_to_train_with(tables(gold)) is None


@pytest.mark.parametrize(
    ("icc", "is_recommended"),
    [
        (Estimate(0.3, 0.01, 0.6), True),
        (Estimate(0.3, 0.0, 0.6), False),
        (Estimate(0.3, -0.1, 0.6), False),
        (Estimate(0.3), False),  # known, and no interval keeps it from 0
        (Estimate(0.0), False),
        (Estimate(None), True),  # nothing was judged twice: that is said elsewhere
        (Estimate(1.0), True),  # a judge that never differs from itself has no interval
    ],
)
def test_the_reliability_of_the_best_must_be_above_0_where_it_is_known(
    icc: Estimate, is_recommended: bool
) -> None:
    assert reward_to_train_with(tables(first=icc)) == ("first" if is_recommended else None)
    assert (reliability_fault(tables(first=icc), "first") is None) is is_recommended


def test_the_reliability_of_another_reward_does_not_matter() -> None:
    assert reward_to_train_with(tables(second=Estimate(0.0, -0.2, 0.2))) == "first"


def test_names_are_listed_and_intervals_written_out() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
    assert in_words(Estimate(0.5, 0.25, 0.75)) == "25 to 75 %"
    assert in_words(Estimate(0.5, 0.25, 0.75), percent=False) == "[0.25, 0.75]"
    assert in_words(Estimate(0.5)) == "[no interval]"
