"""Rubrics and verdicts as arrays, for everything that is arithmetic on them.

Axes: P prompts, G answers to one prompt, N answers in a row, C criteria. Rubrics are ragged; they
are padded on the last axis with criteria of 0 points, which no formula counts.
Verdicts are float64: 1 met, 0 not met, NaN no verdict (and padding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rubric import CATEGORIES, Polarity, Rubric
from .verdict import Verdict

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RubricArrays:
    """Criteria of many rubrics, [..., C]; the leading axes are the caller's."""

    points: Floats
    """Signed points; 0 marks padding."""
    desirable: Bools
    """Polarity."""
    category: NDArray[np.int8]
    """Code in `CATEGORIES`, or -1."""

    @property
    def present(self) -> Bools:
        """True where there is a criterion, False at padding."""
        return np.not_equal(self.points, 0)

    def take(self, index: NDArray[np.intp]) -> RubricArrays:
        """Pick rubrics by position on the first axis, with repetition: rubrics of N answers."""
        return RubricArrays(self.points[index], self.desirable[index], self.category[index])

    def for_groups(self) -> RubricArrays:
        """Put an axis before the criteria: [P, C] becomes [P, 1, C], to broadcast over G."""
        return RubricArrays(
            self.points[..., None, :], self.desirable[..., None, :], self.category[..., None, :]
        )

    def hits(self, verdicts: Floats) -> Floats:
        """Say which criteria count their points: 1 they do, 0 they do not, NaN unknown.

        A criterion whose sign and polarity agree counts when it is met, one whose sign and
        polarity disagree ("does not prescribe X" at -2) when it is not.
        """
        agrees = (self.points > 0) == self.desirable
        return np.where(self.present, np.where(agrees, verdicts, 1.0 - verdicts), np.nan)


def pack_rubrics(rubrics: Sequence[Rubric]) -> RubricArrays:
    """Pad rubrics to [P, C]."""
    n_criteria = max((len(rubric) for rubric in rubrics), default=0)
    shape = (len(rubrics), n_criteria)
    packed = RubricArrays(np.zeros(shape), np.ones(shape, bool), np.full(shape, -1, np.int8))
    codes = {name: code for code, name in enumerate(CATEGORIES)}
    for row, rubric in enumerate(rubrics):
        for column, criterion in enumerate(rubric.criteria):
            packed.points[row, column] = criterion.points
            packed.desirable[row, column] = criterion.polarity is Polarity.DESIRABLE
            packed.category[row, column] = codes.get(criterion.category or "", -1)
    return packed


def pack_verdicts(rows: Sequence[Sequence[Verdict]], n_criteria: int) -> Floats:
    """Pad verdicts to [N, C]; a missing verdict is NaN, and so is padding."""
    packed = np.full((len(rows), n_criteria), np.nan)
    for row, verdicts in enumerate(rows):
        for column, verdict in enumerate(verdicts):
            if verdict.met is not None:
                packed[row, column] = verdict.met
    return packed


def pack_probabilities(rows: Sequence[Sequence[Verdict]], n_criteria: int) -> Floats | None:
    """Pad P(met) to [N, C] as `pack_verdicts` does; None where no verdict there is carries one.

    A verdict without a probability among others that have one counts as 1 or 0.
    """
    packed = pack_verdicts(rows, n_criteria)
    n_verdicts = n_known = 0
    for row, verdicts in enumerate(rows):
        for column, verdict in enumerate(verdicts):
            n_verdicts += verdict.met is not None
            if verdict.met is not None and verdict.probability is not None:
                packed[row, column] = verdict.probability
                n_known += 1
    return packed if n_known or not n_verdicts else None
