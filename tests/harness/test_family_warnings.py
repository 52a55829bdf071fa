"""A judge of the family of the model under test: each command that sees both says so, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.harness.training.checks.judges import check_seen
from rubricbeat.harness.training.config import GoldSection, ModelSection, TrainConfig
from rubricbeat.harness.training.data import TrainingData

ROW = {
    "prompt_id": "p",
    "prompt": [{"role": "user", "content": "Why?"}],
    "rubrics": [{"criterion": "Says so", "points": 1, "tags": []}],
}
JUDGE = ["--judge", "chat", "--judge_args", "model=gpt-4.1,base_url=http://127.0.0.1:9/v1"]


@pytest.fixture
def rows(tmp_path: Path) -> list[str]:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    return ["--data", str(path)]


@pytest.mark.parametrize(("model", "times"), [("gpt-4o-mini", 1), ("claude-x", 0), ("mine", 0)])
def test_judge_warns_before_anything_is_asked(model, times, rows, tmp_path, capsys):
    answers = tmp_path / "answers.jsonl"
    line = {"prompt_id": "p", "answer": "So.", "model": model}
    answers.write_text(json.dumps(line) + "\n", encoding="utf-8")
    words = ["judge", "--responses", str(answers), *rows, *JUDGE, "--output_path", "out"]
    assert main([*words, "--dry_run"]) == 0
    assert capsys.readouterr().err.count("are of one family (GPT)") == times


def test_compare_and_report_warn_of_what_is_in_the_results(rows, tmp_path, capsys):
    recorded = tmp_path / "judged.jsonl"
    line = {"prompt_id": "p", "completion": "So.", "criteria_met": [True], "grader": "gpt-4.1"}
    both = [line | {"model": "gpt-4o-mini"}, line | {"model": "claude-x"}]
    recorded.write_text("".join(json.dumps(one) + "\n" for one in both), encoding="utf-8")
    results = str(tmp_path / "results")
    assert main(["import", str(recorded), *rows, "--output_path", results]) == 0
    capsys.readouterr()
    assert main(["compare", results]) == 0
    err = capsys.readouterr().err
    assert err.count("The judge (gpt-4.1) and gpt-4o-mini are of one family (GPT)") == 1
    assert main(["report", results, "--model", "claude-x"]) == 0
    assert "one family" not in capsys.readouterr().err


def test_training_warns_of_each_judge_of_the_policys_family():
    chat = {"name": "chat", "model": "Qwen/Qwen3-32B", "base_url": "http://127.0.0.1:9/v1"}
    config = TrainConfig(
        model=ModelSection(name="Qwen/Qwen3-0.6B"), judge="keyword", gold=GoldSection(judge=chat)
    )
    said = check_seen(config, TrainingData((), (), (), {}))
    assert [one.partition(" (Qwen/")[0] for one in said] == ["the gold judge: the judge"]
