"""The whole study: its words, its tables, a user's own reward, and the recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pilots import drawn_pilot, pilot

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.registry import REWARDS
from rubricbeat.judges.rewards import get_reward, register_reward
from rubricbeat.judges.scoring.estimates import mean, wilson
from rubricbeat.judges.scoring.jackknife import correlation, share
from rubricbeat.judges.signal import Scale, SignalStudy, advantages_of, group_answers, study_signal
from rubricbeat.judges.signal.study import Topic

pytestmark = pytest.mark.border


@pytest.fixture(scope="module")
def study() -> SignalStudy:
    return study_signal(drawn_pilot(8, n_groups=80, n_replicates=2))


def texts(study: SignalStudy, topic: Topic) -> str:
    return "\n".join(s.text for s in study.words if s.topic is topic)


class TestWords:
    def test_the_verdict_asks_for_gold_and_names_a_scale_and_the_replicates(
        self, study: SignalStudy
    ) -> None:
        assert "--gold" in texts(study, Topic.REWARD)
        assert "caling" in texts(study, Topic.SCALE)
        assert "reliability" in texts(study, Topic.REPLICATES)

    def test_each_sentence_points_at_a_table_that_is_there(self, study: SignalStudy) -> None:
        tables = {*study.to_json(), "facts"}
        assert {sentence.table for sentence in study.words} <= tables

    def test_numbers_of_a_sentence_stand_in_its_table(self, study: SignalStudy) -> None:
        sentence = next(s for s in study.words if s.text.startswith("Clipping"))
        dead = next(row for row in study.dead if row.reward == "healthbench_clipped")
        assert sentence.values["healthbench_clipped"] == dead.dead.value
        words = next(s for s in study.words if s.topic is Topic.REPLICATES)
        split = next(v for v in study.variance if v.reward == "healthbench")
        assert words.values["icc"] == split.icc.value

    def test_without_replicates_it_says_that_it_cannot_tell(self) -> None:
        found = study_signal(drawn_pilot(8))
        assert "Reliability unknown" in texts(found, Topic.REPLICATES)
        assert "noise is unknown" in texts(found, Topic.SCALE) or "as good as any" in texts(
            found, Topic.SCALE
        )

    def test_few_groups_make_it_careful(self) -> None:
        found = study_signal(drawn_pilot(8, n_groups=9))
        assert "9 groups only" in texts(found, Topic.CAUTION)

    def test_where_nothing_differs_no_reward_is_recommended(self) -> None:
        found = study_signal(pilot(np.ones((60, 4, 3)), [1.0, 2.0, -1.0]))
        assert "no learning signal" in texts(found, Topic.REWARD)
        assert "Recommended reward" not in texts(found, Topic.REWARD)
        assert "Drop 60 of 60 prompts" in texts(found, Topic.PROMPTS)

    def test_the_inert_log_bonus_is_named_by_itself(self, study: SignalStudy) -> None:
        assert "log_complexity of complexity does nothing under scaling by group" in texts(
            study, Topic.TERMS
        )

    def test_clipping_is_warned_of_where_it_kills_groups(self) -> None:
        groups = drawn_pilot(8)
        groups.rubric_PC.points[:] = np.where(groups.rubric_PC.points < 0, -9.0, 1.0)
        assert "Clipping each answer's score at 0" in texts(study_signal(groups), Topic.REWARD)


class TestTables:
    def test_everything_is_plain_json(self, study: SignalStudy) -> None:
        plain = json.loads(json.dumps(study.to_json(), allow_nan=False))
        assert plain["n_groups"] == 80
        assert plain["scales"] == ["group", "none", "batch"]
        assert plain["rewards"][0]["range"] == [None, 1.0]

    def test_the_same_seed_gives_the_same_study(self) -> None:
        first, second = (study_signal(drawn_pilot(2), seed=4).to_json() for _ in range(2))
        assert first == second

    def test_replicates_measure_the_fidelity_that_the_icc_predicts(self) -> None:
        found = study_signal(drawn_pilot(3, n_groups=400, n_replicates=2), scales=[Scale.NONE])
        split = next(v for v in found.variance if v.reward == "healthbench")
        row = next(s for s in found.by_scale if s.reward == "healthbench")
        assert row.replicate_correlation.value == pytest.approx(split.icc.value, abs=0.02)

    def test_predicted_fidelity_holds_for_verdicts_a_judge_flips(self) -> None:
        """sqrt(ICC) from two noisy verdicts, against the advantages of the true ones."""
        noisy = drawn_pilot(6, n_groups=800, flip=0.1, n_replicates=2)
        true = drawn_pilot(6, n_groups=800, flip=0.0, n_replicates=2)
        assert np.array_equal(noisy.rubric_PC.points, true.rubric_PC.points)
        reward = get_reward("healthbench")
        first, second = (advantages_of(g.rewards(reward), Scale.NONE) for g in (noisy, true))
        measured = float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
        found = study_signal(noisy, [reward], [Scale.NONE])
        assert found.variance[0].fidelity.value == pytest.approx(measured, abs=0.02)

    def test_a_reward_that_needs_a_rating_is_left_out_with_its_reason(self) -> None:
        found = study_signal(drawn_pilot(1), [get_reward("hybrid"), get_reward("rar_implicit")])
        assert "rating" in found.skipped["rar_implicit"]
        assert [row.reward for row in found.dead] == ["hybrid"]
        with pytest.raises(ConfigError, match="needs a rating"):
            study_signal(drawn_pilot(1), [get_reward("rar_implicit")])

    def test_a_length_penalty_is_studied_with_the_answers_lengths(self) -> None:
        found = study_signal(drawn_pilot(1), [get_reward("length(of=healthbench)")])
        assert found.rewards[0].reward == "length(of=healthbench)"

    def test_two_different_rewards_cannot_share_a_name(self) -> None:
        hybrid = get_reward("hybrid")
        assert len(study_signal(drawn_pilot(1), [hybrid, get_reward("hybrid")]).rewards) == 1
        with pytest.raises(ConfigError, match="two different rewards are named 'hybrid'"):
            study_signal(drawn_pilot(1), [hybrid, get_reward("hybrid", bonus=0, name="hybrid")])

    def test_prompts_to_drop_say_whether_they_are_too_hard(self) -> None:
        verdicts = [[[1, 1]] * 3, [[0, 0]] * 3, [[1, 0], [0, 1], [1, 1]]]
        found = study_signal(pilot(verdicts, [3.0, 1.0]))
        assert [(p.prompt_id, p.positive_share) for p in found.drop] == [("p0", 1.0), ("p1", 0.0)]


@pytest.fixture
def own_reward() -> Iterator[str]:
    """A user's own reward in ten lines, as docs/signal.md has it."""

    @register_reward("no_fault_half", range=(0.0, 1.0))
    def no_fault_half(verdicts, rubric):  # type: ignore[no-untyped-def]
        met = rubric.hits(verdicts)
        good = np.nanmean(np.where(rubric.points > 0, met, np.nan), axis=-1)
        fault = np.nansum(np.where(rubric.points < 0, met, 0.0), axis=-1) > 0
        return np.where(fault, 0.5 * good, good)

    yield "no_fault_half"
    REWARDS._factories.pop("no_fault_half")


