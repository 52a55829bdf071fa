"""Which answers or criteria a person should label next.

A unit is a whole answer with all of its criteria, or one criterion. The same text to the same
prompt is one answer, whichever systems gave it. Which units are drawn hangs on the seed and the
unit's own words alone: more labels with the same seed keep those that were drawn before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..answer import GradedAnswer, solution_of
from ..rubric import Criterion, Example


class Unit(StrEnum):
    """What is drawn as a whole."""

    ANSWERS = "answers"
    """Answers with all of their criteria, which pass rates need."""
    CRITERIA = "criteria"
    """Single criteria."""


@dataclass(frozen=True, slots=True)
class PooledAnswer:
    """One text to one prompt, and everything that judges said of it."""

    example: Example
    text: str
    """The part of it that is judged."""
    graded: tuple[GradedAnswer, ...]

    def key(self, place: int | None = None) -> str:
        """Name the answer, or one of its criteria, by its own words."""
        criterion = "" if place is None else f"{place}\0{self.example.rubric.criteria[place].text}"
        return f"{self.example.prompt_id}\0{self.text}\0{criterion}"


@dataclass(frozen=True, slots=True)
class Draw:
    """One question to a person."""

    answer: PooledAnswer
    place: int
    """Of the criterion in its rubric."""
    probability: float | None
    """Chance in (0, 1] with which it was drawn; None where the units are a plain random part."""

    @property
    def criterion(self) -> Criterion:
        """What is asked."""
        return self.answer.example.rubric.criteria[self.place]


def pooled(graded: Iterable[GradedAnswer]) -> list[PooledAnswer]:
    """Put the same text to the same prompt together; answers that were never given are left out."""
    found: dict[tuple[str, tuple[Criterion, ...], str], list[GradedAnswer]] = {}
    for answer in graded:
        if not answer.is_absent and answer.example.rubric.criteria:
            key = (answer.example.prompt_id, answer.example.rubric.criteria, _shown(answer))
            found.setdefault(key, []).append(answer)
    return [
        PooledAnswer(same[0].example, text, tuple(same)) for (_, _, text), same in found.items()
    ]


def _shown(answer: GradedAnswer) -> str:
    """Give the judged part, where labels of it are found again by the answer as a whole."""
    is_found = solution_of(answer.judged).strip() == solution_of(answer.answer).strip()
    return answer.judged if is_found else answer.answer


def random_draw(answers: Sequence[PooledAnswer], n: int, unit: Unit, seed: int) -> list[Draw]:
    """Draw n units, each with the same chance; all of them where there are no more.

    Returns:
        Answers in a random order, the criteria of each in the order of its rubric.
    """
    units = [
        (answer, places)
        for answer in answers
        for places in (
            [tuple(range(len(answer.example.rubric)))]
            if unit is Unit.ANSWERS
            else [(place,) for place in range(len(answer.example.rubric))]
        )
    ]
    units.sort(key=lambda one: _number(seed, one[0].key(one[1][0] if len(one[1]) == 1 else None)))
    probability = None if unit is Unit.ANSWERS else min(1.0, n / max(1, len(units)))
    drawn = [Draw(answer, place, probability) for answer, places in units[:n] for place in places]
    return sorted(drawn, key=lambda one: (_number(seed, f"order\0{one.answer.key()}"), one.place))


def _number(seed: int, key: str) -> float:
    digest = hashlib.blake2b(f"{seed}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") / 2**64
