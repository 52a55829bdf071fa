"""The embedded judge: checks the predicate that a criterion carries, and never guesses.

No model, no network, no cost. Where a criterion has no `check` there is no verdict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

from ..answer import view_of
from ..errors import DataError
from ..judge import JudgeIdentity, Question
from ..registry import register_judge
from ..rubric import Criterion, Example, NaRule
from ..shares import counted_shares, suited
from ..verdict import HIGHEST, Outcome, Rating, Verdict
from .checks import LANGUAGE_VERSION, Evidence, Predicate, holds
from .parser import parse_check

NO_PREDICATE = "this criterion carries no predicate; the keyword judge never guesses"


@register_judge("keyword")
class KeywordJudge:
    """Meets a criterion when the predicate in its `check` holds of the answer."""

    gives_probabilities: ClassVar[bool] = False

    def __init__(self) -> None:
        """Take no options: the criterion carries everything."""
        self.identity = JudgeIdentity(
            name="keyword", version=LANGUAGE_VERSION, prompt=f"predicates-{LANGUAGE_VERSION}"
        )

    def grades(self, example: Example) -> bool:
        """Say whether any criterion carries a predicate."""
        return any(
            criterion.check is not None
            or (criterion.na and criterion.na_check is not None)
            or any(level.check is not None for level in criterion.levels)
            for criterion in example.rubric.criteria
        )

    async def judge(self, question: Question) -> Verdict:
        """Evaluate the criterion's predicates; one that cannot be read gives no verdict.

        "Not applicable" comes first. Of levels the last one whose predicate holds counts; where
        none does, the first level does if it has none of its own.
        """
        criterion = question.criterion
        if criterion.na and criterion.na_check is not None:
            is_na = _evidence(question, criterion.na_check, "na_check")
            if isinstance(is_na, Verdict):
                return is_na
            if is_na.holds:
                return Verdict.not_applicable(explanation=is_na.reason)
        if any(level.check is not None for level in criterion.levels):
            return _level(question)
        if criterion.check is None:
            return _skipped(NO_PREDICATE)
        evidence = _evidence(question, criterion.check, "check")
        if isinstance(evidence, Verdict):
            return evidence
        return Verdict.of(evidence.holds, explanation=evidence.reason)

    async def rate(self, example: Example, answer: str) -> Rating:
        """Rate by the share of the absolute points that speak for the answer: 1 at 0, 10 at 1.

        Of a criterion these are its points above the worst it can bring, out of its best above its
        worst. No opinion of its own: the same predicates, in one number. What does not apply is
        excluded as the scores exclude it; without a verdict on every other criterion there is no
        rating.
        """
        rubric = example.rubric
        questions = [Question(example, answer, index) for index in range(len(rubric))]
        verdicts = [
            suited(await self.judge(question), question.criterion) for question in questions
        ]
        earned = whole = 0.0
        shares = counted_shares(rubric, verdicts)
        for criterion, verdict, share in zip(rubric.criteria, verdicts, shares, strict=True):
            if share is None and verdict.is_na and criterion.na is NaRule.EXCLUDED:
                continue
            if share is None:
                why = verdict.explanation or "what it requires has no verdict"
                return Rating(None, Outcome.SKIPPED, why)
            worst, best = _range_of(criterion)
            earned += share * criterion.points - worst
            whole += best - worst
        if whole == 0:
            return Rating(None, Outcome.SKIPPED, "the rubric has no points")
        rating = 1 + round((HIGHEST - 1) * earned / whole)
        return Rating(rating, explanation=f"{earned:g} of {whole:g} points speak for the answer")

    def key_material(self, question: Question) -> bytes:
        """Give what a verdict depends on: the checks and what is judged, not the conversation."""
        criterion = question.criterion
        material: dict[str, object] = {"check": criterion.check, "answer": view_of(question).said}
        if criterion.levels:
            material["levels"] = [level.check for level in criterion.levels]
        if criterion.na:
            material["na_check"] = criterion.na_check
        return json.dumps(material, sort_keys=True).encode()


def _level(question: Question) -> Verdict:
    """Give the last level whose predicate holds."""
    levels = question.criterion.levels
    for place in range(len(levels) - 1, -1, -1):
        check = levels[place].check
        if check is None:
            continue
        evidence = _evidence(question, check, f"levels.{place}.check")
        if isinstance(evidence, Verdict):
            return evidence
        if evidence.holds:
            return Verdict.at_level(place, explanation=evidence.reason)
    if levels[0].check is None:
        return Verdict.at_level(0, explanation="the predicate of no other level holds")
    return _skipped("the predicate of no level holds, and the first one has its own")


def _evidence(question: Question, check: Mapping[str, object], name: str) -> Evidence | Verdict:
    """Evaluate a predicate on what is judged; or say why it cannot be."""
    where = f"prompt_id {question.example.prompt_id}: criterion {question.index + 1}: {name}"
    try:
        predicate = _parsed(json.dumps(check), where)
    except DataError as error:
        # one bad row never ends a run; the reason names the row and the field
        return _skipped(str(error))
    except (TypeError, ValueError) as error:
        return _skipped(f"{where}: not JSON: {error}")
    evidence = holds(predicate, view_of(question).said)
    return _skipped(evidence.reason) if evidence.holds is None else evidence


def _range_of(criterion: Criterion) -> tuple[float, float]:
    """Give the least and the most points that a criterion can bring."""
    points = [level.points for level in criterion.levels] or [0.0, criterion.points]
    return min(points), max(points)


def _skipped(why: str) -> Verdict:
    return Verdict(Outcome.SKIPPED, explanation=why, attempts=0)


@lru_cache(maxsize=8_192)
def _parsed(canonical: str, where: str) -> Predicate:
    return parse_check(json.loads(canonical), where=where)
