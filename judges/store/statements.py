"""What a verdict store holds, in a file as on a server: its tables, statements, rows and checksums.

Verdicts are content-addressed: the key is a hash of the judge's identity, the exact request and the
replicate number. What a study needs beside the verdict (the example, the answer, the judge) lies in
tables of its own, each text once. Replies that gave no verdict were paid for and are kept, in a
table that no look-up reads.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..judge import JudgeIdentity
from ..verdict import Outcome, Source, Verdict
from .protocol import Record, Subject

Row: TypeAlias = tuple[Any, ...]
"""As a database gives it: what it holds is what `TABLES` says."""
SCHEMA_VERSION = 3
_MAX_KEYS = 500
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")
_ASKED = {"key": "bytes", "judge": "bytes", "example": "bytes", "criterion": "integer"}
_ASKED |= {"answer": "bytes", "replicate": "integer"}
_TOKENS = dict.fromkeys(TOKENS, "big")
TABLES: Mapping[str, Mapping[str, str]] = {
    "judges": {"digest": "bytes", "identity": "text"},
    "examples": {"id": "bytes", "prompt_id": "text", "row": "text"},
    "answers": {"id": "bytes", "text": "text"},
    "verdicts": {
        **_ASKED,
        "met": "flag",
        "probability": "real",
        "level": "integer",
        "level_probabilities": "text",
        "explanation": "text",
        **_TOKENS,
        "latency_s": "real",
        "attempts": "integer",
        "created": "real",
        "crc": "big",
    },
    "failed_replies": {
        **_ASKED,
        "outcome": "text",
        "explanation": "text",
        "reply": "text",
        **_TOKENS,
        "latency_s": "real",
        "created": "real",
    },
}
"""By table, its columns and their kinds. The first column is the key, which the first row keeps;
but a question can have any number of failed replies."""
SINCE_3 = ("level", "level_probabilities")
"""Columns of verdicts that a store of layout 2 has not; its `met` is never NULL."""
_REPEATED = "failed_replies"
_NULLABLE = {"met", "probability", *SINCE_3}
"""A verdict that is a level has no `met`; one that says "not applicable" has no level either."""

_WORDS = ("met", "probability", *SINCE_3, "explanation", *TOKENS)
"""What a verdict says, which its checksum binds to its key."""


def said_columns(layout: int = SCHEMA_VERSION) -> str:
    """Name what is read of a verdict: key, words, latency and checksum.

    Args:
        layout: Of the store; what it has no column for is NULL.
    """
    lacks = {*(SINCE_3 if layout < 3 else ()), *(("crc",) if layout < 2 else ())}
    names = ("key", *_WORDS, "latency_s", "crc")
    return ", ".join("NULL" if name in lacks else f"verdicts.{name}" for name in names)


SAID = f"SELECT {said_columns()} FROM verdicts"
"""What a verdict says, and its checksum."""
EXPORT = f"""
SELECT v.key, v.judge, v.example, v.criterion, v.replicate,
       {", ".join(f"v.{name}" for name in _WORDS)}, v.latency_s, v.attempts, v.created,
       v.crc, e.row, a.text, j.identity
FROM verdicts v
JOIN examples e ON e.id = v.example JOIN answers a ON a.id = v.answer
JOIN judges j ON j.digest = v.judge
"""


def columns_of(table: str) -> str:
    """Name the columns of a table as a statement does."""
    return ", ".join(TABLES[table])


class Dialect:
    """What SQLite and PostgreSQL say differently."""

    def __init__(
        self,
        mark: str,
        order: str,
        types: Mapping[str, str],
        storable: Callable[[str], str],
        numbered: str = "",
    ) -> None:
        """Set it down.

        Args:
            mark: Stands for a value.
            order: The column that tells which verdict was written first.
            types: By kind of column; those that are named alike are omitted.
            storable: Takes out of a text what the database cannot hold.
            numbered: Declares `order`, where the database does not by itself.
        """
        self.mark = mark
        self.order = order
        self.storable = storable
        self._types = types
        self._numbered = numbered
        self.insert = {
            table: f"INSERT INTO {table} ({columns_of(table)}) "
            f"VALUES ({self.marks(len(TABLES[table]))}){_stays(table)}"
            for table in TABLES
        }
        """By table, the statement that takes a row in; of two under one key the first stays."""

    def create(self, table: str) -> str:
        """Give the statement that makes a table."""
        key = None if table == _REPEATED else next(iter(TABLES[table]))
        columns = ", ".join(
            f"{name} {self.type_of(kind)}"
            + ("" if name in _NULLABLE else " NOT NULL")
            + (" PRIMARY KEY" if name == key else "")
            for name, kind in TABLES[table].items()
        )
        before = self._numbered if table == "verdicts" else ""
        return f"CREATE TABLE IF NOT EXISTS {table} ({before}{columns})"

    def type_of(self, kind: str) -> str:
        """Name the type of a column of some kind."""
        return self._types.get(kind, kind.upper())

    def marks(self, n: int) -> str:
        """Give a mark for each of n values."""
        return ", ".join([self.mark] * n)


def _stays(table: str) -> str:
    return "" if table == _REPEATED else " ON CONFLICT DO NOTHING"


def _clean(text: str) -> str:
    """Make a text storable: a lone surrogate, which no encoding holds, becomes "?"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


