"""A store that an earlier version filled: every verdict stays, whatever happens on the way."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from engine_kit import CountingJudge, answers, example, outcomes
from full_disk import files_up_to
from waiting import HANG_S

from rubricbeat.harness.cli import main
from rubricbeat.harness.inputs import read_store
from rubricbeat.judges.engine.work_items import material_of
from rubricbeat.judges.errors import StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.judge import Question, identity_of, rating_identity
from rubricbeat.judges.judge_options import build_judge
from rubricbeat.judges.store import sqlite_file
from rubricbeat.judges.store.importing import import_lines
from rubricbeat.judges.store.keys import verdict_key
from rubricbeat.judges.store.sqlite import VerdictStore
from rubricbeat.judges.store.transfer import export_lines, merge, stats
from rubricbeat.judges.store.upkeep import check_store, prune

BEFORE = (Path(__file__).parent / "store_before.sql").read_text(encoding="utf-8")
"""Written by the program of layout 2: 18 verdicts (two replicates on three answers, and two
ratings) and two replies without one."""
N_VERDICTS = 18
EXPORTED_BEFORE = "cb54e3a4a0421e03d0833ebd89f04b59d69a4b4873accb7eb77432f3e26e55cb"
"""SHA-256 of what that program exported of it."""
OLD_COLUMNS = (
    "rowid, key, judge, example, criterion, answer, replicate, met, probability, explanation, "
    "prompt_tokens, cached_tokens, completion_tokens, latency_s, attempts, created, crc"
)


class JudgeBefore(CountingJudge):
    """The judge that filled it."""

    def __init__(self) -> None:
        super().__init__(model="before")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(BEFORE)
        db.execute("PRAGMA journal_mode = WAL")
    db.close()
    return path


def layout(path: Path) -> int:
    with sqlite3.connect(path) as db:
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
    db.close()
    return found


def rows(path: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as db:
        found = db.execute(f"SELECT {OLD_COLUMNS} FROM verdicts ORDER BY rowid").fetchall()
        found += db.execute("SELECT * FROM failed_replies ORDER BY rowid").fetchall()
    db.close()
    return found


def test_every_verdict_keeps_its_key_its_words_and_its_checksum(old):
    before = rows(old)
    VerdictStore(old).close()
    assert layout(old) == 3
    assert rows(old) == before
    assert len(before) == N_VERDICTS + 2
    found = check_store(old)
    assert (found.n_verdicts, found.damaged, found.file_check) == (N_VERDICTS, (), "ok")


def test_what_was_paid_for_before_is_not_asked_again(old):
    judge = JudgeBefore()
    with Grader(judge, RuntimeOptions(store=str(old), replicates=2)) as grader:
        graded = grader.grade(answers(3))
    assert outcomes(graded) == [["met", "not_met", "met"]] * 3
    # the one question that got no verdict then, in both replicates
    assert sorted(judge.asked) == [
        ("made-up-2", "Answer 2: drink less coffee.", 1, 0),
        ("made-up-2", "Answer 2: drink less coffee.", 1, 1),
    ]


def test_looking_into_it_leaves_it_to_the_older_program(old, tmp_path, capsys):
    before = rows(old)
    assert stats(old)["verdicts"] == N_VERDICTS
    assert len(list(export_lines(old))) == N_VERDICTS
    assert check_store(old).is_sound
    assert len(read_store(old)) == 3
    to_parquet = ["--format", "parquet", "--output", str(tmp_path / "p")]
    assert main(["verdicts", "export", str(old), *to_parquet]) == 0
    assert merge(tmp_path / "all.sqlite", [old]).n_added == N_VERDICTS
    assert prune(old, older_than_days=0, dry_run=True)["verdicts"] == N_VERDICTS
    assert layout(old) == 2
    assert rows(old) == before
    prune(old, older_than_days=0)
    assert layout(old) == 3
    capsys.readouterr()


def test_a_store_of_this_layout_is_one_clear_line_to_a_program_of_the_one_before(old, monkeypatch):
    VerdictStore(old).close()
    monkeypatch.setattr(sqlite_file, "SCHEMA_VERSION", 2)
    with pytest.raises(StoreError) as caught:
        VerdictStore(old)
    assert str(caught.value) == (
        f"verdict store {old} has layout 3, this rubricbeat knows up to 2; upgrade rubricbeat, or "
        "name another file with store=PATH"
    )


def test_damage_of_before_stays_damage_and_everything_else_moves(old):
    with sqlite3.connect(old) as db:
        db.execute("UPDATE verdicts SET met = 1 - met WHERE rowid = 4")
        key = db.execute("SELECT key FROM verdicts WHERE rowid = 4").fetchone()[0]
    db.close()
    VerdictStore(old).close()
    assert check_store(old).damaged == (key,)
    assert len(rows(old)) == N_VERDICTS + 2


def test_a_row_that_changes_on_the_way_takes_everything_back(old, monkeypatch):
    before = rows(old)
    made = sqlite_file._make

    def spoil(connection, tables):
        made(connection, tables)
        connection.execute(
            "CREATE TEMP TRIGGER spoil AFTER INSERT ON verdicts WHEN new.rowid = 3 "
            "BEGIN UPDATE verdicts SET explanation = 'x' WHERE rowid = 3; END"
        )

    monkeypatch.setattr(sqlite_file, "_make", spoil)
    with pytest.raises(StoreError, match="could not be upgraded to layout 3; it is as it was"):
        VerdictStore(old)
    assert (layout(old), rows(old)) == (2, before)


KILLED = """
import os, signal, sys
from pathlib import Path
from rubricbeat.judges.store import sqlite_file

