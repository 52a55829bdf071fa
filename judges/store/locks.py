"""Says among processes of one machine who is asking about what: locks on a file beside the store.

A claim is a lock of the operating system on one byte, at a place that its name gives. Nothing is
written, no clock is read, and whoever dies lets go in that moment. Locks of a process do not keep
out its own threads, so that claims are also noted here; and closing any descriptor of the file
would drop them all, so that a process opens it once.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

try:
    import fcntl
except ImportError:  # Windows: no claims, and processes that start at once may pay twice
    fcntl = None  # type: ignore[assignment]

SUFFIX = "-claims"
_PLACES = 2**62
"""Bytes of the file that can be locked; none of them is ever written."""


class FileClaims:
    """The claims of one open store; several stores of a process keep each other out as well."""

    def __init__(self, store: Path) -> None:
        """Open the file beside a store, which is made where it is missing."""
        self._file = _LockFile.of(Path(f"{os.path.realpath(store)}{SUFFIX}"))
        self._held: set[int] = set()

    def claim(self, names: Sequence[bytes]) -> set[bytes]:
        """Take claims; gives those that were free, or are ours already."""
        taken = set()
        for name in names:
            place = _place(name)
            if place in self._held or self._file.lock(place):
                self._held.add(place)
                taken.add(name)
        return taken

    def release(self, names: Sequence[bytes]) -> None:
        """Let claims go; those that are not ours stay as they are."""
        for name in names:
            place = _place(name)
            if place in self._held:
                self._held.discard(place)
                self._file.unlock(place)

    def close(self) -> None:
        """Let everything go."""
        for place in self._held:
            self._file.unlock(place)
        self._held.clear()
        self._file.leave()


def is_claimed(store: Path) -> bool:
    """Say whether anybody is asking for verdicts that go into a store, here or elsewhere."""
    path = Path(f"{os.path.realpath(store)}{SUFFIX}")
    if not path.exists():
        return False
    file = _LockFile.of(path)
    try:
        return file.is_in_use()
    finally:
        file.leave()


class _LockFile:
    """The one descriptor of a lock file in this process, shared by all its stores."""

    _open: ClassVar[dict[Path, _LockFile]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._n_users = 0
        self._locked: set[int] = set()
        self._descriptor: int | None = None
        if fcntl is not None:
            with contextlib.suppress(OSError):  # claims keep threads apart all the same
                self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @classmethod
    def of(cls, path: Path) -> _LockFile:
        """Give the file's own, and count one more user."""
        with cls._lock:
            if path not in cls._open:
                cls._open[path] = cls(path)
            file = cls._open[path]
            file._n_users += 1
            return file

    @classmethod
    def forget(cls) -> None:
        """Begin anew in a forked child: the locks are the parent's, its descriptors too."""
        cls._open, cls._lock = {}, threading.Lock()

    def lock(self, place: int) -> bool:
        """Lock a byte; False where another store of any process has it."""
        with self._lock:
            if place in self._locked or not self._change(True, 1, place):
                return False
            self._locked.add(place)
            return True

    def unlock(self, place: int) -> None:
        """Let a byte go."""
        with self._lock:
            self._locked.discard(place)
            self._change(False, 1, place)

    def is_in_use(self) -> bool:
        """Say whether any byte is locked, by whomever."""
        with self._lock:
            if self._locked or not self._change(True):
                return True
            self._change(False)
            return False

    def _change(self, takes: bool, n_bytes: int = 0, place: int = 0) -> bool:
        """Take or drop locks, 0 bytes for all; False where another process has one of them."""
        if fcntl is None or self._descriptor is None:
            return True
        how = fcntl.LOCK_EX | fcntl.LOCK_NB if takes else fcntl.LOCK_UN
        try:
            fcntl.lockf(self._descriptor, how, n_bytes, place)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks: as if there were nobody else
            pass
        return True

    def leave(self) -> None:
        """Count one user less; the last one closes the file."""
        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                self._open.pop(self._path, None)
                if self._descriptor is not None:
                    os.close(self._descriptor)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LockFile.forget)


def _place(name: bytes) -> int:
    return int.from_bytes(name[:8], "big") % _PLACES
