"""The planner, against arithmetic and against simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pilots import drawn_pilot, pilot

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.scoring.rubric_arrays import Floats
from rubricbeat.judges.signal.groups import GroupedVerdicts
from rubricbeat.judges.signal.power import (
    detectable_difference,
    fidelity_of,
    live_share,
    plan,
    prompt_correlation,
    prompts_for,
)
from rubricbeat.judges.signal.variance import split_variance

pytestmark = pytest.mark.border

REWARD = get_reward("healthbench")


@pytest.fixture(scope="module")
def judged_twice() -> GroupedVerdicts:
    return drawn_pilot(5, n_groups=80, n_replicates=2)


def test_fewer_answers_kill_groups_exactly_as_drawing_them_would() -> None:
    # three equal and one other: of the 6 pairs 3 are equal, of the 4 triples 1
    rewards_PG = np.array([[1.0, 1.0, 1.0, 2.0]])
    assert live_share(rewards_PG, 2) == (pytest.approx(0.5), False)
    assert live_share(rewards_PG, 3) == (pytest.approx(0.75), False)
    assert live_share(rewards_PG, 1) == (0.0, False)


def test_more_answers_than_the_pilot_had_give_a_lower_bound() -> None:
    rewards_PG = np.array([[1.0, 1.0, np.nan], [1.0, 2.0, 3.0]])
    assert live_share(rewards_PG, 8) == (0.5, True)


def test_the_live_share_never_falls_with_more_answers(judged_twice: GroupedVerdicts) -> None:
    rewards_PG = judged_twice.rewards(REWARD)
    shares = [live_share(rewards_PG, answers)[0] for answers in (1, 2, 3, 4, 6, 8, 16)]
    assert shares == sorted(shares)


def test_planned_fidelity_is_what_a_simulation_reaches() -> None:
    """True advantage against the noisy, group-centred one, at a G and k the pilot had not."""
    random = np.random.default_rng(1)

    def judged(n_groups: int, answers: int, votes: int) -> tuple[Floats, Floats]:
        true = random.normal(0, 0.6, (n_groups, answers))
        return true, true + random.normal(0, 0.4, (votes, n_groups, answers))

    _, pilot_RPG = judged(2_000, 4, 2)
    split = split_variance("r", pilot_RPG, np.arange(2_000))
    for answers, votes in ((3, 1), (8, 1), (6, 4)):
        true, rows = judged(20_000, answers, votes)
        noisy = rows.mean(0) - rows.mean(0).mean(1, keepdims=True)
        measured = float(np.corrcoef(noisy.ravel(), true.ravel())[0, 1])
        assert fidelity_of(split, answers, votes) == pytest.approx(measured, abs=0.015)


def test_planned_prompts_detect_the_difference_four_times_in_five() -> None:
    random = np.random.default_rng(2)
    variance, difference = 0.3, 0.25
    n = prompts_for(variance, difference)
    gaps = random.normal(difference, np.sqrt(variance), (4_000, n))
    t = gaps.mean(1) / (gaps.std(1, ddof=1) / np.sqrt(n))
    from scipy.special import stdtrit

    power = float((np.abs(t) > stdtrit(n - 1, 0.975)).mean())
    assert power == pytest.approx(0.8, abs=0.025)
    assert detectable_difference(variance, n) == pytest.approx(difference, rel=0.02)


def test_twice_the_votes_halve_the_judges_noise_and_twice_the_answers_all_noise(
    judged_twice: GroupedVerdicts,
) -> None:
    found = plan(judged_twice, REWARD, difference=0.05, answers=(1, 2), votes=(1, 2, 4))
    # of a number of prompts, what is detected goes with the root of the variance
    variance = {(d.answers, d.votes): (d.detectable or 0.0) ** 2 for d in found.designs}
    of_second_vote = variance[1, 1] - variance[1, 2]
    assert of_second_vote > 0
    assert variance[1, 2] - variance[1, 4] == pytest.approx(of_second_vote / 2)
    assert variance[2, 1] - variance[2, 2] == pytest.approx(of_second_vote / 2)
    # the judge's noise is twice what the second vote takes away; answers bring noise of their own
    assert variance[1, 1] - variance[2, 1] > of_second_vote


def test_the_cheapest_design_reaches_its_target(judged_twice: GroupedVerdicts) -> None:
    found = plan(judged_twice, REWARD, fidelity=0.8, difference=0.05)
    chosen = found.for_fidelity
    assert chosen is not None and chosen.fidelity is not None and chosen.fidelity >= 0.8
    cost = chosen.calls_per_live_group
    assert cost is not None
    for design in found.designs:
        if design.fidelity is not None and design.fidelity >= 0.8:
            assert design.calls_per_live_group is not None
            assert design.calls_per_live_group >= cost
    assert found.for_difference is not None and found.for_difference.calls is not None
    # ten criteria a rubric: prompts x answers x verdicts x 10 calls
    d = found.for_difference
    assert d.prompts is not None
    assert d.calls == pytest.approx(d.prompts * d.answers * d.votes * 10)


def test_without_replicates_no_fidelity_is_promised() -> None:
    found = plan(drawn_pilot(5), REWARD, fidelity=0.8)
    assert found.for_fidelity is None
    assert all(design.fidelity is None for design in found.designs)
    assert any("replicates for one group in eight" in note for note in found.notes)


def test_a_target_out_of_reach_is_said_to_be(judged_twice: GroupedVerdicts) -> None:
    found = plan(judged_twice, REWARD, fidelity=0.999)
    assert found.for_fidelity is None
    assert any("no design considered reaches" in note for note in found.notes)


def test_impossible_targets_are_refused(judged_twice: GroupedVerdicts) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        plan(judged_twice, REWARD, fidelity=1.0)
    for difference in (0.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="not a number above 0"):
            plan(judged_twice, REWARD, difference=difference)


def test_a_difference_that_takes_more_prompts_than_are_counted_has_no_number_of_them(
    judged_twice: GroupedVerdicts,
) -> None:
    found = plan(judged_twice, REWARD, difference=1e-9)
    assert {(design.prompts, design.calls) for design in found.designs} == {(None, None)}
    assert found.for_difference is None


def test_prompts_shared_by_two_policies_are_seen_in_the_pilot() -> None:
    random = np.random.default_rng(4)
    chance = np.repeat(random.beta(0.5, 0.5, (150, 1, 1)), 2, axis=0)
    verdicts = (random.random((300, 6, 8)) < chance).astype(float)
    groups = pilot(
        verdicts,
        [1.0] * 8,
        prompt_ids=[f"p{i // 2}" for i in range(300)],
        labels=[{"model": "ab"[i % 2]} for i in range(300)],
    )
    rewards_PG = groups.rewards(REWARD)
    split = split_variance("healthbench", rewards_PG[None], groups.clusters_P)
    shared = prompt_correlation(groups, rewards_PG, split)
    assert shared is not None and shared > 0.9
    assert plan(groups, REWARD, difference=0.05).correlation_measured
    # prompts that do not differ share nothing
    assert prompt_correlation(groups, rewards_PG, replace(split, prompts=0.0)) is None


def test_one_policy_cannot_tell_what_prompts_share(judged_twice: GroupedVerdicts) -> None:
    found = plan(judged_twice, REWARD, difference=0.05)
    assert not found.correlation_measured
    assert any("one policy" in note for note in found.notes)


def test_a_pilot_of_one_policy_plans_as_if_prompts_shared_nothing(
    judged_twice: GroupedVerdicts,
) -> None:
    made = plan(judged_twice, REWARD, difference=0.1)
    assert not made.correlation_measured
    assert made.prompt_correlation == 0.0
    assert any("one policy" in note for note in made.notes)
    assert not any("no design considered reaches" in note for note in made.notes)


def test_a_fidelity_out_of_reach_is_said_with_the_best_there_is(
    judged_twice: GroupedVerdicts,
) -> None:
    made = plan(judged_twice, REWARD, fidelity=0.999)
    assert made.for_fidelity is None
    best = max(design.fidelity for design in made.designs if design.fidelity is not None)
    assert f"no design considered reaches fidelity 0.999; the best has {best:.3f}" in made.notes
    assert best < 0.999
