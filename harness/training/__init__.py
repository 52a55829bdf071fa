"""Train with the judge that evaluates: GRPO and SFT over TRL, which is not subclassed.

Nothing here imports torch or TRL before a trainer is built, so that the other commands stay light.
"""

from __future__ import annotations

from .config import DataSection, TrainConfig
from .config_reading import load_config, preset_names
from .data import load_data
from .loop.grpo import build_grpo_trainer
from .loop.sft import build_sft_trainer
from .loop.watch import watch
from .reward.batch import BatchScore
from .reward.columns import axis_rewards
from .reward.reward import RubricReward

__all__ = [
    "BatchScore",
    "DataSection",
    "RubricReward",
    "TrainConfig",
    "axis_rewards",
    "build_grpo_trainer",
    "build_sft_trainer",
    "load_config",
    "load_data",
    "preset_names",
    "watch",
]
