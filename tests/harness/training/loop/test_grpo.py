"""Real runs of TRL's trainer on the tiny model: seconds each, on one thread."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from rubricbeat.harness.training import build_grpo_trainer
from rubricbeat.harness.training.config import TrainConfig
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.loop import run as runs
from rubricbeat.harness.training.loop.grpo import build_grpo, latest_checkpoint, prepare
from rubricbeat.harness.training.reward.graders import Graders
from rubricbeat.harness.training.run_files import RunFiles, read_lines
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.verdict import Outcome, Verdict

# torch and TRL tell users of what they do on a CPU
pytestmark = [
    pytest.mark.border,
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

TIMES = {"judge_s", "own_s", "step_s", "judge_share"}


def tiny(folder: Path, **grpo: Any) -> TrainConfig:
    """Give the tiny preset, in a folder, with other GRPO values."""
    settings = {"run": {"output_dir": str(folder)}, "grpo": grpo}
    return load_config(preset="cpu_tiny", overrides=settings)


class Killed(Exception):
    """Stands for kill -9: no handler of ours runs."""


class KillAt(TrainerCallback):
    """Ends a run in the middle of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == self.step:
            raise Killed


def test_the_reward_rises_from_below_three_tenths_to_above_eight(tmp_path: Path) -> None:
    assert runs.run_grpo(tiny(tmp_path / "run"), resume=False, as_json=False) == 0
    lines = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 61))
    share = [line["reward"] / 20 for line in lines]  # hybrid is in [0, 20]
    assert sum(share[:3]) / 3 < 0.3
    assert sum(share[-10:]) / 10 > 0.8
    # another reward on the same verdicts rose as well
    assert lines[-1]["reward_alt/healthbench"] > lines[0]["reward_alt/healthbench"] + 0.3
    gold = read_lines(tmp_path / "run" / "gold.jsonl")
    assert {line["step"] for line in gold} == {0, 20, 40, 60}
    assert json.loads((tmp_path / "run" / "status.json").read_text()) == {"state": "done"}
    ledger = json.loads((tmp_path / "run" / "checkpoint-60" / "rubricbeat.json").read_text())
    assert ledger["ledger"]["judge"]["name"] == "keyword"
    _check_completions(tmp_path / "run")


def _check_completions(folder: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(folder / "completions" / "step_000060.parquet")
    assert len(table) == 32
    first = table.iloc[0]
    verdicts = [Verdict.from_json(plain) for plain in json.loads(first["verdicts"])]
    assert len(verdicts) == first["n_criteria"] == 5
    assert sum(v.met is True for v in verdicts) == first["n_met"]
    assert first["n_levels"] == 0
    assert "reward_alt/binary" in table
    assert first["prompt"].startswith("my ") or first["prompt"].startswith("i feel ")


@pytest.mark.parametrize("rest_dead", [0, 1])
def test_a_killed_run_resumes_bit_exact_across_an_epoch(tmp_path: Path, rest_dead: int) -> None:
    # 12 training prompts, 4 a step: an epoch is 3 steps; killed in the third, resumed from step 4
    def config(name: str) -> TrainConfig:
        plain = tiny(tmp_path / name, max_steps=9, num_generations=2 if rest_dead else 8)
        data = replace(plain.data, rest_dead=rest_dead)
        return replace(plain, data=data, run=replace(plain.run, save_steps=4, completions_every=1))

    assert runs.run_grpo(config("whole"), resume=False, as_json=False) == 0
    killed = build_grpo(prepare(config("killed")))
    killed.files.start(config("killed"), {})
    killed.trainer.add_callback(KillAt(7))
    with pytest.raises(Killed):
        killed.trainer.train()
    killed.reward.close()
    assert len(read_lines(tmp_path / "killed" / "metrics.jsonl")) == 7
    assert latest_checkpoint(tmp_path / "killed") == tmp_path / "killed" / "checkpoint-4"
    assert runs.run_grpo(config("killed"), resume=True, as_json=False) == 0

    def numbers(name: str) -> list[dict[str, Any]]:
        lines = read_lines(tmp_path / name / "metrics.jsonl")
        return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]

    assert numbers("killed") == numbers("whole")
    assert any(line["resting"] for line in numbers("whole")) == bool(rest_dead)
    asked = _prompts_asked(tmp_path / "whole")
    assert asked == _prompts_asked(tmp_path / "killed")
    # without rests 9 steps of 4 ask 12 prompts three times each
    assert (set(Counter(asked).values()) == {3}) == (not rest_dead)
    from safetensors.torch import load_file

    whole, resumed = (
        load_file(tmp_path / name / "final" / "model.safetensors") for name in ("whole", "killed")
    )
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def _prompts_asked(folder: Path) -> list[str]:
    import pandas as pd

    tables = map(pd.read_parquet, sorted((folder / "completions").glob("*.parquet")))
    return [prompt_id for table in tables for prompt_id in table.groupby("group").prompt_id.first()]


