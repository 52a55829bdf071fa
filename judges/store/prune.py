"""Takes verdicts out of a store, and the texts that nobody needs any more."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .locks import is_claimed
from .transfer import existing_store, judges_fitting

DAY_S = 86_400.0
_NOBODYS = (
    "NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.{column} = {key}) "
    "AND NOT EXISTS (SELECT 1 FROM failed_replies f WHERE f.{column} = {key})"
)
ORPHANS = {
    "examples": _NOBODYS.format(key="examples.id", column="example"),
    "answers": _NOBODYS.format(key="answers.id", column="answer"),
    "judges": _NOBODYS.format(key="judges.digest", column="judge"),
}
"""By table, the texts that no verdict names: in SQL that SQLite and PostgreSQL read alike."""


def prune(
    path: Path,
    *,
    judge: str | None = None,
    older_than_days: float | None = None,
    dry_run: bool = False,
    now: float | None = None,
) -> dict[str, int]:
    """Take verdicts out that fit every condition named, and texts that nobody needs any more.

    While somebody grades into the store all texts stay: a verdict on its way may need them.

    Args:
        path: The store.
        judge: Digest (or how it begins), name or model of a judge.
        older_than_days: Verdicts from before so many days.
        dry_run: Only count.
        now: Seconds since 1970; the clock's where None.

    Raises:
        ConfigError: No condition is named, or no judge fits.
    """
    require_condition(judge, older_than_days)
    with existing_store(path, writes=True) as db:
        conditions, values = ["1"], list[Any]()
        if judge is not None:
            digests = sorted(judges_fitting(db, judge))
            conditions.append(f"judge IN ({', '.join('?' * len(digests))})")
            values += digests
        if older_than_days is not None:
            conditions.append("created < ?")
            values.append(created_before(older_than_days, now))
        where = " AND ".join(conditions)
        db.execute("BEGIN IMMEDIATE")
        gone = {name: _delete(db, name, where, values) for name in ("verdicts", "failed_replies")}
        in_use = is_claimed(path)
        for table, orphans in ORPHANS.items():
            gone[table] = 0 if in_use else _delete(db, table, orphans, [])
        db.execute("ROLLBACK" if dry_run else "COMMIT")
        if not dry_run:
            db.execute("VACUUM")
        return gone


def require_condition(judge: str | None, older_than_days: float | None) -> None:
    """Refuse to take out everything.

    Raises:
        ConfigError: No condition is named, or an age that is none.
    """
    if judge is None and older_than_days is None:
        raise ConfigError("prune needs a condition: a judge or an age")
    if older_than_days is not None and not 0 <= older_than_days < float("inf"):
        raise ConfigError(f"older than {older_than_days:g} days: a number of days, from 0 up")


def created_before(days: float, now: float | None = None) -> float:
    """Give the moment so many days ago, in seconds since 1970."""
    return (time.time() if now is None else now) - days * DAY_S


def _delete(db: sqlite3.Connection, table: str, where: str, values: list[Any]) -> int:
    return db.execute(f"DELETE FROM {table} WHERE {where}", values).rowcount
