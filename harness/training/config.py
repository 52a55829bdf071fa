"""What a training run is asked to do: frozen values with their defaults.

Presets, files and flags become these values in `config_reading.py`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCALES = ("group", "none", "batch")
LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo")
DTYPES = ("auto", "bfloat16", "float16", "float32")
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class ModelSection:
    """The policy: what it starts from, and which of its weights move."""

    name: str = ""
    """`tiny` (random, built on the spot), `smollm2` (embedded), a folder, or a hub name."""
    adapter: str | None = None
    """A LoRA folder to start from, such as the one `train sft` leaves; also the KL reference."""
    dtype: str = "bfloat16"
    load_in_4bit: bool = False
    """Through bitsandbytes; needs a GPU."""
    lora: bool = True
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] = LORA_TARGETS
    lora_last_blocks: int | None = None
    """Adapt only this many of the last blocks; the backward pass ends at the first of them."""
    trust_remote_code: bool = False
    allow_float32: bool = False
    """Load more than 3 billion parameters in float32 all the same."""


@dataclass(frozen=True, slots=True)
class DataSection:
    """Which prompts, and which of them are never trained on."""

    path: str = ""
    """Rows with rubrics in any form of docs/data.md, or `demo`, `demo_extra` or `tiny`."""
    kind: str | None = None
    """The one kind that its rows must have, such as `rar`; any, row by row, where None."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Other names of its fields, such as `prompt: question` (docs/data.md)."""
    held_out: float = 0.1
    """Share kept for the gold judge; never trained on."""
    held_out_path: str | None = None
    """A file to take the held-out prompts from instead, such as `demo`; sets no share apart."""
    sft_share: float = 0.0
    """Share of the rest that goes to SFT; GRPO never sees it."""
    seed: int = 3407
    """Of the splits and of the order of prompts."""
    min_criteria: int = 1
    max_criteria: int | None = None
    max_prompt_tokens: int | None = None
    prompt_percentile: float | None = None
    """Keep prompts up to this percentile of length, in characters; 90 in the paper."""
    heart_only: bool = False
    """Keep what the heart selector of the tasks keeps."""
    evaluation: tuple[str, ...] = ()
    """Files whose prompts must not be among the training prompts; `demo` for the demo task's."""
    allow_contamination: bool = False
    """Leave out training prompts that an evaluation file holds, instead of refusing to run."""
    system_prompt: str | None = None
    """Put before each conversation that has no system turn."""
    reasoning: bool = False
    """Ask for `<start_working_out>..<end_working_out><SOLUTION>..</SOLUTION>` (method sheet 8)."""
    limit: int | None = None
    """Use the first N training prompts of the seeded order."""


@dataclass(frozen=True, slots=True)
class RewardSection:
    """The one reward that trains, those that are only logged, and what is masked."""

    name: str = "hybrid"
    options: Mapping[str, Any] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ("healthbench", "binary", "rar_explicit", "complexity")
    """Computed on the same verdicts and logged as `reward_alt/NAME`."""
    replicate_every: int = 8
    """One group in this many is judged twice, for the reliability; 0 for none."""
    mask_dead_groups: bool = False
    """Give None for groups whose rewards are all equal; acts under scale `batch` only."""
    min_reliability: float = 0.0
    """Give None for groups whose spread is not above the judge's noise by this much, in [0, 1)."""
    max_unscored_frac: float = 0.2
    """Stop the run when more of a batch than this has no reward, or nothing of it has one."""
    allow_inert_terms: bool = False
    """Train although a term of the reward cancels under the chosen scale."""
    allow_seen_prompts: bool = False
    """Train although a fitted judge has learned from every prompt of the run."""


