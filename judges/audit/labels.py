"""Labelled answers, read from rows, and a judge's verdicts beside their labels.

Axes: N questions (one criterion of one answer), L labels. One question may carry labels of several
raters; each (judge, label) pair counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer
from ..data.answers import answer_field
from ..data.columns import Columns
from ..data.conversations import prompt_of, text_of_answer
from ..data.examples import SkippedRow, read_each, skipped_words
from ..data.json_rows import Cell, Field, kind_of
from ..data.reader import read_rows
from ..data.streams import name_of
from ..errors import DataError
from ..rubric import Criterion, Example, Polarity, Rubric, digest_of_prompt
from ..scoring.rubric_arrays import Bools, Floats
from ..verdict import Verdict

Codes = NDArray[np.intp]
UNTAGGED = "other"
"""Category of a criterion without a tag."""


LABEL_FIELDS = ("label", "labels", "binary_labels")
CRITERION_FIELDS = ("rubric", "criterion")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
"""What a cell of CSV says."""


@dataclass(frozen=True, slots=True, order=True)
class Stratum:
    """A kind of criterion on which a judge has errors of its own."""

    category: str
    """As `category_of` gives it, or as the labelled data groups its rows."""
    polarity: Polarity
    """A judge that misses what is good may well see what is bad everywhere, and the other way."""

    @classmethod
    def of(cls, criterion: Criterion) -> Stratum:
        """Give the kind of a criterion."""
        return cls(category_of(criterion.tags), criterion.polarity)

    @property
    def family(self) -> Stratum:
        """Its categories are named alike up to a colon: `cluster:`, `axis:`, `level:`."""
        return Stratum(self.category.partition(":")[0], self.polarity)

    def __str__(self) -> str:
        """Name it in words."""
        return f"{self.polarity.value} {self.category}"


@dataclass(frozen=True, slots=True)
class Label:
    """What one rater said of one criterion of one answer."""

    met: bool
    rater: str = ""
    """The physician's id; empty where the data names none."""


