"""The in-process vLLM judge, with a stand-in for vLLM; `make vllm-check` runs the real one."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.backends.vllm import VllmJudge
from rubricbeat.judges.errors import ConfigError, OutageError
from rubricbeat.judges.grader import Grader
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Level, Rubric
from rubricbeat.judges.verdict import Outcome

STAND_IN = '''
"""Answers as vLLM's offline LLM does: one RequestOutput a conversation, in order."""
from types import SimpleNamespace

CALLS = []
LOADED = []
FAULT = []
LIMIT = []


class LLM:
    def __init__(self, model, **settings):
        if model == "nowhere":
            raise OSError("nowhere is not a folder\\nand no hub name")
        LOADED.append((model, settings))

    def chat(self, conversations, sampling_params, use_tqdm):
        if FAULT:
            raise RuntimeError(FAULT[0])
        if any("answer 3" in c[0]["content"] for c in conversations) and LIMIT:
            raise ValueError("The prompt (length 9120) is longer than the maximum model length")
        CALLS.append((conversations, sampling_params))
        return [self.output(c[0]["content"], p) for c, p in zip(conversations, sampling_params)]

    def output(self, prompt, params):
        if params.schema is None:
            reply = SimpleNamespace(text="Yes.", finish_reason="stop", token_ids=[1])
            return SimpleNamespace(outputs=[reply], prompt_token_ids=[0] * 9, num_cached_tokens=4)
        fields = params.schema["properties"]
        text, reason = '{"explanation": "words", "criteria_met": true}', "stop"
        if "rating" in fields:
            text = '{"explanation": "words", "rating": 7}'
        elif "verdicts" in fields:
            text = '{"verdicts": [' + ", ".join(
                '{"index": %d, "explanation": "", "criteria_met": true}' % n for n in (1, 2, 3)
            ) + "]}"
        elif "level" in fields:
            text = '{"explanation": "words", "level": %d}' % fields["level"]["enum"][-1]
        elif "[-3]" in prompt:
            text, reason = '{"explanation": "it goes on', "length"
        reply = SimpleNamespace(text=text, finish_reason=reason, token_ids=[1, 2, 3])
        return SimpleNamespace(outputs=[reply], prompt_token_ids=[0] * 9, num_cached_tokens=4)


class SamplingParams:
    def __init__(self, temperature, max_tokens, seed, structured_outputs=None):
        self.temperature, self.max_tokens, self.seed = temperature, max_tokens, seed
        self.schema = structured_outputs.json if structured_outputs else None
