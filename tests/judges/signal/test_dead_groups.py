"""Dead groups and their causes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from level_worlds import by_level, wanted
from pilots import pilot

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rewards.base import evaluate_table
from rubricbeat.judges.rubric import Criterion, Example, Message, Requirement, Rubric
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.signal.dead_groups import (
    DeadGroups,
    attainable,
    dead_groups,
    identical_verdicts,
    prompts_to_drop,
)
from rubricbeat.judges.signal.groups import GroupedVerdicts, group_answers
from rubricbeat.judges.verdict import Outcome, Verdict

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


def extremes(criteria: list[Criterion], name: str = "healthbench") -> tuple[float, float]:
    case = Example("p", (Message("user", "?"),), Rubric(tuple(criteria)))
    said = (Verdict(Outcome.UNPARSEABLE),) * len(criteria)
    groups = group_answers([GradedAnswer(case, f"{i}", said, i) for i in range(3)])
    low, high = attainable(groups, get_reward(name))
    return float(low[0]), float(high[0])


def test_the_lowest_reward_meets_what_a_costly_fault_requires() -> None:
    drug = wanted(2, id="drug")
    # the drug named and the wrong dose given: (2 - 5) / 2; with neither it would be 0
    assert extremes([drug, wanted(-5, requires=Requirement("drug"))]) == (-1.5, 1.0)
    # naming it earns more than the fault costs: the lowest is neither
    assert extremes([drug, wanted(-1, requires=Requirement("drug"))]) == (0.0, 1.0)


def test_a_reward_that_cannot_fall_below_0_has_its_floor_there() -> None:
    # the least net points, (2 - 3) / 6, leave hybrid 15 * 2 / 6 - 4.5 = 0.5; nothing met gives 0
    drug = wanted(2, id="drug")
    criteria = [drug, wanted(-3, requires=Requirement("drug")), wanted(4)]
    assert extremes(criteria, "hybrid") == (0.0, 20.0)


def test_extremes_go_through_chains_and_take_each_tree_by_itself() -> None:
    chain = [
        wanted(1, id="a"),
        wanted(1, id="b", requires=Requirement("a")),
        wanted(-6, requires=Requirement("b")),
    ]
    apart = [wanted(2, id="c"), wanted(-1, requires=Requirement("c"))]
    # the chain to its end, 1 + 1 - 6, and nothing of the other tree, over 1 + 1 + 2
    assert extremes([*chain, *apart]) == (-1.0, 1.0)


def test_what_a_fault_opens_may_be_worth_the_fault() -> None:
    # admitting a slip costs 1, and mending it, which takes the slip, earns 4
    assert extremes([wanted(-1, id="slip"), wanted(4, requires=Requirement("slip"))])[1] == 0.75


def test_the_lowest_reward_of_levels_is_the_lowest_of_all_answers() -> None:
    criteria = [
        by_level([0, 2, 5], id="signs"),
        wanted(-4, requires=Requirement("signs", 1)),
        wanted(-4, requires=Requirement("signs", 1)),
    ]
    # the middle level opens both faults and earns least: (2 - 8) / 5
    assert extremes(criteria) == (-1.2, 1.0)


def drawn_rubric(random: np.random.Generator) -> list[Criterion]:
    """Four criteria; each but the first may require one before it."""
    criteria: list[Criterion] = [wanted(3, id="0")]
    for place in range(1, 4):
        name = str(random.integers(place))
        level = 1 if criteria[int(name)].levels and random.random() < 0.5 else None
        more = {"requires": Requirement(name, level)} if random.random() < 0.8 else {}
        if random.random() < 0.4:
            sign, middle, most = random.choice([-1, 1]), *random.integers([1, 9], [9, 18])
            points = [0.0, float(sign * middle), float(sign * most)]
            criteria.append(by_level(points, id=str(place), **more))
        else:
            points = random.choice([-7, -4, -2, 1, 2, 5])
            criteria.append(wanted(float(points), id=str(place), **more))
    return criteria


def test_extremes_are_those_of_all_answers_that_there_could_be() -> None:
    random = np.random.default_rng(11)
    reward = get_reward("healthbench")
    for _ in range(60):
        criteria = drawn_rubric(random)
        case = Example("p", (Message("user", "?"),), Rubric(tuple(criteria)))
        said = [
            [Verdict.at_level(k) for k in range(len(c.levels))]
            or [Verdict.of(False), Verdict.of(True)]
            for c in criteria
        ]
        all_answers = [GradedAnswer(case, "a", verdicts) for verdicts in product(*said)]
        found = evaluate_table(reward, VerdictTable.of(all_answers))
        assert extremes(criteria) == pytest.approx((found.min(), found.max()), abs=1e-12)


def test_a_prompt_to_drop_is_as_hard_as_all_answers_to_it_say() -> None:
    """One model meets all of its points, the other none: half, whoever is named first."""
    met, none = [[1, 1, 0]] * 3, [[0, 0, 0]] * 3
    for verdicts in ([met, none], [none, met]):
        groups = pilot(verdicts, POINTS, prompt_ids=["p", "p"])
        (found,) = prompts_to_drop(groups, identical_verdicts(groups))
        assert (found.n_answers, found.positive_share) == (6, 0.5)


def test_what_counts_when_it_is_not_met_and_what_is_missing_do_not_make_a_prompt_hard() -> None:
    """The middle criterion is avoided by all: earned. The last answers tell of nothing."""
    groups = pilot([[[1, 0], [1, 0], [1, NAN]], [[NAN, NAN]] * 3], [3.0, 1.0])
    groups.rubric_PC.desirable[:, 1] = False
    found = prompts_to_drop(groups, np.array([True, True]))
    assert found[0].positive_share == 1.0
    assert np.isnan(found[1].positive_share)
