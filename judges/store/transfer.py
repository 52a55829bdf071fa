"""Looks into verdict stores, and moves verdicts between them: stats, export, merge.

Keys are content-addressed: verdicts from any number of stores can lie in one without a conflict,
and where two stores hold different verdicts under one key, the one that was there first stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, StoreError
from .protocol import text_id
from .schema import (
    FAILED_COLUMNS,
    SCHEMA_VERSION,
    VERDICT_COLUMNS,
    checksum,
    damaged,
    layout_of,
    open_store_file,
    read_only,
    store_error,
    undo,
)

EXPORT = """
SELECT v.key, v.judge, v.example, v.criterion, v.replicate, v.met, v.probability, v.explanation,
       v.prompt_tokens, v.cached_tokens, v.completion_tokens, v.latency_s, v.attempts, v.created,
       v.crc, e.row, a.text, j.identity
FROM verdicts v
JOIN examples e ON e.id = v.example JOIN answers a ON a.id = v.answer
JOIN judges j ON j.digest = v.judge
"""
SUMS = (
    "SELECT key, met, probability, explanation, prompt_tokens, cached_tokens, completion_tokens, "
    "crc FROM verdicts"
)
"""What a checksum is made of, and the checksum."""
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of an import or a merge."""

    n_added: int = 0
    n_known: int = 0
    """Already there under the same key."""
    n_failed: int = 0
    """Replies without a verdict that were added."""

    def plus(self, other: Moved) -> Moved:
        """Add what came of another one."""
        return Moved(
            self.n_added + other.n_added,
            self.n_known + other.n_known,
            self.n_failed + other.n_failed,
        )


