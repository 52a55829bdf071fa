from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import HANG_S

from rubricbeat.harness.training.loop.callbacks import StoppingReward
from rubricbeat.harness.training.loop.held_out import _line
from rubricbeat.harness.training.reward.batch import Dead, step_line
from rubricbeat.harness.training.reward.reward import MASK_DEAD, RubricReward
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.data.conversations import text_of_answer
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import ConfigError, OutageError, UnknownNameError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Example
from rubricbeat.judges.verdict import Outcome, Rating, Verdict

from ..examples import example

pytestmark = pytest.mark.border

ONE = example()  # rest 5, call 3, alone -2


def reward(judge: Any = "keyword", name: str = "healthbench", **options: Any) -> RubricReward:
    return RubricReward(judge, name, **options)


def test_rewards_by_hand() -> None:
    with_close = reward()
    batch = with_close.score(None, ["rest and call", "rest alone", "hello"], [ONE] * 3)
    # positive points 8: (5 + 3) / 8, (5 - 2) / 8, 0
    assert batch.rewards == pytest.approx((1.0, 0.375, 0.0))
    assert [g.prompt_id for g in batch.groups] == ["p1"]
    with_close.close()


def test_other_rewards_are_computed_on_the_same_verdicts() -> None:
    judge = ScriptedJudge(lambda question: question.index == 0)
    scored = reward(judge, alternatives=("binary", "hybrid"))
    batch = scored.score(None, ["a", "b"], [ONE] * 2)
    assert len(judge.asked) == 6  # 2 answers x 3 criteria, asked once for three rewards
    # s = 5/8, rho = 0: hybrid 15 x .625 = 9.375; not perfect, so binary 0
    assert batch.alternatives == {"binary": (0.0, 0.0), "hybrid": (9.375, 9.375)}


def test_a_soft_reward_trains_on_p_met_where_the_verdicts_are_the_same() -> None:
    chances = {"a": 0.6, "b": 0.8}
    judge = ScriptedJudge(lambda q: Verdict.of(q.index < 2, probability=chances[q.answer]))
    scored = reward(judge, "soft(of=healthbench)", alternatives=("healthbench",))
    batch = scored.score(None, ["a", "b"], [ONE] * 2)
    # P(met) is the same for all criteria: (5 + 3 - 2) p / 8
    assert batch.rewards == pytest.approx((0.45, 0.6))
    assert batch.groups[0].dead is None
    assert batch.alternatives == {"healthbench": (1.0, 1.0)}


def test_a_judge_without_p_met_gives_a_soft_reward_none_never_its_verdicts() -> None:
    batch = reward(alternatives=("soft(of=healthbench)",)).score(None, ["rest", "call"], [ONE] * 2)
    assert batch.alternatives == {"soft(of=healthbench)": (None, None)}
    assert None not in batch.rewards


def test_the_trained_reward_is_not_among_the_alternatives() -> None:
    assert not reward(alternatives=("healthbench",)).score(None, ["a"], [ONE]).alternatives


def test_a_missing_verdict_gives_none_never_zero() -> None:
    def script(question: Question) -> bool | None:
        return None if question.answer == "bad" else True

    batch = reward(ScriptedJudge(script), max_unscored_frac=0.6).score(
        None, ["good", "bad"], [ONE] * 2
    )
    assert batch.rewards[0] == pytest.approx((5 + 3 - 2) / 8)
    assert batch.rewards[1] is None
    assert batch.unscored_frac == 0.5


def test_too_many_missing_verdicts_are_an_outage_and_raise_in_a_trainer() -> None:
    def script(question: Question) -> bool | None:
        return None if question.answer == "bad" else True

    scored = reward(ScriptedJudge(script), max_unscored_frac=0.2)
    batch = scored.score(None, ["good", "bad"], [ONE] * 2)
    assert batch.rewards == (0.75, None)  # what was scored is recorded: (5 + 3 - 2) of 8
    assert scored.outage is not None and "1 of 2" in scored.outage
    again = reward(ScriptedJudge(script), max_unscored_frac=0.2, examples=[ONE])
    columns = {"prompts": ["x"] * 2, "completions": ["good", "bad"], "prompt_id": ["p1"] * 2}
    with pytest.raises(OutageError, match="1 of 2 answers of a batch got no reward"):
        asyncio.run(again(**columns))
    with pytest.raises(OutageError, match="1 of 2"):
        StoppingReward(again)(**columns)
    assert len(again.batches) == 2  # what was paid for is there to be read