SQLITE = Dialect("?", "rowid", {"bytes": "BLOB", "big": "INTEGER", "flag": "INTEGER"}, _clean)
POSTGRES = Dialect(
    "%s",
    "seq",
    {"bytes": "BYTEA", "big": "BIGINT", "flag": "SMALLINT", "real": "DOUBLE PRECISION"},
    lambda text: _clean(text).replace("\0", "\N{REPLACEMENT CHARACTER}"),
    "seq BIGSERIAL, ",
)


def take(table: str, source: str, order: str) -> str:
    """Give the statement that takes in, in some order, what is new among the rows of `source`."""
    columns = columns_of(table)
    is_new = "true"
    if table == _REPEATED:
        is_new = (
            f"NOT EXISTS (SELECT 1 FROM {table} known "
            "WHERE known.key = taken.key AND known.created = taken.created)"
        )
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {source} AS taken "
        f"WHERE {is_new} ORDER BY {order}{_stays(table)}"
    )


@dataclass(frozen=True, slots=True)
class VerdictColumns:
    """What a stored verdict says: the columns of `SAID` between its key and its latency."""

    met: int | None
    """1 or 0; None for a level and for "not applicable"."""
    probability: float | None
    level: int | None
    level_probabilities: str | None
    """A JSON list."""
    explanation: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int

    @classmethod
    def of(cls, verdict: Verdict, storable: Callable[[str], str]) -> VerdictColumns:
        """Put the words of a judge's answer into columns, as a dialect can store them."""
        chances = verdict.level_probabilities
        return cls(
            None if verdict.met is None else int(verdict.met),
            verdict.probability,
            verdict.level,
            None if chances is None else json.dumps(list(chances)),
            storable(verdict.explanation),
            verdict.prompt_tokens,
            verdict.cached_tokens,
            verdict.completion_tokens,
        )

    @property
    def columns(self) -> Row:
        """The values, in their order."""
        return tuple(getattr(self, name) for name in _WORDS)

    @property
    def outcome(self) -> Outcome:
        """Which kind of answer it is."""
        if self.met is None:
            return Outcome.NOT_APPLICABLE if self.level is None else Outcome.LEVEL
        return Outcome.MET if self.met else Outcome.NOT_MET

    def checksum(self, key: bytes) -> int:
        """Bind what a verdict says to its key.

        A database notices a broken page, but not a flipped bit inside a value: this does. What is
        met or not met has the sum that every layout gave it.
        """
        tokens = (self.prompt_tokens, self.cached_tokens, self.completion_tokens)
        line = f"{self.met}|{self.probability!r}|{tokens}|{self.explanation}"
        if self.met is None or self.level is not None or self.level_probabilities is not None:
            line = f"{self.level!r}|{self.level_probabilities}|{line}"
        return zlib.crc32(line.encode("utf-8", "replace"), zlib.crc32(key))

    def verdict(self, latency_s: float) -> Verdict:
        """Give it as whoever asks gets it."""
        chances = self.level_probabilities
        return Verdict(
            self.outcome,
            self.probability,
            self.explanation,
            "",
            Source.STORE,
            0,
            self.prompt_tokens,
            self.cached_tokens,
            self.completion_tokens,
            latency_s,
            self.level,
            None if chances is None else tuple(json.loads(chances)),
        )


