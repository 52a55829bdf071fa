"""Files of rubrics become examples, and examples become rows again.

A bad row never ends a run: it is excluded, named and counted, unless `strict`. Reading is lazy in
nothing: all that can be wrong with a file is known before anything is paid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from ..errors import DataError, UnknownNameError
from ..rubric import Example
from .answers import ANSWER_FIELDS, ById, has_own_id, key_by_prompt, prompt_id_of
from .columns import ROW_FIELDS, Columns
from .forms.contract import criterion_row
from .forms.peers import rows_of_set
from .json_rows import NumberedRow
from .reader import read_rows
from .row_shapes import RowKind, key_of_turns, read_row
from .streams import name_of

T = TypeVar("T")

MAX_NAMED = 8
"""Skipped rows named in a warning; the rest are counted."""


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that could not be read, by number and reason; never its text."""

    row: int
    """Counted from 1."""
    reason: str

    def __str__(self) -> str:
        """Say both."""
        return f"row {self.row}: {self.reason}"


def first_of(words: Iterable[str], n_all: int, most: int = MAX_NAMED, mark: str = "; ") -> str:
    """Name the first of several things, and count the rest."""
    named = [*islice(words, most)]
    rest = [f"and {n_all - len(named)} more"] if n_all > len(named) else []
    return mark.join(named + rest)


def skipped_words(path: str, n_used: int, skipped: Sequence[SkippedRow]) -> str | None:
    """Name and count the rows of a file that were excluded; None where there are none."""
    if not skipped:
        return None
    named = first_of(map(str, skipped), len(skipped))
    return f"{path}: {len(skipped)} of {n_used + len(skipped)} rows excluded: {named}"


def null_words(path: str, n_answers: int, first: Sequence[str], n_null: int) -> str:
    """Name and count the answers that are null, by the first of their prompts."""
    named = first_of((name[:64] for name in first), n_null, mark=", ")
    return (
        f"{path}: {n_null} of {n_answers} answers are null: {named}; they count in the total, and "
        "are not graded"
    )


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """The examples of a file, and what was excluded."""

    examples: tuple[Example, ...]
    sha256: str
    """Of the file's bytes as they lie on disk."""
    path: str
    kind: str
    """The shapes of its rows: a `RowKind`, or several joined by `+`."""
    skipped: tuple[SkippedRow, ...] = ()
    rubric: Mapping[str, object] = field(default_factory=dict)
    """File and hash of the one rubric of all rows; empty where each has its own."""

    def warning(self) -> str | None:
        """Name and count the rows excluded, in one line; None where there are none."""
        return skipped_words(name_of(self.path), len(self.examples), self.skipped)

    def facts(self) -> dict[str, object]:
        """Give what result files say about their data: file name, hash, counts."""
        return {
            "path": Path(name_of(self.path)).name,
            "sha256": self.sha256,
            "kind": self.kind,
            "n_rows": len(self.examples) + len(self.skipped),
            "n_skipped": len(self.skipped),
            **({"rubric": dict(self.rubric)} if self.rubric else {}),
        }


class KnownRows:
    """Examples, found by what a row of another file has: their id, or their prompt and no id."""

    def __init__(self, examples: Mapping[str, Example], columns: Columns | None = None) -> None:
        """Take them by their ids.

        Args:
            examples: The examples.
            columns: Other names of the fields; that of the prompt holds for the other file too.
        """
        self._examples = examples
        self._by_id = ById(examples)
        self._column = columns.names.get("prompt") if columns else None
        self._by_prompt: dict[str, list[str]] = defaultdict(list)

    def find(self, row: Mapping[str, object]) -> Example:
        """Give the example of a row."""
        return self.of_id(self.id_by_prompt(row) or prompt_id_of(row))

    def of_id(self, prompt_id: str) -> Example:
        """Give what an id names."""
        return self._by_id.find(prompt_id)

    def id_by_prompt(self, row: Mapping[str, object]) -> str | None:
        """Find the id of a row that has none by its prompt; None with an id, and with neither."""
        if self._column is not None and self._column in row:
            row = {**row, "prompt": row[self._column]}
        key = key_by_prompt(row)
        if key is None:
            return None
        if not self._by_prompt:
            for example in self._examples.values():
                self._by_prompt[key_of_turns(example.prompt)].append(example.prompt_id)
        ids = self._by_prompt.get(key, [])
        if len(ids) != 1:
            owner = f"that of {len(ids)} rows" if ids else "not among the rows"
            raise DataError(f"has no prompt_id, and its prompt is {owner} of --data")
        return ids[0]


