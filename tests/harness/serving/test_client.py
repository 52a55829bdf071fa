"""The client of the standard library: numbers, or an error; a missing verdict is never a number."""

from __future__ import annotations

import ast
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_kit import CountingJudge, GatedJudge
from serving_kit import TOKEN, LackingJudge, Served, item, row
from waiting import join, until

from rubricbeat.harness.serving import client
from rubricbeat.harness.serving.client import (
    MissingVerdictsError,
    ServingError,
    fetch_grades,
    fetch_rewards,
)
from rubricbeat.judges.grader import RuntimeOptions


def test_it_is_one_file_of_the_standard_library(root: Path) -> None:
    tree = ast.parse(Path(client.__file__).read_text("utf-8"))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_rewards_come_in_the_order_of_the_answers():
    judge = CountingJudge()
    with Served(judge) as served:
        values = fetch_rewards(
            served.url, [row(0), row(0), "made-up-1"], ["a", "b", "c"], reward="healthbench"
        )
        scores = fetch_rewards(served.url, ["made-up-1"], ["c"], reward="score")
    assert values == [pytest.approx(-1 / 3)] * 3
    assert scores == [pytest.approx(-1 / 3)]
    assert len(judge.asked) == 9


def test_a_missing_verdict_is_an_error_that_holds_what_came():
    with Served(LackingJudge(0), RuntimeOptions(store=False, max_retries=0)) as served:
        # one of five points is missing: there is a reward all the same, and it is told
        with pytest.raises(MissingVerdictsError, match="1 of 3 verdicts are missing") as caught:
            fetch_rewards(served.url, [row()], ["a"], reward="healthbench")
        [one] = fetch_grades(served.url, [row()], ["a"], allow_missing=True)
    assert caught.value.results[0]["missing"] == 1
    assert one["verdicts"][0]["met"] is None


def test_a_missing_reward_is_an_error_even_where_missing_verdicts_are_allowed():
    with (
        Served(LackingJudge(2), RuntimeOptions(store=False, max_retries=0)) as served,
        pytest.raises(MissingVerdictsError, match="an answer has no healthbench"),
    ):
        fetch_rewards(served.url, [row()], ["a"], reward="healthbench", allow_missing=True)


def test_no_answers_are_no_request():
    assert fetch_grades("http://127.0.0.1:1", [], []) == []


def test_as_many_rows_as_answers():
    with pytest.raises(ValueError, match="1 rows for 2 answers"):
        fetch_grades("http://127.0.0.1:1", [row()], ["a", "b"])


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ServingError, match="not a server address"):
        fetch_grades(url, [row()], ["a"], tries=1)


def test_nothing_at_the_address_is_an_error():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with pytest.raises(ServingError, match="ConnectionRefusedError"):
            fetch_grades(f"http://127.0.0.1:{nobody.getsockname()[1]}", [row()], ["a"], tries=1)


def test_what_the_server_refuses_is_an_error_in_its_words():
    with Served(CountingJudge()) as served:
        with pytest.raises(ServingError, match=r"items\[0\]: unknown shape") as caught:
            fetch_grades(served.url, [{}], ["a"])
        with pytest.raises(ServingError, match="is none that this server gives"):
            fetch_rewards(served.url, [row()], ["a"], reward="binary")
    assert (caught.value.status, caught.value.code) == (400, "bad_row")


def test_the_token_comes_from_the_environment(monkeypatch):
    with Served(CountingJudge(), token=TOKEN) as served:
        with pytest.raises(ServingError, match="token") as caught:
            fetch_grades(served.url, [row()], ["a"])
        monkeypatch.setenv("RUBRICBEAT_TOKEN", TOKEN)
        assert len(fetch_grades(served.url, [row()], ["a"])) == 1
        monkeypatch.delenv("RUBRICBEAT_TOKEN")
        assert len(fetch_grades(served.url, [row()], ["a"], token=TOKEN)) == 1
    assert caught.value.status == 401


def test_no_proxy_of_the_environment_sees_the_token(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Served(CountingJudge()) as served:
        assert len(fetch_grades(served.url, [row()], ["a"])) == 1


def test_a_busy_server_is_asked_again(monkeypatch):
    judge = GatedJudge()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        judge.goes_on.set()
        until(lambda: served.service.n_pending == 0, "a server that is free")

    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=wait, monotonic=time.monotonic))
    with Served(judge, RuntimeOptions(store=False, max_concurrency=4), max_pending=2) as served:
        first = threading.Thread(
            target=served.post, args=("/v1/score", {"items": [item(0, "a", "b")]})
        )
        first.start()
        until(lambda: served.service.n_pending == 2, "a busy server")
        with pytest.raises(ServingError, match="answers are pending") as caught:
            fetch_grades(served.url, [row(1)], ["a"], tries=1)
        assert len(fetch_grades(served.url, [row(1)], ["a"])) == 1
        join(first)
    assert (caught.value.status, caught.value.code) == (429, "busy")
    assert waits == [1.0]


def test_the_answers_of_a_group_are_sent_with_their_row_once():
    big = row()
    items = client._items([big, dict(big), big, "p", "p", '{"a": 1}'], list("abcdef"))
    assert items == [
        {"row": big, "answers": ["a", "b", "c"]},
        {"prompt_id": "p", "answers": ["d", "e"]},
        {"row": '{"a": 1}', "answers": ["f"]},
    ]


def test_the_time_is_that_of_all_tries(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 9.0])
    sleeps: list[float] = []
    monkeypatch.setattr(
        client, "time", SimpleNamespace(sleep=sleeps.append, monotonic=lambda: next(clock))
    )
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ServingError, match="ConnectionRefusedError"):
            fetch_grades(
                f"http://127.0.0.1:{nobody.getsockname()[1]}", [row()], ["a"], timeout_s=10.0
            )
    assert sleeps == [1.0]  # two tries of six: at 9 s a wait of two would pass the ten
