"""How far people who labelled the same questions agree, and where they do not.

A question is one criterion of one answer. What does not apply, and each level, is a category of its
own: a label one level off counts as any other disagreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..audit.agreement import kappa, krippendorff_alpha, number
from ..audit.labels import Label, LabelledAnswer, category_of
from ..scoring.plain_form import plain_fields


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """What raters said of one criterion of one answer."""

    prompt_id: str
    answer: str
    criterion: str
    category: str
    labels: Mapping[str, str]
    """By rater, in words."""

    @property
    def is_settled(self) -> bool:
        """Whether no two raters say otherwise."""
        return len(set(self.labels.values())) < 2


@dataclass(frozen=True, slots=True)
class Agreement:
    """Raters beside each other on some questions; None where it is not defined."""

    n_questions: int
    """With labels of two raters or more."""
    same: float | None
    """Share of the pairs of labels on one question that are equal, in [0, 1]."""
    alpha: float | None
    """Krippendorff's, in nominal categories; None where all labels are equal."""

    @classmethod
    def of(cls, questions: Sequence[LabelledQuestion]) -> Agreement:
        """Compute it."""
        shared = [one for one in questions if len(one.labels) > 1]
        words = sorted({word for one in shared for word in one.labels.values()})
        counts = [Counter(one.labels.values()) for one in shared]
        counts_NK = np.array([[float(c[word]) for word in words] for c in counts])
        if not shared:
            return cls(0, None, None)
        n_N = counts_NK.sum(1)
        n_same = (counts_NK * (counts_NK - 1)).sum()
        same = float(n_same / (n_N * (n_N - 1)).sum())
        return cls(len(shared), same, number(krippendorff_alpha(counts_NK)))


@dataclass(frozen=True, slots=True)
class TwoRaters:
    """Two raters on the questions that both labelled."""

    first: str
    second: str
    n_questions: int
    same: float | None
    kappa: float | None
    """Cohen's (1960); None where both say the same of everything."""


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """The agreement of all raters."""

    raters: Mapping[str, int]
    """Labels of each."""
    n_questions: int
    overall: Agreement
    by_category: Mapping[str, Agreement]
    """Of the criterion, as the audit has it; those with a shared question, the most first."""
    pairs: tuple[TwoRaters, ...]
    differing: tuple[LabelledQuestion, ...]

    to_json = plain_fields


def rater_agreement(labelled: Sequence[LabelledAnswer]) -> RaterAgreement:
    """Put the raters of some labelled answers beside each other.

    Args:
        labelled: With the names of the raters. Of one rater's labels on one question the last
            counts.
    """
    questions = labelled_questions(labelled)
    raters = list(dict.fromkeys(rater for one in questions for rater in one.labels))
    categories = Counter(one.category for one in questions if len(one.labels) > 1)
    return RaterAgreement(
        raters={rater: sum(rater in one.labels for one in questions) for rater in raters},
        n_questions=len(questions),
        overall=Agreement.of(questions),
        by_category={
            category: Agreement.of([one for one in questions if one.category == category])
            for category, _ in categories.most_common()
        },
        pairs=tuple(_two(questions, *pair) for pair in combinations(raters, 2)),
        differing=tuple(one for one in questions if not one.is_settled),
    )


def labelled_questions(labelled: Sequence[LabelledAnswer]) -> list[LabelledQuestion]:
    """Gather the labels of each question, in the order of first sight."""
    found: dict[tuple[str, str, str], tuple[str, dict[str, str]]] = {}
    for item in labelled:
        for criterion, labels in zip(item.example.rubric.criteria, item.labels, strict=True):
            key = (item.example.prompt_id, item.text.strip(), criterion.text)
            category = item.category or category_of(criterion.tags)
            said = found.setdefault(key, (category, {}))[1]
            said.update({label.rater: _words(label) for label in labels})
    return [LabelledQuestion(*key, *rest) for key, rest in found.items() if rest[1]]


def _words(label: Label) -> str:
    if label.met is not None:
        return "met" if label.met else "not met"
    return "does not apply" if label.level is None else f"level {label.level}"


def _two(questions: Sequence[LabelledQuestion], first: str, second: str) -> TwoRaters:
    both = [
        (one.labels[first], one.labels[second])
        for one in questions
        if first in one.labels and second in one.labels
    ]
    words = sorted({word for pair in both for word in pair})
    if len(words) < 2:  # nothing, or all of it is the same
        return TwoRaters(first, second, len(both), 1.0 if both else None, None)
    counts = np.zeros((len(words), len(words)))
    for one, other in both:
        counts[words.index(one), words.index(other)] += 1
    same = float(np.trace(counts) / len(both))
    return TwoRaters(first, second, len(both), same, number(kappa(counts, 0)))
