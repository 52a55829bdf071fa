"""What an endpoint may not do: send without end, or be shown a password that is not its own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from engine_kit import answers, reasons
from loopback import Loopback, Reply, completion, faults

from rubricbeat.judges.backends.endpoint import Endpoint
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grader import open_grader

GOOD = completion(json.dumps({"explanation": "fine", "criteria_met": True})).body


def grade(server: Loopback, **options: object) -> set[str]:
    plain = {"name": "chat", "model": "fake", "base_url": server.url, "store": False}
    with open_grader({**plain, "max_retries": 1, "backoff_s": 0.001, **options}) as grader:
        return reasons(grader.grade(answers(1, n_criteria=2)))


def packed(body: bytes, encoding: str = "gzip") -> Reply:
    return Reply(body=body, headers=(("Content-Encoding", encoding),))


def test_a_packed_reply_is_read() -> None:
    with Loopback() as server:
        server.script = faults.always(packed(gzip.compress(GOOD)))
        assert grade(server) == set()


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_bomb_is_dropped_as_soon_as_it_is_too_large(pieces: int) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    with Loopback() as server:
        server.script = faults.always(Reply(
            body=bomb, headers=(("Content-Encoding", "gzip"),), pieces=pieces, gap_s=0.0
        ))  # fmt: skip
        (why,) = grade(server, max_reply_mb=1)
    assert "larger than 1 MB (max_reply_mb)" in why


def test_a_plain_reply_without_end_is_dropped_too() -> None:
    with Loopback() as server:
        server.script = faults.always(Reply(body=b"x" * (3 << 20)))
        (why,) = grade(server, max_reply_mb=2)
    assert "larger than 2 MB (max_reply_mb)" in why


@pytest.mark.parametrize(("body", "encoding"), [(b"no gzip", "gzip"), (GOOD, "br"), (GOOD, "x")])
def test_a_reply_packed_otherwise_or_broken_is_a_fault_in_words(body: bytes, encoding: str) -> None:
    with Loopback() as server:
        server.script = faults.always(packed(body, encoding))
        (why,) = grade(server)
    assert "packed" in why


def test_passwords_of_the_netrc_file_are_shown_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine judge.example login me password netrc-secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("JUDGE_KEY", "given-key")
    with Loopback(keeps_requests=True) as server:
        # a remote host, asked through a proxy of the environment: both stand in for the world
        proxy = server.url.removesuffix("/v1").replace("http://", "http://proxy-user:proxy-pass@")
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        options = {"base_url": "http://judge.example/v1", "api_key_env": "JUDGE_KEY"}
        assert grade(server, **options) == set()
        headers = [seen.headers for seen in server.seen]
    assert headers
    for one in headers:
        lower = {name.lower(): value for name, value in one.items()}
        assert lower["authorization"] == "Bearer given-key"
        assert "proxy-authorization" in lower
        assert "netrc" not in str(one)


def test_the_limit_travels_to_another_process() -> None:
    import pickle

    one = Endpoint("http://127.0.0.1:9/v1", max_reply_mb=3)
    assert pickle.loads(pickle.dumps(one)).max_reply_mb == 3


@pytest.mark.parametrize("max_reply_mb", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_cannot_be_is_refused_before_anything_is_sent(max_reply_mb: float) -> None:
    with pytest.raises(ConfigError, match="max_reply_mb must be above 0 and finite"):
        Endpoint("http://127.0.0.1:9/v1", max_reply_mb=max_reply_mb)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b" " * (3 << 20)), "gzip"),
        (b"x" * (3 << 20), "identity"),
        (b"no gzip", "gzip"),
        (b"slow down", "br"),
    ],
)
def test_a_failure_is_sorted_by_its_status_whatever_its_body_is(
    status: int, body: bytes, encoding: str
) -> None:
    failed = Reply(status, body, (("Content-Encoding", encoding), ("Retry-After", "0.001")))
    with Loopback() as server:
        server.script = faults.on_first_attempts(2, failed)
        # a rate limit is waited out and is no retry: only 500 counts against max_retries
        options = {"max_retries": 2 if status == 500 else 0, "max_reply_mb": 1}
        assert grade(server, **options) == set()
        assert server.n_requests == 2 * 3


def test_a_wrong_key_is_said_whatever_the_body_is() -> None:
    with Loopback() as server:
        server.script = faults.always(Reply(401, b"x" * (3 << 20)))
        with pytest.raises(ConfigError, match="HTTP 401: the reply is larger than 1 MB"):
            grade(server, max_reply_mb=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"headers": {"a b": "c"}}, "headers, auth_header: 'a b' cannot be sent"),
        ({"headers": {"": "c"}}, "headers, auth_header: '' cannot be sent"),
        ({"headers": {"\u00e4": "c"}}, "cannot be sent"),
        ({"headers": {"Content-Length": "5"}}, "'Content-Length' cannot be sent"),
        ({"headers": {"transfer-encoding": "chunked"}}, "'transfer-encoding' cannot be sent"),
        ({"auth_header": "X\nY"}, "cannot be sent"),
        ({"headers": {"a": "secret\r\nb: c"}}, "the value of 'a' has a control character"),
    ],
)
def test_headers_that_are_none_are_refused_before_a_call(
    options: dict[str, object], said: str
) -> None:
    with Loopback() as server, pytest.raises(ConfigError) as raised:
        grade(server, **options)
    assert said in str(raised.value) and "secret" not in str(raised.value)
    assert server.n_requests == 0


def test_headers_of_any_printable_value_are_sent() -> None:
    with Loopback() as server:
        server.script = faults.always(Reply(body=GOOD))
        assert grade(server, headers={"X-Route": "z\u00fcrich\tone", "a_b.c": ""}) == set()
        n_before = server.n_requests
        assert grade(server, headers={"Accept-Encoding": "identity"}) == set()
        assert server.n_requests > n_before > 0
