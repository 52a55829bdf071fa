from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rubricbeat.harness import cli
from rubricbeat.harness.training.reward.graders import accelerate_folder


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["train", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def test_help_shows_two_real_commands_and_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.count("rubricbeat train ") >= 3
    for stage in ("grpo", "sft", "score", "configs"):
        assert stage in text


def test_nothing_to_train_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert "give --config FILE.yaml or --preset cpu_tiny" in fails(capsys, "grpo")


def test_a_misspelt_stage_and_preset_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "grpoo" in fails(capsys, "grpoo")
    assert "did you mean 'cpu_tiny'" in fails(capsys, "grpo", "--preset", "cpu_tniy")


def test_a_run_without_a_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--output_dir" in fails(capsys, "grpo", "--preset", "cpu_tiny")


def test_judge_args_need_a_judge(capsys: pytest.CaptureFixture[str]) -> None:
    error = fails(capsys, "grpo", "--preset", "cpu_tiny", "--judge_args", "a=1")
    assert "--judge_args needs --judge" in error


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    import argparse

    from rubricbeat.harness.commands.training import train

    path = tmp_path / "run.yaml"
    path.write_text("preset: cpu_tiny\njudge: constant\ngrpo: {max_steps: 9}", encoding="utf-8")
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    words = ["grpo", "--config", str(path), "--output_dir", "out", "--max_steps", "3"]
    words += ["--judge", "chat", "--judge_args", "model=m,temperature=0.5", "--seed", "7"]
    config = train.read_config(parser.parse_args(words))
    assert (config.grpo.max_steps, config.run.seed, config.run.output_dir) == (3, 7, "out")
    assert config.judge == {"name": "chat", "model": "m", "temperature": 0.5}


def test_the_configurations_of_accelerate_have_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "configs"]) == 0
    assert capsys.readouterr().out.strip() == str(accelerate_folder())


def test_other_commands_do_not_pay_for_torch() -> None:
    code = (
        "import sys, rubricbeat.harness.cli as c\n"
        "c.main(['train', '--help'])\n"
        "import rubricbeat.harness.training.config\n"
        "bad = [m for m in ('torch', 'trl', 'transformers', 'datasets') if m in sys.modules]\n"
        "sys.exit(1 if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
