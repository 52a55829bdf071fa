"""Whether a warm start has seen the prompts that a run asks or holds out.

`train sft` leaves beside its adapter which prompts it learnt. Another `data.seed` makes other
splits, and then the policy knows the answers it is looked at by.
"""

from __future__ import annotations

from pathlib import Path

from ....judges.errors import ConfigError
from ..config import ModelSection
from ..data import TrainingData
from ..run_files import FACTS, read_facts
from .settings import warn


def check_warm_start(model: ModelSection, data: TrainingData) -> None:
    """Refuse held-out prompts that the adapter was trained on; say how many others it was.

    Raises:
        ConfigError: A prompt of the gold judge was learnt.
    """
    learnt = _learnt(model)
    held_out, trained = (
        sum(example.prompt_id in learnt for example in part) for part in (data.held_out, data.train)
    )
    if held_out:
        raise ConfigError(
            f"{held_out} of {len(data.held_out)} held-out prompts were learnt by the warm start "
            f"{model.adapter}; give this run the data.path and data.seed of that one"
        )
    if trained:
        warn(
            f"{trained} of {len(data.train)} training prompts were asked by the warm start "
            f"{model.adapter} too; with its data.path and data.seed none would be"
        )


def _learnt(model: ModelSection) -> set[str]:
    """Read the prompts' ids; none where the adapter is not of `train sft`."""
    if model.adapter is None:
        return set()
    facts = read_facts(Path(model.adapter).parent / FACTS) or {}
    return set(facts.get("prompt_ids") or ()) if facts.get("kind") == "sft" else set()