@dataclass(frozen=True, slots=True)
class GrpoSection:
    """The sampling and the optimisation of GRPO; names as in TRL where they mean the same."""

    max_steps: int = -1
    """Optimiser steps; -1 where `num_train_epochs` says how long."""
    num_train_epochs: float | None = None
    prompts_per_step: int = 4
    """Prompts of one optimiser step, over all processes."""
    num_generations: int = 6
    """G: answers to each prompt."""
    micro_batch: int | None = None
    """Answers in one forward pass of one process; all of a process's where None."""
    steps_per_generation: int | None = None
    num_iterations: int = 1
    max_completion_length: int = 1024
    temperature: float = 1.0
    top_p: float = 1.0
    min_p: float | None = None
    learning_rate: float = 5e-6
    lr_scheduler_type: str = "linear"
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    optim: str = "adamw_torch"
    max_grad_norm: float = 1.0
    loss_type: str = "dapo"
    scale_rewards: str = "none"
    beta: float = 0.0
    mask_truncated_completions: bool = False
    gradient_checkpointing: bool = True
    use_vllm: bool = False
    vllm_mode: str = "colocate"
    vllm_server_base_url: str | None = None
    vllm_gpu_memory_utilization: float = 0.3
    trl: Mapping[str, Any] = field(default_factory=dict)
    """Any other field of TRL's GRPOConfig, by its own name."""


@dataclass(frozen=True, slots=True)
class SftSection:
    """The warm start: reference answers in the reasoning format."""

    max_steps: int = 500
    batch_size: int = 16
    micro_batch: int = 2
    learning_rate: float = 2e-4
    lr_scheduler_type: str = "linear"
    warmup_steps: int = 5
    weight_decay: float = 0.01
    optim: str = "adamw_torch"
    max_length: int = 4096
    gradient_checkpointing: bool = True
    trl: Mapping[str, Any] = field(default_factory=dict)
    """Any other field of TRL's SFTConfig, by its own name."""


@dataclass(frozen=True, slots=True)
class GoldSection:
    """A judge that does not train, on prompts that are not trained on."""

    judge: str | Mapping[str, Any] | None = None
    reward: str = "healthbench"
    every: int = 50
    n_prompts: int = 16
    temperature: float | None = None
    """That of training where None: what is looked at is the policy that samples; 0 is greedy."""
    max_completion_length: int | None = None
    """That of training where None."""


@dataclass(frozen=True, slots=True)
class EvalSection:
    """Tasks of lm-eval, run on the policy as it stands at some checkpoints."""

    tasks: tuple[str, ...] = ()
    every: int = 0
    """Steps between evaluations; 0 for only at the end."""
    limit: int | None = None
    judge: str | Mapping[str, Any] | None = None
    """The judge of the tasks; that of the training where None."""
    gen_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the tasks' generation, such as `max_gen_toks`; the tasks' own where empty."""


@dataclass(frozen=True, slots=True)
class RunSection:
    """Where the run leaves its files, and how often."""

    output_dir: str = ""
    label: str | None = None
    """What reports call the run; the folder's name where None."""
    seed: int = 3407
    save_steps: int = 50
    save_total_limit: int | None = 3
    completions_every: int = 10
    """Steps between two tables of completions; 0 for none."""
    report_to: tuple[str, ...] = ()
    """`tensorboard`, `wandb`, `trackio`: passed to transformers."""
    threads: int | None = None
    """Torch threads; torch's own choice where None."""
    use_cpu: bool = False


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything one training run depends on."""

    preset: str = ""
    """The preset it started from, for the record."""
    note: str = ""
    """What a preset says of itself."""
    judge: str | Mapping[str, Any] = "keyword"
    """A judge's name, or a mapping of `name`, runtime options and the judge's own options."""
    model: ModelSection = field(default_factory=ModelSection)
    data: DataSection = field(default_factory=DataSection)
    reward: RewardSection = field(default_factory=RewardSection)
    grpo: GrpoSection = field(default_factory=GrpoSection)
    sft: SftSection = field(default_factory=SftSection)
    gold: GoldSection = field(default_factory=GoldSection)
    eval: EvalSection = field(default_factory=EvalSection)
    run: RunSection = field(default_factory=RunSection)

    def to_json(self) -> dict[str, Any]:
        """Give the plain form, as written beside a run."""
        plain = dataclasses.asdict(self)
        return typing.cast(dict[str, Any], _plain(plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
