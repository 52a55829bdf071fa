"""What a resumed run owes to the one that was killed: its account, its looks, its own files."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from loopback import Loopback
from transformers import TrainerCallback

from rubricbeat.harness.training.checks.settings import check_warm_start
from rubricbeat.harness.training.config import DataSection, GrpoSection, TrainConfig
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.data import load_data, messages_of
from rubricbeat.harness.training.loop import run as runs
from rubricbeat.harness.training.loop.callbacks import StepRecorder
from rubricbeat.harness.training.loop.grpo import (
    build_grpo,
    build_reward,
    latest_checkpoint,
    prepare,
    run_facts,
)
from rubricbeat.harness.training.loop.held_out import GoldJudge
from rubricbeat.harness.training.policy.policy import (
    generate_answers,
    load_model,
    load_tokenizer,
    sampling_of,
)
from rubricbeat.harness.training.reward.graders import Graders
from rubricbeat.harness.training.reward.reward import RubricReward
from rubricbeat.harness.training.run_files import RunFiles, held, read_lines
from rubricbeat.harness.training.tiny_data import tiny_examples
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.verdict import Outcome, Rating, Verdict

from .examples import example

# torch and TRL tell users of what they do on a CPU
pytestmark = [
    pytest.mark.border,
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

    where = "rubricbeat.harness.training.loop.task_evaluation.subprocess.run"
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


def test_an_account_that_cannot_be_read_is_not_begun_anew(tmp_path: Path) -> None:
    config = small(tmp_path / "run")
    run_until(config, 2)
    (tmp_path / "run" / "judge.json").write_text('{"judge": ', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"judge\.json is no JSON .*; put it back"):
        runs.run_grpo(config, resume=True, as_json=False)


def test_a_judge_named_in_one_word_may_get_other_limits(tmp_path: Path) -> None:
    config = small(tmp_path / "run", judge="keyword")
    RunFiles(tmp_path / "run").start(config, {})
    limited = replace(config, judge={"name": "keyword", "max_cost": 3})
    runs._check_same_run(limited, tmp_path / "run", "grpo")
    with pytest.raises(ConfigError, match=r"judge\.name was 'keyword' .* and is 'constant' now"):
        runs._check_same_run(replace(config, judge="constant"), tmp_path / "run", "grpo")


def test_a_setting_that_is_younger_than_the_run_does_not_stop_its_resume(tmp_path: Path) -> None:
    config = small(tmp_path / "run")
    RunFiles(tmp_path / "run").start(config, {})
    path = tmp_path / "run" / "config.yaml"
    assert path.read_text().count("  rest_dead: 0\n") == 1
    path.write_text(path.read_text().replace("  rest_dead: 0\n", ""), encoding="utf-8")
    runs._check_same_run(config, tmp_path / "run", "grpo")
    # nor does a field of TRL that an older version took and passed over
    unheeded = path.read_text().replace("  trl: {}\n", "  trl: {warmup_steps: 30}\n", 1)
    assert unheeded.count("warmup_steps: 30") == 1
    path.write_text(unheeded, encoding="utf-8")
    runs._check_same_run(config, tmp_path / "run", "grpo")
    rests = replace(config, data=replace(config.data, rest_dead=2))
    with pytest.raises(ConfigError, match=r"data\.rest_dead was 0 in .* and is 2 now"):
        runs._check_same_run(rests, tmp_path / "run", "grpo")


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


@pytest.mark.parametrize("breaks", ["train", "save_model"])
def test_a_run_that_broke_says_so(
    breaks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*args: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    real = runs.build_grpo

    def breaking(prepared: Any) -> Any:
        run = real(prepared)
        if breaks == "save_model":
            monkeypatch.setattr(run.trainer, "train", lambda **more: None)
        monkeypatch.setattr(run.trainer, breaks, full_disk)
        return run

    monkeypatch.setattr(runs, "build_grpo", breaking)
    with pytest.raises(OSError, match="No space left"):
        runs.run_grpo(small(tmp_path / "run"), resume=False, as_json=False)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "failed" and "No space left" in status["reason"]


def test_a_run_is_resumed_with_its_own_stage_and_data(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    texts = [f"question {i} of a patient" for i in range(8)]

    def write(texts: list[str]) -> None:
        lines = [json.dumps(example_to_row(example(f"p{i}", t))) for i, t in enumerate(texts)]
        rows.write_text("\n".join(lines), encoding="utf-8")

    write(texts)
    config = small(tmp_path / "run", data={"path": str(rows), "held_out": 0.25})
    RunFiles(tmp_path / "run").start(config, run_facts(prepare(config)))
    write([*texts[:-1], "another question than the run began with"])
    with pytest.raises(ConfigError, match=r"rows\.jsonl is not the file the run .* began with"):
        runs.run_grpo(config, resume=True, as_json=False)
    with pytest.raises(ConfigError, match="holds a run of `train grpo`"):
        runs.run_sft(config, resume=True, as_json=False)


@pytest.mark.parametrize("name", ["checkpoint-500", "metrics.jsonl", "gold.jsonl"])
def test_a_folder_with_files_of_another_run_is_left_alone(tmp_path: Path, name: str) -> None:
    # their checkpoints would be resumed from or rotated away, and their lines be cut
    folder = tmp_path / "run"
    (folder / name).mkdir(parents=True) if "-" in name else None
    folder.mkdir(exist_ok=True)
    if "-" not in name:
        (folder / name).write_text('{"step": 1}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"holds {name} and no config\.yaml"):
        prepare(small(folder))


def test_a_folder_that_cannot_be_written_is_said_before_a_judge_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError, match=r"run\.output_dir .*file is no folder"):
            prepare(small(folder))
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConfigError, match=r"run\.output_dir .* cannot be written to"):
        prepare(small(tmp_path / "run"))


def test_a_step_that_makes_no_answers_keeps_its_loss(tmp_path: Path) -> None:
    # with num_iterations or steps_per_generation a round of answers serves several steps
    recorder = StepRecorder(RubricReward("keyword"), RunFiles(tmp_path), 0)
    state = SimpleNamespace(global_step=2, max_steps=4)
    recorder.on_step_end(None, state, None)
    recorder.on_log(None, state, None, logs={"loss": 0.25, "grad_norm": 1.5})
    assert read_lines(tmp_path / "metrics.jsonl") == [{"step": 2, "loss": 0.25, "grad_norm": 1.5}]


def test_a_reward_of_ones_own_is_looked_at_by_the_gold_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "import numpy as np\ndef half(verdicts, rubric):\n    return verdicts.mean(-1) / 2\n"
    (tmp_path / "own_rewards.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    prepared = prepare(small(tmp_path / "run", reward={"name": "own_rewards:half"}))
    reward = build_reward(prepared)
    files = RunFiles(tmp_path / "run")
    looks = GoldJudge(None, reward, files, "keyword", tiny_examples())
    batch = looks._judges["gold"].score(None, ["rest water call doctor"], [tiny_examples()[0]])
    assert batch.alternatives["half"] == (0.4,)  # 4 of 5 words


def test_looks_sample_as_training_does_whatever_the_model_brings(tmp_path: Path) -> None:
    section = load_config(preset="cpu_tiny").model
    tokenizer = load_tokenizer(section, tiny_examples())
    model = load_model(section, tokenizer, seed=0)

    sampling = sampling_of(GrpoSection(max_completion_length=12))

    def answers() -> list[list[str]]:
        few = [messages_of(one, DataSection()) for one in tiny_examples()[:4]]
        return generate_answers(model, tokenizer, few, sampling, n=2)

    plain = answers()
    # Qwen's own generation_config.json has one; TRL samples without
    model.generation_config.repetition_penalty = 5.0
    assert answers() == plain


def test_a_run_that_still_runs_is_not_resumed_beside_itself(tmp_path: Path) -> None:
    # two would cut each other's lines and write each other's checkpoints
    config = small(tmp_path / "run")
    run_until(config, 2)
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    with (
        held(tmp_path / "run"),
        pytest.raises(ConfigError, match="another process is training in"),
    ):
        runs.run_grpo(config, resume=True, as_json=False)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before
    # with the epochs of the data, and not of the rows that were laid out
    epochs = [json.loads(line)["epoch"] for line in before.splitlines()]
    assert epochs == pytest.approx([2 / 12, 4 / 12])


def test_a_look_that_an_outage_spoilt_is_had_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def config(name: str) -> TrainConfig:
        return small(tmp_path / name, reward={"replicate_every": 0})

    assert runs.run_grpo(config("whole"), resume=False, as_json=False) == 0
    real = Graders.grade
    n_batches = [0]

    async def down(self: Any, completions: Any, examples: Any, **more: Any) -> Any:
        graded = await real(self, completions, examples, **more)
        n_batches[0] += len(completions) == 4
        if n_batches[0] == 3 or (n_batches[0] == 2 and len(completions) == 2):
            nothing = Verdict(Outcome.TRANSPORT, explanation="down")
            graded = [replace(g, verdicts=(nothing,) * len(g.verdicts)) for g in graded]
        return graded

    # down from the look after step 2, and step 3 has no rewards
    monkeypatch.setattr(Graders, "grade", down)
    assert runs.run_grpo(config("down"), resume=False, as_json=False) == 1
    spoilt = read_lines(tmp_path / "down" / "gold.jsonl")[-1]
    assert spoilt["step"] == 2 and spoilt["n_missing"] == 10
    monkeypatch.setattr(Graders, "grade", real)
    assert runs.run_grpo(config("down"), resume=True, as_json=False) == 0
    looks = [read_lines(tmp_path / name / "gold.jsonl") for name in ("whole", "down")]
    assert looks[1] == looks[0]


def test_what_the_warm_start_learnt_is_not_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # another data.seed makes other splits, and `train grpo --seed` sets it
    warm = tmp_path / "warm"
    (warm / "final").mkdir(parents=True)

    def learnt(prompt_ids: list[str]) -> None:
        facts = {"kind": "sft", "prompt_ids": prompt_ids}
        (warm / "facts.json").write_text(json.dumps(facts), encoding="utf-8")

    config = small(tmp_path / "run").model
    adapted = replace(config, adapter=str(warm / "final"))
    data = load_data(DataSection(path="tiny", held_out=0.25))
    learnt([data.held_out[0].prompt_id, data.train[0].prompt_id])
    with pytest.raises(ConfigError, match=r"1 of 4 held-out prompts .* data\.seed"):
        check_warm_start(adapted, data)
    learnt([one.prompt_id for one in data.train[:2]])
    check_warm_start(adapted, data)
    assert "2 of 12 training prompts were also used in the warm start" in capsys.readouterr().err
    learnt(["another"])
    check_warm_start(adapted, data)
    check_warm_start(config, data)
    assert capsys.readouterr().err == ""


def test_another_number_of_processes_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small(tmp_path / "run")
    RunFiles(tmp_path / "run").start(config, run_facts(prepare(config)))
    runs._say_processes(tmp_path / "run")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("WORLD_SIZE", "2")
    runs._say_processes(tmp_path / "run")
    assert "began with 1 process and continues with 2" in capsys.readouterr().err


def test_no_answer_of_a_step_is_left_out_of_its_line(tmp_path: Path) -> None:
    # steps_per_generation 1 and 20 micro-batches: twenty rounds of answers in one step
    reward = RubricReward("keyword", examples=[example()])
    recorder = StepRecorder(reward, RunFiles(tmp_path), 1)
    for _ in range(20):
        asyncio.run(reward(prompts=["x"] * 2, completions=["rest", "no"], prompt_id=["p1"] * 2))
    state = SimpleNamespace(global_step=1, max_steps=1)
    recorder.on_step_end(None, state, None)
    recorder.on_train_end(None, state, None)
    [line] = read_lines(tmp_path / "metrics.jsonl")
    assert (line["answers"], line["groups"]) == (40, 20)
    import pandas as pd

    table = pd.read_parquet(tmp_path / "completions" / "step_000001.parquet")
    # a group is one of the step, whichever round it was of
    assert table.groupby("group").size().tolist() == [2] * 20


def test_words_of_a_rater_that_were_cut_off_in_a_character_are_kept(tmp_path: Path) -> None:
    class Rater(ScriptedJudge):
        async def rate(self, example: Any, answer: str) -> Rating:
            return Rating(8, explanation="kind \ud83d")

    reward = RubricReward(Rater(True), "rar_implicit", examples=[example()])
    recorder = StepRecorder(reward, RunFiles(tmp_path), 1)
    asyncio.run(reward(prompts=["x"] * 2, completions=["rest", "no"], prompt_id=["p1"] * 2))
    recorder.on_step_end(None, SimpleNamespace(global_step=1, max_steps=1), None)
    import pandas as pd

    table = pd.read_parquet(tmp_path / "completions" / "step_000001.parquet")
    assert table["rating_words"].tolist() == ["kind ?"] * 2
