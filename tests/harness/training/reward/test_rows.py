"""The example of each answer, found in the columns that TRL passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import load_dataset

from rubricbeat.harness.training.reward.rows import examples_of
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import ConfigError

from ..examples import example

pytestmark = pytest.mark.border


def test_rows_of_healthbench_are_found_in_their_own_columns(tmp_path: Path) -> None:
    row = {
        "prompt_id": "h1",
        "prompt": [{"role": "user", "content": "a"}],
        "rubrics": [
            {"criterion": "Says rest.", "points": 5, "tags": ["axis:accuracy"]},
            {"criterion": "Says alone.", "points": -2, "tags": []},
        ],
        "example_tags": ["theme:x"],
    }
    [found] = examples_of(
        [row["prompt"]],
        {name: [value] for name, value in row.items() if name != "prompt"} | {"completion_ids": []},
        {},
    )
    assert (found.prompt_id, [c.points for c in found.rubric.criteria]) == ("h1", [5.0, -2.0])


def test_what_datasets_fills_in_is_no_part_of_a_row(tmp_path: Path, root: Path) -> None:
    # each object of a column gets the fields of all others, with None in them
    path = root / "tasks" / "demo" / "demo_heart.jsonl"
    rows = load_dataset("json", data_files=str(path), cache_dir=str(tmp_path), split="train")
    columns = {name: rows[name][:3] for name in rows.column_names if name != "prompt"}
    read = examples_of(rows["prompt"][:3], columns, {})
    plain = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:3]]
    assert [one.prompt_id for one in read] == [row["prompt_id"] for row in plain]
    for one, row in zip(read, plain, strict=True):
        checks = [criterion.check for criterion in one.rubric.criteria]
        assert checks == [of.get("check") for of in row["rubrics"]]


def test_answers_to_one_prompt_share_one_example() -> None:
    row = json.dumps(example_to_row(example()))
    first, second = examples_of(["x", "x"], {"rubric_row": [row, row]}, {})
    assert first is second


def test_columns_without_a_rubric_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"rows in a form of docs/data\.md, or a column"):
        examples_of(["x"], {"answer": ["y"]}, {})