@contextlib.contextmanager
def existing_store(path: Path, *, writes: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a store that must be there, and word the faults of SQLite.

    Args:
        path: The file.
        writes: Whether it will be changed. Else a store on a read-only file system is read from a
            copy, which is also brought to the present layout.

    Raises:
        ConfigError: It is not there.
        StoreError: It cannot be read.
    """
    if not path.is_file():
        raise ConfigError(f"there is no verdict store at {path}")
    with contextlib.ExitStack() as stack:
        place = path
        if not writes and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            place = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "copy.sqlite"
            copy_store(path, place)
        connection = open_store_file(place)
        stack.callback(connection.close)
        try:
            yield connection
        except sqlite3.Error as error:
            raise store_error(error, path) from error


def stats(path: Path) -> dict[str, Any]:
    """Count what a store holds, judge by judge, and check its file."""
    with existing_store(path) as db:
        judges = [
            {
                **json.loads(identity),
                "digest": digest.hex(),
                "verdicts": n,
                "met": met,
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "first": first,
                "last": last,
            }
            for digest, identity, n, met, prompt, completion, first, last in db.execute(
                "SELECT j.digest, j.identity, count(v.key), coalesce(sum(v.met), 0), "
                "coalesce(sum(v.prompt_tokens), 0), coalesce(sum(v.completion_tokens), 0), "
                "min(v.created), max(v.created) FROM judges j "
                "LEFT JOIN verdicts v ON v.judge = j.digest GROUP BY j.digest ORDER BY 3 DESC"
            )
        ]
        counts = {
            name: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for name, table in (
                ("verdicts", "verdicts"),
                ("failed_replies", "failed_replies"),
                ("examples", "examples"),
                ("answers", "answers"),
            )
        }
        return {
            "path": str(path),
            "layout": SCHEMA_VERSION,
            "bytes": path.stat().st_size,
            **counts,
            "damaged": len(damaged_keys(db.execute(SUMS))),
            "file_check": db.execute("PRAGMA quick_check").fetchone()[0],
            "judges": judges,
        }


def export_lines(path: Path, judge: str | None = None) -> Iterator[str]:
    """Give a store's verdicts as JSON Lines, each readable by itself.

    The first line that mentions an example carries it whole, as `example`; so the lines can be
    imported again, and be studied without the data file.

    Raises:
        StoreError: A verdict is damaged.
    """
    with existing_store(path) as db:
        wanted = judges_fitting(db, judge)
        shown: set[bytes] = set()
        for row in db.execute(f"{EXPORT} ORDER BY v.rowid"):
            if row[1] in wanted:
                yield json.dumps(exported(row, path, shown), ensure_ascii=False)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve()
    except (RuntimeError, ValueError):  # links in a circle, no name of a file: neither can be read
        return False


def merge(path: Path, sources: Iterable[Path]) -> Moved:
    """Take the verdicts of other stores into one; the others stay as they are."""
    total = Moved()
    sources = list(sources)
    for source in sources:  # looked at before the target is made
        if _is_same(source, path):
            raise ConfigError(f"{source} cannot be merged into itself")
        _look_at(source)
    target = open_store_file(path)
    try:
        for source in sources:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "source.sqlite"
                copy_store(source, copy)
                refuse_damaged(copy, source)
                moved = merge_file(target, copy)
            total = total.plus(moved)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    finally:
        target.close()
    return total


def judges_fitting(db: Any, wanted: str | None) -> set[bytes]:
    """Find judges by the beginning of their digest, their name or their model.

    Args:
        db: A connection to a store, of SQLite or PostgreSQL.
        wanted: None for all.

    Raises:
        ConfigError: None fits.
    """
    found: set[bytes] = set()
    known: list[str] = []
    for digest, text in db.execute("SELECT digest, identity FROM judges"):
        identity = json.loads(text)
        known.append(f"{identity['name']} {identity['model']} {digest.hex()[:12]}".strip())
        fits = wanted in {identity["name"], identity["model"]} or (
            wanted is not None and len(wanted) >= 4 and digest.hex().startswith(wanted)
        )
        if wanted is None or fits:
            found.add(digest)
    if wanted is not None and not found:
        raise ConfigError(f"no judge {wanted!r} in this store; it holds: {'; '.join(known)}")
    return found


def refuse_damaged(copy: Path, source: Path) -> None:
    """See that each verdict of a store that is to be taken in fits its checksum.

    Args:
        copy: The store, up to date.
        source: Where it was copied from, for the message.

    Raises:
        StoreError: One does not.
    """
    with existing_store(copy) as db:
        keys = damaged_keys(db.execute(SUMS))
    if keys:
        more = f", and {len(keys) - 1} more are" if len(keys) > 1 else ""
        raise StoreError(f"verdict store {source}: {damaged(keys[0], source)}{more}")


def damaged_keys(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    """List the verdicts whose checksum does not fit, among the rows of `SUMS`."""
    return [
        key if isinstance(key, bytes) else str(key).encode()  # the kind of a value can be damaged
        for key, met, chance, words, *tokens, crc in rows
        if not isinstance(key, bytes) or crc != checksum(key, met, chance, words, tuple(tokens))
    ]


def exported(row: tuple[Any, ...], path: Path | str, shown: set[bytes]) -> dict[str, Any]:
    """Make an export's line of a row of `EXPORT`; an example not in `shown` comes whole."""
    (key, _, example_id, index, replicate, met, chance, words, *tokens) = row[:11]
    latency, attempts, created, crc, example_text, answer, identity = row[11:]
    if crc != checksum(key, met, chance, words, tuple(tokens)):
        raise StoreError(f"verdict store {path}: {damaged(key, path)}")
    try:
        if example_id not in shown and text_id(example_text) != bytes(example_id):
            raise ValueError("it was changed")
        example = json.loads(example_text)
        criterion = example["rubrics"][index]
        points, wording = criterion["points"], criterion["criterion"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise StoreError(
            f"verdict store {path}: the example of the verdict {key.hex()[:16]} is damaged "
            f"({error}); merge the store with another one that holds it"
        ) from error
    line = {
        "key": key.hex(),
        "judge": json.loads(identity),
        "prompt_id": example["prompt_id"],
        "criterion_index": index,
        "criterion": wording,
        "points": points,
        "answer": answer,
        "replicate": replicate,
        "outcome": "met" if met else "not_met",
        "met": bool(met),
        "probability": chance,
        "explanation": words,
        **dict(zip(TOKENS, tokens, strict=True)),
        "latency_s": latency,
        "attempts": attempts,
        "created": created,
        "example_id": example_id.hex(),
        "crc": crc,
    }
    if example_id not in shown:
        shown.add(example_id)
        line["example"] = example
    return line


def copy_store(source: Path, copy: Path) -> None:
    """Copy a store as it is at this moment, so that bringing it up to date changes only the copy.

    Raises:
        ConfigError: It is not there.
        StoreError: It is none of ours.
    """
    _look_at(source)
    try:
        with (
            read_only(source) as old,
            contextlib.closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise store_error(error, source) from error
    open_store_file(copy).close()


def _look_at(source: Path) -> None:
    """See that a store is there and of a layout we know, and name it by its own path if not."""
    if not source.is_file():
        raise ConfigError(f"there is no verdict store at {source}")
    try:
        with read_only(source) as connection:
            layout_of(connection, source)
    except sqlite3.Error as error:
        raise store_error(error, source) from error


def merge_file(target: sqlite3.Connection, source: Path) -> Moved:
    """Take everything in a store file that is of this layout into an open one."""
    target.execute("ATTACH DATABASE ? AS other", (str(source),))
    try:
        target.execute("BEGIN IMMEDIATE")
        n_all = target.execute("SELECT count(*) FROM other.verdicts").fetchone()[0]
        n_before = target.total_changes
        target.execute(
            f"INSERT OR IGNORE INTO verdicts ({VERDICT_COLUMNS}) "
            f"SELECT {VERDICT_COLUMNS} FROM other.verdicts ORDER BY rowid"
        )
        n_added = target.total_changes - n_before
        for table in ("judges", "examples", "answers"):
            target.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM other.{table}")
        n_before = target.total_changes
        target.execute(
            f"INSERT INTO failed_replies ({FAILED_COLUMNS}) "
            f"SELECT {FAILED_COLUMNS} FROM other.failed_replies f WHERE NOT EXISTS "
            "(SELECT 1 FROM failed_replies m WHERE m.key = f.key AND m.created = f.created)"
        )
        n_failed = target.total_changes - n_before
        target.execute("COMMIT")
    except BaseException:
        undo(target)
        raise
    finally:
        target.execute("DETACH DATABASE other")
    return Moved(n_added, n_all - n_added, n_failed)
