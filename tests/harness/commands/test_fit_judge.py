"""What `fit-judge` refuses, as a user sees it."""

from __future__ import annotations

import json
import sys

import pytest
from made_up_labels import labelled_answers

from rubricbeat.harness.cli import main


@pytest.fixture
def labels(tmp_path):
    lines = [
        {
            "prompt_id": item.example.prompt_id,
            "prompt": item.example.prompt[0].content,
            "answer": item.text,
            "criterion": criterion.text,
            "label": found[0].met,
        }
        for item in labelled_answers(16, 4)
        for criterion, found in zip(item.example.rubric.criteria, item.labels, strict=True)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recalibrate", "nowhere"], "no fitted judge there"),
        (["--recalibrate", "x"], "name a new folder"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(words, message, labels, capsys):
    assert main(["fit-judge", "--labels", str(labels), "--output_path", "x", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.strip().split("\n")) == 1


def test_without_scikit_learn_the_missing_package_is_one_line(
    labels, capsys, monkeypatch, tmp_path
):
    for name in ("sklearn", "sklearn.ensemble"):
        monkeypatch.setitem(sys.modules, name, None)
    words = ["fit-judge", "--labels", str(labels), "--output_path", str(tmp_path / "mine")]
    assert main(words) == 2
    last = capsys.readouterr().err.strip().split("\n")[-1]
    assert last.startswith("rubricbeat: growing trees needs scikit-learn")
    assert "rubricbeat[fit]" in last
