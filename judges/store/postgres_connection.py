"""Opens connections to a verdict store in PostgreSQL, and words what goes wrong with them.

Tables and meaning are those of the SQLite store (`table.py`), in a schema of their own.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from ..errors import ConfigError, StoreError
from ..options.secrets import without_credentials
from .statements import POSTGRES, SCHEMA_VERSION, SINCE_3, TABLES, mend_of

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = "rubricbeat"
CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 60
"""How long others may hold the table of verdicts before it is brought to this version's layout."""
_LOCK = 0x72626561
"""Of the advisory lock under which the tables are made."""
_HOST = re.compile(r"(\[[\da-fA-F:.%]*\]|[^:@\[\]\s]*)(:\d*)?")
MISSING = (
    "a store at postgresql:// needs psycopg, which is not installed: "
    "pip install 'rubricbeat[postgres]'"
)


def checked_address(address: str) -> str:
    """Refuse an address that cannot be used, or that says a secret.

    Raises:
        ConfigError: psycopg is missing, or there is a password in the address.
    """
    if find_spec("psycopg") is None:
        raise ConfigError(MISSING)
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise ConfigError(f"store={shown(address)}: no address of a server ({error})") from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ConfigError(
            f"store={shown(address)}: no address of a server; give one like "
            "postgresql://USER@HOST:PORT/DATABASE, its password in PGPASSWORD or ~/.pgpass"
        )
    if parts.password is not None or "password" in dict(parse_qsl(parts.query)):
        raise ConfigError(
            f"store={shown(address)}: no password in an address; put it into PGPASSWORD or "
            "~/.pgpass"
        )
    return address


def shown(address: str) -> str:
    """Give an address without what a message must not say."""
    scheme, _, rest = address.partition("://")
    host, slash, path = re.split("[?#]", rest.rpartition("@")[2])[0].partition("/")
    # without an @ a name and its password stand where host and port should
    return f"{scheme}://{host if _HOST.fullmatch(host) else '...'}{slash}{path}"


def connect(address: str, *, makes_tables: bool = False) -> Connection:
    """Open a connection that sees the store's tables by their plain names.

    Raises:
        StoreError: The server cannot be reached or refuses; a newer rubricbeat made the tables.
    """
    import psycopg

    try:
        # autocommit: a transaction is only where we say so, and a reader holds nothing
        db = psycopg.connect(address, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
    except psycopg.Error as error:
        raise worded(error, address) from error
    try:
        db.execute(f"SET search_path TO {SCHEMA}")
        if makes_tables:
            _make_tables(db, address)
    except psycopg.Error as error:
        db.close()
        raise worded(error, address) from error
    except BaseException:
        db.close()
        raise
    return db


def _make_tables(db: Connection, address: str) -> None:
    found = db.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.layout",)).fetchone()
    if found is None or found[0] is None:
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            db.execute("CREATE TABLE IF NOT EXISTS layout (version INTEGER PRIMARY KEY)")
            for table in TABLES:
                db.execute(POSTGRES.create(table).encode())
            db.execute("INSERT INTO layout VALUES (%s) ON CONFLICT DO NOTHING", (SCHEMA_VERSION,))
    version = _layout_of(db)
    if version is not None and version < SCHEMA_VERSION:
        _bring_up_to_date(db)
    if version is not None and version > SCHEMA_VERSION:
        raise StoreError(
            f"verdict store {shown(address)} has layout {version}, this rubricbeat knows up to "
            f"{SCHEMA_VERSION}; upgrade rubricbeat, or name another database with store=ADDRESS"
        )


def _layout_of(db: Connection) -> int | None:
    row = db.execute("SELECT max(version) FROM layout").fetchone()
    return row[0] if row else None


def _bring_up_to_date(db: Connection) -> None:
    """Let verdicts be levels, or "not applicable"; no row is touched."""
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # looked at again under the lock: another process may have been faster
        if _layout_of(db) == 2:
            db.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
            db.execute("ALTER TABLE verdicts ALTER COLUMN met DROP NOT NULL")
            for name in SINCE_3:
                kind = POSTGRES.type_of(TABLES["verdicts"][name])
                db.execute(f"ALTER TABLE verdicts ADD COLUMN {name} {kind}".encode())
            db.execute("INSERT INTO layout VALUES (%s)", (SCHEMA_VERSION,))


_MENDS = {
    ("No space left", "disk full"): (
        "its disk is full; what was committed is kept: make room and run again"
    ),
    ("authentication", "no password supplied"): "put the password into PGPASSWORD or ~/.pgpass",
    ("must be owner",): (
        f"its tables must be upgraded to layout {SCHEMA_VERSION} once, by the user who made "
        "them: `rubricbeat verdicts stats ADDRESS`"
    ),
    ("lock timeout",): "its tables are in use; nothing was changed: try again later",
    ("read-only", "permission denied"): f"this user needs the right to write the schema {SCHEMA!r}",
}


def worded(error: Exception, address: str) -> StoreError:
    """Word a fault of the server so that its reader knows what to do, without its secrets."""
    said = without_credentials(" ".join(str(error).split()))
    kept = "what was committed is kept; is the server up, is the address right?"
    return StoreError(f"verdict store {shown(address)}: {said}; {mend_of(said, _MENDS, kept)}")
