"""Read verdicts that another program recorded, and align them with our rubrics.

Two shapes: flat rows with `criteria_met` in the order of the rubric, and rows of graded
conversations whose criteria carry their verdicts (healthbench-srh-eval). Verdicts that do not align
with the rubric of their prompt_id are excluded and named: nothing is guessed. Then they are sorted
into runs: whose answers, in which run, judged by whom.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..answer import NO_ANSWER, GradedAnswer
from ..errors import DataError, near_names
from ..rubric import Example
from ..verdict import Outcome, Source, Verdict
from .answers import answer_field, repeat_of
from .columns import ANSWERED_ROW_FIELDS, VERDICT_FIELDS, Columns
from .conversations import is_missing, text_of_answer
from .examples import MAX_NAMED, KnownRows, SkippedRow, null_words, read_each, skipped_words
from .json_rows import Field, NumberedRow, kind_of
from .reader import stream_rows
from .responses import Repeats
from .row_shapes import PROMPT_FIELDS, RUBRIC_FIELDS, read_row
from .streams import name_of, names_apart
from .verdict_words import VerdictWord, named, read_verdict, unknown_words

log = logging.getLogger(__name__)

MAX_FACT_CHARS = 200
"""Longer texts are content, not facts about a run."""
_CONTENT = {
    "prompt_id", "id", "sample_id", "completion", "answer", "response", "criteria_met",
    "explanation", "explanations", "score", "total", "repeat", "conversations", "canary",
    *PROMPT_FIELDS, *RUBRIC_FIELDS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One recorded answer, aligned with its rubric."""

    example: Example
    answer: str
    verdicts: tuple[Verdict, ...]
    repeat: int | None
    """As the row says; None where it does not."""
    score: float | None
    """The item score that the row stores, unclipped; None where it stores none."""
    source: str = ""
    """Name of the file (`names_apart`): the model, where the row names none."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Short fields of the row that are not its content: model, run, system, grader, seed ..."""
    unknown: tuple[str, ...] = ()
    """Words in the place of its verdicts that are none."""
    is_absent: bool = False
    """Whether the answer is null: its verdicts, whatever they are, judge nothing."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """What one file of recorded verdicts holds."""

    path: str
    rows: tuple[RecordedAnswer, ...]
    skipped: tuple[SkippedRow, ...]
    """Rows that cannot be used."""
    copies: tuple[SkippedRow, ...] = ()
    """Rows that are exact copies of another row."""

    def warnings(self) -> list[str]:
        """Say what is excluded or missing, each kind in one line."""
        lines = [skipped_words(self.path, len(self.rows) + len(self.copies), self.skipped)]
        if self.copies:
            first = self.copies[0]
            lines.append(
                f"{self.path}: {len(self.copies)} exact copies of other rows are excluded; the "
                f"first is row {first.row}: {first.reason}"
            )
        lines += self._unknown_words()
        absent = [row.example.prompt_id for row in self.rows if row.is_absent]
        if absent:
            lines.append(null_words(self.path, len(self.rows), absent[:MAX_NAMED], len(absent)))
        return [line for line in lines if line]

    def _unknown_words(self) -> list[str]:
        counts = Counter(word for row in self.rows for word in row.unknown)
        first = {word: row.example.prompt_id for row in self.rows[::-1] for word in row.unknown}
        return [
            f"{self.path}: {unknown_words(n, word, f'prompt_id {first[word]}')}"
            for word, n in counts.most_common(MAX_NAMED)
        ]


def read_recorded(
    paths: Sequence[Path | str],
    examples: Mapping[str, Example] | None,
    *,
    strict: bool = False,
    columns: Columns | None = None,
) -> list[RecordedFile]:
    """Read files of recorded verdicts.

    A row that repeats another in everything (answer, verdicts, explanations, run) is a copy and is
    excluded; a repeated prompt with another answer is a repeat.

    Args:
        paths: Each what `stream_rows` takes.
        examples: The rubrics, by prompt_id; None where each row holds its prompt and rubric too.
        strict: Raise at the first row that cannot be used instead of leaving it out.
        columns: Other names of the fields.

    Raises:
        DataError: A file cannot be read, or no row of it aligns with the rubrics.
    """
    seen: dict[object, str] = {}
    known = None if examples is None else KnownRows(examples, columns)
    fields = ANSWERED_ROW_FIELDS if known is None else VERDICT_FIELDS
    files = []
    for path, source in zip(paths, names_apart(paths), strict=True):
        rows = stream_rows(path, columns, fields)
        find = _own_rows() if known is None else known.find
        files.append(_read_file(path, rows, source, find, seen, strict))
    return files


_Find = Callable[[Mapping[str, object]], Example]


def _own_rows() -> _Find:
    """Read the prompt and the rubric that stand beside recorded verdicts."""
    known: dict[str, Example] = {}

    def find(row: Mapping[str, object]) -> Example:
        example = read_row({name: row[name] for name in row if name != "criteria_met"})[0]
        if known.setdefault(example.prompt_id, example) != example:
            raise DataError(
                f"prompt_id {example.prompt_id[:64]}: another prompt or rubric than an earlier "
                "row's"
            )
        return example

    return find


def hold_rubrics(path: Path | str, columns: Columns | None = None) -> bool:
    """Say whether the rows of recorded verdicts hold their prompts and rubrics, by the first."""
    rows = stream_rows(path, columns, ANSWERED_ROW_FIELDS)
    first = next((row.value for row in rows if isinstance(row.value, Mapping)), {})
    return not RUBRIC_FIELDS.isdisjoint(first) and not {*PROMPT_FIELDS}.isdisjoint(first)


def _read_file(
    path: Path | str,
    given: Iterator[NumberedRow],
    source: str,
    find: _Find,
    seen: dict[object, str],
    strict: bool,
) -> RecordedFile:
    name = Path(name_of(path)).name

    def read(row: NumberedRow) -> RecordedAnswer | SkippedRow:
        recorded = _recorded(Field(row.object()), find, source)
        original = _original_of(recorded, seen, f"{name} row {row.number}")
        if original is None:
            return recorded
        prompt_id = recorded.example.prompt_id
        return SkippedRow(row.number, f"prompt_id {prompt_id}: a copy of {original}")

    found, skipped = read_each(given, name_of(path), read, strict=strict)
    rows = tuple(each for each in found if isinstance(each, RecordedAnswer))
    copies = tuple(each for each in found if isinstance(each, SkippedRow))
    return RecordedFile(name_of(path), rows, tuple(skipped), copies)


def _original_of(row: RecordedAnswer, seen: dict[object, str], place: str) -> str | None:
    """Give the place of the row that this one is a copy of, or None and remember this one."""
    facts = tuple(sorted((name, str(value)) for name, value in row.facts.items()))
    facts += () if row.facts.get("model") else (("model", row.source),)
    # answers that whoever recorded them has numbered are copies under one number alone
    key = (row.example.prompt_id, row.answer, row.verdicts, row.repeat, facts)
    if key not in seen:
        seen[key] = place
        return None
    return seen[key]


def _recorded(row: Field, find: _Find, source: str) -> RecordedAnswer:
    if row.has("doc") and row.has("rubric"):
        raise DataError("a line of our own result files; score, compare and report read them as is")
    for name in ("model", "system", "run", "grader"):
        value = row[name].value
        is_prompt = name == "system" and isinstance(value, str)  # of the model: not its name
        is_setting = name == "grader" and isinstance(value, Mapping)
        if not is_missing(value) and not _is_fact(value) and not is_prompt and not is_setting:
            raise row[name].fault(f"is {kind_of(value)}, not a name")
    example = find(row.members())
    parts_of = _from_conversation if row.has("conversations") else _from_flat
    answer, met, explanations, score = parts_of(row, example)
    verdicts = tuple(
        read.verdict(words, criterion, Source.REPLAY) if answer is not None else _ABSENT
        for read, words, criterion in zip(met, explanations, example.rubric.criteria, strict=True)
    )
    return RecordedAnswer(
        example=example,
        answer=answer or "",
        is_absent=answer is None,
        unknown=tuple(named(word.unknown) for word in met if word.unknown),
        verdicts=verdicts,
        repeat=repeat_of(row["repeat"]),
        score=score,
        source=source,
        facts=_facts(row.members()),
    )


_Parts = tuple[str | None, list[VerdictWord], list[str], float | None]
_ABSENT = Verdict(Outcome.SKIPPED, explanation=NO_ANSWER, source=Source.REPLAY, attempts=0)


def _facts(row: Mapping[str, object]) -> dict[str, object]:
    facts = {name: v for name, v in row.items() if name not in _CONTENT and _is_fact(v)}
    if isinstance(grader := row.get("grader"), Mapping):  # graders that differ are not one
        facts["grader"] = json.dumps(grader, sort_keys=True, default=str)
    return facts


def _from_flat(row: Field, example: Example) -> _Parts:
    if not row.has("criteria_met"):
        raise row["criteria_met"].fault("is missing; answers without verdicts: 'rubricbeat judge'")
    given = list(row["criteria_met"].decoded().items())
    _require_count("verdicts in criteria_met", len(given), example)
    met = _read_each([item.value for item in given], example)
    words = row.first("explanation", "explanations").decoded()
    explanations = [""] * len(met)
    if words.value is not None:
        explanations = [_loose_text(each) for each in words.items()]
        _require_count("texts in explanation", len(explanations), example)
    answer = text_of_answer(answer_field(row.members()).value)
    return answer, met, explanations, _stored_score(row["score"])


def _from_conversation(row: Field, example: Example) -> _Parts:
    judged = list(row["rubrics"].items())
    _require_count("judged criteria", len(judged), example)
    for item, criterion in zip(judged, example.rubric.criteria, strict=True):
        if item["criteria"].any_text() != criterion.text:
            raise item.fault(f"(prompt_id {example.prompt_id}) is another criterion than --data's")
        is_of_levels = bool(criterion.levels) and is_missing(item["points"].value)
        if not is_of_levels and item["points"].number() != criterion.points:
            raise item.fault(f"(prompt_id {example.prompt_id}) has other points than --data's")
    last = list(row["conversations"].items())[-1]
    if last["role"].text() != "assistant":
        raise last["role"].fault("must be 'assistant': the last turn is the answer")
    explanations = [_loose_text(item["explanation"]) for item in judged]
    total = _stored_score(row["total"])
    score = None if total is None else total / example.rubric.positive_points
    met = _read_each([item["criteria_met"].value for item in judged], example)
    return text_of_answer(last["content"].value), met, explanations, score


def _stored_score(field: Field) -> float | None:
    """Read a stored score; NaN is how some programs write that there is none."""
    return None if is_missing(field.value) else field.number()


def _require_count(what: str, count: int, example: Example) -> None:
    n_criteria = len(example.rubric)
    if count != n_criteria:
        raise DataError(
            f"prompt_id {example.prompt_id}: {count} {what} for {n_criteria} criteria of --data; "
            "they cannot be aligned"
        )


def _read_each(values: Sequence[object], example: Example) -> list[VerdictWord]:
    criteria = example.rubric.criteria
    return [read_verdict(value, one) for value, one in zip(values, criteria, strict=True)]


def _loose_text(field: Field) -> str:
    """Take any text, or none, and what is no text as JSON: the verdict beside it was paid for."""
    value = field.value
    return (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str)
    )


def _is_fact(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_FACT_CHARS
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The answers of one model in one run under one grader."""

    model: str
    label: str
    grader: str
    graded: tuple[GradedAnswer, ...]
    stored_scores: tuple[float | None, ...]
    """The item score stored beside each answer."""
    facts: Mapping[str, object]
    """Fields that every row of the run agrees on."""


