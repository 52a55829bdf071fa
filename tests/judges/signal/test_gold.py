"""Which reward teaches what gold would: size, power, and the circles that cannot come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pilots import pilot

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.rewards import FunctionReward, get_reward
from rubricbeat.judges.scoring.rubric_arrays import Floats
from rubricbeat.judges.signal import Scale, plan, study_signal
from rubricbeat.judges.signal.advice import reward_to_train_with
from rubricbeat.judges.signal.gold import MIN_GOLD_PROMPTS, hold_against_gold
from rubricbeat.judges.signal.groups import GroupedVerdicts
from rubricbeat.judges.signal.replay.gains import Standing
from rubricbeat.judges.signal.replay.study import replay
from rubricbeat.judges.signal.replay.training import Settings
from rubricbeat.judges.signal.study import SignalStudy

QUICK = Settings(seeds=4, steps=60, learning_rate=0.1)
"""Enough to move; where hundreds of trainings are held against each other."""


def with_gold(
    seed: int, n_groups: int, *, noise: float = 0.3, n_criteria: int = 6
) -> GroupedVerdicts:
    """Gold verdicts at random, and a judge that turns a share of them."""
    random = np.random.default_rng(seed)
    gold = (random.random((n_groups, 5, n_criteria)) < 0.5).astype(float)
    judged = np.where(random.random(gold.shape) < noise, 1 - gold, gold)
    return replace(pilot(judged, [3.0, 2.0, 5.0, 4.0, -2.0, 6.0][:n_criteria]), gold_PGC=gold)


def noisy_copies(gold_PG: Floats, seed: int, sizes: list[float]) -> dict[str, Floats]:
    """Rewards that are the gold score and independent noise of these sizes."""
    random = np.random.default_rng(seed)
    return {
        f"r{n}": gold_PG + size * random.normal(0, 1, gold_PG.shape) for n, size in enumerate(sizes)
    }


def words(study: SignalStudy) -> str:
    return "\n".join(sentence.text for sentence in study.words)


def gold_score(groups: GroupedVerdicts) -> Floats:
    rewards_PG = groups.gold_rewards(get_reward("healthbench"))
    assert rewards_PG is not None
    return rewards_PG


class TestTheCircle:
    def test_without_gold_nothing_is_recommended(self) -> None:
        found = study_signal(replace(with_gold(1, 200), gold_PGC=None))
        assert "Recommended reward" not in words(found)
        assert "--gold" in words(found)
        assert found.gold is None
        assert all(row.gold_correlation.value is None for row in found.by_scale)

    def test_gold_that_is_the_judge_itself_is_refused(self) -> None:
        groups = with_gold(1, 200)
        with pytest.raises(ConfigError, match="the judge under study"):
            study_signal(replace(groups, gold_PGC=groups.verdicts_PGC))

    def test_the_score_gets_no_credit_for_agreeing_with_itself(self) -> None:
        """The judge reads one criterion of six right, and the others at random."""
        groups = with_gold(2, 800, noise=0.5)
        assert groups.gold_PGC is not None
        judged = groups.verdicts_PGC.copy()
        judged[..., 5] = groups.gold_PGC[..., 5]
        first = FunctionReward(lambda v, r: v[..., 5], "the_one_read_right")
        found = study_signal(
            replace(groups, verdicts_PGC=judged), [get_reward("healthbench"), first]
        )
        assert "Recommended reward: the_one_read_right" in words(found)
        rows = {row.reward: row for row in found.gold.rows} if found.gold else {}
        assert rows["healthbench"].standing is Standing.BEHIND
        assert rows["the_one_read_right"].gain.value > rows["healthbench"].gain.value > 0

    def test_a_reward_without_any_value_leaves_the_others_compared(self) -> None:
        groups = with_gold(1, 60)
        silent = FunctionReward(lambda v, r: v.sum(-1) * np.nan, "silent")
        alone = study_signal(groups, [get_reward("healthbench")], training=QUICK)
        found = study_signal(groups, [silent, get_reward("healthbench")], training=QUICK)
        assert found.skipped == {"silent": "it gives no answer a value"}
        assert found.gold is not None and found.gold.n_prompts == 60
        assert found.gold == alone.gold
        assert [row.reward for row in found.rewards] == ["healthbench"]

    def test_a_dead_group_gains_nothing(self) -> None:
        """Half the groups die: a policy for each prompt gains half of what it would."""
        groups = with_gold(3, 1_000, noise=0.0)
        gold_PG = gold_score(groups)
        half_PG = np.where(np.arange(1_000)[:, None] % 2 == 0, gold_PG, 0.0)
        groups.verdicts_PGC[0, 0, 0] = 1 - groups.verdicts_PGC[0, 0, 0]  # not the same judge
        values = {"half": half_PG, "whole": gold_PG}
        found = hold_against_gold(
            groups, values, Scale.NONE, Settings(seeds=2, steps=300, learning_rate=0.5)
        )
        assert found is not None
        whole, half = (row.gain.value for row in found.rows)
        most = float((gold_PG.max(1) - gold_PG.mean(1)).mean())
        assert whole == pytest.approx(most, rel=0.03)
        assert half == pytest.approx(most / 2, rel=0.06)

    def test_a_judge_that_is_deceived_is_seen_to_lose(self) -> None:
        """The judge takes the fault for a merit: its score rises in training, and gold's falls."""
        groups = with_gold(4, 200, noise=0.0)
        judged = groups.verdicts_PGC.copy()
        judged[..., :4] = np.random.default_rng(0).random(judged[..., :4].shape) < 0.5
        judged[..., 5] = groups.verdicts_PGC[..., 4]  # 6 points for what gold takes 2 off
        deceived = replace(groups, verdicts_PGC=judged)
        found = replay(deceived, [get_reward("healthbench")], [Scale.NONE], QUICK)
        (arm,) = found.arms
        assert arm.judge_gain.low is not None and arm.judge_gain.low > 0
        assert arm.gain.high is not None and arm.gain.high < 0
        study = study_signal(deceived, [get_reward("healthbench")], training=QUICK)
        assert "Recommended reward" not in words(study)


