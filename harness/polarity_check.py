"""Find a data set whose polarity is read the wrong way round.

A reference answer is good by definition, and a null answer is none. Where the references lose more
negative points than the null answers, or score below them, a criterion's "true" has been taken for
bad where it is good ("Avoids ..." read as a fault).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..judges.answer import GradedAnswer
from ..judges.rubric import Criterion, Example, Polarity
from ..judges.scoring.item_scores import ScoredTable
from ..judges.scoring.rubric_arrays import Floats
from ..judges.verdict import Source, Verdict

MAX_EXTRA_LOSS = 0.5
"""Share of the negative points that references may lose beyond what null answers lose.

Ours: a good answer commits a few faults, and not most of them. High positive points hide a reversed
polarity from the score, so the negative criteria are looked at on their own.
"""


@dataclass(frozen=True, slots=True)
class SuspectCriterion:
    """A negative criterion that a reference answer loses points on and the null answer does not."""

    prompt_id: str
    index: int
    """Position in the rubric."""
    points: float


@dataclass(frozen=True, slots=True)
class PolarityReport:
    """Reference answers beside null answers, over the same examples."""

    n: int
    """Examples where both are scored."""
    reference_score: float | None
    """Mean h, unclipped."""
    null_score: float | None
    reference_lost: float | None
    """Mean share of the negative points lost, in [0, 1]."""
    null_lost: float | None
    suspects: tuple[SuspectCriterion, ...]

    @property
    def is_suspect(self) -> bool:
        """Whether the references score below the null answers, or lose far more on negatives."""
        if self.reference_score is None or self.null_score is None:
            return False
        extra = (self.reference_lost or 0.0) - (self.null_lost or 0.0)
        return self.reference_score < self.null_score or extra > MAX_EXTRA_LOSS

    def message(self) -> str | None:
        """Say what is wrong and how to mend it; None where nothing is."""
        if not self.is_suspect:
            return None
        return (
            f"polarity looks reversed: over {self.n} examples the reference answers score "
            f"{self.reference_score:.3f} and lose {_per_cent(self.reference_lost)} of the "
            f"negative points, null answers score {self.null_score:.3f} and lose "
            f"{_per_cent(self.null_lost)}; {len(self.suspects)} criteria are suspect; say "
            "'polarity': 'desirable' on negative criteria whose text is true of a good answer"
        )


def check_polarity(
    references: Sequence[GradedAnswer], nulls: Sequence[GradedAnswer] | None = ()
) -> PolarityReport:
    """Compare graded reference answers with graded null answers.

    Args:
        references: Reference answers, judged; one an example.
        nulls: Empty answers to the same examples, judged; `null_answer` where there is none.
    """
    judged = {null.example.prompt_id: null for null in nulls or ()}
    paired = [judged.get(r.example.prompt_id) or null_answer(r.example) for r in references]
    reference_items = ScoredTable.of(references).items
    null_items = ScoredTable.of(paired).items
    both = ~np.isnan(reference_items.h) & ~np.isnan(null_items.h)
    lost = ~np.isnan(reference_items.negative_share) & ~np.isnan(null_items.negative_share)
    return PolarityReport(
        n=int(both.sum()),
        reference_score=_mean(reference_items.h[both]),
        null_score=_mean(null_items.h[both]),
        reference_lost=_mean(reference_items.negative_share[lost]),
        null_lost=_mean(null_items.negative_share[lost]),
        suspects=tuple(
            suspect
            for reference, null in zip(references, paired, strict=True)
            for suspect in _suspects(reference, null)
        ),
    )


def null_answer(example: Example) -> GradedAnswer:
    """Give an empty answer with the verdicts it has by its nature, without a judge.

    It says nothing, so it has no trait and commits no fault; what avoidance asks for, it does.
    """
    return GradedAnswer(
        example=example,
        answer="",
        verdicts=tuple(map(_verdict_on_nothing, example.rubric.criteria)),
    )


def _verdict_on_nothing(criterion: Criterion) -> Verdict:
    if not criterion.levels:
        return Verdict.of(_is_avoidance(criterion), source=Source.REPLAY, attempts=0)
    least = min(criterion.levels, key=lambda level: abs(level.points))
    return Verdict.at_level(criterion.levels.index(least), source=Source.REPLAY, attempts=0)


def _is_avoidance(criterion: Criterion) -> bool:
    return criterion.points < 0 and criterion.polarity is Polarity.DESIRABLE


def _suspects(reference: GradedAnswer, null: GradedAnswer) -> list[SuspectCriterion]:
    example = reference.example
    return [
        SuspectCriterion(example.prompt_id, index, criterion.points)
        for index, criterion in enumerate(example.rubric.criteria)
        if criterion.points < 0
        if reference.verdicts[index].met is criterion.counts_when_met
        if null.verdicts[index].met is (not criterion.counts_when_met)
    ]


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _per_cent(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"
