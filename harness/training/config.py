"""What a training run is asked to do: frozen values with their defaults and their bounds.

Presets, files and flags become these values in `config_reading.py`; pydantic checks each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from os.path import expanduser
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from ...judges.scoring.plain_form import plain_fields

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
CHECKED = ConfigDict(strict=True, allow_inf_nan=False)


def _number(value: object) -> object:
    """Read a number from text: YAML 1.1 takes 5e-6 for text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _words(value: object) -> object:
    """Take one word for a list of one."""
    return (value,) if isinstance(value, str) else tuple(value) if type(value) is list else value


Number = Annotated[float, BeforeValidator(_number)]
NotNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
PositiveShare = Annotated[Number, Field(gt=0, le=1)]
ShareBelow1 = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
Some = Annotated[int, Field(ge=1)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Place = Annotated[str, AfterValidator(expanduser)]
Options = Mapping[str, Any]
JudgeName = str | Mapping[str, Any]
"""A judge's name, or a mapping of `name`, runtime options and the judge's own options."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class ModelSection:
    """The policy: what it starts from, and which of its weights move."""

    name: str = ""
    """`tiny` (random, built on the spot), a folder, or a hub name."""
    adapter: Place | None = None
    """A LoRA folder to start from, such as the one `train sft` leaves; also the KL reference."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "bfloat16"
    load_in_4bit: bool = False
    """Through bitsandbytes; needs a GPU."""
    lora: bool = True
    lora_r: Some = 16
    lora_alpha: Some = 32
    lora_dropout: ShareBelow1 = 0.0
    lora_targets: Words = LORA_TARGETS
    lora_last_blocks: int | None = None
    """Adapt only this many of the last blocks; the backward pass ends at the first of them."""
    trust_remote_code: bool = False
    allow_float32: bool = False
    """Load more than 3 billion parameters in float32 all the same."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class DataSection:
    """Which prompts, and which of them are never trained on."""

    path: Place = ""
    """Rows with rubrics in any form of docs/data.md, or `demo`, `demo_extra` or `tiny`."""
    kind: str | None = None
    """The one kind that its rows must have, such as `rar`; any, row by row, where None."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Other names of its fields, such as `prompt: question` (docs/data.md)."""
    held_out: ShareBelow1 = 0.1
    """Share kept for the gold judge; never trained on."""
    held_out_path: Place | None = None
    """A file to take the held-out prompts from instead, such as `demo`; sets no share apart."""
    sft_share: ShareBelow1 = 0.0
    """Share of the rest that goes to SFT; GRPO never sees it."""
    seed: int = 3407
    """Of the splits and of the order of prompts."""
    min_criteria: Count = 1
    max_criteria: Some | None = None
    max_prompt_tokens: Some | None = None
    prompt_percentile: Annotated[Number, Field(gt=0, le=100)] | None = None
    """Keep prompts up to this percentile of length, in characters; 90 in the paper."""
    heart_only: bool = False
    """Keep what the heart selector of the tasks keeps."""
    evaluation: Words = ()
    """Files whose prompts must not be among the training prompts; `demo` for the demo task's."""
    allow_contamination: bool = False
    """Leave out training prompts that an evaluation file holds, instead of refusing to run."""
    system_prompt: str | None = None
    """Put before each conversation that has no system turn."""
    reasoning: bool = False
    """Ask for `<start_working_out>..<end_working_out><SOLUTION>..</SOLUTION>` (method sheet 8)."""
    drop: Place | None = None
    """A study, as `variance --json` prints it: its prompts to drop are not trained on."""
    rest_dead: Count = 0
    """Dead groups in a row after which a prompt sits out an epoch, then 2, 4 and 8; 0 for never."""
    limit: Some | None = None
    """Use the first N training prompts of the seeded order."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class RewardSection:
    """The one reward that trains, those that are only logged, and what is masked."""

    name: str = "hybrid"
    options: Options = field(default_factory=dict)
    alternatives: Words = ("healthbench", "binary", "rar_explicit", "complexity")
    """Computed on the same verdicts and logged as `reward_alt/NAME`."""
    replicate_every: Count = 8
    """One group in this many is judged twice, for the reliability; 0 for none."""
    mask_dead_groups: bool = False
    """Give None for groups whose rewards are all equal; acts under scale `batch` only."""
    min_reliability: ShareBelow1 = 0.0
    """Give None for groups whose spread is not above the judge's noise by this much."""
    max_unscored_frac: PositiveShare = 0.2
    """Stop the run when more of a batch than this has no reward, or nothing of it has one."""
    allow_inert_terms: bool = False
    """Train although a term of the reward cancels under the chosen scale."""
    allow_seen_prompts: bool = False
    """Train although a fitted judge has learned from every prompt of the run."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class GrpoSection:
    """What is ours to say of GRPO, or has another default than TRL; the rest is TRL's own.

    Names are those of TRL's GRPOConfig where they mean the same, and every other field of it may
    stand beside them.
    """

    max_steps: int = -1
    """Optimiser steps; -1 where `num_train_epochs` says how long."""
    num_train_epochs: Positive | None = None
    prompts_per_step: Some = 4
    """Prompts of one optimiser step, over all processes. Ours."""
    num_generations: Annotated[int, Field(ge=2)] = 6
    """G: answers to each prompt."""
    micro_batch: Some | None = None
    """Answers in one forward pass of one process; those to one prompt where None (all of its own
    where `steps_per_generation` is given). Ours."""
    steps_per_generation: Some | None = None
    num_iterations: Some = 1
    max_completion_length: Some = 1024
    temperature: Positive = 1.0
    """Above 0: equal answers give no learning signal."""
    top_p: PositiveShare = 1.0
    min_p: Share | None = None
    learning_rate: Positive = 5e-6
    lr_scheduler_type: str = "linear"
    warmup_ratio: ShareBelow1 = 0.1
    """Of the steps of the run. Ours."""
    weight_decay: NotNegative = 0.01
    optim: str = "adamw_torch"
    max_grad_norm: Number = 1.0
    loss_type: str = "dapo"
    scale_rewards: Literal["group", "none", "batch"] = "none"
    beta: NotNegative = 0.0
    mask_truncated_completions: bool = False
    gradient_checkpointing: bool = True
    use_vllm: bool = False
    vllm_mode: str = "colocate"
    vllm_server_base_url: str | None = None
    vllm_gpu_memory_utilization: PositiveShare = 0.3
    trl: Options = field(default_factory=dict)
    """The other fields of TRL's GRPOConfig that were given, by their own names."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class SftSection:
    """The warm start: reference answers in the reasoning format; other fields are SFTConfig's."""

    max_steps: Some = 500
    batch_size: Some = 16
    """Pairs of one optimiser step, over all processes. Ours."""
    micro_batch: Some = 2
    """Pairs in one forward pass of one process. Ours."""
    learning_rate: Positive = 2e-4
    lr_scheduler_type: str = "linear"
    warmup_steps: Count = 5
    weight_decay: NotNegative = 0.01
    optim: str = "adamw_torch"
    max_length: Some = 4096
    gradient_checkpointing: bool = True
    trl: Options = field(default_factory=dict)
    """The other fields of TRL's SFTConfig that were given, by their own names."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class GoldSection:
    """A judge that does not train, on prompts that are not trained on."""

    judge: JudgeName | None = None
    reward: str = "healthbench"
    every: Some = 50
    n_prompts: Some = 16
    temperature: NotNegative | None = None
    """That of training where None: what is looked at is the policy that samples; 0 is greedy."""
    max_completion_length: Some | None = None
    """That of training where None."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class EvalSection:
    """Tasks of lm-eval, run on the policy as it stands at some checkpoints."""

    tasks: Words = ()
    every: Count = 0
    """Steps between evaluations; 0 for only at the end."""
    limit: Some | None = None
    judge: JudgeName | None = None
    """The judge of the tasks; that of the training where None."""
    gen_kwargs: Options = field(default_factory=dict)
    """Changes to the tasks' generation, such as `max_gen_toks`; the tasks' own where empty."""


@dataclass(frozen=True, slots=True, config=CHECKED)
class RunSection:
    """Where the run leaves its files, and how often."""

    output_dir: Place = ""
    label: str | None = None
    """What reports call the run; the folder's name where None."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 3407
    save_steps: Some = 50
    save_total_limit: Some | None = 3
    completions_every: Count = 10
    """Steps between two tables of completions; 0 for none."""
    report_to: Words = ()
    """`tensorboard`, `wandb`, `trackio`: passed to transformers."""
    threads: Some | None = None
    """Torch threads; torch's own choice where None."""
    use_cpu: bool = False


@dataclass(frozen=True, slots=True, config=CHECKED)
class TrainConfig:
    """Everything one training run depends on."""

    preset: str = ""
    """The preset it started from, for the record."""
    note: str = ""
    """What a preset says of itself."""
    judge: JudgeName = "keyword"
    model: ModelSection = field(default_factory=ModelSection)
    data: DataSection = field(default_factory=DataSection)
    reward: RewardSection = field(default_factory=RewardSection)
    grpo: GrpoSection = field(default_factory=GrpoSection)
    sft: SftSection = field(default_factory=SftSection)
    gold: GoldSection = field(default_factory=GoldSection)
    eval: EvalSection = field(default_factory=EvalSection)
    run: RunSection = field(default_factory=RunSection)

    def to_json(self) -> dict[str, object]:
        """Give the plain form, as written beside a run."""
        return plain_fields(self)


def options_of(judge: JudgeName) -> dict[str, Any]:
    """Give a judge that may be named in one word as its options."""
    return {"name": judge} if isinstance(judge, str) else dict(judge)
