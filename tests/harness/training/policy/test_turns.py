"""The end of a turn, values of chat templates, and blocks of reasoning that a template opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from rubricbeat.harness.training.config import TrainConfig
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.loop import run as runs
from rubricbeat.harness.training.loop.grpo import build_grpo, prepare
from rubricbeat.harness.training.loop.sft import build_sft, prepare_sft
from rubricbeat.harness.training.loop.task_evaluation import evaluation_command
from rubricbeat.harness.training.policy.policy import load_tokenizer, prompt_lengths
from rubricbeat.harness.training.policy.small_models import build_model, build_tokenizer
from rubricbeat.harness.training.policy.turns import turn_end
from rubricbeat.harness.training.run_files import read_lines
from rubricbeat.harness.training.tiny_data import WORDS, tiny_examples
from rubricbeat.judges.answer import Reading
from rubricbeat.judges.errors import ConfigError

from ..examples import longest_pair

pytestmark = [pytest.mark.border, pytest.mark.filterwarnings("ignore::UserWarning")]

TURNS = (
    "{% for message in messages %}"
    "{{ '<' + message['role'] + '> ' + message['content'] + ' <end> ' }}{% endfor %}"
)
OPEN = "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
THINKING = (
    "{% if add_generation_prompt %}{{ '<assistant> <think> ' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '</think> ' }}{% endif %}"
    "{% endif %}"
)


def base(folder: Path, template: str = TURNS + OPEN, words: tuple[str, ...] = ()) -> Path:
    """A base model: texts end with one token, and turns of its template with another."""
    texts = [turn.content for example in tiny_examples() for turn in example.prompt]
    tokenizer = build_tokenizer(texts, (*WORDS, *words))
    tokenizer.add_special_tokens(
        {
            "eos_token": "<|endoftext|>",
            "additional_special_tokens": ["<end>", "<system>", "<user>", "<assistant>"],
        }
    )
    tokenizer.chat_template = template
    build_model(tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def config(output: Path, model: dict[str, Any], **more: Any) -> TrainConfig:
    sections: dict[str, Any] = {
        "run": {"output_dir": str(output), "save_steps": 2},
        "model": {"lora": True, "lora_r": 16, **model},
        "data": {"sft_share": 0.5, "held_out": 0.0},
        "sft": {"max_steps": 60, "batch_size": 8, "micro_batch": 8, "learning_rate": 0.03}
        | {"gradient_checkpointing": False},
        "grpo": {"max_steps": 2, "num_generations": 4, "prompts_per_step": 2},
        "gold": {"judge": None},
    }
    for name, values in more.items():
        sections[name] = {**sections.get(name, {}), **values}
    return load_config(preset="cpu_tiny", overrides=sections)


def test_a_base_model_stops_after_its_warm_start(tmp_path: Path) -> None:
    model = base(tmp_path / "base")
    warm = config(tmp_path / "sft", {"name": str(model)})
    prepared = prepare_sft(warm)
    trainer, _ = build_sft(prepared)
    batch = next(iter(trainer.get_train_dataloader()))
    end = prepared.tokenizer.convert_tokens_to_ids("<end>")
    assert prepared.tokenizer.eos_token_id == end
    assert all(end in row[row != -100].tolist() for row in batch["labels"])

    assert runs.run_sft(warm, resume=False, as_json=False) == 0
    adapter = tmp_path / "sft" / "final"
    # the turn's end goes with the adapter, for whoever loads it
    assert AutoTokenizer.from_pretrained(adapter).eos_token == "<end>"
    after = config(tmp_path / "grpo", {"name": str(model), "adapter": str(adapter)})
    run = build_grpo(prepare(after))
    assert end in run.trainer.eos_token_ids
    run.trainer.train()
    run.close()
    lines = read_lines(tmp_path / "grpo" / "metrics.jsonl")
    # all four words and the end fit into twelve tokens; before, each answer filled all of them
    assert min(line["truncated_frac"] for line in lines) < 1


def test_what_an_adapter_was_trained_with_is_read_with_it(tmp_path: Path) -> None:
    model = base(tmp_path / "base")
    own = load_tokenizer(config(tmp_path / "x", {"name": str(model)}).model, ())
    own.chat_template = own.chat_template.replace("<user>", "<user> my")
    own.add_tokens(["mine"])
    adapter = tmp_path / "adapter"
    own.save_pretrained(adapter)
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "b"}))
    section = config(tmp_path / "x", {"name": str(model), "adapter": str(adapter)}).model
    assert "mine" in load_tokenizer(section, ()).get_vocab()


@pytest.mark.parametrize("stage", [prepare, prepare_sft])
def test_a_template_whose_turns_have_no_end_is_refused_before_the_weights(
    tmp_path: Path, stage: Any
) -> None:
    model = base(tmp_path / "base", TURNS.replace("<end>", "") + OPEN)
    with pytest.raises(ConfigError, match="writes no token after an answer"):
        stage(config(tmp_path / "run", {"name": str(model)}))


def test_answers_that_are_all_cut_before_their_end_are_refused(tmp_path: Path) -> None:
    model = base(tmp_path / "base")
    warm = config(tmp_path / "sft", {"name": str(model)})
    longest = longest_pair(prepare_sft(warm))
    short = config(tmp_path / "sft", {"name": str(model)}, sft={"max_length": longest - 4})
    with pytest.raises(ConfigError, match=rf"would never stop; raise it to {longest}"):
        prepare_sft(short)


@pytest.mark.parametrize(
    ("tail", "end"),
    [
        ("<end>", "<end>"),  # ChatML
        ("<|endoftext|>", "<|endoftext|>"),  # Llama 2, Mistral, DeepSeek
        ("<end> <|endoftext|>", "<|endoftext|>"),  # Phi
        ("", None),
    ],
)
def test_the_end_of_a_turn_is_what_the_template_writes_after_an_answer(
    tmp_path: Path, tail: str, end: str | None
) -> None:
    base(tmp_path, TURNS.replace("<end>", tail) + OPEN)
    assert turn_end(AutoTokenizer.from_pretrained(tmp_path)) == end


SWITCHED = TURNS.replace("'<'", "('calm ' if quiet is defined and quiet else '') + '<'") + OPEN


def test_values_of_the_template_are_the_same_everywhere(tmp_path: Path) -> None:
    model = base(tmp_path / "base", SWITCHED)
    loud = config(tmp_path / "loud", {"name": str(model), "lora": False})
    quiet = config(
        tmp_path / "quiet",
        {"name": str(model), "lora": False},
        grpo={"chat_template_kwargs": {"quiet": True}},
    )
    few = list(tiny_examples()[:2])
    plain, told = prepare(loud), prepare(quiet)
    # lengths, and so filters and looks: one word more a prompt
    lengths = [prompt_lengths(one.tokenizer, few, one.config.data) for one in (plain, told)]
    assert [b - a for a, b in zip(*lengths, strict=True)] == [1, 1]
    warm = prepare_sft(quiet)
    rows = build_sft(warm)[0].train_dataset["input_ids"]
    assert all("calm" in warm.tokenizer.decode(row) for row in rows)
    # TRL asks so, and the checkpoint that is evaluated says it by itself
    assert runs.run_grpo(quiet, resume=False, as_json=False) == 0
    saved = AutoTokenizer.from_pretrained(tmp_path / "quiet" / "checkpoint-2")
    ask = [{"role": "user", "content": "a"}]
    assert saved.apply_chat_template(ask, tokenize=False).startswith("calm <user>")
    # and once more it is said once, or otherwise
    assert load_tokenizer(quiet.model, (), {"quiet": True}).chat_template == saved.chat_template
    assert prepare(quiet, resume=True).tokenizer.chat_template == saved.chat_template


def test_an_adapter_may_go_on_with_other_values(tmp_path: Path) -> None:
    model = base(tmp_path / "base", SWITCHED)
    tokenizer = load_tokenizer(config(tmp_path, {"name": str(model)}).model, (), {"quiet": True})
    tokenizer.save_pretrained(tmp_path / "a")
    (tmp_path / "a" / "adapter_config.json").write_text("{}")
    section = config(tmp_path, {"name": str(model), "adapter": str(tmp_path / "a")}).model
    ask = [{"role": "user", "content": "a"}]
    again = load_tokenizer(section, (), {"quiet": False})
    assert again.apply_chat_template(ask, tokenize=False).startswith("<user>")


def test_reasoning_that_the_template_opens_and_never_ends_is_no_answer(tmp_path: Path) -> None:
    model = base(tmp_path / "base", TURNS + THINKING, ("<think>", "</think>"))
    judged = {"judge": "keyword"}
    thinking = prepare(
        config(
            tmp_path / "run",
            {"name": str(model), "lora": False},
            gold=judged,
            eval={"tasks": ["healthbench_heart_demo"]},
            data={"held_out": 0.25},
        )
    ).config
    for judge in (thinking.judge, thinking.gold.judge):
        assert judge == {"name": "keyword", "reasoning_opens": "prompt"}
        assert Reading.from_json(judge).part("rest and water and") == ""  # type: ignore[arg-type]
        assert Reading.from_json(judge).part("rest </think> call") == "call"  # type: ignore[arg-type]
    command = evaluation_command(thinking, tmp_path, tmp_path / "out", 1)
    options = Path(command[command.index("--judge_args") + 1])
    assert json.loads(options.read_text(encoding="utf-8")) == {"reasoning_opens": "prompt"}


def test_thinking_that_is_turned_off_opens_nothing(tmp_path: Path) -> None:
    model = base(tmp_path / "base", TURNS + THINKING, ("<think>", "</think>"))
    off = {"chat_template_kwargs": '{"enable_thinking": false}'}  # TRL takes JSON text too
    assert prepare(config(tmp_path / "run", {"name": str(model)}, grpo=off)).config.judge == (
        "keyword"
    )


def test_a_closing_mark_that_no_answer_would_show_is_refused(tmp_path: Path) -> None:
    folder = base(tmp_path / "base", TURNS + THINKING, ("<think>", "</think>"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["</think>", "<end>"]})
    tokenizer.save_pretrained(folder)
    with pytest.raises(ConfigError, match="</think>, which closes it, is a special token"):
        prepare(config(tmp_path / "run", {"name": str(folder)}))
