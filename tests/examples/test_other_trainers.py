from __future__ import annotations

import asyncio
import inspect
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from rubricbeat.harness.training.reward.reward import RubricReward
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import ConfigError, OutageError
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "other_trainers"))
from rubric_adapters import (  # where a user copies it to
    NoRewardError,
    for_worker,
    openrlhf_reward,
    verifiers_reward,
    verl_compute_score,
    verl_compute_score_async,
)

pytestmark = pytest.mark.border


def example(prompt_id: str = "p1") -> Example:
    wanted = [
        Criterion(f"Says {word}.", p, Polarity.DESIRABLE, check={"mentions": word})
        for word, p in (("rest", 5.0), ("call", 3.0))
    ]
    fault = Criterion("Says alone.", -2.0, Polarity.UNDESIRABLE, check={"mentions": "alone"})
    prompt = (Message("user", "what do i do about my heart"),)
    return Example(prompt_id, prompt, Rubric((*wanted, fault)))


ROW = example_to_row(example())
TEXT = json.dumps(ROW)


def silent_on_bad(question: Question) -> bool | None:
    return None if question.answer == "bad" else "rest" in question.answer and question.index == 0


def reward() -> RubricReward:
    return RubricReward(ScriptedJudge(silent_on_bad), "healthbench", max_unscored_frac=1.0)


def test_verl_gets_a_score_and_whether_there_was_one() -> None:
    compute_score = verl_compute_score(reward())
    assert compute_score("any", "rest", ROW) == {"score": 0.625, "is_scored": 1.0}
    assert compute_score("any", "no", TEXT, {"index": 3}) == {"score": 0.0, "is_scored": 1.0}
    # the neutral score: the mean of .625 and 0, not 0
    assert compute_score("any", "bad", ROW) == {"score": 0.3125, "is_scored": 0.0}


def test_verl_may_name_its_fallback_or_raise() -> None:
    assert verl_compute_score(reward(), fallback=-1.0)("x", "bad", ROW)["score"] == -1.0
    with pytest.raises(NoRewardError, match="no reward"):
        verl_compute_score(reward(), on_missing="raise")("x", "bad", ROW)


def test_what_verl_would_turn_into_0_is_no_exception() -> None:
    assert not issubclass(NoRewardError, Exception)
    with pytest.raises(NoRewardError, match="the first answer has no reward"):
        verl_compute_score(reward())("x", "bad", ROW)  # no score yet: no neutral one, and not 0
    with pytest.raises(NoRewardError, match="the row given by the trainer"):
        verl_compute_score(reward())("x", "rest", {"prompt": "no rubric"})


def test_the_limits_of_a_judge_are_divided_by_the_reward_workers() -> None:
    judge = {"name": "chat", "model": "m", "max_concurrency": 64, "max_cost": 8, "max_calls": 10}
    own = for_worker(judge, 8)
    assert own == {**judge, "max_concurrency": 8, "max_cost": 1.0, "max_calls": 1}
    assert for_worker("keyword", 4) == {"name": "keyword", "max_concurrency": 16}
    # a worker may make one call, however little there is
    assert for_worker({"name": "chat", "max_concurrency": 2}, 8)["max_concurrency"] == 1
    assert for_worker(judge, 1)["max_concurrency"] == 64


def trace(reply: str) -> SimpleNamespace:
    """Give what the adapter reads and writes of a verifiers trace."""
    return SimpleNamespace(last_reply=reply, info={})


def test_verifiers_gets_a_float_and_a_missing_verdict_raises() -> None:
    function = verifiers_reward(reward())
    # verifiers tells by these names what to give
    assert list(inspect.signature(function).parameters) == ["task", "trace"]
    good, no, bad = map(trace, ("rest", "no", "bad"))
    assert asyncio.run(function(SimpleNamespace(rubric_row=ROW), good)) == 0.625
    assert asyncio.run(function(SimpleNamespace(data=SimpleNamespace(answer=TEXT)), no)) == 0.0
    with pytest.raises(OutageError):
        asyncio.run(function(SimpleNamespace(answer=TEXT), bad))
    assert [one.info["rubric_scored"] for one in (good, no, bad)] == [True, True, False]


def test_verifiers_may_take_a_fallback() -> None:
    function = verifiers_reward(reward(), on_missing="fallback", fallback=0.5)
    assert asyncio.run(function(SimpleNamespace(answer=TEXT), trace("bad"))) == 0.5


def test_verifiers_without_a_row_is_told_where_to_put_it() -> None:
    with pytest.raises(ConfigError, match=r"data needs rubric_row"):
        asyncio.run(verifiers_reward(reward())(SimpleNamespace(), trace("x")))


