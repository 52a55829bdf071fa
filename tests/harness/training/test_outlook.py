from __future__ import annotations

from dataclasses import replace

from rubricbeat.harness.training.outlook import Outlook, cautions, reasons_against

GOOD = Outlook(
    reward="hybrid",
    n_groups=16,
    dead=0.1,
    identical=0.1,
    dead_by_reward={"healthbench": 0.1, "binary": 0.9},
    reliability=0.8,
    unscored=0.0,
    max_unscored=0.2,
    planned_groups=2000,
)


def test_nothing_speaks_against_a_run_with_live_groups() -> None:
    assert reasons_against(GOOD) == () and cautions(GOOD) == ()


def test_three_dead_groups_in_four_are_a_run_that_could_not_learn() -> None:
    # the closed loop's first run: 40 steps of 2 prompts, 76 % dead, 74 % with equal verdicts
    found = replace(GOOD, dead=0.76, identical=0.74, dead_by_reward={}, planned_groups=80)
    [reason] = reasons_against(found)
    assert "76% of the groups" in reason and "of the run's 80 groups about 19" in reason
    assert "no other reward helps" in reason and "warm start" in reason
    assert cautions(found) == ()  # it is said once


def test_a_reward_that_lives_where_this_one_is_dead_is_named() -> None:
    found = replace(GOOD, reward="binary", dead=0.9, dead_by_reward={"healthbench": 0.1})
    [reason] = reasons_against(found)
    assert "with reward healthbench it would be 10%" in reason


def test_half_dead_groups_and_few_live_ones_are_cautions() -> None:
    half = replace(GOOD, dead=0.6, identical=0.6, dead_by_reward={})
    assert ["60%" in one for one in cautions(half)] == [True]
    short = replace(GOOD, planned_groups=40)
    assert "only about 36 groups" in cautions(short)[0]
    assert reasons_against(short) == ()


def test_noise_and_missing_rewards_are_reasons() -> None:
    reasons = reasons_against(replace(GOOD, reliability=0.05, unscored=0.5))
    assert "50% of the answers" in reasons[0] and "reliability 0.05" in reasons[1]


def test_the_dead_share_of_few_groups_is_told_with_its_interval() -> None:
    # Wilson: 8 of 16
    assert replace(GOOD, dead=0.5).dead_words == "50% [28%, 72%]"