def mend_of(said: str, mends: Mapping[tuple[str, ...], str], otherwise: str) -> str:
    """Say how to mend a fault of a database, by words that its message holds."""
    return next((how for words, how in mends.items() if any(w in said for w in words)), otherwise)


def damaged(key: bytes, where: Path | str) -> str:
    """Name a stored verdict whose checksum does not fit, and say how to mend it."""
    return (
        f"the stored verdict {key.hex()[:16]} is damaged; `rubricbeat verdicts check --repair "
        f"{where}` moves it out, and the next run asks again"
    )


def damaged_keys(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    """List the verdicts whose checksum does not fit, among the rows of `SAID`."""
    return [
        key if isinstance(key, bytes) else str(key).encode()  # the kind of a value can be damaged
        for key, *words, _, crc in rows
        if not isinstance(key, bytes) or crc != VerdictColumns(*words).checksum(key)
    ]


def judge_row(identity: JudgeIdentity) -> tuple[bytes, str]:
    """Give a judge as a row."""
    return bytes.fromhex(identity.digest), json.dumps(identity.to_json(), sort_keys=True)


def rows_of(
    records: Iterable[Record], judge: bytes, now: float, storable: Callable[[str], str]
) -> tuple[list[Row], list[Row]]:
    """Give replies as rows: of the table of verdicts, and of that of failed replies."""
    good: list[Row] = []
    failed: list[Row] = []
    for record in records:
        verdict, subject = record.verdict, record.subject
        asked = (
            record.key,
            judge,
            subject.example_id,
            record.criterion,
            subject.answer_id,
            record.replicate,
        )
        said = VerdictColumns.of(verdict, storable)
        if verdict.is_missing:
            tokens = (said.prompt_tokens, said.cached_tokens, said.completion_tokens)
            words = (verdict.outcome.value, said.explanation, storable(verdict.reply), *tokens)
            failed.append((*asked, *words, verdict.latency_s, now))
            continue
        made = (verdict.latency_s, verdict.attempts, now, said.checksum(record.key))
        good.append((*asked, *said.columns, *made))
    return good, failed


def text_rows(
    subjects: Iterable[Subject], storable: Callable[[str], str]
) -> dict[str, dict[bytes, Row]]:
    """Give the texts of answers as rows by their ids: of the table of examples, and of answers."""
    rows: dict[str, dict[bytes, Row]] = {"examples": {}, "answers": {}}
    for one in subjects:
        rows["examples"][one.example_id] = (one.example_id, storable(one.prompt_id), one.row)
        rows["answers"][one.answer_id] = (one.answer_id, storable(one.answer))
    return rows


def look_up(
    execute: Callable[[str, Sequence[bytes]], Iterable[Row]],
    dialect: Dialect,
    keys: Sequence[bytes],
    where: Path | str,
) -> dict[bytes, Verdict]:
    """Find the verdicts among some keys.

    Args:
        execute: Runs a statement on a connection.
        dialect: That of its database.
        keys: Any number of them.
        where: The store, for messages.
    """
    found: dict[bytes, Verdict] = {}
    for some in parts_of(keys):
        statement = f"{SAID} WHERE key IN ({dialect.marks(len(some))})"
        for key, *rest in execute(statement, some):
            found[bytes(key)] = read_verdict((bytes(key), *rest), where)
    return found


def parts_of(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut keys into as many as one statement takes: SQLite allows 999 in its oldest builds."""
    for start in range(0, len(keys), _MAX_KEYS):
        yield keys[start : start + _MAX_KEYS]


def storable_row(table: str, row: Row) -> Row:
    """Give a row of a file as a server can hold it; a verdict's checksum fits what is held."""
    held: Row = tuple(POSTGRES.storable(v) if isinstance(v, str) else v for v in row)
    if table != "verdicts" or held == row:
        return held
    first = list(TABLES[table]).index(_WORDS[0])
    return (*held[:-1], VerdictColumns(*held[first : first + len(_WORDS)]).checksum(held[0]))


def read_verdict(row: Row, where: Path | str) -> Verdict:
    """Read a stored verdict; a damaged one is no verdict, with that reason, and never served.

    Args:
        row: In the order of the columns of `SAID`.
        where: The store, for messages.
    """
    key, *words, latency_s, crc = row
    said = VerdictColumns(*words)
    if crc != said.checksum(key):
        return Verdict(Outcome.SKIPPED, None, damaged(key, where), "", Source.STORE, 0)
    return said.verdict(latency_s)
