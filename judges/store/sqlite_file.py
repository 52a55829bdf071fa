"""How a store file is opened, made, and brought to the present layout; its faults in words."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import StoreError, StorePathError
from .statements import (
    SAID,
    SCHEMA_VERSION,
    SINCE_3,
    SQLITE,
    TABLES,
    VerdictColumns,
    damaged_keys,
    mend_of,
    said_columns,
)

APPLICATION_ID = 0x72626561
"""Marks an SQLite file as ours ("rbea")."""
BUSY_TIMEOUT_S = 60.0
"""How long a process waits for another one's write."""
_PAUSE_S = 0.01
"""Between two tries to put a new file into WAL mode."""


def open_store_file(path: Path) -> sqlite3.Connection:
    """Open a store, create it where there is none, and bring it to this version's layout.

    Raises:
        StoreError: The file cannot be opened, is none of ours, is damaged or too new.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_file(path)
    except OSError as error:
        raise StorePathError(
            f"cannot open the verdict store {path}: {error.strerror}; "
            "name another file with store=PATH, or use store=none"
        ) from error
    try:
        connection = connect(path)
        try:
            _bring_up_to_date(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    return connection


def _make_file(path: Path) -> None:
    """Make the file where it is missing: by us, for the user alone from its first byte.

    One that is there is looked at and not opened: closing any descriptor of a file drops the locks
    that other connections of this process hold on it, and another process that closes the store
    would then take its log away under them, with verdicts in it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def connect(path: Path) -> sqlite3.Connection:
    """Open one more connection to a store file; transactions are explicit."""
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    # NORMAL under WAL: a commit survives the death of the process at any point; only a power
    # failure may lose the last ones, and never the file
    connection.execute("PRAGMA synchronous = NORMAL")
    # a damaged text is read with the wrong letters, and then its checksum does not fit
    connection.text_factory = _text
    return connection


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store to read it as it is, also where nothing can be written.

    SQLite must write a log's index to read a store in WAL mode: on a read-only file system a copy
    is read, the log included.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = path
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            place = Path(folder) / "copy.sqlite"
            for ending in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{ending}", f"{place}{ending}")
        # as an URI, so that a path with "?" or "#" in it is still that path
        uri = f"{place.resolve().as_uri()}?mode={'ro' if place is path else 'rw'}"
        connection = sqlite3.connect(uri, uri=True)
        connection.text_factory = _text
        try:
            yield connection
        finally:
            connection.close()


_MENDS = {
    ("malformed", "corrupt"): (
        "the file is damaged: move it away, or restore what `sqlite3 FILE .recover` gives"
    ),
    ("full",): "the disk is full; what was committed is kept: make room and run again",
    ("readonly", "unable to open"): (
        "it cannot be written; name another file with store=PATH, or use store=none"
    ),
    ("locked",): f"another process has held it for {BUSY_TIMEOUT_S:.0f} s",
}


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Word a fault of SQLite so that its reader knows what to do."""
    said = str(error)
    if "not a database" in said:
        return StorePathError(
            f"verdict store {path}: it is not an SQLite file; give another one with store=PATH"
        )
    how = mend_of(said, _MENDS, "what was committed is kept")
    return StoreError(f"verdict store {path}: {said}; {how}")


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    if layout_of(connection, path) == SCHEMA_VERSION:
        return
    _use_wal(connection)
    with transaction(connection):
        # looked at again under the lock: another process may have been faster
        version = layout_of(connection, path)
        if version == 0:
            _make(connection, TABLES)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        if version == 1:
            _from_1_to_2(connection)
        if version in (1, 2):
            _from_2_to_3(connection, path)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write in one transaction; take everything back where the block fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # on a full disk SQLite may have done so by itself
            connection.execute("ROLLBACK")
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    """Put a file into WAL mode; of processes that make it at once, all but one wait.

    SQLite itself does not wait here: where another connection is about to write, it fails at once.
    """
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= give_up:
                raise
            time.sleep(_PAUSE_S)


def layout_of(connection: sqlite3.Connection, path: Path) -> int:
    """Read the version of a file's layout; 0 for an empty file.

    Raises:
        StoreError: A file of another program, or of a newer rubricbeat.
    """
    # in this order: another process may make the tables meanwhile, all in one transaction
    n_tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if n_tables and owner != APPLICATION_ID:
        raise StoreError(
            f"{path} is an SQLite file of another program, not a verdict store; "
            "name another file with store=PATH"
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"verdict store {path} has layout {version}, this rubricbeat knows up to "
            f"{SCHEMA_VERSION}; upgrade rubricbeat, or name another file with store=PATH"
        )
    return version


def _from_1_to_2(connection: sqlite3.Connection) -> None:
    """Add checksums, and the table of replies without a verdict."""
    connection.execute("ALTER TABLE verdicts ADD COLUMN crc INTEGER NOT NULL DEFAULT 0")
    rows = connection.execute(f"SELECT rowid, {said_columns(2)} FROM verdicts")
    sums = [(VerdictColumns(*words).checksum(key), rowid) for rowid, key, *words, _, _ in rows]
    connection.executemany("UPDATE verdicts SET crc = ? WHERE rowid = ?", sums)
    _make(connection, ["failed_replies"])


def _from_2_to_3(connection: sqlite3.Connection, path: Path) -> None:
    """Let verdicts be levels, or "not applicable": every one moves under its key, in its place.

    SQLite cannot take the NOT NULL from a column: the rows go into a new table.

    Raises:
        StoreError: A checksum fits no more; the store is as it was.
    """
    connection.execute("ALTER TABLE verdicts RENAME TO verdicts_2")
    _make(connection, ["verdicts"])
    # whatever its number says: a damaged one must not cost what the table holds
    there = {row[1] for row in connection.execute("PRAGMA table_info(verdicts_2)")}
    columns = ", ".join(["rowid", *(name for name in TABLES["verdicts"] if name in there)])
    connection.execute(
        f"INSERT INTO verdicts ({columns}) SELECT {columns} FROM verdicts_2 ORDER BY rowid"
    )
    layout = SCHEMA_VERSION if there.issuperset(SINCE_3) else 2
    before = f"SELECT {said_columns(layout)} FROM verdicts_2 AS verdicts"
    bad = damaged_keys(connection.execute(SAID))
    if bad and bad != damaged_keys(connection.execute(before)):
        raise StoreError(
            f"verdict store {path}: it could not be upgraded to layout {SCHEMA_VERSION}; it is as "
            "it was, copy it to another disk and try there"
        )
    connection.execute("DROP TABLE verdicts_2")


def _make(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    for table in tables:
        connection.execute(SQLITE.create(table))
