"""Check levels, gates and references: scales without order, gates that always or never apply."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ...judges.rubric import Criterion, Example
from .findings import LintFinding, LintRule

MIN_CONTAINED_CHARS = 40
"""A reference at least so long is found inside a turn, a shorter one where it is the whole turn."""


def of_forms(example: Example) -> Iterator[LintFinding]:
    """Find what is wrong with a rubric's levels, gates and references, by their text alone."""
    turns = [" ".join(message.content.split()) for message in example.prompt]
    if _is_shown(example.reference, turns):
        yield LintFinding(LintRule.REFERENCE_SHOWN, example.prompt_id, ())
    for place, criterion in enumerate(example.rubric.criteria):
        if _is_shown(criterion.reference, turns):
            yield LintFinding(LintRule.REFERENCE_SHOWN, example.prompt_id, (place,))
        for rule, detail in (*_of_levels(criterion), *_of_gate(criterion)):
            yield LintFinding(rule, example.prompt_id, (place,), detail)


def _is_shown(reference: str | None, turns: list[str]) -> bool:
    """Say whether a turn of the prompt is a reference, or holds all of a long one."""
    text = " ".join((reference or "").split())
    is_long = len(text) >= MIN_CONTAINED_CHARS
    return bool(text) and any(text == turn or (is_long and text in turn) for turn in turns)


def _of_levels(criterion: Criterion) -> Iterator[tuple[LintRule, str]]:
    points = [level.points for level in criterion.levels]
    if not points:
        return
    shown = ", ".join(f"{each:g}" for each in points)
    steps = [after - before for before, after in pairwise(points)]
    if not criterion.is_nominal and min(steps) < 0 < max(steps):
        yield LintRule.LEVEL_ORDER, f"points {shown}"
    for first, other in _overlaps(criterion):
        yield LintRule.LEVEL_SAME, f"levels {first} and {other}, points {shown}"
    if min(points) > 0 or max(points) < 0:
        yield LintRule.LEVEL_FLOOR, f"points {shown}"


def _overlaps(criterion: Criterion) -> Iterator[tuple[int, int]]:
    """Give each level that repeats an earlier one, with the first that it repeats."""
    by_text: dict[str, int] = {}
    by_points: dict[float, int] = {}
    for place, level in enumerate(criterion.levels):
        same = by_text.setdefault(" ".join(level.text.casefold().split()), place)
        if same == place and not criterion.is_nominal:
            same = by_points.setdefault(level.points, place)
        if same != place:
            yield same, place


def _of_gate(criterion: Criterion) -> Iterator[tuple[LintRule, str]]:
    gate = criterion.gate
    if gate is None:
        return
    if gate.cap >= 1:
        yield LintRule.GATE_IDLE, f"cap {gate.cap:g}"
    best = max((level.points for level in criterion.levels), default=None)
    if gate.level is not None and criterion.levels[gate.level].points == best:
        yield LintRule.GATE_CLOSED, f"level {gate.level} has the most points"