def test_a_batch_without_verdicts_stops_the_run_and_leaves_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rubricbeat.judges.keyword.judge import KeywordJudge

    before: dict[int, Any] = {}
    after: list[Any] = []
    stopped: list[Any] = []

    async def fails_later(self: Any, question: Any) -> Verdict:
        if len(before) == 3:  # three steps are done
            return Verdict(Outcome.UNPARSEABLE, explanation="down")
        return Verdict.of(question.answer.startswith("r"))

    monkeypatch.setattr(KeywordJudge, "judge", fails_later)
    config = tiny(tmp_path / "run", max_steps=9)
    config = replace(config, gold=replace(config.gold, judge=None))

    class Watch(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            model = more["model"]
            before[state.global_step] = {k: v.clone() for k, v in model.state_dict().items()}

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            after[:] = [{k: v.clone() for k, v in more["model"].state_dict().items()}]

    real = runs.build_grpo

    def watched(prepared: Any) -> Any:
        run = real(prepared)
        run.trainer.add_callback(Watch())
        stopped.append(run.trainer)
        return run

    monkeypatch.setattr(runs, "build_grpo", watched)
    assert runs.run_grpo(config, resume=False, as_json=False) == 1
    assert "judge outage at step" in capsys.readouterr().err
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "outage" and "32 of 32" in status["reason"]
    # three steps are done and written; the fourth was never taken
    assert [x["step"] for x in read_lines(tmp_path / "run" / "metrics.jsonl")] == [1, 2, 3]
    assert sorted(before) == [0, 1, 2]
    # the optimiser had momentum, and yet the outage moved nothing
    assert all(torch.equal(after[0][k], now) for k, now in stopped[0].model.state_dict().items())
    assert not (tmp_path / "run" / "final").exists()


@pytest.mark.parametrize("spoilt", [1, 6, 9])
def test_a_run_resumed_after_an_outage_is_as_one_that_had_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: int
) -> None:
    """In the first step, in the middle of an epoch of three steps, and in the last step."""

    def config(name: str) -> TrainConfig:
        plain = tiny(tmp_path / name, max_steps=9, lr_scheduler_type="linear", warmup_ratio=0.2)
        # second verdicts, so that the noise measured so far is part of what goes on
        reward = replace(plain.reward, replicate_every=2, min_reliability=0.01)
        gold = replace(plain.gold, every=3)
        return replace(plain, run=replace(plain.run, save_steps=4), reward=reward, gold=gold)

    assert runs.run_grpo(config("whole"), resume=False, as_json=False) == 0
    real = Graders.grade

    async def down(self: Any, completions: Any, examples: Any, **more: Any) -> Any:
        graded = await real(self, completions, examples, **more)
        n_scored[0] += len(completions) == 32
        if len(completions) == 32 and n_scored[0] == spoilt:
            nothing = Verdict(Outcome.TRANSPORT, explanation="down")
            graded = [replace(g, verdicts=(nothing,) * len(g.verdicts)) for g in graded]
        return graded

    n_scored = [0]
    monkeypatch.setattr(Graders, "grade", down)
    assert runs.run_grpo(config("down"), resume=False, as_json=False) == 1
    lines = tmp_path / "down" / "metrics.jsonl"
    assert (len(read_lines(lines)) if lines.is_file() else 0) == spoilt - 1
    monkeypatch.setattr(Graders, "grade", real)
    assert runs.run_grpo(config("down"), resume=True, as_json=False) == 0

    for name in ("metrics.jsonl", "gold.jsonl"):
        whole, resumed = (
            [{k: v for k, v in line.items() if k not in TIMES} for line in read_lines(path / name)]
            for path in (tmp_path / "whole", tmp_path / "down")
        )
        assert resumed == whole
    from safetensors.torch import load_file

    whole_weights, resumed_weights = (
        load_file(tmp_path / name / "final" / "model.safetensors") for name in ("whole", "down")
    )
    assert all(torch.equal(whole_weights[key], resumed_weights[key]) for key in whole_weights)


