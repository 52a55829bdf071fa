"""Replayed training as a whole: noise, gold, held-out prompts, and what is said of arms."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pilots import drawn_pilot, pilot

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.rewards import FunctionReward, get_reward, parse_rewards
from rubricbeat.judges.scoring.rubric_arrays import Floats
from rubricbeat.judges.signal.advantages import Scale
from rubricbeat.judges.signal.groups import GroupedVerdicts
from rubricbeat.judges.signal.levels import flip_rate
from rubricbeat.judges.signal.replay.features import FEATURES, features_of, within_prompts
from rubricbeat.judges.signal.replay.gains import Standing, by_prompt, compare, gain_of
from rubricbeat.judges.signal.replay.linear import held_out, train_linear
from rubricbeat.judges.signal.replay.noise import JudgeNoise, judged_anew
from rubricbeat.judges.signal.replay.study import recorded_of, replay
from rubricbeat.judges.signal.replay.training import Policy, Settings

QUICK = Settings(seeds=3, steps=60, learning_rate=0.1)
SCORE = get_reward("healthbench")


def verdicts(seed: int, shape: tuple[int, ...]) -> Floats:
    return (np.random.default_rng(seed).random(shape) < 0.5).astype(float)


class TestNoise:
    def test_flips_come_at_their_rate_and_leave_no_verdict_alone(self) -> None:
        groups = pilot(verdicts(0, (200, 5, 6)), [1.0] * 6)
        groups.verdicts_PGC[0, 0, 0] = np.nan
        noise = JudgeNoise.of_flips(0.2, missing=0.1)
        random = np.random.default_rng(0)
        drawn = np.stack([noise.draw(groups, random) for _ in range(20)])
        assert np.isnan(drawn[:, 0, 0, 0]).all()
        assert np.isnan(drawn).mean() == pytest.approx(0.1, abs=0.01)
        both = ~np.isnan(drawn)
        changed = (drawn != groups.verdicts_PGC)[both].mean()
        assert changed == pytest.approx(0.2, abs=0.01)

    def test_an_audit_has_a_rate_for_each_side(self) -> None:
        groups = pilot(verdicts(0, (300, 5, 2)), [1.0, 1.0])
        sensitivity, specificity = np.full((300, 2), 0.9), np.full((300, 2), 0.7)
        sensitivity[:, 1] = 1.0
        noise = JudgeNoise.of_rates(sensitivity, specificity, "audit.json")
        drawn = noise.draw(groups, np.random.default_rng(1))
        met = groups.verdicts_PGC == 1
        lost = 1 - drawn
        assert lost[..., 0][met[..., 0]].mean() == pytest.approx(0.1, abs=0.04)
        assert lost[..., 1][met[..., 1]].mean() == 0
        assert drawn[~met].mean() == pytest.approx(0.3, abs=0.04)

    def test_the_rate_of_flips_is_found_from_repeats(self) -> None:
        """Verdicts are flips of a truth at .15: two differ in 2 x .15 x .85 = 25.5 %."""
        true = verdicts(2, (400, 5, 6))
        random = np.random.default_rng(3)
        rows = [np.where(random.random(true.shape) < 0.15, 1 - true, true) for _ in range(3)]
        groups = pilot(rows[0], [1.0] * 6, replicates=np.stack(rows[1:]))
        assert flip_rate(groups.verdicts_RPGC) == pytest.approx(0.15, abs=0.01)
        assert flip_rate(replace(groups, replicates_RPGC=None).verdicts_RPGC) is None

    def test_a_verdict_that_was_given_twice_is_one_of_the_two(self) -> None:
        first = np.zeros((40, 4, 2))
        second = np.ones((1, 40, 4, 2))
        second[..., 1] = np.nan  # the second criterion was judged once
        first[0, 0, 0] = 1.0  # one pair agrees: half of the flips would not explain it
        groups = pilot(first, [1.0, 1.0], replicates=second)
        noise = JudgeNoise.of_replicates(groups)
        random = np.random.default_rng(0)
        drawn = np.stack([noise.draw(groups, random) for _ in range(50)])
        assert (drawn[:, 0, 0, 0] == 1).all()
        assert drawn[:, 1:, :, 0].mean() == pytest.approx(0.5, abs=0.02)
        rate = flip_rate(groups.verdicts_RPGC)
        assert rate is not None and drawn[..., 1].mean() == pytest.approx(rate, abs=0.02)
        with pytest.raises(ConfigError, match="no criterion was judged twice"):
            JudgeNoise.of_replicates(replace(groups, replicates_RPGC=None))

    def test_rewards_share_the_judgings_and_those_of_ratings_are_left_out(self) -> None:
        groups = replace(pilot(verdicts(1, (20, 4, 3)), [1.0] * 3), ratings_PG=np.ones((20, 4)))
        rewards = [*parse_rewards("healthbench,rar_uniform"), get_reward("rar_implicit")]
        noise = JudgeNoise.of_flips(0.3)
        found, left_out = judged_anew(groups, rewards, noise, seed=0)
        # of equal points the two are the same share of criteria met
        np.testing.assert_allclose(found["healthbench"], found["rar_uniform"])
        assert found["healthbench"].std(axis=0).min() > 0
        assert "rating" in left_out["rar_implicit"]

    def test_what_does_not_apply_counts_nowhere_when_judged_anew(self) -> None:
        groups = pilot(verdicts(3, (30, 4, 3)), [2.0, 1.0, -1.0])
        excluded = np.random.default_rng(0).random((1, 30, 4, 3)) < 0.2
        excluded[..., 0] = False
        groups = replace(groups, excluded_RPGC=excluded)
        found, _ = judged_anew(groups, [SCORE], JudgeNoise.of_flips(1e-9), seed=0)
        np.testing.assert_allclose(found["healthbench"][0], groups.rewards(SCORE))

    @pytest.mark.parametrize(
        ("flip", "missing"), [(-0.1, 0), (1.0, 0), (0, 1.0), (float("nan"), 0)]
    )
    def test_a_share_that_is_none_is_refused(self, flip: float, missing: float) -> None:
        with pytest.raises(ConfigError, match="a share of the verdicts"):
            JudgeNoise.of_flips(flip, missing)


class TestGains:
    def test_groups_of_a_prompt_count_as_one(self) -> None:
        gain = np.array([[1.0, 3.0, 10.0], [2.0, np.nan, 20.0]])
        found = by_prompt(gain, np.array([0, 0, 1]))
        np.testing.assert_array_equal(found, [[2.0, 10.0], [2.0, 20.0]])

    def test_the_interval_widens_with_seeds_that_disagree(self) -> None:
        random = np.random.default_rng(0)
        alike = random.normal(0.1, 0.2, (1, 60)) + random.normal(0, 0.01, (5, 60))
        apart = alike + np.linspace(-0.2, 0.2, 5)[:, None]
        width = [(e.high or 0) - (e.low or 0) for e in map(gain_of, (alike, apart))]
        assert width[1] > 2 * width[0] > 0

    def test_a_paired_difference_is_found_that_the_intervals_overlap_of(self) -> None:
        random = np.random.default_rng(1)
        common = random.normal(0.1, 0.3, (4, 100))
        gains = {"a": common + 0.02 + random.normal(0, 0.01, (4, 100)), "b": common}
        best, other = compare(gains)
        assert (best.reward, other.standing) == ("a", Standing.BEHIND)
        assert best.gain.low is not None and other.gain.high is not None
        assert best.gain.low < other.gain.high

    def test_a_reward_beside_itself_cannot_be_told_apart(self) -> None:
        gain = np.random.default_rng(2).normal(0.1, 0.3, (4, 50))
        assert compare({"a": gain, "b": gain.copy()})[1].standing is Standing.TIED


class TestReplay:
    def test_every_arm_stands_beside_every_other_under_its_scaling(self) -> None:
        rewards = parse_rewards("healthbench,hybrid,binary")
        found = replay(drawn_pilot(0), rewards, [Scale.NONE, Scale.GROUP], QUICK)
        assert [(a.reward, str(a.scale)) for a in found.arms] == [
            (name, scale)
            for scale in ("none", "group")
            for name in ("healthbench", "hybrid", "binary")
        ]
        first, second = found.arms[:2]
        assert set(first.versus) == {"hybrid", "binary"}
        assert first.gain.value is not None and second.gain.value is not None
        lead = first.versus["hybrid"].value
        assert lead == pytest.approx(first.gain.value - second.gain.value)
        assert second.versus["healthbench"].value == pytest.approx(-lead)
        assert first.curve[0] == pytest.approx(0, abs=1e-6)
        assert first.curve[-1] == pytest.approx(first.gain.value, abs=1e-5)
        assert first.gain.value <= found.most
        assert found.moments[0] == 0 and found.moments[-1] == QUICK.steps

    def test_noise_lowers_what_is_gained_and_hides_dead_groups(self) -> None:
        groups = drawn_pilot(1, flip=0.0)
        calm, noisy = (
            replay(groups, [SCORE], [Scale.NONE], QUICK, noise=JudgeNoise.of_flips(rate)).arms[0]
            for rate in (0.0, 0.3)
        )
        assert calm.gain.value is not None and noisy.gain.value is not None
        assert noisy.gain.value < 0.8 * calm.gain.value
        assert noisy.dead < calm.dead or calm.dead == 0

    def test_the_gain_is_counted_in_the_better_judges_score(self) -> None:
        """The judge reads the criteria in the reverse order: its points go to the others."""
        gold = verdicts(4, (80, 5, 4))
        groups = replace(pilot(gold[..., ::-1], [8.0, 1.0, 1.0, 1.0]), gold_PGC=gold)
        (arm,) = replay(groups, [SCORE], [Scale.NONE], QUICK).arms
        assert arm.gain.value is not None and arm.judge_gain.value is not None
        assert arm.judge_gain.value > 1.5 * arm.gain.value > 0

    def test_answers_without_a_gold_score_are_left_out_and_counted(self) -> None:
        gold = verdicts(4, (30, 5, 4))
        gold[:, 0] = np.nan
        gold[:10, 1:4] = np.nan  # one answer alone: its group goes too
        groups = replace(pilot(verdicts(5, (30, 5, 4)), [2.0, 1.0, 1.0, 1.0]), gold_PGC=gold)
        found = replay(groups, [SCORE], [Scale.NONE], QUICK)
        assert (found.n_groups, found.n_answers, found.n_left_out) == (20, 80, 70)
        assert found.has_gold

    def test_few_prompts_have_no_interval(self) -> None:
        found = replay(drawn_pilot(0, n_groups=9), [SCORE], [Scale.NONE], QUICK)
        assert found.arms[0].gain.value is not None
        assert found.arms[0].gain.low is None and "n < 10" in found.arms[0].gain.why

    def test_what_cannot_be_trained_is_refused(self) -> None:
        groups = drawn_pilot(0)
        with pytest.raises(ConfigError, match="needs a rating"):
            replay(groups, [get_reward("rar_implicit")], [Scale.NONE], QUICK)
        one = FunctionReward(lambda v, r: v[..., 0], "healthbench")
        with pytest.raises(ConfigError, match="two different rewards"):
            replay(groups, [SCORE, one], [Scale.NONE], QUICK)
        with pytest.raises(ConfigError, match="features"):
            replay(groups, [SCORE], [Scale.NONE], replace(QUICK, policy=Policy.LINEAR))
        for wrong in ({"seeds": 0}, {"group_size": 1}, {"steps": 0}, {"learning_rate": 0.0}):
            with pytest.raises(ConfigError, match=r"from|above"):
                replace(QUICK, **wrong)


class TestLinear:
    def test_a_rule_of_all_prompts_is_learnt_and_held_on_others(self) -> None:
        """The reward is a feature: the policy learns it on half, and finds the best on the rest."""
        random = np.random.default_rng(0)
        features = random.normal(0, 1, (60, 5, 3))
        answered = np.ones((60, 5), bool)
        reward = features[..., 1]
        recorded = recorded_of({"r": reward[None]}, [reward], answered, np.arange(60))
        settings = Settings(seeds=3, steps=300, learning_rate=0.5, policy=Policy.LINEAR)
        found = train_linear(recorded, [Scale.NONE], settings, features, np.arange(60))
        gain = found.gain_VJSP[0, 0]
        most = (reward.max(1) - reward.mean(1)).mean()
        assert np.nanmean(gain) > 0.9 * most
        assert np.isnan(gain).mean() == pytest.approx(0.5)

    def test_noise_of_one_prompt_is_not_carried_to_others(self) -> None:
        random = np.random.default_rng(1)
        features = random.normal(0, 1, (200, 5, 3))
        reward = random.normal(0, 1, (200, 5))
        recorded = recorded_of(
            {"r": reward[None]}, [reward], np.ones((200, 5), bool), np.arange(200)
        )
        settings = Settings(seeds=4, steps=100, learning_rate=0.3, policy=Policy.LINEAR)
        found = train_linear(recorded, [Scale.GROUP], settings, features, np.arange(200))
        assert abs(float(np.nanmean(found.gain_VJSP))) < 0.15

    def test_groups_of_one_prompt_are_in_one_half(self) -> None:
        clusters = np.repeat(np.arange(10), 3)
        held = held_out(clusters, 0, 4)
        assert held.sum() == 15
        assert (held.reshape(10, 3).std(1) == 0).all()
        assert (held != held_out(clusters, 0, 5)).any()

    def test_features_are_of_form_in_any_language(self) -> None:
        text = "# Head\n\n- one\n- two (3)\n\n**Bold** words? \u4f60\u597d\uff1f"
        row = dict(zip(FEATURES, features_of([text, ""])[0], strict=True))
        counts = {name: round(float(np.expm1(value))) for name, value in row.items()}
        assert counts["headings"] == 1 and counts["list items"] == 2
        assert counts["questions"] == 2 and counts["bold"] == 1 and counts["brackets"] == 1
        assert row["ends with a question"] == 1
        assert features_of([text, ""])[1].tolist() == [0.0] * len(FEATURES)

    def test_what_is_the_same_for_all_answers_of_a_prompt_is_0(self) -> None:
        features = np.array([[[1.0, 5.0], [3.0, 5.0], [9.0, 9.0]]])
        found = within_prompts(features, np.array([[True, True, False]]))
        np.testing.assert_allclose(found, [[[-1, 0], [1, 0], [0, 0]]])


JUDGED = Path("../shared/data/judged/humbleai_hard_gpt41_judge.jsonl.gz")
ROWS = Path("../shared/data/healthbench_rows.jsonl.gz")


def real_groups() -> GroupedVerdicts:
    from rubricbeat.harness.inputs import read_signal_input
    from rubricbeat.judges.signal import group_answers

    return group_answers(read_signal_input([JUDGED], ROWS).answers)


@pytest.mark.skipif(not JUDGED.is_file(), reason="the recorded verdicts are private")
def test_real_verdicts_give_the_gains_of_another_implementation() -> None:
    """A prototype of the lab, with a step size of its own, on the same 3,892 answers."""
    with gzip.open(JUDGED, "rt", encoding="utf-8") as file:
        assert "criteria_met" in json.loads(file.readline())
    expected = {
        "healthbench": 0.142, "rar_explicit": 0.138, "hybrid": 0.132,
        "complexity": 0.131, "healthbench_clipped": 0.131, "binary": 0.010,
    }  # fmt: skip
    groups = real_groups()
    settings = Settings(seeds=4)
    calm = replay(groups, parse_rewards(list(expected)), [Scale.NONE], settings)
    assert (calm.n_prompts, calm.n_answers) == (636, 3892)
    gains = {arm.reward: arm.gain.value for arm in calm.arms}
    for name, value in expected.items():
        assert gains[name] == pytest.approx(value, abs=0.015), name
    assert next(iter(gains)) == calm.standings[Scale.NONE][0].reward
    noise = JudgeNoise.of_flips(0.2)
    noisy = replay(groups, parse_rewards(list(expected)), [Scale.NONE], settings, noise=noise)
    live = [arm.gain.value or 0.0 for arm in noisy.arms if arm.reward != "binary"]
    assert max(live) - min(live) < 0.01


def test_one_prompt_cannot_be_halved() -> None:
    groups = drawn_pilot(1, 1)
    features = np.zeros((*groups.answered_PG.shape, 2))
    settings = replace(QUICK, policy=Policy.LINEAR)
    with pytest.raises(ConfigError, match="give more prompts"):
        replay(groups, [SCORE], [Scale.NONE], settings, features_PGF=features)