def test_a_judge_that_answers_again_is_no_longer_down() -> None:
    met: list[bool | None] = [None]
    scored = reward(ScriptedJudge(lambda question: met[0]), examples=[ONE])
    columns = {"prompts": ["x"] * 2, "completions": ["a", "b"], "prompt_id": ["p1"] * 2}
    with pytest.raises(OutageError, match="2 of 2"):
        asyncio.run(scored(**columns))
    met[0] = True
    assert asyncio.run(scored(**columns)) == [0.75, 0.75]  # all met: (5 + 3 - 2) of 8
    assert scored.outage is None


def test_one_process_without_rewards_stops_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_another(said: str | None) -> list[str | None]:
        assert said is None  # this process has its rewards
        return [None, "8 of 8 answers"]

    monkeypatch.setattr("rubricbeat.harness.training.loop.callbacks.gather", with_another)
    scored = StoppingReward(reward(examples=[ONE]))
    with pytest.raises(OutageError, match="8 of 8"):
        scored(["x"] * 2, ["rest", "call"], prompt_id=["p1"] * 2)


def test_a_batch_is_scored_where_a_loop_runs_already() -> None:
    async def in_a_notebook() -> tuple[float | None, ...]:
        return reward().score(None, ["rest, call"], [ONE]).rewards

    assert asyncio.run(in_a_notebook()) == (1.0,)


def test_trl_sees_an_async_callable_with_a_name_of_its_own() -> None:
    from trl.trainer.utils import get_callable_name, is_async_callable

    assert is_async_callable(reward())
    assert get_callable_name(reward()) == "rubric_healthbench"
    assert get_callable_name(reward(name="hybrid")) == "rubric_hybrid"


def test_called_as_trl_calls_it() -> None:
    logged: dict[str, float] = {}
    extra: dict[str, list[Any]] = {}
    scored = reward(examples=[ONE], alternatives=("binary",))
    values = asyncio.run(
        scored(
            prompts=[[{"role": "user", "content": "x"}]] * 2,
            completions=[[{"role": "assistant", "content": "rest, call"}]] * 2,
            completion_ids=[[1], [2]],
            prompt_id=["p1", "p1"],
            trainer_state=SimpleNamespace(global_step=3),
            log_metric=logged.__setitem__,
            log_extra=extra.__setitem__,
        )
    )
    assert values == [1.0, 1.0]
    assert logged["reward_alt/binary"] == 20.0
    assert logged["rubric/dead_frac"] == 1.0
    assert extra["prompt_id"] == ["p1", "p1"]
    assert scored.batches[-1].step == 3
    scored.close()


def test_examples_may_travel_in_the_data_set() -> None:
    row = json.dumps(example_to_row(ONE))
    values = asyncio.run(reward()(prompts=["x"], completions=["rest"], rubric_row=[row]))
    assert values == [pytest.approx(0.625)]


def test_without_examples_the_message_says_which_column_is_missing() -> None:
    with pytest.raises(ConfigError, match="column `prompt_id`"):
        asyncio.run(reward()(prompts=["x"], completions=["rest"]))


def test_an_unknown_prompt_is_named() -> None:
    with pytest.raises(ConfigError, match="'p9' is not among"):
        asyncio.run(reward(examples=[ONE])(prompts=["x"], completions=["y"], prompt_id=["p9"]))


def test_it_pickles_before_and_after_use() -> None:
    scored = reward(examples=[ONE])
    scored.score(None, ["rest"], [ONE])
    copy = pickle.loads(pickle.dumps(scored))
    assert copy.score(None, ["rest"], [ONE]).rewards == (0.625,)
    copy.close()
    scored.close()


def test_nothing_is_opened_before_the_first_batch() -> None:
    assert reward({"name": "no-such-judge"}).facts() == {}


def test_an_unknown_reward_is_an_error_at_once() -> None:
    with pytest.raises(UnknownNameError, match="hybird"):
        reward(name="hybird")


class Rater(ScriptedJudge):
    """Meets everything, and rates by a script of its own; None is no rating."""

    stored = True

    def __init__(self, rate: Any, *, is_met: bool | None = True) -> None:
        super().__init__(lambda question: is_met)
        self._rate = rate
        self.rated: list[str] = []

    async def rate(self, example: Example, answer: str) -> Rating:
        self.rated.append(answer)
        value = self._rate(answer)
        if isinstance(value, Exception):
            raise value
        return Rating(value, Outcome.MET if value else Outcome.REFUSED, "because")


