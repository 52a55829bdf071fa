"""Criteria as people write them by hand: bare texts, one a line of a text, or without points."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...errors import DataError
from ..json_rows import Field
from .peers import is_autorubric, is_verifiers

DEFAULT_POINTS = 1
_TEXTS = ("criterion", "criterion_text", "description")
_WORTHS = ("points", "weight")
_OTHER_WORTHS = ("levels", "annotations", "criterion_description", "criterion_weight", "choices")
_BULLET = re.compile(r"\s*[-*\u2022]\s+(?=\S)")
_MARK = re.compile(r"\s*(?:[-*\u2022]|\(?\d{1,3}[.)])\s+(?=\S)")
_POINTS = r"[+-]?\d+(?:\.\d+)?"
_WORTH = rf"{_POINTS}\s*(?:points?|pts?)"
_NO_CRITERION = re.compile(
    rf"^\s*(?:[-*+]\s+)?(?:\[(?:{_POINTS}|{_WORTH})\]|\({_WORTH}\)|\(?[+-]\d|{_WORTH}\s*[-:=])"
    rf"|^\s*(?:#{{1,6}}\s|[\[{{<|]|(?:score\s*)?\d+\s*[:=])|:\s*$|[\[(]{_WORTH}[\])]\W*$"
    rf"|[-:|,;]\s*{_WORTH}\W*$|^\W*(?:criteri(?:on|a)|points?|weight)\s*[,;|\t:]",
    re.IGNORECASE,
)
"""A line that is a heading, says points in its own way, is a level of a scale, or is no prose."""
_OPENRUBRICS = re.compile(r"\[(?:Hard Rule|Principle)\]", re.IGNORECASE)


def spelt_out(items: Iterable[Field]) -> list[Field]:
    """Give criteria as objects that say their text and, where the rubric has no points, 1 each.

    A bare text is worth 1 point, whatever stands beside it.

    Raises:
        DataError: An object says no points, and another one says some.
    """
    given = list(items)
    found = [_as_object(item) for item in given]
    without = [item for item in found if _says_text_alone(item)]
    if not without:
        return found
    objects = [item for item in given if isinstance(item.value, Mapping)]
    if any(item.has(name) for item in objects for name in _WORTHS):
        raise without[0]["points"].fault(
            "is missing, but other criteria of this rubric have points: give points to all of "
            "them, or to none (then each is worth 1)"
        )
    return [_with(item, {"points": DEFAULT_POINTS}) if item in without else item for item in found]


def texts_of_lines(field: Field) -> list[Field] | None:
    """Give the criteria of a text with one a line; None for a text with marks of OpenRubrics.

    Raises:
        DataError: It may be something else: a lone line without a bullet, which may be a name, or a
            list in which not every line has a mark.
    """
    text = str(field.value)
    if _OPENRUBRICS.search(text):
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        found = lines_of_text(text)
    except DataError as error:
        raise field.fault(f"is a text that cannot be read: {error}") from None
    if len(lines) < 2 and not all(map(_BULLET.match, lines)):
        raise field.fault(
            "is one line of text; give a list of criteria, a text with one per line, or begin the "
            'line with "- " if it is one criterion'
        )
    if not all(map(_MARK.match, lines)) and any(map(_MARK.match, lines)):
        raise field.fault(
            "is a text in which some lines have a bullet or number and others have not; write "
            "each criterion in one line, all with a mark or all without"
        )
    return [Field(text, field, number) for number, text in enumerate(found)]


def lines_of_text(text: str) -> list[str]:
    """Give the criteria of a text with one a line, without the marks of a list before them.

    Raises:
        DataError: A line is a heading, or says points.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if _NO_CRITERION.search(line):
            raise DataError(
                f"line {number}: {line.strip()[:40]!r} is a heading or has points; a text has one "
                "criterion per line, each worth 1 point; give points in a list of objects, or in a "
                "CSV: criterion,points"
            )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if all(map(_MARK.match, lines)):
        lines = [_MARK.sub("", line, count=1) for line in lines]
    return lines


def _as_object(item: Field) -> Field:
    if isinstance(item.value, str):
        text = item.text().strip()
        return Field({"criterion": text, "points": DEFAULT_POINTS}, item.parent, item.key)
    if item.has("text") and not any(item.has(name) for name in (*_TEXTS, "requirement", "title")):
        return item if is_verifiers(item) else _with(item, {"criterion": item["text"].value})
    return item


def _says_text_alone(item: Field) -> bool:
    """Say whether an object has the text of a criterion, and nothing of what it is worth."""
    return (
        isinstance(item.value, Mapping)
        and any(item.has(name) for name in _TEXTS)
        and not any(name in item.value for name in _WORTHS)  # null is a hole, and told
        and not any(item.has(name) for name in _OTHER_WORTHS)
        and not is_autorubric(item)
        and not is_verifiers(item)
    )


def _with(item: Field, more: Mapping[str, object]) -> Field:
    return Field({**item.members(), **more}, item.parent, item.key)