def read_examples(
    path: Path | str,
    *,
    strict: bool = False,
    kind: str | None = None,
    columns: Columns | None = None,
    with_answers: bool = False,
) -> ExampleFile:
    """Read a file of rows with rubrics.

    Args:
        path: What `stream_rows` takes.
        strict: Raise at the first bad row instead of leaving it out.
        kind: The one shape that its rows must have; any, row by row, where None.
        columns: Other names of the fields; and the one rubric of all rows, where there is one.
        with_answers: Each row holds an answer too, as it does where a field is called so: several
            may be of one prompt and rubric, which count once.

    Raises:
        DataError: The file cannot be read, no row of it can, or one cannot and `strict` is set.
    """
    if kind and kind not in list(RowKind):
        raise UnknownNameError.among("kind of rows", kind, [k.value for k in RowKind])
    name = name_of(path)
    file = read_rows(path, columns, ROW_FIELDS)
    row_by_id: dict[str, tuple[int, Example]] = {}

    def read(row: NumberedRow) -> tuple[Example, RowKind] | None:
        example, shape = read_row(row.object())
        if kind and kind != shape:
            raise DataError(f"a row of the kind {shape.value!r}, where {kind} was asked for")
        number, known = row_by_id.setdefault(example.prompt_id, (row.number, example))
        if known is example:
            return example, shape
        is_answered = with_answers or not row.object().keys().isdisjoint(ANSWER_FIELDS)
        if known == example and is_answered:
            return None
        if not has_own_id(row.object()):
            raise DataError(f"the same prompt and rubric as row {number}, which is kept")
        other = "" if known == example else " with another prompt or rubric"
        raise DataError(f"the same prompt_id as row {number}{other}; row {number} is kept")

    rows, skipped = read_each(_of_sets(file.rows), name, read, strict=strict)
    found = [row for row in rows if row is not None]
    kinds = "+".join(dict.fromkeys(shape.value for _, shape in found))
    examples = tuple(example for example, _ in found)
    rubric = columns.rubric.facts if columns and columns.rubric else {}
    return ExampleFile(examples, file.sha256, str(path), kinds, tuple(skipped), rubric)


def _of_sets(rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
    """Give each row, and in the place of a data set of autorubric the rows it stands for."""
    for row in rows:
        inside = rows_of_set(row.value) if isinstance(row.value, Mapping) else []
        if len(inside) < 2:
            yield NumberedRow(row.number, inside[0], row.fault) if inside else row
        else:
            yield from (NumberedRow(place, each) for place, each in enumerate(inside, start=1))


def read_each(
    rows: Iterable[NumberedRow],
    name: str,
    read: Callable[[NumberedRow], T],
    *,
    strict: bool = False,
    otherwise: str = "can be used",
) -> tuple[list[T], list[SkippedRow]]:
    """Read rows one after the other, and leave out and name those that cannot be read.

    Args:
        rows: Of a file.
        name: The file's, for messages.
        read: Gives what a row holds, or raises a DataError that says why it holds nothing.
        strict: Raise at the first bad row instead of leaving it out.
        otherwise: What none of the rows is or does, for the message that says so.
    """
    found: list[T] = []
    skipped: list[SkippedRow] = []
    for row in rows:
        try:
            found.append(read(row))
        except DataError as error:
            skipped.append(SkippedRow(row.number, str(error)))
            if strict:
                raise DataError(f"{name}: {skipped[-1]}") from None
    if not found:
        first = skipped[0] if skipped else SkippedRow(1, "there is none")
        raise DataError(f"{name}: none of its {len(skipped)} rows {otherwise}; {first}")
    return found, skipped


def example_from_row(row: Mapping[str, object], *, where: str = "row") -> Example:
    """Turn one row of any known shape into an example; errors name `where` and the field."""
    try:
        return read_row(row)[0]
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def example_to_row(example: Example) -> dict[str, object]:
    """Give the canonical row: JSON-able, and read back to an equal example."""
    row: dict[str, object] = {
        "prompt_id": example.prompt_id,
        "prompt": [turn.to_json() for turn in example.prompt],
        "rubrics": [criterion_row(c) for c in example.rubric.criteria],
        "example_tags": list(example.tags),
    }
    if example.references:
        row["references"] = list(example.references)
    if example.reference:
        row["reference"] = example.reference
    if example.canary is not None:
        row["canary"] = example.canary
    return row