def test_a_reward_from_ratings_asks_for_one_rating_and_no_verdict() -> None:
    judge = Rater({"a": 10, "b": 3}.get)
    scored = reward(judge, "rar_implicit")
    batch = scored.score(None, ["a", "b"], [ONE] * 2)
    assert batch.rewards == (1.0, 0.3)
    assert (judge.rated, judge.asked) == (["a", "b"], [])
    assert not batch.asked.verdicts and batch.asked.ratings
    assert scored.facts().keys() == {"ratings"}
    scored.close()


def test_a_rating_may_be_logged_beside_verdicts() -> None:
    judge = Rater({"a": 10, "b": 3}.get)
    batch = reward(judge, "hybrid", alternatives=("rar_implicit",)).score(
        None, ["a", "b"], [ONE] * 2
    )
    assert batch.alternatives["rar_implicit"] == (1.0, 0.3)
    assert len(judge.asked) == 6 and len(judge.rated) == 2


def test_a_missing_rating_gives_none_never_the_lowest_one() -> None:
    scored = reward(Rater({"a": 1}.get), "rar_implicit", max_unscored_frac=0.6)
    assert scored.score(None, ["a", "b"], [ONE] * 2).rewards == (0.1, None)
    scored.close()


def test_too_many_missing_ratings_are_an_outage() -> None:
    scored = reward(Rater({}.get), "rar_implicit")
    batch = scored.score(None, ["a", "b"], [ONE] * 2)
    assert batch.rewards == (None, None)
    assert scored.outage is not None and "2 of 2" in scored.outage
    scored.close()


def test_a_group_of_equal_ratings_is_lost_by_the_reward_where_verdicts_differ() -> None:
    judge = Rater(lambda answer: 5)
    judge.script = lambda question: question.answer == "a"
    with_verdicts = reward(judge, "rar_implicit", alternatives=("hybrid",))
    [group] = with_verdicts.score(None, ["a", "b"], [ONE] * 2).groups
    assert group.dead is Dead.REWARD
    [alone] = reward(judge, "rar_implicit").score(None, ["a", "b"], [ONE] * 2).groups
    assert alone.dead is Dead.SAME_VERDICTS


def test_second_ratings_give_the_reliability_of_a_rating() -> None:
    said = iter([4, 8, 6, 10])  # two answers, each rated twice
    scored = reward(Rater(lambda answer: next(said)), "rar_implicit", replicate_every=1)
    batch = scored.score(None, ["a", "b"], [ONE] * 2, step=0)
    by_answer = [[r.value for r in answer.ratings] for answer in batch.graded]
    assert sorted(map(sorted, by_answer)) in ([[4, 6], [8, 10]], [[4, 8], [6, 10]])
    [group] = batch.groups
    # within an answer: (.4, .6) and (.8, 1.) differ by .2, variance .02;
    # or (.4, .8) and (.6, 1.) by .4, variance .08
    assert group.noise == pytest.approx(0.02) or group.noise == pytest.approx(0.08)
    scored.close()


def test_stored_ratings_are_not_bought_again(tmp_path: Path) -> None:
    options = RuntimeOptions.from_mapping({"store": str(tmp_path / "v.sqlite")})
    for bought in (2, 0):
        judge = Rater({"a": 10, "b": 3}.get)
        scored = reward(judge, "rar_implicit")
        scored._graders._grader = Grader(judge, options)
        assert scored.score(None, ["a", "b"], [ONE] * 2).rewards == (1.0, 0.3)
        assert len(judge.rated) == bought
        scored.close()


def test_verdicts_and_ratings_share_the_limits_of_their_judge() -> None:
    scored = reward(
        {"name": "keyword", "max_concurrency": 64, "requests_per_minute": 600, "max_calls": 100},
        "hybrid",
        alternatives=("rar_implicit",),
    )
    scored.score(None, ["rest"], [ONE])
    facts = scored.facts()
    assert {name: one["calls"] for name, one in facts.items()} == {"judge": 3, "ratings": 1}
    limits = {"max_concurrency", "requests_per_minute", "max_calls"}
    both = [{name: facts[kind]["options"].get(name) for name in limits} for kind in facts]
    # 64 in flight is the default, which options leave out
    assert both == [{"max_concurrency": None, "requests_per_minute": 600, "max_calls": 100}] * 2
    scored.close()