'''
PARAMS = """
class StructuredOutputsParams:
    def __init__(self, json):
        self.json = json
"""


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a stand-in for vLLM where Python finds it."""
    package = tmp_path / "site" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN, encoding="utf-8")
    (package / "config.py").write_text("class StructuredOutputsConfig: ...\n", encoding="utf-8")
    (package / "sampling_params.py").write_text(PARAMS, encoding="utf-8")
    for name in ("vllm", "vllm.config", "vllm.sampling_params"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(package.parent))
    import vllm  # type: ignore[import-not-found, unused-ignore]  # the stand-in

    yield vllm
    for name in ("vllm", "vllm.config", "vllm.sampling_params"):
        sys.modules.pop(name, None)


def grade(judge: VllmJudge, example: Any, n: int = 5) -> list[Any]:
    with Grader(judge) as grader:
        graded = grader.grade([Answer(example, f"answer {i}") for i in range(n)])
    return [verdict for one in graded for verdict in one.verdicts]


@pytest.fixture(autouse=True)
def no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUBRICBEAT_STORE", str(tmp_path / "store.sqlite"))


def test_open_questions_are_generated_as_one_batch(vllm, example):
    verdicts = grade(VllmJudge(model="m"), example)
    assert len(vllm.CALLS[0][0]) == 15
    assert len(vllm.LOADED) == 1
    met = [v.met for v in verdicts]
    assert met == [True, True, None] * 5
    assert verdicts[2].outcome is Outcome.TRUNCATED
    assert (verdicts[0].prompt_tokens, verdicts[0].cached_tokens) == (9, 4)


def test_prefix_caching_is_on_and_settings_reach_the_engine(vllm, question):
    judge = VllmJudge(model="m", engine={"max_model_len": 512}, request_seed=5)

    async def once() -> None:
        await judge.judge(question)
        await judge.aclose()

    asyncio.run(once())
    model, settings = vllm.LOADED[0]
    assert settings["structured_outputs_config"]["disable_any_whitespace"] is True
    assert (model, settings["enable_prefix_caching"], settings["max_model_len"]) == ("m", True, 512)
    params = vllm.CALLS[0][1][0]
    assert (params.temperature, params.max_tokens, params.seed) == (0.5, 2048, 5)


def test_groups_and_ratings_have_their_own_schema(vllm, example):
    assert [v.met for v in grade(VllmJudge(model="m", shape="grouped"), example, 1)] == [True] * 3
    with Grader(VllmJudge(model="m")) as grader:
        assert [r.value for r in grader.rate([Answer(example, "a")])] == [7]


def test_a_wording_that_asks_for_one_word_is_held_to_no_schema(vllm, question):
    verdict = asyncio.run(VllmJudge(model="m", prompt="yes_no").judge(question))
    assert (verdict.met, verdict.probability) == (True, None)


def test_a_model_that_cannot_be_loaded_is_one_line(vllm, example):
    with pytest.raises(ConfigError, match="cannot load 'nowhere'") as caught:
        grade(VllmJudge(model="nowhere"), example)
    assert "\n" not in str(caught.value)


def test_an_engine_that_fails_stops_the_run(vllm, question):
    vllm.FAULT.append("out of memory")
    judge = VllmJudge(model="m")
    with pytest.raises(OutageError, match="out of memory"):
        asyncio.run(judge.judge(question))


def test_a_question_beyond_the_context_is_told_and_the_others_are_answered(vllm, example):
    vllm.LIMIT.append(True)
    verdicts = grade(VllmJudge(model="m"), example)
    assert [v.outcome for v in verdicts[9:12]] == [Outcome.OVERFLOW] * 3
    assert "longer than the maximum model length" in verdicts[9].explanation
    others = verdicts[:9] + verdicts[12:]
    assert {v.outcome for v in others} == {Outcome.MET, Outcome.TRUNCATED}


def test_a_missing_vllm_is_one_line_that_says_what_to_do(monkeypatch):
    import rubricbeat.judges.backends.vllm as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="vllm serve"):
        VllmJudge(model="m")
    with pytest.raises(ConfigError, match="needs a model"):
        VllmJudge()


def test_it_is_another_judge_under_another_setting(vllm):
    base = VllmJudge(model="m").identity.digest
    for changed in ({"shape": "healthbench"}, {"temperature": 0.0}, {"structured": False}):
        assert VllmJudge(model="m", **changed).identity.digest != base


def test_each_question_finds_the_reply_to_its_own(vllm, example):
    judge = VllmJudge(model="m")

    async def both() -> list[Any]:
        questions = [Question(example, "a", index) for index in (2, 0)]
        said = await asyncio.gather(*(judge.judge(q) for q in questions))
        await judge.aclose()
        return said

    truncated, met = asyncio.run(both())
    assert (truncated.outcome, met.outcome) == (Outcome.TRUNCATED, Outcome.MET)


def test_the_schema_holds_replies_to_the_levels(vllm, example):
    first, *rest = example.rubric.criteria
    levels = (Level("none", 0.0), Level("some", 2.0), Level("all", 5.0))
    criteria = (replace(first, levels=levels), *rest)
    verdicts = grade(VllmJudge(model="m"), replace(example, rubric=Rubric(criteria)), 1)
    assert verdicts[0].level == 2 and verdicts[1].met is True
    schemas = [params.schema["properties"] for params in vllm.CALLS[0][1]]
    assert schemas[0]["level"] == {"type": "integer", "enum": [0, 1, 2]}
    assert "level" not in schemas[1]


def test_a_reading_of_its_own_is_held_to_no_schema(vllm, example):
    judge = VllmJudge(model="m", reference="after")
    verdicts = grade(judge, replace(example, reference="Three cups."), 1)
    assert [v.met for v in verdicts[:2]] == [True, True]
    assert [params.schema is None for _, some in vllm.CALLS for params in some][:3] == [True] * 3
    assert verdicts[0].prompt_tokens == 18
