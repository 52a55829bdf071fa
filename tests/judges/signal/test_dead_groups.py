"""Dead groups and their causes."""

from __future__ import annotations

import numpy as np
import pytest
from pilots import pilot

from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.signal.dead_groups import DeadGroups, dead_groups, identical_verdicts
from rubricbeat.judges.signal.groups import GroupedVerdicts

NAN = float("nan")
POINTS = [5.0, 5.0, -5.0]
FOUR = [
    [[1, 0, 0], [1, 0, 0], [1, 0, 0]],  # identical
    [[1, 0, 0], [0, 1, 0], [1, 0, 0]],  # differ, equal points: no reward by points can see it
    [[0, 0, 1], [0, 0, 0], [0, 0, 1]],  # differ below zero: a clip hides it
    [[1, 1, 0], [1, 0, 0], [0, 0, 0]],  # alive
]


def of(groups: GroupedVerdicts, name: str) -> DeadGroups:
    reward = get_reward(name)
    return dead_groups(groups, reward, groups.rewards(reward), identical_verdicts(groups))


def test_dead_groups_are_split_into_identical_and_lost_by_the_reward() -> None:
    groups = pilot(FOUR, POINTS)
    plain, clipped = of(groups, "healthbench"), of(groups, "healthbench_clipped")
    assert (plain.dead.value, plain.identical, plain.lost) == (0.5, 0.25, 0.25)
    assert (clipped.dead.value, clipped.identical, clipped.lost) == (0.75, 0.25, 0.5)
    assert clipped.floor == 0.25  # the third group: all at 0, the least the clip allows


def test_floor_and_ceiling_are_what_each_rubric_allows() -> None:
    groups = pilot([[[0, 0, 1]] * 3, [[1, 1, 0]] * 3], POINTS)
    found = of(groups, "healthbench")
    assert (found.dead.value, found.floor, found.ceiling) == (1.0, 0.5, 0.5)


def test_a_missing_verdict_does_not_make_answers_differ() -> None:
    groups = pilot([[[1, 0, 0], [1, NAN, 0], [1, 0, 0]]], POINTS)
    assert identical_verdicts(groups).tolist() == [True]


def test_a_group_without_two_verdicts_on_any_criterion_is_not_called_identical() -> None:
    # all lost, or one answer judged and the others not: it was advised to drop the prompt
    groups = pilot([[[NAN] * 3] * 3, [[1, 0, 0], [NAN] * 3, [NAN] * 3]], POINTS)
    assert identical_verdicts(groups).tolist() == [False, False]


def test_groups_without_two_rewards_are_counted_apart() -> None:
    groups = pilot([[[NAN] * 3, [1, 0, 0], [NAN] * 3], *FOUR], POINTS)
    found = of(groups, "healthbench")
    assert (found.n_groups, found.n_unscored) == (4, 1)


def test_the_interval_of_one_dead_group_in_four_is_wilsons() -> None:
    groups = pilot([FOUR[0], FOUR[3], FOUR[3], FOUR[3]] * 3, POINTS)
    dead = of(groups, "healthbench").dead
    # Wilson's interval of 3 in 12 at 95 %: .0889 to .5323
    assert (dead.low, dead.high) == pytest.approx((0.0889, 0.5323), abs=1e-4)


def test_groups_of_one_prompt_widen_the_interval() -> None:
    verdicts = [FOUR[0], FOUR[0], FOUR[3], FOUR[3]] * 10
    apart = of(pilot(verdicts, POINTS), "healthbench").dead
    twins = [f"p{i // 2}" for i in range(40)]
    together = of(pilot(verdicts, POINTS, prompt_ids=twins), "healthbench").dead
    assert apart.low is not None and together.low is not None
    assert together.low < apart.low - 0.02


def test_an_all_or_nothing_reward_is_dead_where_nobody_is_perfect() -> None:
    assert of(pilot(FOUR[:3], POINTS), "binary").dead.value == 1.0
    assert np.isclose(of(pilot(FOUR, POINTS), "binary").lost, 0.5)
