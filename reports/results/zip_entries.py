"""Read entries of a zip that may be packed with Zstandard, which `zipfile` learns in Python 3.14.

inspect packs its logs so. Every entry is bounded by its size, and checked against its sum.
"""

from __future__ import annotations

import struct
import zipfile
import zlib

from ...judges.data.sizes import FILE, UNLIKELY, check_values, most_of

ZSTANDARD = 93
"""The method's number in a zip. Source: APPNOTE.TXT of PKWARE, 4.4.5."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, then the lengths of name and extra field, which the packed bytes follow (4.3.7)."""
_ENCRYPTED = 0x1


def read_entry(log: zipfile.ZipFile, name: str) -> bytes:
    """Unpack one entry.

    Raises:
        BadZipFile: It is broken, encrypted, or ends before its size.
        DataError: Unpacked it is larger than `FILE`, which is checked before: a zip may promise any
            size; or it has more than `VALUES`.
    """
    FILE.check(str(log.filename), f"its entry {name}", log.getinfo(name).file_size)
    content = _entry(log, log.getinfo(name))
    check_values(f"{log.filename}: its entry {name}", content)
    return content


def _entry(log: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type != ZSTANDARD:
        try:
            return log.read(info)
        except RuntimeError as error:  # a password is asked for
            raise zipfile.BadZipFile(str(error)) from error
    return _unpacked(_packed(log, info), info)


def require_likely(log: zipfile.ZipFile, n_packed: int) -> None:
    """See that the entries together unpack to no more than data does.

    Args:
        log: The archive.
        n_packed: Its size on disk.

    Raises:
        DataError: They do; entries of a zip may share their bytes.
    """
    if sum(info.file_size for info in log.infolist()) > most_of(n_packed):
        FILE.refuse(str(log.filename), UNLIKELY)


def _packed(log: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    file = log.fp
    if file is None or info.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile(f"its entry {info.filename} is encrypted")
    file.seek(info.header_offset)
    head = file.read(_LOCAL_HEADER.size)
    if len(head) < _LOCAL_HEADER.size or not head.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile(f"its entry {info.filename} is not where the index says")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(head)
    file.seek(name_length + extra_length, 1)
    return file.read(info.compress_size)


def _unpacked(packed: bytes, info: zipfile.ZipInfo) -> bytes:
    import pyarrow

    source = pyarrow.BufferReader(packed)
    try:
        with pyarrow.CompressedInputStream(source, "zstd") as stream:
            # one byte beyond what is promised: an entry that lies about its size is not unpacked
            unpacked: bytes = stream.read(info.file_size + 1)
    except (OSError, pyarrow.ArrowException) as error:
        raise zipfile.BadZipFile(f"its entry {info.filename} is broken ({error})") from error
    if len(unpacked) != info.file_size or zlib.crc32(unpacked) != info.CRC:
        raise zipfile.BadZipFile(f"its entry {info.filename} is broken or cut short")
    return unpacked
