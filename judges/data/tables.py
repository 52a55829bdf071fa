"""CSV, TSV, Parquet, Arrow and data sets of Hugging Face (saved, or on the hub), as numbered rows.

Every cell of CSV is text, as it stands: `007` stays `007`, `NA` stays `NA`. An empty cell is a
missing value. Where a number, a truth value or a list is wanted, the text of the cell is read.
"""

from __future__ import annotations

import csv
import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import ConfigError, DataError
from .json_rows import Cell, Field, NumberedRow
from .sizes import FILE, LINE, UNLIKELY, expanded_bytes, most_of, rows_at_once
from .streams import ARROW_FILE, COLUMNAR, PARQUET, bytes_of, file_of, lines_of, name_of

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = ",;\t|"
_CONNECT_S = 5.0
_FAULTS = (OSError, ValueError, TypeError, LookupError, OverflowError)
_BATCH = 16
"""Rows of a Parquet or Arrow file read at a time: few, as each may hold what a line may hold."""
_HUB_BATCH = 1_000
_NAME = re.compile(r"[\w .()/-]{1,64}")
_EXCEL_HINT = re.compile(r"sep=(.)\s*", re.I)
_HUB_NAME = re.compile(
    r"(?P<name>[\w.-]+/[\w.-]+?)(?:@(?P<config>[\w.-]+))?(?::(?P<split>[\w.-]+))?"
)
_SHARD = re.compile(r"(.+)-\d+-of-\d+\.(?:parquet|arrow)")
_OF_TABLES = (".csv", ".tsv")


def is_columnar(head: bytes) -> bool:
    """Say whether a file holds Parquet or Arrow, by its first bytes."""
    return head.startswith(COLUMNAR)