def test_ratings_spend_from_the_budget_of_the_verdicts() -> None:
    scored = reward(
        {"name": "keyword", "max_calls": 4, "max_concurrency": 1},
        "hybrid",
        alternatives=("rar_implicit",),
    )
    scored.score(None, ["rest"], [ONE])  # three verdicts and a rating
    assert scored.facts()["judge"]["missing"] == scored.facts()["ratings"]["missing"] == 0
    scored.score(None, ["sleep"], [ONE])
    assert sum(one["calls"] for one in scored.facts().values()) == 4
    assert scored._graders.stopped == "budget: max_calls=4 reached"
    scored.close()


def test_a_look_shares_the_ledger_and_asks_nothing_twice() -> None:
    judge = ScriptedJudge(lambda question: True)
    scored = reward(judge, replicate_every=1)
    look = scored.looking("binary", ["hybrid"])
    batch = look.score(None, ["a"], [ONE])
    assert batch.unmasked == (0.0,) and "hybrid" in batch.alternatives  # the fault is "met" too
    assert len(judge.asked) == 3
    assert scored.facts()["judge"]["asked"] == 3
    scored.close()


def test_one_group_in_so_many_is_judged_twice() -> None:
    judge = ScriptedJudge(lambda question: question.replicate == 0)
    two = [example("a"), example("a"), example("b"), example("b")]
    scored = reward(judge, replicate_every=2)
    batch = scored.score(None, ["w", "x", "y", "z"], two, step=0)
    assert [len(g.replicates) for g in batch.graded] == [1, 1, 0, 0]
    # all met (6/8) against none met (0): noise (.75^2)/2 in each answer, no policy variance
    assert batch.groups[0].noise == pytest.approx(0.75**2 / 2)
    # by hand: (0 - noise) / 2; cut off at 0 only where groups are pooled
    assert batch.groups[0].policy == pytest.approx(-(0.75**2) / 4)
    assert len(judge.asked) == 4 * 3 + 2 * 3
    scored.close()


def test_which_groups_are_judged_twice_depends_on_the_step_alone() -> None:
    def chosen(step: int) -> list[int]:
        batch = reward(ScriptedJudge(True), replicate_every=3).score(
            None, ["x"] * 2, [example("a"), example("b")], step=step
        )
        return [i for i, graded in enumerate(batch.graded) if graded.replicates]

    assert [chosen(step) for step in (0, 1, 2, 3)] == [[0], [1], [], [0]]


def test_answers_that_serve_several_steps_are_judged_twice_as_often_as_said() -> None:
    # rounds at the steps 0, 2, 4 ... of four groups each: by the step alone it was one in four
    judge = ScriptedJudge(True)
    scored = reward(judge, replicate_every=8, steps_per_round=2)
    four = [example(name) for name in "abcd"]
    batches = [scored.score(None, ["x"] * 4, four, step=step) for step in range(0, 16, 2)]
    assert sum(bool(one.replicates) for batch in batches for one in batch.graded) == 4 * 8 / 8
    scored.close()


def test_a_judge_that_one_process_asks_alone_keeps_its_whole_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    judge = {"name": "keyword", "max_concurrency": 16, "max_cost": 8.0}
    options = []
    for is_alone in (False, True):
        scored = reward(judge, is_alone=is_alone)
        scored.score(None, ["rest"], [ONE])
        options.append(scored.facts()["judge"]["options"])
        scored.close()
    assert [one["max_concurrency"] for one in options] == [2, 16]
    assert [one["max_cost"] for one in options] == [1.0, 8.0]


def test_dead_groups_can_be_masked() -> None:
    two = [example("a"), example("a"), example("b"), example("b")]
    batch = reward(mask_dead_groups=True).score(None, ["rest", "rest", "rest", "call"], two)
    assert batch.rewards[:2] == (None, None)
    assert batch.groups[0].masked == MASK_DEAD
    assert None not in batch.rewards[2:]
    assert batch.unscored_frac == 0  # masked is not missing


def test_groups_within_the_judges_noise_can_be_masked() -> None:
    def script(question: Question) -> bool:
        if question.example.prompt_id == "noisy":
            return question.replicate == 0
        return question.answer == "good" or (question.answer == "half" and question.index == 0)

    batch = reward(ScriptedJudge(script), replicate_every=2, min_reliability=0.5).score(
        None,
        ["x", "y", "half", "bad"],
        [example("noisy")] * 2 + [example("small")] * 2,
        step=0,
    )
    # noise .28125; rewards of "small" .625 and 0, variance .195: below the noise
    assert batch.rewards[2:] == (None, None)


