"""The embedded judge: checks the predicate that a criterion carries, and never guesses.

No model, no network, no cost. Where a criterion has no `check` there is no verdict.
"""

from __future__ import annotations

import json
from functools import lru_cache

from ..errors import DataError
from ..judge import JudgeIdentity, Question
from ..rating import HIGHEST, Rating
from ..registry import register_judge
from ..rubric import Example, Polarity
from ..verdict import Outcome, Verdict
from .checks import LANGUAGE_VERSION, Predicate, holds
from .parser import parse_check

NO_PREDICATE = "this criterion carries no predicate; the keyword judge never guesses"


@register_judge("keyword")
class KeywordJudge:
    """Meets a criterion when the predicate in its `check` holds of the answer."""

    def __init__(self) -> None:
        """Take no options: the criterion carries everything."""
        self.identity = JudgeIdentity(
            name="keyword", version=LANGUAGE_VERSION, prompt=f"predicates-{LANGUAGE_VERSION}"
        )

    async def judge(self, question: Question) -> Verdict:
        """Evaluate the criterion's predicate; one that cannot be read gives no verdict."""
        check = question.criterion.check
        if check is None:
            return Verdict(Outcome.SKIPPED, explanation=NO_PREDICATE, attempts=0)
        where = f"prompt_id {question.example.prompt_id}: criterion {question.index + 1}: check"
        try:
            predicate = _parsed(json.dumps(check), where)
        except DataError as error:
            # one bad row never ends a run; the reason names the row and the field
            return Verdict(Outcome.SKIPPED, explanation=str(error), attempts=0)
        except (TypeError, ValueError) as error:
            return Verdict(Outcome.SKIPPED, explanation=f"{where}: not JSON: {error}", attempts=0)
        evidence = holds(predicate, question.answer)
        if evidence.holds is None:
            return Verdict(Outcome.SKIPPED, explanation=evidence.reason, attempts=0)
        return Verdict.of(evidence.holds, explanation=evidence.reason)

    async def rate(self, example: Example, answer: str) -> Rating:
        """Rate by the share of the absolute points that speak for the answer: 1 at 0, 10 at 1.

        No opinion of its own: the same predicates, in one number. Without a verdict on every
        criterion there is no rating.
        """
        criteria = example.rubric.criteria
        verdicts = [
            await self.judge(Question(example, answer, index)) for index in range(len(criteria))
        ]
        missing = next((verdict for verdict in verdicts if verdict.met is None), None)
        whole = sum(abs(criterion.points) for criterion in criteria)
        if missing is not None or whole == 0:
            why = missing.explanation if missing is not None else "the rubric has no points"
            return Rating(None, Outcome.SKIPPED, why)
        earned = sum(
            abs(criterion.points)
            for criterion, verdict in zip(criteria, verdicts, strict=True)
            if verdict.met is (criterion.polarity is Polarity.DESIRABLE)
        )
        rating = 1 + round((HIGHEST - 1) * earned / whole)
        return Rating(rating, explanation=f"{earned:g} of {whole:g} points speak for the answer")

    def key_material(self, question: Question) -> bytes:
        """Give what a verdict depends on: the check and the answer, not the conversation."""
        material = {"check": question.criterion.check, "answer": question.answer}
        return json.dumps(material, sort_keys=True).encode()


@lru_cache(maxsize=8_192)
def _parsed(canonical: str, where: str) -> Predicate:
    return parse_check(json.loads(canonical), where=where)
