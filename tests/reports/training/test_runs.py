from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from training_kit import write_run

from rubricbeat.judges.errors import DataError
from rubricbeat.reports.training.page import (
    common_facts,
    render_training_page,
    training_json,
    training_report,
)
from rubricbeat.reports.training.runs import read_training_runs

EVALUATION = {
    "step": 0,
    "judge": "gold",
    "prompt_ids": ["a", "b"],
    "rewards": {"healthbench": [1.0]},
}


@pytest.mark.parametrize(
    ("name", "line", "what"),
    [
        ("metrics.jsonl", '{"reward": 1}', "line 1 cannot be read: no 'step'"),
        ("metrics.jsonl", "3", "line 1 cannot be read"),
        ("metrics.jsonl", f'{{"step": 1, "reward": 1{"0" * 400}}}', "line 1 cannot be read"),
        ("gold.jsonl", '{"step": 0, "judge": "gold"}', "no 'prompt_ids'"),
        ("gold.jsonl", json.dumps(EVALUATION), "1 rewards 'healthbench' for 2 prompts"),
    ],
)
def test_a_line_of_another_shape_is_refused_by_file_and_line(
    tmp_path: Path, name: str, line: str, what: str
) -> None:
    path = write_run(tmp_path / "a")
    (path / name).write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=what) as refused:
        read_training_runs([path])
    assert name in str(refused.value)


def test_a_line_is_cut_by_a_kill_alone_and_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a")
    metrics = path / "metrics.jsonl"
    whole = '{"step": 1, "words": "one\u2028two", "reward": 0.5}\n'
    metrics.write_text(f'{whole}{{"step": 2, "rew', encoding="utf-8")
    [run] = read_training_runs([path])
    assert run.steps == ({"step": 1.0, "reward": 0.5},)
    metrics.write_text(f'{{"step": 1, "rew\n{whole}', encoding="utf-8")
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 1: not JSON"):
        read_training_runs([path])


def test_a_configuration_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a")
    (path / "config.yaml").write_text("reward: hybrid\n", encoding="utf-8")
    with pytest.raises(DataError, match="reward is not a table of settings"):
        read_training_runs([path])


def test_a_folder_named_twice_is_one_run(tmp_path: Path) -> None:
    path = write_run(tmp_path / "runs" / "a")
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    found = read_training_runs([tmp_path / "runs", tmp_path / "runs" / ".." / "runs", path])
    assert [run.name for run in found] == ["a"]
    assert len(read_training_runs([path, tmp_path / "link" / "a"])) == 1


def test_an_account_of_the_gold_judge_without_a_judge_is_no_account(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a")
    (path / "gold_judge.json").write_text('{"gold": null}', encoding="utf-8")
    [run] = read_training_runs([path])
    assert run.gold_ledger == {}


def test_facts_and_numbers_of_another_shape_are_not_known(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", n_steps=2)
    odd = {"data": [], "plan": 3, "policy": "x", "versions": 1}
    (path / "facts.json").write_text(json.dumps(odd), encoding="utf-8")
    lines = '{"step": 1, "reward": 0.5, "chars": "many"}\n{"step": 2, "reward": 1.5, "chars": '
    lines += "Infinity}\n"
    (path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    report = training_report([path])
    assert report.runs[0].mean("chars") is None
    facts = dict(common_facts(report.runs))
    assert (facts["Prompts"], facts["Versions"]) == ("not recorded", "not recorded")
    assert "0.500 → 1.50" in render_training_page(report)


def test_a_word_where_a_number_belongs_is_not_known(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", n_steps=2)
    settings = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    settings["run"] = {**settings.get("run", {}), "seed": "seven"}
    settings["grpo"] = {**settings.get("grpo", {}), "max_completion_length": "12"}
    (path / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    facts = {"data": {"path": "rows", "n_train": "9"}, "plan": {"max_steps": math.nan}}
    (path / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    (path / "gold_judge.json").write_text('{"gold": {"judge": {"digest": {}}}}', encoding="utf-8")
    report = training_report([path, write_run(tmp_path / "b", n_steps=2)])
    assert report.runs[0].seed is None
    json.dumps(training_json(report), allow_nan=False)
    told = dict(common_facts(report.runs))
    assert "rows" in told["Prompts"] and "9 to train" not in told["Prompts"]
    render_training_page(report)
