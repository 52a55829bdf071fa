"""The bundled demo set: heart conversations made up for this project. Not medical advice."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def demo_path(name: str = "demo_heart.jsonl") -> Path:
    """Give the path of a bundled file.

    Args:
        name: `demo_heart.jsonl`, the 32 rows of the task `healthbench_heart_demo`, or
            `demo_heart_extra.jsonl`, further rows of the same kind, for training; `levels.jsonl`
            and `levels_answers.jsonl`, rows of every form of criteria and answers to them;
            `damage.jsonl`, `padding.jsonl` and `local_answers.jsonl`, of which the command `demo`
            builds its systems.
    """
    return Path(str(files(__package__) / name))
