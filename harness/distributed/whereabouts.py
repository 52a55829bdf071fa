"""The list of workers' own stores that may hold verdicts which the store of the run has not got.

A file beside that store, `<store>.workers`: a line when a worker's store is made, before it gets
anything to ask, and a line when it has been merged and deleted. Whoever goes on with the run reads
there where to look. It is deleted with its last entry.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from ...judges.errors import ConfigError, StoreError


class Whereabouts:
    """The open list; one run at a time has it."""

    def __init__(self, store: Path) -> None:
        """Open the list of a store, or begin one.

        Raises:
            ConfigError: Another run has it.
            StoreError: It cannot be read or written.
        """
        self.path = list_of(store)
        self._file = self._locked(store)
        while not self._is_there():  # the run before us deleted it while we opened it
            os.close(self._file)
            self._file = self._locked(store)
        self._host_by_path = _read(self.path)

    def _locked(self, store: Path) -> int:
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise ConfigError(
                f"another run with workers' own stores is filling {store}; wait for its end, or "
                "name another --store"
            ) from None
        return file

    def _is_there(self) -> bool:
        """Say whether the file we hold is the one that others will find under its name."""
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return False

    def add(self, path: str, host: str) -> None:
        """Note a store that was made.

        Raises:
            StoreError: The list cannot be written.
        """
        self._host_by_path[path] = host
        self._append({"made": path, "host": host})

    def remove(self, path: str) -> None:
        """Note that a store is merged and gone."""
        if self._host_by_path.pop(path, None) is not None:
            with contextlib.suppress(StoreError):  # it will be looked for, and not be there
                self._append({"merged": path})

    def host_by_path(self) -> dict[str, str]:
        """Give the stores that are not merged yet, and the machine each was made on."""
        return dict(self._host_by_path)

    def close(self) -> None:
        """Let the list go; delete it where nothing is on it."""
        if not self._host_by_path:
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(self._file)

    def _append(self, entry: dict[str, str]) -> None:
        try:
            # on a line of its own, whatever a crash has cut off before it
            os.write(self._file, f"\n{json.dumps(entry)}\n".encode())
            os.fsync(self._file)
        except OSError as error:
            raise StoreError(
                f"{self.path}: {error.strerror}; without this list a lost worker's verdicts could "
                "not be found"
            ) from error


def list_of(store: Path) -> Path:
    """Name the list of a store."""
    return store.with_name(f"{store.name}.workers")


def _read(path: Path) -> dict[str, str]:
    left: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # empty, or cut off by a crash: nothing was asked for it
            continue
        if "made" in entry:
            left[entry["made"]] = entry["host"]
        else:
            left.pop(entry.get("merged"), None)
    return left
