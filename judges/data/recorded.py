"""Read verdicts that another program recorded, and align them with our rubrics.

Two shapes: flat rows with `criteria_met` in the order of the rubric, and rows of graded
conversations whose criteria carry their verdicts (healthbench-srh-eval). Verdicts that do not align
with the rubric of their prompt_id are left out and named: nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..rubric import Example
from ..verdict import Outcome, Source, Verdict
from .examples import SkippedRow
from .json_rows import read_json_rows
from .row_fields import Field

ANSWER_FIELDS = ("completion", "answer", "response")
MAX_FACT_CHARS = 200
"""Longer texts are content, not facts about a run."""
_CONTENT = {
    "prompt_id", "completion", "answer", "response", "criteria_met", "explanation", "explanations",
    "score", "total", "repeat", "prompt", "conversations", "rubrics", "canary",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded answer, aligned with its rubric."""

    example: Example
    answer: str
    verdicts: tuple[Verdict, ...]
    repeat: int | None
    """As the row says; None where it does not."""
    score: float | None
    """The item score that the row stores, unclipped; None where it stores none."""
    source: str = ""
    """Name of the file without its endings: the model, where the row names none."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Short fields of the row that are not its content: model, run, system, grader, seed ..."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """What one file of recorded verdicts holds."""

    path: str
    rows: tuple[Recorded, ...]
    skipped: tuple[SkippedRow, ...]
    """Rows that cannot be used."""
    copies: tuple[SkippedRow, ...] = ()
    """Rows that say what another row has said in everything."""


def read_recorded(
    paths: Sequence[Path | str], examples: Mapping[str, Example], *, strict: bool = False
) -> list[RecordedFile]:
    """Read files of recorded verdicts.

    A row that repeats another in everything (answer, verdicts, explanations, run) is a copy and is
    left out; a repeated prompt with another answer is a repeat.

    Args:
        paths: .jsonl, .json or either with .gz.
        examples: The rubrics, by prompt_id.
        strict: Raise at the first row that cannot be used instead of leaving it out.

    Raises:
        DataError: A file cannot be read, or no row of it aligns with the rubrics.
    """
    seen: dict[Any, str] = {}
    return [_read_file(path, examples, seen, strict) for path in paths]


def _read_file(
    path: Path | str, examples: Mapping[str, Example], seen: dict[Any, str], strict: bool
) -> RecordedFile:
    rows: list[Recorded] = []
    skipped: list[SkippedRow] = []
    copies: list[SkippedRow] = []
    name = Path(path).name
    for row in read_json_rows(path).rows:
        try:
            if row.fault:
                raise DataError(row.fault)
            recorded = _recorded(Field(row.value), examples, name.partition(".")[0] or name)
        except DataError as error:
            if strict:
                raise DataError(f"{path}: row {row.number}: {error}") from None
            skipped.append(SkippedRow(row.number, str(error)))
            continue
        original = _original_of(recorded, seen, f"{name} row {row.number}")
        if original is None:
            rows.append(recorded)
        else:
            prompt_id = recorded.example.prompt_id
            copies.append(SkippedRow(row.number, f"prompt_id {prompt_id}: a copy of {original}"))
    if not rows and not copies:
        first = skipped[0]
        raise DataError(
            f"{path}: none of its {len(skipped)} rows can be used; row {first.row}: {first.reason}"
        )
    return RecordedFile(str(path), tuple(rows), tuple(skipped), tuple(copies))


def _original_of(row: Recorded, seen: dict[Any, str], place: str) -> str | None:
    """Give the place of the row that this one is a copy of, or None and remember this one."""
    if row.repeat is not None:  # numbered by whoever recorded it
        return None
    facts = tuple(sorted((name, str(value)) for name, value in row.facts.items()))
    first = seen.setdefault((row.example.prompt_id, row.answer, row.verdicts, facts), place)
    return None if first == place else first


def _recorded(row: Field, examples: Mapping[str, Example], source: str) -> Recorded:
    if row.has("doc") and row.has("rubric"):
        raise DataError("a line of our own result files; score, compare and report read them as is")
    prompt_id = row["prompt_id"].text()
    example = examples.get(prompt_id)
    if example is None:
        raise DataError(f"prompt_id {prompt_id[:64]} is not among the rows of --data")
    read = _from_conversation if row.has("conversations") else _from_flat
    answer, met, explanations, score = read(row, example)
    verdicts = tuple(
        _verdict(value, explanation) for value, explanation in zip(met, explanations, strict=True)
    )
    return Recorded(
        example=example,
        answer=answer,
        verdicts=verdicts,
        repeat=_repeat(row["repeat"]),
        score=score,
        source=source,
        facts={k: v for k, v in row.value.items() if k not in _CONTENT and _is_fact(v)},
    )


_Parts = tuple[str, list[bool | None], list[str], float | None]


def _from_flat(row: Field, example: Example) -> _Parts:
    if not row.has("criteria_met"):
        raise row["criteria_met"].fault("is missing; answers without verdicts: 'rubricbeat judge'")
    met = [_met(item) for item in row["criteria_met"].items()]
    _require_count("verdicts in criteria_met", len(met), example)
    given = row.first("explanation", "explanations")
    if given.value is None:
        explanations = [""] * len(met)
    else:
        explanations = ["" if e.value is None else _loose_text(e) for e in given.items()]
        _require_count("texts in explanation", len(explanations), example)
    score = _stored_score(row["score"])
    return _loose_text(row.first(*ANSWER_FIELDS)), met, explanations, score


def _from_conversation(row: Field, example: Example) -> _Parts:
    judged = list(row["rubrics"].items())
    _require_count("judged criteria", len(judged), example)
    for item, criterion in zip(judged, example.rubric.criteria, strict=True):
        if item["criteria"].any_text() != criterion.text:
            raise item.fault(f"(prompt_id {example.prompt_id}) is another criterion than --data's")
        if item["points"].number() != criterion.points:
            raise item.fault(f"(prompt_id {example.prompt_id}) has other points than --data's")
    last = list(row["conversations"].items())[-1]
    if last["role"].text() != "assistant":
        raise last["role"].fault("must be 'assistant': the last turn is the answer")
    explanations = [
        "" if not i.has("explanation") else _loose_text(i["explanation"]) for i in judged
    ]
    total = _stored_score(row["total"])
    score = None if total is None else total / example.rubric.positive_points
    met = [_met(item["criteria_met"]) for item in judged]
    return _loose_text(last["content"]), met, explanations, score


def _repeat(field: Field) -> int | None:
    if field.value is None:
        return None
    number = field.number()
    if number < 0 or number != int(number):
        raise field.fault("is no count from 0")
    return int(number)


def _stored_score(field: Field) -> float | None:
    """Read a stored score; NaN is how some programs write that there is none."""
    if field.value is None or (isinstance(field.value, float) and math.isnan(field.value)):
        return None
    return field.number()


def _require_count(what: str, count: int, example: Example) -> None:
    n_criteria = len(example.rubric)
    if count != n_criteria:
        raise DataError(
            f"prompt_id {example.prompt_id}: {count} {what} for {n_criteria} criteria of --data; "
            "they cannot be aligned"
        )


def _met(field: Field) -> bool | None:
    if field.value is None or isinstance(field.value, bool):
        return field.value
    raise field.fault("is neither true, false nor null")


def _verdict(met: bool | None, explanation: str) -> Verdict:
    if met is None:
        words = explanation or "recorded as null"
        return Verdict(Outcome.UNPARSEABLE, explanation=words, source=Source.REPLAY, attempts=0)
    return Verdict.of(met, explanation=explanation, source=Source.REPLAY, attempts=0)


def _loose_text(field: Field) -> str:
    """Take any text: an answer with half a surrogate pair is still an answer, and was paid for."""
    if not isinstance(field.value, str):
        return field.any_text()
    return field.value


def _is_fact(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_FACT_CHARS
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
