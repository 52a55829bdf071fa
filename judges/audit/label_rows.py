"""Read labelled answers from rows, or take recorded verdicts for labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..answer import GradedAnswer
from ..data.answers import answer_field
from ..data.columns import LABELLED_ROW_FIELDS, Columns
from ..data.conversations import prompt_of, text_of_answer
from ..data.examples import SkippedRow, read_each, skipped_words
from ..data.forms.contract import completed, placed, sign_of, worth_of
from ..data.json_rows import TRUTHS, Cell, Field, NumberedRow, kind_of
from ..data.reader import can_name_rows, read_rows, source_hash
from ..data.streams import name_of, names_apart
from ..data.verdict_words import says_not_applicable
from ..errors import DataError
from ..rubric import Criterion, Example, Rubric, digest_of_prompt
from ..scoring.missing_reasons import NOT_DRAWN
from ..shares import suited
from .labels import CHANCE_FIELD, Label, LabelledAnswer, have_chances, why_not

LABEL_FIELDS = ("label", "labels", "binary_labels")
RATER_FIELDS = ("rater", "anonymized_physician_ids", "raters")
DRAWN_UNITS = ("answers", "criteria")
UNDECIDED_FIELD = "cannot_tell"
"""Of a row that a person saw and gave no label: without a label it is no mistake."""
CRITERION_FIELDS = ("rubric", "criterion")
_NOT_TEXTS = frozenset({*LABEL_FIELDS, "points", "levels", "tags", "turn", "probability", "draw"})
_OF_LABELS = frozenset({*LABEL_FIELDS, "cannot_tell", "note", "labelled_at", "id"})
"""Fields that differ between two labels of one rater on one question."""
_NOT_OF_LABELS = frozenset({"id", "requires", "gate", "polarity", "check"})


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The labelled answers of a file, and what was excluded."""

    answers: tuple[LabelledAnswer, ...]
    sha256: str | list[str]
    """Of the file, or of each of several."""
    path: str
    """Of the file, or of several, for messages."""
    names: str | list[str]
    """The same without folders."""
    notes: tuple[str, ...] = ()
    """What was excluded, a line a file."""
    skipped: tuple[SkippedRow, ...] = ()
    """The same, row by row, of one file."""

    def warning(self) -> str | None:
        """Name and count the rows excluded, in one line; None where there are none."""
        return "; ".join(self.notes) or None


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
    file = read_rows(path, columns, LABELLED_ROW_FIELDS)
    answers, skipped = labelled_rows(file.rows, name, strict=strict)
    words = skipped_words(name, len(answers), skipped)
    notes = (words,) if words else ()
    return LabelFile(tuple(answers), file.sha256, name, Path(name).name, notes, tuple(skipped))


def read_label_files(
    paths: Sequence[Path], *, strict: bool = False, columns: Columns | None = None
) -> LabelFile:
    """Read labelled rows, a file or those of several raters; see `read_labels`, `read_raters`."""
    if len(paths) == 1:
        return read_labels(paths[0], strict=strict, columns=columns)
    _, answers, notes = read_raters(paths, columns, strict=strict)
    names = [name_of(path) for path in paths]
    have_chances(answers, ", ".join(names))
    hashes = [source_hash(path) for path in paths]
    files = [Path(name).name for name in names]
    return LabelFile(tuple(answers), hashes, ", ".join(names), files, tuple(notes))


def labelled_rows(
    rows: Iterable[NumberedRow], name: str, *, strict: bool = False
) -> tuple[list[LabelledAnswer], list[SkippedRow]]:
    """Read rows that are there already; see `read_labels`."""
    answers, skipped = read_each(
        rows,
        name,
        lambda row: _answer(Field(row.object())),
        strict=strict,
        otherwise="is labelled",
    )
    first = skipped[0] if skipped else None
    if first is not None and any(answer.chances for answer in answers):
        raise DataError(
            f"{name}: row {first.row}: {first.reason}; rows with {CHANCE_FIELD!r} are a weighted "
            "sample, so none may be left out: mend the row"
        )
    have_chances(answers, name)
    return answers, skipped


