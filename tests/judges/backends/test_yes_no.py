"""Yes against No from any chat endpoint: what the first token says, and what one word says."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rubricbeat.judges.backends.chat import ChatJudge
from rubricbeat.judges.backends.prompting import Asking
from rubricbeat.judges.backends.replies import Completion, TokenChance, is_word
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.judge import Question
from rubricbeat.judges.verdict import Outcome

pytestmark = pytest.mark.border


def weighed(min_mass: float = 0.8, **chances: float) -> Any:
    """Weigh a reply whose first token has these chances."""
    pairs = tuple((token, math.log(chance)) for token, chance in chances.items())
    return Completion("?", tokens=(TokenChance("?", pairs),)).weighed(min_mass)


def test_the_chance_is_yes_over_yes_and_no():
    verdict = weighed(Yes=0.6, No=0.3)
    assert (verdict.met, verdict.probability) == (True, pytest.approx(2 / 3))
    assert weighed(yes=0.1, NO=0.8).met is False


def test_too_little_probability_on_yes_and_no_is_no_verdict():
    verdict = weighed(Yes=0.5, No=0.2)
    assert (verdict.outcome, verdict.met) == (Outcome.SKIPPED, None)
    assert "0.70" in verdict.explanation
    assert weighed(min_mass=0.5, Yes=0.5, No=0.2).met is True
    assert weighed(min_mass=0, Maybe=1.0).met is None
    assert weighed(Yes=0.45, No=0.45).met is None


def test_spellings_of_yes():
    assert all(is_word(token, "yes") for token in ("Yes", " yes", "YES", "\u0120Yes", "\u2581Yes"))
    assert not any(is_word(token, "yes") for token in ("Yesterday", "y", "", "No"))


def test_chat_asks_for_one_token_and_weighs_its_chances(endpoint, question, run):
    top = [
        {"token": " Yes", "logprob": math.log(0.5)},
        {"token": "yes", "logprob": math.log(0.1)},
        {"token": "No", "logprob": math.log(0.3)},
        {"token": "Nothing", "logprob": math.log(0.05)},
    ]
    # No was drawn, which is the less likely one
    item = {**top[2], "top_logprobs": top}
    choice = {
        "message": {"content": "No"},
        "finish_reason": "length",
        "logprobs": {"content": [item]},
    }
    usage = {"prompt_tokens": 50, "prompt_tokens_details": {"cached_tokens": 42}}
    endpoint.send({"choices": [choice], "usage": usage})
    judge = ChatJudge(model="m", base_url=endpoint.url, prompt="yes_no", logprobs=True)
    verdict = run(judge, judge.judge(question))
    assert (verdict.met, verdict.probability) == (True, pytest.approx(0.6 / 0.9))
    assert (verdict.prompt_tokens, verdict.cached_tokens) == (50, 42)
    body = endpoint.bodies[0]
    assert (body["max_tokens"], body["top_logprobs"]) == (1, 20)
    assert "response_format" not in body


@pytest.mark.parametrize(
    ("reply", "met"),
    [
        ("Yes", True),
        ("no.", False),
        ("**Yes**", True),
        ("<think>No, or yes?</think>\n\nYes", True),
        ("<think>Yes", None),
        ("Yes and no", None),
        ("It is true.", None),
        ("No doubt: it is met", None),
        ("", None),
    ],
)
def test_without_log_probabilities_the_one_word_is_read(endpoint, question, run, reply, met):
    endpoint.say(reply)
    judge = ChatJudge(model="m", base_url=endpoint.url, prompt="yes_no-2")
    verdict = run(judge, judge.judge(question))
    assert (verdict.met, verdict.probability) == (met, None)
    assert "logprobs" not in endpoint.bodies[0]
    assert endpoint.bodies[0]["max_tokens"] == 2048


def test_a_refusal_is_no_verdict_whatever_the_chances(endpoint, question, run):
    item = {"token": "No", "logprob": 0.0, "top_logprobs": []}
    message = {"content": None, "refusal": "I cannot help with that."}
    endpoint.send({"choices": [{"message": message, "logprobs": {"content": [item]}}]})
    judge = ChatJudge(model="m", base_url=endpoint.url, prompt="yes_no", logprobs=True)
    assert run(judge, judge.judge(question)).outcome is Outcome.REFUSED


def test_a_rating_is_not_cut_to_one_token(endpoint, example, run):
    endpoint.say('{"explanation": "words", "rating": 7}')
    judge = ChatJudge(model="m", base_url=endpoint.url, prompt="yes_no", logprobs=True)
    assert run(judge, judge.rate(example, "an answer")).value == 7
    assert endpoint.bodies[0]["max_tokens"] == 2048


@pytest.mark.parametrize("prompt", ["yes_no", "yes_no-2"])
def test_the_conversation_comes_before_the_criterion(example, prompt):
    first, second = (
        Asking(prompt=prompt).messages([Question(example, "an answer", index)])[0]["content"]
        for index in (0, 1)
    )
    shared = next(n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    assert first.index("an answer") < shared
    assert first.index("Asks how much coffee") >= shared


def test_what_is_asked_for_differs_by_wording_and_floor():
    def judge(**options: Any) -> ChatJudge:
        return ChatJudge(model="m", base_url="http://127.0.0.1:1/v1", **options)

    digests = {
        judge(**options).identity.digest
        for options in (
            {},
            {"prompt": "yes_no"},
            {"prompt": "yes_no-2"},
            {"prompt": "yes_no", "min_mass": 0},
            {"shape": "yes_no"},
        )
    }
    assert len(digests) == 4, "shape=yes_no is prompt=yes_no"
    assert "measure it" in judge(prompt="yes_no").notes
    assert judge().notes == ""
    with pytest.raises(ConfigError, match="one verdict"):
        judge(prompt="yes_no", shape="grouped")
    with pytest.raises(ConfigError, match="min_mass"):
        judge(prompt="yes_no", min_mass=2)