def group_runs(
    rows: Sequence[RecordedAnswer],
    *,
    default_model: str | None = None,
    model_from: Sequence[str] | None = None,
    run_from: Sequence[str] | None = None,
) -> list[RecordedRun]:
    """Sort recorded answers into runs: one for each model, run label and grader.

    Args:
        rows: The answers.
        default_model: For rows that name no model; else the name of their file.
        model_from: Fields whose values, joined by "/", name the model; by default `model` and,
            where there is one, `system`: a model behind another system is another contestant.
        run_from: Fields whose values name the run; by default `run`.

    Raises:
        DataError: No row carries a field asked for.
    """
    wanted = tuple(model_from) if model_from else ("model", "system")
    known = {key for row in rows for key in row.facts}
    for name in (*(model_from or ()), *(run_from or ())):
        if name not in known:
            raise DataError(
                f"no row has a field {name!r} to name models or runs by; {near_names(name, known)}"
            )
    groups: dict[tuple[str, str, str], list[RecordedAnswer]] = {}
    for row in rows:
        model = _joined(row.facts, wanted) or default_model or row.source
        key = (model, _joined(row.facts, run_from or ("run",)), str(row.facts.get("grader", "")))
        groups.setdefault(key, []).append(row)
    return [_run(*key, members) for key, members in groups.items()]


def _run(model: str, label: str, grader: str, rows: Sequence[RecordedAnswer]) -> RecordedRun:
    shared = dict(rows[0].facts)
    for row in rows:
        shared = {k: v for k, v in shared.items() if row.facts.get(k) == v}
    repeats = Repeats()
    numbers = [repeats.number(row.example.prompt_id, row.repeat) for row in rows]
    if n := numbers.count(None):
        log.warning(
            "%s: %d answers have the number of an earlier one to their prompt in the same run, and "
            "are excluded; --run_from FIELD tells runs apart",
            model,
            n,
        )
    kept = [(row, n) for row, n in zip(rows, numbers, strict=True) if n is not None]
    return RecordedRun(
        model=model,
        label=label,
        grader=grader,
        graded=tuple(GradedAnswer(row.example, row.answer, row.verdicts, n) for row, n in kept),
        stored_scores=tuple(row.score for row, _ in kept),
        facts=shared,
    )


def _joined(facts: Mapping[str, object], names: Sequence[str]) -> str:
    return "/".join(str(facts[name]) for name in names if facts.get(name) not in (None, ""))
