"""A key is in no reply that is kept, no message, no option, and no address."""

from __future__ import annotations

import json

import pytest
from engine_kit import answers
from loopback import Loopback, Reply, completion, faults

from rubricbeat.harness.cli import main
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.judge_options import parse_judge_args
from rubricbeat.judges.options.secrets import without_credentials, without_secrets
from rubricbeat.judges.store.postgres_connection import checked_address, shown
from rubricbeat.judges.store.protocol import is_address

KEY = "very/secret+value"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)


@pytest.mark.parametrize("escaped", [KEY, KEY.replace("/", "\\/")])
def test_a_reply_that_echoes_the_key_is_kept_without_it(tmp_path, escaped):
    said = json.dumps({"explanation": "fine KEY fine", "criteria_met": True})
    body = completion(said).body.replace(b"KEY", escaped.encode())
    store = tmp_path / "store.sqlite"
    with Loopback() as server:
        server.script = faults.always(Reply(body=body))
        options = {"name": "chat", "model": "fake", "base_url": server.url, "store": str(store)}
        with open_grader({**options, "api_key_env": "MY_KEY"}) as grader:
            graded = grader.grade(answers(1, n_criteria=1))
    assert graded[0].verdicts[0].explanation == "fine [key] fine"
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"fine [key] fine" in kept and KEY.encode() not in kept


def test_a_reply_without_a_body_is_no_reply(tmp_path):
    with Loopback() as server:
        server.script = faults.always(Reply(status=204, body=b""))
        options = {"name": "chat", "model": "fake", "base_url": server.url, "store": False}
        with open_grader({**options, "max_retries": 1, "backoff_s": 0.001}) as grader:
            graded = grader.grade(answers(1, n_criteria=1))
    assert "HTTP 204 without a reply" in graded[0].verdicts[0].explanation


def test_a_reply_with_201_is_a_reply():
    good = completion(json.dumps({"explanation": "fine", "criteria_met": True}))
    with Loopback() as server:
        server.script = faults.always(Reply(status=201, body=good.body))
        options = {"name": "chat", "model": "fake", "base_url": server.url, "store": False}
        with open_grader(options) as grader:
            graded = grader.grade(answers(1, n_criteria=1))
    assert graded[0].verdicts[0].met is True


@pytest.mark.parametrize(
    "text",
    [
        f"base_url=http://127.0.0.1:1/v1/{KEY}",
        "base_url=http://127.0.0.1:1/sk-abc123abc123abc123/v1",
        f'extra_body={{"x": [{{"y": "{KEY}"}}]}}',
        f'extra_body={{"x": ["{KEY}"]}}',
        'extra_body={"x": [{"apiKey": "abc123"}]}',
        'extra_body={"clientSecret": "abc123"}',
        'extra_body={"user_passwd": "abc123"}',
        'headers={"Cookie": "abc123"}',
        'headers={"X-Route": "Bearer abc123abc123"}',
        'headers={"X-Route": "eyJabc123abc.eyJabc123.abc123"}',
        "model=hf_abc123abc123abc123abc123",
        f"store=/tmp/{KEY}.sqlite",
    ],
)
def test_no_option_holds_a_key(text):
    with pytest.raises(ConfigError, match="environment") as told:
        parse_judge_args("chat", text)
    assert "abc123" not in str(told.value) and KEY not in str(told.value)


@pytest.mark.parametrize(
    "text",
    ["extra_body={'reasoning': {'max_tokens': 5}}", "max_tokens=5", "headers={'X-Route': 'eu'}",
     "model=org/keyword-model", "base_url=http://127.0.0.1:8000/v1", "auth_header=api-key"],
)  # fmt: skip
def test_what_holds_none_is_taken(text):
    parse_judge_args("chat", text)


BAD_ADDRESSES = [
    "postgresql://me:s3cr[et@host/db",
    "postgresql://me:s3cr/et@host/db",
    "postgresql://me:s3cr?et@host/db",
    "postgresql://me:s3cr#et@host/db",
    "postgresql://me:s3cr@et@host/db",
    "postgresql://me:s3cret/db",
    "postgresql://me:s3cret",
    "postgresql://host:s3cret/db",
    "postgresql://host/db?password=s3cret",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_a_malformed_address_never_shows_its_password(address):
    pytest.importorskip("psycopg")
    with pytest.raises(ConfigError, match="store=postgresql://") as told:
        checked_address(address)
    for words in (str(told.value), shown(address)):
        assert not any(part in words for part in ("s3cr", "et@", "et/"))


@pytest.mark.parametrize(
    "address", ["postgres:/me:s3cret@h/d", "POSTGRES://me:s3cret@h/d", "postgresql:me:s3cret@h",
                "mysql://me:s3cret@h/d", "postgresql+psycopg://me:s3cret@h/d"]
)  # fmt: skip
def test_a_mistyped_address_is_no_file(address, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="neither a file nor an address") as told:
        is_address(address)
    assert "s3cret" not in str(told.value)
    assert main(["verdicts", "stats", address]) == 2
    assert "s3cret" not in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address", ["postgresql://me@h:5432/d", "postgresql:///d", "postgresql://h1:1,h2:2/d",
                "postgresql://[::1]:5432/d", "postgres://%2Fvar%2Frun/d", "postgresql://me@/d"]
)  # fmt: skip
def test_a_right_address_is_taken(address):
    pytest.importorskip("psycopg")
    assert is_address(address)
    assert checked_address(address) == address
    assert not is_address("/a/b.sqlite") and not is_address("C:/a") and not is_address("a:b")


def test_messages_lose_credentials_and_results_known_keys_alone():
    told = (f"http://me:pw@h/x {KEY} password=abc api_key=abc&x=1 Bearer abcdefghij "
            "http://h/@me max_tokens=5")  # fmt: skip
    assert without_credentials(told) == (
        "http://...@h/x [key] password=[key] api_key=[key]&x=1 Bearer [key] "
        "http://...@me max_tokens=5"
    )
    assert without_secrets(told) == told.replace(KEY, "[key]")


@pytest.mark.parametrize("text", ["say", "say=[1,2],x"])
def test_how_options_are_written_is_said_in_whole(text):
    with pytest.raises(ConfigError) as told:
        parse_judge_args("chat", text)
    assert "key=value" in without_credentials(str(told.value))


def test_a_key_that_begins_like_the_word_value_is_no_exception():
    assert without_credentials("no api_key=value, but key=valued") == (
        "no api_key=value, but key=[key]"
    )
