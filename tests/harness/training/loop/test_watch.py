"""Our reward and callbacks on TRL's own: `trl grpo`, and a plain GRPOTrainer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer
from waiting import HANG_S

import rubricbeat as rb
from rubricbeat.harness.training import DataSection, RubricReward, load_data
from rubricbeat.harness.training.loop.watch import watch
from rubricbeat.harness.training.policy.small_models import build_model, build_tokenizer
from rubricbeat.harness.training.run_files import read_lines
from rubricbeat.harness.training.tiny_data import WORDS, tiny_examples
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import ConfigError, OutageError
from rubricbeat.judges.keyword.judge import KeywordJudge
from rubricbeat.judges.verdict import Outcome, Verdict
from rubricbeat.reports.training.page import common_facts, training_report
from rubricbeat.reports.training.runs import read_training_runs

pytestmark = [pytest.mark.border, pytest.mark.filterwarnings("ignore::FutureWarning")]


def tiny() -> tuple[Any, Any]:
    texts = [turn.content for example in tiny_examples() for turn in example.prompt]
    tokenizer = build_tokenizer(texts, WORDS)
    return build_model(tokenizer, seed=0), tokenizer


def test_a_reward_in_one_line_trains_on_bare_prompts_in_a_plain_trainer(tmp_path: Path) -> None:
    model, tokenizer = tiny()
    arguments = GRPOConfig(
        str(tmp_path), max_steps=1, num_generations=4, per_device_train_batch_size=4,
        max_completion_length=8, use_cpu=True, bf16=False, report_to=[], logging_steps=1,
        save_strategy="no", disable_tqdm=True, gradient_checkpointing=False,
    )  # fmt: skip
    prompts = Dataset.from_list([{"prompt": row["prompt"]} for row in rows()])
    reward = rb.reward("constant", "healthbench", rubric=["Says 4", "Is short"])
    trainer = GRPOTrainer(
        model, reward, args=arguments, train_dataset=prompts, processing_class=tokenizer
    )
    trainer.train()
    # the constant judge says that every criterion is met
    assert trainer.state.log_history[0]["rewards/rubric_healthbench/mean"] == 1.0
    reward.close()


def rows() -> list[dict[str, Any]]:
    return [example_to_row(example) for example in tiny_examples()]


def trainer(folder: Path, reward: Any, **more: Any) -> GRPOTrainer:
    model, tokenizer = tiny()
    arguments = GRPOConfig(
        str(folder), max_steps=4, num_generations=4, per_device_train_batch_size=8,
        max_completion_length=8, learning_rate=0.01, save_steps=2, use_cpu=True, bf16=False,
        report_to=[], shuffle_dataset=False, logging_steps=1, disable_tqdm=True,
        gradient_checkpointing=False, **more,
    )  # fmt: skip
    data = Dataset.from_list(
        [
            {"prompt": row["prompt"], "rubric_row": json.dumps(row), "prompt_id": row["prompt_id"]}
            for row in rows()
        ]
    )
    return GRPOTrainer(
        model, reward, args=arguments, train_dataset=data, processing_class=tokenizer
    )


def test_trl_itself_trains_on_rows_as_they_are(tmp_path: Path, root: Path) -> None:
    model, tokenizer = tiny()
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    (tmp_path / "rows").mkdir()
    shutil.copy(root / "tasks" / "demo" / "demo_heart_extra.jsonl", tmp_path / "rows/train.jsonl")
    (tmp_path / "my_reward.py").write_text(
        "from rubricbeat.harness.training import RubricReward\n"
        'reward = RubricReward("keyword", "hybrid", alternatives=["binary"])\n',
        encoding="utf-8",
    )
    words = "grpo --model_name_or_path base --dataset_name rows --reward_funcs my_reward.reward"
    words += " --output_dir out --max_steps 2 --use_cpu --bf16 false --num_generations 2"
    words += " --per_device_train_batch_size 2 --max_completion_length 4 --report_to none"
    words += " --logging_steps 1"
    command = [sys.executable, "-m", "trl.scripts.grpo", *words.split()[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=HANG_S
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "rewards/rubric_hybrid/mean" in done.stdout
    assert "reward_alt/binary" in done.stdout


def test_ten_lines_keep_all_that_a_run_keeps(tmp_path: Path) -> None:
    reward = RubricReward("keyword", "hybrid", alternatives=["binary"])
    data = load_data(DataSection(path="tiny", held_out=0.25))
    one = trainer(tmp_path, reward)
    gold = watch(one, gold="keyword", held_out=data.held_out, every=2, completions_every=2)
    one.train()
    reward.close()
    assert gold is not None
    gold.close()
    lines = read_lines(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(line["answers"] == 8 and "reward_alt/binary" in line for line in lines)
    looks = read_lines(tmp_path / "gold.jsonl")
    assert [(look["step"], look["judge"]) for look in looks] == [
        (step, judge) for step in (0, 2, 4) for judge in ("gold", "training")
    ]
    # 4 steps of 8 answers and 3 looks at 4 prompts, 5 criteria each
    account = json.loads((tmp_path / "judge.json").read_text())["judge"]
    assert account["asked"] == (4 * 8 + 3 * 4) * 5
    assert len(list((tmp_path / "completions").iterdir())) == 3  # of steps 1, 2 and 4
    [found] = read_training_runs([tmp_path])
    assert found.series("reward").size == 4
    # what a page says of it
    assert (found.setting, found.state, found.seed) == ("hybrid, scale group", "done", 42)
    report = training_report([tmp_path])
    assert "held-out judge is the training judge, 4 prompts: too few" in report.headline
    facts = dict(common_facts(report.runs))
    assert facts["Training judge"] == facts["Held-out judge"] == "keyword"
    assert facts["Budget"] == (
        "4 steps, 2 prompts per step, 4 answers per prompt, at most 8 tokens per answer"
    )
    assert not [text for text in facts.values() if "?" in text]


def test_the_ten_lines_of_the_docs_run_as_they_stand(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (root / "docs" / "training.md").read_text(encoding="utf-8")
    code = text.partition("## Callbacks on")[2].partition("```python\n")[2].partition("```")[0]
    assert len([line for line in code.splitlines() if line and "import" not in line]) <= 10
    # a small policy, a judge that costs nothing, and two steps; the rest is the page's own
    for judge in ('{"name": "chat", "model": "gpt-4.1-mini", "max_cost": 50}', '"gpt-4.1"}'):
        assert judge in code
    code = code.replace('{"name": "chat", "model": "gpt-4.1-mini", "max_cost": 50}', '"keyword"')
    code = code.replace('{"name": "chat", "model": "gpt-4.1"}', '"keyword"')
    code = code.replace("Qwen/Qwen3-0.6B", "base")
    few = "max_steps=2, num_generations=2, per_device_train_batch_size=2, use_cpu=True, bf16=False"
    few += (
        ", max_completion_length=4, report_to=[], disable_tqdm=True, gradient_checkpointing=False"
    )
    code = code.replace("shuffle_dataset=False", f"shuffle_dataset=False, {few}")
    monkeypatch.chdir(tmp_path)
    model, tokenizer = tiny()
    model.save_pretrained("base")
    tokenizer.save_pretrained("base")
    demo = root / "tasks" / "demo"
    shutil.copy(demo / "demo_heart_extra.jsonl", "train.jsonl")
    few_rows = (demo / "demo_heart.jsonl").read_text(encoding="utf-8").splitlines()[:2]
    Path("held_out.jsonl").write_text("\n".join(few_rows), encoding="utf-8")
    exec(compile(code, "docs/training.md", "exec"), {})
    lines = read_lines(tmp_path / "runs" / "mine" / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2]
    looks = read_lines(tmp_path / "runs" / "mine" / "gold.jsonl")
    assert [(look["step"], look["judge"]) for look in looks] == [
        (step, judge) for step in (0, 2) for judge in ("gold", "training")
    ]


class Down(KeywordJudge):
    """Falls silent, and comes back."""

    stored = False
    is_down = False

    async def judge(self, question: Any) -> Verdict:
        if self.is_down:
            return Verdict(Outcome.TRANSPORT, explanation="down")
        return await super().judge(question)


def test_an_outage_ends_a_plain_trainer_and_it_resumes_bit_for_bit(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", RubricReward("keyword", "hybrid"))
    watch(whole)
    whole.train()
    judge = Down()
    stopped = trainer(tmp_path / "stopped", RubricReward(judge, "hybrid"))
    watch(stopped)

    from transformers import TrainerCallback

    class Falls(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            judge.is_down = state.global_step == 3

    stopped.add_callback(Falls())
    with pytest.raises(OutageError, match="8 of 8 answers"):
        stopped.train()
    # begun anew in its folder, it would write over what was paid for
    anew = trainer(tmp_path / "stopped", RubricReward("keyword", "hybrid"))
    watch(anew)
    with pytest.raises(ConfigError, match="give resume_from_checkpoint, or take another folder"):
        anew.train()
    again = trainer(tmp_path / "stopped", RubricReward("keyword", "hybrid"))
    watch(again)
    again.train(resume_from_checkpoint=True)
    of = [
        [(line["step"], line["reward"], line["loss"]) for line in read_lines(folder)]
        for folder in (tmp_path / "whole/metrics.jsonl", tmp_path / "stopped/metrics.jsonl")
    ]
    assert of[0] == of[1]


def test_what_watch_cannot_keep_is_refused(tmp_path: Path) -> None:
    def other(completions: list[Any], **more: Any) -> list[float]:
        return [0.0 for _ in completions]

    with pytest.raises(ConfigError, match="only reward is a RubricReward"):
        watch(trainer(tmp_path / "a", [RubricReward("keyword"), other]))
    with pytest.raises(ConfigError, match="needs held_out"):
        watch(trainer(tmp_path / "b", RubricReward("keyword")), gold="keyword")