class TestNoise:
    def test_a_judge_of_pure_noise_is_not_recommended(self) -> None:
        """An ICC of 0 is known, and is not the perfect one that a missing ICC would pass for."""
        random = np.random.default_rng(5)
        rows = (random.random((2, 120, 6, 8)) < 0.5).astype(float)
        groups = pilot(rows[0], [1.0] * 8, replicates=rows[1:])
        found = study_signal(groups)
        split = next(v for v in found.variance if v.reward == "healthbench")
        assert split.icc.low == 0.0  # the interval touches 0
        assert "Recommended reward" not in words(found)
        assert "Do not train on this judge's verdicts as they are" in words(found)

    def test_an_icc_of_exactly_0_is_not_taken_for_unknown(self) -> None:
        """Replicates of an answer differ; no two answers' means do."""
        first = np.tile([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], (80, 1, 1))
        groups = pilot(first, [2.0, 1.0], replicates=(1 - first)[None])
        found = study_signal(groups, [get_reward("healthbench")])
        assert found.variance[0].icc.value == 0.0
        assert "Recommended reward" not in words(found)
        assert "may be only the judge's noise" in words(found)

    def test_gold_does_not_excuse_a_reliability_that_touches_0(self) -> None:
        groups = with_gold(2, 300, noise=0.1)
        random = np.random.default_rng(0)
        again = (random.random((1, *groups.verdicts_PGC.shape)) < 0.5).astype(float)
        rewards = [get_reward("healthbench"), FunctionReward(lambda v, r: v[..., 0], "one")]
        plain = study_signal(groups, rewards)
        assert "Recommended reward: healthbench" in words(plain)
        noisy = study_signal(replace(groups, replicates_RPGC=again), rewards)
        icc = next(v for v in noisy.variance if v.reward == "healthbench").icc
        assert icc.low == 0.0
        assert "Recommended reward" not in words(noisy)
        assert "gains most under gold" in words(noisy)


