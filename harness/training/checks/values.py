"""Which numbers and words the settings of a run may hold, as a table.

What several settings say together is `checks.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....judges.errors import ConfigError, near_names
from ..config import TrainConfig


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a number must lie, infinity excluded; None is allowed where its type allows it."""

    low: float = -math.inf
    high: float = math.inf
    is_above: bool = False
    """The lowest value itself is refused."""
    is_below: bool = False
    """The highest value itself is refused."""

    def words(self) -> str:
        """Say it as a message does."""
        if math.isinf(self.high):
            return f"above {self.low:g}" if self.is_above else f"at least {self.low:g}"
        ends = "(" if self.is_above else "[", ")" if self.is_below else "]"
        return f"in {ends[0]}{self.low:g}, {self.high:g}{ends[1]}"

    def hold(self, value: float) -> bool:
        """Say whether a number lies inside."""
        above = value > self.low if self.is_above else value >= self.low
        below = value < self.high if self.is_below else value <= self.high
        return above and below and math.isfinite(value)


AT_LEAST_0, AT_LEAST_1 = Bounds(0), Bounds(1)
ABOVE_0 = Bounds(0, is_above=True)
SHARE_BELOW_1 = Bounds(0, 1, is_below=True)
SHARE = Bounds(0, 1)

BOUNDS: Mapping[str, Bounds] = {
    "model.lora_r": AT_LEAST_1,
    "model.lora_alpha": AT_LEAST_1,
    "model.lora_dropout": SHARE_BELOW_1,
    "data.held_out": SHARE_BELOW_1,
    "data.sft_share": SHARE_BELOW_1,
    "data.min_criteria": AT_LEAST_0,
    "data.max_criteria": AT_LEAST_1,
    "data.max_prompt_tokens": AT_LEAST_1,
    "data.prompt_percentile": Bounds(0, 100, is_above=True),
    "data.limit": AT_LEAST_1,
    "reward.replicate_every": AT_LEAST_0,
    "reward.min_reliability": SHARE_BELOW_1,
    "reward.max_unscored_frac": Bounds(0, 1, is_above=True),
    "grpo.micro_batch": AT_LEAST_1,
    "grpo.num_iterations": AT_LEAST_1,
    "grpo.steps_per_generation": AT_LEAST_1,
    "grpo.num_train_epochs": ABOVE_0,
    "grpo.max_completion_length": AT_LEAST_1,
    "grpo.top_p": Bounds(0, 1, is_above=True),
    "grpo.min_p": SHARE,
    "grpo.learning_rate": ABOVE_0,
    "grpo.warmup_ratio": SHARE_BELOW_1,
    "grpo.weight_decay": AT_LEAST_0,
    "grpo.beta": AT_LEAST_0,
    "grpo.vllm_gpu_memory_utilization": Bounds(0, 1, is_above=True),
    "sft.max_steps": AT_LEAST_1,
    "sft.batch_size": AT_LEAST_1,
    "sft.micro_batch": AT_LEAST_1,
    "sft.learning_rate": ABOVE_0,
    "sft.warmup_steps": AT_LEAST_0,
    "sft.weight_decay": AT_LEAST_0,
    "sft.max_length": AT_LEAST_1,
    "gold.every": AT_LEAST_1,
    "gold.n_prompts": AT_LEAST_1,
    "gold.temperature": AT_LEAST_0,
    "gold.max_completion_length": AT_LEAST_1,
    "eval.every": AT_LEAST_0,
    "eval.limit": AT_LEAST_1,
    "run.seed": Bounds(0, 2**32 - 1),
    "run.save_steps": AT_LEAST_1,
    "run.save_total_limit": AT_LEAST_1,
    "run.completions_every": AT_LEAST_0,
    "run.threads": AT_LEAST_1,
}


def check_numbers(config: TrainConfig) -> None:
    """Refuse a number that cannot work; NaN lies nowhere.

    Raises:
        ConfigError: The first one.
    """
    for name, bounds in BOUNDS.items():
        value = _at(config, name)
        if value is not None and not bounds.hold(value):
            raise ConfigError(f"{name} must be {bounds.words()}, not {value:g}")


def check_words(config: TrainConfig) -> None:
    """Refuse an optimiser, a schedule or a task that nobody knows.

    Raises:
        ConfigError: With the near names.
    """
    from transformers.trainer_utils import SchedulerType
    from transformers.training_args import OptimizerNames

    from ....tasks.lm_eval_adapter import task_names

    schedules = [one.value for one in SchedulerType]
    optimisers = [one.value for one in OptimizerNames]
    for section in ("grpo", "sft"):
        _known(f"{section}.optim", _at(config, f"{section}.optim"), optimisers)
        _known(
            f"{section}.lr_scheduler_type", _at(config, f"{section}.lr_scheduler_type"), schedules
        )
    for task in config.eval.tasks:
        _known("eval.tasks", task, task_names())
    if config.eval.every and not config.eval.tasks:
        raise ConfigError(f"eval.every {config.eval.every} does nothing without eval.tasks")


def _known(name: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise ConfigError(f"{name}: unknown {value!r}; {near_names(value, known)}")


def _at(config: TrainConfig, name: str) -> Any:
    section, _, key = name.partition(".")
    return getattr(getattr(config, section), key)
