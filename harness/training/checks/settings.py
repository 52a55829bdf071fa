"""What is wrong with a training run, found before a weight is loaded or a verdict is paid.

Cheap questions first: values, then files, then the data. The judges are asked in `judge_checks.py`.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ....judges.errors import ConfigError, near_names
from ....judges.rewards import Reward, get_reward
from ..config import DTYPES, LOSSES, SCALES, TrainConfig
from ..policy.policy import LARGE, PolicyFacts
from ..reward.graders import rank, world_size
from ..run_files import CONFIG, GOLD, METRICS
from .judges import check_raters
from .plan import Plan, check_save_steps, plan_run
from .prepare import NO_FOLDER
from .values import check_numbers, check_words

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

RESERVED_COLUMNS = frozenset(
    {
        *("prompts", "completions", "completion", "completion_ids", "trainer_state"),
        *("log_extra", "log_metric", "environment", "environments", "image", "images"),
        *("step", "advantage"),
    }
)
"""Columns TRL 1.16 passes, drops or writes itself: a data set's own would collide or vanish."""

OWN_GRPO_FIELDS: Mapping[str, str] = {
    "output_dir": "run.output_dir",
    "seed": "run.seed",
    "save_steps": "run.save_steps",
    "save_strategy": "run.save_steps",
    "report_to": "run.report_to",
    "per_device_train_batch_size": "grpo.micro_batch",
    "gradient_accumulation_steps": "grpo.prompts_per_step and grpo.micro_batch",
    "generation_batch_size": "grpo.prompts_per_step",
    "shuffle_dataset": "nothing: the order is made here, so that a resumed run keeps it",
    "reward_weights": "nothing: there is one reward",
    "logging_steps": "nothing: every step is a line of metrics.jsonl",
    "bf16": "model.dtype",
    "fp16": "model.dtype",
    "use_cpu": "run.use_cpu",
    "logging_strategy": "nothing: every step is a line of metrics.jsonl",
    "ignore_data_skip": "nothing: a resumed run would ask the same prompts again",
    "save_only_model": "nothing: such a run could not be resumed",
}
OWN_SFT_FIELDS: Mapping[str, str] = {
    "per_device_train_batch_size": "sft.micro_batch",
    "gradient_accumulation_steps": "sft.batch_size and sft.micro_batch",
}


def check_values(config: TrainConfig) -> None:
    """Check what needs no file.

    Raises:
        ConfigError: The first thing that cannot work.
    """
    if not config.run.output_dir:
        raise ConfigError("run.output_dir is empty; give --output_dir DIR")
    check_numbers(config)
    _one_of("model.dtype", config.model.dtype, DTYPES)
    _one_of("grpo.scale_rewards", config.grpo.scale_rewards, SCALES)
    _one_of("grpo.loss_type", config.grpo.loss_type, LOSSES)
    if not 0 < config.grpo.temperature < math.inf:
        raise ConfigError("grpo.temperature must be above 0: equal answers teach nothing")
    is_held_out = config.data.held_out > 0 or config.data.held_out_path is not None
    if config.gold.judge is not None and not is_held_out:
        raise ConfigError("gold.judge needs prompts that are not trained on: set data.held_out")
    if config.model.name == "tiny" and config.grpo.beta > 0 and not config.model.lora:
        raise ConfigError(
            "grpo.beta needs a reference policy, and the model `tiny` is in no folder to load it "
            "from again; set grpo.beta: 0 or model.lora: true"
        )
    if config.model.name == "tiny" and config.model.adapter is not None:
        raise ConfigError(
            "model.adapter is for weights that are loaded, and the model `tiny` is built anew by "
            "run.seed; leave one of them out"
        )
    if config.model.load_in_4bit and not config.model.lora and config.model.adapter is None:
        raise ConfigError(
            "model.load_in_4bit: weights of 4 bits do not train; set model.lora: true"
        )
    _check_replicates(config)
    _check_evaluations(config)
    check_words(config)
    _check_trl_fields(config)
    _check_reporters(config.run.report_to)
    _check_vllm(config)


