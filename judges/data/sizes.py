"""How much of a file is taken in at most: a file may come from anywhere and unpack to any size.

The bounds are far above what real data has. Whoever has more sets the variable that the message
names; docs/data.md lists them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ..errors import ConfigError, DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MB = 1_000_000
PACKED_TIMES = 200
"""How many times its size a compressed file may unpack to once it is over `FILE`; rows of text
pack to a fifth or a twentieth, a file made to fill the memory to a thousandth."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound, and the environment variable that moves it."""

    option: str
    default: float
    """In `unit` units."""
    unit: int
    """1 for things that are counted, else the bytes of a megabyte."""

    @property
    def value(self) -> int:
        """The bound now, in bytes or things.

        Raises:
            ConfigError: The variable is no positive number.
        """
        given = os.environ.get(self.option, "").strip()
        try:
            number = float(given) if given else self.default
        except ValueError:
            number = -1.0
        if not 0 < number < float("inf"):
            what = "a number of megabytes" if self.unit > 1 else "a count"
            raise ConfigError(f"{self.option}={given[:40]!r}: expected {what} above 0")
        return max(1, int(number * self.unit))

    def check(self, name: str, what: str, size: int) -> None:
        """Refuse what is over the bound."""
        if size > self.value:
            self.refuse(name, f"{what} has {self._words(size)}")

    def refuse(self, name: str, what: str) -> NoReturn:
        """Raise what is over the bound, and the way to have it read all the same."""
        raise DataError(
            f"{name}: {what}, and at most {self._words(self.value)} are read; if this is intended, "
            f"set the environment variable {self.option} to more"
        )

    def _words(self, size: int) -> str:
        if self.unit == 1:
            return f"{size:,}"
        return f"{size / self.unit:,.1f}".removesuffix(".0") + " MB"


LINE = Bound("RUBRICBEAT_MAX_LINE_MB", 64, _MB)
"""One line, or one row of CSV."""
FILE = Bound("RUBRICBEAT_MAX_FILE_MB", 1_000, _MB)
"""What is read as a whole: a JSON array, a log, an entry of an archive, all of it unpacked."""
ROWS = Bound("RUBRICBEAT_MAX_ROWS", 10_000_000, 1)
"""Rows that are kept in memory together."""
VALUES = Bound("RUBRICBEAT_MAX_VALUES", 10_000_000, 1)
"""Values of one JSON text, or of a few rows of a table: each takes 50 to 250 bytes of memory, and
`[],` three of a file."""
_MARKS = tuple(b",[{")
"""What each value but the first has before it."""
_IS_MARK = np.isin(np.arange(256), _MARKS)
_CHUNK = 1 << 20


def check_values(name: str, text: bytes) -> None:
    """Refuse JSON of more values than memory may hold, before it is read.

    Its commas and opening brackets are counted.
    """
    if len(text) <= VALUES.value or sum(map(text.count, _MARKS)) <= VALUES.value:
        return
    _check_n_values(name, "a text has", _n_marks_outside(text))


def _check_n_values(name: str, what: str, n_values: int) -> None:
    if n_values > VALUES.value:
        VALUES.refuse(name, f"{what} {n_values:,} values")


def _n_marks_outside(text: bytes) -> int:
    """Count them outside strings, in memory that hangs on the text's size alone."""
    plain = text.replace(rb"\\", b"").replace(rb"\"", b"")
    n_marks, is_inside = 0, np.uint8(0)
    for start in range(0, len(plain), _CHUNK):
        part = np.frombuffer(plain[start : start + _CHUNK], np.uint8)
        inside = (np.cumsum(part == ord('"'), dtype=np.uint8) + is_inside) & 1
        n_marks += int(np.count_nonzero(_IS_MARK[part] & (inside == 0)))
        is_inside = inside[-1]
    return n_marks


UNLIKELY = f"it unpacks to more than {PACKED_TIMES} times its size"


def most_of(n_packed: int, floor: Bound = FILE) -> float:
    """Give the bytes that a file may unpack to.

    Args:
        n_packed: Its size on disk; 0 where that is not known, and then there is no bound.
        floor: What any file may unpack to.
    """
    return max(floor.value, PACKED_TIMES * n_packed) if n_packed else float("inf")


def rows_at_once(name: str, group: pq.RowGroupMetaData, most: int) -> int:
    """Say how many rows of a group of a Parquet file to take in at once, by what it promises.

    A value that stands once in the file and is referred to by every row is written out for each.

    Args:
        name: Of the file.
        group: Its metadata.
        most: Rows that are taken in where nothing is odd.

    Raises:
        DataError: Its values take next to no room in the file and much in memory.
    """
    columns = [group.column(n) for n in range(group.num_columns)]
    n_packed = sum(column.total_compressed_size for column in columns)
    n_values = sum(column.num_values for column in columns)
    if n_values > n_packed:
        _check_n_values(name, f"a group of rows has, in {n_packed:,} bytes,", n_values)
    FILE.check(name, "a group of rows", sum(column.total_uncompressed_size for column in columns))
    is_likely = all(
        column.total_uncompressed_size <= PACKED_TIMES * column.total_compressed_size
        for column in columns
    )
    return most if is_likely else 1


def expanded_bytes(name: str, batch: pa.RecordBatch) -> int:
    """Give the bytes of a batch with every value written out, of which `VALUES` are allowed."""
    n_values = n_bytes = 0
    left = list(batch.columns)
    while left:
        column = _plain(left.pop())
        n_values += len(column)
        n_bytes += 8 * len(column)
        left += _inside(column)
        n_bytes += _n_text_bytes(column)
    _check_n_values(name, f"rows, {batch.num_rows} together, have", n_values)
    return n_bytes


def _plain(column: pa.Array) -> pa.Array:
    """Write out a column whose values are runs, or views of a text that is kept once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_run_end_encoded(column.type):
        return pc.run_end_decode(column)
    is_view = pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type)
    return column.cast(pa.large_binary()) if is_view else column


def _inside(column: pa.Array) -> list[pa.Array]:
    """Give the columns within a column of lists or structures."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_struct(kind):
        return list(column.flatten())
    if pa.types.is_map(kind):
        return [column.keys, column.items]
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return [column.flatten()] if is_list or pa.types.is_fixed_size_list(kind) else []


def _n_text_bytes(column: pa.Array) -> int:
    """Give the bytes of a column's texts, those that are kept once and referred to as often too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    places = None
    if pa.types.is_dictionary(column.type):
        column, places = column.dictionary, column.indices
    kinds = pa.types
    texts = (kinds.is_string, kinds.is_large_string, kinds.is_binary, kinds.is_large_binary)
    if not any(is_kind(column.type) for is_kind in texts):
        return 0
    lengths = pc.binary_length(column)
    return pc.sum(lengths if places is None else lengths.take(places)).as_py() or 0
