"""Rubrics as arrays, and which of their criteria count how much of an answer.

Axes: C criteria (padded), [..., C] whatever axes the caller has before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rubric import CATEGORIES, Polarity, Rubric
from ..shares import closing_share, needed_value

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_NO_CRITERION = -1


@dataclass(frozen=True, slots=True)
class Conditions:
    """What rubrics hold beside criteria that are met or not, [..., C] each."""

    least: Floats
    """Least share of its points that a criterion counts: 0, but where its lowest level has points;
    below 0 where they are of the other sign."""
    requires: NDArray[np.intp]
    """Column of the criterion that must be met for this one to count, or -1."""
    needs: Floats
    """The value that its verdict must reach; NaN without a requirement."""
    cap: Floats
    """Highest score that is left where the criterion's gate closes; NaN without a gate."""
    closes: Floats
    """The gate closes below this share of points earned, or above this share of points lost."""

    def each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Conditions:
        """Change every array alike."""
        return Conditions(*(change(getattr(self, spec.name)) for spec in fields(self)))

    def counts(self, values: Floats) -> Floats:
        """Say which criteria count by what they require: 1 they do, 0 they do not, NaN unknown.

        A required criterion must be met, and must itself count.

        Args:
            values: Of the verdicts, [..., C].
        """
        at = np.broadcast_to(self.requires, values.shape)
        required = at != _NO_CRITERION
        column = np.where(required, at, 0)
        reached = np.take_along_axis(values, column, -1)
        is_met = np.where(np.isnan(reached), np.nan, (reached >= self.needs).astype(np.float64))
        own = np.where(required, is_met, 1.0)
        counts = own
        for _ in range(values.shape[-1]):
            above = np.where(required, np.take_along_axis(counts, column, -1), 1.0)
            chained = np.where((own == 0) | (above == 0), 0.0, own * above)
            if np.array_equal(chained, counts, equal_nan=True):
                break
            counts = chained
        return counts


