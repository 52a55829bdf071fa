"""Read JSON Lines, JSON and their gzip forms into numbered rows.

Knows nothing of rubrics. The content decides, not the name: a gzip file is known by its first
bytes, a JSON array by its first character.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """One JSON value of a file, or why it could not be read."""

    number: int
    """The line in a JSON Lines file, the place in an array; counted from 1."""
    value: Any
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class JsonFile:
    """The rows of a file, and the hash of its bytes as they lie on disk."""

    rows: tuple[NumberedRow, ...]
    sha256: str


def read_json_rows(path: Path | str) -> JsonFile:
    """Read every row of a .jsonl, .json, .jsonl.gz or .json.gz file.

    A line that is not JSON is a row with a fault; the file goes on.

    Raises:
        DataError: The file cannot be read at all, or holds nothing.
    """
    raw = _bytes_of(Path(path))
    digest = hashlib.sha256(raw).hexdigest()
    if raw.startswith(_PARQUET_MAGIC):
        return JsonFile(_parquet_rows(Path(path)), digest)
    text = _decode(_unpack(raw, path), path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    whole = _whole(text)
    rows = _lines(text) if whole is None else whole
    if not rows:
        raise DataError(f"{path}: an empty list, so no rows")
    if all(row.fault for row in rows):
        raise DataError(f"{path}: {rows[0].fault} (line {rows[0].number}); expected JSON Lines")
    return JsonFile(tuple(rows), digest)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, not a file of rows") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


def _unpack(raw: bytes, path: Path | str) -> bytes:
    if not raw.startswith(_GZIP_MAGIC):
        if str(path).endswith(".gz") and raw:
            raise DataError(f"{path}: ends in .gz and is no gzip file")
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is broken or cut short ({error})") from None


def _decode(raw: bytes, path: Path | str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: the text is UTF-16; save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line} is not UTF-8") from None


def _whole(text: str) -> list[NumberedRow] | None:
    """Read a JSON array, or one object over several lines; None where the text is neither."""
    head = text.lstrip()[:1]
    if head not in {"[", "{"}:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    rows = value if isinstance(value, list) else [value]
    return [NumberedRow(number, row) for number, row in enumerate(rows, start=1)]


def _lines(text: str) -> list[NumberedRow]:
    # split at \n alone: U+2028 and its like may stand inside a JSON string
    lines = enumerate(text.split("\n"), start=1)
    return [_line(number, line) for number, line in lines if line.strip()]


def _line(number: int, line: str) -> NumberedRow:
    try:
        return NumberedRow(number, json.loads(line))
    except ValueError as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "a number out of range"
        return NumberedRow(number, None, f"not JSON: {what}")
    except RecursionError:
        return NumberedRow(number, None, "not JSON: nested too deep")


def _parquet_rows(path: Path) -> tuple[NumberedRow, ...]:
    import pyarrow.parquet  # slow to import, and few files are Parquet

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the Parquet data is broken ({error})") from None
    return tuple(NumberedRow(number, row) for number, row in enumerate(rows, start=1))