@pytest.mark.parametrize("loss", ["cispo", "sapo", "luspo", "vespo"])
def test_the_other_losses_of_trl_train(tmp_path: Path, loss: str) -> None:
    level = "sequence" if loss == "luspo" else "token"
    words = {"loss_type": loss, "importance_sampling_level": level}
    config = tiny(tmp_path / "run", max_steps=2, num_generations=2, prompts_per_step=2, **words)
    run = build_grpo(prepare(replace(config, gold=replace(config.gold, judge=None))))
    assert (run.trainer.loss_type, run.trainer.importance_sampling_level) == (loss, level)
    run.trainer.train()
    run.close()
    assert run.trainer.state.global_step == 2


class Heard(TrainerCallback):
    """Stands for TensorBoard: it hears what transformers tells every reporter."""

    def __init__(self) -> None:
        self.logs: list[tuple[int, dict[str, Any]]] = []

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.logs.append((state.global_step, dict(more["logs"])))


def test_reporters_hear_of_rewards_groups_and_looks(tmp_path: Path) -> None:
    config = tiny(tmp_path / "run", max_steps=2)
    run = build_grpo(prepare(replace(config, gold=replace(config.gold, every=1))))
    heard = Heard()
    run.trainer.add_callback(heard)
    run.files.start(config, {})
    run.trainer.train()
    run.reward.close()
    steps = {step: logs for step, logs in heard.logs if "loss" in logs}
    assert set(steps) == {1, 2}
    for logs in steps.values():
        # telling of a look has not taken the averages of the step with it
        assert {"reward", "reward_alt/healthbench", "rubric/dead_frac", "rubric/group_std"} <= set(
            logs
        )
    looks = [step for step, logs in heard.logs if "held_out/gold/healthbench" in logs]
    assert looks == [0, 1, 2]
    lines = read_lines(tmp_path / "run" / "gold.jsonl")
    told = [logs for _, logs in heard.logs if "held_out/training/hybrid" in logs]
    assert [one["held_out/training/hybrid"] for one in told] == [
        line["means"]["hybrid"] for line in lines if line["judge"] == "training"
    ]


def test_trl_masks_what_we_give_as_none(tmp_path: Path) -> None:
    # what the whole design rests on: None alone in a group gets advantage 0 and is left out of
    # the baseline of the others
    config = tiny(tmp_path / "run", max_steps=1, num_generations=2, prompts_per_step=2)
    trainer = build_grpo_trainer(replace(config, gold=replace(config.gold, judge=None)))
    prompt = [{"role": "user", "content": "my pulse skips what can i do"}]
    inputs = [{"prompt": prompt, "prompt_id": "x"}] * 4
    trainer._calculate_rewards = lambda *a: torch.tensor([[1.0], [3.0], [5.0], [float("nan")]])
    trainer.model.train()
    advantages = trainer._generate_and_score_completions(inputs)["advantages"]
    assert advantages[3] == 0.0
    assert advantages[2] == 0.0  # 5 minus the mean of the scored ones, which is 5
    assert advantages[0] < 0 < advantages[1]


