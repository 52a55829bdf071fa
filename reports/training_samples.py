"""A few answers of a training run, early to late, with what the judge said of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .training_runs import number_or_nan

FOLDER = "completions"
PROMPTS = 3
STEPS = 4
MAX_CHARS = 3_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of the training, with what the judge said of it."""

    step: int
    prompt_id: str
    text: str
    reward: float | None
    criteria: tuple[tuple[str, bool | None, bool], ...]
    """Text, whether it was met, and whether it is good when it is."""


def read_samples(run: Path) -> list[tuple[str, list[Sample]]]:
    """Take the prompts that were asked at most of the steps on record; answers early to late."""
    files = sorted((run / FOLDER).glob("step_*.parquet"))
    if not files:
        return []
    import pandas as pd

    tables = [pd.read_parquet(file) for file in files]
    seen: dict[str, int] = {}
    for table in tables:
        for prompt_id in dict.fromkeys(table["prompt_id"]):
            seen[prompt_id] = seen.get(prompt_id, 0) + 1
    chosen = sorted(seen, key=lambda p: (-seen[p], p))[:PROMPTS]
    samples = []
    for prompt_id in chosen:
        held = [t[t["prompt_id"] == prompt_id] for t in tables]
        held = [t for t in held if len(t)]
        places = np.unique(np.linspace(0, len(held) - 1, min(STEPS, len(held))).round())
        samples.append((str(prompt_id), [_sample(held[int(place)].iloc[0]) for place in places]))
    return samples


def _sample(row: Any) -> Sample:
    verdicts = json.loads(row["verdicts"])
    criteria = json.loads(row["criteria"])
    reward = number_or_nan(row["reward"])
    text = str(row["completion"])
    return Sample(
        step=int(row["step"]),
        prompt_id=str(row["prompt_id"]),
        text=text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} …",
        reward=None if np.isnan(reward) else reward,
        criteria=tuple(
            (str(c["text"]), v.get("met"), c["polarity"] == "desirable")
            for c, v in zip(criteria, verdicts, strict=True)
        ),
    )
