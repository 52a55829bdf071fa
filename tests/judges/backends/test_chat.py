"""The chat judge against a real loopback endpoint: what it sends, and what it makes of replies."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import pickle
from typing import Any

import pytest

from rubricbeat.judges.backends.chat import ChatJudge
from rubricbeat.judges.backends.endpoint import FilteredError, retry_after_s
from rubricbeat.judges.backends.prompts.reply_forms import VERDICT
from rubricbeat.judges.backends.replies import Completion
from rubricbeat.judges.errors import (
    ConfigError,
    DoubtfulError,
    OutageError,
    RateLimitError,
    RefusedSettingsError,
    TooLongError,
    TransportError,
)
from rubricbeat.judges.judge import Question
from rubricbeat.judges.verdict import Outcome

pytestmark = pytest.mark.border

MET = '{"explanation": "It asks.", "criteria_met": true}'


def chat(endpoint: Any, **options: Any) -> ChatJudge:
    return ChatJudge(model="judge-1", base_url=endpoint.url, **options)


def test_published_settings_are_sent(endpoint, question, run):
    endpoint.say(MET)
    judge = chat(endpoint)
    verdict = run(judge, judge.judge(question))
    body = endpoint.bodies[0]
    assert (verdict.met, verdict.explanation) == (True, "It asks.")
    assert (verdict.prompt_tokens, verdict.cached_tokens, verdict.completion_tokens) == (11, 5, 7)
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("judge-1", 0.5, 2048)
    assert set(body) == {"model", "messages", "temperature", "max_tokens"}
    assert endpoint.paths == ["/v1/chat/completions"]


def test_conversation_item_and_points_are_shown_once_each(endpoint, question, run):
    endpoint.say(MET)
    judge = chat(endpoint)
    run(judge, judge.judge(question))
    (message,) = endpoint.bodies[0]["messages"]
    sent = message["content"]
    assert "system: Answer briefly.\n\nuser: My heart races" in sent
    assert "\n\nassistant: How many cups did you drink?\n" in sent
    assert "[5] Asks how much coffee was drunk" in sent
    # the mark inside the user's words is text, and stays as it is
    assert sent.count("<<rubric_item>>") == 1


def test_no_look_withholds_the_answer(endpoint, question, run):
    endpoint.say(MET)
    judge = chat(endpoint, look=False)
    run(judge, judge.judge(question))
    assert "How many cups" not in json.dumps(endpoint.bodies)
    assert "Asks how much coffee" in json.dumps(endpoint.bodies)
    assert judge.identity.digest != chat(endpoint).identity.digest


def test_group_is_aligned_by_index(endpoint, example, run):
    verdicts = [
        {"index": 3, "explanation": "c", "criteria_met": False},
        {"index": 1, "explanation": "a", "criteria_met": True},
    ]
    endpoint.say(json.dumps({"verdicts": verdicts}))
    judge = chat(endpoint, shape="grouped", group_size="all")
    questions = [Question(example, "answer", index) for index in range(3)]
    got = run(judge, judge.judge_group(questions))
    assert [v.met for v in got] == [True, None, False]
    assert got[1].outcome is Outcome.UNPARSEABLE
    # one call was paid: its tokens are counted once
    assert [v.prompt_tokens for v in got] == [11, 0, 0]
    assert "3. [-3] Prescribes" in endpoint.bodies[0]["messages"][0]["content"]


def test_a_cut_off_group_keeps_the_verdicts_before_the_cut(endpoint, example, run):
    endpoint.say('{"verdicts": [{"index": 1, "criteria_met": true}, {"index": 2, "cri', "length")
    judge = chat(endpoint, shape="grouped", group_size=3)
    got = run(judge, judge.judge_group([Question(example, "a", i) for i in range(3)]))
    assert [v.outcome for v in got] == [Outcome.MET, Outcome.TRUNCATED, Outcome.TRUNCATED]


def test_rating_is_read_and_rides_through_a_verdict(endpoint, example, run):
    from rubricbeat.judges.verdict import Rating

    endpoint.say('{"explanation": "Half of it.", "rating": 6}')
    judge = chat(endpoint)
    rating = run(judge, judge.rate(example, "answer"))
    assert (rating.value, rating.explanation) == (6, "Half of it.")
    assert Rating.from_verdict(rating.to_verdict()) == rating
    sent = endpoint.bodies[0]["messages"][0]["content"]
    assert all(f"{n}. [" in sent for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("content", "finish", "message", "outcome", "words"),
    [
        (None, "stop", {"refusal": "I cannot."}, Outcome.REFUSED, "I cannot."),
        (None, "content_filter", {}, Outcome.REFUSED, "filter"),
        ('{"explanation": "It', "length", {}, Outcome.TRUNCATED, "cut off"),
        (None, "length", {"reasoning_content": "Hmm"}, Outcome.TRUNCATED, "raise max_tokens"),
        (None, "stop", {"reasoning_content": "Hmm"}, Outcome.UNPARSEABLE, "empty"),
        ("", "stop", {}, Outcome.UNPARSEABLE, "empty"),
        ("I would say it is met.", "stop", {}, Outcome.UNPARSEABLE, "no verdict"),
    ],
)
def test_no_verdict_says_why(endpoint, question, run, content, finish, message, outcome, words):
    endpoint.say(content, finish, **message)
    judge = chat(endpoint)
    verdict = run(judge, judge.judge(question))
    assert (verdict.outcome, verdict.met) == (outcome, None)
    assert words in verdict.explanation


def test_an_example_of_the_prompt_that_comes_back_is_no_verdict(endpoint, question):
    judge = chat(endpoint)
    [prompt] = [message["content"] for message in judge.asking.messages([question])]
    examples = [line for line in prompt.splitlines() if line.startswith('{"explanation"')]
    assert examples
    for example in examples:
        [verdict] = judge.asking.verdicts_in(Completion(example), [question])
        assert verdict.outcome is Outcome.UNPARSEABLE
        assert "repeats an example" in verdict.explanation
    [verdict] = judge.asking.verdicts_in(Completion(MET), [question])
    assert verdict.met is True


@pytest.mark.parametrize("kind", ["thinking", "reasoning"])
def test_reasoning_that_comes_as_a_part_beside_the_reply_is_not_read(kind):
    draft = {"type": kind, "text": f"Draft: {MET}"}
    message = {"content": [draft, {"type": "text", "text": "I cannot say."}]}
    completion = Completion.from_reply({"choices": [{"message": message}]})
    assert completion.text == "I cannot say."


@pytest.mark.parametrize(
    ("content", "met"),
    [
        ('{"criteria_met": false, "explanation": "It goes on and', None),
        ('{"criteria_met": false, "explanation": "It ends."}\n\n\n', False),
    ],
)
def test_a_verdict_before_the_cut_counts_where_its_object_is_whole(
    endpoint, question, run, content, met
):
    endpoint.say(content, "length")
    judge = chat(endpoint)
    assert run(judge, judge.judge(question)).met is met


@pytest.mark.parametrize(
    ("status", "message", "code", "kind"),
    [
        (429, "slow down", "rate_limit_exceeded", RateLimitError),
        (429, "no money", "insufficient_quota", OutageError),
        (500, "oops", "", TransportError),
        (503, "busy", "", TransportError),
        (401, "bad key", "invalid_api_key", ConfigError),
        (403, "no access", "", DoubtfulError),
        (404, "no model", "model_not_found", ConfigError),
        (302, "", "", ConfigError),
        (413, "too long", "", TooLongError),
        (400, "too many tokens", "context_length_exceeded", TooLongError),
        (400, "temperature is not supported", "unsupported_value", RefusedSettingsError),
        (400, "temperature is not supported", "", DoubtfulError),
    ],
)
def test_failures_are_sorted_by_what_a_retry_can_do(
    endpoint, question, run, status, message, code, kind
):
    endpoint.fail(status, message, code)
    judge = chat(endpoint)
    with pytest.raises(kind) as caught:
        run(judge, judge.judge(question))
    assert message in str(caught.value)
    assert f"HTTP {status}" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # as vLLM, llama.cpp, FastAPI, Azure and a proxy word it
        (
            404,
            {"object": "error", "message": "The model `x` does not exist.", "code": 404},
            ConfigError,
        ),
        (
            400,
            {"object": "error", "message": "maximum context length is 2048", "code": 400},
            TooLongError,
        ),
        (
            503,
            {"error": {"code": 503, "message": "Loading model", "type": "unavailable"}},
            TransportError,
        ),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, DoubtfulError),
        (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, TransportError),
        (502, b"<html><body>Bad Gateway</body></html>", TransportError),
        (404, b"<html><body>Not Found</body></html>", ConfigError),
        (500, b"", TransportError),
        (400, [1, 2], DoubtfulError),
    ],
)
def test_other_servers_words_are_sorted_too(endpoint, question, run, status, body, kind):
    endpoint.send(body, status)
    judge = chat(endpoint)
    with pytest.raises(kind) as caught:
        run(judge, judge.judge(question))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_azures_filter_is_found_in_the_inner_error(endpoint, question, run):
    inner = {"code": "ResponsibleAIPolicyViolation"}
    error = {"message": "filtered", "code": "content_filter", "innererror": inner}
    endpoint.send({"error": error}, 400)
    judge = chat(endpoint)
    with pytest.raises(FilteredError, match="filtered"):
        run(judge, judge.judge(question))


def test_a_reply_the_endpoint_found_unreadable_is_unparseable(endpoint, question, run):
    endpoint.fail(400, "Failed to generate JSON.", "json_validate_failed")
    judge = chat(endpoint)
    assert run(judge, judge.judge(question)).outcome is Outcome.UNPARSEABLE


def test_content_in_parts_is_read(endpoint, question, run):
    endpoint.send({"choices": [{"message": {"content": [{"type": "text", "text": MET}]}}]})
    judge = chat(endpoint)
    assert run(judge, judge.judge(question)).met is True


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        ({}, DoubtfulError, "not a chat completion"),
        ({"status": "ok"}, DoubtfulError, "not a chat completion"),
        ({"choices": []}, TransportError, "no choices"),
        ({"choices": None}, TransportError, "no choices"),
        ({"choices": [None]}, TransportError, "no choices"),
    ],
)
def test_a_reply_that_is_no_completion_says_so(endpoint, question, run, reply, kind, words):
    endpoint.send(reply)
    judge = chat(endpoint)
    with pytest.raises(kind, match=words):
        run(judge, judge.judge(question))


def test_a_choice_without_a_message_is_an_empty_reply(endpoint, question, run):
    endpoint.send({"choices": [{}]})
    judge = chat(endpoint)
    verdict = run(judge, judge.judge(question))
    assert (verdict.outcome, verdict.explanation) == (Outcome.UNPARSEABLE, "the reply is empty")


def test_the_pause_asked_for_is_carried(endpoint, question, run):
    endpoint.fail(429, "slow down", Retry_After="7")
    judge = chat(endpoint)
    with pytest.raises(RateLimitError) as caught:
        run(judge, judge.judge(question))
    assert caught.value.retry_after_s == 7.0


def test_a_pause_may_be_milliseconds_a_date_or_nonsense():
    assert retry_after_s({"retry-after-ms": "250", "Retry-After": "9"}) == 0.25
    assert retry_after_s({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after_s({"Retry-After": "nan"}) is None
    assert retry_after_s({"Retry-After": "soon"}) is None
    assert retry_after_s({}) is None


def test_html_a_broken_body_and_a_dropped_connection_are_transport_faults(endpoint, question, run):
    for prepare in (
        lambda: endpoint.send(b"<!DOCTYPE html><html>Sign in</html>"),
        lambda: endpoint.send(b'{"choices": ['),
        endpoint.drop,
    ):
        endpoint.canned.clear()
        prepare()
        judge = chat(endpoint)
        with pytest.raises(TransportError):
            run(judge, judge.judge(question))


def test_a_closed_port_is_a_transport_fault(question, run):
    judge = ChatJudge(model="m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(TransportError, match=r"127\.0\.0\.1:9"):
        run(judge, judge.judge(question))


def test_an_error_inside_a_good_status_is_a_failure(endpoint, question, run):
    endpoint.send({"error": {"message": "upstream is slow", "code": 429}})
    judge = chat(endpoint)
    with pytest.raises(RateLimitError):
        run(judge, judge.judge(question))


def test_a_content_filter_refuses_one_request_only(endpoint, question, run):
    endpoint.fail(400, "The response was filtered", "content_filter")
    judge = chat(endpoint)
    with pytest.raises(FilteredError):
        run(judge, judge.judge(question))


def test_the_token_limit_is_renamed_once_and_remembered(endpoint, question):
    endpoint.fail(
        400,
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "unsupported_parameter",
    )
    endpoint.say(MET)
    judge = chat(endpoint)

    async def twice() -> list[bool | None]:
        said = [(await judge.judge(question)).met for _ in range(2)]
        await judge.aclose()
        return said

    assert asyncio.run(twice()) == [True, True]
    named = [
        sorted(set(body) & {"max_tokens", "max_completion_tokens"}) for body in endpoint.bodies
    ]
    assert named == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]


def test_a_schema_that_is_not_taken_is_dropped_with_a_line(endpoint, question, run, caplog):
    endpoint.fail(400, "response_format json_schema is not supported")
    endpoint.say(MET)
    judge = chat(endpoint, structured="json_schema")
    with caplog.at_level(logging.WARNING):
        assert run(judge, judge.judge(question)).met is True
    schema = endpoint.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["explanation", "criteria_met"]
    assert "response_format" not in endpoint.bodies[1]
    assert "response_format" in caplog.text


def with_logprobs(chance_true: float, said: str) -> dict[str, Any]:
    tokens = ['{"criteria_met', '":', f" {said}", "}"]
    content = []
    for token in tokens:
        top = [{"token": token, "logprob": -0.001}]
        if token.strip() == said:
            top = [
                {"token": " true", "logprob": math.log(chance_true)},
                {"token": " false", "logprob": math.log(1 - chance_true)},
            ]
        own = {place["token"]: place["logprob"] for place in top}[token]
        content.append({"token": token, "logprob": own, "top_logprobs": top})
    message = {"role": "assistant", "content": "".join(tokens)}
    return {
        "choices": [{"message": message, "finish_reason": "stop", "logprobs": {"content": content}}]
    }


def test_probability_is_read_from_the_verdicts_token(endpoint, question, run):
    endpoint.send(with_logprobs(0.8, "true"))
    judge = chat(endpoint, logprobs=True)
    verdict = run(judge, judge.judge(question))
    assert verdict.met is True
    assert verdict.probability == pytest.approx(0.8)
    assert endpoint.bodies[0]["logprobs"] is True


def test_a_probability_against_the_verdict_is_dropped_with_a_note(endpoint, question, run):
    endpoint.send(with_logprobs(0.8, "false"))
    judge = chat(endpoint, logprobs=True)
    verdict = run(judge, judge.judge(question))
    assert (verdict.met, verdict.probability) == (False, None)
    assert "against the verdict" in verdict.explanation


@pytest.mark.parametrize("count", [2**63, -1, "9", 1.5, None])
def test_a_count_of_tokens_that_is_none_costs_no_verdict(endpoint, question, run, count):
    reply = with_logprobs(0.8, "true") | {"usage": {"prompt_tokens": count}}
    endpoint.send(reply)
    judge = chat(endpoint)
    verdict = run(judge, judge.judge(question))
    assert (verdict.met, verdict.prompt_tokens) == (True, 0)


@pytest.mark.parametrize("odd", [3, True, {"true": -0.1}, "true", [1], None])
def test_alternatives_of_an_odd_form_cost_no_verdict(endpoint, question, run, odd):
    reply = with_logprobs(0.8, "true")
    for token in reply["choices"][0]["logprobs"]["content"]:
        token["top_logprobs"] = odd
    endpoint.send(reply)
    judge = chat(endpoint, logprobs=True)
    assert run(judge, judge.judge(question)).met is True


def test_the_key_is_sent_and_never_shown(endpoint, question, run, monkeypatch):
    monkeypatch.setenv("MY_KEY", "very-secret-value")
    endpoint.fail(401, "the key very-secret-value is wrong")
    judge = chat(endpoint, api_key_env="MY_KEY")
    with pytest.raises(ConfigError) as caught:
        run(judge, judge.judge(question))
    assert endpoint.headers[0]["authorization"] == "Bearer very-secret-value"
    assert "MY_KEY" in str(caught.value)
    for shown in (str(caught.value), repr(judge), str(judge.identity.to_json())):
        assert "very-secret-value" not in shown
    assert b"very-secret-value" not in pickle.dumps(judge)


@pytest.mark.parametrize("n_before", [130, 140, 290, 299])
def test_no_half_of_a_key_is_shown_where_long_words_are_cut(
    endpoint, question, run, monkeypatch, n_before
):
    monkeypatch.setenv("MY_KEY", "very-secret-value")
    judge = chat(endpoint, api_key_env="MY_KEY")
    said = "x" * n_before + "very-secret-value"
    for content in (said.encode(), json.dumps({"error": {"message": said}}).encode()):
        for error in (judge.failure(500, content), judge.failure(401, content)):
            assert "very" not in str(error)


def test_azure_takes_its_own_header_and_version(endpoint, question, run, monkeypatch):
    monkeypatch.setenv("AZURE_KEY", "k1")
    endpoint.say(MET)
    judge = chat(endpoint, api_key_env="AZURE_KEY", auth_header="api-key", api_version="2024-10-21")
    run(judge, judge.judge(question))
    assert endpoint.headers[0]["api-key"] == "k1"
    assert "authorization" not in endpoint.headers[0]
    assert endpoint.paths[0].endswith("?api-version=2024-10-21")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "model=NAME"),
        ({"model": "m", "base_url": "https://example.org/v1"}, "OPENAI_API_KEY"),
        ({"model": "m", "base_url": "example.org"}, "no address"),
        ({"model": "m", "base_url": "http://127.0.0.1:1/v1?code=KEPT"}, "contains a query"),
        ({"model": "m", "base_url": "me:KEPT@example.org/v1"}, "holds a user name or password"),
        ({"model": "m", "base_url": "http://127.0.0.1:1/v1", "shape": "prefx"}, "prefix"),
        ({"model": "m", "base_url": "http://127.0.0.1:1/v1", "group_size": 4}, "grouped"),
        ({"model": "m", "base_url": "http://127.0.0.1:1/v1", "prompt": "none.txt"}, "no file"),
        ({"model": "m", "base_url": "http://127.0.0.1:1/v1", "parsing": "lax"}, "tolerant"),
    ],
)
def test_wrong_settings_fail_before_anything_is_sent(options, words):
    with pytest.raises(ConfigError, match=words) as caught:
        ChatJudge(**options)
    assert "KEPT" not in str(caught.value)


def test_an_address_of_the_endpoint_itself_is_understood(endpoint, question, run):
    endpoint.say(MET)
    judge = ChatJudge(model="m", base_url=endpoint.url + "/chat/completions")
    run(judge, judge.judge(question))
    assert endpoint.paths == ["/v1/chat/completions"]


def test_replicates_differ_by_their_seed(endpoint, example):
    endpoint.say(MET)
    judge = chat(endpoint, request_seed=10)

    async def ask() -> None:
        for replicate in range(3):
            await judge.judge(Question(example, "a", 0, replicate))
        await judge.aclose()

    asyncio.run(ask())
    assert [body["seed"] for body in endpoint.bodies] == [10, 11, 12]


def test_whatever_can_change_a_verdict_is_in_the_identity(endpoint):
    base = chat(endpoint).identity.digest
    for changed in (
        {"temperature": 0.0},
        {"temperature": None},
        {"max_tokens": 64},
        {"shape": "prefix"},
        {"shape": "grouped"},
        {"parsing": "strict"},
        {"structured": "json_object"},
        {"logprobs": True},
        {"request_seed": 1},
        {"top_p": 0.5},
        {"reasoning_effort": "low"},
        {"extra_body": {"min_p": 0.1}},
    ):
        assert chat(endpoint, **changed).identity.digest != base, changed
    other_address = ChatJudge(model="judge-1", base_url="http://localhost:1/v1")
    assert other_address.identity.digest == base


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"request_seed": 2**64}, "no request can hold its options: Integer exceeds"),
        ({"max_tokens": 10**30}, "no request can hold its options"),
        ({"extra_body": {"deep": [{"n": 10**30}]}}, "no request can hold its options"),
        ({"reasoning_effort": "\ud800"}, "no request can hold its options: str is not valid UTF-8"),
        ({"extra_body": {"stream": True}}, "extra_body cannot set 'stream'"),
        ({"extra_body": {"messages": [1]}}, "extra_body cannot set 'messages'"),
    ],
)
def test_settings_that_make_no_request_are_refused_before_a_call(endpoint, options, said):
    with pytest.raises(ConfigError, match=said):
        chat(endpoint, **options)
    assert not endpoint.bodies


def test_extra_body_may_say_that_replies_come_whole(endpoint):
    assert chat(endpoint, extra_body={"stream": False}).body([], VERDICT, 0)["stream"] is False


def test_half_a_surrogate_pair_in_an_answer_is_sent(endpoint, example, run):
    endpoint.say(MET)
    judge = chat(endpoint)
    question = Question(example, "cut off \ud83d", 0)
    assert run(judge, judge.judge(question)).met is True
    assert judge.key_material(question)


def test_a_judge_works_in_one_loop_after_another_and_after_pickling(endpoint, question):
    endpoint.say(MET)
    judge = chat(endpoint)

    async def ask(one: ChatJudge) -> bool | None:
        verdict = await one.judge(question)
        await one.aclose()
        return verdict.met

    assert asyncio.run(ask(judge)) is True
    assert asyncio.run(ask(judge)) is True
    assert asyncio.run(ask(pickle.loads(pickle.dumps(judge)))) is True
