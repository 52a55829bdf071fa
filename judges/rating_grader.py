"""Answers in, ratings out: the grader's pool, store and limits for the rating call.

with open_rating_grader({"name": "chat", "model": "gpt-4.1"}) as grader:
    ratings = grader.rate([Answer(example, text) for example, text in answers])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .answer import Answer
from .files import Closing
from .grader import Estimate, Grader, RuntimeOptions
from .judge import Judge, JudgeIdentity
from .judge_options import make_judge
from .rating import Rating, RatingJudge, RatingQuestions, WholeRubric


def open_rating_grader(options: str | Mapping[str, Any] | Judge) -> RatingGrader:
    """Open a grader that rates whole answers from 1 to 10.

    Args:
        options: As for `open_grader`; the judge must have `rate`, as `chat` has.

    Raises:
        ConfigError: The judge gives no ratings, or an option is wrong.
    """
    if isinstance(options, str):
        options = {"name": options}
    if not isinstance(options, Mapping):
        return RatingGrader(options)
    mine, rest = RuntimeOptions.split(options)
    return RatingGrader(make_judge(rest), mine, rest)


class RatingGrader(Closing):
    """Rates answers with one judge; a context manager, and picklable before its first use."""

    def __init__(
        self,
        judge: Judge | RatingJudge,
        runtime: Mapping[str, Any] | None = None,
        judge_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Wrap a judge that has `rate`."""
        asking = RatingQuestions(judge)  # type: ignore[arg-type]  # it checks for `rate` itself
        settings = RuntimeOptions.from_mapping({**asking.runtime_defaults, **(runtime or {})})
        self._grader = Grader(asking, settings, judge_options)

    @property
    def identity(self) -> JudgeIdentity:
        """The judge as the store knows it."""
        return self._grader.identity

    def rate(self, answers: Sequence[Answer], *, progress: bool | None = None) -> list[Rating]:
        """Rate answers, in order; a missing rating has its reason."""
        graded = self._grader.grade(_whole(answers), progress=progress)
        return [Rating.from_verdict(answer.verdicts[0]) for answer in graded]

    async def rate_again_async(self, answers: Sequence[Answer]) -> list[tuple[Rating, ...]]:
        """Give every rating of each answer: the first, then as many as its replicates ask for."""
        return [
            tuple(Rating.from_verdict(row[0]) for row in (answer.verdicts, *answer.replicates))
            for answer in await self._grader.grade_async(_whole(answers))
        ]

    def estimate(self, answers: Sequence[Answer]) -> Estimate:
        """Say what rating would cost; nothing is sent, and the store is only read."""
        return self._grader.estimate(_whole(answers))

    @property
    def options(self) -> RuntimeOptions:
        """Its limits; others may be set before the first use."""
        return self._grader.options

    @options.setter
    def options(self, options: RuntimeOptions) -> None:
        self._grader.options = options

    @property
    def stopped(self) -> str | None:
        """Why nothing more was asked: an outage, a spent budget; or None."""
        return self._grader.stopped

    def facts(self) -> dict[str, Any]:
        """Give what results say about their judge."""
        return self._grader.facts()

    def close(self) -> None:
        """End the pool; safe to call twice."""
        self._grader.close()


def _whole(answers: Sequence[Answer]) -> list[Answer]:
    return [replace(answer, example=WholeRubric.of(answer.example)) for answer in answers]
