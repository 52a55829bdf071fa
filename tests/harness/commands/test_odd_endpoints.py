"""What an endpoint may answer, and what `rubricbeat judge` makes of it, on the real command line.

Each row of the table in docs/engine.md stands here: words, exit code, calls.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, completion

from rubricbeat.harness.cli import main
from rubricbeat.reports.results.reader import read_runs

MET = '{"explanation": "fine", "criteria_met": true}'
FINE = completion(MET)
N_ROWS, N_CRITERIA = 6, 3


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Loopback(script=lambda seen: FINE) as server:
        yield server


def written(folder: Path, n_rows: int = N_ROWS) -> list[str]:
    """Write rows and answers; the first is about a knee."""
    rows, answers = [], []
    for n in range(n_rows):
        subject = "My knee clicks" if n == 0 else f"Question {n}"
        rubric = [{"criterion": f"Item {i} of {n}", "points": 1} for i in range(N_CRITERIA)]
        rows.append({"prompt_id": f"p{n}", "prompt": f"{subject}, why?", "rubric": rubric})
        answers.append({"prompt_id": f"p{n}", "completion": f"Answer {n}."})
    for name, lines in (("rows", rows), ("answers", answers)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return ["--data", str(folder / "rows.jsonl"), "--responses", str(folder / "answers.jsonl")]


@pytest.fixture
def judge(server: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable:
    """Run the command on an endpoint with a script; give exit code, stderr and calls."""

    def run(
        script: Any, *words: str, n_rows: int = N_ROWS, store: str = "none", **options: Any
    ) -> tuple[int, str, int]:
        server.reset()
        server.script = script if callable(script) else lambda seen: script
        given = {"model": "m", "base_url": server.url, "backoff_s": 0, **options}
        asked = ["--judge", "chat", "--judge_args", json.dumps(given), "--model", "tested"]
        kept = ["--store", store, "--output_path", str(tmp_path / "out")]
        code = main(["judge", *written(tmp_path, n_rows), *asked, *kept, *words])
        return code, capsys.readouterr().err, server.n_requests

    return run


def outcomes(folder: Path) -> dict[str, set[str]]:
    """Give the outcomes of the newest run, by prompt."""
    newest = max(read_runs([folder / "out"]), key=lambda run: run.facts.stamp)
    return {one.example.prompt_id: {v.outcome.value for v in one.verdicts} for one in newest.graded}


def error(status: int, body: Any) -> Reply:
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def openai(message: str, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, **more}}


# -- the settings are refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "words", "mend"),
    [
        (400, [{"error": {"code": 400, "message": "The key is not valid."}}],
         "The key is not valid", "OPENAI_API_KEY"),
        (400, openai("temperature is not taken by this model"), "not taken", "temperature=none"),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "no field"}]},
         "no field (body.seed)", "request_seed"),
        (400, openai("Unsupported value: 'temperature' does not support 0.5 with this model.",
                     "unsupported_value", param="temperature"), "does not support", "temperature="),
        (400, openai("max_tokens is too large: 2048. This model supports at most 1024"),
         "too large", "a smaller max_tokens=N"),
        (400, {"message": "parameter.enable_thinking must be set to false"},
         "must be set to false", 'extra_body={"enable_thinking": false}'),
        (400, {"error": "reasoning_effort none is not supported"}, "not supported",
         "reasoning_effort=null"),
        (422, {"detail": "logprobs are not available"}, "not available", "logprobs=false"),
        (400, {"errors": ["top_p must be left out"]}, "must be left out", "top_p=none"),
        (404, {"message": "model 'm' not found, try pulling it"}, "try pulling", "model=NAME"),
        (404, {"detail": "Not Found"}, "Not Found", "check base_url, which usually ends in /v1"),
        (404, b"<html><head><title>404</title></head><body>Nothing here</body></html>",
         "HTML: 404 Nothing here", "base_url"),
        (405, b"Method Not Allowed", "Method Not Allowed", "base_url"),
        (401, {"error": {"message": "No auth credentials found", "code": 401}},
         "No auth credentials", "OPENAI_API_KEY"),
        (403, {"error": {"message": "You have no access to this project", "code": 403}},
         "no access", "OPENAI_API_KEY"),
        (403, b"", "HTTP 403", "OPENAI_API_KEY"),
        (400, b"The plain HTTP request was sent to HTTPS port", "plain HTTP", "https://"),
        (400, openai("Unknown name top_k: no such field"), "no such field", "top_k out of extra"),
        (302, b"", "HTTP 302", "base_url"),
        (200, {"status": "ok"}, "not a chat completion", "base_url"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("n_rows", [1, N_ROWS])
def test_settings_that_are_refused_cost_a_few_calls_and_one_line(
    judge, status, body, words, mend, n_rows
):
    options = {"extra_body": {"top_k": 5}}
    code, told, n_calls = judge(error(status, body), n_rows=n_rows, **options)
    assert code == 2
    assert told.count("\n") == 1 and words in told and mend in told
    # three prompts, or the three criteria of the only one, and what was in flight meanwhile
    assert n_calls <= 5


def test_the_settings_are_refused_at_once_where_a_code_says_so(judge):
    body = openai("Unsupported parameter: 'top_p'", "unsupported_parameter", param="top_p")
    code, told, n_calls = judge(error(400, body))
    assert (code, n_calls) == (2, 1) and "top_p=none" in told


def test_few_calls_are_in_flight_before_the_first_answer(judge):
    code, _, n_calls = judge(
        error(400, openai("wrong")), n_rows=60, max_concurrency=64, outage_after=1000
    )
    assert code == 2 and n_calls <= 5


def test_a_budget_that_ends_before_it_is_known_why_ends_as_a_budget(judge, tmp_path):
    code, told, n_calls = judge(error(400, b"no"), max_calls=1)
    assert (code, n_calls) == (1, 1)
    assert "max_calls=1 reached" in told and "1 x refused: " in told


def test_a_rate_limit_in_the_words_of_another_status_is_waited_for(judge, tmp_path):
    def script(seen: Seen) -> Reply | None:
        return error(403, openai("Rate limit reached, per minute")) if seen.attempt == 1 else FINE

    assert judge(script, n_rows=1)[0] == 0
    assert outcomes(tmp_path) == {"p0": {"met"}}


PAGE = b"<html><title>Sign in</title></html>"


@pytest.mark.parametrize("body", [PAGE, b"OK", b"[1, 2]", b'data: {"choices": []}'])
def test_a_page_in_place_of_replies_points_to_the_address(judge, body):
    code, told, n_calls = judge(Reply(200, body), n_rows=60)
    assert (code, n_calls) == (2, 2)  # once more, as a server that wakes up shows a page as well
    assert told.count("\n") == 1 and "check base_url, which usually ends in /v1" in told
    code, told, n_calls = judge(Reply(200, body), n_rows=60, max_retries=0)
    assert (code, n_calls) == (2, 1)
    # a reply cut short is none
    code, told, _ = judge(Reply(200, b'{"choices": ['))
    assert code == 1 and "base_url" not in told


def test_a_page_that_a_waking_server_shows_to_each_question_changes_nothing(judge):
    code, told, _ = judge(lambda seen: Reply(200, PAGE) if seen.attempt == 1 else FINE)
    assert code == 0 and "base_url" not in told


def test_pages_after_good_replies_are_an_outage_and_all_is_kept(judge, tmp_path):
    store = str(tmp_path / "v.sqlite")
    code, told, _ = judge(
        lambda seen: FINE if seen.number == 1 else Reply(200, PAGE), store=store, max_retries=1
    )
    assert code == 1 and "HTML: Sign in" in told
    code, _, n_calls = judge(FINE, store=store)
    assert (code, n_calls) == (0, N_ROWS * N_CRITERIA - 1)


@pytest.mark.parametrize(
    "message",
    [
        json.dumps(openai("the key is spent", param=None)),
        "Provider said: " + json.dumps(openai("the key is spent")),
        "upstream b'" + json.dumps({"detail": [{"msg": "the key is spent"}]}) + "'",
        json.dumps({"message": json.dumps({"error": "the key is spent"})}),
    ],
)
def test_words_that_are_json_themselves_are_decoded(judge, message):
    code, told, _ = judge(error(401, openai(message)))
    assert code == 2 and "the key is spent" in told
    assert "{" not in told and "\\" not in told


def test_a_code_inside_a_message_counts(judge):
    inner = json.dumps(openai("no", "content_policy_violation"))
    code, told, _ = judge(lambda seen: error(400, openai(inner)) if "knee" in seen.prompt else FINE)
    assert code == 1 and "3 x refused" in told


def test_a_judge_whose_replies_a_filter_withholds_is_stopped_with_the_filters_name(judge):
    code, told, _ = judge(completion(MET, finish_reason="SAFETY"), n_rows=14)
    assert code == 1
    assert "the most common reply (36 times): \"the endpoint's filter withheld it (SAFETY)" in told


# -- one question is refused -----------------------------------------------------------------

FLAGGED = [
    (403, {"code": "denied", "error": "Content violates usage guidelines"}),
    (400, openai("Your request was rejected by our safety system", "content_policy_violation")),
    (400, {"error": {"code": "content_filter", "message": "The response was filtered",
                     "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    (403, {"error": {"code": 403, "message": "Input was flagged",
                     "metadata": {"reasons": ["sexual"], "flagged_input": "knee"}}}),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input may be inappropriate"}}),
    (200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
    (200, {"choices": [], "prompt_filter_results": [
        {"content_filter_results": {"hate": {"filtered": True}}}]}),
    (451, {"message": "blocked for legal reasons: prohibited content"}),
    # words that nobody knows: other prompts are answered, so that it was this one
    (403, {"error": "computer says no"}),
    (400, b"no"),
    (422, {"detail": "cannot process"}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), FLAGGED)
@pytest.mark.parametrize("max_concurrency", [1, 64])
def test_one_flagged_prompt_is_refused_and_the_others_are_judged(
    judge, tmp_path, status, body, max_concurrency
):
    def script(seen: Seen) -> Reply:
        return error(status, body) if "knee" in seen.prompt else FINE

    store = str(tmp_path / "v.sqlite")
    code, told, n_calls = judge(script, store=store, max_concurrency=max_concurrency)
    assert code == 1
    assert outcomes(tmp_path) == {"p0": {"refused"}} | {f"p{n}": {"met"} for n in range(1, N_ROWS)}
    assert f"{N_CRITERIA} of {N_ROWS * N_CRITERIA} verdicts are missing" in told
    # the words alone: no option mends a question
    assert "refused: " in told and "; " not in told.split("refused: ")[1].split("\n")[0]
    assert n_calls == N_ROWS * N_CRITERIA  # each question once
    # the same again asks the flagged prompt alone, and is no configuration error either
    code, told, n_calls = judge(script, store=store, max_concurrency=max_concurrency)
    assert (code, n_calls) == (1, N_CRITERIA)
    assert outcomes(tmp_path)["p0"] == {"refused"}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "Content violates usage guidelines"),
        (400, "Content Exists Risk"),
        (400, "The request was rejected because it was considered high risk"),
        (422, "input new_sensitive (1026)"),
        (400, "内容审核未通过"),
    ],
)
def test_flagged_prompts_may_be_the_only_ones(judge, tmp_path, status, words):
    code, told, n_calls = judge(error(status, {"error": words}))
    assert (code, n_calls) == (1, N_ROWS * N_CRITERIA)
    assert "18 x refused: " in told and words in told


def test_a_flagged_prompt_that_comes_last_changes_nothing(judge, tmp_path):
    def script(seen: Seen) -> Reply:
        return error(400, {"error": "no"}) if "Question 5" in seen.prompt else FINE

    code, _, n_calls = judge(script, max_concurrency=1)
    assert (code, n_calls) == (1, N_ROWS * N_CRITERIA)
    assert outcomes(tmp_path)["p5"] == {"refused"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai("maximum context length is 8192 tokens, got 9120", "context_length_exceeded")),
        (400, {"type": "error", "error": {"type": "invalid_request_error",
                                          "message": "prompt is too long: 210000 tokens"}}),
        (400, {"object": "error", "message": "This model's maximum context length is 10 tokens"}),
        (400, {"error": {"message": "the request exceeds the available context size",
                         "type": "exceed_context_size_error", "n_ctx": 10}}),
        (400, {"error": {"code": 400, "status": "INVALID_ARGUMENT",
                         "message": "The input token count (9) exceeds the maximum"}}),
        (413, b"<html><h1>413 Request Entity Too Large</h1></html>"),
        (422, {"error": "Input validation error: `inputs` tokens must be <= 4. Too many tokens",
               "error_type": "validation"}),
        (400, {"message": "Input length exceeds the model's maximum"}),
        (500, {"error": {"message": "context length exceeded", "code": 500}}),
        (200, {"error": {"code": "context_length_exceeded", "message": "too long"}}),
    ],
)  # fmt: skip
def test_a_question_longer_than_the_context_is_a_reason_of_its_own(judge, tmp_path, status, body):
    code, told, n_calls = judge(error(status, body), n_rows=2)
    assert (code, n_calls) == (1, 2 * N_CRITERIA)
    assert outcomes(tmp_path) == {"p0": {"overflow"}, "p1": {"overflow"}}
    assert "6 x overflow: " in told and "longer than the judge's context" in told


def test_a_reply_limit_that_one_question_leaves_no_room_for_is_an_overflow_too(judge, tmp_path):
    said = "max_tokens is too large: 2048. The maximum context length is 8192, and you sent 7000"

    def script(seen: Seen) -> Reply:
        return error(400, openai(said)) if "knee" in seen.prompt else FINE

    code, _, _ = judge(script)
    assert code == 1 and outcomes(tmp_path)["p0"] == {"overflow"}


# -- odd answers -----------------------------------------------------------------------------


def failing(fault: Any, finish: str = "error") -> Reply:
    plain = json.loads(completion("", finish_reason=finish).body)
    plain["choices"][0]["error"] = fault
    return error(200, plain)


@pytest.mark.parametrize(
    ("reply", "outcome", "words", "calls"),
    [
        # transport: asked again max_retries times
        (failing({"code": 502, "message": "the provider behind failed"}), "transport",
         "the provider behind failed", 6),
        (failing("it broke", "stop"), "transport", "it broke", 6),
        (completion("half a", finish_reason="error"), "transport", "ended the reply with an", 6),
        (completion(None).__class__(body=b'{"choices": []}'), "transport", "no choices", 6),
        # a filter: once more
        (completion(None, finish_reason="content_filter: PROHIBITED"), "refused", "PROHIBITED", 2),
        (completion(None, finish_reason="SAFETY"), "refused", "SAFETY", 2),
        (completion("", finish_reason="PROHIBITED_CONTENT"), "refused", "filter", 2),
        (completion("", finish_reason="recitation"), "refused", "filter", 2),
        (completion("", finish_reason="blocklist"), "refused", "filter", 2),
        (completion(MET, finish_reason="content_filter"), "refused", "filter", 2),
        (completion(None, refusal="I cannot help."), "refused", "I cannot help.", 2),
        (failing({"code": 403, "message": "Output was flagged by moderation"}), "refused",
         "moderation", 1),
        # cut off: twice more
        (completion("", finish_reason="length", reasoning="hm " * 50), "truncated",
         "spent all its tokens on reasoning", 3),
        (completion("", finish_reason="length"), "truncated", "raise max_tokens", 3),
        (completion(None, finish_reason="MAX_TOKENS"), "truncated", "raise max_tokens", 3),
        # unreadable: max_retries times
        (completion(None, finish_reason="tool_calls",
                    tool_calls=[{"function": {"name": "look_up", "arguments": "{}"}}]),
         "unparseable", "called the tool 'look_up' instead of answering", 6),
        (completion(None), "unparseable", "the reply is empty", 6),
    ],
)  # fmt: skip
def test_an_odd_answer_has_its_reason_on_the_terminal(
    judge, tmp_path, reply, outcome, words, calls
):
    code, told, n_calls = judge(reply, n_rows=1)
    assert (code, n_calls) == (1, N_CRITERIA * calls)
    assert outcomes(tmp_path) == {"p0": {outcome}}
    assert f"3 of 3 verdicts are missing:\nrubricbeat judge:   3 x {outcome}: " in told
    assert words in told
    assert "--allow_missing" in told


def test_commands_on_results_end_with_1_where_a_run_has_no_verdict_at_all(judge, tmp_path, capsys):
    assert judge(error(403, {"error": "Content violates usage guidelines"}))[0] == 1
    page, out = str(tmp_path / "p.html"), str(tmp_path / "out")
    for words in (["score", out], ["report", out, "-o", page], ["compare", out, "-o", page]):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert "18 of 18 verdicts are missing" in said and "usage guidelines" in said
    assert judge(lambda seen: None if "knee" in seen.prompt else FINE)[0] == 0
    (tmp_path / "out").rename(tmp_path / "old")
    assert judge(lambda seen: error(400, b"no") if "knee" in seen.prompt else FINE)[0] == 1
    assert main(["score", out]) == 0  # a part is missing, which the table says


# -- what is accepted, and what is kept -------------------------------------------------------


def test_a_share_of_missing_verdicts_may_be_accepted(judge, tmp_path):
    def script(seen: Seen) -> Reply:
        return error(403, {"error": "flagged content"}) if "knee" in seen.prompt else FINE

    # three of eighteen are missing
    for allowed, expected in (("0", 1), ("0.1666", 1), ("0.1667", 0), ("1", 0)):
        code, told, _ = judge(script, "--allow-missing", allowed)
        assert code == expected
        assert "3 of 18 verdicts are missing" in told  # said either way
    for wrong in ("1.5", "-0.1", "nan", "some"):
        code, told, n_calls = judge(script, f"--allow-missing={wrong}")
        assert (code, n_calls) == (2, 0) and "from 0 to 1" in told


def test_results_with_missing_verdicts_are_written_and_marked(judge, tmp_path):
    judge(error(413, b""), n_rows=1)
    (run,) = read_runs([tmp_path / "out"])
    assert run.facts.run["complete"] is False
    assert run.facts.run["missing_verdicts"] == N_CRITERIA


def test_no_failed_reply_is_served_from_the_store(judge, tmp_path):
    store = str(tmp_path / "v.sqlite")
    for reply in (
        completion("", finish_reason="length"),
        completion(None, finish_reason="SAFETY"),
        error(413, b""),
        error(403, {"error": "flagged content"}),
    ):
        assert judge(reply, n_rows=1, store=store)[0] == 1
    code, told, n_calls = judge(FINE, n_rows=1, store=store)
    assert (code, n_calls) == (0, N_CRITERIA) and "missing" not in told


def test_a_jury_says_what_its_member_was_told(judge, server, tmp_path, capsys):
    server.script = lambda seen: error(400, openai("temperature is not taken"))
    member = {"name": "chat", "model": "m", "base_url": server.url}
    members = json.dumps({"members": [member, {"name": "constant"}], "store": "none"})
    words = ["--judge", "jury", "--judge_args", members, "--output_path", str(tmp_path / "out")]
    assert main(["judge", *written(tmp_path), *words]) == 2
    told = capsys.readouterr().err
    assert "temperature=none" in told and told.count("\n") == 1
    assert server.n_requests <= 5


def test_a_results_folder_that_becomes_a_file_is_an_incomplete_run(
    judge: Callable, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def script(seen: Seen) -> Reply:
        if seen.number == 4:
            shutil.rmtree(out)
            out.write_text("", encoding="utf-8")
        return FINE

    code, err, calls = judge(script, store=str(tmp_path / "v.sqlite"), max_concurrency=1)
    assert (code, calls) == (1, N_ROWS * N_CRITERIA)
    assert f"{out}: cannot write results" in err and "verdicts are kept" in err
    out.unlink()
    code, _, calls = judge(FINE, store=str(tmp_path / "v.sqlite"))
    assert (code, calls) == (0, 0)
