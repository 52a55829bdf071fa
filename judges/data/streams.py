"""Where bytes come from: a file, plain or compressed, or standard input; the content decides.

Knows nothing of rows. Standard input is put into a file for as long as the process lives, because
whatever is read here is read several times: once to find what is wrong, once to use it.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import hashlib
import io
import lzma
import re
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NoReturn, TextIO, cast

from ..errors import DataError
from .sizes import FILE, LINE, UNLIKELY, check_values, most_of

STDIN = "-"
"""The path that stands for standard input."""
HEAD_BYTES = 1 << 16
"""Read of a file to tell what it holds."""
READ_FAULTS = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading compressed bytes may raise."""
_CHUNK = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\x00"
_NAMES = {".gz": ("gzip", _GZIP), ".zst": ("zstd", _ZSTD)}
PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
COLUMNAR = (PARQUET, ARROW_FILE, ARROW_STREAM)
"""First bytes of files that are read by column."""
_ENDINGS = re.compile(r"(?:\.[a-z]\w*)?(?:\.(?:gz|zst|bz2|xz))?$", re.IGNORECASE)
_OTHERS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; save the sheet as CSV, or unpack it",
    b"SQLite format 3\0": "an SQLite file, such as a verdict store; name a file of rows",
    b"%PDF": "a PDF; name a file of rows",
    b"\xff\xfe": "the text is UTF-16; save it as UTF-8",
    b"\xfe\xff": "the text is UTF-16; save it as UTF-8",
}


def is_stdin(path: Path | str) -> bool:
    """Say whether a path stands for standard input."""
    return str(path) == STDIN


def name_of(path: Path | str) -> str:
    """Name a source of bytes in messages."""
    return "standard input" if is_stdin(path) else str(path)


def names_apart(paths: Iterable[Path | str]) -> list[str]:
    """Name files after themselves, for models that no row names: `x/gpt-4.1.csv` is `gpt-4.1`.

    A file whose name another one has is named with its folders (`x/A` beside `y/A`), or with its
    ending where these are the same (`A.csv` beside `A.jsonl`).
    """
    places = [Path(path).resolve() for path in paths]
    left = dict.fromkeys(places)
    names: dict[Path, str] = {}
    for name in (_plain_name, _whole_name):
        n_above = 0
        while left and n_above < max(len(place.parts) for place in left):
            tried = {
                place: "/".join((*place.parts[-1 - n_above : -1], name(place)))
                for place in dict.fromkeys(places)
            }
            n_of_name = Counter(tried.values())
            names |= {place: tried[place] for place in left if n_of_name[tried[place]] == 1}
            left = {place: None for place in left if place not in names}
            n_above += 1
    return [names.get(place, str(place)) for place in places]


def _plain_name(place: Path) -> str:
    return "stdin" if is_stdin(place.name) else _ENDINGS.sub("", place.name) or "unnamed"


def _whole_name(place: Path) -> str:
    return place.name


def file_of(path: Path | str) -> Path:
    """Give the file that holds the bytes: the path itself, or what standard input was put into."""
    return Path(_kept(sys.stdin).name) if is_stdin(path) else Path(path)


@functools.cache
def _kept(stdin: TextIO) -> IO[bytes]:
    kept = tempfile.NamedTemporaryFile(prefix="rubricbeat-")  # noqa: SIM115 - lives as long as we
    shutil.copyfileobj(stdin.buffer, kept)
    kept.flush()
    return kept


def open_bytes(path: Path | str) -> IO[bytes]:
    """Open a file for reading, decompressed where its first bytes say that it is compressed."""
    name, file = name_of(path), file_of(path)
    try:
        with file.open("rb") as raw:
            magic = raw.read(len(_XZ))
    except (OSError, ValueError) as error:  # a ValueError: no file can have such a name
        raise _unreadable(name, error) from None
    for suffix, (kind, expected) in _NAMES.items():
        if name.endswith(suffix) and magic and not magic.startswith(expected):
            raise DataError(f"{name}: ends in {suffix} and is not a {kind} file")
    if magic.startswith(_GZIP):
        return cast(IO[bytes], gzip.open(file))
    if magic.startswith(_BZIP2):
        return bz2.open(file)
    if magic.startswith(_XZ):
        return lzma.open(file)
    if magic.startswith(_ZSTD):
        import pyarrow as pa  # slow to import, and few files are compressed so

        return io.BufferedReader(pa.input_stream(str(file), compression="zstd"), _CHUNK)
    return file.open("rb")


def head_of(path: Path | str) -> bytes:
    """Give the first bytes of a file, decompressed; one that can hold no rows is refused."""
    name = name_of(path)
    with open_bytes(path) as file:
        try:
            head = file.read(HEAD_BYTES)
        except READ_FAULTS as error:
            broken(name, error)
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        if not head or _is_blank(path):
            raise DataError(f"{name}: the file is empty")
        return head
    if b"\0" in head and not head.startswith((*_OTHERS, *COLUMNAR)):
        raise DataError(f"{name}: not text, and not a format that can be read; name a file of rows")
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise DataError(f"{name}: {what}")
    return head


def _is_blank(path: Path | str) -> bool:
    return not any(line.strip() for line in lines_of(path))


def broken(name: str, error: BaseException) -> NoReturn:
    """Raise that compressed bytes are broken."""
    words = str(error) or type(error).__name__
    raise DataError(
        f"{name}: cannot be read to its end: the data is broken or cut short ({words})"
    ) from None


def lines_of(path: Path | str) -> Iterator[bytes]:
    r"""Read lines, with their ends, split at `\n` alone: U+2028 may stand inside a string.

    A line holds at most `LINE` bytes and `VALUES` values.
    """
    name, limit, most, n_read = name_of(path), LINE.value, most_of(_size_of(path)), 0
    with open_bytes(path) as file:
        try:
            for number, line in enumerate(iter(lambda: file.readline(limit + 1), b"")):
                n_read += len(line)
                if len(line) > limit:
                    LINE.refuse(name, f"line {number + 1} is longer")
                if n_read > most:
                    FILE.refuse(name, UNLIKELY)
                check_values(name, line)
                yield line.removeprefix(b"\xef\xbb\xbf") if not number else line
        except READ_FAULTS as error:
            broken(name, error)


def bytes_of(path: Path | str) -> bytes:
    """Read a whole file, decompressed, of at most `FILE` bytes and `VALUES` values."""
    name, size, whole = name_of(path), _size_of(path), io.BytesIO()
    FILE.check(name, "the file", size)
    limit = min(FILE.value, most_of(size, LINE))
    with open_bytes(path) as file:
        try:
            while part := file.read(_CHUNK):
                if whole.write(part) and whole.tell() > limit:
                    FILE.refuse(name, UNLIKELY if limit < FILE.value else "it unpacks to more")
        except READ_FAULTS as error:
            broken(name, error)
    check_values(name, content := whole.getvalue())
    return content


def _size_of(path: Path | str) -> int:
    """Bytes of a file as it lies on disk; 0 where it cannot be said (opening it says why)."""
    try:
        return file_of(path).stat().st_size
    except OSError:
        return 0


def sha256_of(*paths: Path | str) -> str:
    """Hash the bytes of files as they lie on disk, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with file_of(path).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise _unreadable(name_of(path), error) from None
    return digest.hexdigest()


def _unreadable(name: str, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{name}: no such file or folder")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{name}: a folder, not a file of rows")
    return DataError(f"{name}: cannot be read ({error})")
