from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.training.checks.plan import plan_run
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.dry_run import dry_run, words_of
from rubricbeat.harness.training.loop import run as runs
from rubricbeat.harness.training.outlook import bill_of
from rubricbeat.judges.engine.ledger import Cost

pytestmark = pytest.mark.border


def config(folder: Path, **sections: Any) -> Any:
    return load_config(
        preset="cpu_tiny", overrides={"run": {"output_dir": str(folder)}, **sections}
    )


def test_a_run_that_can_learn_is_told_what_it_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs.run_score(config(tmp_path), n_prompts=6, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reasons"] == []
    # 60 steps x 32 answers x 5 criteria x (1 + 1/8), and looks at 4 held-out prompts
    # before step 1 and after steps 20, 40 and 60
    assert found["planned_verdicts"] == 60 * 32 * 5 * 9 // 8 + 4 * 4 * 5
    assert (found["planned_ratings"], found["gold_calls"]) == (0, 4 * 4 * 5)
    assert found["planned_cost_usd"] == 0.0
    assert found["reliability"] == 1.0  # the keyword judge never contradicts itself
    assert found["hours"] > 0


def test_a_run_that_could_not_learn_says_so_and_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # twelve random words never meet all criteria: every group of `binary` is dead
    wrong = config(tmp_path, reward={"name": "binary"})
    assert runs.run_score(wrong, n_prompts=6, as_json=False) == 1
    text = capsys.readouterr().out
    assert text.startswith("this run cannot learn:")
    assert "100% of the groups have zero reward variance" in text
    assert "complexity" in text  # the others are beside it


def test_a_dry_run_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # nor one it could write to
    monkeypatch.setattr("os.access", lambda path, mode: False)
    found = dry_run(load_config(preset="cpu_tiny"), 4)
    assert found.steps == 60
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_changes_nothing_of_the_run_to_come(tmp_path: Path) -> None:
    dry_run(config(tmp_path / "run"), 4)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_ratings_are_counted_beside_verdicts_and_alone(tmp_path: Path) -> None:
    both = dry_run(config(tmp_path / "both", reward={"alternatives": ["rar_implicit"]}), 4)
    # 60 steps x 32 answers x (1 + 1/8), and 4 looks at 4 held-out prompts
    assert both.planned_ratings == 60 * 32 * 9 // 8 + 4 * 4
    assert both.planned_verdicts == 5 * both.planned_ratings
    # the gold judge rates as well, and is asked for the rating where it is logged
    assert both.gold_calls == 4 * 4 * (5 + 1)
    rated = {"name": "rar_implicit", "alternatives": []}
    alone = dry_run(config(tmp_path / "alone", reward=rated), 4)
    assert (alone.planned_verdicts, alone.planned_ratings) == (0, both.planned_ratings)
    assert alone.found.reliability == 1.0 and alone.reasons == ()
    assert not any("missing" in sentence.text for sentence in alone.study.words)


def test_a_dry_run_whose_answers_were_stored_says_that_the_cost_is_unknown() -> None:
    ledger = {"asked": 100, "fresh": 0, "shared": 0, "calls": 0, "cost_usd": 0.0, "model": "m"}
    assert bill_of(ledger, 1000) == Cost(1000, cost_usd=None)
    half = {**ledger, "fresh": 50, "calls": 60, "cost_usd": 0.5}
    assert bill_of(half, 1000) == Cost(1200, cost_usd=10.0)
    # a judge without a model costs nothing, stored or not
    assert bill_of({**ledger, "model": None}, 1000) == Cost(1000, cost_usd=0.0)


def test_answers_that_serve_several_steps_are_made_once(tmp_path: Path) -> None:
    # 60 steps of 4 prompts x 8 answers
    section = config(tmp_path).grpo
    assert plan_run(section, 12, 1).answers_made_per_step == 32
    # each round serves two steps: 30 rounds of 32 answers
    twice = replace(section, num_iterations=2)
    assert plan_run(twice, 12, 1).answers_made_per_step == 16


def test_what_the_bill_leaves_out_is_said(tmp_path: Path) -> None:
    tasks = {"tasks": ["healthbench_heart_demo"], "every": 40}
    found = dry_run(config(tmp_path, eval=tasks), 4)
    # after step 40, and at the end
    assert "not counted: 2 evaluations of healthbench_heart_demo" in words_of(found)
    assert "not counted" not in words_of(dry_run(config(tmp_path / "without"), 4))
