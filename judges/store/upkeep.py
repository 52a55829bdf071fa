"""Checks the verdicts of a store one by one, and takes out what is damaged or not wanted.

A damaged verdict is never used and never overwritten in silence: its question gets no verdict, for
that reason. Only `repair` takes it out, into a file beside the store; then the next run asks again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..files import write_file
from .opened import opened, scalar
from .statements import SAID, TABLES, Row, columns_of, damaged_keys
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


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What a check of a store found."""

    n_verdicts: int
    damaged: tuple[bytes, ...]
    """Keys of the verdicts whose checksum does not fit."""
    file_check: str
    """What SQLite says of the file; "ok" where nothing is wrong with it."""
    aside: Path | None = None
    """Where the damaged verdicts were written before they were taken out; None where none was."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged, or nothing is any more."""
        return self.file_check == "ok" and (not self.damaged or self.aside is not None)


def check_store(place: Path | str, *, repair: bool = False) -> StoreCheck:
    """Compare every verdict with its checksum.

    Args:
        place: A store file, or the address of a server.
        repair: Write the damaged verdicts to a new file (beside the store; for a server in the
            working folder) and take them out.

    Raises:
        ConfigError: There is no store.
        StoreError: It cannot be read.
        OSError: The damaged verdicts cannot be written; the store is as it was.
    """
    with opened(place, writes=repair) as store:
        file_check = store.file_check()
        n_verdicts = int(scalar(store, "SELECT count(*) FROM verdicts"))
        keys = tuple(damaged_keys(store.stream(SAID)))
        if not keys or not repair:
            return StoreCheck(n_verdicts, keys, file_check)
        fits = f"FROM verdicts WHERE key = {store.dialect.mark}"
        query = f"SELECT {columns_of('verdicts')} {fits}"
        rows = (row for key in keys for row in store.execute(query, (key,)))
        aside = _write_new(place if isinstance(place, Path) else Path("server"), rows)
        for key in keys:
            store.execute(f"DELETE {fits}", (key,))
        return StoreCheck(n_verdicts, keys, file_check, aside)


def _write_new(beside: Path, rows: Iterable[Row]) -> Path:
    """Write rows as JSON Lines under the first free name."""
    lines = [
        json.dumps(dict(zip(TABLES["verdicts"], map(_plain, row), strict=True))) for row in rows
    ]
    content = "".join(f"{line}\n" for line in lines)
    number = 1
    while True:
        path = beside.with_name(f"{beside.name}.damaged-{number}.jsonl")
        try:
            write_file(path, content, replaces=False)
        except FileExistsError:
            number += 1
        else:
            return path


def _plain(value: object) -> object:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


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
        conditions, values = ["1 = 1"], list[object]()
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