def read_raters(
    paths: Sequence[Path], columns: Columns | None, *, strict: bool = False
) -> tuple[list[dict[str, object]], list[LabelledAnswer], list[str]]:
    """Read the files of several raters as one.

    A rater without a name has that of the file. Where one rater labelled a question in two files,
    the later file counts.

    Returns:
        The rows with the names of their raters, what they say, and what is excluded.

    Raises:
        DataError: A file is missing, or none of its rows is labelled.
    """
    kept: dict[str, tuple[Path, NumberedRow]] = {}
    for path, name in zip(paths, names_apart(paths), strict=True):
        if not can_name_rows(path):
            raise DataError(f"{path}: no such file")
        for row in read_rows(path, columns, LABELLED_ROW_FIELDS).rows:
            named = _with_rater(row, name)
            kept[_question_key(named, path)] = (path, named)
    answers: list[LabelledAnswer] = []
    notes = []
    for path in dict.fromkeys(path for path, _ in kept.values()):
        rows = [row for place, row in kept.values() if place == path]
        found, skipped = labelled_rows(rows, name_of(path), strict=strict)
        answers += found
        notes += [words] if (words := skipped_words(name_of(path), len(found), skipped)) else []
    values = [row.value for _, row in kept.values() if isinstance(row.value, Mapping)]
    return (
        [{name: _of_cell(name, value[name]) for name in value} for value in values],
        answers,
        notes,
    )


def _of_cell(name: str, value: object) -> object:
    """Give what JSON holds in the place of a cell of CSV: a label or a number is no text there."""
    if not isinstance(value, Cell) or name not in _NOT_TEXTS:
        return value
    if value.strip().lower() in TRUTHS:
        return TRUTHS[value.strip().lower()]
    try:
        return json.loads(value)
    except ValueError:
        return value


def _with_rater(row: NumberedRow, name: str) -> NumberedRow:
    if not isinstance(row.value, Mapping) or any(map(Field(row.value).has, RATER_FIELDS)):
        return row
    return replace(row, value={**row.value, "rater": name})


def _question_key(row: NumberedRow, path: Path) -> str:
    """Name the question and the rater of a row; a row that cannot be read is one by itself."""
    if not isinstance(row.value, Mapping) or row.fault:
        return f"{path}\0{row.number}"
    asked = {key: value for key, value in row.value.items() if key not in _OF_LABELS}
    return json.dumps(asked, sort_keys=True, default=str)


def labels_of_verdicts(
    graded: Sequence[GradedAnswer], rater: str = "", model: str = ""
) -> list[LabelledAnswer]:
    """Take recorded verdicts as labels: a better judge's, against which another is audited.

    Args:
        graded: With the verdicts.
        rater: Who gave them.
        model: Who wrote the answers; empty where it is not known.
    """
    return [
        LabelledAnswer(
            example=answer.example,
            text=answer.answer,
            labels=tuple(
                () if verdict.is_missing else (Label.of(verdict, rater),)
                for verdict in answer.verdicts
            ),
            model=model,
            chances=tuple(
                None if verdict.explanation == NOT_DRAWN else chance
                for verdict, chance in zip(answer.verdicts, answer.chances, strict=False)
            ),
        )
        for answer in graded
    ]


