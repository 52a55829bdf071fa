"""What a good answer holds: criteria, rubrics, and the examples that carry them.

Values only. Files become values in `data/`; what a judge says of them is `verdict.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CATEGORIES = ("Essential", "Important", "Optional", "Pitfall")
"""The categories a criterion may have; code of each in `RubricArrays.category`: its position."""


class Polarity(StrEnum):
    """Whether it is good or bad when the text of a criterion is true of an answer.

    Not the sign of its points: 80 % of the pitfalls of RaR-Science carry a negative weight and are
    phrased as avoidance, so that "true" is good (method sheet, section 1).
    """

    DESIRABLE = "desirable"
    UNDESIRABLE = "undesirable"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """One statement that is true or not of an answer, and what it is worth."""

    text: str
    points: float
    """Signed and finite, never 0."""
    polarity: Polarity
    tags: tuple[str, ...] = ()
    """Such as `axis:accuracy` or `level:example`; may be empty."""
    category: str | None = None
    """`Essential`, `Important`, `Optional` or `Pitfall` where the data set says so."""
    check: Mapping[str, Any] | None = field(default=None, hash=False)
    """A predicate the `keyword` judge can evaluate (see `judges/keyword/checks.py`), or None."""

    @property
    def counts_when_met(self) -> bool:
        """Whether "met" is what makes the points count.

        True where sign and polarity agree: points earned by a desirable trait, or lost by an
        undesirable one. False where they disagree: "does not prescribe X" at -2 costs its points
        when it is NOT met.
        """
        return (self.points > 0) == (self.polarity is Polarity.DESIRABLE)


@dataclass(frozen=True, slots=True)
class Rubric:
    """The criteria one answer is graded by, in the order of the data."""

    criteria: tuple[Criterion, ...]

    def __len__(self) -> int:
        """Count all criteria, of either sign."""
        return len(self.criteria)

    @property
    def positive_points(self) -> float:
        """Sum of the positive points, P of the method sheet."""
        return sum(c.points for c in self.criteria if c.points > 0)

    @property
    def negative_points(self) -> float:
        """Sum of the absolute negative points, N of the method sheet."""
        return sum(-c.points for c in self.criteria if c.points < 0)


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation to answer, and the rubric its answer is graded by."""

    prompt_id: str
    prompt: tuple[Message, ...]
    """The turns before the answer; the last one is the user's."""
    rubric: Rubric
    tags: tuple[str, ...] = ()
    """Such as `theme:hedging`; may be empty."""
    references: tuple[str, ...] = ()
    """Answers the data set holds up as good; may be empty."""
    canary: str | None = None
    """The data set's contamination marker, carried into whatever is derived from the row."""


def digest_of_prompt(prompt: Sequence[Message]) -> str:
    """Name a prompt without an id by its text: rows of one prompt must share a cluster."""
    text = "\0".join(f"{m.role}\0{m.content}" for m in prompt)
    return "sha256-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def points_text(points: float) -> str:
    """Write points as the data does: `5`, `-2`, `0.5`; never `5.0`."""
    return str(int(points)) if float(points).is_integer() else repr(float(points))


def rubric_item(criterion: Criterion) -> str:
    """Show a criterion with its points: `[5] text`."""
    return f"[{points_text(criterion.points)}] {criterion.text}"


def numbered(criteria: Sequence[Criterion]) -> str:
    """List criteria as `1. [5] text`, one a line."""
    return "\n".join(f"{n}. {rubric_item(c)}" for n, c in enumerate(criteria, start=1))
