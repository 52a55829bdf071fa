"""Opens stores to look into them or to move verdicts: files and servers, in one way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, StorePathError
from ..verdict import Verdict
from . import locks
from .postgres_connection import checked_address, connect, shown, worded
from .protocol import is_address
from .sqlite_file import connect as connect_file
from .sqlite_file import layout_of, open_store_file, read_only, store_error, transaction
from .statements import (
    POSTGRES,
    SCHEMA_VERSION,
    SQLITE,
    TABLES,
    Row,
    columns_of,
    look_up,
    parts_of,
    storable_row,
    take,
)

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

_BATCH = 5_000
"""Rows moved at a time: memory does not grow with the store."""
_N_CLAIMS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)
_N_BYTES = (
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
    "WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
)


def scalar(store: OpenStore, query: str) -> Any:
    """Give the one value of a query."""
    return next(iter(store.execute(query)))[0]


def known_ids(store: OpenStore, table: str, ids: Sequence[bytes]) -> Iterator[bytes]:
    """Give those of some ids that a table of texts holds."""
    for some in parts_of(ids):
        query = f"SELECT id FROM {table} WHERE id IN ({store.dialect.marks(len(some))})"
        yield from (id for (id,) in store.execute(query, some))


@contextlib.contextmanager
def reading(
    place: Path | str | None,
) -> Iterator[Callable[[Sequence[bytes]], dict[bytes, Verdict]]]:
    """Give the look-up of a store that is only read: none is made, or changed.

    In no store, in one that is not there yet, and in an empty file nothing is found.
    """
    if place is None or (isinstance(place, Path) and not _holds_anything(place)):
        yield lambda keys: {}
        return
    with opened(place) as store:
        yield lambda keys: look_up(store.execute, store.dialect, keys, store.place)


@contextlib.contextmanager
def opened(place: Path | str, *, writes: bool = False, makes: bool = False) -> Iterator[OpenStore]:
    """Open a store for a block, and word the faults of its database.

    Args:
        place: A file, or the address of a server, where the tables are made if they are missing.
        writes: Whether it will be changed. Else a file of an earlier layout, or on a read-only
            file system, is read from a copy, which is brought to the present layout: looking into a
            store shuts no older rubricbeat out of it.
        makes: Whether a file is made where there is none.

    Raises:
        ConfigError: The file is not there, or empty.
        StoreError: It cannot be read.
    """
    if isinstance(place, str) and is_address(place):
        with _opened_server(place) as server:
            yield server
        return
    path = Path(place)
    with contextlib.ExitStack() as stack:
        file = path
        if not makes and _is_copied(path, look_at(path), writes):
            file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "copy.sqlite"
            copy_store(path, file)
        connection = open_store_file(file)
        stack.callback(connection.close)
        try:
            yield _File(connection, path)
        except sqlite3.Error as error:
            raise store_error(error, path) from error


def _holds_anything(path: Path) -> bool:
    """Say whether a path names more than what is not there yet, or an empty file."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


def _is_copied(path: Path, layout: int, writes: bool) -> bool:
    is_writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return not writes and (layout < SCHEMA_VERSION or not is_writable)


Taker = Callable[[str], int]
"""Takes the new rows of a table in, and gives their number."""


