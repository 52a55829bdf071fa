"""`rubricbeat verdicts` as a user types it."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from engine_kit import CountingJudge, answers

from rubricbeat.harness.cli import main
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.store.locks import FileClaims


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "a.sqlite"
    with Grader(CountingJudge(), RuntimeOptions(store=str(path))) as grader:
        grader.grade(answers(2))
    return str(path)


def test_stats_name_each_judge(store, capsys):
    assert main(["verdicts", "stats", store]) == 0
    said = capsys.readouterr().out
    assert "6 verdicts on 2 answers to 2 examples" in said
    assert "counting counting: 6 verdicts, 67% met" in said


def test_a_date_that_no_calendar_has_is_said(store, capsys):
    with sqlite3.connect(store) as db:
        db.execute("UPDATE verdicts SET created = 1e300")
    db.close()
    assert main(["verdicts", "stats", store]) == 0
    assert "no date" in capsys.readouterr().out


def test_stats_as_json(store, capsys):
    assert main(["verdicts", "stats", store, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdicts"], found["damaged"], found["file_check"]) == (6, 0, "ok")


def test_stats_of_the_users_own_store_by_default(store, capsys, monkeypatch):
    monkeypatch.setenv("RUBRICBEAT_STORE", store)
    assert main(["verdicts", "stats"]) == 0
    assert store in capsys.readouterr().out


def test_export_and_import_through_files_and_pipes(store, tmp_path, capsys, monkeypatch):
    file = tmp_path / "v.jsonl"
    assert main(["verdicts", "export", store, "-o", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert main(["verdicts", "export", store, "--judge", "counting"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == file.read_text(encoding="utf-8").splitlines()
    packed = tmp_path / "v.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert main(["verdicts", "import", str(tmp_path / "b.sqlite"), str(packed)]) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO(file.read_text(encoding="utf-8")))
    assert main(["verdicts", "import", str(tmp_path / "b.sqlite"), "-"]) == 0
    said = capsys.readouterr().out
    assert "6 verdicts added, 0 known already" in said
    assert "0 verdicts added, 6 known already" in said


def test_export_does_not_overwrite(store, tmp_path, capsys):
    file = tmp_path / "v.jsonl"
    file.write_text("mine")
    assert main(["verdicts", "export", store, "-o", str(file)]) == 2
    assert file.read_text() == "mine"
    assert "already exists" in capsys.readouterr().err


def test_merge_and_prune(store, tmp_path, capsys):
    target = str(tmp_path / "all.sqlite")
    assert main(["verdicts", "merge", target, store]) == 0
    assert main(["verdicts", "prune", target, "--judge", "counting", "--dry-run"]) == 0
    assert main(["verdicts", "prune", target, "--judge", "counting"]) == 0
    assert main(["verdicts", "stats", target]) == 0
    said = capsys.readouterr().out
    assert "6 verdicts added" in said
    assert "would take out 6 verdicts" in said
    assert "took out 6 verdicts" in said
    assert ": 0 verdicts on 0 answers" in said


def test_what_killed_workers_of_version_0_1_left_is_merged(tmp_path, capsys):
    """Each had a plain store on its own disk; killed, it leaves the log of SQLite and its lock."""
    left = []
    for number, some in enumerate([answers(5), answers(8)[3:]]):
        path = tmp_path / f"worker{number}.sqlite"
        with Grader(CountingJudge(), RuntimeOptions(store=str(path))) as grader:
            grader.grade(some)
            left.append(tmp_path / "left" / path.name)
            left[-1].parent.mkdir(exist_ok=True)
            for end in ("", "-wal"):  # as on disk at that moment: nothing is closed yet
                shutil.copy(f"{path}{end}", f"{left[-1]}{end}")
            Path(f"{left[-1]}.lock").touch()
    target = str(tmp_path / "all.sqlite")
    for _ in range(2):
        assert main(["verdicts", "merge", target, *map(str, left)]) == 0
    said = capsys.readouterr().out
    # 8 answers of three criteria; two of them were graded by both
    assert "24 verdicts added, 6 known already" in said
    assert "0 verdicts added, 30 known already" in said


def test_an_export_into_a_folder_that_is_not_there_is_one_line(store, tmp_path, capsys):
    out = tmp_path / "nowhere" / "verdicts.jsonl"
    assert main(["verdicts", "export", str(store), "-o", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"rubricbeat: --output {out}: there is no folder {out.parent}\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stats", "nowhere.sqlite"], "there is no verdict store at nowhere.sqlite"),
        (["prune", "nowhere.sqlite"], "prune needs --judge or --older_than"),
        (["import", "x.sqlite", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["merge", "x.sqlite", "nowhere.sqlite"], "there is no verdict store at nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["verdicts", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_damaged_store_is_exit_code_1(store, tmp_path, capsys):
    import sqlite3

    with sqlite3.connect(store) as db:
        db.execute("UPDATE verdicts SET met = 1 - met WHERE rowid = 1")
    db.close()
    assert main(["verdicts", "stats", store]) == 1
    assert "DAMAGED: 1 verdicts" in capsys.readouterr().out
    assert main(["verdicts", "export", store]) == 1
    assert main(["verdicts", "merge", str(tmp_path / "all.sqlite"), store]) == 1
    capsys.readouterr()
    assert main(["verdicts", "check", store]) == 1
    said = capsys.readouterr().out
    assert "6 verdicts, 1 damaged" in said and "--repair moves them out" in said
    assert main(["verdicts", "check", "--repair", store]) == 0
    assert "moved to" in capsys.readouterr().out
    assert main(["verdicts", "check", store]) == 0
    assert main(["verdicts", "export", store]) == 0


def test_an_exported_line_that_was_changed_is_not_taken_in(store, tmp_path, capsys):
    assert main(["verdicts", "export", store]) == 0
    lines = capsys.readouterr().out.splitlines()
    line = json.loads(lines[2])
    line["explanation"] = "other words"
    lines[2] = json.dumps(line)
    file = tmp_path / "v.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert main(["verdicts", "import", str(tmp_path / "new.sqlite"), str(file)]) == 2
    assert "line 3" in (said := capsys.readouterr().err) and "checksum does not match" in said


def test_an_export_that_fails_leaves_no_file(store, tmp_path, capsys):
    with sqlite3.connect(store) as db:
        db.execute("UPDATE verdicts SET met = 1 - met WHERE rowid = 5")
    db.close()
    file = tmp_path / "v.jsonl"
    assert main(["verdicts", "export", store, "-o", str(file)]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if "jsonl" in path.name] == []


@pytest.mark.parametrize("row", ["{", "[]", '{"rubrics": []}'])
def test_a_damaged_example_is_an_error_and_no_traceback(store, capsys, row):
    with sqlite3.connect(store) as db:
        db.execute("UPDATE examples SET row = ?", (row,))
    db.close()
    assert main(["verdicts", "export", store]) == 1
    said = capsys.readouterr().err
    assert "the example of the verdict" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"criterion_index": 99}, "fewer criteria"),
        ({"criterion_index": -1}, "out of range"),
        ({"replicate": 10**30}, "out of range"),
        ({"probability": 2}, r"not in [0, 1]"),
        ({"probability": "nan"}, r"not in [0, 1]"),
        ({"answer": "\ud83d"}, "surrogates"),
        ({"attempts": None}, "int()"),
        ({"example": {"prompt_id": "x"}}, "changed after the export"),
    ],
)
def test_a_line_out_of_bounds_is_named_and_nothing_is_taken(store, tmp_path, capsys, change, why):
    file, target = tmp_path / "v.jsonl", tmp_path / "b.sqlite"
    main(["verdicts", "export", store, "-o", str(file)])
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    lines[1] |= change
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    capsys.readouterr()
    assert main(["verdicts", "import", str(target), str(file)]) == 2
    said = capsys.readouterr().err
    assert f"{file}, line 2: no exported verdict: " in said
    assert why in said
    assert not target.exists()


@pytest.mark.parametrize("days", ["-1", "nan", "inf"])
def test_an_age_that_is_none_prunes_nothing(store, capsys, days):
    assert main(["verdicts", "prune", store, "--older-than", days]) == 2
    assert "number of days" in capsys.readouterr().err


def test_an_address_where_a_file_belongs_says_what_to_do(store, capsys):
    assert main(["verdicts", "merge", store, "postgresql://me@h/team"]) == 2
    assert "pipe" in capsys.readouterr().err


def test_an_address_that_is_none_is_one_line(capsys):
    pytest.importorskip("psycopg")
    assert main(["verdicts", "stats", "postgresql://[::1/x"]) == 2
    said = capsys.readouterr().err
    assert "no address of a server" in said
    assert said.count("\n") == 1


def test_texts_stay_while_somebody_grades_into_the_file(store, capsys):
    claims = FileClaims(Path(store))
    claims.claim([b"a" * 8])
    assert main(["verdicts", "prune", store, "--judge", "counting"]) == 0
    said = capsys.readouterr()
    assert "took out 6 verdicts, 0 failed replies, 0 examples, 0 answers, 0 judges" in said.out
    assert "a process is grading" in said.err
    claims.close()
    assert main(["verdicts", "prune", store, "--older-than", "1"]) == 0
    said = capsys.readouterr()
    assert "took out 0 verdicts, 0 failed replies, 2 examples, 2 answers, 1 judges" in said.out
    assert not said.err