def check_reward(config: TrainConfig) -> Reward:
    """Check the reward, and that none of its terms cancels under the chosen scale.

    Raises:
        ConfigError: It is unknown, or a term or a mask would do nothing.
    """
    section, scale = config.reward, config.grpo.scale_rewards
    reward = get_reward(section.name, **section.options)
    for name in (*section.alternatives, config.gold.reward):
        get_reward(name)
    check_raters(config, reward)
    inert = reward.constant_terms if scale == "group" else ()
    if inert and not section.allow_inert_terms:
        raise ConfigError(
            f"reward {reward.name!r}: {', '.join(inert)} is constant in a group and cancels under "
            "scale_rewards 'group'; set grpo.scale_rewards to none or batch, or "
            "reward.allow_inert_terms: true to train without its effect"
        )
    if section.mask_dead_groups and scale != "batch":
        raise ConfigError(
            f"reward.mask_dead_groups does nothing under scale_rewards {scale!r}: the advantages "
            "of a dead group are 0 already; under 'batch' it keeps them out of the batch's spread"
        )
    if section.min_reliability > 0 and section.replicate_every < 1:
        raise ConfigError(
            "reward.min_reliability needs second verdicts: set reward.replicate_every"
        )
    return reward


def check_policy(config: TrainConfig, facts: PolicyFacts, longest_prompt: int) -> None:
    """Check that the policy fits what is asked of it.

    Raises:
        ConfigError: float32 weights of a large model, prompts that leave no room for the
            answer, or an optimiser that is not installed.
    """
    for name in {config.grpo.optim, config.sft.optim}:
        if "8bit" in name and find_spec("bitsandbytes") is None:
            raise ConfigError(f"optim {name} needs bitsandbytes: pip install bitsandbytes")
    n = facts.n_parameters
    said = config.model.dtype
    is_wide = "float32" in {said, facts.dtype if said == "auto" else said}
    if is_wide and not config.model.allow_float32 and n is not None and n > LARGE:
        raise ConfigError(
            f"model.dtype {_wide_words(said, facts)} of {n / 1e9:.1f} billion parameters takes "
            f"{4 * n / 1e9:.0f} GB; set model.dtype: bfloat16, or model.allow_float32: true"
        )
    needed = longest_prompt + config.grpo.max_completion_length
    if facts.context is not None and needed > facts.context:
        room = facts.context - config.grpo.max_completion_length
        mend = f"set data.max_prompt_tokens: {room} or less" if room > 0 else "lower it"
        raise ConfigError(
            f"the longest prompt has {longest_prompt} tokens, and with grpo.max_completion_length "
            f"{config.grpo.max_completion_length} that is past the {facts.context} of "
            f"{facts.name}; {mend}"
        )


def _wide_words(said: str, facts: PolicyFacts) -> str:
    return said if said == "float32" else f"{said}, which is float32 in {facts.name},"


def check_columns(columns: Iterable[str]) -> None:
    """Refuse data set columns that TRL uses itself.

    Raises:
        ConfigError: Such a column is there.
    """
    taken = sorted(RESERVED_COLUMNS & set(columns))
    if taken:
        raise ConfigError(f"data set column {taken[0]!r} is reserved by TRL; rename it")


def check_plan(config: TrainConfig, n_examples: int) -> Plan:
    """Lay out the run, with checkpoints only where a run can resume exactly."""
    plan = plan_run(config.grpo, n_examples, world_size())
    check_save_steps(config.run.save_steps, plan)
    return plan


def check_output_dir(config: TrainConfig, resume: bool) -> Path:
    """Refuse a folder that holds another run.

    Raises:
        ConfigError: There is a run in it, and nobody asked to resume it; or it cannot be written.
    """
    folder = Path(config.run.output_dir)
    if rank() != 0 or config.run.output_dir == NO_FOLDER:
        return folder  # the first process writes while the others still check
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"run.output_dir {folder}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"run.output_dir {folder}: {there} cannot be written to")
    if resume:
        return folder
    if (folder / CONFIG).is_file():
        raise ConfigError(f"{folder} holds a run already; add --resume, or take another folder")
    for name in (METRICS, GOLD, "checkpoint-*"):
        # their lines would be cut, their checkpoints rotated away or resumed from
        for path in folder.glob(name):
            raise ConfigError(
                f"{folder} holds {path.name} and no {CONFIG}: files of something else, which a "
                "run would write over; take another folder"
            )
    return folder


def warn(message: str) -> None:
    """Say something on stderr, once for all processes."""
    if rank() == 0:
        print(f"rubricbeat: warning: {message}", file=sys.stderr)


