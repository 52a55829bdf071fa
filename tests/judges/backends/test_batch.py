"""The batch judge against a loopback endpoint that behaves as the Batch API is documented."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.backends.batch import BatchJudge
from rubricbeat.judges.backends.batch_files import Job, JobFolder
from rubricbeat.judges.backends.chat import ChatJudge
from rubricbeat.judges.errors import ConfigError, StoreError
from rubricbeat.judges.grader import Grader, open_grader
from rubricbeat.judges.rubric import Level, Rubric
from rubricbeat.judges.verdict import Outcome

pytestmark = pytest.mark.border

MET = '{"explanation": "yes", "criteria_met": true}'
Reply = Callable[[dict[str, Any]], dict[str, Any] | None]


def good(request: dict[str, Any], content: str = MET) -> dict[str, Any]:
    body = {
        "choices": [{"message": {"content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4},
    }
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": request["custom_id"], "response": response, "error": None}


def bad(request: dict[str, Any], status: int, message: str, code: str = "") -> dict[str, Any]:
    body = {"error": {"message": message, "code": code}}
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": request["custom_id"], "response": response, "error": None}


@dataclass
class BatchApi:
    """Files and batches in memory, and how the next batches are to go."""

    url: str = ""
    files: dict[str, str] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    """Of each batch, in order."""
    replies: list[Reply] = field(default_factory=list)
    """How each batch answers; the last one for ever. None: no line for the request."""
    status: str = "completed"
    n_polls: int = 1
    """Looks that find it in progress."""

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        lines = [json.loads(x) for x in self.files[body["input_file_id"]].split("\n") if x]
        assert len({line["custom_id"] for line in lines}) == len(lines)
        assert body["completion_window"] == "24h"
        self.requests.append(lines)
        name = f"batch_{len(self.requests)}"
        batch = {
            "id": name,
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "created_at": 1,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "polls": 0,
        }
        self.batches[name] = batch
        return batch

    def look(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["polls"] <= self.n_polls:
            batch["status"] = "in_progress"
        elif batch["status"] in {"validating", "in_progress"}:
            self.finish(batch)
        return batch

    def finish(self, batch: dict[str, Any]) -> None:
        number = int(batch["id"].split("_")[1]) - 1
        batch["status"] = self.status
        if self.status == "failed":
            batch["errors"] = {"object": "list", "data": [{"message": "line 1 is too long"}]}
            return
        reply = self.replies[min(number, len(self.replies) - 1)]
        lines = [line for line in map(reply, self.requests[number]) if line is not None]
        # results come in any order, and failures in a file of their own
        done = [x for x in lines if x["response"] and x["response"]["status_code"] == 200][::-1]
        failed = [x for x in lines if x not in done]
        for kind, some in (("output", done), ("error", failed)):
            if some:
                name = f"file_{kind}_{number}"
                self.files[name] = "\n".join(map(json.dumps, some)) + "\n"
                batch[f"{kind}_file_id"] = name


@pytest.fixture
def api() -> Iterator[BatchApi]:
    """Serve the API for one test."""
    api = BatchApi(replies=[good])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/files":
                name = f"file_{len(api.files)}"
                api.files[name] = file_in(raw, self.headers["Content-Type"])
                made = {"id": name, "object": "file", "purpose": "batch", "filename": "x"}
                self.answer({**made, "bytes": len(raw), "created_at": 1, "status": "processed"})
            else:
                self.answer(api.create(json.loads(raw)))

        def do_GET(self) -> None:
            if found := re.fullmatch(r"/v1/batches/(\w+)", self.path):
                self.answer(api.look(found[1]))
            elif found := re.fullmatch(r"/v1/files/(\w+)/content", self.path):
                self.answer(api.files[found[1]].encode())

        def answer(self, body: Any) -> None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield api
    server.shutdown()
    thread.join()
    server.server_close()


def file_in(raw: bytes, content_type: str) -> str:
    boundary = content_type.split("boundary=")[1].encode()
    part = next(p for p in raw.split(b"--" + boundary) if b'name="file"' in p)
    return part.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n").decode()


@pytest.fixture
def grader(api: BatchApi, tmp_path: Path) -> Callable[..., Grader]:
    """Open a grader with a batch judge that looks often."""

    def make(**options: Any) -> Grader:
        return open_grader(
            {
                "name": "batch",
                "model": "judge-1",
                "base_url": api.url,
                "folder": str(tmp_path / "jobs"),
                "store": str(tmp_path / "store.sqlite"),
                "poll_s": 0.01,
                "linger_s": 0.05,
                "backoff_s": 0.001,
                **options,
            }
        )

    return make


def grade(grader: Grader, example: Any, n_answers: int = 4) -> tuple[list[Any], dict[str, Any]]:
    with grader:
        graded = grader.grade([Answer(example, f"answer {n}") for n in range(n_answers)])
        return [v for g in graded for v in g.verdicts], grader.facts()


def interrupted(api: BatchApi, grader: Grader, example: Any, n_answers: int) -> None:
    """Grade until the batch is looked after, and then no more."""

    async def begin() -> None:
        some = [Answer(example, f"answer {n}") for n in range(n_answers)]
        grading = asyncio.create_task(grader.grade_async(some))
        while not any(batch["polls"] for batch in list(api.batches.values())):
            await asyncio.sleep(0.002)
        grading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await grading

    with grader:
        asyncio.run(begin())


def test_everything_goes_into_one_batch(api, grader, example):
    verdicts, facts = grade(grader(), example, 40)
    assert [len(batch) for batch in api.requests] == [120]
    assert all(v.met is True for v in verdicts)
    assert facts["tokens"]["prompt"] == 9 * 120
    body = api.requests[0][0]["body"]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("judge-1", 0.5, 2048)


def test_results_in_another_order_reach_their_questions(api, grader, example):
    def by_sign(request: dict[str, Any]) -> dict[str, Any]:
        is_fault = "[-3]" in request["body"]["messages"][0]["content"]
        return good(request, MET.replace("true", "false") if is_fault else MET)

    api.replies = [by_sign]
    verdicts, _ = grade(grader(), example)
    assert [v.met for v in verdicts] == [True, True, False] * 4


def test_it_shares_its_verdicts_with_the_chat_judge(api, grader, example, tmp_path):
    grade(grader(), example)
    chat = ChatJudge(model="judge-1", base_url="http://127.0.0.1:1/v1")
    from rubricbeat.judges.engine.options import RuntimeOptions

    again = Grader(chat, RuntimeOptions(store=str(tmp_path / "store.sqlite")))
    verdicts, facts = grade(again, example)
    assert (facts["calls"], facts["store_hits"]) == (0, 12)
    assert all(v.met for v in verdicts)


def test_partial_failures_are_sent_again_alone(api, grader, example):
    def first(request: dict[str, Any]) -> dict[str, Any]:
        if "[7]" in request["body"]["messages"][0]["content"]:
            return bad(request, 500, "the server had an error")
        return good(request)

    api.replies = [first, good]
    verdicts, facts = grade(grader(), example)
    assert [len(batch) for batch in api.requests] == [12, 4]
    assert all(v.met for v in verdicts)
    assert facts["retries"] == {"transport": 4}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "the model behind it is gone", "code": 502}},
        {"choices": [{"error": {"message": "the model behind it is gone"}}]},
        {"choices": [{"finish_reason": "error", "message": {"content": "it is gone"}}]},
    ],
)
def test_a_failure_inside_a_reply_with_status_200_is_one_of_the_way(api, grader, example, body):
    def broken(request: dict[str, Any]) -> dict[str, Any]:
        line = good(request)
        line["response"]["body"] = body
        return line

    api.replies = [broken]
    verdicts, facts = grade(grader(max_retries=1), example, 1)
    assert {v.outcome for v in verdicts} == {Outcome.TRANSPORT}
    assert all("is gone" in v.explanation for v in verdicts)
    assert facts["retries"] == {"transport": 3}


def test_replies_without_a_verdict_are_asked_again_in_a_new_batch(api, grader, example):
    api.replies = [lambda request: good(request, "I think so."), good]
    verdicts, _ = grade(grader(), example)
    assert [len(batch) for batch in api.requests] == [12, 12]
    assert all(v.met for v in verdicts)


def test_an_expired_batch_keeps_what_is_done_and_sends_the_rest_again(api, grader, example):
    def half(request: dict[str, Any]) -> dict[str, Any]:
        if "[5]" in request["body"]["messages"][0]["content"]:
            return good(request)
        error = {"code": "batch_expired", "message": "This request could not be executed in time."}
        return {"id": "x", "custom_id": request["custom_id"], "response": None, "error": error}

    api.replies = [half, good]
    api.status = "expired"
    verdicts, _ = grade(grader(), example)
    assert [len(batch) for batch in api.requests] == [12, 8]
    assert all(v.met for v in verdicts)


def test_requests_that_vanish_are_transport_faults_in_the_end(api, grader, example):
    api.replies = [lambda request: None]
    verdicts, _ = grade(grader(max_retries=1), example, 1)
    assert {v.outcome for v in verdicts} == {Outcome.TRANSPORT}
    assert [len(batch) for batch in api.requests] == [3, 3]


def test_a_content_filter_refuses_its_own_request_only(api, grader, example):
    def filtered(request: dict[str, Any]) -> dict[str, Any]:
        if "[7]" in request["body"]["messages"][0]["content"]:
            return bad(request, 400, "filtered", "content_filter")
        return good(request)

    api.replies = [filtered]
    verdicts, _ = grade(grader(max_retries=0), example, 1)
    assert [v.outcome for v in verdicts] == [Outcome.MET, Outcome.REFUSED, Outcome.MET]


def test_a_batch_whose_every_request_is_refused_is_a_wrong_setting(api, grader, example):
    api.replies = [lambda request: bad(request, 400, "temperature is not taken", "")]
    with pytest.raises(ConfigError, match="temperature is not taken; temperature=none"):
        grade(grader(), example)
    assert len(api.requests) == 1


def test_a_request_that_is_refused_beside_others_is_refused_for_itself(api, grader, example):
    def odd(request: dict[str, Any]) -> dict[str, Any]:
        if "[7]" in request["body"]["messages"][0]["content"]:
            return bad(request, 400, "no", "")
        return good(request)

    api.replies = [odd]
    verdicts, _ = grade(grader(max_retries=0), example, 1)
    assert [v.outcome for v in verdicts] == [Outcome.MET, Outcome.REFUSED, Outcome.MET]


def test_a_batch_that_fails_validation_says_why(api, grader, example):
    api.status = "failed"
    with pytest.raises(ConfigError, match="line 1 is too long"):
        grade(grader(), example)


def test_an_interrupted_run_finds_its_batch_again_and_pays_once(api, grader, example, tmp_path):
    api.n_polls = 10**9
    interrupted(api, grader(), example, 4)
    (job,) = JobFolder(tmp_path / "jobs").jobs()
    assert (job.batch_id, len(job.custom_ids)) == ("batch_1", 12)
    (file,) = (tmp_path / "jobs").glob("*.job.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    api.n_polls = 0
    verdicts, _ = grade(grader(), example)
    assert [len(batch) for batch in api.requests] == [12]
    assert all(v.met for v in verdicts)
    assert JobFolder(tmp_path / "jobs").jobs() == []


def test_a_larger_run_after_an_interrupted_one_sends_only_what_is_new(api, grader, example):
    api.n_polls = 10**9
    interrupted(api, grader(), example, 2)
    api.n_polls = 0
    verdicts, _ = grade(grader(), example, 5)
    assert [len(batch) for batch in api.requests] == [6, 9]
    assert len(verdicts) == 15


def test_an_unreadable_job_is_named_and_nothing_is_paid(api, grader, example, tmp_path):
    folder = JobFolder(tmp_path / "jobs")
    folder.keep(Job("batch_9", "file_9", ("a",)))
    (file,) = (tmp_path / "jobs").glob("*.job.json")
    file.write_text("{oops", encoding="utf-8")
    with pytest.raises(StoreError, match=file.name):
        grade(grader(), example, 1)
    assert api.requests == []


def test_groups_go_into_a_batch_too(api, grader, example):
    def grouped(request: dict[str, Any]) -> dict[str, Any]:
        verdicts = [{"index": n, "criteria_met": n != 2} for n in (3, 2, 1)]
        return good(request, json.dumps({"verdicts": verdicts}))

    api.replies = [grouped]
    verdicts, _ = grade(grader(shape="grouped"), example)
    assert [len(batch) for batch in api.requests] == [4]
    assert [v.met for v in verdicts] == [True, False, True] * 4


def test_no_model_and_no_key_fail_before_anything_is_sent(tmp_path):
    with pytest.raises(ConfigError, match="model"):
        BatchJudge()
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        BatchJudge(model="m")


LEVEL = '{"explanation": "some", "level": 1}'


def with_levels(example: Any) -> Any:
    """Give the example's first criterion levels, and a reference."""
    first, *rest = example.rubric.criteria
    levels = (Level("none", 0.0), Level("some", 2.0), Level("all", 5.0))
    criteria = (replace(first, levels=levels), *rest)
    return replace(example, rubric=Rubric(criteria), reference="It was three cups.")


