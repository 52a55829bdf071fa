"""A verdict store in PostgreSQL, for teams: the same methods as the file, one server for all.

Tables and meaning are those of the SQLite store (`table.py`), in a schema of their own. The
first verdict under a key counts, for every process that asks. A connection that breaks is opened
again: a write is content-addressed, and may be sent twice without harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import StoreError
from ..judge import JudgeIdentity
from ..verdict import Verdict
from .postgres_connection import checked_address, connect, shown, storable, worded
from .protocol import Record, Subject
from .table import POSTGRES, SAID, read_verdict, rows_of

if TYPE_CHECKING:
    from psycopg import Connection

RECONNECT_S = 30.0
"""How long a lost server is waited for, before the run stops with everything kept."""
PAUSE_S = 0.25
_CLAIM = "SELECT place FROM unnest(%s::bigint[]) AS place WHERE pg_try_advisory_lock(place)"
_RELEASE = "SELECT pg_advisory_unlock(place) FROM unnest(%s::bigint[]) AS place"
MAX_CLAIMS = 256
"""Advisory locks of one session: a server has room for some thousands, for all its users."""
_ORPHANS: list[Any] = []
"""Connections of a parent process: closing them after a fork would end the parent's session."""

T = TypeVar("T")


class PostgresStore:
    """A store on a PostgreSQL server."""

    def __init__(self, address: str, identity: JudgeIdentity | None = None) -> None:
        """Connect, and make the tables where there are none.

        Args:
            address: `postgresql://USER@HOST:PORT/DATABASE`, without a password.
            identity: The judge whose verdicts will be written; None for reading only.

        Raises:
            ConfigError: psycopg is not installed, or the address holds a password.
            StoreError: The server cannot be reached or refuses.
        """
        self.address = checked_address(address)
        self._judge = bytes.fromhex(identity.digest) if identity else b""
        self._pid = os.getpid()
        self._writing = threading.Lock()
        self._writer = connect(self.address, makes_tables=True)
        self._reader = connect(self.address)
        self._claimed: set[bytes] = set()
        self._claimed_on = self._reader
        self._identity = identity
        with self._worded():
            self._keep_judge(self._writer)

    def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Find the verdicts among some keys.

        Raises:
            StoreError: The server cannot be read. A damaged verdict comes as none, and says so.
        """
        return self._insisting("_reader", lambda db: self._find(db, keys)) if keys else {}

    def write(self, records: Sequence[Record]) -> dict[bytes, Verdict]:
        """Keep replies in one transaction; on return the server has committed them.

        Returns:
            The verdicts that another process had stored first under the same keys: those count.

        Raises:
            StoreError: Nothing of this batch was written.
        """
        good, failed = rows_of(map(_storable, records), self._judge, time.time())
        # two processes that lock the same keys in one order cannot wait for each other
        good.sort(key=lambda row: bytes(row[0]))
        subjects = {id(r.subject): r.subject for r in records}.values()
        with self._writing:

            def keep(db: Connection[Any]) -> int:
                with db.transaction(), db.cursor() as cursor:
                    self._keep_judge(cursor)  # first: from here on a prune waits for us
                    _keep_subjects(cursor, subjects)
                    n_new = 0
                    if good:
                        cursor.executemany(POSTGRES.insert["verdicts"].encode(), good)
                        n_new = cursor.rowcount
                    if failed:
                        cursor.executemany(POSTGRES.insert["failed_replies"].encode(), failed)
                return n_new

            n_new = self._insisting("_writer", keep)
            if n_new == len(good):
                return {}
            keys = [row[0] for row in good]
            earlier = self._insisting("_writer", lambda db: self._find(db, keys))
            return {key: verdict for key, verdict in earlier.items() if not verdict.is_missing}

    def claim(self, names: Sequence[bytes]) -> set[bytes]:
        """Say that this process asks about some answers; gives those that no other one does.

        Held by the reading connection: the server lets them go when that ends, however it ends.
        Beyond `MAX_CLAIMS` everything counts as free.

        Raises:
            StoreError: The server does not come back.
        """
        self._forget_lost()
        wanted = [name for name in names if name not in self._claimed]
        room = MAX_CLAIMS - len(self._claimed)
        asked = {_signed(name): name for name in wanted[:room]}
        taken = set(names) - set(wanted) | set(wanted[room:])
        if asked:
            rows = self._insisting(
                "_reader", lambda db: db.execute(_CLAIM, (list(asked),)).fetchall()
            )
            self._forget_lost()
            mine = {asked[place] for (place,) in rows}
            self._claimed |= mine
            taken |= mine
        return taken

    def release(self, names: Sequence[bytes]) -> None:
        """Say that this process asks about them no more."""
        import psycopg

        self._forget_lost()
        places = [_signed(name) for name in names if name in self._claimed]
        self._claimed.difference_update(names)
        if places:
            # a connection that is gone has let go of everything; the next look-up opens another
            with contextlib.suppress(psycopg.Error):
                self._reader.execute(_RELEASE, (places,))

    def close(self) -> None:
        """Close both connections; after a fork, leave them to the parent."""
        if os.getpid() != self._pid:
            _ORPHANS.extend((self._reader, self._writer))
            return
        self._reader.close()
        self._writer.close()

    def _forget_lost(self) -> None:
        """Forget the claims of a connection that was lost: the server has."""
        if self._claimed_on is not self._reader:
            self._claimed.clear()
            self._claimed_on = self._reader

    def _keep_judge(self, db: Any) -> None:
        if self._identity is not None:
            plain = json.dumps(self._identity.to_json(), sort_keys=True)
            db.execute(POSTGRES.insert["judges"].encode(), (self._judge, plain))

    def _find(self, db: Connection[Any], keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        rows = db.execute(f"{SAID} WHERE key = ANY(%s)".encode(), (list(keys),)).fetchall()
        return {
            bytes(row[0]): read_verdict((bytes(row[0]), *row[1:]), shown(self.address))
            for row in rows
        }

    def _insisting(self, name: str, work: Callable[[Connection[Any]], T]) -> T:
        """Do something on a connection, and once more on a fresh one where it broke.

        Raises:
            StoreError: The server refuses, or does not come back.
        """
        import psycopg

        give_up = time.monotonic() + RECONNECT_S
        while True:
            db: Connection[Any] = getattr(self, name)
            try:
                with self._worded(passes=psycopg.OperationalError):
                    return work(db)
            except psycopg.OperationalError as error:
                # a deadlock or a full disk leaves the connection whole: nothing to reconnect
                if not (db.closed or db.broken) or time.monotonic() >= give_up:
                    raise worded(error, self.address) from error
            db.close()
            setattr(self, name, self._reconnected(give_up))

    def _reconnected(self, give_up: float) -> Connection[Any]:
        while True:
            try:
                return connect(self.address)
            except StoreError:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(PAUSE_S)

    @contextlib.contextmanager
    def _worded(self, passes: type[Exception] | tuple[()] = ()) -> Any:
        import psycopg

        try:
            yield
        except passes:
            raise
        except psycopg.Error as error:
            raise worded(error, self.address) from error


def _signed(name: bytes) -> int:
    """Give the number of a claim's advisory lock."""
    return int.from_bytes(name[:8], "big", signed=True)


def _keep_subjects(cursor: Any, subjects: Iterable[Subject]) -> None:
    """Keep the texts that are not there: new ones, and those that a prune took out meanwhile."""
    subjects = list(subjects)
    examples = {s.example_id: (s.example_id, storable(s.prompt_id), s.row) for s in subjects}
    answers = {s.answer_id: (s.answer_id, storable(s.answer)) for s in subjects}
    for table, rows in (("examples", examples), ("answers", answers)):
        query = f"SELECT id FROM {table} WHERE id = ANY(%s)"
        missing = rows.keys() - {id for (id,) in cursor.execute(query, (list(rows),))}
        if missing:
            cursor.executemany(POSTGRES.insert[table], [rows[key] for key in sorted(missing)])


def _storable(record: Record) -> Record:
    """Take out of a verdict's words what PostgreSQL cannot hold: the zero character."""
    verdict = record.verdict
    if "\0" not in verdict.explanation and "\0" not in verdict.reply:
        return record
    words = replace(
        verdict, explanation=storable(verdict.explanation), reply=storable(verdict.reply)
    )
    return replace(record, verdict=words)
