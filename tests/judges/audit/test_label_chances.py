"""Labelled rows that say with what probability they were chosen: read, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rubricbeat.judges.audit.label_rows import read_labels
from rubricbeat.judges.errors import DataError

ROW = {"prompt": "Why?", "completion": "So.", "criterion": "Says so", "label": True}


def write(folder: Path, *chances: object) -> Path:
    path = folder / "labels.jsonl"
    rows = [ROW if chance is None else ROW | {"probability": chance} for chance in chances]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_each_row_keeps_its_own_chance(tmp_path: Path) -> None:
    file = read_labels(write(tmp_path, 1, 0.25))
    assert [answer.chances for answer in file.answers] == [(1.0,), (0.25,)]


def test_a_chance_in_a_table_is_a_number_too(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("prompt,completion,criterion,label,probability\nWhy?,So.,Says so,true,0.5\n")
    assert read_labels(path).answers[0].chances == (0.5,)


@pytest.mark.parametrize(
    ("chances", "words"),
    [
        ((0.5, 0), "row 2: probability is 0; an inclusion probability is above 0 and at most 1"),
        ((0.5, 1.2), "row 2: probability is 1.2; an inclusion probability"),
        ((0.5, -0.1), "row 2: probability is -0.1"),
        ((float("nan"), 0.5), "row 1: probability"),
        ((0.5, "half"), "row 2: probability"),
        ((0.5, None), "1 of 2 rows have no 'probability'; give it in every row"),
        ((0,), "none of its 1 rows is labelled; row 1: probability is 0"),
    ],
)
def test_a_chance_that_cannot_be_is_refused(tmp_path: Path, chances, words: str) -> None:
    with pytest.raises(DataError) as error:
        read_labels(write(tmp_path, *chances))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
