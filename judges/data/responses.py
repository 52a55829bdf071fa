"""Read saved answers to be judged, one after the other, and say which run each belongs to.

What a row may look like is told in `answers.py`. An answer without a row of rubrics is left
out and named; nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ..answer import Answer
from ..errors import DataError
from ..rubric import Example
from .answers import (
    ANSWER_FIELDS,
    AnswerRow,
    Filters,
    TwoAnswersError,
    has_own_id,
    model_beside,
    read_answer_row,
)
from .columns import ANSWERED_ROW_FIELDS, SAVED_ANSWER_FIELDS, Columns
from .examples import KnownRows, SkippedRow, first_of, null_words
from .reader import stream_rows
from .row_shapes import RowKind, read_row
from .streams import file_of, is_stdin, name_of, names_apart

RunKey: TypeAlias = tuple[str, str]
"""A model, and the label of its run; empty where the rows name none."""
MAX_NAMED = 5
"""Rows excluded that a warning names; the rest are counted."""
_N_BITS = 1_024
"""Numbers of repeats up to which a bit is kept for each."""


@dataclass(slots=True)
class Census:
    """What saved answers hold, from a first reading."""

    path: str
    runs: tuple[RunKey, ...] = ()
    """In the order of their first answers."""
    n_answers: int = 0
    """With those that the model never gave."""
    n_criteria: int = 0
    """Of all answers that are there: the verdicts asked for, without replicates."""
    n_bytes: int = 0
    """Of the answers' text and of their rows of rubrics, about."""
    skipped: list[SkippedRow] = field(default_factory=list)
    """The first rows without an answer that can be judged."""
    n_skipped: int = 0
    absent: list[str] = field(default_factory=list)
    """The first prompts whose answer is null."""
    n_absent: int = 0
    n_copies: int = 0
    """Lines that differ from an earlier one in lm-eval's filter alone."""
    n_again: int = 0
    """Rows without an id whose prompt and rubric an earlier row of their run has."""
    empty: Counter[str] = field(default_factory=Counter)
    """Answers without a word, by the model's name."""
    by_model: Counter[str] = field(default_factory=Counter)
    """All answers that are there."""
    unanswered: tuple[str, ...] = ()
    """Prompts of the rubrics that no row answers."""

    def warnings(self) -> list[str]:
        """Name and count what is excluded, each kind in one line."""
        lines = []
        if self.n_skipped:
            named = first_of(map(str, self.skipped), self.n_skipped)
            lines.append(f"{self.path}: {self.n_skipped} answers excluded: {named}")
        if self.n_absent:
            lines.append(null_words(self.path, self.n_answers, self.absent, self.n_absent))
        lines += [
            f"{self.path}: {self.empty[model]} of {self.by_model[model]} answers of {model} are "
            "empty, more than half: they are graded as such, and the exit code is 1"
            for model in self.mostly_empty()
        ]
        if self.n_copies:
            lines.append(
                f"{self.path}: {self.n_copies} lines differ from another in 'filter' alone, and "
                "count as one answer with it"
            )
        if self.n_again:
            lines.append(
                f"{self.path}: rows that repeat the prompt and the rubric of an earlier row: "
                f"{self.n_again}; their answers count as further answers to that prompt"
            )
        if n := len(self.unanswered):
            named = first_of((name[:64] for name in self.unanswered), n, MAX_NAMED, ", ")
            lines.append(f"{self.path}: {n} rows of --data have no answer: {named}")
        return lines

    def mostly_empty(self) -> list[str]:
        """Name the models more than half of whose answers are empty; baselines are meant to be."""
        return [
            model
            for model, n in self.empty.items()
            if 2 * n > self.by_model[model] and not model.startswith("baseline:")
        ]

    def leave_out(self, row: SkippedRow) -> None:
        """Count a row without an answer that can be judged."""
        self.n_skipped += 1
        if len(self.skipped) < MAX_NAMED:
            self.skipped.append(row)

    def add(self, model: str, answer: Answer) -> None:
        """Count an answer of a model, or that there is none."""
        self.n_answers += 1
        if answer.text is None:
            self.n_absent += 1
            if len(self.absent) < MAX_NAMED:
                self.absent.append(answer.example.prompt_id)
            return
        self.by_model[model] += 1
        self.empty[model] += not answer.text.strip()
        example = answer.example
        self.n_criteria += len(example.rubric)
        self.n_bytes += len(answer.text.encode("utf-8", "replace"))
        self.n_bytes += sum(len(c.text) for c in example.rubric.criteria)
        self.n_bytes += sum(len(m.content) for m in example.prompt)


