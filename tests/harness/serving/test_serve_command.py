"""`rubricbeat serve` as a process: its flags, its token, its signals, its exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine_kit import count
from loopback import Loopback
from serving_kit import TOKEN, row
from waiting import HANG_S, join, until

from rubricbeat.harness.serving.client import ServingError, fetch_grades, post

BASE = [sys.executable, "-m", "rubricbeat", "serve"]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "RUBRICBEAT_TOKEN"}
    return {**kept, "RUBRICBEAT_STORE": str(tmp_path / "v.sqlite"), "OPENAI_API_KEY": "x", **more}


@contextmanager
def serving(
    tmp_path: Path, *words: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; give it with the address that it says."""
    process = subprocess.Popen(
        [*BASE, "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path, **(env or {})),
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, process.communicate()
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def chat(judge: Loopback, *more: str) -> list[str]:
    args = ",".join([f"model=fake,base_url={judge.url},max_concurrency=2", *more])
    return ["--judge", "chat", "--judge_args", args]


def refused(tmp_path: Path, *words: str, **env: str) -> str:
    done = subprocess.run(
        [*BASE, "--port", "0", *words],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        env=environment(tmp_path, **env),
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_calls_in_flight_end_and_keeps_them(tmp_path, which):
    replies: list[tuple[int, Any]] = []
    body = {"items": [{"row": row(), "answers": ["a", "b"]}]}
    with Loopback() as judge:
        judge.hold_after(1)
        with serving(tmp_path, *chat(judge)) as (process, url):
            client = threading.Thread(
                target=lambda: replies.append(post(url, "/v1/score", body, tries=1))
            )
            client.start()
            until(lambda: judge.n_held == 2, "two calls in flight", process)
            process.send_signal(which)
            assert "SIG" in process.stderr.readline()
            with pytest.raises(ServingError, match="stopping"):
                fetch_grades(url, [row(1)], ["c"], tries=1)
            until(lambda: stopped(url), "a stop that the engine has taken up", process)
            judge.release()
            join(client)
            _, said = process.communicate(timeout=HANG_S)
        n_asked = judge.n_requests
    assert process.returncode == 0, said
    [(status, reply)] = replies
    met = [v["met"] for one in reply["items"][0]["answers"] for v in one["verdicts"]]
    # one is answered before the two that are held; the other three are never asked
    assert (status, met.count(None)) == (503, 3)
    assert n_asked == count(tmp_path / "v.sqlite") == 3
    assert "6 criteria asked (3 " in said


def stopped(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/v1/stats", timeout=HANG_S) as reply:
        return json.load(reply)["judge"]["stopped"]


def test_a_second_signal_ends_at_once(tmp_path):
    with Loopback() as judge:
        judge.hold_after(1)
        with serving(tmp_path, *chat(judge)) as (process, url):
            client = threading.Thread(target=lambda: _fails(url))
            client.start()
            until(lambda: judge.n_held == 2, "two calls in flight", process)
            process.send_signal(signal.SIGTERM)
            process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=HANG_S)
            judge.release()
            join(client)
    assert process.returncode == 130
    assert count(tmp_path / "v.sqlite") == 1


def _fails(url: str) -> None:
    with pytest.raises(ServingError):
        fetch_grades(url, [row()], ["a"], tries=1)


def test_nothing_is_asked_twice_over_a_restart(tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps(row(3)) + "\n", encoding="utf-8")
    with Loopback() as judge:
        for _ in range(2):
            with serving(tmp_path, *chat(judge), "--data", str(data)) as (process, url):
                [one] = fetch_grades(url, ["made-up-3"], ["a"])
                process.terminate()
                process.communicate(timeout=HANG_S)
            assert process.returncode == 0
            assert one["missing"] == 0
        assert judge.n_requests == 3


def test_the_token_comes_from_the_environment_or_a_file_and_is_said_nowhere(tmp_path):
    held = tmp_path / "token"
    held.write_text(TOKEN + "\n", encoding="utf-8")
    ways: list[tuple[list[str], dict[str, str]]] = [
        ([], {"RUBRICBEAT_TOKEN": TOKEN}),
        (["--token-file", str(held)], {"RUBRICBEAT_TOKEN": "another-token-altogether"}),
    ]
    for words, env in ways:
        with serving(tmp_path, "--judge", "constant", "--host", "0.0.0.0", *words, env=env) as (
            process,
            url,
        ):
            here = url.replace("0.0.0.0", "127.0.0.1")
            with pytest.raises(ServingError, match="token") as caught:
                fetch_grades(here, [row()], ["a"], token="a-wrong-token-here")
            assert len(fetch_grades(here, [row()], ["a"], token=TOKEN)) == 1
            process.terminate()
            out, said = process.communicate(timeout=HANG_S)
        assert caught.value.status == 401
        assert TOKEN not in out + said


def test_what_cannot_work_is_refused_in_one_line(tmp_path):
    keyword = ("--judge", "keyword")
    empty = tmp_path / "empty"
    empty.write_text("\n", encoding="utf-8")
    assert "reachable from other machines" in refused(tmp_path, *keyword, "--host", "0.0.0.0")
    assert "reachable from other machines" in refused(tmp_path, *keyword, "--host", "::")
    assert "shorter than 16" in refused(tmp_path, *keyword, RUBRICBEAT_TOKEN="short")
    assert "is empty" in refused(tmp_path, *keyword, "--token-file", str(empty))
    assert "cannot be read" in refused(tmp_path, *keyword, "--token-file", str(tmp_path / "no"))
    assert "--port 70000" in refused(tmp_path, *keyword, "--port", "70000")
    assert "above 0" in refused(tmp_path, *keyword, "--max-answers", "0")
    assert "above 0" in refused(tmp_path, *keyword, "--max-body-mb", "nan")
    assert "finite" in refused(tmp_path, *keyword, "--max-body-mb", "inf")
    assert "unknown reward" in refused(tmp_path, *keyword, "--rewards", "hybird")
    assert "gives no ratings" in refused(
        tmp_path, "--judge", "constant", "--rewards", "rar_implicit"
    )
    soft = ("--rewards", "healthbench,soft(of=healthbench)")
    assert "needs P(met)" in refused(tmp_path, *keyword, *soft)
    model = ("--judge", "chat", "--judge_args", "model=m,base_url=http://127.0.0.1:9")
    assert "logprobs=true" in refused(tmp_path, *model, *soft, OPENAI_API_KEY="x")
    assert "unknown judge" in refused(tmp_path, "--judge", "keywrod")
    assert "rows.jsonl" in refused(tmp_path, *keyword, "--data", str(tmp_path / "rows.jsonl"))
    assert "reachable from other" in refused(tmp_path, *keyword, "--host", "127.0.0.1.example.org")
    elsewhere = (*keyword, "--host", "192.0.2.1")  # of documentation: no machine has it
    assert "cannot listen" in refused(tmp_path, *elsewhere, RUBRICBEAT_TOKEN=TOKEN)


def test_a_port_in_use_is_said(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert "name another --port" in refused(tmp_path, "--judge", "keyword", "--port", port)
