"""How prompts name what criteria may be beyond met and not met: choices, levels, not applicable."""

from __future__ import annotations

from collections.abc import Sequence

from ...replies.readings import CHOICES
from ...rubric import Criterion, level_lines


def choices_of(criterion: Criterion) -> tuple[str, ...]:
    """Give what a reply of one number chooses among; empty where Yes and No are asked for."""
    if not (criterion.levels or criterion.na):
        return ()
    levels = tuple(level.text for level in criterion.levels) or CHOICES[:-1]
    return (*levels, CHOICES[-1]) if criterion.na else levels


def levels_text(criteria: Sequence[Criterion]) -> str:
    """List the levels, `0 [2] text` a line; of several items below their numbers."""
    listed = []
    for number, criterion in enumerate(criteria, start=1):
        lines = level_lines(criterion)
        head = [f"Item {number}:"] if lines and len(criteria) > 1 else []
        listed += head + lines
    return "\n".join(listed)


def na_subject(criteria: Sequence[Criterion]) -> str:
    """Name the items that may be called not applicable; empty where there is none."""
    if len(criteria) == 1:
        return "The item" if criteria[0].na else ""
    numbers = [str(n) for n, criterion in enumerate(criteria, start=1) if criterion.na]
    if len(numbers) < 2:
        return "".join(f"Item {number}" for number in numbers)
    return f"Items {', '.join(numbers[:-1])} and {numbers[-1]}"


def na_text(criteria: Sequence[Criterion]) -> str:
    """Say which items may be called not applicable, and how; empty where there is none."""
    who = na_subject(criteria)
    how = 'where it does not apply, give "not_applicable": true in the place of a verdict'
    return f"{who} may be called not applicable: {how}." if who else ""
