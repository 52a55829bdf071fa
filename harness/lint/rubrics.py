"""Check rubrics before anything is paid: what costs judge calls and gives little signal.

A finding names its rows; it never stops a run. Text alone is looked at; where graded answers are
given too, criteria that no answer meets, or all meet, are found, and rubrics whose reference
answers score below null answers (`polarity.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from ...judges.answer import GradedAnswer
from ...judges.rubric import Example
from .findings import LintFinding, LintReport, LintRule
from .forms import of_forms
from .polarity import polarity_words
from .recorded import of_verdicts
from .wording import WORDING_RULES, pairs

LONG_RUBRIC = 40
"""Criteria; HealthBench has 2 to 48, and each is a judge call."""
LEVERAGE = 1.0
"""A negative criterion whose loss is at least this share of all positive points."""


def lint_rubrics(examples: Sequence[Example], graded: Sequence[GradedAnswer] = ()) -> LintReport:
    """Look at rubrics, and at verdicts on them if there are any.

    Args:
        examples: The rubrics.
        graded: Answers to them under any judge; may be empty.
    """
    findings = [finding for example in examples for finding in _of_example(example)]
    findings += of_verdicts(graded)
    criteria = [criterion for example in examples for criterion in example.rubric.criteria]
    sizes = [len(example.rubric) for example in examples]
    weight = sum(abs(criterion.points) for criterion in criteria)
    negative = [criterion for criterion in criteria if criterion.points < 0]
    bare = sum(1 for e in examples if all(c.points > 0 for c in e.rubric.criteria))
    return LintReport(
        n_rubrics=len(examples),
        n_criteria=len(criteria),
        criteria_median=float(median(sizes)) if sizes else 0.0,
        negative_share=len(negative) / len(criteria) if criteria else 0.0,
        negative_points_share=sum(-c.points for c in negative) / weight if weight else 0.0,
        without_negative=bare / len(examples) if examples else 0.0,
        findings=tuple(findings),
        polarity=polarity_words(graded),
    )


def _of_example(example: Example) -> Iterator[LintFinding]:
    criteria = example.rubric.criteria

    def found(rule: LintRule, *positions: int, detail: str = "") -> LintFinding:
        return LintFinding(rule, example.prompt_id, positions, detail)

    positive = example.rubric.positive_points
    negatives = [i for i, criterion in enumerate(criteria) if criterion.points < 0]
    if positive == 0:
        yield found(LintRule.NO_POSITIVE)
    if len(criteria) == 1:
        yield found(LintRule.SINGLE, 0)
    if len(criteria) > LONG_RUBRIC:
        yield found(LintRule.LONG, detail=f"{len(criteria)} criteria")
    if len(negatives) == 1 and len(criteria) > 1:
        share = -criteria[negatives[0]].points / (positive + example.rubric.negative_points)
        yield found(LintRule.LONE_PITFALL, *negatives, detail=f"{share:.0%} of the points")
    for i in negatives:
        if positive > 0 and -criteria[i].points >= LEVERAGE * positive:
            yield found(
                LintRule.LEVERAGE, i, detail=f"{criteria[i].points:g} against {positive:g} positive"
            )
    for i, criterion in enumerate(criteria):
        # with levels: the question is short, and the levels say what is looked for
        for rule, is_broken in WORDING_RULES if not criterion.levels else ():
            if is_broken(criterion):
                yield found(rule, i)
    yield from pairs(example)
    yield from of_forms(example)
