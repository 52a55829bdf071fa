"""Write a criterion as the canonical row has it, so that it reads back to an equal one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from ...rubric import Criterion, Level, Requirement
from .contract import WHOLE_CONVERSATION


def criterion_row(criterion: Criterion) -> dict[str, object]:
    """Give the plain form; what a criterion does not say stands nowhere in it."""
    return _told({
        "criterion": criterion.text,
        "points": _number(criterion.points),
        "polarity": criterion.polarity.value,
        "tags": list(criterion.tags),
        "category": criterion.category,
        "check": criterion.check,
        "id": criterion.id,
        "levels": [_level_row(level) for level in criterion.levels] or None,
        "scale": "nominal" if criterion.is_nominal else None,
        "may_be_na": criterion.na and criterion.na.value,
        "na_check": criterion.na_check,
        "reference": criterion.reference or None,
        "requires": criterion.requires and _requirement(criterion.requires),
        "gate": criterion.gate and _told(asdict(criterion.gate)),
        "turn": WHOLE_CONVERSATION if criterion.turn is None else criterion.turn,
    })  # fmt: skip


def _told(row: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is not said; the answer's turn is said by no number."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in row.items()
        if value is not None and (name, value) != ("turn", -1)
    }


def _level_row(level: Level) -> dict[str, object]:
    return _told({"text": level.text, "points": _number(level.points), "check": level.check})


def _requirement(requires: Requirement) -> str | dict[str, object]:
    return requires.id if requires.level is None else {"id": requires.id, "level": requires.level}


def _number(points: float) -> int | float:
    return int(points) if float(points).is_integer() else points
