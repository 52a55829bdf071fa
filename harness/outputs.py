"""Write outputs whole or not at all, and know beforehand that they can be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..judges.errors import ConfigError

FILE_MODE = 0o600
"""Of outputs: answers and rows may be private."""


def require_folder(path: Path | str, flag: str = "--output_path") -> None:
    """Make a folder where it is missing, and see that files can be made in it.

    Raises:
        ConfigError: It cannot be made or written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make_a_file_in(folder)
    except OSError as error:
        raise ConfigError(
            f"{flag} {folder}: cannot write there ({error.strerror}); name another folder"
        ) from error


def require_file(path: Path, flag: str) -> None:
    """See that a file can be written: its folder is there, and it is no folder itself.

    Raises:
        ConfigError: It cannot.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"{flag} {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise ConfigError(f"{flag} {path}: this is a folder; name a file")
    try:
        if not path.exists():
            _make_a_file_in(path.parent)
        elif not os.access(path, os.W_OK):
            raise ConfigError(f"{flag} {path}: this file may not be written; name another")
    except OSError as error:
        raise ConfigError(
            f"{flag} {path}: cannot write there ({error.strerror}); name another place"
        ) from error


def write_new(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file that must not be there yet: whole under another name, then moved into place."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp opens it for its owner alone (0600)
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        # taking the name first makes the move fail where the name is taken; a hard link would do
        # both at once, and some network and USB file systems have none
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _make_a_file_in(folder: Path) -> None:
    # asking for permission is not enough: a full disk and a special file system say yes
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".partial"):
        pass
