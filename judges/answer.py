"""One graded answer: the value that results files hold, and that scores are computed from.

Written by the lm-eval tasks and by `rubricbeat import` and `judge`, read by `score`, `variance`,
`compare` and `report`. The plain form is documented in docs/results.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeGuard

from .errors import DataError
from .judge import Question
from .replies.reasoning import TABLE, Marks, split_reasoning
from .rubric import Example, Message
from .shares import counted_shares, suited
from .verdict import Outcome, Rating, Verdict

_OPENS = re.compile(r"<solution>", re.IGNORECASE)
_ENDS = re.compile(r"</solution>", re.IGNORECASE)
_ASSISTANT = "assistant"
_NEAR = 200
"""Characters of a line that are looked at."""
_MORE = frozenset({Outcome.LEVEL, Outcome.NOT_APPLICABLE})
NO_ANSWER = "no recorded answer"
"""Reason of the verdicts on an answer that the model never gave."""
SCHEMA_VERSION = 1
"""Of the `rubric` object in samples_*.jsonl."""
MAX_REPEAT = 1_000_000_000
"""Largest number of a repeat: what is beyond it is a mistake in a file."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Which part of an answer is judged, by the options of its judge."""

    include_reasoning: bool = False
    marks: Marks = TABLE

    def part(self, text: str) -> str:
        """Cut the part that is judged out of an answer."""
        return text if self.include_reasoning else solution_of(text, self.marks)

    def to_json(self) -> dict[str, object]:
        """Give what differs from the usual reading."""
        return {**({"include_reasoning": True} if self.include_reasoning else {})} | (
            self.marks.to_json()
        )

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> Reading:
        """Read the plain form, or the options of a judge that hold the same names."""
        opens = str(plain.get("reasoning_opens") or "text")
        return cls(
            bool(plain.get("include_reasoning")), Marks.of(plain.get("reasoning_marks"), opens)
        )


USUAL = Reading()
"""The solution section, by the table of marks."""


def solution_of(text: str, marks: Marks = TABLE) -> str:
    """Give the solution section of an answer.

    The text after its reasoning; inside that the last `<SOLUTION>` section, to the end of the text
    where it was cut off before its closing tag. Reasoning that never ends leaves nothing to judge:
    an empty solution, never the reasoning itself.

    Args:
        text: The answer as the model gave it.
        marks: The marks of reasoning.
    """
    rest = split_reasoning(text, marks).rest
    closings = [ending.span() for ending in _ENDS.finditer(rest)]
    n_next = len(closings)
    for opening in reversed(list(_OPENS.finditer(rest))):
        while n_next and closings[n_next - 1][0] >= opening.end():
            n_next -= 1
        closing = closings[n_next] if n_next < len(closings) else None
        if _is_section(rest, opening, closing):
            return rest[opening.end() : closing[0] if closing else len(rest)].strip()
    return rest.strip()


def _is_section(text: str, opening: re.Match[str], closing: tuple[int, int] | None) -> bool:
    """Tell a section's tag from one that is mentioned.

    A section opens the text, or is spelt in capitals and stands apart: its tag begins a line, or,
    where it has a closing one, one of the two begins or ends a line.
    """
    start, end = opening.span()
    if start <= _NEAR and _is_blank(text[:start]):
        return True
    if opening.group() != "<SOLUTION>":
        return False
    if closing is None:
        return _begins_line(text, start)
    spans = ((start, end), closing)
    return any(_begins_line(text, a) or _ends_line(text, b) for a, b in spans)


def _begins_line(text: str, place: int) -> bool:
    before = text[max(0, place - _NEAR) : place]
    return _is_blank(before.rpartition("\n")[2])


def _ends_line(text: str, place: int) -> bool:
    return _is_blank(text[place : place + _NEAR].partition("\n")[0])


def _is_blank(text: str) -> bool:
    return not text.strip()


