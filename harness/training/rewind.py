"""Take a step back: the state of a run as it was before the step that an outage spoilt.

The step's answers got no rewards, so nothing was learnt from them. A run that is resumed asks its
prompts again, with the same random numbers, and goes on as one that had no outage: the weights and
the optimiser stayed as they were (`OutageStop`), and everything else that a step moves is kept
here from its beginning.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import TrainerState

from .reward import RubricReward


@dataclass(frozen=True)
class StepStart:
    """What a step moves, but for the weights and the optimiser, as it was before it."""

    global_step: int
    epoch: float
    n_tokens: int
    rates: tuple[float, ...]
    """Learning rate of each group of parameters."""
    schedule: dict[str, Any]
    reward: dict[str, Any]
    python: Any
    numpy: Any
    torch: Any
    cuda: Any
    """Of this process's device; None without one."""

    @classmethod
    def of(
        cls, state: TrainerState, optimizer: Any, lr_scheduler: Any, reward: RubricReward
    ) -> StepStart:
        """Keep what there is at the beginning of a step."""
        import torch

        return cls(
            global_step=state.global_step,
            epoch=state.epoch,
            n_tokens=state.num_input_tokens_seen,
            rates=tuple(group["lr"] for group in optimizer.param_groups),
            schedule=dict(lr_scheduler.state_dict()),
            reward=reward.state(),
            python=random.getstate(),
            numpy=np.random.get_state(),  # libraries draw from it
            torch=torch.get_rng_state(),
            cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        )

    def restore(
        self, state: TrainerState, optimizer: Any, lr_scheduler: Any, reward: RubricReward
    ) -> None:
        """Put everything back; what is saved after this is a checkpoint before the step."""
        import torch

        state.global_step = self.global_step
        state.epoch = self.epoch
        state.num_input_tokens_seen = self.n_tokens
        lr_scheduler.load_state_dict(self.schedule)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate
        reward.load_state(self.reward)
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)
