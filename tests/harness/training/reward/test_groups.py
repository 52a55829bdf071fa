from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.harness.training.reward.batch import (
    Dead,
    group_stats,
    noise_and_policy,
    summarise_groups,
)

NAN = math.nan


def stats(rewards: list[float], verdicts: list[list[float]]):
    return group_stats("p", np.array(rewards), np.array(verdicts))


def test_a_group_with_spread_is_alive() -> None:
    found = stats([1.0, 3.0], [[0, 1], [1, 1]])
    assert found.dead is None
    # by hand: mean 2, sample standard deviation sqrt(2), span 2
    assert (found.mean, found.span) == (2.0, 2.0)
    assert found.std == pytest.approx(math.sqrt(2))


def test_equal_verdicts_are_told_from_a_reward_that_lost_the_difference() -> None:
    assert stats([0.0, 0.0], [[0, 1], [0, 1]]).dead is Dead.SAME_VERDICTS
    assert stats([0.0, 0.0], [[0, 1], [1, 1]]).dead is Dead.REWARD


def test_a_missing_verdict_is_no_difference() -> None:
    assert stats([2.0, 2.0], [[1, NAN], [1, 0]]).dead is Dead.SAME_VERDICTS


def test_one_reward_alone_is_unscored_and_not_dead_by_equality() -> None:
    found = stats([2.0, NAN], [[1], [NAN]])
    assert found.dead is Dead.UNSCORED
    assert (found.n_answers, found.n_scored, found.mean) == (2, 1, 2.0)
    assert math.isnan(found.std)


def test_rounding_does_not_revive_a_dead_group() -> None:
    assert stats([0.1 + 0.2, 0.3], [[1], [1]]).dead is Dead.SAME_VERDICTS


def test_reliability_by_hand() -> None:
    # two answers, two replicates: within (1, 3) and (5, 7) the sample variance is 2, so MSW = 2;
    # means 2 and 6, their variance 8, MSB = 2 x 8 = 16; policy (16 - 2) / 2 = 7
    assert noise_and_policy(np.array([[1.0, 3.0], [5.0, 7.0]])) == (2.0, 7.0)


def test_noise_alone_leaves_the_policy_none() -> None:
    # MSW .5, MSB 0: (0 - .5) / 2
    assert noise_and_policy(np.array([[0.0, 1.0], [1.0, 0.0]])) == (0.5, -0.25)


def test_reliability_needs_two_complete_answers() -> None:
    assert noise_and_policy(np.array([[1.0, 2.0], [NAN, 2.0]])) is None
    assert noise_and_policy(np.array([[1.0], [2.0]])) is None


def test_a_step_pools_its_groups() -> None:
    groups = [
        stats([0.0, 2.0], [[0], [1]]),
        stats([1.0, 1.0], [[1], [1]]),
        stats([NAN, NAN], [[NAN], [NAN]]),
    ]
    pooled = summarise_groups(groups)
    assert (pooled["groups"], pooled["dead_groups"]) == (3, 2)
    assert (pooled["dead_same_verdicts"], pooled["dead_unscored"], pooled["dead_reward"]) == (
        1,
        1,
        0,
    )
    assert pooled["group_span"] == 1.0  # spans 2 and 0; the third has none
    assert pooled["reliability"] is None  # nothing was judged twice


def test_the_reliability_of_a_step_is_the_policys_share_of_its_variance() -> None:
    measured = replace(stats([0.0, 2.0], [[0], [1]]), noise=2.0, policy=7.0)
    pooled = summarise_groups([measured, stats([1.0, 1.0], [[1], [1]])])
    assert pooled["reliability"] == pytest.approx(7 / 9)
    assert pooled["replicated_groups"] == 1


def test_noise_alone_adds_up_to_no_reliability() -> None:
    # cutting each group off at 0 gave .13 here, of a judge that throws dice
    rng = np.random.default_rng(0)
    groups = []
    for _ in range(2000):
        rewards = rng.normal(size=(6, 2))
        measured = noise_and_policy(rewards)
        assert measured is not None
        one = group_stats("p", rewards[:, 0], np.zeros((6, 1)))
        groups.append(replace(one, noise=measured[0], policy=measured[1]))
    reliability = summarise_groups(groups)["reliability"]
    assert reliability is not None and reliability < 0.03
