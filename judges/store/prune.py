"""Takes verdicts out of a store, and the texts that nobody needs any more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .opened import opened
from .transfer import judges_fitting

DAY_S = 86_400.0
_NOBODYS = (
    "NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.{column} = {key}) "
    "AND NOT EXISTS (SELECT 1 FROM failed_replies f WHERE f.{column} = {key})"
)
_ORPHANS = {
    "examples": _NOBODYS.format(key="examples.id", column="example"),
    "answers": _NOBODYS.format(key="answers.id", column="answer"),
    "judges": _NOBODYS.format(key="judges.digest", column="judge"),
}
"""By table, the texts that no verdict names: in SQL that SQLite and PostgreSQL read alike."""


def prune(
    place: Path | str,
    *,
    judge: str | None = None,
    older_than_days: float | None = None,
    dry_run: bool = False,
    now: float | None = None,
) -> dict[str, int]:
    """Take verdicts out that fit every condition named, and texts that nobody needs any more.

    While somebody grades into the store all texts stay: a verdict on its way may need them.

    Args:
        place: A store file, or the address of a server.
        judge: Digest (or how it begins), name or model of a judge.
        older_than_days: Verdicts from before so many days.
        dry_run: Only count.
        now: Seconds since 1970; the clock's where None.

    Raises:
        ConfigError: No condition is named, an age that is none, or no judge fits.
    """
    if judge is None and older_than_days is None:
        raise ConfigError("prune needs a condition: a judge or an age")
    if older_than_days is not None and not 0 <= older_than_days < float("inf"):
        raise ConfigError(f"older than {older_than_days:g} days: a number of days, from 0 up")
    gone: dict[str, int] = {}
    with opened(place, writes=not dry_run) as store:
        conditions, values = ["1 = 1"], list[Any]()
        if judge is not None:
            digests = sorted(judges_fitting(store, judge))
            conditions.append(f"judge IN ({store.dialect.marks(len(digests))})")
            values += digests
        if older_than_days is not None:
            conditions.append(f"created < {store.dialect.mark}")
            values.append((time.time() if now is None else now) - older_than_days * DAY_S)
        where = " AND ".join(conditions)
        with store.pruning(dry_run=dry_run):
            for table in ("verdicts", "failed_replies"):
                gone[table] = store.execute(f"DELETE FROM {table} WHERE {where}", values).rowcount
            in_use = store.is_claimed()
            for table, orphans in _ORPHANS.items():
                statement = f"DELETE FROM {table} WHERE {orphans}"
                gone[table] = 0 if in_use else store.execute(statement).rowcount
    return gone
