from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.formats import SYSTEM_PROMPT
from rubricbeat.harness.training.task_evaluation import evaluation_command

pytestmark = pytest.mark.border


def config(**sections: Any) -> Any:
    return load_config(
        preset="cpu_tiny",
        overrides={
            "run": {"output_dir": "runs/one"},
            "eval": {"tasks": ["healthbench_heart_demo"], "limit": 3},
            **sections,
        },
    )


def test_a_whole_checkpoint_is_evaluated_by_the_task_one_runs_by_hand(tmp_path: Path) -> None:
    command = evaluation_command(config(), tmp_path, tmp_path / "out", 20)
    text = " ".join(command)
    assert "-m rubricbeat run --tasks healthbench_heart_demo --model hf" in text
    assert f"pretrained={tmp_path},dtype=float32" in text
    assert "--judge keyword --limit 3 --device cpu" in text
    assert "--run one@20" in text


def test_an_adapter_is_evaluated_on_its_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "B"}))
    judge = {"name": "chat", "model": "m"}
    command = evaluation_command(config(eval={"judge": judge}), tmp_path, tmp_path, 1)
    text = " ".join(command)
    assert f"pretrained=B,peft={tmp_path}" in text
    assert "--judge chat --judge_args model=m" in text


def test_what_the_model_needs_to_load_and_was_told_is_passed_on(tmp_path: Path) -> None:
    plain = " ".join(evaluation_command(config(), tmp_path, tmp_path, 1))
    assert "trust_remote_code" not in plain and "--system_instruction" not in plain
    model = {"name": "m", "trust_remote_code": True}
    command = evaluation_command(
        config(model=model, data={"reasoning": True}), tmp_path, tmp_path, 1
    )
    assert "trust_remote_code=True" in command[command.index("--model_args") + 1]
    # the policy is asked as it was in training
    assert command[command.index("--system_instruction") + 1] == SYSTEM_PROMPT
