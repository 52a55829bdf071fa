from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rubricbeat.harness.commands import run
from rubricbeat.harness.evaluation.request import RunRequest
from rubricbeat.harness.training.checks.settings import check_values
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.data import SYSTEM_PROMPT
from rubricbeat.harness.training.loop.task_evaluation import (
    TaskEvaluation,
    alone,
    evaluation_command,
)
from rubricbeat.judges.errors import ConfigError

pytestmark = pytest.mark.border


def asked(command: list[str]) -> RunRequest:
    """Read a command as `rubricbeat run` reads it."""
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return RunRequest.from_arguments(parser.parse_args(command[4:]))


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
    assert asked(command).model_args == {"pretrained": str(tmp_path), "dtype": "float32"}
    assert "--judge keyword --limit 3 --device cpu" in text
    assert "--run one@20" in text


def test_an_adapter_is_evaluated_on_its_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "B"}))
    judge = {"name": "chat", "model": "m"}
    command = evaluation_command(
        config(eval={"tasks": ["t"], "judge": judge}), tmp_path, tmp_path, 1
    )
    request = asked(command)
    assert (request.model_args["pretrained"], request.model_args["peft"]) == ("B", str(tmp_path))
    assert request.metadata["judge"] == judge


@pytest.mark.parametrize(
    "judge",
    [
        {
            "name": "jury",
            "members": [
                {
                    "name": "chat",
                    "model": "a,b",
                    "extra_body": {"top_k": 5, "stop": ["x,y", "é"]},
                },
                {"name": "chat", "model": "007", "reasoning_effort": "none", "request_seed": None},
            ],
            "weights": [1, 0.5],
            "quorum": 2,
        },
        {
            "name": "cascade",
            "members": [{"name": "fitted", "path": "a folder/of=mine"}, {"name": "constant"}],
            "low": 0.1,
        },
        {"name": "chat", "model": "none", "headers": {"x-route": "eu, west"}, "temperature": None},
    ],
)
def test_whatever_judge_trains_evaluates(tmp_path: Path, judge: dict[str, Any]) -> None:
    generation = {"until": ["</s>", "a, b"], "temperature": 0.5, "do_sample": True}
    whole = config(eval={"tasks": ["t"], "judge": judge, "gen_kwargs": generation})
    request = asked(evaluation_command(whole, tmp_path, tmp_path / "out", 1))
    assert request.metadata["judge"] == judge
    assert request.gen_kwargs == generation


def test_an_evaluation_that_fails_is_told_at_the_end(tmp_path: Path, capsys) -> None:
    whole = config(eval={"tasks": ["no_such_task"]}, run={"output_dir": str(tmp_path)})
    files = SimpleNamespace(folder=tmp_path)
    evaluation = TaskEvaluation(SimpleNamespace(config=whole), files)  # type: ignore[arg-type]
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4" / "model.safetensors").touch()
    step = SimpleNamespace(global_step=4, max_steps=4)
    evaluation.on_save(SimpleNamespace(output_dir=tmp_path), step, None)  # type: ignore[arg-type]
    assert "evaluation at step 4 failed (exit 2): " in capsys.readouterr().err
    assert not evaluation.told()
    told = capsys.readouterr().err
    assert "no_such_task" in told and "step_000004.log" in told and "exit code is 1" in told
    # made up for, it is no longer told
    evaluation.failed.clear()
    assert evaluation.told()


def test_what_the_model_needs_to_load_and_was_told_is_passed_on(tmp_path: Path) -> None:
    plain = " ".join(evaluation_command(config(), tmp_path, tmp_path, 1))
    assert "trust_remote_code" not in plain and "--system_instruction" not in plain
    model = {"name": "m", "trust_remote_code": True}
    command = evaluation_command(
        config(model=model, data={"reasoning": True}), tmp_path, tmp_path, 1
    )
    assert asked(command).model_args["trust_remote_code"] is True
    # the policy is asked as it was in training
    assert command[command.index("--system_instruction") + 1] == SYSTEM_PROMPT


def test_a_child_knows_nothing_of_the_other_processes() -> None:
    # what accelerate, torchrun and MPI put there, and what a judge may need
    said = {
        "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "x",
        "ACCELERATE_USE_DEEPSPEED": "true", "FSDP_VERSION": "2", "OMPI_COMM_WORLD_SIZE": "2",
        "PMI_RANK": "0", "MPI_LOCALRANKID": "0", "GROUP_RANK": "0", "ROLE_NAME": "default",
    }  # fmt: skip
    kept = {"DS_API_KEY": "k", "OPENAI_API_KEY": "k", "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0,1"}
    assert alone(said | kept) == kept


def test_weights_in_parts_are_told_and_not_tried(tmp_path: Path, capsys) -> None:
    whole = config(run={"output_dir": str(tmp_path)})
    evaluation = TaskEvaluation(
        SimpleNamespace(config=whole),  # type: ignore[arg-type]
        SimpleNamespace(folder=tmp_path),  # type: ignore[arg-type]
    )
    (tmp_path / "checkpoint-4" / "pytorch_model_fsdp_0").mkdir(parents=True)
    step = SimpleNamespace(global_step=4, max_steps=4)
    evaluation.on_save(SimpleNamespace(output_dir=tmp_path), step, None)  # type: ignore[arg-type]
    assert "holds its weights in parts" in capsys.readouterr().err
    assert not evaluation.told()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT"}, "FULL_STATE_DICT"),
        (
            {
                "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3",
                "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": "false",
            },
            "zero3_save_16bit_model",
        ),
        ({}, "load_in_4bit"),
    ],
)
def test_a_policy_that_would_not_be_evaluated_as_it_trains_is_refused(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], words: str
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    model = {"name": "m", "load_in_4bit": not said}
    with pytest.raises(ConfigError, match=words):
        check_values(config(model=model))
