"""A verdict store of one worker's own, on the disk of its node.

For clusters that share neither a file system nor a server. A verdict is in the worker's file before
it is used, and goes to the driver with the next report; the driver merges it into the store of the
run. A file is deleted when all it holds has been merged, and not before: what a lost driver or a
cut network leaves behind is found by the next run (`gathering.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...judges.assembly import Part
from ...judges.errors import StoreError
from ...judges.files import user_path
from ...judges.judge import JudgeIdentity
from ...judges.records import Record
from ...judges.runtime_options import RuntimeOptions
from ...judges.store import default_store_path, read_verdict
from ...judges.store_rows import Mark, Row, StoreRows, add_rows, rows_after, verdicts_under
from ...judges.store_schema import connect, open_store_file, store_error
from ...judges.verdict import Verdict

PAGE_ROWS = 2_000
"""Verdicts read from a file at a time: about a megabyte."""


@dataclass(frozen=True, slots=True)
class OwnPlace:
    """Where workers make their own stores, on whatever node they are."""

    named: str | None = None
    """A folder; None is one in the user's cache there."""

    def folder(self) -> Path:
        """Give the folder on this node."""
        if self.named is not None:
            return user_path(self.named)
        return default_store_path().parent / "workers"

    def new_path(self) -> Path:
        """Name a file that nobody else will; it is not made yet."""
        return (self.folder() / f"{uuid.uuid4().hex}.sqlite").absolute()


class OwnStore:
    """The file of one worker, and what the driver has not heard of it yet.

    A file that cannot be written (a full disk) loses nothing: `on_fault` is to stop the asking,
    and what comes in still goes to the driver from memory.
    """

    def __init__(self, path: Path, on_fault: Callable[[str], None]) -> None:
        """Make the file.

        Args:
            path: As the driver has put it on its list.
            on_fault: Called once, from any thread, when the file cannot be written any more.

        Raises:
            StoreError: It cannot be made.
        """
        self.path = path
        try:
            self._db = open_store_file(path)
        except StoreError:
            _delete(path)  # what there is of it holds nothing
            raise
        self._reader = connect(self.path)  # a look-up must not wait for a write
        # as long as the process lives nobody else deletes the file; the kernel lets go of it
        self._held: int | None = _locked(self.path)
        self._on_fault = on_fault
        self.fault: str | None = None
        """Why the file cannot be written any more, or None."""
        self._lock = threading.Lock()
        self._unsent: list[StoreRows] = []
        self._only_here: dict[bytes, Row] = {}
        """Verdicts that are in no file of this worker, by their keys."""
        self.n_sent = 0
        """Shipments so far."""

    def opened(self, part: Part, options: RuntimeOptions) -> PartStore | None:
        """Give the store of one judge; None where it keeps nothing."""
        return PartStore(self, part.identity) if part.is_stored else None

    def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Find verdicts, in the file and among those that did not fit in."""
        try:
            found = verdicts_under(self._reader, keys)
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error
        rows = [*found, *(self._only_here[key] for key in keys if key in self._only_here)]
        # the columns that `read_verdict` wants, of a row in the order of VERDICT_COLUMNS
        picked = ((row[0], *row[6:13], row[15]) for row in rows)
        return {row[0]: read_verdict(row, self.path) for row in picked}

    def keep(self, rows: StoreRows, *, is_known: bool = False) -> None:
        """Put rows into the file, and among those to be sent.

        Args:
            rows: What came back; or what the driver knew already.
            is_known: The driver sent them.
        """
        with self._lock:
            before = self.fault
            try:
                if before is None:
                    add_rows(self._db, rows, self.path)
            except StoreError as error:
                self.fault = str(error)
            if self.fault is not None:
                self._only_here |= {row[0]: row for row in rows.verdicts}
            if not is_known:
                self._unsent.append(rows)
            fault = self.fault if before is None else None
        if fault is not None:
            self._on_fault(fault)

    def take(self) -> StoreRows:
        """Give what the driver has not got yet; it counts as sent."""
        with self._lock:
            unsent, self._unsent = self._unsent, []
            self.n_sent += bool(unsent)
            return StoreRows.joined(unsent)

    def close(self) -> None:
        """Close the file, and let it be deleted by others who have merged it."""
        with self._lock:
            self._reader.close()
            self._db.close()
            if self._held is not None:
                os.close(self._held)
                self._held = None

    def forget(self, n_merged: int) -> bool:
        """Delete the file if the driver has merged every shipment; say whether it did."""
        with self._lock:
            if self._unsent or n_merged != self.n_sent:
                return False
        self.close()
        _delete(self.path)
        return True


class PartStore:
    """One judge's verdicts in the file of its worker; see `StoreProtocol`."""

    def __init__(self, own: OwnStore, identity: JudgeIdentity) -> None:
        """Open nothing: the file is open."""
        self._own = own
        self._identity = identity

    def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Find the verdicts among some keys."""
        return self._own.lookup(keys)

    def write(self, records: Sequence[Record]) -> dict[bytes, Verdict]:
        """Keep replies; nobody else writes here, so that no other verdict was first."""
        self._own.keep(StoreRows.of(records, self._identity, time.time()))
        for record in records:
            record.subject.is_kept = True
        return {}

    def close(self) -> None:
        """Leave the file open: it is the worker's."""


# -- on a node, without the worker: for a driver that collects what lies there ---------------------


def present(paths: Sequence[str]) -> list[str]:
    """Say which of some files are on this node."""
    return [path for path in paths if Path(path).is_file()]


def read_page(path: str, mark: Mark) -> tuple[StoreRows, Mark]:
    """Read on in a worker's file; no rows at its end.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with contextlib.closing(open_store_file(Path(path))) as db:
            return rows_after(db, mark, PAGE_ROWS)
    except sqlite3.Error as error:
        raise store_error(error, Path(path)) from error


def delete_merged(path: str, mark: Mark) -> bool:
    """Delete a worker's file that was read up to a mark.

    Returns:
        False where its worker lives yet, or has written more: the file stays.
    """
    if not Path(path).is_file():
        return True
    with _tried_lock(Path(path)) as is_free:
        if not is_free or read_page(path, mark)[0]:
            return False
        _delete(Path(path))
        return True


def _delete(path: Path) -> None:
    for end in ("-wal", "-shm", "", ".lock"):  # itself after what belongs to it
        with contextlib.suppress(OSError):
            path.with_name(path.name + end).unlink()


def _lock_of(path: Path) -> Path:
    # not the file itself: SQLite's own locks would be let go with ours
    return path.with_name(path.name + ".lock")


def _locked(path: Path) -> int:
    held = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


@contextlib.contextmanager
def _tried_lock(path: Path) -> Iterator[bool]:
    held = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(held)
