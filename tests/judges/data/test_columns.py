"""Other names of fields: of rows, of the criteria in them, and of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.audit.label_rows import read_labels
from rubricbeat.judges.data.columns import Columns
from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.errors import ConfigError, DataError


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, columns: str) -> Any:
    return read_examples(path, columns=Columns.read(columns))


def test_any_shape_is_read_by_its_own_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    cell = json.dumps([{"text": "Says why", "score": 2}, {"text": "Rude", "score": -1}])
    path.write_text(
        'qid;q;crit;answer\n007;Why?;"' + cell.replace('"', '""') + '";gold\n', encoding="utf-8"
    )
    [example] = read(
        path, "prompt_id=qid,prompt=q,rubric=crit,criterion=text,points=score"
    ).examples
    assert (example.prompt_id, example.prompt[0].content) == ("007", "Why?")
    assert [(c.text, c.points) for c in example.rubric.criteria] == [("Says why", 2), ("Rude", -1)]


def test_a_dot_goes_into_an_object_and_a_name_with_a_dot_is_a_name(tmp_path: Path) -> None:
    rubric = [{"criterion": "c", "points": 1}]
    row = {"in": {"q": "Why?"}, "meta.rubric": rubric}
    [example] = read(write(tmp_path / "r.jsonl", row), "prompt=in.q,rubric=meta.rubric").examples
    assert example.prompt[0].content == "Why?"


def test_the_given_name_counts_alone(tmp_path: Path) -> None:
    rubric = [{"criterion": "c", "points": 1}]
    row = {"prompt": "no", "question": "Why?", "rubrics": rubric, "other": [*rubric, *rubric]}
    [example] = read(write(tmp_path / "r.jsonl", row), "prompt=question,rubric=other").examples
    assert (example.prompt[0].content, len(example.rubric)) == ("Why?", 2)
    two = {"prompt": "a", "rubrics": [{"criterion": "x", "description": "y", "weight": 1}]}
    [example] = read(write(tmp_path / "r.jsonl", two), "criterion=description").examples
    assert example.rubric.criteria[0].text == "y"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("promt=q", "did you mean 'prompt'"),
        ("prompt", "give NAME=COLUMN"),
        ("prompt=", "give NAME=COLUMN"),
        ("prompt=q,prompt=r", "prompt is given twice"),
    ],
)
def test_a_wrong_mapping_is_refused_before_a_file_is_read(columns: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Columns.read(columns)


def test_a_column_that_is_nowhere_is_named_with_the_near_ones(tmp_path: Path) -> None:
    row = {"question": "Why?", "criteria": [{"criterion": "c", "points": 1}]}
    path = write(tmp_path / "r.jsonl", row)
    with pytest.raises(DataError, match=r"prompt=qustion: \S+ has no column .*'question'"):
        read(path, "prompt=qustion,rubric=criteria")
    with pytest.raises(DataError, match=r"tags=topics: \S+ has no column 'topics'"):
        read(path, "prompt=question,rubric=criteria,tags=topics")
    with pytest.raises(DataError, match=r"criterion=statement: a criterion has no column"):
        read(path, "prompt=question,rubric=criteria,criterion=statement")


def test_an_id_may_have_its_usual_name_in_one_of_several_files_only(tmp_path: Path) -> None:
    row = {"prompt_id": "a", "prompt": "Why?", "rubric": [{"criterion": "c", "points": 1}]}
    path = write(tmp_path / "r.jsonl", row)
    with pytest.raises(DataError, match="has no column 'qid'"):
        read(path, "prompt_id=qid")
    shared = Columns.read("prompt_id=qid", is_shared=True)
    assert [e.prompt_id for e in read_examples(path, columns=shared).examples] == ["a"]


def test_one_row_without_the_column_is_left_out_alone(tmp_path: Path) -> None:
    rubric = [{"criterion": "c", "points": 1}]
    path = write(tmp_path / "r.jsonl", {"q": "Why?", "rubric": rubric}, {"x": 1, "rubric": rubric})
    file = read(path, "prompt=q")
    assert len(file.examples) == 1
    assert "row 2: --columns prompt=q: the row has no column 'q'" in str(file.warning())


def test_labels_take_names_too(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "q,said,what,ok,points\nWhy?,Because.,Says why,TRUE,2\nWhy?,No.,Says why,0,2\n"
        "Why?,,Says why,1,2\n",
        encoding="utf-8",
    )
    file = read_labels(path, columns=Columns.read("prompt=q,answer=said,criterion=what,label=ok"))
    assert [answer.labels[0][0].met for answer in file.answers] == [True, False]
    assert [answer.example.rubric.criteria[0].points for answer in file.answers] == [2, 2]
    assert [row.row for row in file.skipped] == [4]
    assert "the answer is null" in file.skipped[0].reason
