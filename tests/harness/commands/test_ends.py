"""How a run ends that cannot go on: what was paid for is kept, results written, words said."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from loopback import Loopback, Seen, faults
from waiting import HANG_S, until

from rubricbeat.harness.cli import main
from rubricbeat.judges import files
from rubricbeat.judges import grader as grading
from rubricbeat.judges.engine import writer as store_writer
from rubricbeat.judges.errors import StoreError
from rubricbeat.judges.store.sqlite import VerdictStore
from rubricbeat.reports.results.reader import read_runs

N_ANSWERS, N_CRITERIA = 10, 3


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    rows, answers = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    rubric = [{"criterion": f"Says {j}", "points": 1} for j in range(N_CRITERIA)]
    ids = [f"p{i}" for i in range(N_ANSWERS)]
    rows.write_text(
        "\n".join(json.dumps({"prompt_id": i, "prompt": i, "rubric": rubric}) for i in ids),
        encoding="utf-8",
    )
    answers.write_text(
        "\n".join(json.dumps({"prompt_id": i, "completion": f"To {i}."}) for i in ids),
        encoding="utf-8",
    )
    return ["judge", "--data", str(rows), "--responses", str(answers), "--judge", "chat"]


def options(server: Loopback, tmp_path: Path) -> list[str]:
    store = f"store={tmp_path / 'v.sqlite'}"
    args = f"model=m,base_url={server.url},max_concurrency=4,backoff_s=0.001,{store}"
    return ["--judge_args", args, "--output_path", str(tmp_path / "out"), "--model", "t"]


def said_so(stream: IO[str], what: str) -> Iterator[str]:
    for line in stream:
        yield line
        if what in line:
            return


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_what_is_in_flight_end_and_keeps_it(
    words: list[str], tmp_path: Path, how: signal.Signals
) -> None:
    with Loopback() as server:
        server.hold_after(6)
        with subprocess.Popen(
            [sys.executable, "-m", "rubricbeat", *words, *options(server, tmp_path)],
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stderr is not None
            until(lambda: server.n_held == 4, "four calls in flight", run)
            run.send_signal(how)
            assert "4 calls are in flight" in "".join(said_so(run.stderr, "in flight"))
            server.release()
            assert run.wait(HANG_S) == 130
        assert server.n_requests == 10
        # the same again pays for the other twenty, and for none of the ten
        assert main([*words, *options(server, tmp_path)]) == 0
        assert server.n_requests == N_ANSWERS * N_CRITERIA


def test_a_second_interrupt_ends_at_once(words: list[str], tmp_path: Path) -> None:
    with Loopback() as server:
        server.hold_after(6)
        with subprocess.Popen(
            [sys.executable, "-m", "rubricbeat", *words, *options(server, tmp_path)],
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stderr is not None
            until(lambda: server.n_held == 4, "four calls in flight", run)
            run.send_signal(signal.SIGINT)
            list(said_so(run.stderr, "in flight"))
            run.send_signal(signal.SIGINT)
            assert run.wait(HANG_S) == 130  # although nothing was ever released
        server.release()


def test_a_store_that_fails_midway_leaves_results_of_what_was_graded(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(grading, "_CHUNK", 2)
    monkeypatch.setattr(store_writer, "FLUSH_ROWS", 1)  # a transaction a verdict, on any machine
    n_written = [0]
    write = VerdictStore.write

    def fills_up(self: VerdictStore, records: object) -> object:
        n_written[0] += 1
        if n_written[0] > 15:  # two parts of six verdicts, which are asked together, are over
            raise StoreError("verdict store: the disk is full; what was committed is kept")
        return write(self, records)  # type: ignore[arg-type]

    monkeypatch.setattr(VerdictStore, "write", fills_up)
    with Loopback() as server:
        one_by_one = [
            word.replace("max_concurrency=4", "max_concurrency=1")
            for word in options(server, tmp_path)
        ]
        assert main([*words, *one_by_one]) == 1
    said = capsys.readouterr().err
    assert "the disk is full" in said and "Traceback" not in said
    [run] = read_runs([tmp_path / "out"])
    verdicts = [verdict for graded in run.graded for verdict in graded.verdicts]
    assert len(verdicts) == N_ANSWERS * N_CRITERIA
    assert 0 < sum(verdict.met is not None for verdict in verdicts) < len(verdicts)


def test_a_store_that_fails_from_the_start_loses_nothing_that_was_paid_for(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def is_full(self: VerdictStore, records: object) -> object:
        raise StoreError("verdict store: the disk is full")

    monkeypatch.setattr(VerdictStore, "write", is_full)
    with Loopback() as server:
        assert main([*words, *options(server, tmp_path)]) == 1
        n_paid = server.n_requests
    assert n_paid > 0 and "the disk is full" in capsys.readouterr().err
    [run] = read_runs([tmp_path / "out"])
    verdicts = [verdict for graded in run.graded for verdict in graded.verdicts]
    assert len(verdicts) == N_ANSWERS * N_CRITERIA
    assert sum(verdict.met is not None for verdict in verdicts) == n_paid


@pytest.mark.parametrize("change", ["cut", "grown", "other words"])
def test_answers_that_change_while_they_are_judged_are_said(
    words: list[str], tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = Path(words[4])
    before = answers.read_text("utf-8")
    after = {
        "cut": before[:-60],
        "grown": before + "\n" + json.dumps({"prompt_id": "p0", "completion": "More."}),
        "other words": before.replace("To", "Go"),
    }
    with Loopback() as server:

        def script(seen: Seen) -> None:
            if seen.number == 5:
                answers.write_text(after[change], encoding="utf-8")
                os.utime(answers, ns=(1, 1))

        server.script = script
        assert main([*words, *options(server, tmp_path)]) == 1
        assert "changed while its answers were judged" in capsys.readouterr().err
        assert len(read_runs([tmp_path / "out"])) == 1
        assert main([*words, *options(server, tmp_path)]) == 0


def test_a_results_folder_that_is_removed_meanwhile_is_made_anew(
    words: list[str], tmp_path: Path
) -> None:
    with Loopback() as server:

        def script(seen: Seen) -> None:
            if seen.number == 5:
                shutil.rmtree(tmp_path / "out")

        server.script = script
        assert main([*words, *options(server, tmp_path)]) == 0
        assert len(read_runs([tmp_path / "out"])) == 1


def test_a_disk_without_room_is_known_before_the_first_call(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Usage:
        free = 5_000

    monkeypatch.setattr(files.shutil, "disk_usage", lambda place: Usage)
    with Loopback() as server:
        assert main([*words, *options(server, tmp_path)]) == 2
        assert server.n_requests == 0
    assert "make room" in capsys.readouterr().err


def test_a_judge_of_no_use_ends_with_its_commonest_reply_and_exit_1(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Path(words[2])
    rubric = [{"criterion": f"Says {j}", "points": 1} for j in range(30)]
    rows.write_text(
        "\n".join(
            json.dumps({"prompt_id": f"p{i}", "prompt": "x", "rubric": rubric})
            for i in range(N_ANSWERS)
        ),
        encoding="utf-8",
    )
    with Loopback() as server:
        server.script = faults.always(faults.no_verdict())
        assert main([*words, *options(server, tmp_path)]) == 1
        n_stopped = server.n_requests
        said = capsys.readouterr().err
        assert "none of the first 36 questions got a verdict" in said
        assert main([*words, "--keep-asking", *options(server, tmp_path)]) == 1
        assert n_stopped < 160 < 300 < server.n_requests - n_stopped < 300 * 1.7
    assert os.listdir(tmp_path / "out")