def test_verifiers_itself_records_the_reward_and_a_missing_one_as_none() -> None:
    vf = pytest.importorskip("verifiers.v1", reason="verifiers takes no openai 3: `.ci/extras`")
    from verifiers.v1.errors import TaskError

    class RubricData(vf.TaskData):  # type: ignore[misc, name-defined]
        rubric_row: dict  # type: ignore[type-arg]

    class RubricTask(vf.Task[RubricData]):  # type: ignore[misc, name-defined]
        rubric = vf.reward(verifiers_reward(reward()))

    task = RubricTask(RubricData(prompt="A question", rubric_row=ROW))
    good, bad = (vf.Trace.model_construct(root_reply=text) for text in ("rest", "bad"))
    asyncio.run(task.score(good))
    assert {name: given.score for name, given in good.rewards.items()} == {"rubric_reward": 0.625}
    with pytest.raises(TaskError, match="no reward"):
        asyncio.run(task.score(bad))
    assert bad.rewards == {"rubric_reward": None}
    assert bad.info == {"rubric_scored": False}


def test_openrlhf_fills_a_missing_reward_with_the_mean_of_its_group() -> None:
    function = openrlhf_reward(reward())
    prompts = ["Q: "] * 4
    queries = ["Q: rest", "Q: no", "Q: bad", "Q: rest"]
    other = json.dumps(example_to_row(example("p2")))
    found = function(queries, prompts, [TEXT, TEXT, TEXT, other])
    assert found["rewards"].tolist() == pytest.approx([0.625, 0.0, 0.3125, 0.625])
    assert found["extra_logs"]["is_scored"].tolist() == [1.0, 1.0, 0.0, 1.0]


def test_openrlhf_with_nothing_scored_stops() -> None:
    with pytest.raises(OutageError, match="no answer of the batch"):
        openrlhf_reward(reward())(["bad"], [""], [TEXT])


def test_openrlhf_may_raise() -> None:
    with pytest.raises(OutageError):
        openrlhf_reward(reward(), on_missing="raise")(["rest", "bad"], ["", ""], [TEXT, TEXT])


def test_another_way_to_handle_missing_is_refused() -> None:
    with pytest.raises(ConfigError, match="on_missing must be one of"):
        verl_compute_score(reward(), on_missing="zero")


def test_verls_reward_loop_awaits_the_coroutine_function() -> None:
    compute_score = verl_compute_score_async(reward())
    assert inspect.iscoroutinefunction(compute_score)  # how verl tells one
    found = asyncio.run(
        compute_score(data_source="x", solution_str="rest", ground_truth=TEXT, extra_info={})
    )
    assert found == {"score": 0.625, "is_scored": 1.0}


def test_threads_of_verl_share_one_judge() -> None:
    scored = RubricReward("keyword", "healthbench")
    compute_score = verl_compute_score(scored)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: compute_score("x", text, ROW), ["rest"] * 16))
    assert {one["score"] for one in found} == {0.625}
    assert scored.facts()["judge"]["asked"] == 16 * 3
    scored.close()


def test_openrlhfs_special_tokens_are_not_judged_and_its_scores_are_shares() -> None:
    seen: list[str] = []

    def says(question: Question) -> bool:
        seen.append(question.answer)
        return question.index == 0

    scored = RubricReward(ScriptedJudge(says), "hybrid")
    found = openrlhf_reward(scored)(["Q: rest <|im_end|>\n<|endoftext|>"], ["Q:"], [TEXT])
    assert set(seen) == {"rest"}
    # s = 5/8: 15 x .625 = 9.375 of 20
    assert found["rewards"].tolist() == [9.375]
    assert found["scores"].tolist() == [9.375 / 20]
    unbounded = RubricReward(ScriptedJudge(lambda question: question.index == 2), "healthbench")
    minus = openrlhf_reward(unbounded)(["x"], [""], [TEXT])
    assert minus["rewards"].tolist() == [-0.25] and minus["scores"].tolist() == [0.0]


def test_openrlhf_never_judges_the_prompt_as_part_of_the_answer() -> None:
    # a query whose prompt is not told from its answer would have both judged
    function = openrlhf_reward(reward())
    with pytest.raises(ConfigError, match="query 0 does not contain its prompt"):
        function(["What rest? no"], ["Another question: "], [TEXT])
    # a mark that the tokenizer puts before the prompt is none of the answer
    found = function(["<s>Say rest. no"], ["Say rest. "], [TEXT])
    assert found["rewards"].tolist() == [0.0]
