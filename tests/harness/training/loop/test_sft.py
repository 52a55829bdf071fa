"""The warm start, and its adapter as the start and the reference of a GRPO run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from rubricbeat.harness.training.config import TrainConfig
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.data import in_format
from rubricbeat.harness.training.loop import run as runs
from rubricbeat.harness.training.loop.grpo import build_grpo, prepare
from rubricbeat.harness.training.loop.sft import build_sft, prepare_sft, sft_rows
from rubricbeat.harness.training.policy.policy import load_model, load_tokenizer
from rubricbeat.harness.training.run_files import read_lines
from rubricbeat.harness.training.tiny_data import tiny_examples
from rubricbeat.judges.answer import solution_of
from rubricbeat.judges.errors import ConfigError

from ..examples import example, longest_pair

pytestmark = [
    pytest.mark.border,
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A tiny model in a folder, as any checkpoint is."""
    section = load_config(preset="cpu_tiny").model
    tokenizer = load_tokenizer(section, tiny_examples())
    folder = tmp_path / "base"
    load_model(section, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def config(output: Path, model: dict[str, Any], **more: Any) -> TrainConfig:
    sections: dict[str, Any] = {
        "run": {"output_dir": str(output), "save_steps": 4},
        "model": {"lora": True, "lora_r": 4, **model},
        "data": {"sft_share": 0.5, "held_out": 0.0},
        "sft": {
            "max_steps": 24,
            "batch_size": 4,
            "micro_batch": 4,
            "learning_rate": 0.01,
            "gradient_checkpointing": False,
        },
        "gold": {"judge": None},
        **more,
    }
    return load_config(preset="cpu_tiny", overrides=sections)


def test_the_reference_is_put_into_the_format_and_only_it_is_judged() -> None:
    text = in_format("Call a doctor.", example())
    assert text.startswith("<start_working_out>") and text.endswith("</SOLUTION>")
    assert "Says rest." in text and "Says alone." not in text  # a fault is no plan
    assert text.index("Says rest.") < text.index("Says call.")  # 5 points before 3
    assert solution_of(text) == "Call a doctor."


def test_the_warm_start_learns_and_its_adapter_starts_grpo(tmp_path: Path, base: Path) -> None:
    warm = config(tmp_path / "sft", {"name": str(base)})
    assert runs.run_sft(warm, resume=False, as_json=False) == 0
    losses = [line["loss"] for line in read_lines(tmp_path / "sft" / "metrics.jsonl")]
    assert len(losses) == 24 and sum(losses[-3:]) / 3 < losses[0] - 0.5

    adapter = tmp_path / "sft" / "final"
    after = config(
        tmp_path / "grpo",
        {"name": str(base), "adapter": str(adapter)},
        grpo={"max_steps": 2, "beta": 0.1, "num_generations": 4, "prompts_per_step": 2},
    )
    run = build_grpo(prepare(after))
    names = dict(run.trainer.model.named_parameters())
    trained = [n for n, p in names.items() if p.requires_grad]
    assert trained and all(".default." in n for n in trained)
    # TRL's copy of the warm start is the reference of the KL term
    for name in trained:
        assert torch.equal(names[name], names[name.replace(".default.", ".ref.")])
    run.trainer.train()
    run.reward.close()
    moved = [
        n for n in trained if not torch.equal(names[n], names[n.replace(".default.", ".ref.")])
    ]
    assert moved
    line = read_lines(tmp_path / "grpo" / "metrics.jsonl")[-1]
    assert line["kl"] is not None
    # the prompts of the warm start are never asked again
    warm_ids = {
        e.prompt_id
        for e, _ in prepare_sft(
            replace(warm, run=replace(warm.run, output_dir=str(tmp_path / "x")))
        ).pairs
    }
    assert not warm_ids & {e.prompt_id for e in run.prepared.data.train}


def test_prompt_and_completion_are_apart_so_that_the_loss_is_on_the_response_only(
    tmp_path: Path,
) -> None:
    prepared = prepare_sft(config(tmp_path / "s", {"name": "tiny", "lora": False}))
    row = sft_rows(prepared)[0]
    assert [m["role"] for m in row["prompt"]] == ["user"]
    assert [m["role"] for m in row["completion"]] == ["assistant"]
    trainer, _ = build_sft(prepared)
    assert trainer.args.completion_only_loss is True
    batch = next(iter(trainer.get_train_dataloader()))
    kept = batch["labels"][0][batch["labels"][0] != -100]
    assert "rest water call doctor" in prepared.tokenizer.decode(kept)
    assert "heart" not in prepared.tokenizer.decode(kept)


def test_a_warm_start_without_a_split_is_refused(tmp_path: Path) -> None:
    plain = config(tmp_path / "s", {"name": "tiny"})
    with pytest.raises(ConfigError, match="no SFT split"):
        prepare_sft(replace(plain, data=replace(plain.data, sft_share=0.0)))


def test_a_batch_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    plain = config(tmp_path / "s", {"name": "tiny"})
    with pytest.raises(
        ConfigError, match=r"sft\.batch_size 4 is no multiple of sft\.micro_batch 3"
    ):
        prepare_sft(replace(plain, sft=replace(plain.sft, micro_batch=3)))


def test_a_warm_start_killed_and_resumed_has_each_step_once(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = config(tmp_path / "sft", {"name": str(base)})
    warm = replace(warm, sft=replace(warm.sft, max_steps=8))

    class KillAt(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step == 6:
                raise KeyboardInterrupt

    def killed(prepared: Any) -> Any:
        trainer, files = build_sft(prepared)
        trainer.add_callback(KillAt())
        return trainer, files

    monkeypatch.setattr("rubricbeat.harness.training.loop.sft.build_sft", killed)
    with pytest.raises(KeyboardInterrupt):
        runs.run_sft(warm, resume=False, as_json=False)
    status = json.loads((tmp_path / "sft" / "status.json").read_text())
    assert status == {"state": "interrupted"}
    monkeypatch.undo()
    assert runs.run_sft(warm, resume=True, as_json=False) == 0
    steps = [line["step"] for line in read_lines(tmp_path / "sft" / "metrics.jsonl")]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_reference_that_would_be_cut_is_said(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # TRL cuts at max_length in silence: of a long prompt nothing is left to learn
    warm = config(tmp_path / "sft", {"name": str(base)})
    with pytest.raises(ConfigError, match=r"leave no room for the answer in sft\.max_length 8"):
        prepare_sft(replace(warm, sft=replace(warm.sft, max_length=8)))
    longest = longest_pair(prepare_sft(warm))
    prepare_sft(replace(warm, sft=replace(warm.sft, max_length=longest - 1)))
    assert "are longer than sft.max_length" in capsys.readouterr().err


@pytest.mark.parametrize(("lora", "key"), [(True, "adapter"), (False, "model")])
def test_what_the_warm_start_leaves_is_named_for_what_it_is(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str], lora: bool, key: str
) -> None:
    warm = config(tmp_path / "sft", {"name": str(base), "lora": lora})
    short = replace(warm, sft=replace(warm.sft, max_steps=1))
    assert runs.run_sft(short, resume=False, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said[key] == str(tmp_path / "sft" / "final")
    assert ("adapter" in said, "model" in said) == (lora, not lora)