@dataclass(frozen=True, slots=True)
class View:
    """What of a conversation a criterion is about, as a judge is shown it."""

    before: tuple[Message, ...]
    """The turns before the judged one."""
    judged: str
    """The judged turn of the assistant's; the answer, where the whole conversation is judged."""
    is_whole: bool = False
    """Whether every turn of the assistant's is judged, and not the last one shown alone."""

    @property
    def said(self) -> str:
        """All text that is judged: the one turn, or every turn of the assistant's."""
        if not self.is_whole:
            return self.judged
        earlier = [turn.content for turn in self.before if turn.role == _ASSISTANT]
        return "\n\n".join([*earlier, self.judged])


def view_of(question: Question) -> View:
    """Give what a question is about: the answer, an earlier turn, or the whole conversation.

    An earlier turn stands where the answer would: nothing that was said after it is shown.
    """
    prompt, turn = question.example.prompt, question.criterion.turn
    if turn == -1 or turn is None:
        return View(prompt, question.answer, is_whole=turn is None)
    places = [place for place, message in enumerate(prompt) if message.role == _ASSISTANT]
    place = [*places, len(prompt)][turn]  # in range: an Example refuses other turns
    if place == len(prompt):
        return View(prompt, question.answer)
    return View(prompt[:place], prompt[place].content)


def seen_of(question: Question) -> tuple[object, ...]:
    """Name what a judge sees beside the criterion: equal for questions that one call may hold."""
    if question.is_rating:
        return ()
    view = view_of(question)
    return len(view.before), view.is_whole, question.example.reference_of(question.criterion)


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to an example, before it is graded."""

    example: Example
    text: str | None
    """As the model gave it, reasoning included; None where it gave none: it counts as asked for,
    and nothing is asked about it."""
    repeat: int = 0
    """Which of the answers to this example under the same model and run."""
    replicates: int | None = None
    """Independent verdicts for each criterion of this answer; None for the grader's own number."""
    asked: tuple[int, ...] | None = None
    """The criteria that are asked, ascending; None for all of them."""

    def __post_init__(self) -> None:
        """Refuse what would be graded as something else, or waited for for ever.

        Raises:
            DataError: The text is none, or a number is out of its range.
        """
        repeat = _checked(self.example, "" if self.text is None else self.text, self.repeat)
        object.__setattr__(self, "repeat", repeat)
        n_criteria, asked, replicates = len(self.example.rubric), self.asked, self.replicates
        where = f"prompt_id {self.example.prompt_id}"
        if replicates is not None and not (_is_whole(replicates) and replicates >= 1):
            raise DataError(f"{where}: replicates is {replicates!r:.40}, no whole number from 1")
        if asked is not None and list(asked) != sorted({*asked} & {*range(n_criteria)}):
            raise DataError(
                f"{where}: asked is {asked!r:.80}, not some of 0 to {n_criteria - 1} in their order"
            )

    @property
    def n_asked(self) -> int:
        """Count the criteria that are asked."""
        return len(self.example.rubric) if self.asked is None else len(self.asked)


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
    chances: tuple[float, ...] = ()
    """Where only a sample was asked: the inclusion probability of each criterion, in (0, 1]. Empty
    where all of them were asked."""

    @property
    def judged(self) -> str:
        """The part of the answer that was judged: what lengths count and what reports show."""
        return self.reading.part(self.answer)

    def __post_init__(self) -> None:
        """Refuse verdicts that do not align with the rubric, and a repeat that is no number."""
        object.__setattr__(self, "repeat", _checked(self.example, self.answer, self.repeat))
        n_criteria = len(self.example.rubric)
        for row in (self.verdicts, *self.replicates):
            if len(row) != n_criteria:
                raise DataError(
                    f"prompt_id {self.example.prompt_id}: {len(row)} verdicts for "
                    f"{n_criteria} criteria; they cannot be aligned"
                )
        if self.chances and (
            len(self.chances) != n_criteria or not all(0 < chance <= 1 for chance in self.chances)
        ):
            raise DataError(
                f"prompt_id {self.example.prompt_id}: chances must be an inclusion probability for "
                f"each of the {n_criteria} criteria, above 0 and at most 1"
            )

    @property
    def is_absent(self) -> bool:
        """Whether the model gave no answer at all; an empty text is one."""
        return not self.answer and all(v.explanation == NO_ANSWER for v in self.verdicts)

    def to_json(self) -> dict[str, object]:
        """Give the plain form, without the example (which stands beside it as `doc`)."""
        plain: dict[str, object] = {
            "answer": self.answer,
            "repeat": self.repeat,
            "verdicts": self._plain_verdicts(self.verdicts),
        }
        if self.replicates:
            plain["replicates"] = list(map(self._plain_verdicts, self.replicates))
        if self.ratings:
            plain["ratings"] = [rating.to_verdict().to_json() for rating in self.ratings]
        if self.reading != USUAL:
            plain["reading"] = self.reading.to_json()
        if self.chances:
            plain["chances"] = list(self.chances)
        return plain

    def _plain_verdicts(self, row: tuple[Verdict, ...]) -> list[dict[str, object]]:
        """Give verdicts in plain form, each with its level and the share of points that counts."""
        shares = counted_shares(self.example.rubric, row)
        return [
            {**verdict.to_json(), "level": _level(verdict), "share": share}
            for verdict, share in zip(row, shares, strict=True)
        ]

    @classmethod
    def from_json(cls, example: Example, plain: Mapping[str, Any]) -> GradedAnswer:
        """Read the plain form back, for the example it belongs to.

        Raises:
            DataError: The answer is no text, the repeat no whole number, or a verdict unreadable.
        """
        return cls(
            example=example,
            answer=plain["answer"],
            verdicts=_read_verdicts(example, plain["verdicts"]),
            repeat=plain.get("repeat", 0),
            replicates=tuple(_read_verdicts(example, row) for row in plain.get("replicates", ())),
            ratings=tuple(
                Rating.from_verdict(Verdict.from_json(one)) for one in plain.get("ratings", ())
            ),
            reading=Reading.from_json(plain.get("reading") or {}),
            chances=tuple(map(float, plain.get("chances") or ())),
        )


