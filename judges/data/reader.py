"""The one reader of rows: whatever a file holds comes as numbered rows, one after the other.

Every command, task and training reads through here. What a file holds is told by its content, and
its name is asked only where that leaves two readings. docs/data.md has the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..errors import DataError
from .columns import Columns
from .json_rows import NumberedRow, json_rows
from .sizes import ROWS
from .streams import head_of, is_stdin, name_of, sha256_of
from .tables import columnar_rows, csv_rows, files_inside, hub_name, hub_rows, is_columnar, is_csv


@dataclass(frozen=True, slots=True)
class RowFile:
    """The rows of a file, and the hash of its bytes as they lie on disk."""

    rows: tuple[NumberedRow, ...]
    sha256: str


def stream_rows(
    path: Path | str, columns: Columns | None = None, fields: Sequence[str] = ()
) -> Iterator[NumberedRow]:
    """Read rows one after the other, in memory that does not grow with their number.

    A row that cannot be read is a row with a fault; the file goes on.

    Args:
        path: A file of JSON Lines, JSON, CSV, TSV, Parquet or Arrow, plain or compressed by gzip
            or zstd; a folder that is a saved data set; the name of a data set on the hub; or `-`.
        columns: Other names of the fields, given their usual ones here.
        fields: Those that such a file has; names of others say nothing of it.

    Raises:
        DataError: The file cannot be read to its end, or holds nothing.
        ConfigError: There is none.
    """
    rows = _rows(path)
    return rows if columns is None else columns.of(fields).renamed(rows, name_of(path))


def read_rows(
    path: Path | str, columns: Columns | None = None, fields: Sequence[str] = ()
) -> RowFile:
    """Read all rows of a file, at most `ROWS`; one of them at least can be read."""
    most = ROWS.value
    rows = tuple(islice(stream_rows(path, columns, fields), most + 1))
    if len(rows) > most:
        ROWS.refuse(name_of(path), "it has more rows")
    if not rows:
        raise DataError(f"{name_of(path)}: no rows")
    if all(row.fault for row in rows):
        first = rows[0]
        raise DataError(
            f"{name_of(path)}: {first.fault} (line {first.number}); neither JSON Lines, JSON, CSV "
            "nor Parquet"
        )
    return RowFile(rows, source_hash(path))


def can_name_rows(path: Path | str) -> bool:
    """Say whether a path may name rows: it is there, is standard input, or could be on the hub."""
    return is_stdin(path) or Path(path).exists() or hub_name(path) is not None


def source_hash(path: Path | str) -> str:
    """Hash what a path names: the bytes of its files, or the name of a data set on the hub."""
    if is_stdin(path) or Path(path).is_file():
        return sha256_of(path)
    if Path(path).is_dir():
        return sha256_of(*files_inside(Path(path)))
    return hashlib.sha256(str(path).encode()).hexdigest()


def _rows(path: Path | str) -> Iterator[NumberedRow]:
    if not is_stdin(path):
        if Path(path).is_dir():
            yield from _rows_of_folder(Path(path))
            return
        name = hub_name(path)
        if name and not Path(path).exists():
            yield from hub_rows(name)
            return
    head = head_of(path)
    if is_columnar(head):
        yield from columnar_rows(path, head)
    elif is_csv(path, head):
        yield from csv_rows(path, head)
    else:
        yield from json_rows(path, head)


def _rows_of_folder(folder: Path) -> Iterator[NumberedRow]:
    before = 0
    for file in files_inside(folder):
        number = 0
        for row in _rows(file):
            number = row.number
            yield NumberedRow(before + number, row.value, row.fault)
        before += number
