"""The script of the closed loop: what it runs, leaves alone and resumes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rubricbeat.harness.training.config_reading import load_config


@pytest.fixture
def script(root: Path) -> ModuleType:
    path = root / "examples" / "closed_loop" / "run_arms.py"
    spec = importlib.util.spec_from_file_location("run_arms", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[list[str]]:
    commands: list[list[str]] = []

    def started(command: list[str], **more: Any) -> Any:
        commands.append(command)
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(script.subprocess, "run", started)
    monkeypatch.setattr(script, "smollm2_folder", lambda: Path("converted"))
    monkeypatch.setattr(sys, "argv", ["run_arms.py", *words])
    assert script.main() == 0
    return commands


def test_the_whole_matrix_is_five_rewards_three_seeds_two_scales(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = run(script, monkeypatch, "--output", str(tmp_path))
    warm_start, *arms = commands
    assert warm_start[warm_start.index("train") + 1] == "sft"
    assert len(arms) == 30
    assert all("model.name=converted" in command for command in commands)
    assert all(f"model.adapter={tmp_path / 'warm_start' / 'final'}" in arm for arm in arms)
    # after a third of the time every arm has one seed, none has three
    first = [command[command.index("--output_dir") + 1] for command in arms[:10]]
    assert all(name.endswith("seed1") for name in first)


def test_what_is_done_is_left_alone_and_what_was_stopped_goes_on(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    states = {"warm_start": "done", "hybrid-none-seed1": "done", "binary-none-seed1": "running"}
    for name, state in states.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "status.json").write_text(json.dumps({"state": state}), "utf-8")
    words = ["--output", str(tmp_path), "--seeds", "1", "--scales", "none"]
    commands = run(script, monkeypatch, *words, "--rewards", "hybrid", "binary", "healthbench")
    resumed = {c[c.index("--reward") + 1]: "--resume" in c for c in commands}
    assert resumed == {"binary": True, "healthbench": False}


def test_another_policy_is_not_converted(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["--output", str(tmp_path), "--seeds", "1", "--set", "model.name=mine"]
    commands = run(script, monkeypatch, *words)
    assert not any("model.name=converted" in command for command in commands)


def test_another_gold_judge_is_passed_on(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["--output", str(tmp_path), "--seeds", "1", "--rewards", "hybrid"]
    _, *arms = run(script, monkeypatch, *words, "--gold", "fitted:mine")
    assert all("gold.judge=fitted:mine" in arm for arm in arms)


def test_its_configuration_is_one_we_can_read(root: Path) -> None:
    config = load_config(root / "examples" / "closed_loop" / "closed_loop.yaml")
    assert config.data.held_out_path == "demo" and config.data.path == "demo_extra"
    assert config.gold.judge != config.judge
