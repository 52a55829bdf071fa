"""JSON Lines, a JSON array, one JSON object, or several one after the other, as numbered rows.

Lines are read one by one, in memory that does not grow with their number; an array or an object
over several lines is read whole. What is wrong is said with the line where it stands in the file.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path

from ..errors import DataError, near_names
from .streams import bytes_of, lines_of, name_of

_BLANK = " \t\r\n"
_SPACE = re.compile(f"[{_BLANK}]*")
_BEGINS_AS_JSON = re.compile(r"\s*(?:\{|\[(?!\s*[+-]?\d[^\],]*\][ \t]*\w))")
"""Such as a list or an object; `[5] Warns of bleeding` is a line of words with a number before."""
_WRAPPERS = ("rows", "data", "examples", "items", "records", "instances")
"""Names of the one list that a lone object may hold in the place of an array."""
MAX_QUOTED_CHARS = 24
"""Numbers and short words are quoted in messages up to this length; longer text never is."""


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """One row of a file, or why it could not be read."""

    number: int
    """The line it begins on in a file of lines, its place in an array; counted from 1."""
    value: object
    fault: str | None = None

    def object(self) -> Mapping[str, object]:
        """Give the value of a row that is an object."""
        if self.fault or not isinstance(self.value, Mapping):
            raise DataError(self.fault or "not a JSON object")
        return self.value


def json_rows(path: Path | str, head: bytes) -> Iterator[NumberedRow]:
    """Read the rows of a JSON file; `head` has its first bytes."""
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"[" or (first == b"{" and not _is_of_lines(path)):
        return _whole(path)
    return _unwrapped(numbered_lines(path))


def _unwrapped(rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    """Read the list that the one line of a file holds as the rows; more lines are rows already."""
    first = next(rows, None)
    if first is None:
        return
    second = next(rows, None)
    inside = _inside(first.value) if second is None else [first.value]
    if inside and inside[0] is not first.value:
        yield from (NumberedRow(number, row) for number, row in enumerate(inside, start=1))
        return
    yield first
    if second is not None:
        yield second
    yield from rows


def _is_of_lines(path: Path | str) -> bool:
    """Say whether one of the first two lines is an object by itself."""
    lines = islice((line for line in lines_of(path) if line.strip()), 2)
    return any(isinstance(_line(0, line).value, Mapping) for line in lines)


def numbered_lines(path: Path | str, errors: str = "strict") -> Iterator[NumberedRow]:
    """Read a file of lines that are each one JSON value, by the memory of one; blank ones are none.

    Args:
        path: The file, plain or compressed.
        errors: What becomes of broken UTF-8: `surrogatepass` lets lone surrogates be text, as the
            results of other programs hold them.
    """
    for number, line in enumerate(lines_of(path), start=1):
        if line.strip():
            yield _line(number, line, errors)


def object_in(path: Path) -> Mapping[str, object]:
    """Give the one object that a file holds; empty where it is not there, or holds none."""
    try:
        value = json.loads(bytes_of(path))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, Mapping) else {}


def lines_so_far(path: Path | str) -> list[NumberedRow]:
    """Read the lines of a file that is still written; a last one that a kill has cut is excluded.

    Raises:
        DataError: A line before the last is no JSON.
    """
    rows = list(numbered_lines(path))
    if rows and rows[-1].fault:
        rows.pop()
    for row in rows:
        if row.fault:
            raise DataError(f"{name_of(path)}, line {row.number}: {row.fault}")
    return rows


def _line(number: int, line: bytes, errors: str = "strict") -> NumberedRow:
    try:
        text = line.decode("utf-8-sig", errors)
        return NumberedRow(number, json.loads(text))
    except UnicodeDecodeError:
        return NumberedRow(number, None, "not UTF-8; save the file as UTF-8")
    except (ValueError, RecursionError) as error:
        return NumberedRow(number, None, f"not JSON: {_what(text, error)[1]}")


def _whole(path: Path | str) -> Iterator[NumberedRow]:
    """Read an array, or objects that stand over several lines each."""
    name = name_of(path)
    raw = bytes_of(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}: line {line} is not UTF-8; save the file as UTF-8") from None
    del raw
    values = list(_values(name, text))
    if len(values) > 1:
        return iter(values)
    rows = _inside(values[0].value)
    if not rows:
        raise DataError(f"{name}: an empty list, so no rows")
    return (NumberedRow(number, row) for number, row in enumerate(rows, start=1))


def _values(name: str, text: str) -> Iterator[NumberedRow]:
    """Read one JSON value after the other."""
    decoder = json.JSONDecoder()
    end = len(text.rstrip(_BLANK))
    place = line = 0
    while place < end:
        start = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # matches nothing too
        line += text.count("\n", place, start)
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            at, what = _what(text, error)
            number = text.count("\n", 0, at or 0) + 1
            here = "" if at is None else f"line {number}: "
            raise DataError(f"{name}: {here}not JSON: {what}") from None
        yield NumberedRow(line + 1, value)
        line += text.count("\n", start, place)


def _inside(value: object) -> list[object]:
    """Give the rows of the one value that a file holds."""
    if isinstance(value, Mapping):
        tables = {
            name: inner
            for name, inner in value.items()
            if isinstance(inner, list) and inner and all(isinstance(v, Mapping) for v in inner)
        }
        if len(tables) == 1 and not tables.keys().isdisjoint(_WRAPPERS):
            [value] = tables.values()
    return value if isinstance(value, list) else [value]


def _what(text: str, error: Exception) -> tuple[int | None, str]:
    """Say where JSON is broken, None for all of it, and what would mend it."""
    if not isinstance(error, json.JSONDecodeError):
        deep = isinstance(error, RecursionError)
        return None, "nested too deep" if deep else "a number out of range"
    at = error.pos
    rest = text[at:].lstrip(_BLANK + ",")
    before = text[:at].rstrip(_BLANK)
    comma = before.endswith(",") or text[at : at + 1] == ","
    if not text[at:].strip(_BLANK):
        return max(0, len(before) - 1), "it ends in the middle of a value; cut short?"
    if comma and rest[:1] in {"]", "}"}:
        return len(text) - len(rest), f"a comma stands before the closing {rest[0]!r}; remove it"
    if error.msg.startswith("Unterminated"):
        return at, "a string is begun and never closed; cut short?"
    if rest.startswith("'"):
        return at, "a single quote; JSON takes double quotes (write it by json.dumps)"
    if rest.startswith(("//", "/*", "#")):
        return at, "a comment; JSON has none"
    if error.msg == "Extra data":
        follows = "a comma" if text[at : at + 1] == "," else "something"
        return at, f"Extra data: {follows} follows the object; each line is one object"
    return at, f"{error.msg} (column {error.colno})"


class Cell(str):
    """The text of a cell of CSV, where everything is text: it may stand for a number or a list."""

    __slots__ = ()


TRUTHS = {"true": True, "1": True, "false": False, "0": False}
"""What a cell says where true or false is wanted."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value inside a row that knows its path, such as `rubrics[2].points`.

    What is not of the kind asked for raises a DataError with the path.
    """

    value: object
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

    def unknown(self, known: Iterable[str]) -> DataError:
        """Word an error about a word that is none of those known."""
        near = near_names(str(self.value).strip().lower()[:MAX_QUOTED_CHARS], known)
        return self.fault(f"is unknown; it is {kind_of(self.value)}; {near}")

    def members(self) -> Mapping[str, object]:
        """Give the members of an object."""
        # asked of every member of every row: a plain dict need not ask the abstract class
        if type(self.value) is dict or isinstance(self.value, Mapping):
            return self.value
        raise self.fault(f"is {kind_of(self.value)}, not an object")

    def __getitem__(self, name: str) -> Field:
        """Give a member of an object; missing reads as null."""
        return Field(self.members().get(name), self, name)

    def has(self, name: str) -> bool:
        """Say whether an object has a member that is not null."""
        value = self.value
        if type(value) is dict or isinstance(value, Mapping):
            return value.get(name) is not None
        return False

    def first(self, *names: str) -> Field:
        """Give the first of several members that is there, or the first name as missing."""
        return next((self[name] for name in names if self.has(name)), self[names[0]])

    def decoded(self) -> Field:
        """Give the list or object that a text holds as JSON; anything else as it is."""
        if not isinstance(self.value, str) or not _BEGINS_AS_JSON.match(self.value):
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
        if number != int(number) or not isinstance(self.value, int | float | Decimal):
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


def kind_of(value: object) -> str:
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
