"""One line of `metrics.jsonl`: a step's batches, of all processes, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .batch import BatchScore
from .groups import GroupStats, summarise_groups

TRAINER_KEYS: Mapping[str, str] = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "kl": "kl",
    "entropy": "entropy",
    "completions/mean_length": "completion_tokens",
    "completions/clipped_ratio": "truncated_frac",
    "clip_ratio/region_mean": "clip_ratio",
    "step_time": "step_s",
    "epoch": "epoch",
}
"""Names of TRL's and transformers' logs, and ours."""


@dataclass(frozen=True, slots=True)
class StepShare:
    """What one process saw in a step: small enough to send to rank 0."""

    rewards: tuple[float | None, ...]
    alternatives: dict[str, tuple[float | None, ...]]
    groups: tuple[GroupStats, ...]
    chars: tuple[int, ...]
    """Characters of each judged section."""
    judge_s: float
    own_s: float

    @classmethod
    def of(cls, batches: Sequence[BatchScore]) -> StepShare:
        """Pool the batches of a process."""
        names = batches[0].alternatives if batches else {}
        return cls(
            rewards=tuple(r for b in batches for r in b.unmasked),
            alternatives={n: tuple(v for b in batches for v in b.alternatives[n]) for n in names},
            groups=tuple(g for b in batches for g in b.groups),
            chars=tuple(n for b in batches for n in b.chars),
            judge_s=sum(b.judge_s for b in batches),
            own_s=sum(b.own_s for b in batches),
        )


def step_line(step: int, shares: Sequence[StepShare]) -> dict[str, Any]:
    """Give the line of a step, without what the trainer logs itself."""
    rewards = [r for share in shares for r in share.rewards]
    names = shares[0].alternatives if shares else {}
    known = [r for r in rewards if r is not None]
    line: dict[str, Any] = {
        "step": step,
        "reward": _mean(known),
        "reward_std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "answers": len(rewards),
        "unscored": len(rewards) - len(known),
        "chars": _mean([n for share in shares for n in share.chars]),
        **summarise_groups([group for share in shares for group in share.groups]),
    }
    for name in names:
        values = [v for share in shares for v in share.alternatives[name]]
        line[f"reward_alt/{name}"] = _mean([v for v in values if v is not None])
    # the slowest process is what the others wait for
    line["judge_s"] = max((share.judge_s for share in shares), default=0.0)
    line["own_s"] = max((share.own_s for share in shares), default=0.0)
    return line


def with_trainer_logs(line: dict[str, Any], logs: Mapping[str, Any]) -> dict[str, Any]:
    """Add what the trainer logged of the same step."""
    merged = dict(line)
    for theirs, ours in TRAINER_KEYS.items():
        if theirs in logs:
            merged[ours] = _number(logs[theirs])
    step_s = merged.get("step_s")
    if step_s and "judge_s" in line:
        merged["judge_share"] = min(1.0, line["judge_s"] / step_s)
    return merged


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