def test_a_users_own_reward_shows_up_in_every_table(own_reward: str) -> None:
    rewards = [get_reward("healthbench"), get_reward(own_reward)]
    found = study_signal(drawn_pilot(1, n_replicates=2), rewards)
    for rows in (found.rewards, found.dead, found.variance, found.by_scale, found.flips):
        assert own_reward in {row.reward for row in rows}  # type: ignore[attr-defined]
    assert [(p.first, p.second) for p in found.pairs] == [("healthbench", own_reward)]
    assert own_reward in {row.reward for row in found.leverage}


class TestIntervals:
    """Fast versions of benchmarks/signal_study.py: 300 seeds, 95 % less 3.5 standard errors."""

    LOW = 0.95 - 3.5 * float(np.sqrt(0.95 * 0.05 / 300))

    def test_of_a_share(self) -> None:
        hits = 0
        for seed in range(300):
            alike = np.repeat(np.random.default_rng(seed).random(100) < 0.2, 2)
            found = share(alike, np.repeat(np.arange(100), 2))
            assert found.low is not None and found.high is not None
            hits += found.low <= 0.2 <= found.high
        assert hits / 300 >= self.LOW

    def test_of_a_clustered_mean(self) -> None:
        hits = 0
        for seed in range(300):
            random = np.random.default_rng(seed)
            values = np.repeat(random.normal(0, 1, (60, 1)), 2, axis=0)
            found = mean(values + random.normal(0, 0.5, (120, 5)), np.repeat(np.arange(60), 2))
            assert found.low is not None and found.high is not None
            hits += found.low <= 0 <= found.high
        assert hits / 300 >= self.LOW

    def test_of_a_correlation(self) -> None:
        hits = 0
        for seed in range(300):
            random = np.random.default_rng(seed)
            common = random.normal(0, 1, (100, 6)) * random.choice([0.5, 2.0], (100, 1))
            first = common + random.normal(0, 0.5, (100, 6))
            second = common + random.normal(0, 0.5, (100, 6))
            centred = [x - x.mean(1, keepdims=True) for x in (first, second)]
            found = correlation(centred[0], centred[1], np.arange(100))
            assert found.low is not None and found.high is not None
            # variance of the common part: mean of .25 and 4
            hits += found.low <= 2.125 / 2.375 <= found.high
        assert hits / 300 >= self.LOW

    def test_wilson_is_the_textbooks(self) -> None:
        # 8 of 10: .4902 to .9433
        assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> SignalStudy:
    from rubricbeat.harness.inputs import read_signal_input

    found = read_signal_input(
        [shared_data / "judged" / "humbleai_hard_gpt41_judge.jsonl.gz"],
        shared_data / "healthbench_rows.jsonl.gz",
    )
    groups = group_answers(found.answers, found.by)
    return study_signal(groups)


