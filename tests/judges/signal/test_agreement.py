"""Agreement of rewards, and what flips leave."""

from __future__ import annotations

import numpy as np
import pytest
from pilots import drawn_pilot, pilot

from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.signal.advantages import Scale, advantages_of
from rubricbeat.judges.signal.agreement import (
    PairAgreement,
    flip_effects,
    pair_agreements,
    survival,
)

pytestmark = pytest.mark.border


def agreement(first: list[list[float]], second: list[list[float]]) -> PairAgreement:
    rewards = {"first": np.array(first), "second": np.array(second)}
    advantages = {
        name: {scale: advantages_of(values, scale) for scale in Scale}
        for name, values in rewards.items()
    }
    return pair_agreements(rewards, advantages, np.arange(len(first)))[0]


def test_a_reward_that_is_a_line_of_another_teaches_the_same() -> None:
    found = agreement([[0.0, 1, 2], [5, 6, 9]], [[1.0, 3, 5], [11, 13, 19]])
    assert found.correlation[Scale.NONE].value == pytest.approx(1.0)
    assert found.rank == pytest.approx(1.0)


def test_a_reward_turned_around_teaches_the_opposite() -> None:
    found = agreement([[0.0, 1, 2], [0, 1, 3]], [[2.0, 1, 0], [3, 2, 0]])
    assert found.correlation[Scale.NONE].value == pytest.approx(-1.0)
    assert found.rank == pytest.approx(-1.0)


def test_rank_agreement_counts_pairs_as_kendalls_tau_b() -> None:
    # pairs (0,1) (0,2) (1,2): first - - -, second - - 0: 2 / sqrt(3 * 2)
    found = agreement([[0.0, 1, 2]] * 2, [[0.0, 1, 1]] * 2)
    assert found.rank == pytest.approx(2 / np.sqrt(6))


def test_groups_alive_under_one_reward_only_are_counted() -> None:
    found = agreement([[0.0, 1], [0, 0], [0, 0], [1, 2]], [[0.0, 0], [0, 1], [1, 1], [1, 2]])
    assert (found.only_first, found.only_second) == (0.25, 0.25)


def test_a_dead_reward_agrees_with_nothing() -> None:
    found = agreement([[0.0, 1], [0, 1]], [[1.0, 1], [1, 1]])
    assert found.correlation[Scale.GROUP].value is None
    assert found.rank is None


def test_more_flips_leave_less() -> None:
    reward = get_reward("healthbench")
    effects = flip_effects(drawn_pilot(1), [reward], [Scale.GROUP], rates=(0.0, 0.02, 0.2, 0.5))
    left = [effect.fidelity for effect in effects]
    assert left[0] == pytest.approx(1.0)
    assert left[1] is not None and left[2] is not None and left[3] is not None
    assert left[1] > left[2] > 0.2
    assert left[3] == pytest.approx(0.0, abs=0.15)


def test_flips_are_drawn_from_the_seed() -> None:
    groups, reward = drawn_pilot(1), get_reward("hybrid")
    assert flip_effects(groups, [reward], [Scale.NONE], seed=3) == flip_effects(
        groups, [reward], [Scale.NONE], seed=3
    )


def test_flips_bring_dead_groups_to_life() -> None:
    groups = pilot(np.ones((200, 4, 6)), [1.0] * 6)
    effects = flip_effects(groups, [get_reward("healthbench")], [Scale.GROUP], rates=(0.0, 0.05))
    assert [round(effect.dead, 1) for effect in effects] == [1.0, pytest.approx(0.4, abs=0.21)]


def test_a_perfect_answer_survives_as_often_as_no_verdict_flips() -> None:
    assert float(survival(10, 0.1)) == pytest.approx(0.9**10)
