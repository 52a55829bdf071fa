"""Read and write what a criterion says beside its text: points, levels, conditions, its turn.

One reader for every form of criteria. What is not there changes nothing; what cannot be meant is
refused with its path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from ...errors import DataError, near_names
from ...rubric import Criterion, Gate, Level, Message, NaRule, Polarity, Requirement
from ..conversations import is_missing
from ..json_rows import TRUTHS, Cell, Field, kind_of

MAX_POINTS = 1e9
"""Most that a criterion may be worth, either way."""
MIN_POINTS = 1e-9
"""Least that it may be worth: a share of points below this is no number, or an endless one."""
WHOLE_CONVERSATION = "all"
"""How a row writes that a criterion is about every turn."""
CONDITIONS = frozenset({
    "levels", "scale", "may_be_na", "na_check", "check", "id", "reference", "requires", "gate",
    "turn",
})  # fmt: skip
"""What a criterion may say beside its text, points, polarity and tags."""
_SCALES = ("ordinal", "nominal")
_LEVEL_TEXTS = ("text", "description", "label")
_LEVEL_FIELDS = (*_LEVEL_TEXTS, "points", "share", "check")
_ORDERS = (
    {"none", "some", "most", "all"},
    {"never", "rarely", "sometimes", "often", "always"},
    {"low", "medium", "moderate", "high"},
    {"very poor", "poor", "fair", "average", "good", "very good", "excellent"},
    {"not at all", "partly", "partially", "mostly", "fully", "completely"},
    {"no", "partial", "partially", "partly", "yes"},
)
"""Words that have an order: choices made of them alone are a scale."""
_RANKS = {str(rank) for rank in range(11)}
"""Numbers that rank; 112 and 911 are names."""


def points_of(field: Field) -> float:
    """Give points that a score can be computed with: finite, not 0, within the bounds."""
    points = field.number()
    if points == 0:
        raise field.fault("is 0; a criterion needs points")
    return _bounded(points, field)


def _bounded(points: float, field: Field) -> float:
    if abs(points) > MAX_POINTS:
        raise field.fault(f"is {points:g}, beyond {MAX_POINTS:g}: sums would overflow")
    if 0 < abs(points) < MIN_POINTS:
        raise field.fault(f"is {points:g}, closer to 0 than {MIN_POINTS:g}: it would not count")
    return points


def sign_of(points: float) -> Polarity:
    """Give the polarity that the sign of points says."""
    return Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE


def worth_of(item: Field, field: Field) -> float:
    """Give the points of a criterion: its own, or of its levels those that lie farthest from 0.

    Args:
        item: The criterion.
        field: Where its form has the points; may be missing where the levels say theirs.
    """
    if not item.has("levels") or not (levels := _levels_of(item)):
        return points_of(field)
    own = None if is_missing(field.value) else points_of(field)
    worths = [level.points for level in levels]
    if _has_shares(item):
        if own is None:
            raise field.fault("is missing; a share of a level is a share of these points")
        if 1 not in worths:
            raise item["levels"].fault(
                "has no share of 1; the best level (of a fault, the worst) has all of the points"
            )
        return own
    farthest = max(worths, key=lambda p: (abs(p), p))
    if farthest == 0:
        raise item["levels"].fault("are worth 0 points, each of them")
    if own is not None and own != farthest:
        raise field.fault(
            f"is {own:g}, and the level farthest from 0 has {farthest:g}; leave one of them out"
        )
    return farthest


def _levels_of(item: Field) -> list[Level]:
    """Read the levels; where they have shares, these are their points."""
    field = item["levels"].decoded()
    if is_missing(field.value):
        if not is_missing(item["scale"].value):
            raise item["scale"].fault("needs 'levels'")
        return []
    if isinstance(field.value, Mapping):
        raise field.fault(f"is {kind_of(field.value)}, not a list of objects with text and points")
    levels = [_level(each) for each in field.items()]
    if len(levels) < 2:
        raise field.fault("has one entry; give two or more")
    if len({level.has("share") for level in field.items()}) > 1:
        raise field.fault("has 'points' in one entry and 'share' in another; give one of them")
    return levels


def _has_shares(item: Field) -> bool:
    return any(level.has("share") for level in item["levels"].decoded().items())


def _level(field: Field) -> Level:
    if not isinstance(field.value, Mapping):
        raise field.fault(f"is {kind_of(field.value)}, not an object with 'text' and 'points'")
    _refuse_others(field, _LEVEL_FIELDS)
    text = field.first(*_LEVEL_TEXTS).text()
    has_points, has_share = field.has("points"), field.has("share")
    if has_points == has_share:
        both = "has 'points' and 'share'" if has_share else "has neither 'points' nor 'share'"
        raise field.fault(f"{both}; give one of them")
    worth = field["share" if has_share else "points"].number()
    if has_share and not -1 <= worth <= 1:
        raise field["share"].fault(f"is {worth:g}, not a share between -1 and 1")
    worth = worth if has_share else _bounded(worth, field["points"])
    return Level(text, worth, predicate_of(field["check"]))


def _refuse_others(field: Field, known: Sequence[str]) -> None:
    """Refuse a member that nothing reads: most often a known name, misspelt."""
    for other in field.members():
        if other not in known and field.has(other):
            shown = str(other)[:24]
            raise field.fault(f"has {shown!r}, which is unknown; {near_names(shown, known)}")


def predicate_of(field: Field) -> Mapping[str, object] | None:
    """Give a predicate of the keyword judge; None where there is none."""
    field = field.decoded()
    if field.value is None:
        return None
    if not isinstance(field.value, Mapping):
        raise field.fault("is not an object (a predicate of the keyword judge)")
    try:
        json.dumps(field.value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise field.fault("holds what JSON cannot (NaN, an infinite number)") from None
    return field.value


def completed(item: Field, criterion: Criterion) -> Criterion:
    """Add to a criterion of any form what it says beside its text, points and tags."""
    if CONDITIONS.isdisjoint(item.members()):  # most criteria, of which there may be millions
        return criterion
    levels = _levels_of(item)
    polarity, whole = criterion.polarity, 1.0
    if levels:
        whole = criterion.points if _has_shares(item) else 1.0
        polarity = sign_of(criterion.points)
        if item.has("polarity") and criterion.polarity is not polarity:
            raise item["polarity"].fault(
                f"is {criterion.polarity.value}, and the sign of the levels' points says "
                f"{polarity.value}; of levels the sign counts"
            )
    na, na_check = _na(item["may_be_na"]), predicate_of(item["na_check"])
    if na_check is not None and na is None:
        raise item["na_check"].fault("needs 'may_be_na'")
    try:
        return replace(
            criterion,
            polarity=polarity,
            check=predicate_of(item["check"]),
            id=None if is_missing(item["id"].value) else item["id"].identifier(),
            # + 0.0: -0.0 is 0
            levels=tuple(replace(one, points=one.points * whole + 0.0) for one in levels),
            is_nominal=_is_nominal(item["scale"], levels),
            na=na,
            na_check=na_check,
            reference=reference_of(item["reference"]),
            requires=_requirement(item["requires"]),
            gate=_gate(item["gate"], has_levels=bool(levels)),
            turn=_turn(item["turn"]),
        )
    except DataError as error:
        here = item.path
        raise error if str(error).startswith(here) else DataError(f"{here}: {error}") from None


def scale_of(field: Field) -> str | None:
    """Give the name of a scale; None where there is none."""
    if is_missing(field.value):
        return None
    name = field.text().strip().lower()
    if name not in _SCALES:
        raise field.unknown(_SCALES)
    return name


def _is_nominal(field: Field, levels: Sequence[Level]) -> bool:
    if scale_of(field) != "nominal":
        return False
    words = {level.text.strip().lower() for level in levels}
    is_order = words <= _RANKS or any(words <= order for order in _ORDERS)
    if is_order and words != {"yes", "no"}:
        raise field.fault(
            "is nominal, and the levels are words or numbers of an order; remove it, or give "
            "choices without an order"
        )
    return True


def _na(field: Field) -> NaRule | None:
    value = field.value
    if isinstance(value, Cell):
        value = TRUTHS.get(value.strip().lower(), value)
    if is_missing(value) or value is False:
        return None
    if value is True:
        return NaRule.EXCLUDED
    name = field.text().strip().lower()
    known = [rule.value for rule in NaRule]
    if name not in known:
        near = near_names(name[:24], known)
        raise field.fault(f"is unknown; true, false or a rule ({near}); found {kind_of(value)}")
    return NaRule(name)


def reference_of(field: Field) -> str | None:
    """Give what a judge sees beside the answer: a text, or several with a blank line between.

    Blank is none.
    """
    if is_missing(field.value):
        return None
    if isinstance(field.value, list | tuple):
        texts = [item.any_text() for item in field.items()] if field.value else []
        return "\n\n".join(text for text in texts if text.strip()) or None
    text = field.any_text()
    return text if text.strip() else None


def _requirement(field: Field) -> Requirement | None:
    if is_missing(field.value):
        return None
    if isinstance(field.value, list | tuple):
        raise field.fault("is a list; a criterion requires one other (which may require a third)")
    if isinstance(field.value, Mapping):
        _refuse_others(field, ("id", "level"))
        if not field.has("id"):
            raise field.fault("has no 'id' of another criterion")
        return Requirement(field["id"].identifier(), _place(field["level"]))
    return Requirement(field.identifier())


def _gate(field: Field, *, has_levels: bool) -> Gate | None:
    if is_missing(field.value) or field.value is False:
        return None
    if not isinstance(field.value, Mapping):
        raise field.fault(f"is {kind_of(field.value)}, not an object with 'cap'")
    _refuse_others(field, ("cap", "level"))
    level = _place(field["level"])
    if level is not None and not has_levels:
        raise field["level"].fault("needs a criterion with levels; remove it")
    return Gate(field["cap"].number(), level)


def _place(field: Field) -> int | None:
    """Give the number of a level."""
    if is_missing(field.value):
        return None
    number = field.number()
    if number != int(number) or number < 0:
        raise field.fault(f"is {number:g}, not the number of a level, from 0")
    return int(number)


def _turn(field: Field) -> int | None:
    if is_missing(field.value):
        return -1
    if isinstance(field.value, str) and field.value.strip().lower() == WHOLE_CONVERSATION:
        return None
    if isinstance(field.value, str) and not isinstance(field.value, Cell):
        raise field.fault(f"is {kind_of(field.value)}; a whole number or 'all'")
    number = field.number()
    if number != int(number):
        raise field.fault(f"is {number:g}, not a whole number or 'all'")
    return int(number)


def placed(criteria: Sequence[Criterion], prompt: Sequence[Message]) -> tuple[Criterion, ...]:
    """Give criteria in which the answer's turn is -1, also where it is written by its number."""
    last = sum(message.role == "assistant" for message in prompt)
    return tuple(replace(c, turn=-1) if c.turn == last else c for c in criteria)


def criterion_row(criterion: Criterion) -> dict[str, object]:
    """Write a criterion so that it reads back to an equal one; what it does not say is left out."""
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
        "requires": criterion.requires and _required_row(criterion.requires),
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


def _required_row(requires: Requirement) -> str | dict[str, object]:
    return requires.id if requires.level is None else {"id": requires.id, "level": requires.level}


def _number(points: float) -> int | float:
    return int(points) if float(points).is_integer() else points
