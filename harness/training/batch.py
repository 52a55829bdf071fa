"""A batch of scored answers, as values and arrays; knows neither TRL nor judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...judges.arrays import Floats, RubricArrays, pack_probabilities, pack_rubrics, pack_verdicts
from ...judges.graded import GradedAnswer
from ...judges.rewards import evaluate
from .graders import VERDICTS_ONLY, Asked
from .groups import GroupStats, summarise_groups

if TYPE_CHECKING:
    from ...judges.rewards import Reward


@dataclass(frozen=True, slots=True)
class BatchScore:
    """What one batch of answers got: rewards, verdicts, and what the groups teach."""

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
    asked: Asked = VERDICTS_ONLY
    """What the judge was asked about each answer."""

    @property
    def chars(self) -> tuple[int, ...]:
        """Characters of each judged section."""
        return chars_of(self.graded)

    @property
    def unscored_frac(self) -> float:
        """Share of the answers without a reward, before any masking."""
        return sum(r is None for r in self.unmasked) / max(1, len(self.unmasked))


@dataclass(frozen=True, slots=True)
class BatchVerdicts:
    """Graded answers as arrays."""

    verdicts: Floats
    """[N, C], NaN where there is none, and at padding."""
    rubric: RubricArrays
    """[N, C]."""
    chars: Floats
    """Characters of each judged section, [N]."""
    ratings: Floats
    """1 to 10, [N]; NaN where there is none."""
    probabilities: Floats | None
    """P(met), [N, C]; None where no verdict carries one."""

    @classmethod
    def of(cls, graded: Sequence[GradedAnswer], *, replicate: int = 0) -> BatchVerdicts:
        """Pack graded answers, by their first verdicts and ratings or by further ones.

        Args:
            graded: The answers.
            replicate: 0 for the first; an answer without that many has none.
        """
        rubric = pack_rubrics([answer.example.rubric for answer in graded])
        rows = [(answer.verdicts, *answer.replicates) for answer in graded]
        chosen = [row[replicate] if replicate < len(row) else () for row in rows]
        n_criteria = rubric.points.shape[-1]
        chars = np.array(chars_of(graded), np.float64)
        ratings = [
            answer.ratings[replicate].value if replicate < len(answer.ratings) else None
            for answer in graded
        ]
        known = [math.nan if rating is None else float(rating) for rating in ratings]
        return cls(
            pack_verdicts(chosen, n_criteria),
            rubric,
            chars,
            np.array(known),
            pack_probabilities(chosen, n_criteria),
        )

    def reward(self, reward: Reward) -> Floats:
        """Compute a reward for each answer, [N]; NaN where there is none.

        A judge without P(met) gives no answer a reward that needs it.
        """
        if reward.needs == "probabilities" and self.probabilities is None:
            return np.full(len(self.chars), np.nan)
        return evaluate(
            reward,
            self.verdicts,
            self.rubric,
            ratings=self.ratings,
            chars=self.chars,
            probabilities=self.probabilities,
        )

    def evidence(self, reward: Reward) -> Floats:
        """Give what the judge said that bears on a reward, [N, C] or [N, C + 1] with the rating."""
        if reward.needs == "probabilities" and self.probabilities is not None:
            return self.probabilities
        if reward.needs != "rating":
            return self.verdicts
        return np.concatenate([self.verdicts, self.ratings[:, None]], axis=1)


def chars_of(graded: Sequence[GradedAnswer]) -> tuple[int, ...]:
    """Count the characters of what was judged of each answer."""
    return tuple(len(one.judged) for one in graded)


def as_optional(values_N: Floats) -> tuple[float | None, ...]:
    """Turn NaN into None, which is how TRL and files know a missing reward."""
    return tuple(None if math.isnan(value) else float(value) for value in values_N)


def batch_metrics(batch: BatchScore) -> dict[str, float]:
    """Give the numbers of a batch for TRL's own logs; what is undefined is left out."""
    metrics = {
        "rubric/unscored_frac": batch.unscored_frac,
        "rubric/judge_s": batch.judge_s,
        "rubric/own_s": batch.own_s,
    }
    for name, values in batch.alternatives.items():
        known = [value for value in values if value is not None]
        if known:
            metrics[f"reward_alt/{name}"] = float(np.mean(known))
    of_groups = summarise_groups(batch.groups)
    for name in ("dead_frac", "group_std", "reliability"):
        if of_groups.get(name) is not None:
            metrics[f"rubric/{name}"] = float(of_groups[name])
    return metrics
