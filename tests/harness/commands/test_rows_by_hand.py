"""Rows as people write them, through the commands: texts for criteria, answers in the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.reports.results.reader import read_runs

RUBRIC = "criterion,points\nSays 4,2\nIs rude,-1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rubric.csv").write_text(RUBRIC, encoding="utf-8")
    return tmp_path


def write(folder: Path, name: str, *rows: Any) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def judge(folder: Path, data: Path, *more: Any) -> int:
    words = ["judge", "--data", data, "--judge", "constant", "--store", "none"]
    return main([*map(str, words), "--output_path", str(folder / "out"), *map(str, more)])


def test_a_table_of_answers_and_one_rubric_are_enough(folder, capsys):
    data = folder / "rows.csv"
    data.write_text("question,completion,model\n2+2?,4,a\n3+3?,6,a\n2+2?,5,b\n", encoding="utf-8")
    assert judge(folder, data, "--rubric", folder / "rubric.csv") == 0
    assert "excluded" not in capsys.readouterr().err
    a, b = read_runs([folder / "out"])
    assert (a.model, b.model) == ("a", "b")
    assert [g.answer for g in a.graded] == ["4", "6"] and [g.answer for g in b.graded] == ["5"]
    # the constant judge meets both: 2 - 1 of 2 points
    assert a.stored["score"] == b.stored["score"] == 0.5
    assert {g.example.prompt_id for g in b.graded} < {g.example.prompt_id for g in a.graded}


def test_rows_with_everything_in_them_need_no_ids(folder, capsys):
    row = {"input": "2+2?", "rubric": ["Says 4", "Is short"], "completion": "4"}
    other = {"question": "b?", "rubric": ["Says b"], "response": ["b", None, "c"]}
    data = write(folder, "rows.jsonl", row, other, {**row, "completion": "four"}, row)
    assert judge(folder, data, "--allow-missing", "1") == 0
    [run] = read_runs([folder / "out"])
    said = {(g.example.prompt[0].content, g.repeat): g.answer for g in run.graded}
    assert said == {
        ("2+2?", 0): "4", ("2+2?", 1): "four", ("2+2?", 2): "4",
        ("b?", 0): "b", ("b?", 1): "", ("b?", 2): "c",
    }  # fmt: skip
    err = capsys.readouterr().err
    assert "repeat the prompt and the rubric of an earlier row: 2" in err
    assert "1 of 6 answers are null" in err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"question": "a", "rubric": ["c"], "completion": "x", "answer": "y"}],
            "two fields could be the answer, 'completion' and 'answer'",
        ),
        ([{"question": "a", "rubric": ["c"]}], "has no answer"),
        (
            [
                {
                    "question": "a",
                    "rubric": [{"description": "c", "weight": 1}],
                    "answer": "gold",
                }
            ],
            "'answer' of a row of RaR is its reference answer",
        ),
        ([{"rubric": ["c"], "completion": "x"}], "prompt is missing"),
        ([{"question": "a", "completion": "x"}], "neither 'rubrics'"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_before_a_call(folder, capsys, rows, said):
    assert judge(folder, write(folder, "rows.jsonl", *rows)) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err


def test_another_prompt_under_the_same_id_is_left_out_and_told(folder, capsys):
    row = {"prompt_id": "p", "prompt": "a", "rubric": ["c"], "completion": "x"}
    data = write(folder, "rows.jsonl", row, {**row, "prompt": "b"})
    assert judge(folder, data) == 0
    assert "row 2: the same prompt_id as row 1 with another prompt" in capsys.readouterr().err


def test_answers_without_ids_are_joined_to_the_rows_by_their_question(folder, capsys):
    data = write(folder, "rows.jsonl", {"question": "a", "rubric": ["c"]})
    said = write(folder, "said.jsonl", {"question": "a", "completion": "x"})
    assert judge(folder, data, "--responses", said) == 0
    assert "1 of 1" in capsys.readouterr().out


def test_every_command_that_reads_rows_takes_one_rubric(folder, capsys):
    data, rubric = write(folder, "rows.jsonl", {"prompt_id": "p", "input": "a"}), "rubric.csv"
    rubric = str(folder / rubric)
    assert main(["lint", str(data), "--rubric", rubric]) == 0
    assert "1 rubrics, 2 criteria" in capsys.readouterr().out
    plan = ["plan", "--data", str(data), "--rubric", rubric, "--judge", "constant", "--json"]
    assert main(plan) == 0
    assert capsys.readouterr().out
    verdicts = write(
        folder, "v.jsonl", {"prompt_id": "p", "completion": "x", "criteria_met": [True, False]}
    )
    out = ["--output_path", str(folder / "imported")]
    assert main(["import", str(verdicts), "--data", str(data), "--rubric", rubric, *out]) == 0
    assert read_runs([folder / "imported"])[0].stored["score"] == 1.0
    asked = ["run", "--tasks", "rubric_judge", "--data", str(data), "--rubric", rubric]
    asked += ["--model", "baseline:constant", "--judge", "constant"]
    assert main([*asked, "--output_path", str(folder / "run")]) == 0
    [run] = read_runs([folder / "run"])
    assert run.stored["score"] == 0.5 and run.facts.data["rubric"]["path"] == "rubric.csv"


def test_recorded_verdicts_beside_prompt_and_rubric_need_no_other_file(folder, capsys):
    rubric = ["Says 4", {"criterion": "Is short", "points": 3}]
    row = {"question": "2+2?", "rubric": rubric, "model": "m"}
    data = write(
        folder,
        "v.jsonl",
        {**row, "completion": "4", "criteria_met": [True, True]},
        {**row, "completion": "four", "criteria_met": [True, False]},
    )
    out = ["--output_path", str(folder / "imported")]
    for more in ([], ["--data", str(data)]):
        assert main(["import", str(data), *more, *out]) == 0
        run = read_runs([folder / "imported"])[0]
        # 4 of 4 points, and 1 of 4
        assert (run.model, run.stored["score"]) == ("m", (1 + 0.25) / 2)
        assert [g.repeat for g in run.graded] == [0, 1]
    capsys.readouterr()
    bare = {"question": "2+2?", "completion": "4", "criteria_met": [True, False]}
    assert main(["import", str(write(folder, "w.jsonl", bare)), *out]) == 2
    assert "add --data ROWS" in capsys.readouterr().err
    rubric = ["--rubric", str(folder / "rubric.csv")]
    assert main(["import", str(folder / "w.jsonl"), *rubric, *out]) == 0
    clash = {**bare, "prompt_id": "p", "rubric": ["c"], "criteria_met": [True]}
    both = write(folder, "x.jsonl", clash, {**clash, "question": "b"})
    assert main(["import", str(both), "-o", str(folder / "x")]) == 0
    assert "row 2: prompt_id p: another prompt or rubric" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["# My rubric", "[-4] Names a dose", "- (+3) Is short", "-2 Is long", "Is short [1 pt]"]
)
def test_points_and_headings_in_a_text_are_refused_and_never_read_as_words(folder, capsys, line):
    data = write(folder, "rows.jsonl", {"prompt_id": "p", "input": "a", "answer": "b"})
    (folder / "rubric.txt").write_text(f"Says 4 (2024)\n1. Is right\n{line}\n", encoding="utf-8")
    assert judge(folder, data, "--rubric", folder / "rubric.txt") == 2
    said = capsys.readouterr().err
    assert "rubric.txt: line 3" in said and "criterion,points" in said


def test_studies_audits_and_exports_take_one_rubric_for_the_rows_of_recorded_verdicts(
    folder, capsys
):
    data = write(folder, "rows.jsonl", {"prompt_id": "p", "input": "2+2?"})
    said = [
        {"question": "2+2?", "completion": text, "criteria_met": met}
        for text, met in (("4", [True, False]), ("5, fool", [False, True]))
    ]
    verdicts = write(folder, "v.jsonl", *said)
    rows = ["--data", str(data), "--rubric", str(folder / "rubric.csv")]

    def printed(*words: str) -> dict[str, Any]:
        assert main([*words, *rows]) == 0
        return json.loads(capsys.readouterr().out)

    # scores 1 and -1/2 of 2 points
    study = printed("variance", str(verdicts), "--json", "--min_group", "2")
    assert study["rewards"][0]["mean"]["value"] == pytest.approx(0.25)
    audit = printed("audit", "--judge", "constant", "--verdicts", str(verdicts), "--json")
    assert audit["judge"]["asked"] == 4
    assert audit["labels"]["rubric"]["path"] == "rubric.csv"
    pair = printed("export", str(verdicts), "--format", "dpo", "--margin", "0.1")
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("4", "5, fool")
    assert main(["export", str(data), *rows[2:], "--format", "autorubric"]) == 0
    assert "Is rude" in capsys.readouterr().out
    for words in (["variance", str(verdicts)], ["audit", "--judge", "constant", "--labels", "x"]):
        assert main([*words, *rows[2:]]) == 2
        assert "--rubric FILE is the rubric of the rows of --data" in capsys.readouterr().err