class TestRecordedAnswers:
    def test_groups_are_those_of_a_prompt_and_a_system(self, recorded: SignalStudy) -> None:
        assert recorded.n_groups == 732
        assert set(recorded.sizes) == {3, 4, 5, 6, 7}
        assert recorded.n_missing == 0

    def test_the_dead_group_table_of_the_method_sheet_comes_out(
        self, recorded: SignalStudy
    ) -> None:
        """Method sheet 4.2 says about these numbers of several hundred such groups."""
        sheet = {
            "binary": 0.99,
            "pass_hb50": 0.92,
            "healthbench_clipped": 0.37,
            "complexity": 0.33,
            "hybrid": 0.24,
            "rar_uniform": 0.16,
            "healthbench": 0.14,
        }
        dead = {row.reward: row.dead.value for row in recorded.dead}
        for reward, about in sheet.items():
            assert dead[reward] == pytest.approx(about, abs=0.02), reward
        for row in recorded.dead:
            assert row.dead.value == pytest.approx(row.identical + row.lost)
            assert row.identical == pytest.approx(recorded.identical)

    def test_the_inert_term_comes_out_of_real_data(self, recorded: SignalStudy) -> None:
        found = {
            (e.reward, e.term, str(e.scale)): str(e.verdict)
            for e in recorded.terms
            if e.term == "log_complexity"
        }
        assert found == {
            ("complexity", "log_complexity", "group"): "cancels",
            ("complexity", "log_complexity", "none"): "acts",
            ("complexity", "log_complexity", "batch"): "acts",
        }

    def test_its_words_say_what_the_sheet_says(self, recorded: SignalStudy) -> None:
        said = "\n".join(sentence.text for sentence in recorded.words)
        assert "Recommended reward" not in said
        assert "Clipping each answer's score at 0" in said
        assert "Reliability unknown" in said


class TestLengths:
    """A reward that takes points off for length needs lengths; the others do not."""

    REWARDS = ("healthbench", "length(of=healthbench)")

    def test_without_lengths_it_is_skipped_with_the_reason(self) -> None:
        groups = replace(drawn_pilot(3, n_groups=8), chars_PG=None)
        found = study_signal(groups, [get_reward(name) for name in self.REWARDS])
        assert [row.reward for row in found.rewards] == ["healthbench"]
        assert list(found.skipped.values()) == ["needs the length of each answer"]
        with pytest.raises(ConfigError, match="needs the length of each answer"):
            study_signal(groups, [get_reward(self.REWARDS[1])])

    def test_with_lengths_it_is_studied(self) -> None:
        found = study_signal(
            drawn_pilot(3, n_groups=8), [get_reward(name) for name in self.REWARDS]
        )
        assert len(found.rewards) == 2
        assert not found.skipped
