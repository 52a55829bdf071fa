"""A judge's rating of a whole answer, 1 to 10: another question than the verdicts of a rubric.

Used by the reward `rar_implicit`. `Grader.rate` asks: a rating is paid for once, stored,
limited and retried as verdicts are. Stores and files hold it in the form of a verdict, which
`Rating.to_verdict` and `Rating.from_verdict` write and read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from .errors import ConfigError
from .judge import JudgeIdentity, identity_of
from .rubric import Criterion, Example, Polarity, Rubric, numbered
from .verdict import Outcome, Verdict

HIGHEST = 10
"""The best rating; the reward `rar_implicit` is the rating over it."""


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating from 1 to 10, or none with a reason."""

    value: int | None
    """1 to 10, or None where no usable rating came."""
    outcome: Outcome = Outcome.MET
    """`MET` where there is a rating, else why there is none."""
    explanation: str = ""
    reply: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def to_verdict(self) -> Verdict:
        """Put the rating into a verdict: `MET`, with a tenth of it as its probability."""
        given = self.value is not None
        return Verdict(
            Outcome.MET if given else self.outcome,
            probability=None if self.value is None else self.value / HIGHEST,
            explanation=self.explanation,
            reply=self.reply,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
        )

    @classmethod
    def from_verdict(cls, verdict: Verdict) -> Rating:
        """Take the rating out of a verdict again."""
        value = None
        if verdict.outcome is Outcome.MET and verdict.probability is not None:
            value = round(verdict.probability * HIGHEST)
        return cls(
            value,
            verdict.outcome,
            verdict.explanation,
            verdict.reply,
            verdict.prompt_tokens,
            verdict.cached_tokens,
            verdict.completion_tokens,
        )


@runtime_checkable
class RatingJudge(Protocol):
    """A judge that can rate a whole answer."""

    async def rate(self, example: Example, answer: str) -> Rating:
        """Rate one answer by the whole rubric, in one call."""
        ...


def rating_identity(judge: object) -> JudgeIdentity:
    """Give what makes a judge this judge when it rates: another one than when it judges.

    Raises:
        ConfigError: It has no `rate`.
    """
    if not isinstance(judge, RatingJudge):
        raise ConfigError(
            f"judge {identity_of(judge).name!r} gives no ratings (it has no `rate`); "
            "rar_implicit needs one that does, such as chat"
        )
    declared = getattr(judge, "rating_identity", None)
    if isinstance(declared, JudgeIdentity):
        return declared
    base = identity_of(judge)
    return replace(base, sampling={**base.sampling, "shape": "rating"})


def whole_rubric(example: Example) -> Example:
    """Give an example as the store keeps it beside its ratings: its rubric as one criterion."""
    text = numbered(example.rubric.criteria)
    one = Criterion(text, float(HIGHEST), Polarity.DESIRABLE)
    return replace(example, rubric=Rubric((one,)))
