"""The verdict store: what was paid for once is never asked again.

One SQLite file in WAL mode, shared by any number of processes. Reading is a point look-up by key;
writing is a short transaction that the runtime awaits before a verdict is used.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ..errors import StoreError
from ..files import user_path
from ..judge import JudgeIdentity
from ..verdict import Verdict
from .kept import TableStore
from .locks import FileClaims
from .protocol import is_address
from .sqlite_file import connect, open_store_file, store_error, transaction
from .statements import SQLITE, Row, look_up


def default_store_path() -> Path:
    """Give the user's own store: `RUBRICBEAT_STORE`, else a file in the cache folder."""
    named = os.environ.get("RUBRICBEAT_STORE")
    if named and not is_address(named):
        return user_path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    folder = Path(cache) if cache else Path.home() / ".cache"
    return folder / "rubricbeat" / "verdicts.sqlite"


class VerdictStore(TableStore[sqlite3.Connection]):
    """One open store file."""

    dialect = SQLITE

    def __init__(self, path: Path | str, identity: JudgeIdentity | None = None) -> None:
        """Open or create a store.

        Args:
            path: The file; its folder is made where it is missing.
            identity: The judge whose verdicts will be written; None for reading only.

        Raises:
            StoreError: The file cannot be opened, is none of ours, is damaged or too new.
        """
        super().__init__(identity)
        self.path = Path(path)
        self._claims: FileClaims | None = None
        self._writer = open_store_file(self.path)
        self._file = _file_at(self.path)
        try:
            self._reader = connect(self.path)
            self._keep_judge()
        except sqlite3.Error as error:
            self._writer.close()
            raise store_error(error, self.path) from error

    def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Find the verdicts among some keys.

        Raises:
            StoreError: The file cannot be read. A damaged verdict comes as none, with that reason.
        """
        return self._find(self._reader, keys)

    def claim(self, names: Sequence[bytes]) -> set[bytes]:
        """Say that this process asks about some answers; gives those that no other one does."""
        if self._claims is None:
            self._claims = FileClaims(self.path)
        return self._claims.claim(names)

    def release(self, names: Sequence[bytes]) -> None:
        """Say that this process asks about them no more."""
        if self._claims is not None:
            self._claims.release(names)

    def close(self) -> None:
        """Close the file; after a fork, leave the parent's connections and locks alone."""
        if self._claims is not None and os.getpid() == self._pid:
            self._claims.close()
        super().close()

    def _keep(self, good: list[Row], failed: list[Row], texts: dict[str, dict[bytes, Row]]) -> int:
        try:
            with transaction(self._writer):
                self._keep_judge()
                for table, rows in texts.items():
                    self._writer.executemany(SQLITE.insert[table], rows.values())
                n_new = self._writer.executemany(SQLITE.insert["verdicts"], good).rowcount
                self._writer.executemany(SQLITE.insert["failed_replies"], failed)
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error
        if _file_at(self.path) != self._file:
            raise StoreError(
                f"verdict store {self.path}: the file was removed or replaced while it was in "
                "use; verdicts of this run are only in its results"
            )
        return n_new

    def _look_again(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        return self._find(self._writer, keys)

    def _find(self, connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        try:
            return look_up(connection.execute, SQLITE, keys, self.path)
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error

    def _keep_judge(self) -> None:
        if self._judge is None:
            return
        known = self._writer.execute("SELECT 1 FROM judges WHERE digest = ?", self._judge[:1])
        if known.fetchone() is None:
            self._writer.execute(SQLITE.insert["judges"], self._judge)


def _file_at(path: Path) -> tuple[int, int] | None:
    """Say which file stands at a path now; None for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
