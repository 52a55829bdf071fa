"""Read the rows of a file one after the other, in memory that does not grow with their number."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from .json_rows import read_json_rows

_BATCH = 1_000
"""Rows of a parquet file read at a time."""


def stream_rows(file: Path) -> Iterator[tuple[int, Any, str | None]]:
    """Read the rows of a file: number, value, and what is wrong with it or None.

    Raises:
        DataError: The file cannot be read to its end.
    """
    head = _head(file)
    if head.startswith(b"PAR1"):
        yield from _parquet(file)
    elif _is_lines(file, head):
        yield from _lines(file, head)
    else:  # one JSON array cannot be read in parts
        for row in read_json_rows(file).rows:
            yield row.number, row.value, row.fault


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as raw:
            return raw.read(4)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error})") from None


def _is_lines(file: Path, head: bytes) -> bool:
    """Say whether the first line is a JSON object by itself."""
    try:
        with _opened(file, head) as raw:
            return isinstance(json.loads(raw.readline().decode("utf-8-sig")), Mapping)
    except (OSError, EOFError, ValueError, RecursionError):
        return False


def _opened(file: Path, head: bytes) -> Any:
    return gzip.open(file, "rb") if head.startswith(b"\x1f\x8b") else file.open("rb")


def _lines(file: Path, head: bytes) -> Iterator[tuple[int, Any, str | None]]:
    try:
        with _opened(file, head) as raw:
            for number, line in enumerate(raw, start=1):
                text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if text.strip():
                    yield number, *_value(text)
    except (OSError, EOFError) as error:
        raise DataError(f"{file}: cannot be read to its end ({error})") from None


def _value(line: bytes) -> tuple[Any, str | None]:
    try:
        return json.loads(line), None
    except UnicodeDecodeError:
        return None, "not UTF-8"
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg}"
    except (ValueError, RecursionError):
        return None, "not JSON: a number out of range, or nested too deep"


def _parquet(file: Path) -> Iterator[tuple[int, Any, str | None]]:
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row, None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: the Parquet data is broken ({error})") from None