def _is_whole(number: object) -> TypeGuard[int]:
    """Take whole numbers of whatever library."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def _checked(example: Example, text: object, repeat: object) -> int:
    """Refuse an answer that is no text, and a repeat that is no number from 0 to `MAX_REPEAT`.

    Gives the repeat; tables hold whole numbers as decimal ones where one of them is missing.
    """
    where = f"prompt_id {example.prompt_id}"
    if not isinstance(text, str):
        raise DataError(f"{where}: the answer is {text!r:.40}, no text")
    if isinstance(repeat, float) and repeat.is_integer():
        repeat = int(repeat)
    if not _is_whole(repeat):
        raise DataError(f"{where}: repeat is {repeat!r:.40}, no whole number")
    if not 0 <= repeat <= MAX_REPEAT:
        raise DataError(f"{where}: repeat is {str(repeat)[:20]}, not between 0 and {MAX_REPEAT:,}")
    return int(repeat)


def _read_verdicts(example: Example, row: Sequence[Mapping[str, object]]) -> tuple[Verdict, ...]:
    """Read verdicts back, each as its criterion allows it; rows of another length stay as long."""
    verdicts = tuple(map(Verdict.from_json, row))
    if example.rubric.is_plain and not any(v.outcome in _MORE for v in verdicts):
        return verdicts
    criteria = example.rubric.criteria
    return (*map(suited, verdicts, criteria), *verdicts[len(criteria) :])


def _level(verdict: Verdict) -> int | None:
    """Give the level of a verdict: 1 of "met" and 0 of "not met", None where it has none."""
    if verdict.outcome is Outcome.LEVEL:
        return verdict.level
    return None if verdict.met is None else int(verdict.met)
