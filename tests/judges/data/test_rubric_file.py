"""One rubric for all rows: every form of its file, and what is refused with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rubricbeat.judges.data.columns import Columns
from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.data.forms.rubric_file import with_rubric
from rubricbeat.judges.errors import RubricbeatError


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "points"),
    [
        ("r.txt", "Says 4\nIs short\n", [1, 1]),
        ("r", "- Says 4\n\n- Is short", [1, 1]),
        ("r.md", "1. Says 4\n2. Is short\n", [1, 1]),
        ("r.json", '["Says 4", "Is short"]', [1, 1]),
        ("r.json", '{"rubric": ["Says 4", {"criterion": "Is short", "points": -2}]}', [1, -2]),
        ("r.json", '{"criteria": ["Says 4", "Is short"]}', [1, 1]),
        ("r.jsonl", '"Says 4"\n"Is short"\n', [1, 1]),
        ("r.jsonl", '{"text": "Says 4", "points": 5}\n{"text": "Is short", "points": 2}', [5, 2]),
        ("r.csv", "criterion,points\nSays 4,5\nIs short,-2\n", [5, -2]),
        ("r.csv", "criterion\nSays 4\nIs short\n", [1, 1]),
        ("r.tsv", "text\tweight\nSays 4\t5\nIs short\t2\n", [5, 2]),
        ("r.yaml", "- Says 4\n- criterion: Is short\n  points: 2\n", [1, 2]),
    ],
)
def test_it_is_read_from_any_form_and_stands_for_the_rows_own(
    tmp_path: Path, name: str, text: str, points: list[float]
) -> None:
    rows = file(tmp_path, "rows.jsonl", '{"input": "2+2?", "rubric": ["Rude"]}\n{"input": "b"}\n')
    columns = with_rubric(file(tmp_path, name, text))
    read = read_examples(rows, columns=columns)
    for example in read.examples:
        assert [c.text for c in example.rubric.criteria] == ["Says 4", "Is short"]
        assert [c.points for c in example.rubric.criteria] == points
    assert read.facts()["rubric"]["path"] == name
    assert len(read.facts()["rubric"]["sha256"]) == 64
    again = read_examples(rows, columns=columns)
    assert [e.prompt_id for e in again.examples] == [e.prompt_id for e in read.examples]


def test_its_fields_may_have_other_names(tmp_path: Path) -> None:
    rows = file(tmp_path, "rows.csv", "q\n2+2?\n")
    rubric = file(tmp_path, "r.csv", "what,worth\nSays 4,3\n")
    columns = Columns.read("prompt=q,criterion=what,points=worth")
    [example] = read_examples(rows, columns=with_rubric(rubric, columns)).examples
    assert [(c.text, c.points) for c in example.rubric.criteria] == [("Says 4", 3)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.txt", "\n \n", "empty"),
        ("r.csv", "Says 4\nIs short\n", "no field 'criterion'; found: 'Says 4'"),
        ("r.csv", "criterion,points\nSays 4,\nIs short,2\n", r"rubric\[0\].points is missing"),
        ("r.csv", "criterion,points\nSays 4,many\n", "not a number"),
        ("r.json", '["a",]', "line 1: not JSON"),
        ("r.json", "[]", "empty list"),
        ("r.json", "null", "not an object"),
        ("r.json", '{"a": 1}', "no field 'criterion'"),
        ("r.jsonl", '{"criterion": "a"}\n{"criterion": ', "line 2: not JSON"),
        ("r.json", '[{"criterion": "a", "points": -1}]', "no positive points"),
        ("r.yaml", "a: [", "r.yaml"),
    ],
)
def test_what_is_no_rubric_is_refused_with_its_name(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(RubricbeatError, match=said) as caught:
        with_rubric(file(tmp_path, name, text))
    assert name in str(caught.value) and "\n" not in str(caught.value)
