"""A batch of scored answers, as values and arrays; knows neither TRL nor judges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from ....judges.answer import GradedAnswer
from ....judges.scoring.rubric_arrays import Floats
from ....judges.scoring.verdict_table import VerdictTable
from ....judges.signal.advantages import spread_of
from ....judges.signal.dead_groups import equal_in_group
from .graders import VERDICTS_ONLY, Asked

if TYPE_CHECKING:
    from ....judges.rewards import Reward

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


class Dead(StrEnum):
    """Why a group has no learning signal (method sheet, section 4.2)."""

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
        # a criterion that one answer met and another did not; NaN says nothing
        differs_C = np.fmax.reduce(verdicts_GC, axis=0) > np.fmin.reduce(verdicts_GC, axis=0)
        dead = Dead.REWARD if differs_C.any() else Dead.SAME_VERDICTS
    return GroupStats(
        prompt_id=prompt_id,
        n_answers=int(rewards_G.size),
        n_scored=int(scored.size),
        mean=float(scored.mean()) if scored.size else math.nan,
        std=float(spread_of(rewards_G[None])[0]),
        span=float(np.ptp(scored)) if scored.size else math.nan,
        dead=dead,
    )


def noise_and_policy(rewards_GR: Floats) -> tuple[float, float] | None:
    """Split the variance of one group judged R times (method sheet, section 4.3).

    Args:
        rewards_GR: Rewards of G answers under R independent sets of verdicts.

    Returns:
        The mean square within answers, which is the judge's variance; and (MSB - MSW) / R, the
        variance between answers that is the policy's, which may be below 0. None with fewer than
        two answers that have every reward, or fewer than two replicates.
    """
    complete = rewards_GR[~np.isnan(rewards_GR).any(axis=1)]
    if complete.shape[0] < 2 or complete.shape[1] < 2:
        return None
    n_replicates = complete.shape[1]
    noise = float(complete.var(axis=1, ddof=1).mean())
    between = n_replicates * float(complete.mean(axis=1).var(ddof=1))
    return noise, (between - noise) / n_replicates


def summarise_groups(groups: Sequence[GroupStats]) -> dict[str, float | None]:
    """Pool the groups of a step into the numbers of `metrics.jsonl`; None where undefined."""
    n, n_dead = len(groups), sum(g.dead is not None for g in groups)
    if n == 0:
        return {"groups": 0}
    measured = [g for g in groups if not math.isnan(g.noise)]
    plain: dict[str, float | None] = {
        "groups": n,
        "dead_groups": n_dead,
        "dead_frac": n_dead / n,
        **{f"dead_{cause.value}": sum(g.dead is cause for g in groups) for cause in Dead},
        "masked_groups": sum(g.masked is not None for g in groups),
        "group_std": mean_of([g.std for g in groups]),
        "group_span": mean_of([g.span for g in groups]),
        "between_std": std_of([g.mean for g in groups]),
        "replicated_groups": len(measured),
        "judge_variance": mean_of([g.noise for g in measured]),
        "policy_variance": mean_of([g.policy for g in measured]),
    }
    noise, policy = plain["judge_variance"], plain["policy_variance"]
    plain["reliability"] = None
    if noise is not None and policy is not None and noise + policy:
        # method sheet, 4.3: the policy's part is cut off at 0 once, of all groups together
        plain["reliability"] = max(0.0, policy) / (noise + policy)
    return plain


def mean_of(values: Iterable[float | None]) -> float | None:
    """Give the mean of the values there are; None without any."""
    known = known_of(values)
    return float(np.mean(known)) if known else None


def std_of(values: Iterable[float | None]) -> float | None:
    """Give the sample standard deviation of the values there are; None below two."""
    known = known_of(values)
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def known_of(values: Iterable[float | None]) -> list[float]:
    """Leave out None and NaN."""
    return [value for value in values if value is not None and not math.isnan(value)]


@dataclass(frozen=True, slots=True)
class BatchScore:
    """What one batch of answers got: rewards, verdicts, and the groups' learning signal."""

    rewards: tuple[float | None, ...]
    """As given to the trainer: None where no reward, or where a group was masked."""
    alternatives: dict[str, tuple[float | None, ...]]
    """Other rewards on the same verdicts; never masked."""
    unmasked: tuple[float | None, ...]
    """The trained reward before any masking."""
    graded: tuple[GradedAnswer, ...]
    group_of: tuple[int, ...]
    """Position in `groups` of each answer's group."""
    groups: tuple[GroupStats, ...]
    step: int
    """Optimiser steps finished when the batch was scored."""
    judge_s: float
    """Seconds waited for the judge."""
    own_s: float
    """Seconds spent beside that."""
    chars: tuple[int, ...]
    """Characters of what was judged of each answer."""
    asked: Asked = VERDICTS_ONLY
    """What the judge was asked about each answer."""

    @property
    def unscored_frac(self) -> float:
        """Share of the answers without a reward, before any masking."""
        return sum(r is None for r in self.unmasked) / max(1, len(self.unmasked))