def columnar_rows(path: Path | str, head: bytes) -> Iterator[NumberedRow]:
    """Read Parquet, or Arrow as a file (Feather) or a stream, batch by batch."""
    kind = "Parquet" if head.startswith(PARQUET) else "Arrow"
    name, most = name_of(path), most_of(file_of(path).stat().st_size)
    number = n_bytes = 0
    try:
        for batch in _batches(path, head):
            batch.validate(full=True)  # what points outside a broken file would end the process
            n_bytes += expanded_bytes(name, batch)
            if n_bytes > most:
                FILE.refuse(name, UNLIKELY)
            for row in batch.to_pylist():
                number += 1
                yield NumberedRow(number, row)
    except (*_FAULTS, NotImplementedError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{name}: the {kind} data is broken ({words[:200]})") from None


def _batches(path: Path | str, head: bytes) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # slow to import, and few files need it
    import pyarrow.parquet as pq

    with file_of(path).open("rb") as file:
        is_plain = file.read(4) == head[:4]
    # a compressed one cannot be read from its end, as these are
    with pa.OSFile(str(file_of(path))) if is_plain else pa.BufferReader(bytes_of(path)) as raw:
        if head.startswith(PARQUET):
            opened = pq.ParquetFile(raw)
            for group in range(opened.num_row_groups):
                rows = rows_at_once(name_of(path), opened.metadata.row_group(group), _BATCH)
                yield from opened.iter_batches(rows, row_groups=[group])
        elif head.startswith(ARROW_FILE):
            with pa.ipc.open_file(raw) as reader:
                for index in range(reader.num_record_batches):
                    yield from _slices(reader.get_batch(index))
        else:
            with pa.ipc.open_stream(raw) as reader:
                for batch in reader:
                    yield from _slices(batch)


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    return (batch.slice(start, _BATCH) for start in range(0, batch.num_rows, _BATCH))


def _unpacked(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".zst")


def is_csv(path: Path | str, head: bytes) -> bool:
    """Say whether a text file is a table: by its name, or by a first line of plain names."""
    text = head.decode("utf-8-sig", "replace")
    if text.lstrip()[:1] in {"{", "["}:
        return False
    if _unpacked(name_of(path)).lower().endswith(_OF_TABLES):
        return True
    names = _header(text)[0]
    return len(names) > 1 and all(map(_NAME.fullmatch, names)) and len(set(names)) == len(names)


def csv_rows(path: Path | str, head: bytes) -> Iterator[NumberedRow]:
    """Read CSV or TSV; cells are separated as the header's names are."""
    name = name_of(path)
    names, delimiter, n_before = _header(head.decode("utf-8-sig", "replace"))
    _check_names(name, names)
    csv.field_size_limit(LINE.value)
    lines = _Record(name, _texts(path))
    for _ in range(n_before):
        next(lines)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    n_rows = -1
    number = n_before + 1
    try:
        for cells in reader:
            if any(cells):
                n_rows += 1
                if n_rows:
                    yield _csv_row(number, names, cells)
            number = n_before + reader.line_num + 1
            lines.n_chars = 0
    except csv.Error as error:
        words = (said for sign, said in _CSV_FAULTS.items() if sign in str(error))
        raise DataError(f"{name}: line {number}: {next(words, f'not CSV: {error}')}") from None
    if n_rows < 1:
        raise DataError(f"{name}: a header and no rows below it")


class _Record(Iterator[str]):
    """Lines for `csv`, which joins all that an open quote runs over: they are counted for a row."""

    def __init__(self, name: str, lines: Iterator[str]) -> None:
        self.n_chars = 0
        self._name, self._lines, self._limit = name, lines, LINE.value

    def __next__(self) -> str:
        line = next(self._lines)
        self.n_chars += len(line)
        if self.n_chars > self._limit:
            LINE.refuse(self._name, "a row is longer (a quote that is never closed?)")
        return line


def _csv_row(number: int, names: Sequence[str], cells: Sequence[str]) -> NumberedRow:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return NumberedRow(
            number,
            None,
            f"{len(cells)} cells under {len(names)} names; quote a cell that holds the separator",
        )
    row = {name: Cell(cell) if cell else None for name, cell in zip(names, cells, strict=False)}
    return NumberedRow(number, {**dict.fromkeys(names), **row})


def _header(text: str) -> tuple[list[str], str, int]:
    """Give the names of the columns, what separates them, and the lines before them."""
    lines = text.splitlines(keepends=True)
    n_before = next((n for n, line in enumerate(lines) if line.strip()), 0)
    hint = _EXCEL_HINT.fullmatch(lines[n_before]) if lines else None
    n_before += hint is not None
    body = lines[n_before:]
    found = {mark: _first_record(body, mark) for mark in DELIMITERS}
    mark = hint.group(1) if hint else max(DELIMITERS, key=lambda mark: len(found[mark]))
    names = [name.strip() for name in _first_record(body, mark)]
    while names and not names[-1]:  # a separator at the end of each line
        names.pop()
    return names, mark, n_before


def _first_record(lines: Sequence[str], delimiter: str) -> list[str]:
    try:
        return next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error:
        return []


def _check_names(name: str, names: Sequence[str]) -> None:
    if not all(names) or not names:
        raise DataError(f"{name}: a column without a name in the first line")
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise DataError(f"{name}: two columns are named {twice[0][:40]!r}; rename one")


def _texts(path: Path | str) -> Iterator[str]:
    for number, line in enumerate(lines_of(path), start=1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(
                f"{name_of(path)}: line {number} is not UTF-8; save it as UTF-8 (Excel: CSV UTF-8)"
            ) from None


_CSV_FAULTS = {
    "unexpected end": "a quote is opened in the row that begins here, and never closed",
    "expected after": "text follows a closing quote in the row that begins here; a quote inside a "
    'quoted cell is written twice ("")',
    "new-line": "lines end in CR alone; save the file with LF or CR LF",
}
"""By words in the messages of `csv`."""


def is_saved_set(folder: Path) -> bool:
    """Say whether a folder is a data set that `save_to_disk` wrote."""
    return any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))


