"""Read entries of a zip that may be packed with Zstandard, which `zipfile` learns in Python 3.14.

inspect packs its logs so. Every entry is bounded by its size, and checked against its sum.
"""

from __future__ import annotations

import struct
import zipfile
import zlib

MAX_ENTRY_BYTES = 256 * 1024 * 1024
"""Of one unpacked entry: a log may come from anywhere, and a zip can promise any size."""
ZSTANDARD = 93
"""The method's number in a zip. Source: APPNOTE.TXT of PKWARE, 4.4.5."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, then the lengths of name and extra field, which the packed bytes follow (4.3.7)."""
_ENCRYPTED = 0x1


def read_entry(log: zipfile.ZipFile, name: str) -> bytes:
    """Unpack one entry.

    Raises:
        BadZipFile: It is broken, encrypted, or larger than `MAX_ENTRY_BYTES` unpacked.
    """
    info = log.getinfo(name)
    if info.file_size > MAX_ENTRY_BYTES:
        raise zipfile.BadZipFile(
            f"its entry {name} unpacks to {info.file_size} bytes; too large to read"
        )
    if info.compress_type != ZSTANDARD:
        try:
            return log.read(info)
        except RuntimeError as error:  # a password is asked for
            raise zipfile.BadZipFile(str(error)) from error
    return _unpacked(_packed(log, info), info)


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
