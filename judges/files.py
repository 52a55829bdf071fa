"""Write files whole or not at all, for their owner alone, and know beforehand that they will fit.

Every file this package makes is written here: under another name beside its own, forced to the
disk, then moved into place. A reader sees the old file or the new one, never half of one. What a
killed process left behind is swept by the next one that writes there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .errors import ConfigError

FILE_MODE = 0o600
"""Of outputs: answers, rows and verdicts may be private."""
PREFIX, SUFFIX = ".rubricbeat-", ".partial"
"""Of a file that is being written."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems without hard links answer."""


class Closing:
    """Closed at the end of a `with` block, however it ends."""

    def close(self) -> None:
        """Let go of what is held; safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Give the thing itself; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def user_path(named: str | os.PathLike[str]) -> Path:
    """Give a path with `~` as the user's home; `~name` of nobody stays as it is, as in a shell."""
    path = Path(named)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def require_folder(path: Path | str, flag: str = "--output") -> None:
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


def require_folders_below(path: Path | str, names: Iterable[str]) -> None:
    """See that what already lies at some folders of an output takes files; nothing is made.

    Raises:
        ConfigError: A file, a link to nothing or a closed folder is there.
    """
    for folder in {Path(path) / name: None for name in names}:
        if os.path.lexists(folder):
            require_folder(folder)


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
        if path.exists() and not os.access(path, os.W_OK):
            raise ConfigError(f"{flag} {path}: this file may not be written; name another")
        if not _is_special(path):
            _make_a_file_in(path.parent)
    except OSError as error:
        raise ConfigError(
            f"{flag} {path}: cannot write there ({error.strerror}); name another place"
        ) from error


def require_room(folder: Path | str, n_bytes: int, what: str) -> None:
    """See that a disk has room for what will be written, before anything is paid for.

    Args:
        folder: Where it will lie; the nearest folder above it that exists is asked.
        n_bytes: An upper estimate.
        what: What will be written, for the message.

    Raises:
        ConfigError: There is less.
    """
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError:  # a file system that does not say
        return
    if free < n_bytes:
        raise ConfigError(
            f"{folder}: {_shown(free)} are free and {what} may take {_shown(n_bytes)}; "
            "make room, or name a folder on another disk"
        )


def _shown(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes >= 1e7 else f"{n_bytes / 1e3:,.0f} kB"


def write_file(
    path: Path,
    content: str | bytes | Iterable[bytes],
    *,
    replaces: bool = True,
    is_private: bool = True,
) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file.
        content: Text (written as UTF-8, its line ends as they are), bytes, or parts of bytes.
        replaces: Whether an older file of the name gives way.
        is_private: Whether only its owner may read it; else the user's umask says who.

    Raises:
        FileExistsError: The name is taken and `replaces` is False.
        OSError: It cannot be written; an older file is as it was.
    """
    parts: Iterable[bytes]
    if isinstance(content, str):
        parts = (content.encode("utf-8"),)
    else:
        parts = (content,) if isinstance(content, bytes) else content
    with writing(path, replaces=replaces, is_private=is_private) as file:
        file.writelines(parts)


@contextlib.contextmanager
def writing(path: Path, *, replaces: bool = True, is_private: bool = True) -> Iterator[IO[bytes]]:
    """Open a file that takes its place when the block ends well, and leaves nothing otherwise.

    Args and errors as for `write_file`. What is no regular file (a terminal, a pipe) is written
    directly.
    """
    path = Path(path)
    try:
        with _opened(path, replaces=replaces, is_private=is_private) as file:
            yield file
    except OSError as error:
        error.filename = error.filename or str(path)  # what a full disk says names none
        raise


@contextlib.contextmanager
def _opened(path: Path, *, replaces: bool, is_private: bool) -> Iterator[IO[bytes]]:
    if _is_special(path):
        with path.open("wb") as file:
            yield file
        return
    path = path.resolve() if path.is_symlink() else path
    _sweep(path.parent)
    handle, temporary = _begin(path, FILE_MODE if is_private else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _move(temporary, path, replaces=replaces)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time through, of those that write into a folder.

    The lock is on the folder itself, so nothing is left behind, and it ends with its process. Where
    the file system has none, nobody waits.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _move(temporary: Path, path: Path, *, replaces: bool) -> None:
    if replaces:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # fails where the name is taken, unlike a rename
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.replace(path)
        return
    temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Force a rename to the disk; some file systems have no such call and need none."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _begin(path: Path, mode: int) -> tuple[int, Path]:
    """Make the unfinished file, locked: the lock goes with its process, however that ends."""
    while True:
        temporary = path.with_name(f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}")
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        except (ImportError, OSError):  # no such locks here: nobody sweeps either
            return handle, temporary
        if temporary.exists():  # it may have been swept between the two calls
            return handle, temporary
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Delete what writers that were killed left behind."""
    for leftover in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with contextlib.suppress(ImportError, OSError):  # somebody's, or gone meanwhile
            import fcntl

            with leftover.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _make_a_file_in(folder: Path) -> None:
    # asking for permission is not enough: a full disk and a special file system say yes
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX, suffix=SUFFIX):
        pass