def test_the_trainer_is_trls_own_and_logs_no_prompts(tmp_path: Path) -> None:
    from trl.trainer.grpo_trainer import GRPOTrainer

    trainer = build_grpo_trainer(tiny(tmp_path / "run", max_steps=2))
    assert type(trainer) is GRPOTrainer
    assert trainer.args.shuffle_dataset is False
    assert not trainer.log_completions
    import logging

    logger = logging.getLogger("trl.trainer.grpo_trainer")
    record = logger.makeRecord(
        logger.name, logging.WARNING, "", 0,
        "[RANK 0] All reward functions returned None for the following kwargs:\n{x}", (), None,
    )  # fmt: skip
    assert not logger.filter(record)


def test_everything_wrong_is_said_before_the_weights_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_weights(*args: Any, **more: Any) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("rubricbeat.harness.training.loop.grpo.load_model", no_weights)
    config = tiny(tmp_path / "run", max_steps=2)
    for wrong, message in [
        (replace(config, judge={"name": "scripted", "script": None}), "the judge gave no verdict"),
        (replace(config, model=replace(config.model, name="./no/such/folder")), "no folder"),
        (replace(config, grpo=replace(config.grpo, max_completion_length=5000)), "past the 4096"),
        (replace(config, reward=replace(config.reward, name="complexity")), "cancels under"),
    ]:
        with pytest.raises(ConfigError, match=message):
            build_grpo_trainer(wrong)


def test_a_second_run_does_not_write_over_the_first(tmp_path: Path) -> None:
    config = tiny(tmp_path / "run", max_steps=2)
    RunFiles(tmp_path / "run").start(config, {})
    with pytest.raises(ConfigError, match="holds a run already; add --resume"):
        prepare(config)


def test_resuming_another_configuration_is_refused(tmp_path: Path) -> None:
    config = tiny(tmp_path / "run", max_steps=2)
    RunFiles(tmp_path / "run").start(config, {})
    changed = replace(config, grpo=replace(config.grpo, learning_rate=0.5))
    with pytest.raises(ConfigError, match=r"grpo\.learning_rate was 0\.01 .* and is 0\.5 now"):
        runs.run_grpo(changed, resume=True, as_json=False)


def test_a_run_may_be_resumed_with_a_larger_budget(tmp_path: Path) -> None:
    config = replace(tiny(tmp_path / "run", max_steps=2), judge={"name": "keyword", "max_cost": 1})
    RunFiles(tmp_path / "run").start(config, {})
    richer = replace(config, judge={"name": "keyword", "max_cost": 9, "max_concurrency": 8})
    runs._check_same_run(richer, tmp_path / "run", "grpo")
    other = replace(config, judge={"name": "keyword", "max_cost": 1, "include_reasoning": True})
    with pytest.raises(ConfigError, match=r"judge\.include_reasoning was None .* and is True now"):
        runs._check_same_run(other, tmp_path / "run", "grpo")


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        runs.run_grpo(tiny(tmp_path / "none", max_steps=2), resume=True, as_json=False)


def test_trls_own_order_starts_again_after_a_resume() -> None:
    # why the order is made by us: a resumed trainer has a new sampler, whatever epoch it is in
    from trl.trainer.utils import RepeatSampler

    first = RepeatSampler(range(50), mini_repeat_count=1, shuffle=True, seed=7)
    epoch_1, epoch_2 = list(first), list(first)
    resumed = list(RepeatSampler(range(50), mini_repeat_count=1, shuffle=True, seed=7))
    assert epoch_1 != epoch_2
    assert resumed == epoch_1
