"""The script that evaluates the arms: what it asks for, leaves alone, and makes of the results."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.errors import ConfigError

pytestmark = pytest.mark.border

NAMES = ["warm_start", "hybrid-none-seed1", "hybrid-none-seed2"]


@pytest.fixture
def script(root: Path) -> ModuleType:
    path = root / "examples" / "closed_loop" / "evaluate_arms.py"
    spec = importlib.util.spec_from_file_location("evaluate_arms", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in [*NAMES, "binary-group-seed1"]:
        final = tmp_path / "runs" / name / "final"
        final.mkdir(parents=True)
        adapter = {"base_model_name_or_path": "the-base"}
        (final / "adapter_config.json").write_text(json.dumps(adapter), "utf-8")
        state = "running" if name.startswith("binary") else "done"
        (final.parent / "status.json").write_text(json.dumps({"state": state}), "utf-8")
    return tmp_path / "runs"


def answer(words: list[str], *, kind: str) -> None:
    """Do what the command would, with the answers of a baseline instead of a model's."""
    kept = [word for word in words if word not in {"--apply_chat_template"}]
    for flag in ("--model", "--model_args", "--gen_kwargs", "--batch_size", "--system_instruction"):
        if flag in kept:
            at = kept.index(flag)
            del kept[at : at + 2]
    if "--responses" not in kept:
        kept += ["--model", f"baseline:{kind}"]
    assert main(kept) == 0


def test_changes_from_the_warm_start_are_pooled_over_seeds_and_nothing_is_asked_twice(
    script: ModuleType,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[list[str]] = []
    really = subprocess.run

    def started(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        if "rubricbeat" not in command:
            return really(command, **more)
        words = command[command.index("rubricbeat") + 1 :]
        asked.append(words)
        # the warm start says nothing, one seed is as good as the reference, the other is not
        answer(words, kind="reference" if "hybrid-none-seed1" in words else "empty")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(script.subprocess, "run", started)
    words = ["--runs", str(runs), "--output", str(tmp_path / "out"), "--gold", "constant"]
    monkeypatch.setattr(sys, "argv", ["evaluate_arms.py", *words, "--answers", "1"])
    assert script.main() == 0
    assert len(asked) == 6, "three policies, two judges; what is not done is left alone"
    first = asked[0]
    assert json.loads(first[first.index("--model_args") + 1])["pretrained"] == "the-base"
    assert json.loads(first[first.index("--gen_kwargs") + 1])["max_gen_toks"] == 40
    capsys.readouterr()
    assert script.main() == 0
    assert len(asked) == 6
    said = capsys.readouterr().out
    assert "training judge, healthbench: warm start 0" in said
    # the reference meets every criterion and an empty answer none: (1 + 0) / 2
    changed = [
        part for part in said.split("\n\n") if "hybrid-none          2 runs    +0.500" in part
    ]
    # by the judge that trains, and above the other one, to which all answers are the same
    assert [part.partition(":")[0] for part in changed] == [
        "training judge, healthbench",
        "training judge above gold judge, healthbench",
    ]
    assert "soft" not in said, "neither judge gives P(met)"
    with pytest.raises(ConfigError, match="no verdict carries one"):
        script.scores_of(tmp_path / "out" / "gold" / NAMES[0], "soft(of=healthbench)")


def test_what_was_learnt_is_counted_above_a_policy_that_never_moved(
    script: ModuleType, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(name: str, key: str, *rewards: float) -> None:
        lines = "".join(json.dumps({"reward": 9.0, key: reward}) + "\n" for reward in rewards)
        (runs / name).mkdir(exist_ok=True)
        (runs / name / "status.json").write_text(json.dumps({"state": "done"}), "utf-8")
        (runs / name / "metrics.jsonl").write_text(lines, "utf-8")

    for seed in (1, 2):
        write(f"binary-none-seed{seed}", "reward_alt/healthbench", 0.0, 0.0, 0.1, 0.3)
        write(f"hybrid-none-seed{seed}", "reward_alt/healthbench", 0.5, 0.5, 0.2, 0.5)
    write("healthbench-none-seed1", "reward", 0.0, 0.0, 0.1, 0.2)
    # a control that is not done is none
    write("hybrid-group-seed1", "reward_alt/healthbench", 0.5, 0.5, 0.2, 0.5)
    names = [path.name for path in sorted(runs.glob("h*-seed*"))]
    script.print_learning(runs, names)
    said = capsys.readouterr().out.splitlines()
    # later steps: (.2 - .1 + .5 - .3) / 2, and (.1 - .1 + .2 - .3) / 2
    assert "+0.150" in said[2] and said[2].startswith("hybrid-none          2 runs")
    assert "\N{MINUS SIGN}0.0500" in said[1] and said[1].startswith("healthbench-none")
