"""Find a data set whose polarity is read the wrong way round.

A reference answer is good by definition, and a null answer is none. Where the references lose more
negative points than the null answers, or score below them, a criterion's "true" has been taken for
bad where it is good ("Avoids ..." read as a fault).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.rubric import Criterion, Example, Polarity
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.rubric_arrays import Floats
from ...judges.verdict import Source, Verdict

MAX_EXTRA_LOSS = 0.5
"""Share of the negative points that references may lose beyond what null answers lose.

Ours: a good answer commits a few faults, and not most of them. High positive points hide a reversed
polarity from the score, so the negative criteria are looked at on their own.
"""


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
    n_suspect: int
    """Negative criteria that a reference answer loses points on and its null answer does not."""

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
            f"{_per_cent(self.null_lost)}; {self.n_suspect} criteria are suspect; say "
            "'polarity': 'desirable' on negative criteria whose text is true of a good answer"
        )


def polarity_words(graded: Sequence[GradedAnswer]) -> str | None:
    """Say that the polarity looks reversed, by the reference answers among those that are graded.

    None where it does not, or where no reference answer is graded.
    """
    references = {
        g.example.prompt_id: g for g in graded if g.answer and g.answer in g.example.references
    }
    nulls = {g.example.prompt_id: g for g in graded if not g.answer.strip()}
    # graded null answers where every reference has one, else what a null answer is by its nature
    are_graded = references.keys() <= nulls.keys()
    beside = [nulls[prompt_id] for prompt_id in references] if are_graded else []
    return check_polarity(list(references.values()), beside).message()


def check_polarity(
    references: Sequence[GradedAnswer], nulls: Sequence[GradedAnswer] = ()
) -> PolarityReport:
    """Compare graded reference answers with graded null answers.

    Args:
        references: Reference answers, judged; one an example.
        nulls: Empty answers to the same examples, judged; `null_answer` where there is none.
    """
    judged = {null.example.prompt_id: null for null in nulls}
    paired = [judged.get(r.example.prompt_id) or null_answer(r.example) for r in references]
    said, nothing = ScoredTable.of(references).items, ScoredTable.of(paired).items
    both = ~np.isnan(said.h) & ~np.isnan(nothing.h)
    lost = ~np.isnan(said.negative_share) & ~np.isnan(nothing.negative_share)
    return PolarityReport(
        n=int(both.sum()),
        reference_score=_mean(said.h[both]),
        null_score=_mean(nothing.h[both]),
        reference_lost=_mean(said.negative_share[lost]),
        null_lost=_mean(nothing.negative_share[lost]),
        n_suspect=sum(map(_n_suspect, references, paired)),
    )


def null_answer(example: Example) -> GradedAnswer:
    """Give an empty answer with the verdicts it has by its nature, without a judge.

    It says nothing, so it has no trait and commits no fault; what avoidance asks for, it does.
    """
    verdicts = tuple(map(_verdict_on_nothing, example.rubric.criteria))
    return GradedAnswer(example=example, answer="", verdicts=verdicts)


def _verdict_on_nothing(criterion: Criterion) -> Verdict:
    if not criterion.levels:
        is_avoidance = criterion.points < 0 and criterion.polarity is Polarity.DESIRABLE
        return Verdict.of(is_avoidance, source=Source.REPLAY, attempts=0)
    least = min(criterion.levels, key=lambda level: abs(level.points))
    return Verdict.at_level(criterion.levels.index(least), source=Source.REPLAY, attempts=0)


def _n_suspect(reference: GradedAnswer, null: GradedAnswer) -> int:
    said = zip(reference.example.rubric.criteria, reference.verdicts, null.verdicts, strict=True)
    return sum(
        criterion.points < 0
        and of_reference.met is criterion.counts_when_met
        and of_null.met is (not criterion.counts_when_met)
        for criterion, of_reference, of_null in said
    )


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _per_cent(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"
