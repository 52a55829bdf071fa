"""The loop of a tuning: rates, progress with the time left, looks at validation, checkpoints.

Knows nothing of what is tuned: a step gives a loss to learn from, a look gives one to choose by.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tuning_checkpoint import Checkpoint, State

WEIGHT_DECAY = 0.01
WARM_UP = 0.1
"""Share of the steps over which the rate rises; then it falls in a line to 0."""
MAX_NORM = 1.0
N_CHECKS = 4
"""Looks at the validation prompts; the best weights seen there are kept."""
SAY_EVERY_S = 30.0
SAVE_EVERY_S = 300.0
"""Between two checkpoints: what a killed run loses at most."""

Weights = dict[str, NDArray[np.float32]]


@dataclass(slots=True)
class Loop:
    """One tuning, from the first step or from a checkpoint to the last."""

    torch: Any
    tuned: Mapping[str, Any]
    """Parameters by name; all others stay as they are."""
    rate_of: Callable[[str], float]
    """Peak rate of a parameter."""
    step: Callable[[int], Any]
    """Gives the loss of a step; None where there is nothing to learn."""
    look: Callable[[], float]
    """Gives the loss on the validation prompts."""
    say: Callable[[str], None]
    checkpoint: Checkpoint | None = None

    def run(self, n_steps: int) -> Weights:
        """Tune, and give the weights that did best on the validation prompts."""
        rates = {name: self.rate_of(name) for name in self.tuned}
        optimizer = self.torch.optim.AdamW(
            [{"params": [p], "lr": rates[name]} for name, p in self.tuned.items()],
            weight_decay=WEIGHT_DECAY,
        )
        first, best, best_loss = self._resume(optimizer)
        checks = {n_steps * (n + 1) // N_CHECKS for n in range(N_CHECKS)} | {n_steps}
        began = said = saved = time.monotonic()
        recent: list[float] = []
        for done in range(first + 1, n_steps + 1):
            share = _share_of_rate(done - 1, n_steps)
            for group, rate in zip(optimizer.param_groups, rates.values(), strict=True):
                group["lr"] = rate * share
            recent = [*recent[-99:], self._learn(optimizer, done - 1)]
            now = time.monotonic()
            if now - said > SAY_EVERY_S or done in checks:
                said = now
                left = _minutes((now - began) / (done - first) * (n_steps - done))
                self.say(f"step {done} of {n_steps}, loss {np.nanmean(recent):.4f}, {left} left")
            if done in checks:
                best, best_loss = self._better(best, best_loss)
            if self.checkpoint is not None and (now - saved > SAVE_EVERY_S or done == n_steps):
                saved = now
                self._save(optimizer, done, best, best_loss)
        if first >= n_steps:
            best, best_loss = self._better(best, best_loss)
        return best

    def _learn(self, optimizer: Any, place: int) -> float:
        loss = self.step(place)
        if loss is None:
            return math.nan
        optimizer.zero_grad()
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(list(self.tuned.values()), MAX_NORM)
        optimizer.step()
        return float(loss.detach())

    def _better(self, best: Weights, best_loss: float) -> tuple[Weights, float]:
        loss = self.look()
        return (self._weights(), loss) if loss < best_loss else (best, best_loss)

    def _weights(self) -> Weights:
        return {name: p.detach().numpy().copy() for name, p in self.tuned.items()}

    def _save(self, optimizer: Any, step: int, best: Weights, best_loss: float) -> None:
        assert self.checkpoint is not None
        first, second = (
            {
                name: optimizer.state[p][moment].numpy()
                for name, p in self.tuned.items()
                if p in optimizer.state
            }
            for moment in ("exp_avg", "exp_avg_sq")
        )
        self.checkpoint.save(State(step, self._weights(), first, second, best, best_loss))

    def _resume(self, optimizer: Any) -> tuple[int, Weights, float]:
        state = self.checkpoint.load() if self.checkpoint is not None else None
        if state is None:
            return 0, self._weights(), math.inf
        with self.torch.no_grad():
            for name, parameter in self.tuned.items():
                parameter.copy_(self.torch.from_numpy(state.weights[name]))
                if name in state.first:
                    optimizer.state[parameter] = {
                        "step": self.torch.tensor(float(state.step)),
                        "exp_avg": self.torch.from_numpy(state.first[name].copy()),
                        "exp_avg_sq": self.torch.from_numpy(state.second[name].copy()),
                    }
        self.say(f"going on after step {state.step}")
        return state.step, state.best, state.best_loss


def _share_of_rate(step: int, n_steps: int) -> float:
    rising = (step + 1) / max(1.0, WARM_UP * n_steps)
    falling = (n_steps - step) / max(1.0, (1 - WARM_UP) * n_steps)
    return min(1.0, rising, falling)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
