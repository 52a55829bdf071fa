"""One grading as several reward columns: one for each axis of the rubrics.

TRL can normalise each column in its group before it adds them (`multi_objective_aggregation:
normalize_then_sum`, GDPO), so that an axis with small differences is not drowned by another. TRL
counts a missing value in one column as 0 (1.16, `nansum`), so an answer that lacks one has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ....judges.errors import ConfigError
from ....judges.rewards import Needs, Reward, evaluate, evaluate_batch
from ....judges.scoring.rubric_arrays import Bools, Floats
from ....judges.scoring.verdict_table import VerdictTable
from .batch import BatchScore, as_optional
from .reward import RubricReward


def axis_rewards(reward: RubricReward, axes: Sequence[str]) -> list[AxisReward]:
    """Give the reward functions of several axes, which share one grading: TRL's `reward_funcs`.

    Args:
        reward: Whose judge is asked, once for all of them; its reward is computed on each axis.
        axes: Tags of criteria, such as `axis:accuracy`.

    Raises:
        ConfigError: There are not two of them, or the reward is of a rating, which has no axes.
    """
    if reward.trained.needs is Needs.RATING:
        raise ConfigError(f"axis_rewards: {reward.trained.name!r} is of a rating, not of criteria")
    if len({*axes}) < 2 or len({*axes}) != len(axes):
        raise ConfigError(f"axis_rewards takes two tags of criteria or more, not {list(axes)}")
    grading = _Grading(reward, axes)
    return [AxisReward(grading, place) for place in range(len(axes))]


class AxisReward:
    """The reward of one axis, as TRL calls it."""

    def __init__(self, grading: _Grading, place: int) -> None:
        """Take the grading that all axes share, and which of them this is."""
        self._grading, self._place = grading, place
        axis = grading.axes[place].rpartition(":")[2]
        self.__name__ = f"{grading.reward.__name__}_{axis}"

    @property
    def reward(self) -> RubricReward:
        """The reward whose judge is asked."""
        return self._grading.reward

    async def __call__(
        self, prompts: Sequence[object], completions: Sequence[object], **columns: Any
    ) -> list[float | None]:
        """Give the value of each completion on this axis; None where any axis has none.

        Raises:
            OutageError: Too much of the batch has no reward.
        """
        values = await self._grading.values(self._place, prompts, completions, columns)
        return list(values[self._place])


class _Grading:
    """Grades a batch for the first axis that asks, and keeps it for the others."""

    def __init__(self, reward: RubricReward, axes: Sequence[str]) -> None:
        self.reward, self.axes = reward, tuple(axes)
        self._served: set[int] = set(range(len(axes)))
        self._work: asyncio.Future[BatchScore] | None = None
        self._values: list[tuple[float | None, ...]] | None = None

    async def values(
        self,
        place: int,
        prompts: Sequence[object],
        completions: Sequence[object],
        columns: Mapping[str, Any],
    ) -> list[tuple[float | None, ...]]:
        """Give the values of all axes; an axis that asks again asks about the next batch."""
        if place in self._served:
            self._served, self._values = set(), None
            self._work = asyncio.ensure_future(self.reward.scored(prompts, completions, columns))
        self._served.add(place)
        if self._values is None:
            assert self._work is not None  # of the first axis that asked
            self._values = axis_values(self.reward.trained, await self._work, self.axes)
        return self._values


def axis_values(
    reward: Reward, batch: BatchScore, axes: Sequence[str]
) -> list[tuple[float | None, ...]]:
    """Compute a reward on the criteria of each axis, for each answer of a batch.

    A rubric without points for the reward on an axis says nothing of it: 0 for the whole group,
    which no advantage comes of.
    """
    table = VerdictTable.of(batch.graded)
    groups = _groups_of(batch)
    columns = [_on_axis(reward, table, groups, _lacks(batch, table, axis)) for axis in axes]
    withheld_N = np.array([value is None for value in batch.rewards])
    none_N = np.isnan(columns).any(axis=0) | withheld_N
    return [as_optional(np.where(none_N, np.nan, column)) for column in columns]


def _on_axis(
    reward: Reward, table: VerdictTable, groups: Sequence[slice], lacks_NC: Bools
) -> Floats:
    rubrics = table.rubrics.without(lacks_NC)
    part = replace(table, rubrics=rubrics, whole_rubrics=table.whole_rubrics.without(lacks_NC))
    none_NC = np.zeros(lacks_NC.shape)
    met_none_N = evaluate(reward, none_NC, rubrics, chars=table.chars_N, probabilities=none_NC)
    silent_N = np.isnan(met_none_N)
    return np.where(silent_N, 0.0, evaluate_batch(reward, part, groups))


def _lacks(batch: BatchScore, table: VerdictTable, axis: str) -> Bools:
    """Say which criteria do not belong to an axis, [N, C]."""
    lacks = np.ones(table.verdicts_NC.shape, dtype=bool)
    for row, answer in enumerate(batch.graded):
        for column, criterion in enumerate(answer.example.rubric.criteria):
            lacks[row, column] = axis not in criterion.tags
    return lacks


def _groups_of(batch: BatchScore) -> list[slice]:
    sizes = np.bincount(batch.group_of, minlength=len(batch.groups))
    ends = np.cumsum(sizes)
    return [slice(int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)]