@dataclass(frozen=True, slots=True)
class RubricArrays:
    """Criteria of many rubrics, [..., C]; the leading axes are the caller's."""

    points: Floats
    """Signed points; 0 marks padding, and what does not apply to an answer."""
    desirable: Bools
    """Polarity."""
    category: NDArray[np.int8]
    """Code in `CATEGORIES`, or -1."""
    conditions: Conditions | None = None
    """Levels, requirements and gates; None where no rubric has any."""
    left_out: Bools | None = None
    """Criteria on which another answer of the group has no verdict (`judges/rewards/compared.py`);
    None where answers are not compared."""

    @property
    def present(self) -> Bools:
        """True where there is a criterion, False at padding."""
        return np.not_equal(self.points, 0)

    @property
    def gains(self) -> Floats:
        """The most points that each criterion can earn; their sum is P of the method sheet."""
        if self.conditions is None:
            return np.maximum(self.points, 0.0)
        return np.maximum(np.maximum(self.points, self.points * self.conditions.least), 0.0)

    @property
    def losses(self) -> Floats:
        """The most points that each criterion can cost; their sum is N of the method sheet."""
        if self.conditions is None:
            return np.maximum(-self.points, 0.0)
        return np.maximum(np.maximum(-self.points, -self.points * self.conditions.least), 0.0)

    def each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> RubricArrays:
        """Change every array alike."""
        conditions = None if self.conditions is None else self.conditions.each(change)
        left_out = None if self.left_out is None else change(self.left_out)
        return RubricArrays(
            change(self.points), change(self.desirable), change(self.category), conditions, left_out
        )

    def take(self, index: NDArray[np.intp] | slice) -> RubricArrays:
        """Pick rubrics by position on the first axis, with repetition: rubrics of N answers."""
        return self.each(lambda values: values[index])

    def for_groups(self) -> RubricArrays:
        """Put an axis before the criteria: [P, C] becomes [P, 1, C], to broadcast over G."""
        return self.each(lambda values: values[..., None, :])

    def without(self, excluded: Bools | None) -> RubricArrays:
        """Take the criteria away that do not apply to an answer, and what requires them.

        Args:
            excluded: Broadcasts against the rubrics; None for nothing.
        """
        if excluded is None:
            return self
        if self.conditions is not None:
            shape = np.broadcast_shapes(self.conditions.requires.shape, excluded.shape)
            at = np.broadcast_to(self.conditions.requires, shape)
            excluded = np.broadcast_to(excluded, shape)
            for _ in range(shape[-1]):
                above = np.take_along_axis(excluded, np.where(at < 0, 0, at), -1) & (at >= 0)
                if not (above & ~excluded).any():
                    break
                excluded = excluded | above
        left = replace(self, points=np.where(excluded, 0.0, self.points))
        # where nothing that could earn points applies, nothing is known: no score and no reward
        hollow = (left.gains.sum(-1) <= 0) & (self.gains.sum(-1) > 0)
        return replace(left, points=np.where(hollow[..., None], 0.0, left.points))

    def compared(self) -> RubricArrays:
        """Give the rubric of what all answers of a group have."""
        return replace(self, left_out=None).without(self.left_out)

    def hits(self, verdicts: Floats) -> Floats:
        """Say which share of its points each criterion counts, NaN unknown.

        1 all, 0 nothing, between them for a level. A criterion whose sign and polarity agree counts
        when it is met, one whose sign and polarity disagree ("does not prescribe X" at -2) when it
        is not. What requires another criterion counts nothing while that one is not met.
        """
        hits = self._of_points(verdicts)
        if self.conditions is None:
            return hits
        counts = self.conditions.counts(verdicts)
        unknown = np.isnan(counts) & (hits != 0)
        return np.where(unknown, np.nan, np.where(counts == 0, 0.0, hits))

    def caps(self, verdicts: Floats) -> tuple[Floats, Floats] | None:
        """Give the cap that closed gates put on each score, and the one with the unknown ones too.

        The gate of a criterion that does not count stays open.

        Returns:
            Both [...], infinite where no gate closes; None where no rubric has a gate.
        """
        if self.conditions is None or np.isnan(self.conditions.cap).all():
            return None
        hits, counts = self._of_points(verdicts), self.conditions.counts(verdicts)
        is_gate = ~np.isnan(self.conditions.cap) & self.present & (counts != 0)
        earns = self.points > 0
        is_open = np.where(earns, hits > self.conditions.closes, hits < self.conditions.closes)
        known = ~np.isnan(hits) & ~np.isnan(counts)
        caps = (
            np.where(closing, self.conditions.cap, np.inf).min(-1, initial=np.inf)
            for closing in (is_gate & ~is_open & known, is_gate & ~is_open)
        )
        closed, possible = caps
        return closed, possible

    def _of_points(self, verdicts: Floats) -> Floats:
        agrees = (self.points > 0) == self.desirable
        return np.where(self.present, np.where(agrees, verdicts, 1.0 - verdicts), np.nan)


def pack_rubrics(rubrics: Sequence[Rubric]) -> RubricArrays:
    """Pad rubrics to [P, C]."""
    n_criteria = max((len(rubric) for rubric in rubrics), default=0)
    shape = (len(rubrics), n_criteria)
    packed = RubricArrays(
        np.zeros(shape),
        np.ones(shape, bool),
        np.full(shape, -1, np.int8),
        None if all(rubric.is_plain for rubric in rubrics) else _conditions(rubrics, shape),
    )
    codes = {name: code for code, name in enumerate(CATEGORIES)}
    for row, rubric in enumerate(rubrics):
        for column, criterion in enumerate(rubric.criteria):
            packed.points[row, column] = criterion.points
            packed.desirable[row, column] = criterion.polarity is Polarity.DESIRABLE
            packed.category[row, column] = codes.get(criterion.category or "", -1)
    return packed


def _conditions(rubrics: Sequence[Rubric], shape: tuple[int, int]) -> Conditions | None:
    """Pack levels, requirements and gates; None where there is none of them."""
    packed = Conditions(
        np.zeros(shape),
        np.full(shape, _NO_CRITERION, np.intp),
        *(np.full(shape, np.nan) for _ in range(3)),
    )
    found = False
    for row, rubric in enumerate(rubrics):
        for column, criterion in enumerate(rubric.criteria):
            at = (row, column)
            found = found or bool(criterion.levels or criterion.requires or criterion.gate)
            packed.least[at] = criterion.least_share
            if criterion.requires is not None:
                place = rubric.place_of(criterion.requires.id)
                packed.requires[at] = place
                packed.needs[at] = needed_value(rubric.criteria[place], criterion.requires.level)
            if criterion.gate is not None:
                packed.cap[at] = criterion.gate.cap
                packed.closes[at] = closing_share(criterion)
    return packed if found else None