def majority_of(labels: Sequence[Label]) -> bool | None:
    """Give what most labels of one criterion say; None without a label or where they tie."""
    n_met = sum(label.met for label in labels)
    return None if 2 * n_met == len(labels) else 2 * n_met > len(labels)


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer with labels for some criteria of its rubric."""

    example: Example
    text: str
    labels: tuple[tuple[Label, ...], ...]
    """By criterion, in the order of the rubric; empty where a criterion has no label."""
    category: str | None = None
    """As the labelled data groups its rows, such as `cluster:hedging_...`; or None."""


@dataclass(frozen=True, slots=True)
class AuditTable:
    """A judge's verdicts beside the labels."""

    verdict_N: Floats
    """1 met, 0 not met, NaN no verdict."""
    probability_N: Floats
    """P(met); NaN where the judge gives none."""
    prompt_N: Codes
    """The prompt a question belongs to: the cluster of every interval."""
    criterion_N: Codes
    """The same criterion of the same prompt has the same code, whatever the answer."""
    category_N: Codes
    categories: tuple[str, ...]
    desirable_N: Bools
    """Whether it is good when the criterion's text is true of an answer."""
    chars_N: Floats
    """Characters of the judged answer."""
    met_L: Bools
    question_L: Codes
    rater_L: Codes
    raters: tuple[str, ...]
    n_prompts: int

    @classmethod
    def of(cls, labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer]) -> AuditTable:
        """Put labels and verdicts side by side; questions without a label are left out.

        Args:
            labelled: The labels.
            graded: The judge's verdicts on the same answers, in the same order.
        """
        prompts: dict[str, int] = {}
        criteria: dict[tuple[int, int, str], int] = {}
        categories: dict[str, int] = {}
        raters: dict[str, int] = {}
        rows: list[tuple[Verdict, int, int, int, int, bool]] = []
        pairs: list[tuple[bool, int, int]] = []
        for item, answer in zip(labelled, graded, strict=True):
            prompt = prompts.setdefault(item.example.prompt_id, len(prompts))
            n_chars = len(answer.judged)
            for index, labels in enumerate(item.labels):
                if not labels:
                    continue
                criterion = item.example.rubric.criteria[index]
                code = criteria.setdefault((prompt, index, criterion.text), len(criteria))
                name = item.category or category_of(criterion.tags)
                category = categories.setdefault(name, len(categories))
                for label in labels:
                    rater = raters.setdefault(label.rater, len(raters))
                    pairs.append((label.met, len(rows), rater))
                desirable = criterion.polarity is Polarity.DESIRABLE
                verdict = answer.verdicts[index]
                rows.append((verdict, prompt, code, category, n_chars, desirable))
        verdicts = [row[0] for row in rows]
        return cls(
            verdict_N=np.array([_number(v.met) for v in verdicts]),
            probability_N=np.array([_number(v.probability) for v in verdicts]),
            prompt_N=np.array([row[1] for row in rows], dtype=np.intp),
            criterion_N=np.array([row[2] for row in rows], dtype=np.intp),
            category_N=np.array([row[3] for row in rows], dtype=np.intp),
            categories=tuple(categories),
            desirable_N=np.array([row[5] for row in rows], dtype=bool),
            chars_N=np.array([row[4] for row in rows], dtype=np.float64),
            met_L=np.array([pair[0] for pair in pairs], dtype=bool),
            question_L=np.array([pair[1] for pair in pairs], dtype=np.intp),
            rater_L=np.array([pair[2] for pair in pairs], dtype=np.intp),
            raters=tuple(raters),
            n_prompts=len(prompts),
        )

    def __len__(self) -> int:
        """Count the labelled questions."""
        return len(self.verdict_N)

    @property
    def score_N(self) -> Floats:
        """P(met) where the judge gives one, else its verdict as 0 or 1; NaN without a verdict."""
        has_both = ~np.isnan(self.verdict_N) & ~np.isnan(self.probability_N)
        return np.where(has_both, self.probability_N, self.verdict_N)

    @property
    def label_share_N(self) -> Floats:
        """Share of each question's labels that say met, in [0, 1]."""
        n_N = np.bincount(self.question_L, minlength=len(self))
        share: Floats = np.bincount(self.question_L, weights=self.met_L, minlength=len(self)) / n_N
        return share

    def cells_PK(self) -> Floats:
        """Count each pair in its cell, summed by prompt: [P, 4] in the order of `CELLS`."""
        return self.cells_by(self.prompt_N[self.question_L], self.n_prompts)

    def cells_by(self, group_L: Codes, n_groups: int) -> Floats:
        """Count pairs in their cells by group, [groups, 4]; pairs without a verdict are left out.

        Args:
            group_L: Group of each pair, 0 to n_groups - 1.
            n_groups: How many there are.
        """
        judged_L = self.verdict_N[self.question_L]
        has = ~np.isnan(judged_L)
        return count_cells(judged_L[has] == 1, self.met_L[has], group_L[has], n_groups)


def count_cells(said: Bools, label: Bools, group: Codes, n_groups: int) -> Floats:
    """Count pairs of what was said and what the label says, [groups, 4] in the order of `CELLS`."""
    # met: tp 0 or fp 1; not met: fn 2 or tn 3
    cell = np.where(said, ~label, 2 + ~label)
    flat = np.bincount(group * 4 + cell, minlength=4 * n_groups)
    return flat.reshape(n_groups, 4).astype(np.float64)


def sums_by(group: Codes, values: Floats, n_groups: int) -> Floats:
    """Sum values by their group, [groups]."""
    return np.bincount(group, weights=values, minlength=n_groups).astype(np.float64)


def deal_folds(n_prompts: int, n_folds: int, seed: int) -> Codes:
    """Deal prompts into folds at random: [P], 0 to n_folds - 1."""
    folds: Codes = np.random.default_rng(seed).permutation(n_prompts) % n_folds
    return folds


def category_of(tags: Sequence[str]) -> str:
    """Give the criterion's own group: its consensus cluster, else its axis, else its level."""
    for prefix in ("cluster:", "axis:", "level:"):
        for tag in tags:
            if tag.startswith(prefix):
                return tag
    return UNTAGGED


def _number(value: float | bool | None) -> float:
    return np.nan if value is None else float(value)


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
    answers, skipped = read_each(
        file.rows,
        name,
        lambda row: _answer(Field(row.object())),
        strict=strict,
        otherwise="is labelled",
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
