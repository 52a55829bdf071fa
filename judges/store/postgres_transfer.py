"""Counts, moves and prunes verdicts of the store in PostgreSQL, as `store_*.py` do of the file."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .importing import examples_needed, lines_as_store, refuse_orphans
from .postgres_connection import checked_address, connect, shown
from .postgres_connection import worded as worded_error
from .prune import ORPHANS, created_before, require_condition
from .schema import FAILED_COLUMNS, SCHEMA_VERSION, VERDICT_COLUMNS, store_error
from .transfer import (
    EXPORT,
    SUMS,
    Moved,
    copy_store,
    damaged_keys,
    exported,
    judges_fitting,
    refuse_damaged,
)

if TYPE_CHECKING:
    from psycopg import Connection

_BATCH = 5_000
"""Rows moved at a time: memory does not grow with the store."""
_TEXTS = {"judges": "digest, identity", "examples": "id, prompt_id, row", "answers": "id, text"}
_TABLES = (*_TEXTS, "verdicts", "failed_replies")
_N_CLAIMS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)
_STATS = (
    "SELECT j.digest, j.identity, count(v.key), coalesce(sum(v.met), 0), "
    "coalesce(sum(v.prompt_tokens), 0), coalesce(sum(v.completion_tokens), 0), "
    "min(v.created), max(v.created) FROM judges j "
    "LEFT JOIN verdicts v ON v.judge = j.digest GROUP BY j.digest, j.identity ORDER BY 3 DESC"
)


def stats(address: str) -> dict[str, Any]:
    """Count what a store holds, judge by judge, and check every verdict's sum."""
    with opened_server(address) as db:
        judges = [
            {
                **json.loads(identity),
                "digest": digest.hex(),
                "verdicts": n,
                "met": int(met),
                "prompt_tokens": int(prompt),
                "completion_tokens": int(completion),
                "first": first,
                "last": last,
            }
            for digest, identity, n, met, prompt, completion, first, last in db.execute(_STATS)
        ]
        counts = {
            name: _one(db, f"SELECT count(*) FROM {name}")
            for name in ("verdicts", "failed_replies", "examples", "answers")
        }
        return {
            "path": shown(address),
            "layout": SCHEMA_VERSION,
            "bytes": int(
                _one(
                    db,
                    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
                    "WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace",
                )
            ),
            **counts,
            "damaged": len(damaged_keys(server_rows(db, SUMS))),
            "file_check": "ok",
            "judges": judges,
        }


def export_lines(address: str, judge: str | None = None) -> Iterator[str]:
    """Give a store's verdicts as JSON Lines, as `store_transfer.export_lines` does for a file.

    Raises:
        ConfigError: No judge fits.
        StoreError: A verdict is damaged.
    """
    with opened_server(address) as db:
        wanted = judges_fitting(db, judge)
        seen: set[bytes] = set()
        for row in server_rows(db, f"{EXPORT} ORDER BY v.seq"):
            if row[1] in wanted:
                line = exported(tuple(row), shown(address), seen)
                yield json.dumps(line, ensure_ascii=False)


def rows_by_judge(
    address: str, judge: str | None
) -> Iterator[tuple[bytes, Iterator[Sequence[Any]]]]:
    """Give the rows of `EXPORT`, judge by judge; judges without a verdict are left out."""
    with opened_server(address) as db:
        for digest in sorted(judges_fitting(db, judge)):
            query = f"{EXPORT} WHERE v.judge = '\\x{digest.hex()}' ORDER BY v.seq"
            rows = server_rows(db, query)
            first = next(rows, None)
            if first is not None:
                yield digest, chain([first], rows)


def merge(address: str, sources: Iterable[Path]) -> Moved:
    """Take the verdicts of store files into one on a server; each file in one transaction."""
    total = Moved()
    with opened_server(address) as db:
        for source in sources:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "source.sqlite"
                copy_store(source, copy)
                refuse_damaged(copy, source)
                try:
                    with contextlib.closing(sqlite3.connect(copy)) as file:
                        moved = _merge_one(db, file)
                except sqlite3.Error as error:
                    raise store_error(error, source) from error
            total = total.plus(moved)
    return total


def import_lines(address: str, lines: Iterable[str], *, where: str) -> Moved:
    """Take exported verdicts into a server, all of them or none.

    Raises:
        DataError: A line is no exported verdict; nothing was taken in.
    """
    with opened_server(address) as db, lines_as_store(lines, where=where) as (file, n_lines):
        if needed := examples_needed(file):
            query = "SELECT id FROM examples WHERE id = ANY(%s)"
            known = [bytes(id) for (id,) in db.execute(query, (list(needed),))]
            refuse_orphans(needed, known, where)
        with contextlib.closing(sqlite3.connect(file)) as source:
            moved = _merge_one(db, source)
    return Moved(moved.n_added, n_lines - moved.n_added)


