"""Variance components and reliability, on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.signal.variance import (
    VarianceSplit,
    reliability_of_votes,
    shares,
    split_variance,
    votes_for,
)

NAN = float("nan")


def drawn(
    seed: int,
    n_groups: int = 60,
    n_answers: int = 6,
    n_replicates: int = 2,
    sd: tuple[float, float, float] = (1.0, 0.6, 0.4),
) -> np.ndarray:
    random = np.random.default_rng(seed)
    prompts, answers, judge = sd
    return (
        random.normal(0, prompts, (1, n_groups, 1))
        + random.normal(0, answers, (1, n_groups, n_answers))
        + random.normal(0, judge, (n_replicates, n_groups, n_answers))
    )


def split(rewards_RPG: np.ndarray, clusters: np.ndarray | None = None) -> VarianceSplit:
    n_groups = rewards_RPG.shape[1]
    return split_variance("r", rewards_RPG, np.arange(n_groups) if clusters is None else clusters)


def test_two_replicates_by_hand() -> None:
    """One group: answers' means 1 and 3 with two verdicts each; judge mean square (2 + 2) / 2."""
    rewards_RPG = np.array([[[0.0, 2.0]], [[2.0, 4.0]]])
    found = split(rewards_RPG)
    # between: 2 ((1 - 2)^2 + (3 - 2)^2) / 1 = 4; answers (4 - 2) / 2 = 1; ICC 1 / (1 + 2)
    assert found.judge == pytest.approx(2.0)
    assert found.answers == pytest.approx(1.0)
    assert found.icc.value == pytest.approx(1 / 3)


def test_answers_judged_unequally_often_by_hand() -> None:
    """Two groups, and beside them groups that tell nothing of answers within a group.

    First group, verdicts 0 and 2, and 4 alone: mean 2, between 2 (1 - 2)^2 + (4 - 2)^2 = 6. Second
    group as above, 4. Together 10 / 2 = 5, the judge (2 + 2 + 2) / 3 = 2. Rewards of an answer:
    (3 - 5 / 3 + 4 - 8 / 4) / 2 = 5 / 3, so answers (5 - 2) / (5 / 3) = 1.8 and ICC 1.8 / 3.8.
    """
    rewards_RPG = np.array(
        [
            [[0.0, 4.0], [0.0, 2.0], [7.0, NAN], [NAN, NAN]],
            [[2.0, NAN], [2.0, 4.0], [NAN, NAN], [NAN, NAN]],
        ]
    )
    found = split(rewards_RPG)
    assert found.judge == pytest.approx(2.0)
    assert found.answers == pytest.approx(1.8)
    assert found.icc.value == pytest.approx(1.8 / 3.8)
    assert found.n_judged_twice == 3


def test_one_answer_a_group_tells_nothing_of_answers() -> None:
    found = split(np.array([[[1.0], [4.0]], [[3.0], [4.0]]]))
    assert (found.judge, found.answers, found.icc.value) == (None, None, None)


def test_without_replicates_the_reliability_is_unknown_not_perfect() -> None:
    found = split(drawn(1)[:1])
    assert found.judge is None and found.answers is None
    assert found.icc.value is None and found.fidelity.value is None
    assert found.within == pytest.approx(0.36 + 0.16, rel=0.15)
    assert dict(shares(found))["judge"] is None


def test_components_are_found_in_simulated_data() -> None:
    found = split(drawn(2, n_groups=3_000))
    assert found.prompts == pytest.approx(1.0, rel=0.1)
    assert found.answers == pytest.approx(0.36, rel=0.05)
    assert found.judge == pytest.approx(0.16, rel=0.05)
    assert found.icc.value == pytest.approx(0.36 / 0.52, abs=0.02)


def test_ragged_groups_and_missing_replicates_do_not_bias_the_components() -> None:
    rewards_RPG = drawn(3, n_groups=4_000, n_replicates=3)
    random = np.random.default_rng(0)
    rewards_RPG[:, random.random(rewards_RPG.shape[1:]) < 0.2] = NAN
    rewards_RPG[1:, random.random(rewards_RPG.shape[1]) < 0.5] = NAN  # half judged once
    found = split(rewards_RPG)
    assert found.prompts == pytest.approx(1.0, rel=0.1)
    assert found.answers == pytest.approx(0.36, rel=0.05)
    assert found.judge == pytest.approx(0.16, rel=0.05)


def test_a_judge_without_noise_is_fully_reliable() -> None:
    rewards_RPG = np.repeat(drawn(4, n_replicates=1), 2, axis=0)
    assert split(rewards_RPG).icc.value == 1.0


def test_answers_that_do_not_differ_leave_nothing_but_noise() -> None:
    found = split(drawn(5, n_groups=500, sd=(1.0, 0.0, 0.5)))
    assert found.icc.value == pytest.approx(0.0, abs=0.05)
    assert found.icc.low == 0.0


def test_votes_lift_reliability_as_spearman_and_brown_say() -> None:
    assert reliability_of_votes(0.5, 1) == 0.5
    assert reliability_of_votes(0.5, 3) == pytest.approx(0.75)
    # sqrt(k .5 / (1 + (k - 1) .5)) >= .9 at k = 4.26
    assert votes_for(0.5, 0.9) == 5
    assert votes_for(0.5, 0.5) == 1
    assert votes_for(0.81, 0.9) == 1
    assert votes_for(0.0, 0.9) is None
    assert votes_for(1.0, 0.99) == 1


def test_predicted_fidelity_is_what_a_simulation_gives() -> None:
    """corr(true, noisy advantage) = sqrt(ICC), method sheet section 4.3."""
    random = np.random.default_rng(6)
    true_PG = random.normal(0, 0.6, (4_000, 8))
    rewards_RPG = true_PG + random.normal(0, 0.5, (2, 4_000, 8))
    first = rewards_RPG[0] - rewards_RPG[0].mean(1, keepdims=True)
    true = true_PG - true_PG.mean(1, keepdims=True)
    measured = float(np.corrcoef(first.ravel(), true.ravel())[0, 1])
    assert split(rewards_RPG).fidelity.value == pytest.approx(measured, abs=0.01)
    votes = rewards_RPG.mean(0) - rewards_RPG.mean(0).mean(1, keepdims=True)
    lifted = float(np.corrcoef(votes.ravel(), true.ravel())[0, 1])
    assert split(rewards_RPG).fidelity_of_votes(2).value == pytest.approx(lifted, abs=0.01)


def test_intervals_of_the_icc_cover_it() -> None:
    """200 seeds here, 1,000 in the benchmark; 95 % less three standard errors is 90.4 %."""
    true = 0.36 / 0.52
    hits = 0
    for seed in range(200):
        found = split(drawn(seed + 100, n_groups=40))
        interval = found.icc
        assert interval.low is not None and interval.high is not None
        hits += interval.low <= true <= interval.high
    assert 0.904 <= hits / 200 <= 0.99


def test_groups_of_one_prompt_count_as_one_cluster() -> None:
    """The same groups twice say nothing new."""
    rewards_RPG = np.concatenate([drawn(7, n_groups=40)] * 2, axis=1)
    apart, together = split(rewards_RPG), split(rewards_RPG, np.tile(np.arange(40), 2))
    assert apart.icc.value == pytest.approx(together.icc.value)
    assert together.icc.low is not None and apart.icc.low is not None
    assert together.icc.low < apart.icc.low