def test_noise_survives_a_restart() -> None:
    first = reward(ScriptedJudge(lambda q: q.replicate == 0), replicate_every=1)
    first.score(None, ["x", "y"], [ONE] * 2)
    second = reward()
    second.load_state(json.loads(json.dumps(first.state())))
    assert second.state() == first.state()


def test_a_group_that_spans_two_prompts_is_refused() -> None:
    scored = reward(group_size=2)
    with pytest.raises(ConfigError, match="spans two prompts"):
        scored.score(None, ["x", "y"], [example("a"), example("b")])


def test_completions_and_examples_must_align() -> None:
    with pytest.raises(ConfigError, match="2 completions for 1 examples"):
        reward().score(None, ["x", "y"], [ONE])


def test_only_the_solution_is_judged() -> None:
    text = "<start_working_out>call<end_working_out><SOLUTION>rest</SOLUTION>"
    assert reward().score(None, [text], [ONE]).rewards == (0.625,)


def test_a_conversation_gives_its_assistant_text() -> None:
    assert text_of_answer([{"role": "assistant", "content": "a"}]) == "a"
    assert (
        text_of_answer([{"role": "tool", "content": "t"}, {"role": "assistant", "content": None}])
        is None
    )


def test_a_verdict_keeps_its_words_in_the_batch() -> None:
    judge = ScriptedJudge(Verdict.of(True, explanation="seen"))
    batch = reward(judge).score(None, ["x"], [ONE])
    assert batch.graded[0].verdicts[0].explanation == "seen"


def test_all_questions_of_a_batch_are_in_flight_at_once() -> None:
    # 4 prompts x 6 answers x 9 criteria: a judge that answers only when all 216 have been asked;
    # the very first question of a run goes alone, to find out whether the judge is there
    n_asked = -1
    all_asked = asyncio.Event()

    class Patient:
        async def judge(self, question: Question) -> Verdict:
            nonlocal n_asked
            n_asked += 1
            if n_asked == 216:
                all_asked.set()
            if n_asked == 0:
                return Verdict.of(True)
            await asyncio.wait_for(all_asked.wait(), timeout=HANG_S)
            return Verdict.of(True)

    letters = "abcdefghi"
    nine = [example(p, points=(1.0,) * 9, words=tuple(letters)) for p in "wxyz" for _ in range(6)]

    scored = reward()
    scored._graders._grader = Grader(Patient(), RuntimeOptions(max_concurrency=256))
    scored.score(None, ["first"], [example(points=(1.0,), words=("a",))])
    batch = scored.score(None, [f"{i}" for i in range(24)], nine)
    assert n_asked == 216
    assert batch.rewards == (1.0,) * 24
    scored.close()


def test_a_judge_that_goes_down_is_an_outage_with_its_reason() -> None:
    from rubricbeat.judges.errors import TransportError

    scored = reward()
    judge = ScriptedJudge(TransportError("connection refused"))
    scored._graders._grader = Grader(judge, RuntimeOptions(max_retries=0, store=False))
    batch = scored.score(None, [f"{i}" for i in range(8)], [ONE] * 8)
    assert batch.rewards == (None,) * 8
    assert scored.outage is not None and "8 of 8" in scored.outage
    assert "connection refused" in scored.outage
    scored.close()


def test_the_length_is_that_of_what_was_judged() -> None:
    text = f"<think>{'I had better say rest. ' * 200}</think>call"
    for include_reasoning, n_chars in ((False, 4), (True, len(text))):
        judge = {"name": "keyword", "include_reasoning": include_reasoning}
        scored = reward(judge, "length(of=healthbench)", alternatives=("healthbench",))
        batch = scored.score(None, [text], [ONE])
        assert batch.chars == (n_chars,) and step_line(1, [[batch]])["chars"] == n_chars
        assert _line(0, "gold", {}, batch)["chars"] == n_chars
        # 4,600 characters are past the length that costs nothing
        plain, shortened = batch.alternatives["healthbench"][0], batch.rewards[0]
        assert plain is not None and shortened is not None
        assert (shortened < plain) is include_reasoning
        scored.close()


def test_a_batch_of_which_nothing_was_scored_is_an_outage_whatever_is_allowed() -> None:
    # no advantage, and an optimiser that moves the weights by its momentum all the same
    scored = reward(ScriptedJudge(lambda question: None), max_unscored_frac=1.0)
    assert scored.score(None, ["a", "b"], [ONE] * 2).rewards == (None, None)
    assert scored.outage is not None and "2 of 2" in scored.outage
