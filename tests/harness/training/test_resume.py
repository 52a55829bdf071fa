"""What a resumed run owes to the one that was killed: its account, its looks, its own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback
from transformers import TrainerCallback

from rubricbeat.harness.training import runs
from rubricbeat.harness.training.config import TrainConfig
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.grpo import build_grpo, latest_checkpoint, prepare
from rubricbeat.harness.training.run_files import read_lines

# TRL sets fields that transformers and torch have renamed; no user can act on it
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SMALL = {"num_generations": 2, "prompts_per_step": 2, "max_completion_length": 4}


def small(folder: Path, **sections: Any) -> TrainConfig:
    """Give a run of a few steps, seconds in all."""
    grpo = {**SMALL, "max_steps": 4, **sections.pop("grpo", {})}
    run = {"output_dir": str(folder), "save_steps": 2, **sections.pop("run", {})}
    gold = {"every": 2, "n_prompts": 2, **sections.pop("gold", {})}
    return load_config(
        preset="cpu_tiny", overrides={"grpo": grpo, "run": run, "gold": gold, **sections}
    )


class Killed(Exception):
    """Stands for kill -9: no handler of ours runs."""


class KillAt(TrainerCallback):
    """Ends a run at the beginning of the step after so many."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == self.step:
            raise Killed


def run_until(config: TrainConfig, step: int) -> None:
    """Run so many steps and kill the run."""
    run = build_grpo(prepare(config))
    run.files.start(config, {})
    run.trainer.add_callback(KillAt(step))
    with pytest.raises(Killed):
        run.trainer.train()
    run.reward.close()


def accounts(folder: Path) -> dict[str, dict[str, Any]]:
    judge = json.loads((folder / "judge.json").read_text())["judge"]
    gold = json.loads((folder / "gold_judge.json").read_text())["gold"]["judge"]
    return {"judge": judge, "gold": gold}


def test_the_account_of_a_resumed_run_holds_what_the_killed_one_paid(tmp_path: Path) -> None:
    with Loopback() as server:
        judge = {"name": "chat", "model": "gpt-4.1", "base_url": server.url}
        other = {**judge, "model": "gpt-4.1-mini"}
        config = small(tmp_path / "run", judge=judge, gold={"judge": other})
        run_until(config, 3)  # step 3 was paid, and its checkpoint is that of step 2
        n_killed = server.n_requests
        killed = accounts(tmp_path / "run")
        # each start asks each judge one question of its own, which is no part of the run
        assert sum(one["calls"] for one in killed.values()) == n_killed - 2
        assert runs.run_grpo(config, resume=True, as_json=False) == 0
        n_calls = server.n_requests - 4
        end = accounts(tmp_path / "run")
        # to resume what is done costs nothing, and forgets nothing
        assert runs.run_grpo(config, resume=True, as_json=False) == 0
        assert accounts(tmp_path / "run") == end
    assert sum(one["calls"] for one in end.values()) == n_calls > n_killed
    for name, one in end.items():
        # the verdicts of step 3 are asked for twice, and paid for once: the store has them
        assert one["fresh"] + one["store_hits"] + one["shared"] == one["asked"]
        assert one["cost_usd"] >= killed[name]["cost_usd"] > 0
        # limits are those of the run, and no sum over its starts
        assert "max_concurrency" not in one["options"]
    beside = json.loads((tmp_path / "run" / "checkpoint-4" / "rubricbeat.json").read_text())
    assert beside["ledger"]["judge"]["calls"] == end["judge"]["calls"]


def test_a_kill_during_an_evaluation_costs_neither_the_state_nor_the_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_while_it_runs(command: list[str], **more: Any) -> Any:
        raise Killed

    started: list[str] = []

    def evaluates(command: list[str], **more: Any) -> Any:
        output = Path(command[command.index("--output_path") + 1])
        started.append(output.name)
        (output / "results_now.json").write_text("{}", encoding="utf-8")
        return type("Done", (), {"returncode": 0})

    where = "rubricbeat.harness.training.task_evaluation.subprocess.run"
    tasks = {"tasks": ["healthbench_heart_demo"], "every": 2}
    config = small(tmp_path / "run", eval=tasks, reward={"replicate_every": 1})
    monkeypatch.setattr(where, killed_while_it_runs)
    with pytest.raises(Killed):
        runs.run_grpo(config, resume=False, as_json=False)
    # the checkpoint was whole before the minutes that an evaluation takes
    beside = json.loads((tmp_path / "run" / "checkpoint-2" / "rubricbeat.json").read_text())
    assert beside["reward_state"]["n_noise"] == 4
    monkeypatch.setattr(where, evaluates)
    assert runs.run_grpo(config, resume=True, as_json=False) == 0
    assert started == ["step_000002", "step_000004"]


def test_a_run_killed_before_its_last_look_has_it_after_the_resume(tmp_path: Path) -> None:
    config = small(tmp_path / "run", gold={"every": 3})
    run = build_grpo(prepare(config))
    run.files.start(config, {})

    class KillAtEnd(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step == 4:
                raise Killed

    run.trainer.add_callback(KillAtEnd())
    with pytest.raises(Killed):
        run.trainer.train()
    run.reward.close()
    for _ in range(2):  # and once only, however often it is resumed
        assert runs.run_grpo(config, resume=True, as_json=False) == 0
        looks = read_lines(tmp_path / "run" / "gold.jsonl")
        assert [(line["step"], line["judge"]) for line in looks] == [
            (step, judge) for step in (0, 3, 4) for judge in ("gold", "training")
        ]
        steps = [line["step"] for line in read_lines(tmp_path / "run" / "metrics.jsonl")]
        assert steps == [1, 2, 3, 4]


def checkpoint(folder: Path, name: str, *, state: str = "{}", whole: bool = True) -> Path:
    path = folder / name
    path.mkdir()
    (path / "trainer_state.json").write_text(state, encoding="utf-8")
    if whole:
        (path / "rubricbeat.json").write_text("{}", encoding="utf-8")
    return path


def test_half_a_checkpoint_and_a_copy_are_not_resumed_from(tmp_path: Path) -> None:
    third = checkpoint(tmp_path, "checkpoint-3")
    checkpoint(tmp_path, "checkpoint-9-before-the-change")
    checkpoint(tmp_path, "checkpoint-8", state='{"epoch": ', whole=False)
    assert latest_checkpoint(tmp_path) == third
    sixth = checkpoint(tmp_path, "checkpoint-6", whole=False)
    assert latest_checkpoint(tmp_path) == third
    # where there is no other, its weights are worth more than the judge's noise
    (third / "rubricbeat.json").unlink()
    assert latest_checkpoint(tmp_path) == sixth
