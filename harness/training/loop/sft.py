"""The warm start: SFT on reference answers in the reasoning format, over TRL's own trainer.

The adapter it leaves is what `model.adapter` of a GRPO run takes: the policy starts from it, and
TRL keeps a frozen copy of it as the reference policy of the KL term.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....judges.errors import ConfigError
from ....judges.rubric import Example, Message
from ..checks.settings import check_output_dir, check_policy, check_values, say_once
from ..config import TrainConfig
from ..data import TrainingData, in_format, messages_of
from ..policy.policy import (
    PolicyFacts,
    load_model,
    lora_config,
    policy_facts,
    prompt_lengths,
    quiet_libraries,
    set_threads,
)
from ..reward.graders import rank, world_size
from ..run_files import RunFiles, library_versions
from .grpo import load_prompts, trl_arguments


@dataclass(frozen=True)
class PreparedSft:
    """A warm start whose every question was answered but for the weights."""

    config: TrainConfig
    policy: PolicyFacts
    tokenizer: Any
    data: TrainingData
    pairs: tuple[tuple[Example, str], ...]
    """Examples and the text to learn for each."""
    arguments: Any
    """TRL's SFTConfig."""

    def facts(self) -> dict[str, object]:
        """Give what goes beside the run."""
        return {
            "kind": "sft",
            "versions": library_versions(),
            "data": self.data.facts,
            "n_pairs": len(self.pairs),
            "policy": {"name": self.policy.name, "parameters": self.policy.n_parameters},
            "prompt_ids": sorted({example.prompt_id for example, _ in self.pairs}),
        }


def build_sft_trainer(config: TrainConfig) -> Any:
    """Build TRL's SFTTrainer with our data; it is not a subclass."""
    return build_sft(prepare_sft(config))[0]


def prepare_sft(config: TrainConfig, *, resume: bool = False) -> PreparedSft:
    """Answer every question that needs no weights."""
    check_values(config)
    check_output_dir(config, resume)
    if config.sft.batch_size % (config.sft.micro_batch * world_size()):
        raise ConfigError(
            f"sft.batch_size {config.sft.batch_size} is no multiple of sft.micro_batch "
            f"{config.sft.micro_batch} x {world_size()} processes"
        )
    policy = policy_facts(config.model)
    tokenizer, data = load_prompts(config)
    if not data.sft:
        raise ConfigError("no SFT split: set data.sft_share above 0")
    pairs = tuple(
        (example, _target(config, example, reference))
        for example in data.sft
        for reference in example.references
    )
    if not pairs:
        raise ConfigError(
            f"none of the {len(data.sft)} examples of the SFT split has a reference answer; raise "
            "data.sft_share, or take a data.path whose rows have reference answers"
        )
    check_policy(config, policy, max(prompt_lengths(tokenizer, data.sft, config.data)))
    _check_lengths(config, tokenizer, pairs)
    return PreparedSft(config, policy, tokenizer, data, pairs, sft_arguments(config))


def build_sft(prepared: PreparedSft) -> tuple[Any, RunFiles]:
    """Load the weights and put the trainer together."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl.trainer.sft_trainer import SFTTrainer

    from .callbacks import LossRecorder

    config, run = prepared.config, prepared.config.run
    set_threads(run.threads)
    files = RunFiles(Path(run.output_dir), writes=rank() == 0)

    with quiet_libraries():
        trainer = SFTTrainer(
            model=load_model(config.model, prepared.tokenizer, seed=run.seed),
            args=prepared.arguments,
            train_dataset=Dataset.from_list(sft_rows(prepared)),
            processing_class=prepared.tokenizer,
            peft_config=lora_config(config.model),
            callbacks=[LossRecorder(files)],
        )
    trainer.remove_callback(PrinterCallback)
    return trainer, files


def sft_arguments(config: TrainConfig) -> object:
    """Word the warm start in TRL's terms; whatever is not ours goes to TRL as it stands."""
    from trl.trainer.sft_config import SFTConfig

    sft = config.sft
    settings = {
        # the prompt is given, not learned (method sheet, section 8)
        **{"completion_only_loss": True, **sft.trl},
        "per_device_train_batch_size": sft.micro_batch,
        "gradient_accumulation_steps": sft.batch_size // (sft.micro_batch * world_size()),
    }
    return trl_arguments(SFTConfig, config, sft, settings)


def sft_rows(prepared: PreparedSft) -> list[dict[str, list[dict[str, str]]]]:
    """Lay the pairs out as prompt and completion, in a seeded order."""
    data = prepared.config.data
    rows = [
        {"prompt": messages_of(example, data), "completion": [_answer(text)]}
        for example, text in prepared.pairs
    ]
    random.Random(data.seed).shuffle(rows)
    return rows


def _check_lengths(
    config: TrainConfig, tokenizer: Any, pairs: Sequence[tuple[Example, str]]
) -> None:
    """Refuse prompts of which TRL would leave no answer, and say how many answers it cuts."""
    room, data = config.sft.max_length, config.data
    prompts = prompt_lengths(tokenizer, [example for example, _ in pairs], data)
    too_long = sum(length >= room for length in prompts)
    if too_long:
        raise ConfigError(
            f"{too_long} of {len(pairs)} prompts leave no room for the answer in sft.max_length "
            f"{room}; raise it above {max(prompts)}, or lower data.max_prompt_tokens"
        )
    turns = [[*messages_of(example, data), _answer(text)] for example, text in pairs]
    both: list[list[int]] = tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    longest, n_cut = max(map(len, both)), sum(len(one) > room for one in both)
    # TRL learns what it keeps after the prompt
    ends = (tokenizer.eos_token_id in one[n:room] for one, n in zip(both, prompts, strict=True))
    if not any(ends):
        raise ConfigError(
            f"none of the {len(pairs)} answers keeps its end, {tokenizer.eos_token}, within "
            f"sft.max_length {room}, so that the policy would never stop; raise it to {longest}"
        )
    if n_cut:
        say_once(
            f"warning: {n_cut} of {len(pairs)} prompts and answers are longer than sft.max_length "
            f"{room} and are cut off there; the longest has {longest} tokens"
        )


def _answer(text: str) -> dict[str, str]:
    return Message("assistant", text).to_json()


def _target(config: TrainConfig, example: Example, reference: str) -> str:
    return in_format(reference, example) if config.data.reasoning else reference
