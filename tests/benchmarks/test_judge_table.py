"""The table of judges on made-up verdicts: every row there, and the sample the same for all."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from made_up_labels import labelled_answers

from rubricbeat.judges.data.examples import example_to_row

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "judge_table.py"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    labelled = labelled_answers()
    rows = {item.example.prompt_id: example_to_row(item.example) for item in labelled}
    verdicts = [
        {
            "prompt_id": item.example.prompt_id,
            "run": f"r{n}",
            "completion": item.text,
            "criteria_met": [labels[0].met for labels in item.labels],
        }
        for n, item in enumerate(labelled)
    ]
    for name, lines in (("rows", rows.values()), ("judged", verdicts)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    where = ["--verdicts", str(tmp_path / "judged.jsonl"), "--data", str(tmp_path / "rows.jsonl")]
    return [*where, "--work", str(tmp_path / "work"), "--encoder", "none", "--head", "linear"]


def test_one_command_makes_the_table_and_a_judge_is_one_more_row(files, capsys, monkeypatch):
    words = ["--held-out", "8", "--sample", "6"]
    judges = ["--judge", "constant met=true", "--judge", "constant met=false@3"]
    monkeypatch.setattr(sys, "argv", ["judge_table.py", *files, *words, *judges])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    out = capsys.readouterr().out
    small, sample, whole = out.removeprefix("**On ").split("\n**On ")
    assert small.startswith("two answers to each of 3 held-out prompts**")
    assert sample.startswith("two answers to each of 6 held-out prompts**")
    assert whole.startswith("all answers to 8 held-out prompts**")
    for part in (whole, sample, small):
        names = [line.split(" | ")[0] for line in part.splitlines() if line.startswith("| ")]
        for name in ("fitted, `linear`", "keyword", "majority", "no_look", "length", "overlap"):
            assert f"| {name}" in names
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in sample.splitlines()}
    assert rows["| `constant met=true`"][3] == "0.500"
    assert "| `constant met=false`" in [line.split(" | ")[0] for line in small.splitlines()]
    # 6 prompts, two answers each, as many criteria as the rows say
    n_criteria = rows["| majority"][0]
    assert rows["| `constant met=true`"][0] == n_criteria
    f1 = float(rows["| fitted, `linear`"][1].split(" ")[0])
    assert f1 > float(rows["| majority"][1].split(" ")[0])