def by_form(request: dict[str, Any]) -> dict[str, Any]:
    messages = request["body"]["messages"]
    if len(messages) == 1:
        return good(request, "The answer asks for it.")
    return good(request, LEVEL if '"level"' in messages[0]["content"] else MET)


def test_readings_go_into_one_batch_and_the_verdicts_into_the_next(api, grader, example):
    api.replies = [by_form]
    verdicts, facts = grade(grader(reference="after"), with_levels(example))
    assert [len(batch) for batch in api.requests] == [12, 12]
    assert [v.level for v in verdicts] == [1, None, None] * 4
    assert [v.met for v in verdicts] == [None, True, True] * 4
    assert facts["tokens"]["prompt"] == 9 * 24
    assert not any("three cups" in json.dumps(line) for line in api.requests[0])


def test_readings_are_found_again_after_an_end_between_the_two_batches(api, grader, example):
    api.replies = [by_form]

    async def begin(judging: Grader) -> None:
        some = [Answer(with_levels(example), f"answer {n}") for n in range(4)]
        grading = asyncio.create_task(judging.grade_async(some))
        while not api.batches.get("batch_2", {"polls": 0})["polls"]:
            await asyncio.sleep(0.002)
        grading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await grading

    with grader(reference="after") as first:
        asyncio.run(begin(first))
    verdicts, _ = grade(grader(reference="after"), with_levels(example))
    assert [v.level for v in verdicts] == [1, None, None] * 4
    assert [len(batch) for batch in api.requests] == [12, 12], "nothing was sent twice"