class _File:
    """A store file, as long as the block lasts that opened it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.dialect = SQLITE
        self.place = str(path)
        self._db = connection
        self._path = path

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._db.execute(statement, values)

    stream = execute

    def n_bytes(self) -> int:
        return self._path.stat().st_size

    def file_check(self) -> str:
        return str(self._db.execute("PRAGMA quick_check").fetchone()[0])

    def is_claimed(self) -> bool:
        """Say whether anybody is asking for verdicts that go into it."""
        return locks.is_claimed(self._path)

    @contextlib.contextmanager
    def pruning(self, *, dry_run: bool) -> Iterator[None]:
        """Keep those who write waiting; take everything back at the end of a dry run."""
        self._db.execute("BEGIN IMMEDIATE")
        yield
        self._db.execute("ROLLBACK" if dry_run else "COMMIT")
        if not dry_run:
            self._db.execute("VACUUM")

    @contextlib.contextmanager
    def taking(self, source: Path) -> Iterator[Taker]:
        """Take rows of a store file of this layout in, all in one transaction."""
        self._db.execute("ATTACH DATABASE ? AS other", (str(source),))
        try:
            with transaction(self._db):
                yield (
                    lambda table: self._db.execute(take(table, f"other.{table}", "rowid")).rowcount
                )
        finally:
            self._db.execute("DETACH DATABASE other")


class _Server:
    """The same of a store on a server."""

    def __init__(self, connection: Connection, address: str) -> None:
        self.dialect = POSTGRES
        self.place = shown(address)
        self._db = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> Cursor:
        return self._db.execute(statement.encode(), values)

    def stream(self, query: str, values: Sequence[object] = ()) -> Iterator[Row]:
        with self._db.transaction(), self._db.cursor(name="rubricbeat_rows") as cursor:
            cursor.itersize = _BATCH
            cursor.execute(query.encode(), values)
            yield from cursor

    def n_bytes(self) -> int:
        return int(scalar(self, _N_BYTES))

    def file_check(self) -> str:
        return "ok"

    def is_claimed(self) -> bool:
        return bool(scalar(self, _N_CLAIMS))

    @contextlib.contextmanager
    def pruning(self, *, dry_run: bool) -> Iterator[None]:
        with self._db.transaction(force_rollback=dry_run):
            self._db.execute(f"LOCK TABLE {', '.join(TABLES)} IN SHARE ROW EXCLUSIVE MODE")
            yield

    @contextlib.contextmanager
    def taking(self, source: Path) -> Iterator[Taker]:
        with contextlib.closing(connect_file(source)) as file, self._db.transaction():
            yield lambda table: self._take(file, table)

    def _take(self, file: sqlite3.Connection, table: str) -> int:
        """Copy a table's rows in, in the order of their key: two merges then cannot deadlock."""
        columns = columns_of(table)
        key = next(iter(TABLES[table]))
        rows = file.execute(f"SELECT {columns} FROM {table} ORDER BY {key}")
        n_added = 0
        like = f"SELECT {columns} FROM {table} WITH NO DATA"
        self._db.execute(f"CREATE TEMP TABLE taken ON COMMIT DROP AS {like}")
        while batch := list(islice(rows, _BATCH)):
            with self._db.cursor() as cursor:
                with cursor.copy(f"COPY taken ({columns}) FROM STDIN") as copy:
                    for row in batch:
                        copy.write_row(storable_row(table, row))
                n_added += cursor.execute(take(table, "taken", key)).rowcount
                cursor.execute("TRUNCATE taken")
        self._db.execute("DROP TABLE taken")
        return n_added


OpenStore = _File | _Server
"""A store of either kind."""


@contextlib.contextmanager
def _opened_server(address: str) -> Iterator[_Server]:
    db = connect(checked_address(address), makes_tables=True)
    import psycopg

    try:
        yield _Server(db, address)
    except psycopg.Error as error:
        raise worded(error, address) from error
    finally:
        db.close()


def copy_store(source: Path, copy: Path) -> None:
    """Copy a store as it is at this moment, so that bringing it up to date changes only the copy.

    Errors are those of `look_at`.
    """
    with _looked_at(source) as (old, _), contextlib.closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    open_store_file(copy).close()


def look_at(source: Path) -> int:
    """See that a store is there and of a layout we know, and give its layout.

    Raises:
        ConfigError: It is not there, or empty.
        StoreError: It is none of ours, and is named by its own path.
    """
    with _looked_at(source) as (_, layout):
        return layout


@contextlib.contextmanager
def _looked_at(source: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    if not source.is_file():
        raise ConfigError(f"there is no verdict store at {source}")
    try:
        with read_only(source) as connection:
            layout = layout_of(connection, source)
            if layout == 0:
                raise StorePathError(
                    f"verdict store {source}: the file is empty, so no verdict was ever kept in it"
                    "; name another one"
                )
            yield connection, layout
    except sqlite3.Error as error:
        raise store_error(error, source) from error
