"""Rare input is one line and an exit code, on the command line itself."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rubricbeat.harness import cli
from rubricbeat.harness.cli import main


def one_line(capsys, words) -> str:
    assert main([str(word) for word in words]) in {1, 2}
    said = capsys.readouterr().err
    assert "bug in rubricbeat" not in said
    assert said.count("\n") == 1
    return said


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.sqlite"


def test_verdicts_cut_off_in_the_middle(tmp_path, store, capsys):
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 100)[:12])
    assert "cut short" in one_line(capsys, ["verdicts", "import", store, path])


def test_links_in_a_circle(tmp_path, store, capsys):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    one_line(capsys, ["verdicts", "merge", store, tmp_path / "loop"])


def test_a_date_that_python_has_not(tmp_path, capsys):
    path = tmp_path / "rows.parquet"
    days = pa.array([2**30], pa.date32())
    pq.write_table(pa.table({"day": days}), path)
    assert "Parquet data is broken" in one_line(capsys, ["lint", path])


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "{prices}"])
def test_the_home_of_nobody(tmp_path, capsys, name):
    rows, answers = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    row = {"prompt_id": "p", "prompt": "q", "rubrics": [{"criterion": "c", "points": 5}]}
    rows.write_text(json.dumps(row))
    answers.write_text(json.dumps({"prompt_id": "p", "completion": "a"}))
    args = name.replace("{prices}", "model=m,base_url=http://127.0.0.1:9/v1,prices=~nobody-here/x")
    one_line(capsys, [
        "judge", "--data", rows, "--responses", answers, "--judge", "chat", "--judge_args", args,
        "--output_path", tmp_path / "out", "--store", "none", "--dry-run",
    ])  # fmt: skip


def test_what_nobody_thought_of_is_one_line_too(monkeypatch, capsys):
    def broken(words):
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(cli, "_dispatch", broken)
    assert main(["score"]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: by zero (--debug shows where)" in said and said.count("\n") == 1
    with pytest.raises(ZeroDivisionError):
        main(["score", "--debug"])
