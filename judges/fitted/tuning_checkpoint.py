"""Where a killed tuning goes on from: one safetensors file, gone when the tuning is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..files import write_file

FILE = "tuning.safetensors"

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class State:
    """A tuning after a step."""

    step: int
    weights: Arrays
    first: Arrays
    """Adam's first moments, by parameter."""
    second: Arrays
    best: Arrays
    """The weights that did best on the validation prompts so far."""
    best_loss: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file in the judge's folder."""

    folder: Path
    of: str
    """What is tuned on what and how, hashed: the state of another tuning is not taken up."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE

    def save(self, state: State) -> None:
        """Write the state, in the place of the last one."""
        from safetensors.numpy import save

        kinds: Mapping[str, Arrays] = {
            "weights": state.weights,
            "first": state.first,
            "second": state.second,
            "best": state.best,
        }
        arrays = {f"{kind}/{name}": a for kind, group in kinds.items() for name, a in group.items()}
        # JSON has no infinity: before the first look there is no best loss
        best = state.best_loss if np.isfinite(state.best_loss) else None
        facts = {"of": self.of, "step": state.step, "best_loss": best}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_file(self.path, save(arrays, metadata={"state": json.dumps(facts)}))

    def load(self) -> State | None:
        """Read the state; None where there is none.

        Raises:
            ConfigError: The file is of another tuning, or cannot be read.
        """
        if not self.path.is_file():
            return None
        from safetensors import SafetensorError, safe_open

        kinds: dict[str, Arrays] = {"weights": {}, "first": {}, "second": {}, "best": {}}
        try:
            with safe_open(str(self.path), framework="numpy") as file:
                facts = json.loads(file.metadata()["state"])
                for key in file.keys():  # noqa: SIM118 - not a mapping
                    kind, name = key.split("/", 1)
                    kinds[kind][name] = file.get_tensor(key)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ConfigError(
                f"{self.path}: no checkpoint that can be read ({error}); delete it to start anew"
            ) from error
        if facts["of"] != self.of:
            raise ConfigError(
                f"{self.path}: the checkpoint of another tuning (other data, split, seed or "
                "encoder); delete it to start anew, or name another --output_path"
            )
        best_loss = float("inf") if facts["best_loss"] is None else float(facts["best_loss"])
        return State(int(facts["step"]), **kinds, best_loss=best_loss)

    def done(self) -> None:
        """Remove the file: the judge itself stands beside it."""
        self.path.unlink(missing_ok=True)