def files_inside(folder: Path) -> list[Path]:
    """Give the files of rows that a folder stands for, in order.

    A data set that `save_to_disk` wrote, the shards of one, or the one file of rows in it.
    """
    if (folder / "state.json").is_file():
        return [folder / name for name in _named_in(folder / "state.json", "_data_files")]
    if (folder / "dataset_dict.json").is_file():
        splits = _named_in(folder / "dataset_dict.json", "splits")
        if len(splits) == 1:
            return files_inside(folder / splits[0])
        raise DataError(
            f"{folder}: a data set of several splits; name one: "
            + " or ".join(str(folder / split) for split in splits)
        )
    try:  # a hub's clone has its shards one folder below
        there = [*folder.glob("*"), *folder.glob("*/*")]
        names = {path: _unpacked(path.name) for path in there if path.is_file()}
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error})") from None
    of_sets = {"dataset_info.json", "dataset_infos.json"}
    found = sorted(p for p, n in names.items() if n.endswith(ROW_SUFFIXES) and n not in of_sets)
    stems = {match.group(1) if (match := _SHARD.fullmatch(p.name)) else p.name for p in found}
    if len(stems) == 1:
        return found
    holds = ", ".join(p.name for p in found[:5]) or "none"
    raise DataError(
        f"{folder}: a folder, and not one file or data set of rows; name the file itself "
        f"(it holds: {holds})"
    )


ROW_SUFFIXES = (
    ".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".feather",
)  # fmt: skip
"""Ends of the names of files that hold rows, each also with .gz or .zst behind it."""


def _named_in(path: Path, name: str) -> list[str]:
    """Give the names that a file of a saved data set lists, by themselves or as `filename`."""
    try:
        listed = Field(json.loads(path.read_text(encoding="utf-8")))[name].items()
        return [(one if isinstance(one.value, str) else one["filename"]).text() for one in listed]
    except (OSError, ValueError) as error:  # a DataError too: it is not of this form
        raise DataError(f"{path}: cannot be read ({error})") from None


def hub_name(path: Path | str) -> re.Match[str] | None:
    """Read a path that is none as the name of a data set on the hub.

    `owner/name`, with `@config` and `:split` where there are several.
    """
    words = str(path)
    if _unpacked(words).endswith(ROW_SUFFIXES):
        return None
    return _HUB_NAME.fullmatch(words)


def _is_reachable() -> bool:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "http_proxy")):
        return True  # the way there is the proxy's
    parts = urlsplit(constants.ENDPOINT)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_S):
            return True
    except OSError:
        return False


def hub_rows(name: re.Match[str]) -> Iterator[NumberedRow]:
    """Read a data set of the hub, or of its cache on this machine."""
    try:
        import datasets
        import huggingface_hub.constants
    except ImportError:
        raise ConfigError(
            f"{name['name']}: no such file or folder (a data set of this name on the hub needs the "
            "package datasets)"
        ) from None
    if not _is_reachable():  # its own retries take half a minute
        datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        found = datasets.load_dataset(name["name"], name["config"], split=name["split"])
    except Exception as error:  # offline, gated, no such name: all end in one line
        words = str(error).strip().splitlines()
        raise ConfigError(
            f"{name['name']}: no such file or folder, and no data set of this name could be "
            f"loaded: {words[0][:160] if words else type(error).__name__}"
        ) from None
    if name["split"] is None:
        if len(found) > 1:
            names = " or ".join(f"{name[0]}:{split}" for split in found)
            raise ConfigError(f"{name[0]}: a data set of several splits; name one: {names}")
        found = next(iter(found.values()))
    number = 0
    for batch in found.with_format("arrow").iter(_HUB_BATCH):
        for row in batch.to_pylist():
            number += 1
            yield NumberedRow(number, row)
