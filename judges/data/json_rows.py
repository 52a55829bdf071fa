"""JSON Lines, a JSON array, one JSON object, or several one after the other, as numbered rows.

Lines are read one by one, in memory that does not grow with their number; an array or an object
over several lines is read whole. What is wrong is said with the line where it stands in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DataError
from .streams import bytes_of, lines_of, name_of

_BLANK = " \t\r\n"
_SPACE = re.compile(f"[{_BLANK}]*")
_WRAPPERS = ("rows", "data", "examples", "items", "records", "instances")
"""Names of the one list that a lone object may hold in the place of an array."""


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """One row of a file, or why it could not be read."""

    number: int
    """The line it begins on in a file of lines, its place in an array; counted from 1."""
    value: Any
    fault: str | None = None


def json_rows(path: Path | str, head: bytes) -> Iterator[NumberedRow]:
    """Read the rows of a JSON file.

    Args:
        path: The file.
        head: Its first bytes.

    Raises:
        DataError: The file cannot be read to its end, or is no JSON as a whole.
    """
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

    Raises:
        DataError: The file cannot be read to its end.
    """
    for number, line in enumerate(lines_of(path), start=1):
        if line.strip():
            yield _line(number, line, errors)


def lines_so_far(path: Path | str) -> list[NumberedRow]:
    """Read the lines of a file that is still written; a last one that a kill has cut is left out.

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
    except json.JSONDecodeError as error:
        return NumberedRow(number, None, f"not JSON: {_what(text, error)[1]}")
    except ValueError:
        return NumberedRow(number, None, "not JSON: a number out of range")
    except RecursionError:
        return NumberedRow(number, None, "not JSON: nested too deep")


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
        except json.JSONDecodeError as error:
            at, what = _what(text, error)
            number = text.count("\n", 0, at) + 1
            raise DataError(f"{name}: line {number}: not JSON: {what}") from None
        except ValueError:
            raise DataError(f"{name}: not JSON: a number out of range") from None
        except RecursionError:
            raise DataError(f"{name}: not JSON: nested too deep") from None
        yield NumberedRow(line + 1, value)
        line += text.count("\n", start, place)


def _inside(value: Any) -> list[Any]:
    """Give the rows of the one value that a file holds."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        lists = [name for name, inner in value.items() if _is_table(inner)]
        if len(lists) == 1 and lists[0] in _WRAPPERS:
            rows: list[Any] = value[lists[0]]
            return rows
    return [value]


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _what(text: str, error: json.JSONDecodeError) -> tuple[int, str]:
    """Say where JSON is broken, and what would mend it."""
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
