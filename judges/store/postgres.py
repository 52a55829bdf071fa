"""A verdict store in PostgreSQL, for teams: the same methods as the file, one server for all.

Tables and meaning are those of the SQLite store (`table.py`), in a schema of their own. The
first verdict under a key counts, for every process that asks. A connection that breaks is opened
again: a write is content-addressed, and may be sent twice without harm.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..errors import StoreError
from ..judge import JudgeIdentity
from ..verdict import Verdict
from .kept import TableStore
from .postgres_connection import checked_address, connect, shown, worded
from .statements import POSTGRES, Row, look_up

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

RECONNECT_S = 30.0
"""How long a lost server is waited for, before the run stops with everything kept."""
PAUSE_S = 0.25
_CLAIM = "SELECT place FROM unnest(%s::bigint[]) AS place WHERE pg_try_advisory_lock(place)"
_RELEASE = "SELECT pg_advisory_unlock(place) FROM unnest(%s::bigint[]) AS place"
MAX_CLAIMS = 256
"""Advisory locks of one session: a server has room for some thousands, for all its users."""

T = TypeVar("T")


class PostgresStore(TableStore["Connection"]):
    """A store on a PostgreSQL server."""

    dialect = POSTGRES

    def __init__(self, address: str, identity: JudgeIdentity | None = None) -> None:
        """Connect, and make the tables where there are none.

        Args:
            address: `postgresql://USER@HOST:PORT/DATABASE`, without a password.
            identity: The judge whose verdicts will be written; None for reading only.

        Raises:
            ConfigError: psycopg is not installed, or the address holds a password.
            StoreError: The server cannot be reached or refuses.
        """
        super().__init__(identity)
        self.address = checked_address(address)
        self._writer = connect(self.address, makes_tables=True)
        self._reader = connect(self.address)
        self._claimed: set[bytes] = set()
        self._claimed_on = self._reader
        with self._worded():
            self._keep_judge(self._writer)

    def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Find the verdicts among some keys.

        Raises:
            StoreError: The server cannot be read. A damaged verdict comes as none, and says so.
        """
        return self._insisting("_reader", lambda db: self._find(db, keys)) if keys else {}

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

    def _keep(self, good: list[Row], failed: list[Row], texts: dict[str, dict[bytes, Row]]) -> int:
        # two processes that lock the same keys in one order cannot wait for each other
        good.sort(key=lambda row: bytes(row[0]))

        def keep(db: Connection) -> int:
            n_new = 0
            with db.transaction(), db.cursor() as cursor:
                self._keep_judge(cursor)  # first: from here on a prune waits for us
                for table, rows in texts.items():
                    _keep_texts(cursor, table, rows)
                if good:
                    cursor.executemany(POSTGRES.insert["verdicts"].encode(), good)
                    n_new = cursor.rowcount
                if failed:
                    cursor.executemany(POSTGRES.insert["failed_replies"].encode(), failed)
            return n_new

        return self._insisting("_writer", keep)

    def _look_again(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        return self._insisting("_writer", lambda db: self._find(db, keys))

    def _forget_lost(self) -> None:
        """Forget the claims of a connection that was lost: the server has."""
        if self._claimed_on is not self._reader:
            self._claimed.clear()
            self._claimed_on = self._reader

    def _keep_judge(self, db: Connection | Cursor) -> None:
        if self._judge is not None:
            db.execute(POSTGRES.insert["judges"].encode(), self._judge)

    def _find(self, db: Connection, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        def execute(statement: str, some: Sequence[bytes]) -> Cursor:
            return db.execute(statement.encode(), some)

        return look_up(execute, POSTGRES, keys, shown(self.address))

    def _insisting(self, name: str, work: Callable[[Connection], T]) -> T:
        """Do something on a connection, and once more on a fresh one where it broke.

        Raises:
            StoreError: The server refuses, or does not come back.
        """
        import psycopg

        give_up = time.monotonic() + RECONNECT_S
        while True:
            db: Connection = getattr(self, name)
            try:
                with self._worded(passes=psycopg.OperationalError):
                    return work(db)
            except psycopg.OperationalError as error:
                # a deadlock or a full disk leaves the connection whole: nothing to reconnect
                if not (db.closed or db.broken) or time.monotonic() >= give_up:
                    raise worded(error, self.address) from error
            db.close()
            setattr(self, name, self._reconnected(give_up))

    def _reconnected(self, give_up: float) -> Connection:
        while True:
            try:
                return connect(self.address)
            except StoreError:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(PAUSE_S)

    @contextlib.contextmanager
    def _worded(self, passes: type[Exception] | tuple[()] = ()) -> Iterator[None]:
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


def _keep_texts(cursor: Cursor, table: str, rows: dict[bytes, Row]) -> None:
    """Keep the texts that are not there: new ones, and those that a prune took out meanwhile."""
    query = f"SELECT id FROM {table} WHERE id = ANY(%s)".encode()
    missing = rows.keys() - {id for (id,) in cursor.execute(query, (list(rows),))}
    if missing:
        cursor.executemany(POSTGRES.insert[table].encode(), [rows[key] for key in sorted(missing)])