connect, n_left = sqlite_file.connect, int(sys.argv[2])

def connect_and_count(path):
    connection = connect(path)
    def step(statement):
        global n_left
        n_left -= 1
        if n_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    connection.set_trace_callback(step)
    return connection

sqlite_file.connect = connect_and_count
sqlite_file.open_store_file(Path(sys.argv[1])).close()
"""


def test_killed_at_any_statement_nothing_is_lost(old):
    before = rows(old)
    n_killed = 0
    for n_statements in range(100):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(old), str(n_statements)],
            check=False,
            timeout=HANG_S,
        )
        assert rows(old) == before, n_statements
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        n_killed += 1
    assert n_killed >= 8
    assert layout(old) == 3
    assert check_store(old).is_sound


@pytest.mark.parametrize("n_bytes", [5_000, 20_000])
def test_a_disk_that_is_full_on_the_way_leaves_it_as_it_was(old, n_bytes):
    before = rows(old)
    with files_up_to(n_bytes), pytest.raises(StoreError, match=r"disk I/O error|disk is full"):
        VerdictStore(old)
    assert (layout(old), rows(old)) == (2, before)
    VerdictStore(old).close()
    assert (layout(old), rows(old)) == (3, before)


KEYS = {
    ("healthbench", False): "241f4a7a08780b50",
    ("healthbench", True): "83f9d6b938653523",
    ("prefix", False): "376c8c8cec1edb3e",
    ("grouped", False): "1c01511b5fd5cbc5",
    ("grouped", True): "960c8a854b9f10b9",
}
"""How the keys of version 0.1 begin, by the shape of `chat` and whether it is asked to rate."""


@pytest.mark.parametrize(("shape", "is_rating"), KEYS)
def test_a_plain_question_to_chat_has_the_key_it_always_had(monkeypatch, shape, is_rating):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    judge = build_judge({"name": "chat", "model": "m", "shape": shape}, 0)
    identity = rating_identity(judge) if is_rating else identity_of(judge)
    question = Question(example(3), "Rest.", 0 if is_rating else 1, 0, is_rating)
    key = verdict_key(identity, material_of(judge, question), 0)
    assert key.hex()[:16] == KEYS[shape, is_rating]


STARTED = """
import sys
from pathlib import Path
from rubricbeat.judges.store import sqlite_file

layout_of = sqlite_file.layout_of
looks = []

def look_and_wait(connection, path):
    version = layout_of(connection, path)
    if not looks:
        looks.append(version)
        print(version, flush=True)
        sys.stdin.readline()  # every process has seen the old layout before one goes on
    return version

sqlite_file.layout_of = look_and_wait
sqlite_file.open_store_file(Path(sys.argv[1])).close()
"""


def test_of_processes_that_migrate_at_once_one_does_and_the_others_go_on(old):
    before = rows(old)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(STARTED), str(old)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    seen = [each.stdout.readline().strip() for each in started if each.stdout]
    assert seen == ["2"] * 3
    for each in started:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    for each in started:
        _, errors = each.communicate(timeout=HANG_S)
        assert (each.returncode, errors) == (0, "")
    assert (layout(old), rows(old)) == (3, before)


def test_exports_of_both_layouts_go_into_each_other(old, tmp_path):
    from_old = list(export_lines(old))
    VerdictStore(old).close()
    assert list(export_lines(old)) == from_old
    assert import_lines(tmp_path / "new.sqlite", from_old, where="old").n_added == N_VERDICTS
    assert import_lines(old, from_old, where="old").n_known == N_VERDICTS
    text = "".join(f"{line}\n" for line in from_old)
    assert hashlib.sha256(text.encode()).hexdigest() == EXPORTED_BEFORE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_old_store_that_cannot_be_written_can_be_looked_into(old):
    old.chmod(0o400)
    assert stats(old)["verdicts"] == N_VERDICTS
