"""Strangers and broken clients: nothing they send hurts the others, or costs a call.

Whatever is slow here is slow by an event or by a bound of no seconds, never by a measured time.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading

import pytest
from engine_kit import CountingJudge, GatedJudge, count
from serving_kit import TOKEN, Served, item, row
from waiting import HANG_S, join, until

from rubricbeat.harness.serving.app import Bounds
from rubricbeat.judges.grader import RuntimeOptions

DEEP = b'{"items": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DEEP_ROW = '{"a":' * 900 + "1" + "}" * 900
JSON = {"Content-Type": "application/json"}


def ok(served: Served) -> bool:
    """Say whether an honest client is served."""
    status, reply = served.post("/v1/score", {"items": [item()]})
    return status == 200 and reply["complete"]


BAD = {
    b"": "bad_json",
    b"{": "bad_json",
    b"[]": "bad_request",
    b"null": "bad_request",
    b'"items"': "bad_request",
    b"NaN": "bad_json",
    b'{"items": NaN}': "bad_json",
    b'{"items": []}': "bad_request",
    b'{"items": {}}': "bad_request",
    b'{"items": [1]}': "bad_request",
    b'{"items": [{}]}': "bad_request",
    b'{"items": [{"prompt_id": "made-up-0"}]}': "bad_request",
    b'{"items": [{"prompt_id": "made-up-0", "answers": []}]}': "bad_request",
    b'{"items": [{"prompt_id": "made-up-0", "answers": "text"}]}': "bad_request",
    b'{"items": [{"prompt_id": "made-up-0", "answers": [1]}]}': "bad_answer",
    b'{"items": [{"prompt_id": "made-up-0", "answers": [{"a": 1}]}]}': "bad_answer",
    b'{"items": [{"prompt_id": "made-up-0", "row": {}, "answers": ["a"]}]}': "bad_request",
    b'{"items": [{"prompt_id": "nobody", "answers": ["a"]}]}': "no_such_row",
    b'{"items": [{"prompt_id": 7, "answers": ["a"]}]}': "bad_request",
    b'{"items": [{"prompt_id": "../../etc/passwd", "answers": ["a"]}]}': "no_such_row",
    b'{"items": [{"row": {}, "answers": ["a"]}]}': "bad_row",
    b'{"items": [{"row": [], "answers": ["a"]}]}': "bad_request",
    b'{"items": [{"row": "{", "answers": ["a"]}]}': "bad_json",
    b'{"items": [{"prompt_id": "made-up-0", "answers": ["a"], "judge": "x"}]}': "bad_request",
    b'{"item": []}': "bad_request",
    b'{"items": [{"prompt_id": "made-up-0", "answers": ["\xff"]}]}': "bad_json",
    b'{"items": [{"prompt_id": "made-up-0", "answers": ["\\ud800"]}]}': "bad_json",
    b'\xef\xbb\xbf{"items": []}': "bad_json",
    b'{"items": [{"prompt_id": "made-up-0", "answers": ["a"]}], "verdicts": 1}': "bad_request",
    b'{"items": [{"prompt_id": "made-up-0", "answers": ["a"]}], "rewards": "x"}': "bad_request",
    b'{"items": [{"prompt_id": "made-up-0", "answers": ["a"]}], "rewards": ["os:system"]}': (
        "no_such_reward"
    ),
    b'{"items": [{"prompt_id": "made-up-0", "answers": ["a"]}], "rewards": [{}]}': "no_such_reward",
    DEEP: "bad_json",
    json.dumps({"items": [{"row": json.loads(DEEP_ROW), "answers": ["a"]}]}).encode(): "bad_row",
    json.dumps({"items": [{"row": DEEP_ROW, "answers": ["a"]}]}).encode(): "bad_row",
}


def test_a_bad_body_is_refused_by_its_place_and_asks_nothing():
    judge = CountingJudge()
    with Served(judge) as served:
        for body, code in BAD.items():
            status, reply = served.post("/v1/score", body)
            assert (status, reply["error"]["code"]) == (400, code), body[:80]
            assert len(reply["error"]["message"]) < 600, body[:80]
        assert judge.asked == {}
        assert ok(served)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/v1/openrlhf", []),
        ("/v1/openrlhf", {"query": ["a"], "prompts": ["a"]}),
        ("/v1/openrlhf", {"query": "a", "prompts": "a", "labels": "a"}),
        ("/v1/openrlhf", {"query": ["a"], "prompts": ["a", "b"], "labels": ["made-up-0"]}),
        ("/v1/openrlhf", {"query": [1], "prompts": [""], "labels": ["made-up-0"]}),
        ("/v1/openrlhf", {"query": ["a"], "prompts": ["b"], "labels": ["made-up-0"]}),
        ("/v1/openrlhf", {"query": ["a"], "prompts": [""], "labels": [None]}),
        ("/v1/slime", []),
        ("/v1/slime", {"response": "a"}),
        ("/v1/slime", {"response": None, "label": "made-up-0"}),
        ("/v1/slime", {"response": "a", "label": "nobody"}),
        ("/v1/slime", {"response": "a", "label": ["made-up-0"]}),
    ],
)
def test_a_bad_form_of_a_trainer_is_refused(path, plain):
    judge = CountingJudge()
    with Served(judge) as served:
        status, reply = served.post(path, plain)
    assert status == 400, reply
    assert judge.asked == {}


def test_too_many_answers_are_refused():
    many = ["a"] * 4
    with Served(CountingJudge(), max_answers=3) as served:
        for path, plain in (
            ("/v1/score", {"items": [{"row": row(), "answers": many}]}),
            ("/v1/score", {"items": [item(i) for i in range(4)]}),
            ("/v1/openrlhf", {"query": many, "prompts": [""] * 4, "labels": ["made-up-0"] * 4}),
        ):
            status, reply = served.post(path, plain)
            assert (status, reply["error"]["code"]) == (413, "too_many_answers")
        assert ok(served)


def test_a_huge_body_is_refused_by_its_length_before_it_is_sent():
    with Served(CountingJudge(), bounds=Bounds(body_bytes=1_000)) as served:
        with served.connect() as one:
            one.sendall(
                b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 99999999999\r\n\r\n"
            )
            assert one.recv(100).startswith(b"HTTP/1.1 413 ")
        assert ok(served)


def test_a_huge_body_without_a_length_is_refused_while_it_comes():
    with Served(CountingJudge(), bounds=Bounds(body_bytes=20_000)) as served:
        with served.connect() as one:
            one.sendall(
                b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            for _ in range(5):
                one.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
            assert one.recv(100).startswith(b"HTTP/1.1 413 ")
        assert ok(served)
        assert served.app.stats()["server"]["bytes_in_hand"] == 0


def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on_or_not():
    body = json.dumps({"items": [item()]}).encode()
    head = (
        "POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Expect: 100-continue\r\nContent-Length: {}\r\n\r\n"
    )
    with Served(CountingJudge(), bounds=Bounds(body_bytes=10_000)) as served:
        with served.connect() as one:
            one.sendall(head.format(len(body)).encode())
            assert one.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            one.sendall(body)
            assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        with served.connect() as other:
            other.sendall(head.format(20_000).encode())
            assert other.recv(100).startswith(b"HTTP/1.1 413 ")


def test_bodies_in_hand_are_bounded_together():
    bounds = Bounds(body_bytes=50_000, in_hand_bytes=60_000)
    half = b'{"items": [' + b" " * 39_000
    with Served(CountingJudge(), bounds=bounds) as served:
        with served.connect() as one:
            one.sendall(
                b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 40000\r\n\r\n" + half
            )
            until(lambda: served.app._bytes_in_hand > 39_000, "half a body in hand")
            status, reply, headers = served.ask("POST", "/v1/score", half, JSON)
            assert (status, reply["error"]["code"]) == (429, "busy")
            assert headers["Retry-After"] == "2"
        until(lambda: served.app._bytes_in_hand == 0, "the client's end")
        assert ok(served)


def test_answers_in_hand_are_bounded_together():
    judge = GatedJudge()
    with Served(judge, RuntimeOptions(store=False, max_concurrency=4), max_pending=3) as served:
        first = threading.Thread(
            target=served.post, args=("/v1/score", {"items": [item(0, "a", "b")]})
        )
        first.start()
        until(lambda: served.service.n_pending == 2, "two answers in hand")
        status, reply = served.post("/v1/score", {"items": [item(1, "a", "b")]})
        judge.goes_on.set()
        join(first)
        assert (status, reply["error"]["code"]) == (429, "busy")
        # more than may be in hand is taken alone: it would never be taken otherwise
        status, reply = served.post("/v1/score", {"items": [item(1, "a", "b", "c", "d")]})
        assert (status, reply["complete"]) == (200, True)


def test_a_head_that_never_ends_is_dropped():
    with Served(CountingJudge(), bounds=Bounds(head_s=0.0)) as served, served.connect() as one:
        assert one.recv(100) == b""  # nothing was sent, and nothing comes
        until(lambda: served.app.gate.n_open == 0, "the end of the connection")
        assert served.app.gate.n_too_slow == 1


def test_the_head_of_a_second_request_must_end_too():
    with Served(CountingJudge(), bounds=Bounds(head_s=HANG_S)) as served, served.connect() as one:
        one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert one.recv(4_096).startswith(b"HTTP/1.1 200 ")
        served.app.gate.head_s = 0.0
        one.sendall(b"GET /hea")
        assert one.recv(100) == b""


def test_a_body_that_never_ends_is_refused():
    with Served(CountingJudge(), bounds=Bounds(body_s=0.0)) as served, served.connect() as one:
        one.sendall(
            b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        assert one.recv(100).startswith(b"HTTP/1.1 408 ")


def test_connections_are_bounded():
    with Served(CountingJudge(), bounds=Bounds(connections=2)) as served:
        held = [served.connect() for _ in range(2)]
        until(lambda: served.app.gate.n_open == 2, "two connections")
        with served.connect() as third:
            assert third.recv(100).startswith(b"HTTP/1.1 503 ")
        for one in held:
            one.close()
        until(lambda: served.app.gate.n_open == 0, "the end of the connections")
        assert ok(served)


def test_no_http_at_all_is_refused():
    with Served(CountingJudge()) as served:
        for sent in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9,
            b"GET\r\n\r\n",
            b"\x00" * 99,
        ):
            with served.connect() as one:
                one.sendall(sent)
                one.shutdown(socket.SHUT_WR)
                assert one.recv(100)[:12] in (b"", b"HTTP/1.0 400", b"HTTP/1.1 400")
        with served.connect() as one:
            one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
            assert one.recv(12) in (b"", b"HTTP/1.0 400", b"HTTP/1.1 400")
        assert ok(served)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/score/",
        "//v1/score",
        "/v1//score",
        "/v1/../v1/score",
        "/v1/%2e%2e/v1/score",
        "/v1/scor%65",
        "/V1/SCORE",
        "/v1/score%00",
        "/v1/score;x=1",
        "/../../../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/.env",
        "http://127.0.0.1/v1/other",
    ],
)
def test_only_the_exact_paths_are_there(path):
    judge = CountingJudge()
    with Served(judge) as served:
        body = json.dumps({"items": [item()]}).encode()
        status, reply, _ = served.ask("POST", path, body, JSON)
    assert (status, reply["error"]["code"]) == (404, "no_such_path")
    assert judge.asked == {}


def test_only_the_methods_of_a_path_are_taken():
    with Served(CountingJudge()) as served:
        for method, path in (
            ("GET", "/v1/score"),
            ("PUT", "/v1/score"),
            ("DELETE", "/v1/stats"),
            ("POST", "/health"),
            ("OPTIONS", "/v1/score"),
        ):
            status, reply, headers = served.ask(method, path)
            assert (status, reply["error"]["code"]) == (405, "wrong_method")
            assert not any(name.startswith("Access-Control") for name in headers)


def test_only_plain_json_is_taken():
    body = json.dumps({"items": [item()]}).encode()
    with Served(CountingJudge()) as served:
        for headers in (
            {},
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {**JSON, "Content-Encoding": "gzip"},
            {**JSON, "Content-Encoding": "br"},
        ):
            sent = gzip.compress(b" " * 10_000_000) if "Content-Encoding" in headers else body
            status, _, _ = served.ask("POST", "/v1/score", sent, headers)
            assert status == 415
        named = {"Content-Type": "application/json; charset=utf-8"}
        assert served.ask("POST", "/v1/score", body, named)[0] == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"bearer x{TOKEN}",
        TOKEN,
        f"Token {TOKEN}",
        "Basic !!!",
        "Basic " + base64.b64encode(f"{TOKEN}:x".encode()).decode(),
        "Bearer \xff\xfe",
    ],
)
def test_a_wrong_token_is_refused_everywhere_before_the_body_is_read(header):
    judge = CountingJudge()
    with Served(judge, token=TOKEN) as served:
        for method, path in (
            ("POST", "/v1/score"),
            ("POST", "/v1/slime"),
            ("GET", "/v1/stats"),
            ("GET", "/nowhere"),
        ):
            headers = {**JSON, "Content-Length": "99999999"}
            if header is not None:
                headers["Authorization"] = header
            with served.connect() as one:
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                one.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode("latin-1"))
                said = one.recv(10_000)
            assert said.startswith(b"HTTP/1.1 401 ")
            assert TOKEN.encode() not in said
        assert served.ask("GET", "/health")[0] == 200
    assert judge.asked == {}


@pytest.mark.parametrize(
    "header", [f"Bearer {TOKEN}", "Basic " + base64.b64encode(f"any:{TOKEN}".encode()).decode()]
)
def test_the_token_lets_in_from_any_host(header):
    with Served(CountingJudge(), token=TOKEN) as served:
        status, reply = served.post(
            "/v1/score", {"items": [item()]}, Authorization=header, Host="judge.example:8300"
        )
        _, stats, _ = served.ask("GET", "/v1/stats", None, {"Authorization": header})
    assert status == 200, reply
    assert TOKEN not in json.dumps(stats)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8300", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8300", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8300", 403),
        ("", 403),
    ],
)
def test_without_a_token_a_name_that_points_here_is_no_way_in(host, status):
    with Served(CountingJudge()) as served:
        assert served.post("/v1/score", {"items": [item()]}, Host=host)[0] == status


def test_what_a_client_asked_for_is_kept_when_it_goes_away(tmp_path):
    judge = GatedJudge()
    store = tmp_path / "v.sqlite"
    body = json.dumps({"items": [item(0, "a", "b")]}).encode()
    with Served(judge, RuntimeOptions(store=store, max_concurrency=2)) as served:
        one = served.connect()
        one.sendall(
            b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        until(lambda: judge.n_now == 2, "two calls in flight")
        one.close()
        until(lambda: served.app.gate.n_open == 0, "the client's end")
        judge.goes_on.set()
        until(lambda: served.service.n_pending == 0, "the end of its request")
        assert judge.n_cancelled == 0
        until(lambda: count(store) == 6, "all its verdicts")
        status, reply = served.post("/v1/score", json.loads(body))
        assert (status, reply["complete"]) == (200, True)
        assert set(judge.asked.values()) == {1}


def test_a_client_that_goes_away_within_its_body_costs_nothing():
    judge = CountingJudge()
    with Served(judge) as served:
        for sent in (
            b'Content-Length: 1000\r\n\r\n{"items"',
            b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"items"\r\n',
            b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ):
            with served.connect() as one:
                one.sendall(
                    b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\n"
                    b"Content-Type: application/json\r\n" + sent
                )
        until(lambda: served.app.gate.n_open == 0, "the clients' end")
        assert served.app._bytes_in_hand == 0
        assert judge.asked == {}
        assert ok(served)


def test_while_it_stops_new_work_is_refused_and_what_is_paid_for_is_answered(tmp_path):
    judge = GatedJudge()
    store = tmp_path / "v.sqlite"
    replies = []
    with Served(judge, RuntimeOptions(store=store, max_concurrency=2)) as served:
        first = threading.Thread(
            target=lambda: replies.append(served.post("/v1/score", {"items": [item(0, "a", "b")]}))
        )
        first.start()
        until(lambda: judge.n_now == 2, "two calls in flight")
        stopping = threading.Thread(target=lambda: served.run(served.service.stop("over", HANG_S)))
        stopping.start()
        until(lambda: served.grader.stopped, "a stop that the engine has taken up")
        refused = served.post("/v1/score", {"items": [item(3)]})
        health = served.ask("GET", "/health")[:2]
        judge.goes_on.set()
        join(first, stopping)
    assert (refused[0], refused[1]["error"]["code"]) == (503, "stopping")
    assert health == (503, {"status": "stopping"})
    [(status, reply)] = replies
    assert status == 503
    met = [v["met"] for one in reply["items"][0]["answers"] for v in one["verdicts"]]
    assert met.count(None) == 4
    assert sum(judge.asked.values()) == count(store) == 2
