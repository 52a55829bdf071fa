"""`--columns prompt=question,rubric=criteria`: other names of the fields of rows and answers.

One mapping serves a command that reads rows and answers: a name of a row's field says nothing of
the answers, and the other way round.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import ConfigError, DataError, near_names
from .json_rows import Field, NumberedRow

ROW_FIELDS = (
    "prompt_id", "prompt", "rubric", "tags", "references", "judge_reference", "canary",
)  # fmt: skip
ID_FIELDS = ("prompt_id", "id", "sample_id")
"""Where the id of a row may stand, the first that is there."""
CRITERION_FIELDS = ("criterion", "points", "polarity", "category", "criterion_tags", "levels")
"""Of each object in a rubric."""
SAVED_ANSWER_FIELDS = ("prompt_id", "answer", "model", "run", "repeat")
LABELLED_ROW_FIELDS = (
    "prompt_id", "prompt", "answer", "criterion", "label", "raters", "points", "category",
)  # fmt: skip
VERDICT_FIELDS = (*SAVED_ANSWER_FIELDS, "criteria_met", "explanation", "score", "grader")
ANSWERED_ROW_FIELDS = (*ROW_FIELDS, *VERDICT_FIELDS)
"""Of rows that hold rubrics, and answers or verdicts on them."""
_KNOWN = tuple(
    dict.fromkeys((*ROW_FIELDS, *CRITERION_FIELDS, *LABELLED_ROW_FIELDS, *VERDICT_FIELDS))
)
HELP = "other names of fields: prompt=question,rubric=criteria; also " + ", ".join(
    name for name in _KNOWN if name not in {"prompt", "rubric"}
)
_SHARED = {"prompt_id", "model", "run"}
"""Asked for in several files of one command; a file may have them under their usual names."""
_ALIASES = {
    "rubric": ("rubrics", "rubric_items", "reward_model"),
    "prompt": ("question", "messages", "instruction", "conversation", "input", "prompt_0"),
    "prompt_id": ("id", "sample_id", "task_id", "task"),
    "tags": ("example_tags",),
    "answer": ("completion", "response"),
    "label": ("labels", "binary_labels"),
    "criterion": ("criterion_text", "criterion_description", "description", "rubric"),
    "points": ("weight", "criterion_weight"),
}
"""Names that would be read beside the one that is given; the given one counts alone."""
_RUBRICS = frozenset({*_ALIASES["rubric"], "criteria"})
_OPTIONAL = frozenset(_KNOWN) - {"prompt", "rubric", "answer", "criterion", "points", "label"}


def add_columns_argument(parser: argparse._ActionsContainer) -> None:
    """Declare `--columns`."""
    parser.add_argument("--columns", metavar="NAME=COLUMN,...", help=HELP)


@dataclass(frozen=True, slots=True)
class GivenRubric:
    """One rubric for all rows, in the place of their own."""

    value: object
    """As a row would hold it."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Name and hash of its file, for results."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which field of a file is read under which name."""

    names: Mapping[str, str]
    """Our name of a field, and the file's; a dot goes into an object: `input.question`."""
    inner: Mapping[str, str] = field(default_factory=dict)
    """The same of the objects in a rubric."""
    is_shared: bool = False
    """Whether several files are read by it: one of them may have an id under its usual name."""
    rubric: GivenRubric | None = None
    """Of all rows; None where each has its own."""

    @classmethod
    def read(
        cls, given: str | Mapping[str, object] | None, *, is_shared: bool = False
    ) -> Columns | None:
        """Read `name=column,name=column` or a mapping; None where none is given.

        Raises:
            ConfigError: A name is none of ours, or comes twice, or has no column.
        """
        if not given:
            return None
        pairs = given.items() if isinstance(given, Mapping) else map(_pair, str(given).split(","))
        names: dict[str, str] = {}
        for name, column in pairs:
            if name not in _KNOWN:
                raise ConfigError(f"--columns {name}={column}: {near_names(str(name), _KNOWN)}")
            if name in names:
                raise ConfigError(f"--columns: {name} is given twice")
            names[name] = str(column)
        return cls(names, is_shared=is_shared)

    def of(self, fields: Sequence[str]) -> Columns:
        """Keep what says something of a file with these fields; of rubrics where it has them."""
        names = {name: self.names[name] for name in fields if name in self.names}
        if "rubric" not in fields:
            return Columns(names, is_shared=self.is_shared)
        inner = {name: self.names[name] for name in CRITERION_FIELDS if name in self.names}
        return Columns(names, inner, self.is_shared, self.rubric)

    def renamed(self, rows: Iterable[NumberedRow], where: str) -> Iterator[NumberedRow]:
        """Give each row with our names in the place of the file's, called `where` in messages.

        Raises:
            DataError: A column is in none of the rows.
        """
        unseen = dict(self.names)
        there: dict[str, None] = {}
        for row in rows:
            if row.fault or not isinstance(row.value, Mapping):
                yield row
                continue
            there |= dict.fromkeys(map(str, row.value)) if unseen else {}
            unseen = {n: c for n, c in unseen.items() if not self._is_there(row.value, n, c)}
            try:
                yield NumberedRow(row.number, self._renamed(row.value))
            except DataError as error:
                yield NumberedRow(row.number, None, str(error))
        if unseen and there:
            name, column = next(iter(unseen.items()))
            raise DataError(_absent(where, name, column, there))

    def _is_there(self, row: Mapping[str, object], name: str, column: str) -> bool:
        kept = self.is_shared and name in _SHARED and row.get(name) is not None
        return bool(_found(row, column)) or kept

    def _renamed(self, row: Mapping[str, object]) -> dict[str, object]:
        new = _with_our_names(row, self.names, "the row")
        items = None if self.rubric is None else self.rubric.value
        if items is None and self.inner and (own := self._items(new)) is not None:
            items = self.criteria(own)
        if items is not None:
            new = {name: value for name, value in new.items() if name not in _RUBRICS}
            new["rubric"] = items
        return new

    def criteria(self, items: Iterable[object]) -> list[object]:
        """Give criteria with our names of their fields."""
        return [
            _with_our_names(item, self.inner, "a criterion") if isinstance(item, Mapping) else item
            for item in items
        ]

    def _items(self, row: Mapping[str, object]) -> Iterable[object] | None:
        for name in ("rubric", "rubrics", "rubric_items"):
            if row.get(name) is not None:
                return [item.value for item in Field(row)[name].decoded().items()]
        return None


