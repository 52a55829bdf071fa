"""Recorded verdicts, whatever stands in their rows."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.harness.results.recheck import check_items
from rubricbeat.harness.results.writer import GradedRun, write_run
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.data.recorded import group_runs, read_recorded
from rubricbeat.judges.errors import DataError
from rubricbeat.reports.results.reader import read_runs

EXAMPLE = example_from_row(
    {
        "prompt_id": "a",
        "prompt": "Why?",
        "rubric": [{"criterion": "c", "points": 2}, {"criterion": "d", "points": -1}],
    }
)
FLAT = {
    "prompt_id": "a",
    "completion": "Because.",
    "criteria_met": [True, False],
    "explanation": ["x", "y"],
    "model": "m",
    "system": "s",
    "run": "r",
    "grader": "g",
    "seed": 1,
    "score": 1.0,
    "repeat": 0,
}
CONVERSATION = {
    "prompt_id": "a",
    "conversations": [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "Because."},
    ],
    "rubrics": [
        {"criteria": "c", "points": 2, "criteria_met": True, "explanation": "x"},
        {"criteria": "d", "points": -1, "criteria_met": False, "explanation": "y"},
    ],
    "total": 2,
}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([FLAT, CONVERSATION]), json_values, st.data())
def test_any_value_in_any_field_is_imported_or_refused_by_name(
    valid: dict[str, Any], value: Any, data: st.DataObject
) -> None:
    row = json.loads(json.dumps(valid))
    target: Any = row
    key = data.draw(st.sampled_from(sorted(row)))
    while isinstance(target[key], dict | list) and data.draw(st.booleans()):
        target = target[key]
        keys = sorted(target) if isinstance(target, dict) else range(len(target))
        key = data.draw(st.sampled_from(list(keys)))
    target[key] = value
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "v.jsonl")
        file.write_text(json.dumps(row), encoding="utf-8")
        try:
            [read] = read_recorded([file], {"a": EXAMPLE})
        except DataError as error:
            assert "row 1" in str(error)
            return
        [run] = group_runs(read.rows)
        check_items(run.graded, run.stored_scores)
        facts = dict(run.facts)
        write_run(GradedRun(run.model, "t", run.graded, run=facts), Path(folder, "out"))
        [again] = read_runs([Path(folder, "out")])
        assert again.graded == run.graded


def test_recorded_verdicts_without_ids_belong_to_their_prompt(tmp_path: Path) -> None:
    row = {"question": "Why?", "completion": "Because.", "criteria_met": [True, False]}
    path = tmp_path / "said.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    [file] = read_recorded([path], {"a": EXAMPLE})
    assert [(each.example.prompt_id, each.answer) for each in file.rows] == [("a", "Because.")]


def test_the_same_words_of_two_systems_are_answers_of_both(tmp_path: Path) -> None:
    """One file is one system where no row names any: its answers are no copies of another's."""
    flat = {name: FLAT[name] for name in ("prompt_id", "completion", "criteria_met")}
    paths = [tmp_path / name / "A.jsonl" for name in ("x", "y")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(f"{json.dumps(flat)}\n{json.dumps(flat)}\n", encoding="utf-8")
    files = read_recorded(paths, {"a": EXAMPLE})
    runs = group_runs([row for file in files for row in file.rows])
    assert [(run.model, len(run.graded)) for run in runs] == [("x/A", 1), ("y/A", 1)]
    assert [len(file.copies) for file in files] == [1, 1]


def test_one_number_in_one_run_is_one_answer(tmp_path: Path, caplog: Any) -> None:
    """Answers without a number are counted around those with one; the first of a number counts."""
    base = {"prompt_id": "a", "criteria_met": [True, False], "model": "m"}
    rows = [
        {**base, "completion": "v"},
        {**base, "completion": "w", "repeat": 1},
        {**base, "completion": "w", "repeat": 1},
        {**base, "completion": "x", "repeat": 1},
        {**base, "completion": "y"},
        {**base, "completion": "w", "repeat": 3},
    ]
    path = tmp_path / "said.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    [file] = read_recorded([path], {"a": EXAMPLE})
    assert [row.row for row in file.copies] == [3]
    [run] = group_runs(file.rows)
    assert [(one.answer, one.repeat) for one in run.graded] == [
        ("v", 0), ("w", 1), ("y", 2), ("w", 3),
    ]  # fmt: skip
    assert "m: 1 answers have the number of an earlier one" in caplog.text


def test_an_odd_explanation_keeps_its_verdict_and_an_odd_model_is_refused(tmp_path: Path) -> None:
    base = {"prompt_id": "a", "completion": "w", "criteria_met": [True, False]}
    rows = [{**base, "explanation": [5, {"why": "é"}]}, {**base, "model": ["x"]}]
    path = tmp_path / "said.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    [file] = read_recorded([path], {"a": EXAMPLE})
    [row] = file.rows
    assert [verdict.explanation for verdict in row.verdicts] == ["5", '{"why": "\\u00e9"}']
    assert [skipped.reason for skipped in file.skipped] == ["model is a list, not a name"]


def test_a_system_prompt_beside_verdicts_is_no_name(tmp_path: Path) -> None:
    base = {"prompt_id": "a", "completion": "w", "criteria_met": [True, False]}
    path = tmp_path / "said.jsonl"
    path.write_text(json.dumps({**base, "system": "You are a physician. " * 20}), encoding="utf-8")
    [file] = read_recorded([path], {"a": EXAMPLE})
    assert [row.source for row in file.rows] == ["said"]
    assert not file.skipped


def test_graders_told_apart_by_their_settings_are_two(tmp_path: Path) -> None:
    base = {"prompt_id": "a", "completion": "w", "criteria_met": [True, False]}
    path = tmp_path / "said.jsonl"
    rows = [{**base, "grader": {"model": "j", "temperature": t}} for t in (0, 1, 1)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    [file] = read_recorded([path], {"a": EXAMPLE})
    assert [run.grader for run in group_runs(file.rows)] == [
        '{"model": "j", "temperature": 0}',
        '{"model": "j", "temperature": 1}',
    ]
    assert not file.skipped and len(file.copies) == 1
