"""What one group of answers to a prompt teaches, measured on its rewards before any masking.

Own numbers, because TRL's do not say it: `reward_std` runs over the whole batch, and
`frac_reward_zero_std` counts a group without verdicts as one that has spread (TRL 1.16).
Pure: knows rewards and verdicts, neither TRL nor judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from ...judges.arrays import Floats
from ...judges.signal.advantages import equal_in_group, spread_of


class Dead(StrEnum):
    """Why a group teaches nothing (method sheet, section 4.2)."""

    SAME_VERDICTS = "same_verdicts"
    """All answers have the same verdicts; no reward could tell them apart."""
    REWARD = "reward"
    """The verdicts differ and the reward is the same all the same."""
    UNSCORED = "unscored"
    """Fewer than two answers have a reward."""


@dataclass(frozen=True, slots=True)
class GroupStats:
    """One group of answers to one prompt."""

    prompt_id: str
    n_answers: int
    n_scored: int
    mean: float
    """Of the rewards there are; NaN where there are none."""
    std: float
    """Sample standard deviation of the rewards; NaN below two."""
    span: float
    """Highest minus lowest reward; NaN where there are none."""
    dead: Dead | None
    noise: float = math.nan
    """Variance the judge alone gives the reward, from a second verdict; NaN where not measured."""
    policy: float = math.nan
    """Variance left when the judge's is taken away; NaN where not measured.

    Below 0 where noise alone would have spread more: 0 in its place would add up to a reliability
    that is not there when groups are pooled.
    """
    masked: str | None = None
    """Why its rewards were withheld from the training; None where they were not."""


def group_stats(prompt_id: str, rewards_G: Floats, verdicts_GC: Floats) -> GroupStats:
    """Measure one group.

    Args:
        prompt_id: Of the prompt the answers answer.
        rewards_G: NaN where there is none.
        verdicts_GC: NaN where there is none, and at padding.
    """
    scored = rewards_G[~np.isnan(rewards_G)]
    dead: Dead | None = None
    if scored.size < 2:
        dead = Dead.UNSCORED
    elif bool(equal_in_group(rewards_G[None])[0]):
        dead = Dead.REWARD if _any_criterion_differs(verdicts_GC) else Dead.SAME_VERDICTS
    return GroupStats(
        prompt_id=prompt_id,
        n_answers=int(rewards_G.size),
        n_scored=int(scored.size),
        mean=float(scored.mean()) if scored.size else math.nan,
        std=float(spread_of(rewards_G[None])[0]),
        span=float(np.ptp(scored)) if scored.size else math.nan,
        dead=dead,
    )


def _any_criterion_differs(verdicts_GC: Floats) -> bool:
    """Say whether some criterion was met by one answer and not by another; NaN says nothing."""
    low_C, high_C = np.fmin.reduce(verdicts_GC, axis=0), np.fmax.reduce(verdicts_GC, axis=0)
    return bool((high_C > low_C).any())


@dataclass(frozen=True, slots=True)
class Reliability:
    """How much of a group's variance survives when the judge is asked again."""

    noise: float
    """Mean square within answers: the judge's variance."""
    policy: float
    """(MSB - MSW) / R: the variance between answers that is the policy's; may be below 0."""

    @property
    def icc(self) -> float:
        """Policy variance over policy plus judge variance, 0 at least; NaN where both are 0."""
        total = self.policy + self.noise
        return max(0.0, self.policy) / total if total > 0 else math.nan


def reliability_of(rewards_GR: Floats) -> Reliability | None:
    """Split the variance of one group judged R times (method sheet, section 4.3).

    Args:
        rewards_GR: Rewards of G answers under R independent sets of verdicts.

    Returns:
        None with fewer than two answers that have every reward, or fewer than two replicates.
    """
    complete = rewards_GR[~np.isnan(rewards_GR).any(axis=1)]
    if complete.shape[0] < 2 or complete.shape[1] < 2:
        return None
    n_replicates = complete.shape[1]
    noise = float(complete.var(axis=1, ddof=1).mean())
    between = n_replicates * float(complete.mean(axis=1).var(ddof=1))
    return Reliability(noise, (between - noise) / n_replicates)


def summarise_groups(groups: Sequence[GroupStats]) -> dict[str, Any]:
    """Pool the groups of a step into the numbers of `metrics.jsonl`; None where undefined."""
    n = len(groups)
    if n == 0:
        return {"groups": 0}
    measured = [g for g in groups if not math.isnan(g.noise)]
    plain: dict[str, Any] = {
        "groups": n,
        "dead_groups": sum(g.dead is not None for g in groups),
        "dead_frac": sum(g.dead is not None for g in groups) / n,
        **{f"dead_{cause.value}": sum(g.dead is cause for g in groups) for cause in Dead},
        "masked_groups": sum(g.masked is not None for g in groups),
        "group_std": _mean([g.std for g in groups]),
        "group_span": _mean([g.span for g in groups]),
        "between_std": _std([g.mean for g in groups]),
        "replicated_groups": len(measured),
        "judge_variance": _mean([g.noise for g in measured]),
        "policy_variance": _mean([g.policy for g in measured]),
    }
    noise, policy = plain["judge_variance"], plain["policy_variance"]
    pooled = None if noise is None or policy is None else noise + policy
    # method sheet, 4.3: the policy's part is cut off at 0 once, of all groups together
    plain["reliability"] = max(0.0, policy) / pooled if pooled else None
    return plain


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else None


def _std(values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None
