"""Rows of a verdict store on their way to another one: from a worker's disk to the store of a run.

Verdicts and texts are content-addressed: they may arrive twice, in any order, from any number of
places, and the first one under a key stays. Replies without a verdict are not: `without_known`
leaves out those that a store has.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .judge import JudgeIdentity
from .records import Record
from .store import clean, failed_row, verdict_row
from .store_schema import FAILED_COLUMNS, VERDICT_COLUMNS, store_error, undo

Row = tuple[Any, ...]
_MAX_KEYS = 500
"""Keys in one SELECT; SQLite allows 999 variables in its oldest builds."""
_KEY, _JUDGE, _EXAMPLE, _ANSWER = 0, 1, 2, 4
"""Places in a row of verdicts or of failed replies."""
_CREATED = -1
"""Place of its time in a failed reply."""
_INSERT = {
    "judges": "INSERT OR IGNORE INTO judges VALUES (?, ?)",
    "examples": "INSERT OR IGNORE INTO examples VALUES (?, ?, ?)",
    "answers": "INSERT OR IGNORE INTO answers VALUES (?, ?)",
    "verdicts": f"INSERT OR IGNORE INTO verdicts ({VERDICT_COLUMNS}) VALUES ({'?,' * 15}?)",
    "failed": f"INSERT INTO failed_replies ({FAILED_COLUMNS}) VALUES ({'?,' * 13}?)",
}


@dataclass(frozen=True, slots=True)
class StoreRows:
    """Rows of every table, as a store file holds them."""

    judges: tuple[Row, ...] = ()
    examples: tuple[Row, ...] = ()
    answers: tuple[Row, ...] = ()
    verdicts: tuple[Row, ...] = ()
    failed: tuple[Row, ...] = ()

    def __bool__(self) -> bool:
        """Say whether there is any verdict or reply among them."""
        return bool(self.verdicts or self.failed)

    @classmethod
    def of(cls, records: Sequence[Record], identity: JudgeIdentity, now: float) -> StoreRows:
        """Make rows of replies; texts that a record's subject has kept already are left out.

        Args:
            records: What came back.
            identity: The judge that said it.
            now: Seconds since 1970.
        """
        judge = bytes.fromhex(identity.digest)
        fresh = {id(r.subject): r.subject for r in records if not r.subject.is_kept}.values()
        return cls(
            ((judge, json.dumps(identity.to_json(), sort_keys=True)),),
            tuple((each.example_id, clean(each.prompt_id), each.row) for each in fresh),
            tuple((each.answer_id, clean(each.answer)) for each in fresh),
            tuple(verdict_row(r, judge, now) for r in records if r.verdict.met is not None),
            tuple(failed_row(r, judge, now) for r in records if r.verdict.met is None),
        )

    @classmethod
    def joined(cls, parts: Iterable[StoreRows]) -> StoreRows:
        """Put several together; texts each once."""
        parts = list(parts)
        return cls(
            tuple(dict.fromkeys(row for part in parts for row in part.judges)),
            tuple(dict.fromkeys(row for part in parts for row in part.examples)),
            tuple(dict.fromkeys(row for part in parts for row in part.answers)),
            tuple(row for part in parts for row in part.verdicts),
            tuple(row for part in parts for row in part.failed),
        )

    def without_known(self, replies: set[tuple[bytes, float]]) -> StoreRows:
        """Leave out failed replies that a store has, as `failed_replies` lists them."""
        fresh = tuple(row for row in self.failed if (row[_KEY], row[_CREATED]) not in replies)
        return replace(self, failed=fresh)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a store was read: the last row of each table that grows."""

    verdicts: int = 0
    failed: int = 0


def add_rows(db: sqlite3.Connection, rows: StoreRows, where: Path) -> int:
    """Take rows into a store, in one transaction.

    Returns:
        The verdicts that were new.

    Raises:
        StoreError: Nothing was taken.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            for table in ("judges", "examples", "answers"):
                db.executemany(_INSERT[table], getattr(rows, table))
            n_before = db.total_changes
            db.executemany(_INSERT["verdicts"], rows.verdicts)
            n_new = db.total_changes - n_before
            db.executemany(_INSERT["failed"], rows.failed)
            db.execute("COMMIT")
        except BaseException:
            undo(db)
            raise
    except sqlite3.Error as error:
        raise store_error(error, where) from error
    return n_new


def rows_after(db: sqlite3.Connection, mark: Mark, limit: int) -> tuple[StoreRows, Mark]:
    """Read what a store took in after a mark, with the texts it refers to.

    Args:
        db: The store.
        mark: Where to go on; `Mark()` is the beginning.
        limit: Most verdicts, and most failed replies.

    Returns:
        The rows, none at the end; and how far they reach.
    """
    verdicts, last_verdict = _page(db, "verdicts", VERDICT_COLUMNS, mark.verdicts, limit)
    failed, last_failed = _page(db, "failed_replies", FAILED_COLUMNS, mark.failed, limit)
    return _with_texts(db, verdicts, failed), Mark(last_verdict, last_failed)


def rows_under(db: sqlite3.Connection, keys: Sequence[bytes]) -> StoreRows:
    """Read the verdicts under some keys, with the texts they refer to."""
    return _with_texts(db, verdicts_under(db, keys), [])


def verdicts_under(db: sqlite3.Connection, keys: Sequence[bytes]) -> list[Row]:
    """Read the verdicts under some keys, without their texts."""
    return _among(db, f"SELECT {VERDICT_COLUMNS} FROM verdicts", "key", keys)


def failed_replies(db: sqlite3.Connection) -> set[tuple[bytes, float]]:
    """List the replies without a verdict: what they were to, and when."""
    return set(db.execute("SELECT key, created FROM failed_replies"))


def _page(
    db: sqlite3.Connection, table: str, columns: str, after: int, limit: int
) -> tuple[list[Row], int]:
    found = db.execute(
        f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?",
        (after, limit),
    ).fetchall()
    return [row[1:] for row in found], found[-1][0] if found else after


def _with_texts(db: sqlite3.Connection, verdicts: list[Row], failed: list[Row]) -> StoreRows:
    def texts(table: str, name: str, place: int) -> tuple[Row, ...]:
        named = list({row[place] for row in (*verdicts, *failed)})
        return tuple(_among(db, f"SELECT * FROM {table}", name, named))

    return StoreRows(
        texts("judges", "digest", _JUDGE),
        texts("examples", "id", _EXAMPLE),
        texts("answers", "id", _ANSWER),
        tuple(verdicts),
        tuple(failed),
    )


def _among(db: sqlite3.Connection, select: str, column: str, keys: Sequence[bytes]) -> list[Row]:
    found: list[Row] = []
    for start in range(0, len(keys), _MAX_KEYS):
        part = keys[start : start + _MAX_KEYS]
        marks = ",".join("?" * len(part))
        found += db.execute(f"{select} WHERE {column} IN ({marks})", part).fetchall()
    return found