def _with_our_names(
    row: Mapping[str, object], names: Mapping[str, str], what: str
) -> dict[str, object]:
    """Give a row, or a criterion of one, with our names in the place of the file's."""
    given: dict[str, object] = {}
    hidden: set[str] = set()
    for name, column in names.items():
        if found := _found(row, column):
            ours = "tags" if name == "criterion_tags" else name
            [given[ours]] = found
            hidden |= {column, *_ALIASES.get(ours, ())}
        elif name not in _OPTIONAL:
            raise DataError(_absent(what, name, column, map(str, row)))
    return {name: value for name, value in row.items() if name not in hidden} | given


def _pair(word: str) -> tuple[str, str]:
    name, mark, column = word.partition("=")
    if not mark or not name.strip() or not column.strip():
        raise ConfigError(f"--columns {word[:40]!r}: give NAME=COLUMN, such as prompt=question")
    return name.strip(), column.strip()


def _found(row: Mapping[str, object], column: str) -> list[object]:
    """Give the one value of a column, or nothing."""
    if column in row:
        return [row[column]]
    head, mark, rest = column.partition(".")
    inner = row.get(head)
    return _found(inner, rest) if mark and isinstance(inner, Mapping) else []


def _absent(where: str, name: str, column: str, there: Iterable[str]) -> str:
    return f"--columns {name}={column}: {where} has no column {column!r}; " + near_names(
        column, [each[:40] for each in there]
    )
