"""A run that is checked and ready for its weights, and where its judges keep their verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import TrainConfig, options_of
from ..data import TrainingData
from ..policy.policy import PolicyFacts
from .plan import BatchPlan

NO_FOLDER = "(no folder)"
"""Stands for the folder of a dry run that has none: its verdicts go to the user's own store."""


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


def judge_options(config: TrainConfig, judge: Any = None) -> dict[str, Any]:
    """Give a judge's options, with the verdict store of the run where none is named.

    In the run's folder, a killed run finds every verdict it has paid for when it resumes.
    """
    options = options_of(config.judge if judge is None else judge)
    if config.run.output_dir != NO_FOLDER:
        options.setdefault("store", str(Path(config.run.output_dir) / "verdicts.sqlite"))
    return options
