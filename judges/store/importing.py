"""Takes exported verdicts into a store: checked line by line, and all of them or none.

The lines become a store file of their own first, on disk, which is then merged as any other: so an
export of any size goes into a file or a server in memory that does not grow.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..data.examples import example_from_row
from ..errors import DataError, RubricbeatError
from ..judge import JudgeIdentity
from ..rubric import Criterion
from ..shares import suited
from ..verdict import Verdict
from .opened import known_ids, opened
from .protocol import text_id
from .sqlite_file import open_store_file, store_error
from .statements import SINCE_3, SQLITE, TOKENS, Row, VerdictColumns, judge_row
from .transfer import Moved, take_in

_BATCH = 5_000
"""Lines checked before they are written."""
_UNREADABLE = (
    RubricbeatError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


def import_lines(place: Path | str, lines: Iterable[str], *, where: str) -> Moved:
    """Take exported verdicts into a store, all of them or none; a missing file is made.

    Raises:
        DataError: A line is no exported verdict; nothing was taken in.
    """
    with _lines_as_store(lines, where=where) as (file, n_lines):
        needed = _examples_needed(file)
        with opened(place, makes=True) as target:
            _refuse_orphans(needed, known_ids(target, "examples", list(needed)), where)
            moved = take_in(target, file)
    return Moved(moved.n_added, n_lines - moved.n_added)


@contextlib.contextmanager
def _lines_as_store(lines: Iterable[str], *, where: str) -> Iterator[tuple[Path, int]]:
    """Give exported verdicts as a store file, which lasts as long as the block, and their number.

    Raises:
        DataError: A line is no exported verdict.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.sqlite"
        db = open_store_file(path)
        try:
            db.execute("PRAGMA synchronous = OFF")  # nobody resumes it
            db.execute("BEGIN")
            n_lines = 0
            reader = _Reader(where)
            rows = (
                reader.rows(line, number)
                for number, line in enumerate(lines, start=1)
                if line.strip()
            )
            while batch := list(islice(rows, _BATCH)):
                n_lines += len(batch)
                for table, statement in SQLITE.insert.items():
                    rows_of_it = [row[table] for row in batch if table in row]
                    db.executemany(statement, rows_of_it)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise store_error(error, path) from error
        finally:
            db.close()
        yield path, n_lines


def _examples_needed(file: Path) -> dict[bytes, str]:
    """Give the examples that lines name and none of them holds, with the key of a verdict each."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        rows = db.execute(
            "SELECT example, hex(min(key)) FROM verdicts "
            "WHERE example NOT IN (SELECT id FROM examples) GROUP BY example"
        )
        return dict(rows.fetchall())


def _refuse_orphans(needed: Mapping[bytes, str], known: Iterable[bytes], where: str) -> None:
    """See that the store holds what the lines do not.

    Raises:
        DataError: It does not.
    """
    missing = sorted(set(needed).difference(known))
    if missing:
        key = needed[missing[0]].lower()
        raise DataError(
            f"{where}: {len(missing)} examples are named by verdicts (the first: key {key[:16]}) "
            "but are neither in the file nor in the store; import the whole export"
        )


class _Reader:
    """Checks lines and makes rows of them, by table."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._n_criteria: dict[bytes, int] = {}
        """Of each example that a line has held."""
        self._criteria: dict[tuple[bytes, int], Criterion] = {}
        """Those of these examples that have levels, or may not apply."""

    def rows(self, line: str, number: int) -> dict[str, Row]:
        try:
            plain = json.loads(line, parse_constant=_no_number)
            if not isinstance(plain, Mapping):
                raise DataError("not a JSON object")
            return self._rows(plain)
        except KeyError as error:
            why = f"no {error}"
        except json.JSONDecodeError:
            why = "not JSON"
        except _UNREADABLE as error:
            why = str(error)
        raise DataError(f"{self._where}, line {number}: no exported verdict: {why}")

    def _rows(self, line: Mapping[str, Any]) -> dict[str, Row]:
        chance = None if line["probability"] is None else float(line["probability"])
        if chance is not None and not 0 <= chance <= 1:
            raise DataError(f"probability {chance} is not in [0, 1]")
        tokens = {name: _count(line, name) for name in TOKENS}
        verdict = Verdict.from_json(
            {
                **{name: line[name] for name in ("outcome", "met")},
                **{name: line[name] for name in SINCE_3 if name in line},
                **{"probability": chance, "explanation": _text(line, "explanation"), **tokens},
            }
        )
        if verdict.is_missing:
            raise DataError("it has no verdict")
        key = bytes.fromhex(line["key"])
        if len(key) != 32:
            raise DataError("its key is not 64 hex digits")
        digest, judge = _judge(line["judge"])
        rows: dict[str, Row] = {"judges": (digest, judge)}
        example_id = bytes.fromhex(line["example_id"])
        if "example" in line:
            rows["examples"] = self._example(example_id, line["example"])
        index = _count(line, "criterion_index")
        if index >= self._n_criteria.get(example_id, index + 1):
            raise DataError(f"criterion_index {index}: its example has fewer criteria")
        if (criterion := self._criteria.get((example_id, index))) is not None:
            allowed = suited(verdict, criterion)
            if allowed.is_missing:
                raise DataError(allowed.explanation.partition("; the judge")[0])
        answer = _text(line, "answer")
        said = VerdictColumns.of(verdict, SQLITE.storable)
        crc = said.checksum(key)
        if line.get("crc", crc) != crc:  # exports of earlier versions carry none
            raise DataError("it was changed after the export: its checksum does not match")
        rows["answers"] = (text_id(answer), answer)
        rows["verdicts"] = (
            key,
            digest,
            example_id,
            index,
            text_id(answer),
            _count(line, "replicate"),
            *said.columns,
            float(line["latency_s"]),
            _count(line, "attempts"),
            float(line["created"]),
            crc,
        )
        return rows

    def _example(self, example_id: bytes, row: Any) -> tuple[bytes, str, str]:
        text = json.dumps(row, sort_keys=True)
        if text_id(text) != example_id:
            raise DataError("its example was changed after the export")
        example = example_from_row(row, where="its example")
        self._n_criteria[example_id] = len(example.rubric)
        for index, criterion in enumerate(example.rubric.criteria):
            if criterion.levels or criterion.na:
                self._criteria[example_id, index] = criterion
        return example_id, example.prompt_id, text


def _no_number(name: str) -> None:
    raise DataError(f"{name} is no number")


def _judge(plain: Mapping[str, Any]) -> tuple[bytes, str]:
    words = {name: str(plain[name]) for name in ("name", "version", "model", "prompt")}
    return judge_row(JudgeIdentity(**words, sampling=dict(plain["sampling"])))


def _count(line: Mapping[str, Any], name: str) -> int:
    value = int(line[name])
    if not 0 <= value < 2**31:
        raise DataError(f"{name} {value} is out of range")
    return value


def _text(line: Mapping[str, object], name: str) -> str:
    text = str(line[name])
    text.encode()  # half a surrogate is no text that a store can hold
    return text
