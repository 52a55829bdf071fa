"""Read labelled rows: HealthBench's meta-evaluation and a plain labelled JSON Lines.

    meta   {"prompt": [messages], "completion": ..., "rubric": TEXT, "category": ...,
            "binary_labels": [true, false], "anonymized_physician_ids": [...], "prompt_id": ...}
    plain  {"prompt": TEXT or [messages], "answer": ..., "criterion": TEXT,
            "label": true or "labels": [...], optional "raters", "points", "category", "prompt_id"}

A labelled row is an example whose rubric is its one criterion, so any judge can grade it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.answers import answer_field
from ..data.columns import Columns
from ..data.conversations import prompt_of, text_of_answer
from ..data.examples import SkippedRow, skipped_words
from ..data.reader import read_rows
from ..data.row_fields import Cell, Field, kind_of
from ..data.streams import name_of
from ..errors import DataError
from ..graded import GradedAnswer
from ..rubric import Criterion, Example, Polarity, Rubric, digest_of_prompt
from .labelled import Label, LabelledAnswer

LABEL_FIELDS = ("label", "labels", "binary_labels")
CRITERION_FIELDS = ("rubric", "criterion")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
"""What a cell of CSV says."""


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The labelled answers of a file, and what was left out."""

    answers: tuple[LabelledAnswer, ...]
    sha256: str
    path: str
    skipped: tuple[SkippedRow, ...] = ()

    def warning(self) -> str | None:
        """Name and count the rows left out, in one line; None where there are none."""
        return skipped_words(self.path, len(self.answers), self.skipped)


def read_labels(
    path: Path | str, *, strict: bool = False, columns: Columns | None = None
) -> LabelFile:
    """Read labelled rows.

    Args:
        path: What `stream_rows` takes.
        strict: Raise at the first bad row instead of leaving it out.
        columns: Other names of the fields.

    Raises:
        DataError: The file cannot be read, or no row of it can.
    """
    name = name_of(path)
    file = read_rows(path, columns.of_labels() if columns else None)
    answers: list[LabelledAnswer] = []
    skipped: list[SkippedRow] = []
    for row in file.rows:
        try:
            if row.fault:
                raise DataError(row.fault)
            answers.append(_answer(Field(row.value)))
        except DataError as error:
            if strict:
                raise DataError(f"{name}: row {row.number}: {error}") from None
            skipped.append(SkippedRow(row.number, str(error)))
    if not answers:
        first = skipped[0]
        raise DataError(
            f"{name}: none of its {len(skipped)} rows is labelled; row {first.row}: {first.reason}"
        )
    return LabelFile(tuple(answers), file.sha256, name, tuple(skipped))


def labels_of_verdicts(graded: Sequence[GradedAnswer], rater: str = "") -> list[LabelledAnswer]:
    """Take recorded verdicts as labels: a better judge's, against which another is audited."""
    return [
        LabelledAnswer(
            example=answer.example,
            text=answer.answer,
            labels=tuple(
                () if verdict.met is None else (Label(verdict.met, rater),)
                for verdict in answer.verdicts
            ),
        )
        for answer in graded
    ]


def merged_answers(labelled: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
    """Put the rows about one answer together: the same prompt and text, all their criteria.

    A criterion that comes twice keeps the labels of both; the order is that of first sight.
    """
    rows: dict[tuple[str, str], list[LabelledAnswer]] = {}
    for item in labelled:
        rows.setdefault((item.example.prompt_id, item.text), []).append(item)
    return [_merged(same) for same in rows.values()]


def _merged(rows: Sequence[LabelledAnswer]) -> LabelledAnswer:
    criteria: dict[tuple[str, float], Criterion] = {}
    labels: dict[tuple[str, float], tuple[Label, ...]] = {}
    for row in rows:
        for criterion, given in zip(row.example.rubric.criteria, row.labels, strict=True):
            key = (criterion.text, criterion.points)
            criteria.setdefault(key, criterion)
            labels[key] = (*labels.get(key, ()), *given)
    first = rows[0]
    tags = tuple(dict.fromkeys(row.category for row in rows if row.category is not None))
    example = replace(first.example, rubric=Rubric(tuple(criteria.values())), tags=tags)
    return replace(first, example=example, labels=tuple(labels.values()))


def _answer(row: Field) -> LabelledAnswer:
    prompt = prompt_of(row["prompt"])
    criterion = row.first(*CRITERION_FIELDS).text()
    points = row["points"].number() if row.has("points") else 1.0
    if points == 0:
        raise row["points"].fault("is 0, so the criterion is worth nothing")
    polarity = Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE
    category = row["category"].any_text() if row.has("category") else None
    rubric = Rubric((Criterion(criterion, points, polarity, row["tags"].strings()),))
    prompt_id = row["prompt_id"].identifier() if row.has("prompt_id") else digest_of_prompt(prompt)
    text = text_of_answer(answer_field(row.value).value)
    if text is None:
        raise DataError("the answer is null, so its label says nothing")
    return LabelledAnswer(
        example=Example(prompt_id, prompt, rubric),
        text=text,
        labels=(_labels(row),),
        category=category,
    )


def _labels(row: Field) -> tuple[Label, ...]:
    if not any(row.has(name) for name in LABEL_FIELDS):
        raise row.fault("has no label: give `label` (true or false) or `labels` (a list)")
    if row.has("label"):
        mets = [_truth(row["label"])]
    else:
        mets = [_truth(item) for item in row.first("binary_labels", "labels").decoded().items()]
    raters = row.first("anonymized_physician_ids", "raters").strings()
    if raters and len(raters) != len(mets):
        raise row.fault(f"has {len(mets)} labels and {len(raters)} raters")
    named = raters or ("",) * len(mets)
    return tuple(Label(met, rater) for met, rater in zip(mets, named, strict=True))


def _truth(field: Field) -> bool:
    if isinstance(field.value, Cell) and field.value.strip().lower() in _TRUTHS:
        return _TRUTHS[field.value.strip().lower()]
    if field.value in (0, 1) and not isinstance(field.value, str | float):
        return bool(field.value)
    raise field.fault(f"is {kind_of(field.value)}, neither true nor false")
