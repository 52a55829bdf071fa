"""Which part of an answer is judged: the solution, without the reasoning before it.

A judge that reads the reasoning is another judge (method sheet, section 7), so this is said in one
place: `Reading.part` is what judges see, what lengths count and what reports show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .reasoning import TABLE, Marks, split_reasoning

_OPENS = re.compile(r"<solution>", re.IGNORECASE)
_ENDS = re.compile(r"</solution>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """Which part of an answer is judged, by the options of its judge."""

    include_reasoning: bool = False
    marks: Marks = TABLE

    def part(self, text: str) -> str:
        """Cut the part that is judged out of an answer."""
        return text if self.include_reasoning else solution_of(text, self.marks)

    def to_json(self) -> dict[str, Any]:
        """Give what differs from the usual reading."""
        return {**({"include_reasoning": True} if self.include_reasoning else {})} | (
            self.marks.to_json()
        )

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Reading:
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


_NEAR = 200
"""Characters of a line that are looked at."""


def _begins_line(text: str, place: int) -> bool:
    before = text[max(0, place - _NEAR) : place]
    return _is_blank(before.rpartition("\n")[2])


def _ends_line(text: str, place: int) -> bool:
    return _is_blank(text[place : place + _NEAR].partition("\n")[0])


def _is_blank(text: str) -> bool:
    return not text.strip()
