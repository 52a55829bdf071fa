"""What a verdict store holds, in a file as on a server: its tables, statements, rows and checksums.

Verdicts are content-addressed: the key is a hash of the judge's identity, the exact request and the
replicate number. What a study needs beside the verdict (the example, the answer, the judge) lies in
tables of its own, each text once. Replies that gave no verdict were paid for and are kept, in a
table that no look-up reads.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..verdict import Outcome, Source, Verdict
from .protocol import Record

SCHEMA_VERSION = 2
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
_REPEATED = "failed_replies"
_NULLABLE = "probability"

SAID = (
    f"SELECT key, met, probability, explanation, {', '.join(TOKENS)}, latency_s, crc FROM verdicts"
)
"""What a verdict says, and its checksum."""
EXPORT = f"""
SELECT v.key, v.judge, v.example, v.criterion, v.replicate, v.met, v.probability, v.explanation,
       {", ".join(f"v.{name}" for name in TOKENS)}, v.latency_s, v.attempts, v.created,
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

    def __init__(self, mark: str, order: str, types: Mapping[str, str], numbered: str = "") -> None:
        """Set it down.

        Args:
            mark: Stands for a value.
            order: The column that tells which verdict was written first.
            types: By kind of column; those that are named alike are left out.
            numbered: Declares `order`, where the database does not by itself.
        """
        self.mark = mark
        self.order = order
        self._types = types
        self._numbered = numbered
        self.insert = {table: self._insert(table) for table in TABLES}
        """By table, the statement that takes a row in; of two under one key the first stays."""

    def create(self, table: str) -> str:
        """Give the statement that makes a table."""
        key = None if table == _REPEATED else next(iter(TABLES[table]))
        columns = ", ".join(
            f"{name} {self._types.get(kind, kind.upper())}"
            + ("" if name == _NULLABLE else " NOT NULL")
            + (" PRIMARY KEY" if name == key else "")
            for name, kind in TABLES[table].items()
        )
        before = self._numbered if table == "verdicts" else ""
        return f"CREATE TABLE IF NOT EXISTS {table} ({before}{columns})"

    def marks(self, n: int) -> str:
        """Give a mark for each of n values."""
        return ", ".join([self.mark] * n)

    def _insert(self, table: str) -> str:
        marks = self.marks(len(TABLES[table]))
        return f"INSERT INTO {table} ({columns_of(table)}) VALUES ({marks}){_stays(table)}"


def _stays(table: str) -> str:
    return "" if table == _REPEATED else " ON CONFLICT DO NOTHING"


SQLITE = Dialect("?", "rowid", {"bytes": "BLOB", "big": "INTEGER", "flag": "INTEGER"})
POSTGRES = Dialect(
    "%s",
    "seq",
    {"bytes": "BYTEA", "big": "BIGINT", "flag": "SMALLINT", "real": "DOUBLE PRECISION"},
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


def checksum(
    key: bytes,
    met: int,
    probability: float | None,
    explanation: str,
    tokens: tuple[int, int, int],
) -> int:
    """Bind what a verdict says to its key.

    A database notices a broken page, but not a flipped bit inside a value: this does.
    """
    line = f"{met}|{probability!r}|{tokens}|{explanation}"
    return zlib.crc32(line.encode("utf-8", "replace"), zlib.crc32(key))


def damaged(key: bytes, where: Path | str) -> str:
    """Name a stored verdict whose checksum does not fit, and say how to mend it."""
    return (
        f"the stored verdict {key.hex()[:16]} is damaged; `rubricbeat verdicts check --repair "
        f"{where}` sets it aside, and the next run asks again"
    )


def damaged_keys(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    """List the verdicts whose checksum does not fit, among the rows of `SAID`."""
    return [
        key if isinstance(key, bytes) else str(key).encode()  # the kind of a value can be damaged
        for key, met, chance, words, *tokens, _, crc in rows
        if not isinstance(key, bytes) or crc != checksum(key, met, chance, words, tuple(tokens))
    ]


def rows_of(
    records: Iterable[Record], judge: bytes, now: float
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Give replies as rows: of the table of verdicts, and of that of failed replies."""
    good, failed = [], []
    for record in records:
        verdict, subject = record.verdict, record.subject
        explanation = clean(verdict.explanation)
        tokens = (verdict.prompt_tokens, verdict.cached_tokens, verdict.completion_tokens)
        asked = (
            record.key,
            judge,
            subject.example_id,
            record.criterion,
            subject.answer_id,
            record.replicate,
        )
        if verdict.met is None:
            said = (verdict.outcome.value, explanation, clean(verdict.reply), *tokens)
            failed.append((*asked, *said, verdict.latency_s, now))
            continue
        met, chance = int(verdict.outcome is Outcome.MET), verdict.probability
        crc = checksum(record.key, met, chance, explanation, tokens)
        made = (verdict.latency_s, verdict.attempts, now, crc)
        good.append((*asked, met, chance, explanation, *tokens, *made))
    return good, failed


def read_verdict(row: tuple[Any, ...], where: Path | str, *, is_checked: bool = True) -> Verdict:
    """Read a stored verdict; a damaged one is no verdict, with that reason, and never served.

    Args:
        row: In the order of the columns of `SAID`.
        where: The store, for messages.
        is_checked: Whether the store has checksums; those of the first layout have none.
    """
    key, met, probability, explanation, prompt, cached, completion, latency, crc = row
    tokens = (prompt, cached, completion)
    if is_checked and crc != checksum(key, met, probability, explanation, tokens):
        return Verdict(Outcome.SKIPPED, None, damaged(key, where), "", Source.STORE, 0)
    return Verdict(
        Outcome.MET if met else Outcome.NOT_MET,
        probability,
        explanation,
        "",
        Source.STORE,
        0,
        prompt,
        cached,
        completion,
        latency,
    )


def clean(text: str) -> str:
    """Make a text storable: a lone surrogate, which no encoding holds, becomes "?"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