def joined_raters(labelled: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
    """Put what several named raters said of one question into one row: it is asked once.

    Rows without a rater stay as they are: they may be one rater's second look.
    """
    rows: dict[object, LabelledAnswer] = {}
    for number, item in enumerate(labelled):
        is_named = all(label.rater for labels in item.labels for label in labels)
        asked = (repr(item.example), item.text, item.category, item.chances, item.draw, item.model)
        key = asked if is_named else number
        labels = item.labels
        if key in rows:
            labels = tuple(
                (*old, *new) for old, new in zip(rows[key].labels, item.labels, strict=True)
            )
        rows[key] = replace(item, labels=labels)
    return list(rows.values())


def merged_answers(labelled: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
    """Put the rows about one answer together: the same prompt and text, all their criteria.

    A criterion that comes twice keeps the labels of both; the order is that of first sight. With
    what chance they were chosen is not kept.
    """
    rows: dict[tuple[str, str], list[LabelledAnswer]] = {}
    for item in labelled:
        rows.setdefault((item.example.prompt_id, item.text), []).append(item)
    return [_merged(same) for same in rows.values()]


def _merged(rows: Sequence[LabelledAnswer]) -> LabelledAnswer:
    criteria: dict[tuple[object, ...], Criterion] = {}
    labels: dict[tuple[object, ...], tuple[Label, ...]] = {}
    for row in rows:
        for criterion, given in zip(row.example.rubric.criteria, row.labels, strict=True):
            key = (
                criterion.text,
                criterion.points,
                criterion.levels,
                criterion.is_nominal,
                criterion.na,
                criterion.turn,
                criterion.reference,
            )
            criteria.setdefault(key, criterion)
            labels[key] = (*labels.get(key, ()), *given)
    first = rows[0]
    tags = tuple(dict.fromkeys(row.category for row in rows if row.category is not None))
    example = replace(first.example, rubric=Rubric(tuple(criteria.values())), tags=tags)
    return replace(first, example=example, labels=tuple(labels.values()), chances=())


def _answer(row: Field) -> LabelledAnswer:
    prompt = prompt_of(row["prompt"])
    criterion = _criterion(row)
    category = row["category"].any_text() if row.has("category") else None
    prompt_id = row["prompt_id"].identifier() if row.has("prompt_id") else digest_of_prompt(prompt)
    text = text_of_answer(answer_field(row.members()).value)
    if text is None:
        raise DataError("the answer is null, so its label cannot be used")
    return LabelledAnswer(
        example=Example(prompt_id, prompt, Rubric(placed([criterion], prompt))),
        text=text,
        labels=(_labels(row, criterion),),
        category=category,
        chances=(_chance(row[CHANCE_FIELD]),) if row.has(CHANCE_FIELD) else (),
        draw=_draw(row["draw"].decoded()) if row.has("draw") else None,
        model=said if isinstance(said := row["model"].value, str) else "",
    )


def _draw(field: Field) -> tuple[str, int]:
    unit, n = field["unit"].text(), field["n"].number()
    if unit not in DRAWN_UNITS:
        raise field["unit"].unknown(DRAWN_UNITS)
    if n < 1 or n != int(n):
        raise field["n"].fault(f"is {n:g}, not a number of {unit}")
    return unit, int(n)


def _chance(field: Field) -> float:
    chance = field.number()
    if not 0 < chance <= 1:
        raise field.fault(f"is {chance:g}; an inclusion probability is above 0 and at most 1")
    return chance


def _criterion(row: Field) -> Criterion:
    text = row.first(*CRITERION_FIELDS).text()
    points = row["points"].number() if row.has("points") else 1.0
    if row.has("levels"):
        points = worth_of(row, row["points"])
    elif points == 0:
        raise row["points"].fault("is 0, so the criterion is worth nothing")
    # one criterion a row: what it requires, and what it gates, is not there; an id is the row's
    own = Field(
        {name: value for name, value in row.members().items() if name not in _NOT_OF_LABELS}
    )
    return completed(own, Criterion(text, points, sign_of(points), row["tags"].strings()))


def _labels(row: Field, criterion: Criterion) -> tuple[Label, ...]:
    if row.has("label"):
        said = [_said(row["label"], criterion)]
    elif any(map(row.has, LABEL_FIELDS)):
        given = row.first("binary_labels", "labels").decoded().items()
        said = [_said(item, criterion) for item in given]
    elif row.has(UNDECIDED_FIELD):
        return ()
    else:
        raise row.fault(
            'has no label: give `label` (true or false, a level or "na") or `labels` (a list)'
        )
    if row.has("rater"):
        raters: tuple[str, ...] = (row["rater"].any_text(),) * len(said)
    else:
        raters = row.first(*RATER_FIELDS[1:]).strings()
    if raters and len(raters) != len(said):
        raise row.fault(f"has {len(said)} labels and {len(raters)} raters")
    named = raters or ("",) * len(said)
    return tuple(replace(label, rater=rater) for label, rater in zip(said, named, strict=True))


def _said(field: Field, criterion: Criterion) -> Label:
    """Read a label: true or false, a level, or that the criterion does not apply.

    Where the row does not say the criterion's levels, any level is read: the run that the label
    is held against may say them.
    """
    label = _label(field, has_levels=bool(criterion.levels))
    found = suited(label.verdict, criterion)
    if found.is_missing and (criterion.levels or label.met is not None):
        raise field.fault(f"cannot be: {why_not(found)}")
    return label


def _label(field: Field, *, has_levels: bool) -> Label:
    value = field.value
    words = value.strip().lower() if isinstance(value, str) else None
    if says_not_applicable(value):
        return Label(None)
    if isinstance(value, Mapping):
        if set(value) == {"level"}:
            return Label(None, level=_level(field["level"]))
        if value.get("not_applicable") is True or value.get("na") is True:
            return Label(None)
        raise field.fault('is an object without a level; give {"level": 2}, or "na"')
    if has_levels and not isinstance(value, bool) and words not in {"true", "false"}:
        return Label(None, level=_level(field))
    if isinstance(value, Cell) and words in TRUTHS:
        return Label(TRUTHS[words])
    if value in (0, 1) and not isinstance(value, str | float):
        return Label(bool(value))
    raise field.fault(
        f"is {kind_of(value)}, neither true nor false"
        + (", nor the number of a level" if has_levels else "")
    )


def _level(field: Field) -> int:
    number = field.number()
    if number != int(number) or number < 0:
        raise field.fault(f"is {number:g}, not the number of a level, from 0")
    return int(number)