def _check_replicates(config: TrainConfig) -> None:
    """Refuse verdicts that are paid and not used: a reward is computed from the first ones."""
    for name, judge in (("judge", config.judge), ("gold.judge", config.gold.judge)):
        asked = judge.get("replicates") if isinstance(judge, Mapping) else None
        if asked is not None and str(asked) != "1":
            raise ConfigError(
                f"{name}.replicates {asked} would be paid, and a reward uses the first only; leave "
                "it out (reward.replicate_every asks a second time, for the reliability)"
            )


def _check_evaluations(config: TrainConfig) -> None:
    """Refuse evaluations that cannot be: of no checkpoint, or of one that nobody can load."""
    every, save_steps = config.eval.every, config.run.save_steps
    if config.eval.tasks and config.model.name == "tiny" and config.model.lora:
        raise ConfigError(
            "eval.tasks cannot load an adapter of `tiny`, which is in no folder; set "
            "model.lora: false, or name a model that is"
        )
    if config.eval.tasks and every % save_steps:
        raise ConfigError(
            f"eval.every {every} is no multiple of run.save_steps {save_steps}: checkpoints are "
            f"what is evaluated; make it a multiple of {save_steps}"
        )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name}: unknown value {value!r}; {near_names(value, known)}")


def _check_trl_fields(config: TrainConfig) -> None:
    if not (config.grpo.trl or config.sft.trl):
        return
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.sft_config import SFTConfig

    for where, extra, kind in (
        ("grpo", config.grpo.trl, GRPOConfig),
        ("sft", config.sft.trl, SFTConfig),
    ):
        known = {spec.name for spec in dataclasses.fields(kind)}
        section = {spec.name for spec in dataclasses.fields(getattr(config, where))}
        for key in extra:
            if key not in known:
                raise ConfigError(
                    f"{where}.trl.{key}: TRL has no such field; {near_names(key, known)}"
                )
            if key in section:
                raise ConfigError(f"{where}.trl.{key}: set {where}.{key} instead")
            own = {**OWN_GRPO_FIELDS, **(OWN_SFT_FIELDS if where == "sft" else {})}
            if key in own:
                raise ConfigError(f"{where}.trl.{key}: set {own[key]} instead")
        defaults = {spec.name: spec.default for spec in dataclasses.fields(kind)}
        for key, value in extra.items():
            _check_is_number(f"{where}.trl.{key}", value, defaults[key])


def _check_is_number(name: str, value: object, default: object) -> None:
    """Refuse text where TRL computes with a number: YAML 1.1 reads 2e-1 as text."""
    if not isinstance(value, str) or isinstance(default, bool):
        return
    if isinstance(default, int | float):
        try:
            mend = f"; write {float(value)!r}"
        except ValueError:
            mend = ""
        raise ConfigError(f"{name} must be a number, not {value!r}{mend}")


def _check_reporters(report_to: Iterable[str]) -> None:
    for name in report_to:
        if name not in {"tensorboard", "wandb", "trackio", "mlflow"}:
            known = ("tensorboard", "wandb", "trackio", "mlflow")
            raise ConfigError(f"run.report_to: unknown {name!r}; {near_names(name, known)}")
        if find_spec(name) is None and not (name == "tensorboard" and find_spec("tensorboardX")):
            raise ConfigError(f"run.report_to: {name} is not installed: pip install {name}")


def _check_vllm(config: TrainConfig) -> None:
    if not config.grpo.use_vllm:
        return
    _one_of("grpo.vllm_mode", config.grpo.vllm_mode, ("colocate", "server"))
    try:
        found = version("vllm")
    except PackageNotFoundError:
        raise ConfigError(
            "grpo.use_vllm: vllm is not installed: pip install 'rubricbeat[train-vllm]'"
        ) from None
    from packaging.version import Version

    window = _vllm_window()
    # a local build (0.31.0+cpu) and a release candidate count as the release
    if Version(found).base_version not in window:
        raise ConfigError(
            f"grpo.use_vllm: vllm {found} is outside what TRL {version('trl')} takes ({window}): "
            "pip install 'rubricbeat[train-vllm]'"
        )


def _vllm_window() -> SpecifierSet:
    """Read which vLLM the installed TRL takes off its metadata; outside TRL warns and goes on."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    for line in requires("trl") or ():
        needed = Requirement(line)
        if needed.name == "vllm" and needed.marker and needed.marker.evaluate({"extra": "vllm"}):
            return needed.specifier
    return SpecifierSet()
