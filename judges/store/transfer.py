"""Looks into verdict stores, and moves verdicts between them: stats, export, merge.

Keys are content-addressed: verdicts from any number of stores can lie in one without a conflict,
and where two stores hold different verdicts under one key, the one that was there first stays.
A store is a file, or the address of a server, which is merged into, but not from.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, StoreError
from .opened import OpenStore, copy_store, look_at, opened, scalar
from .protocol import text_id
from .statements import (
    EXPORT,
    SAID,
    SCHEMA_VERSION,
    TABLES,
    TOKENS,
    VerdictColumns,
    damaged,
    damaged_keys,
)

_STATS = (
    "SELECT j.digest, j.identity, count(v.key), coalesce(sum(v.met), 0), count(v.met), "
    "count(v.level), "
    "coalesce(sum(v.prompt_tokens), 0), coalesce(sum(v.completion_tokens), 0), "
    "min(v.created), max(v.created) FROM judges j "
    "LEFT JOIN verdicts v ON v.judge = j.digest GROUP BY j.digest, j.identity ORDER BY 3 DESC"
)


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


def stats(place: Path | str) -> dict[str, object]:
    """Count what a store holds, judge by judge, and check its file and every verdict's sum."""
    with opened(place) as store:
        judges = [_counts(*row) for row in store.execute(_STATS)]
        return {
            "path": store.place,
            "layout": SCHEMA_VERSION,
            "bytes": store.n_bytes(),
            **{
                table: scalar(store, f"SELECT count(*) FROM {table}")
                for table in ("verdicts", "failed_replies", "examples", "answers")
            },
            "damaged": len(damaged_keys(store.stream(SAID))),
            "file_check": store.file_check(),
            "judges": judges,
        }


def _counts(
    digest: bytes, identity: str, n: int, met: int, n_met_or_not: int, n_levels: int, *rest: Any
) -> dict[str, object]:
    prompt, completion, first, last = rest
    return {
        **json.loads(identity),
        "digest": digest.hex(),
        "verdicts": n,
        "met": int(met),
        "levels": n_levels,
        "not_applicable": n - n_met_or_not - n_levels,
        "prompt_tokens": int(prompt),
        "completion_tokens": int(completion),
        "first": first,
        "last": last,
    }


def export_lines(place: Path | str, judge: str | None = None) -> Iterator[str]:
    """Give a store's verdicts as JSON Lines, each readable by itself.

    The first line that mentions an example carries it whole, as `example`; so the lines can be
    imported again, and be studied without the data file.

    Raises:
        ConfigError: No judge fits.
        StoreError: A verdict is damaged.
    """
    with opened(place) as store:
        wanted = judges_fitting(store, judge)
        shown: set[bytes] = set()
        for row in store.stream(f"{EXPORT} ORDER BY v.{store.dialect.order}"):
            if row[1] in wanted:
                yield json.dumps(exported(row, store.place, shown), ensure_ascii=False)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve()
    except (RuntimeError, ValueError):  # links in a circle, no name of a file: neither can be read
        return False


def merge(place: Path | str, sources: Iterable[Path]) -> Moved:
    """Take the verdicts of store files into a store; each file in one transaction.

    Raises:
        ConfigError: A source is not there, or is the store itself.
        StoreError: A source is none of ours, or damaged.
    """
    total = Moved()
    sources = list(sources)
    for source in sources:  # looked at before the target is made
        if isinstance(place, Path) and _is_same(source, place):
            raise ConfigError(f"{source} cannot be merged into itself")
        look_at(source)
    with opened(place, makes=True) as target:
        for source in sources:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "source.sqlite"
                copy_store(source, copy)
                _refuse_damaged(copy, source)
                total = total.plus(take_in(target, copy))
    return total


def take_in(target: OpenStore, source: Path) -> Moved:
    """Take everything in a store file that is of this layout into an open store."""
    with opened(source) as file:
        n_all = scalar(file, "SELECT count(*) FROM verdicts")
    with target.taking(source) as take:
        n_new = {table: take(table) for table in TABLES}
    n_added = n_new["verdicts"]
    return Moved(n_added, n_all - n_added, n_new["failed_replies"])


def judges_fitting(store: OpenStore, wanted: str | None) -> set[bytes]:
    """Find judges by the beginning of their digest, their name or their model; None for all.

    Raises:
        ConfigError: None fits.
    """
    found: set[bytes] = set()
    known: list[str] = []
    for digest, text in store.execute("SELECT digest, identity FROM judges"):
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


def _refuse_damaged(copy: Path, source: Path) -> None:
    """See that each verdict of a copied store fits its checksum, before it is taken in.

    Raises:
        StoreError: One does not.
    """
    with opened(copy) as store:
        keys = damaged_keys(store.stream(SAID))
    if keys:
        more = f", and {len(keys) - 1} more are" if len(keys) > 1 else ""
        raise StoreError(f"verdict store {source}: {damaged(keys[0], source)}{more}")


def exported(row: tuple[Any, ...], path: Path | str, shown: set[bytes]) -> dict[str, Any]:
    """Make an export's line of a row of `EXPORT`; an example not in `shown` comes whole."""
    key, _, example_id, index, replicate, *words = row[:13]
    latency, attempts, created, crc, example_text, answer, identity = row[13:]
    said = VerdictColumns(*words)
    if crc != said.checksum(key):
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
        "outcome": said.outcome.value,
        "met": None if said.met is None else bool(said.met),
        **({} if said.level is None else _level(said)),
        "probability": said.probability,
        "explanation": said.explanation,
        **{name: getattr(said, name) for name in TOKENS},
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


def _level(said: VerdictColumns) -> dict[str, object]:
    """Give what an export says of a level and says of nothing else."""
    chances = said.level_probabilities
    return {
        "level": said.level,
        **({} if chances is None else {"level_probabilities": json.loads(chances)}),
    }