class Repeats:
    """Numbers of the answers to one prompt in one run: as rows say, else counted around these."""

    def __init__(self) -> None:
        """Begin with none taken."""
        self._below: dict[Hashable, int] = {}  # numbers below it are taken, all of them
        self._bits: dict[Hashable, int] = {}  # a bit for each that a row names
        self._beyond: set[tuple[Hashable, int]] = set()  # those too high for a bit

    def __contains__(self, place: Hashable) -> bool:
        """Say whether an answer has been numbered there."""
        return place in self._below

    def number(self, place: Hashable, given: int | None) -> int | None:
        """Give the number of one more answer; None where an earlier one has the number given."""
        below = self._below.setdefault(place, 0)
        if given is None:
            while self._is_named(place, below):
                below += 1
            self._below[place] = below + 1
            return below
        if given < below or self._is_named(place, given):
            return None
        if given < _N_BITS:
            self._bits[place] = self._bits.get(place, 0) | 1 << given
        else:
            self._beyond.add((place, given))
        return given

    def _is_named(self, place: Hashable, number: int) -> bool:
        return bool(self._bits.get(place, 0) >> number & 1) or (place, number) in self._beyond


class Responses:
    """The saved answers of files or folders; each pass reads them again, one by one."""

    def __init__(
        self,
        path: Path | Sequence[Path],
        examples: Mapping[str, Example],
        *,
        model: str | None = None,
        label: str | None = None,
        limit: int | None = None,
        columns: Columns | None = None,
        holds_rows: bool = False,
    ) -> None:
        """Open nothing yet.

        Args:
            path: What `stream_rows` takes; or a folder with lm-eval's samples_*.jsonl in it; or
                several of these.
            examples: The rubrics, by prompt_id.
            model: Name of the model, over whatever the rows say.
            label: Label of the run, over whatever the rows say.
            limit: Of each run, only the answers to the first so many prompts.
            columns: Other names of the fields.
            holds_rows: The rows are also those that `examples` were read from: an answer belongs
                to the prompt and the rubric of its own row, and needs no id.
        """
        paths = [path] if isinstance(path, Path) else list(dict.fromkeys(path))
        self._name = ", ".join(map(name_of, paths))
        files = {file.resolve(): file for each in paths for file in _files(each)}
        self._files = list(files.values())
        self._examples = examples
        self._known = KnownRows(examples, columns)
        self._model = model
        self._label = label
        self._limit = limit
        self._holds_rows = holds_rows
        self._is_named = bool(columns and "answer" in columns.names)
        self._columns = columns
        self._n_copies = 0
        self._n_again = 0
        self._seen: list[_Stamp] = []
        self._alone: dict[str, int] = {}  # the first row whose answer stands there
        self._disputed: dict[str, TwoAnswersError] = {}

    def __iter__(self) -> Iterator[tuple[RunKey, Answer]]:
        """Read every answer, with the run it belongs to."""
        return (each for each in self._each() if not isinstance(each, SkippedRow))

    def census(self) -> Census:
        """Read everything once, so that whatever is wrong is known before anything is paid.

        Raises:
            DataError: A file breaks off, no answer has a rubric, or the answers stand in a field
                that may hold something else.
        """
        self._seen = [_stamp(file) for file in self._files]
        census = Census(self._name)
        runs: dict[RunKey, None] = {}
        answered: set[str] = set()
        for each in self._each():
            if isinstance(each, SkippedRow):
                census.leave_out(each)
                continue
            run, answer = each
            runs[run] = None
            answered.add(answer.example.prompt_id)
            census.add(run[0], answer)
        if census.n_answers == census.n_absent:
            first = "".join(f"; {row}" for row in census.skipped[:1])
            null = f"; {census.n_absent} are null" if census.n_absent else ""
            raise DataError(f"{self._name}: holds no answer that can be judged{null}{first}")
        self._refuse_disputed()
        census.runs = tuple(runs)
        census.n_copies = self._n_copies
        census.n_again = self._n_again
        if not self._limit:
            census.unanswered = tuple(p for p in self._examples if p not in answered)
        return census

    def change(self) -> str | None:
        """Say that a file is not the one of the census any more; None where all are."""
        for file, seen in zip(self._files, self._seen, strict=True):
            if _stamp(file) != seen:
                return (
                    f"{name_of(file)}: changed while its answers were judged; the results hold "
                    "what was read; run the same command again for the new content"
                )
        return None

    def _refuse_disputed(self) -> None:
        """Refuse a row with one of two fields between which other rows leave the choice open.

        A gold `answer` beside the completions stands alone where the model gave none.
        """
        for name, error in self._disputed.items():
            if name in self._alone:
                raise DataError(
                    f"{self._name}: row {self._alone[name]} has {name!r} alone, and in other rows "
                    f"{error}"
                )

    def _each(self) -> Iterator[tuple[RunKey, Answer] | SkippedRow]:
        """Give every answer, and every row that has none that can be judged."""
        repeats = Repeats()
        n_prompts: Counter[RunKey] = Counter()
        for each in self._read():
            if isinstance(each, SkippedRow):
                yield each
                continue
            example, said = each.example, each.row
            label = said.run if self._label is None else self._label
            run = (self._model or said.model or each.default_model, label)
            place = (run, example.prompt_id)
            self._n_again += each.is_by_content and place in repeats
            if place not in repeats:
                if self._limit is not None and n_prompts[run] >= self._limit:
                    continue
                n_prompts[run] += 1
            for text in said.texts:
                repeat = repeats.number(place, said.repeat)
                if repeat is not None:
                    yield run, Answer(example, text, repeat)
                    continue
                yield SkippedRow(
                    each.number,
                    f"a second answer to prompt_id {example.prompt_id[:64]} with repeat "
                    f"{said.repeat} in the same run; the first is kept",
                )

    def _read(self) -> Iterator[_Said | SkippedRow]:
        """Give the answers of each row, or why it has none that can be judged."""
        self._n_copies = self._n_again = 0
        self._alone, self._disputed = {}, {}
        fields = ANSWERED_ROW_FIELDS if self._holds_rows else SAVED_ANSWER_FIELDS
        find = self._id_of_row if self._holds_rows else self._known.id_by_prompt
        for file, name in zip(self._files, names_apart(self._files), strict=True):
            default = model_beside(file) or name
            filters = Filters()
            for row in stream_rows(file, self._columns, fields):
                try:
                    own_id = find(row.object())
                    if self._holds_rows and own_id is None:
                        continue
                    said = read_answer_row(row.object(), own_id)
                    self._alone.setdefault(said.field, row.number)
                    if filters.is_copy(row.object(), said):
                        self._n_copies += 1
                        continue
                    example = self._known.of_id(said.prompt_id)
                    is_by_content = self._holds_rows and not has_own_id(row.object())
                    yield _Said(row.number, example, said, default, is_by_content)
                except DataError as error:
                    if isinstance(error, TwoAnswersError):
                        self._disputed |= dict.fromkeys(error.names, error)
                    yield SkippedRow(row.number, str(error))

    def _id_of_row(self, row: Mapping[str, object]) -> str | None:
        """Give the id of a row that is read as a rubric too; None where that told why it is none.

        Raises:
            DataError: What could be its answer is its reference.
        """
        try:
            example, kind = read_row(row)
        except DataError:
            return None
        refuse_gold(row, kind, example, self._is_named)
        return example.prompt_id