class TestSize:
    """Seeded; a bound is the nominal 5 % and 3.5 standard errors of 80 tries: 13.5 %."""

    TRIES = 80
    BOUND = 0.05 + 3.5 * float(np.sqrt(0.05 * 0.95 / TRIES))

    @pytest.mark.parametrize("n_groups", [MIN_GOLD_PROMPTS, 100])
    def test_the_best_reward_is_hardly_ever_left_out(self, n_groups: int) -> None:
        """Eight rewards, one a little better than the others: it must stay among those named."""
        lost = single = 0
        groups = with_gold(0, n_groups)
        gold_PG = gold_score(groups)
        for seed in range(self.TRIES):
            values = noisy_copies(gold_PG, seed, [1.45, *[1.5] * 7])
            found = hold_against_gold(groups, values, Scale.GROUP, QUICK)
            assert found is not None
            lost += "r0" not in found.contenders
            single += len(found.contenders) == 1
        assert lost / self.TRIES <= self.BOUND
        assert single / self.TRIES <= self.BOUND

    @pytest.mark.parametrize("n_groups", [MIN_GOLD_PROMPTS, 100])
    def test_rewards_of_noise_are_not_said_to_teach(self, n_groups: int) -> None:
        groups = with_gold(0, n_groups)
        gold_PG = gold_score(groups)
        said = 0
        for seed in range(self.TRIES):
            values = noisy_copies(np.zeros_like(gold_PG), seed, [1.0] * 8)
            found = hold_against_gold(groups, values, Scale.GROUP, QUICK)
            assert found is not None
            said += found.is_better_than_nothing
        assert said / self.TRIES <= self.BOUND

    def test_the_paired_interval_holds_the_true_difference(self) -> None:
        """Two rewards with noise in common; the truth is that of 20,000 groups."""
        random = np.random.default_rng(7)

        def pair(groups: GroupedVerdicts) -> dict[str, Floats]:
            gold_PG = gold_score(groups)
            common = random.normal(0, 1, gold_PG.shape)
            near, far = (
                gold_PG + common + size * random.normal(0, 1, gold_PG.shape) for size in (0.3, 1.5)
            )
            return {"near": near, "far": far}

        many = with_gold(1, 20_000)
        true = hold_against_gold(many, pair(many), Scale.GROUP, QUICK)
        assert true is not None and true.rows[1].behind.value is not None
        hits = 0
        groups = with_gold(2, 100)
        draws = np.random.default_rng(3)
        for _ in range(self.TRIES):
            gold = (draws.random((100, 5, 6)) < 0.5).astype(float)
            one = replace(groups, gold_PGC=gold)
            found = hold_against_gold(one, pair(one), Scale.GROUP, QUICK)
            assert found is not None
            behind = next(row for row in found.rows if row.standing is not Standing.BEST).behind
            sign = 1 if found.rows[0].reward == "near" else -1
            assert behind.low is not None and behind.high is not None
            ends = sorted((sign * behind.low, sign * behind.high))
            hits += ends[0] <= true.rows[1].behind.value <= ends[1]
        assert 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / self.TRIES) <= hits / self.TRIES

    def test_few_prompts_tell_nothing(self) -> None:
        found = study_signal(with_gold(2, MIN_GOLD_PROMPTS - 1, noise=0.1))
        assert "Recommended reward" not in words(found)
        assert f"takes {MIN_GOLD_PROMPTS}" in words(found)


def test_gold_on_one_answer_a_prompt_compares_nothing_and_says_so() -> None:
    groups = with_gold(2, 200)
    assert groups.gold_PGC is not None
    groups.gold_PGC[:, 1:] = np.nan
    found = study_signal(groups)
    assert found.gold is not None and found.gold.rows == ()
    assert "Gold verdicts cover 0 prompts with two answers or more" in words(found)


def test_a_plan_on_a_judge_that_may_be_noise_says_so() -> None:
    random = np.random.default_rng(5)
    rows = (random.random((2, 120, 6, 8)) < 0.5).astype(float)
    groups = pilot(rows[0], [1.0] * 8, replicates=rows[1:])
    made = plan(groups, get_reward("healthbench"), fidelity=0.5)
    assert any("touches 0" in note for note in made.notes)


def test_a_large_difference_is_found_with_200_prompts() -> None:
    found = 0
    groups = with_gold(0, 200)
    gold_PG = gold_score(groups)
    for seed in range(60):
        study = hold_against_gold(
            groups, noisy_copies(gold_PG, seed, [0.5, 2, 2, 2]), Scale.GROUP, QUICK
        )
        found += study is not None and study.contenders == ("r0",)
    assert found >= 56


def test_what_is_recommended_is_a_contender_alone() -> None:
    groups = with_gold(2, 300, noise=0.1)
    study = study_signal(groups, [get_reward("healthbench"), get_reward("hybrid_unclipped")])
    assert study.gold is not None
    if len(study.gold.contenders) > 1:
        assert reward_to_train_with(study) is None
        assert "cannot be distinguished" in words(study)
    else:
        assert reward_to_train_with(study) == study.gold.contenders[0]
