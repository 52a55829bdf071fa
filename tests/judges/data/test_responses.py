"""Saved answers, row by row: which run each belongs to, and what is left out and why."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from engine_kit import example

from rubricbeat.judges.data.columns import Columns
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.data.responses import Responses
from rubricbeat.judges.data.streams import names_apart
from rubricbeat.judges.errors import DataError

EXAMPLES = {f"made-up-{n}": example(n) for n in range(3)}


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"prompt_id": f"made-up-{number}", "completion": f"Answer {number}", **more}


def lines(rows: list[Any]) -> bytes:
    return "".join(f"{json.dumps(each)}\n" for each in rows).encode()


def write(path: Path, *rows: Any) -> Path:
    path.write_bytes(lines(list(rows)))
    return path


def read(responses: Responses) -> list[tuple[str, str, str, str, int]]:
    return [
        (*run, answer.example.prompt_id, answer.text, answer.repeat) for run, answer in responses
    ]


def test_every_pass_reads_the_same_answers_again(tmp_path: Path) -> None:
    responses = Responses(write(tmp_path / "said.jsonl", row(0), row(1), row(0)), EXAMPLES)
    first = read(responses)
    assert first == read(responses)
    assert [each[0] for each in first] == ["said"] * 3
    assert [each[2:] for each in first] == [
        ("made-up-0", "Answer 0", 0),
        ("made-up-1", "Answer 1", 0),
        ("made-up-0", "Answer 0", 1),
    ]


def test_runs_may_lie_mixed_and_number_their_own_repeats(tmp_path: Path) -> None:
    path = write(
        tmp_path / "said.jsonl",
        row(0, model="a"),
        row(0, model="b", run="x"),
        row(0, model="a"),
        row(0, model="b", run="x", repeat=7),
    )
    responses = Responses(path, EXAMPLES)
    assert [(each[:2], each[4]) for each in read(responses)] == [
        (("a", ""), 0),
        (("b", "x"), 0),
        (("a", ""), 1),
        (("b", "x"), 7),
    ]
    census = responses.census()
    assert census.runs == (("a", ""), ("b", "x"))
    assert (census.n_answers, census.n_criteria, census.n_skipped) == (4, 12, 0)
    renamed = Responses(path, EXAMPLES, model="c", label="y")
    assert renamed.census().runs == (("c", "y"),)


def test_a_limit_counts_prompts_of_each_run_and_not_answers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "said.jsonl",
        row(0, model="a"),
        row(1, model="a"),
        row(0, model="a"),
        row(2, model="b"),
        row(0, model="b"),
    )
    taken = [(each[0], each[2]) for each in read(Responses(path, EXAMPLES, limit=1))]
    assert taken == [("a", "made-up-0"), ("a", "made-up-0"), ("b", "made-up-2")]
    as_one = [each[2] for each in read(Responses(path, EXAMPLES, model="c", limit=1))]
    assert as_one == ["made-up-0"] * 3


def test_samples_of_lm_eval_are_read_from_their_folder(tmp_path: Path) -> None:
    sample = {"doc": {"prompt_id": "made-up-1"}, "resps": [["one", "two"]]}
    write(tmp_path / "samples_task_x.jsonl", sample)
    assert [each[2:] for each in read(Responses(tmp_path, EXAMPLES))] == [
        ("made-up-1", "one", 0),
        ("made-up-1", "two", 1),
    ]


def test_rows_that_cannot_be_judged_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    path = tmp_path / "said.jsonl"
    strangers = [{"prompt_id": f"x{n}", "answer": ""} for n in range(6)]
    path.write_bytes(lines([row(0)]) + b"{broken\n" + lines(strangers))
    census = Responses(path, EXAMPLES).census()
    warning = census.warnings()[0]
    assert (census.n_answers, census.n_skipped) == (1, 7)
    assert "7 answers excluded: row 2: not JSON" in warning
    assert warning.endswith("and 2 more")


def test_a_file_without_an_answer_and_a_file_cut_short_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "said.jsonl", {"prompt_id": "nobody", "completion": ""})
    with pytest.raises(DataError, match="nobody"):
        Responses(path, EXAMPLES).census()
    packed = gzip.compress(lines([row(0)] * 300))
    path.write_bytes(packed[: len(packed) - 12])
    with pytest.raises(DataError, match="cannot be read to its end"):
        Responses(path, EXAMPLES).census()


def test_a_gold_answer_alone_is_not_taken_where_other_rows_have_both(tmp_path: Path) -> None:
    both = {"prompt_id": "made-up-0", "completion": "x", "answer": "B"}
    alone = {"prompt_id": "made-up-1", "answer": "B"}  # the model gave none
    for rows in ([both, alone], [alone, both]):
        path = write(tmp_path / "said.jsonl", *rows)
        with pytest.raises(DataError, match=r"row \d has 'answer' alone, .* --columns answer="):
            Responses(path, EXAMPLES).census()
        chosen = Columns.read("answer=completion")
        assert Responses(path, EXAMPLES, columns=chosen).census().n_answers == 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ([1], "not a JSON object"),
        ({"completion": "x"}, "no prompt_id"),
        ({"prompt_id": "made-up-0"}, "completion"),
        ({"prompt_id": "made-up-0", "completion": "x", "repeat": True}, "whole number"),
        ({"prompt_id": "made-up-0", "completion": "x", "repeat": 10**30}, "repeat is not in"),
        ({"prompt_id": "made-up-0", "completion": "x", "repeat": -1}, "repeat is not in"),
        ({"doc": {"prompt_id": "made-up-0"}, "resps": [[["x", 1]]]}, "no text"),
        ({"prompt_id": "made-up-0", "completion": 3}, "the number 3, not text"),
        ({"prompt_id": "made-up-0", "response": "x", "answer": "B"}, "could be the answer"),
        ({"prompt_id": "made-up-0", "response": None, "answer": "B"}, "could be the answer"),
        ({"prompt_id": True, "completion": "x"}, "prompt_id is true"),
        ({"prompt_id": 1.5, "completion": "x"}, "not an id"),
        ({"prompt_id": " made-up-0", "completion": "x"}, "without the blanks around it"),
        ({"doc": {}, "resps": [["x"]]}, "no prompt_id"),
    ],
)
def test_a_bad_row_is_left_out_with_its_reason(tmp_path: Path, bad: Any, why: str) -> None:
    census = Responses(write(tmp_path / "said.jsonl", row(0), bad), EXAMPLES).census()
    assert census.n_answers == 1
    assert why in census.skipped[0].reason


def asked(name: str, prompt: Any, rubric: str = "Says so") -> Any:
    return example_from_row({"prompt_id": name, "prompt": prompt, "rubric": [rubric]})


TURNS = [
    {"role": "user", "content": "It hurts."},
    {"role": "assistant", "content": "Where?"},
    {"role": "user", "content": "Here."},
]
ASKED = {
    each.prompt_id: each
    for each in (
        asked("a", "Is it cafe\u0301?"),
        asked("b", TURNS),
        asked("twice 1", "Why?"),
        asked("twice 2", "Why?", "Says why"),
    )
}


@pytest.mark.parametrize(
    ("of_row", "prompt_id"),
    [
        ({"question": "Is it caf\u00e9?"}, "a"),
        ({"input": " Is it caf\u00e9?\n", "prompt_id": None}, "a"),
        ({"messages": TURNS, "id": ""}, "b"),
        ({"prompt": json.dumps(TURNS)}, "b"),
        ({"asked": "Is it caf\u00e9?"}, "a"),
        ({"prompt_id": "b", "prompt": "Is it caf\u00e9?"}, "b"),
    ],
)
def test_an_answer_without_an_id_belongs_to_its_prompt(
    tmp_path: Path, of_row: dict[str, Any], prompt_id: str
) -> None:
    path = write(tmp_path / "said.jsonl", {**of_row, "completion": "Yes."})
    columns = Columns.read({"prompt": "asked"}, is_shared=True)
    assert read(Responses(path, ASKED, columns=columns)) == [("said", "", prompt_id, "Yes.", 0)]


@pytest.mark.parametrize(
    ("of_row", "said"),
    [
        ({"prompt": "Why?"}, "has no prompt_id, and its prompt is that of 2 rows of --data"),
        ({"prompt": "Here."}, "has no prompt_id, and its prompt is not among the rows of --data"),
        ({"prompt": ""}, "has no prompt_id; --columns"),
        ({}, "has no prompt_id; --columns"),
    ],
)
def test_an_answer_whose_prompt_names_no_row_is_told_in_one_line(
    tmp_path: Path, of_row: dict[str, Any], said: str
) -> None:
    path = write(tmp_path / "said.jsonl", {**of_row, "completion": "Yes."})
    with pytest.raises(DataError, match=said):
        Responses(path, ASKED).census()


@pytest.mark.parametrize(
    ("files", "models"),
    [
        (["x/A.csv", "y/A.csv"], ["x/A", "y/A"]),
        (["A.csv", "A.jsonl"], ["A.csv", "A.jsonl"]),
        (["x/A.csv", "x/A.jsonl.gz", "y/A.csv"], ["x/A.csv", "A.jsonl.gz", "y/A"]),
        (["p/x/A.csv", "q/x/A.csv", "x/B.csv"], ["p/x/A", "q/x/A", "B"]),
        (["gpt-4.1.jsonl", "gpt-4.5.jsonl.gz"], ["gpt-4.1", "gpt-4.5"]),
        (["Qwen2.5-7B", "llama.cpp.csv", ".jsonl"], ["Qwen2.5-7B", "llama.cpp", "unnamed"]),
        (["x/A.csv", "x/../x/A.csv"], ["A", "A"]),
        (["-", "someone/answers"], ["stdin", "answers"]),
    ],
)
def test_files_name_models_apart(files: list[str], models: list[str], tmp_path: Path) -> None:
    paths = [name if name == "-" else tmp_path / name for name in files]
    assert names_apart(paths) == models


def test_two_files_of_one_name_are_two_models(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "A.jsonl", row(0))
    found = read(Responses([tmp_path / "x/A.jsonl", tmp_path / "y/A.jsonl"], EXAMPLES))
    assert [(each[0], each[-1]) for each in found] == [("x/A", 0), ("y/A", 0)]
    again = read(Responses([tmp_path / "x/A.jsonl", tmp_path / "y/../x/A.jsonl"], EXAMPLES))
    assert [(each[0], each[-1]) for each in again] == [("A", 0)]


def test_a_high_number_is_one_answer_too(tmp_path: Path) -> None:
    path = write(
        tmp_path / "said.jsonl", row(0, repeat=2000), row(0, repeat=2000, completion="other")
    )
    responses = Responses(path, EXAMPLES)
    assert [(each[3], each[4]) for each in read(responses)] == [("Answer 0", 2000)]
    assert (
        "a second answer to prompt_id made-up-0 with repeat 2000"
        in responses.census().warnings()[0]
    )