def prune(
    address: str,
    *,
    judge: str | None = None,
    older_than_days: float | None = None,
    dry_run: bool = False,
    now: float | None = None,
) -> dict[str, int]:
    """Take verdicts out, as `store_prune.prune` does of a file; those who write wait meanwhile.

    Raises:
        ConfigError: No condition is named, or no judge fits.
    """
    import psycopg

    require_condition(judge, older_than_days)
    gone: dict[str, int] = {}
    with opened_server(address) as db:
        conditions, values = ["true"], list[Any]()
        if judge is not None:
            conditions.append("judge = ANY(%s)")
            values.append(sorted(judges_fitting(db, judge)))
        if older_than_days is not None:
            conditions.append("created < %s")
            values.append(created_before(older_than_days, now))
        where = " AND ".join(conditions)
        with db.transaction():
            db.execute(f"LOCK TABLE {', '.join(_TABLES)} IN SHARE ROW EXCLUSIVE MODE".encode())
            for table in ("verdicts", "failed_replies"):
                gone[table] = _delete(db, table, where, values)
            in_use = bool(_one(db, _N_CLAIMS))
            for table, orphans in ORPHANS.items():
                gone[table] = 0 if in_use else _delete(db, table, orphans, [])
            if dry_run:
                raise psycopg.Rollback
    return gone


def is_claimed(address: str) -> bool:
    """Say whether anybody is asking for verdicts that go into this database."""
    with opened_server(address) as db:
        return bool(_one(db, _N_CLAIMS))


def _delete(db: Connection[Any], table: str, where: str, values: Sequence[Any]) -> int:
    return db.execute(f"DELETE FROM {table} WHERE {where}".encode(), values).rowcount


def _merge_one(db: Connection[Any], file: sqlite3.Connection) -> Moved:
    with db.transaction():
        for table, columns in _TEXTS.items():
            _take(db, file, table, columns, "ON CONFLICT DO NOTHING")
        n_all = file.execute("SELECT count(*) FROM verdicts").fetchone()[0]
        n_added = _take(db, file, "verdicts", VERDICT_COLUMNS, "ON CONFLICT (key) DO NOTHING")
        n_failed = _take(
            db,
            file,
            "failed_replies",
            FAILED_COLUMNS,
            "",
            "WHERE NOT EXISTS (SELECT 1 FROM failed_replies m "
            "WHERE m.key = taken.key AND m.created = taken.created)",
        )
    return Moved(n_added, n_all - n_added, n_failed)


def _take(
    db: Connection[Any],
    file: sqlite3.Connection,
    table: str,
    columns: str,
    conflict: str,
    where: str = "",
) -> int:
    """Copy a table's rows in, in the order of their key: two merges then cannot deadlock."""
    key = columns.split(",", 1)[0]
    rows = file.execute(f"SELECT {columns} FROM {table} ORDER BY {key}")
    n_added = 0
    like = f"SELECT {columns} FROM {table} WITH NO DATA"
    db.execute(f"CREATE TEMP TABLE taken ON COMMIT DROP AS {like}".encode())
    while batch := list(islice(rows, _BATCH)):
        with db.cursor() as cursor:
            with cursor.copy(f"COPY taken ({columns}) FROM STDIN".encode()) as copy:
                for row in batch:
                    copy.write_row([_storable(value) for value in row])
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {columns} FROM taken {where} "
                f"ORDER BY {key} {conflict}".encode()
            )
            n_added += cursor.rowcount
            cursor.execute("TRUNCATE taken")
    db.execute("DROP TABLE taken")
    return n_added


def _storable(value: Any) -> Any:
    """PostgreSQL holds no zero character in a text."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def server_rows(db: Connection[Any], query: str) -> Iterator[Sequence[Any]]:
    """Stream a query's rows: the server keeps what was not read yet."""
    with db.transaction(), db.cursor(name="rubricbeat_rows") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(query.encode())
        yield from cursor


def _one(db: Connection[Any], query: str) -> Any:
    row = db.execute(query.encode()).fetchone()
    return row[0] if row else None


@contextlib.contextmanager
def opened_server(address: str) -> Iterator[Connection[Any]]:
    """Connect to a server for a block, and word its faults."""
    import psycopg

    db = connect(checked_address(address), makes_tables=True)
    try:
        yield db
    except psycopg.Error as error:
        raise worded_error(error, address) from error
    finally:
        db.close()
