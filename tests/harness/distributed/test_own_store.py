"""A worker's own file: nothing that came in is lost, whatever happens to the disk or the driver."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from engine_kit import CountingJudge, answers, example
from full_disk import files_up_to

from rubricbeat.harness.distributed.own_store import (
    OwnPlace,
    OwnStore,
    delete_merged,
    present,
    read_page,
)
from rubricbeat.judges.assembly import part_of
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.errors import StoreError
from rubricbeat.judges.grading import open_grader
from rubricbeat.judges.judge import JudgeIdentity
from rubricbeat.judges.records import Record, Subject
from rubricbeat.judges.runtime_options import RuntimeOptions
from rubricbeat.judges.store_rows import Mark, StoreRows
from rubricbeat.judges.verdict import Outcome, Verdict

JUDGE = JudgeIdentity("chat", model="m")


def records(*numbers: int, words: str = "because") -> list[Record]:
    return [
        Record(
            bytes([number]) * 32,
            Subject.of(example(number), f"Answer {number}"),
            0,
            0,
            Verdict.of(number % 2 == 0, explanation=words),
        )
        for number in numbers
    ]


def rows(*numbers: int, words: str = "because") -> StoreRows:
    return StoreRows.of(records(*numbers, words=words), JUDGE, 1_000.0)


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture
def own(tmp_path, faults):
    store = OwnStore(OwnPlace(str(tmp_path / "workers")).new_path(), faults.append)
    yield store
    store.close()


def keys(shipment: StoreRows) -> list[int]:
    return [row[0][0] for row in shipment.verdicts]


def test_a_verdict_is_on_disk_before_it_is_sent_and_is_sent_once(own):
    own.keep(rows(1, 2))
    with sqlite3.connect(own.path) as db:
        assert db.execute("SELECT count(*) FROM verdicts").fetchone() == (2,)
    own.keep(rows(3))
    assert keys(own.take()) == [1, 2, 3]
    assert not own.take()
    assert own.n_sent == 1


def test_what_the_driver_knew_is_found_and_not_sent_back(own):
    own.keep(rows(4), is_known=True)
    assert own.lookup([b"\x04" * 32, b"\x05" * 32])[b"\x04" * 32].met is True
    assert not own.take()


def test_the_file_goes_when_every_shipment_is_merged_and_not_before(own):
    own.keep(rows(1))
    own.take()
    own.keep(rows(2))
    assert not own.forget(1)  # one is not sent yet
    own.take()
    assert not own.forget(1)  # one is not merged yet
    assert own.path.is_file()
    assert own.forget(2)
    assert list(own.path.parent.iterdir()) == []


def test_a_full_disk_stops_the_asking_and_loses_nothing(own, faults):
    own.keep(rows(1))
    with files_up_to(own.path.stat().st_size):
        own.keep(rows(*range(2, 60), words="x" * 4_000))
        own.keep(rows(60))
        own.keep(rows(61), is_known=True)
    assert len(faults) == 1
    assert str(own.path) in faults[0]
    assert own.fault == faults[0]
    assert keys(own.take()) == list(range(1, 61))
    found = own.lookup([bytes([n]) * 32 for n in (1, 59, 60, 61)])
    assert len(found) == 4


def test_a_file_system_without_room_is_a_full_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        said: list[str] = []
        own = OwnStore(folder / "v.sqlite", said.append)
        for number in range(100):
            own.keep(rows(number, words="x" * 10_000))
        assert len(said) == 1
        assert "the disk is full" in said[0]
        assert keys(own.take()) == list(range(100))
        assert len(own.lookup([bytes([n]) * 32 for n in range(100)])) == 100
        assert own.forget(1)
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_grader_with_a_full_disk_ends_its_calls_and_keeps_what_they_say(tmp_path):
    judge = CountingJudge()
    grader = open_grader(judge)
    own = OwnStore(tmp_path / "v.sqlite", grader.stop)
    grader.store_of = own.opened
    some = answers(30, n_criteria=4)
    size = own.path.stat().st_size + 20_000
    with files_up_to(size):
        graded = [grader.grade([one], progress=False)[0] for one in some]
    grader.close()
    outcomes = [verdict.outcome for one in graded for verdict in one.verdicts]
    n_given = sum(judge.asked.values())
    assert 0 < n_given < 120
    assert outcomes.count(Outcome.SKIPPED) == 120 - n_given
    assert len(own.take().verdicts) == n_given
    assert own.fault is not None
    assert own.fault == grader.stopped
    own.close()


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot open"):
        OwnStore(tmp_path / "file" / "v.sqlite", print)


def test_a_file_that_cannot_be_begun_leaves_nothing_behind(tmp_path):
    with files_up_to(1_000), pytest.raises(StoreError):
        OwnStore(tmp_path / "v.sqlite", print)
    assert list(tmp_path.iterdir()) == []


def test_only_verdicts_that_are_paid_for_are_kept(own):
    options = RuntimeOptions()
    free = part_of(ScriptedJudge(True), options)
    assert own.opened(free, options) is None


def test_a_file_is_read_in_pages_to_its_end(own, monkeypatch):
    monkeypatch.setattr("rubricbeat.harness.distributed.own_store.PAGE_ROWS", 2)
    own.keep(rows(1, 2, 3))
    mute = Verdict(Outcome.UNPARSEABLE, explanation="none", reply="Hm.")
    failed = [Record(b"f" * 32, Subject.of(example(9), "x"), 0, 0, mute)]
    own.keep(StoreRows.of(failed, JUDGE, 5.0))
    first, mark = read_page(str(own.path), Mark())
    assert (keys(first), len(first.failed), len(first.judges)) == ([1, 2], 1, 1)
    assert {row[1] for row in first.examples} == {"made-up-1", "made-up-2", "made-up-9"}
    second, mark = read_page(str(own.path), mark)
    assert keys(second) == [3]
    assert not read_page(str(own.path), mark)[0]


def test_a_file_whose_worker_lives_is_read_and_stays(tmp_path):
    own = OwnStore(tmp_path / "v.sqlite", print)
    own.keep(rows(1))
    path = str(own.path)
    assert present([path, str(tmp_path / "other")]) == [path]
    _, mark = read_page(path, Mark())
    # by another process, as a driver's task would
    code = (
        "import sys; from rubricbeat.harness.distributed.own_store import delete_merged, Mark; "
        "print(delete_merged(sys.argv[1], Mark(int(sys.argv[2]))))"
    )

    def deletes(n: int) -> str:
        words = [sys.executable, "-c", code, path, str(n)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    assert deletes(mark.verdicts) == "False"
    own.close()
    assert deletes(0) == "False"  # not read to its end
    assert deletes(mark.verdicts) == "True"
    assert list(tmp_path.iterdir()) == []
    assert delete_merged(path, mark)  # gone is gone


def test_the_folder_is_the_nodes_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RUBRICBEAT_STORE", raising=False)
    assert OwnPlace().folder() == tmp_path / "rubricbeat" / "workers"
    assert OwnPlace("~/mine").folder() == Path.home() / "mine"