def refuse_gold(row: Mapping[str, object], kind: RowKind, example: Example, is_named: bool) -> None:
    """Refuse to take the reference answer of a row of RaR for a model's.

    `is_named` says whether the user has named the field of the answer.
    """
    fields = [name for name in ANSWER_FIELDS if name in row]
    is_gold = kind is RowKind.RAR and row.get("answer") in example.references
    if is_gold and fields == ["answer"] and not is_named:
        raise DataError(
            "'answer' of a row of RaR is its reference answer; call the model's answer "
            "'completion', or name its field by --columns answer=NAME"
        )


@dataclass(frozen=True, slots=True)
class _Said:
    number: int
    example: Example
    row: AnswerRow
    default_model: str
    is_by_content: bool
    """Whether the row has no id, and is known by its prompt and rubric."""


_Stamp = tuple[int, int, int, int] | None


def _stamp(path: Path) -> _Stamp:
    """Tell one state of a file from another; None where it is none, such as a data set's name."""
    try:
        found = file_of(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _files(path: Path) -> list[Path]:
    """Give lm-eval's samples in a folder, or the path itself: a file, a data set or its name."""
    if not is_stdin(path) and path.is_dir():
        found = sorted(each for each in path.rglob("samples_*.jsonl*") if each.is_file())
        return found or [path]
    return [path]