def evidence_of(reward: Reward, table: VerdictTable) -> Floats:
    """Give what the judge said that bears on a reward, [N, C] or [N, C + 1] with the rating."""
    verdicts_NC, probabilities_NC = table.verdicts_NC, table.probabilities()
    if reward.needs == "probabilities" and probabilities_NC is not None:
        return probabilities_NC
    if reward.needs != "rating":
        return verdicts_NC
    return np.concatenate([verdicts_NC, table.ratings()[:, None]], axis=1)


def as_optional(values_N: Floats) -> tuple[float | None, ...]:
    """Turn NaN into None, which is how TRL and files know a missing reward."""
    return tuple(None if math.isnan(value) else float(value) for value in values_N)


def batch_metrics(batch: BatchScore) -> dict[str, float]:
    """Give the numbers of a batch for TRL's own logs; what is undefined is excluded."""
    metrics = {
        "rubric/unscored_frac": batch.unscored_frac,
        "rubric/judge_s": batch.judge_s,
        "rubric/own_s": batch.own_s,
    }
    of_groups = summarise_groups(batch.groups)
    found = {f"reward_alt/{name}": mean_of(x) for name, x in batch.alternatives.items()}
    for name in ("dead_frac", "group_std", "reliability"):
        found[f"rubric/{name}"] = of_groups.get(name)
    return metrics | {name: float(x) for name, x in found.items() if x is not None}


def step_line(step: int, each: Sequence[Sequence[BatchScore]]) -> dict[str, float | None]:
    """Give the line of a step, but for the trainer's own logs, from each process's batches."""
    batches = [batch for some in each for batch in some]
    rewards = [reward for batch in batches for reward in batch.unmasked]
    known = known_of(rewards)
    line: dict[str, float | None] = {
        "step": step,
        "reward": mean_of(known),
        "reward_std": std_of(known),
        "answers": len(rewards),
        "unscored": len(rewards) - len(known),
        "chars": mean_of(n for batch in batches for n in batch.chars),
        **summarise_groups([group for batch in batches for group in batch.groups]),
    }
    for name in batches[0].alternatives:
        line[f"reward_alt/{name}"] = mean_of(x for one in batches for x in one.alternatives[name])
    # the slowest process is what the others wait for
    line["judge_s"] = max(sum(batch.judge_s for batch in some) for some in each)
    line["own_s"] = max(sum(batch.own_s for batch in some) for some in each)
    return line


def with_trainer_logs(
    line: dict[str, float | None], logs: Mapping[str, object]
) -> dict[str, float | None]:
    """Add what the trainer logged of the same step."""
    merged = line | {ours: _number(logs[key]) for key, ours in TRAINER_KEYS.items() if key in logs}
    step_s, judge_s = merged.get("step_s"), line.get("judge_s")
    if step_s and judge_s is not None:
        merged["judge_share"] = min(1.0, judge_s / step_s)
    return merged


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
