"""One graded answer: the value that results files hold, and that scores are computed from.

Written by the lm-eval tasks and by `rubricbeat import` and `judge`, read by `score`, `variance`,
`compare` and `report`. The plain form is documented in docs/results.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answers import USUAL, Reading
from .errors import DataError
from .rating import Rating
from .rubric import Example
from .verdict import Verdict

NO_ANSWER = "no recorded answer"
"""Reason of the verdicts on an answer that the model never gave."""
SCHEMA_VERSION = 1
"""Of the `rubric` object in samples_*.jsonl."""
MAX_REPEAT = 1_000_000_000
"""Largest number of a repeat: what is beyond it is a mistake in a file."""


@dataclass(frozen=True, slots=True)
class GradedAnswer:
    """An answer to an example, with one verdict for each criterion of its rubric."""

    example: Example
    answer: str
    """The answer as the model gave it, reasoning included. Untrusted text."""
    verdicts: tuple[Verdict, ...]
    """In the order of the rubric; as many as it has criteria."""
    repeat: int = 0
    """Which of the answers to this example under the same model and run."""
    replicates: tuple[tuple[Verdict, ...], ...] = ()
    """Further independent verdicts: replicate, then criterion. Empty where judged once."""
    ratings: tuple[Rating, ...] = ()
    """Ratings of the whole answer, 1 to 10: the first, then independent further ones. Empty where
    none was asked for."""
    reading: Reading = USUAL
    """Which part of the answer was judged."""

    @property
    def judged(self) -> str:
        """The part of the answer that was judged: what lengths count and what reports show."""
        return self.reading.part(self.answer)

    def __post_init__(self) -> None:
        """Refuse verdicts that do not align with the rubric, and a repeat that is no number."""
        if not 0 <= self.repeat <= MAX_REPEAT:
            raise DataError(
                f"prompt_id {self.example.prompt_id}: repeat is {str(self.repeat)[:20]}, not "
                f"between 0 and {MAX_REPEAT:,}"
            )
        n_criteria = len(self.example.rubric)
        for row in (self.verdicts, *self.replicates):
            if len(row) != n_criteria:
                raise DataError(
                    f"prompt_id {self.example.prompt_id}: {len(row)} verdicts for "
                    f"{n_criteria} criteria; they cannot be aligned"
                )

    @property
    def is_absent(self) -> bool:
        """Whether the model gave no answer at all; an empty text is one."""
        return not self.answer and all(v.explanation == NO_ANSWER for v in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """Give the plain form, without the example (which stands beside it as `doc`)."""
        plain: dict[str, Any] = {
            "answer": self.answer,
            "repeat": self.repeat,
            "verdicts": [v.to_json() for v in self.verdicts],
        }
        if self.replicates:
            plain["replicates"] = [[v.to_json() for v in row] for row in self.replicates]
        if self.ratings:
            plain["ratings"] = [rating.to_verdict().to_json() for rating in self.ratings]
        if self.reading != USUAL:
            plain["reading"] = self.reading.to_json()
        return plain

    @classmethod
    def from_json(cls, example: Example, plain: Mapping[str, Any]) -> GradedAnswer:
        """Read the plain form back, for the example it belongs to."""
        return cls(
            example=example,
            answer=str(plain["answer"]),
            verdicts=tuple(map(Verdict.from_json, plain["verdicts"])),
            repeat=int(plain.get("repeat", 0)),
            replicates=tuple(
                tuple(map(Verdict.from_json, row)) for row in plain.get("replicates", ())
            ),
            ratings=tuple(
                Rating.from_verdict(Verdict.from_json(one)) for one in plain.get("ratings", ())
            ),
            reading=Reading.from_json(plain.get("reading") or {}),
        )
