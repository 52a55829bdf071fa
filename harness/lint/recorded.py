"""Look at verdicts: what tells no two answers apart, and what never or always counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from ...judges.answer import GradedAnswer
from ...judges.rubric import Criterion, Rubric
from ...judges.shares import closing_share, needed_value, value_of
from ...judges.verdict import Verdict
from .findings import Finding, Rule

MIN_ANSWERS = 3
"""Answers to a prompt before "never" and "always" say anything."""
MOSTLY = 0.5
"""Share of the verdicts beyond which a criterion mostly does not apply."""


def of_verdicts(graded: Sequence[GradedAnswer]) -> Iterator[Finding]:
    """Find what the answers to a prompt say of its criteria, over every answer to it."""
    by_prompt: dict[str, list[GradedAnswer]] = {}
    for answer in graded:
        by_prompt.setdefault(answer.example.prompt_id, []).append(answer)
    for prompt_id, answers in by_prompt.items():
        rubric = answers[0].example.rubric
        for i in range(min(len(answer.verdicts) for answer in answers)):
            rows = [answer.verdicts for answer in answers if len(answer.verdicts) == len(rubric)]
            for rule, detail in _of_criterion(rubric, i, [a.verdicts[i] for a in answers], rows):
                yield Finding(rule, prompt_id, (i,), detail)


def _of_criterion(
    rubric: Rubric, place: int, verdicts: Sequence[Verdict], rows: Sequence[Sequence[Verdict]]
) -> Iterator[tuple[Rule, str]]:
    criterion = rubric.criteria[place]
    met = [verdict.met for verdict in verdicts if verdict.met is not None]
    if len(met) >= MIN_ANSWERS and len(set(met)) == 1:
        yield (Rule.ALWAYS_MET if met[0] else Rule.NEVER_MET), f"{len(met)} answers"
    answered = [verdict for verdict in verdicts if not verdict.is_missing]
    n_na = sum(verdict.is_na for verdict in answered)
    if len(answered) >= MIN_ANSWERS and n_na > MOSTLY * len(answered):
        yield Rule.NOT_APPLICABLE, f"{n_na} of {len(answered)} verdicts"
    if criterion.levels:
        yield from _unreached(criterion, verdicts)
    if criterion.gate is not None:
        closed = [state for v in verdicts if (state := _is_closed(criterion, v)) is not None]
        if len(closed) >= MIN_ANSWERS and all(closed):
            yield Rule.GATE_CLOSED, f"closed by all {len(closed)} answers"
    if criterion.requires is not None:
        other = rubric.place_of(criterion.requires.id)
        level = criterion.requires.level
        reached = [
            state
            for row in rows
            if (state := _is_reached(rubric.criteria[other], row[other], level)) is not None
        ]
        if len(reached) >= MIN_ANSWERS and not any(reached):
            yield Rule.REQUIRED_NEVER, f"criterion {other + 1} in {len(reached)} answers"


def _unreached(criterion: Criterion, verdicts: Sequence[Verdict]) -> Iterator[tuple[Rule, str]]:
    counts = Counter(verdict.level for verdict in verdicts if verdict.level is not None)
    if counts.total() < MIN_ANSWERS:
        return
    missing = [level for level in range(len(criterion.levels)) if not counts[level]]
    if missing:
        names = ", ".join(map(str, missing))
        shown = ", ".join(str(counts[level]) for level in range(len(criterion.levels)))
        word = "level" if len(missing) == 1 else "levels"
        yield Rule.LEVEL_UNREACHED, f"{word} {names}; answers by level: {shown}"


def _is_closed(criterion: Criterion, verdict: Verdict) -> bool | None:
    """Say whether a gate closes, by its own verdict; None where there is none."""
    if verdict.is_na:
        return False
    value = value_of(verdict, criterion)
    if math.isnan(value):
        return None
    share = value if criterion.counts_when_met else 1.0 - value
    closing = closing_share(criterion)
    return share < closing if criterion.points > 0 else share > closing


def _is_reached(criterion: Criterion, verdict: Verdict, level: int | None) -> bool | None:
    """Say whether a criterion is met as another requires; None where nothing is known."""
    if verdict.is_na or math.isnan(value := value_of(verdict, criterion)):
        return None
    return value >= needed_value(criterion, level)
