"""Write a criterion as the canonical row has it, so that it reads back to an equal one."""

from __future__ import annotations

from typing import Any

from ...rubric import Criterion, Gate, Level, Requirement
from .contract import WHOLE_CONVERSATION


def criterion_row(criterion: Criterion) -> dict[str, Any]:
    """Give the plain form; what a criterion does not say stands nowhere in it."""
    row: dict[str, Any] = {
        "criterion": criterion.text,
        "points": _number(criterion.points),
        "polarity": criterion.polarity.value,
        "tags": list(criterion.tags),
    }
    if criterion.category is not None:
        row["category"] = criterion.category
    if criterion.check is not None:
        row["check"] = dict(criterion.check)
    return row | _conditions(criterion)


def _conditions(criterion: Criterion) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if criterion.id is not None:
        row["id"] = criterion.id
    if criterion.levels:
        row["levels"] = [_level_row(level) for level in criterion.levels]
    if criterion.is_nominal:
        row["scale"] = "nominal"
    if criterion.na is not None:
        row["may_be_na"] = criterion.na.value
    if criterion.na_check is not None:
        row["na_check"] = dict(criterion.na_check)
    if criterion.reference:
        row["reference"] = criterion.reference
    if criterion.requires is not None:
        row["requires"] = _requirement_row(criterion.requires)
    if criterion.gate is not None:
        row["gate"] = _gate_row(criterion.gate)
    if criterion.turn != -1:
        row["turn"] = WHOLE_CONVERSATION if criterion.turn is None else criterion.turn
    return row


def _level_row(level: Level) -> dict[str, Any]:
    row: dict[str, Any] = {"text": level.text, "points": _number(level.points)}
    if level.check is not None:
        row["check"] = dict(level.check)
    return row


def _requirement_row(requires: Requirement) -> str | dict[str, Any]:
    return requires.id if requires.level is None else {"id": requires.id, "level": requires.level}


def _gate_row(gate: Gate) -> dict[str, Any]:
    return {"cap": gate.cap} | ({} if gate.level is None else {"level": gate.level})


def _number(points: float) -> int | float:
    return int(points) if float(points).is_integer() else points
