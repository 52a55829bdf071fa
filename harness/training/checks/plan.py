"""The sums of a GRPO run: batches, steps and rows, and which of them cannot work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ....judges.errors import ConfigError
from ..config import GrpoSection, TrainConfig
from ..data import TrainingData
from ..policy.policy import PolicyFacts


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How the answers of a run are spread over steps and processes."""

    n_processes: int
    answers_per_step: int
    """Over all processes: prompts x G."""
    micro_batch: int
    """Answers in one forward pass of one process."""
    gradient_accumulation_steps: int
    steps_per_generation: int
    """Micro-batches that share one round of generation."""
    generation_every: int
    """Micro-batches from one round of generation to the next: each is trained on so often."""
    group: int
    """Answers to each prompt."""
    prompts_per_generation: int
    """Over all processes."""
    max_steps: int
    n_rows: int
    """Prompts the run asks, repeats over epochs included."""

    @property
    def answers_made_per_step(self) -> float:
        """Over all processes, on average: fewer than trained on where a round serves several."""
        return self.n_rows * self.group / self.max_steps


@dataclass(frozen=True)
class Prepared:
    """A run whose every question was answered but for the weights."""

    config: TrainConfig
    policy: PolicyFacts
    tokenizer: Any
    data: TrainingData
    plan: BatchPlan
    longest_prompt: int
    arguments: Any = None
    """TRL's GRPOConfig; None in a dry run."""


def plan_run(grpo: GrpoSection, n_examples: int, n_processes: int) -> BatchPlan:
    """Lay out a run.

    Raises:
        ConfigError: The numbers do not fit; each message names the ones to change.
    """
    group, prompts = grpo.num_generations, grpo.prompts_per_step
    answers = prompts * group
    if answers % n_processes:
        raise ConfigError(
            f"{prompts} prompts x {group} answers cannot be shared by {n_processes} processes; "
            f"make grpo.prompts_per_step a multiple of {n_processes}"
        )
    here = answers // n_processes
    # rounds of several steps are counted in whole steps where nothing else is said
    micro = grpo.micro_batch or (here if grpo.steps_per_generation else math.gcd(group, here))
    if here % micro:
        raise ConfigError(
            f"grpo.micro_batch {micro} does not divide the {here} answers a process has in a step"
        )
    accumulation = here // micro
    per_generation = grpo.steps_per_generation or accumulation
    check_whole_groups(micro, per_generation, group)
    prompts_per_generation = micro * per_generation * n_processes // group
    every = per_generation * grpo.num_iterations
    if every % accumulation and accumulation % every:
        raise ConfigError(
            f"grpo.steps_per_generation {per_generation} x num_iterations {grpo.num_iterations} "
            f"and the {accumulation} micro-batches of a step: a round of generation would begin "
            "within a step, and a run stopped there could not go on exactly; make one a multiple "
            "of the other"
        )
    max_steps = _max_steps(grpo, n_examples, prompts_per_generation, every, accumulation)
    # TRL's sampler repeats each generation batch `every` times, one micro-batch each
    rounds = math.ceil(max_steps * accumulation / every)
    return BatchPlan(
        n_processes=n_processes,
        answers_per_step=answers,
        micro_batch=micro,
        gradient_accumulation_steps=accumulation,
        steps_per_generation=per_generation,
        generation_every=every,
        group=group,
        prompts_per_generation=prompts_per_generation,
        max_steps=max_steps,
        n_rows=rounds * prompts_per_generation,
    )


def check_whole_groups(
    per_device_train_batch_size: int, steps_per_generation: int, num_generations: int
) -> None:
    """Refuse groups that straddle processes.

    TRL asks only that the batch of all processes holds whole groups (1.16, GRPOConfig); a group
    cut in two is scored in two places, and neither half knows the spread of the whole.
    """
    here = per_device_train_batch_size * steps_per_generation
    if here % num_generations:
        raise ConfigError(
            f"groups straddle processes: per_device_train_batch_size "
            f"{per_device_train_batch_size} x steps_per_generation {steps_per_generation} = {here} "
            f"answers in a process is no multiple of num_generations {num_generations}; "
            "change grpo.prompts_per_step, grpo.micro_batch or grpo.steps_per_generation"
        )


def check_save_steps(save_steps: int, plan: BatchPlan) -> None:
    """Refuse checkpoints between two rounds of generation.

    TRL does not save the answers it holds back, so a resumed run would make others.
    """
    every, accumulation = plan.generation_every, plan.gradient_accumulation_steps
    if save_steps * accumulation % every:
        steps = every // math.gcd(every, accumulation)
        raise ConfigError(
            f"run.save_steps {save_steps} falls between two rounds of generation, and a resumed "
            f"run could not repeat the answers in between; make it a multiple of {steps}"
        )


def _max_steps(
    grpo: GrpoSection, n_examples: int, per_generation: int, every: int, accumulation: int
) -> int:
    epochs, steps = grpo.num_train_epochs, grpo.max_steps
    if steps != -1 and steps < 1:
        raise ConfigError(
            "grpo.max_steps must be at least 1, or -1 where grpo.num_train_epochs says how long, "
            f"not {steps}"
        )
    if epochs is None:
        if steps < 1:
            raise ConfigError("set grpo.max_steps or grpo.num_train_epochs")
        return steps
    if steps > 0:
        raise ConfigError(
            f"grpo.max_steps {steps} would override grpo.num_train_epochs {epochs:g}; set one of "
            "them"
        )
    steps = int(epochs * n_examples // per_generation) * every // accumulation
    if steps < 1:
        raise ConfigError(
            f"{n_examples} prompts x {epochs:g} epochs do not fill one step; "
            "lower grpo.prompts_per_step or raise grpo.num_train_epochs"
        )
    return steps
