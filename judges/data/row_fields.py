"""Typed reading of one JSON row: every fault names the field and what stands there instead.

Never quotes a value at length: rows may be private, and messages travel into logs.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import DataError

MAX_QUOTED_CHARS = 24
"""Numbers and short words are quoted in messages up to this length; longer text never is."""


class Cell(str):
    """The text of a cell of CSV, where everything is text: it may stand for a number or a list."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A value inside a row that knows its path, such as `rubrics[2].points`."""

    value: Any
    parent: Field | None = None
    key: str | int = ""
    """Name or place in the parent; the path is put together only for a message."""

    @property
    def path(self) -> str:
        """The way from the row to this value; empty for the row itself."""
        if self.parent is None:
            return ""
        above = self.parent.path
        if isinstance(self.key, int):
            return f"{above}[{self.key}]"
        return f"{above}.{self.key}" if above else self.key

    def fault(self, problem: str) -> DataError:
        """Word an error about this field."""
        return DataError(f"{self.path or 'the row'} {problem}")

    def __getitem__(self, name: str) -> Field:
        """Give a member of an object; missing reads as null."""
        if not isinstance(self.value, Mapping):
            raise self.fault(f"is {kind_of(self.value)}, not an object")
        return Field(self.value.get(name), self, name)

    def has(self, name: str) -> bool:
        """Say whether an object has a member that is not null."""
        return isinstance(self.value, Mapping) and self.value.get(name) is not None

    def first(self, *names: str) -> Field:
        """Give the first of several members that is there, or the first name as missing."""
        return next((self[name] for name in names if self.has(name)), self[names[0]])

    def decoded(self) -> Field:
        """Give the list or object that a text holds as JSON; anything else as it is.

        Raises:
            DataError: The text begins as one and is none.
        """
        if not isinstance(self.value, str) or not self.value.lstrip().startswith(("[", "{")):
            return self
        try:
            return Field(json.loads(self.value), self.parent, self.key)
        except (ValueError, RecursionError):
            raise self.fault(
                "is text that begins as JSON and is not JSON (a Python list, written by str()?); "
                "write it with json.dumps"
            ) from None

    def items(self) -> Iterator[Field]:
        """Go through a list that must hold something."""
        if not isinstance(self.value, list | tuple):
            raise self.fault(f"is {kind_of(self.value)}, not a list")
        if not self.value:
            raise self.fault("is an empty list")
        for index, item in enumerate(self.value):
            yield Field(item, self, index)

    def text(self) -> str:
        """Give a string that is not blank."""
        text = self.any_text()
        if not text.strip():
            raise self.fault("is blank")
        return text

    def any_text(self) -> str:
        """Give a string, which may be blank."""
        if not isinstance(self.value, str):
            raise self.fault(f"is {kind_of(self.value)}, not text")
        if not _encodes(self.value):
            # half an emoji: no file, endpoint or hash takes it, and replacing it changes the row
            raise self.fault("holds half of a surrogate pair (a broken \\ud8xx escape)")
        return str(self.value)

    def identifier(self) -> str:
        """Give an id as text: 7, 7.0 and "7" are one id, "07" is another."""
        if isinstance(self.value, str):
            return self.text()
        number = self.number()
        if number != int(number):
            raise self.fault(f"is {kind_of(self.value)}, which is not an id")
        return str(int(self.value))

    def number(self) -> float:
        """Give a finite number; a true is none, and a string of digits only as a cell of CSV."""
        if isinstance(self.value, Cell):
            with contextlib.suppress(ValueError):
                return Field(float(self.value), self.parent, self.key).number()
        if isinstance(self.value, bool) or not isinstance(self.value, int | float | Decimal):
            raise self.fault(f"is {kind_of(self.value)}, not a number")
        try:
            number = float(self.value)
        except OverflowError:
            raise self.fault("is a number too large for a float") from None
        if not math.isfinite(number):
            raise self.fault(f"is {number}, not a finite number")
        return number

    def strings(self) -> tuple[str, ...]:
        """Give a list of strings; missing or null reads as none, a cell of CSV as one."""
        if self.value is None:
            return ()
        if isinstance(self.value, Cell):
            inner = self.decoded()
            if inner is not self:
                return inner.strings()
            if not any(mark in self.value for mark in ",;|"):
                return (self.any_text(),)
        if not isinstance(self.value, list | tuple):
            raise self.fault(f"is {kind_of(self.value)}, not a list of texts")
        return tuple(item.any_text() for item in self.items()) if self.value else ()


def kind_of(value: Any) -> str:
    """Name the JSON kind of a value, with the value where it is short."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        short = len(value) <= MAX_QUOTED_CHARS and _encodes(value)
        return f"the text {value!r}" if short else "a text"
    if isinstance(value, int | float):
        return f"the number {value}"[: len("the number ") + MAX_QUOTED_CHARS]
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    return f"a {type(value).__name__}"


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
