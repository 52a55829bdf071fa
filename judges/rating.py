"""A judge's rating of a whole answer, 1 to 10: another question than the verdicts of a rubric.

Used by the reward `rar_implicit`. So that a rating is bought once, stored, limited and retried as
verdicts are, it rides through the runtime as a verdict on one question, whose criterion is the
whole rubric: `Rating.to_verdict` and `Rating.from_verdict` say how. `rating_grader.py` asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from .errors import ConfigError
from .judge import JudgeIdentity, Question, identity_of
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


@dataclass(frozen=True, slots=True)
class WholeRubric(Criterion):
    """All criteria of an example as the one thing a rating is asked about."""

    rubric: Rubric = field(default_factory=lambda: Rubric(()))
    """The criteria it stands for."""

    @classmethod
    def of(cls, example: Example) -> Example:
        """Give the example with its whole rubric in the place of its criteria."""
        text = numbered(example.rubric.criteria)
        one = cls(text, float(HIGHEST), Polarity.DESIRABLE, rubric=example.rubric)
        return replace(example, rubric=Rubric((one,)))


@dataclass(slots=True)
class RatingQuestions:
    """Shows a rating judge to the runtime as a judge of one question an answer."""

    inner: RatingJudge
    identity: JudgeIdentity = field(init=False)
    runtime_defaults: Mapping[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a judge that cannot rate.

        Raises:
            ConfigError: It has no `rate`.
        """
        if not isinstance(self.inner, RatingJudge):
            raise ConfigError(
                f"judge {identity_of(self.inner).name!r} gives no ratings (it has no `rate`); "
                "rar_implicit needs one that does, such as chat"
            )
        self.runtime_defaults = getattr(self.inner, "runtime_defaults", {})
        declared = getattr(self.inner, "rating_identity", None)
        if not isinstance(declared, JudgeIdentity):
            base = identity_of(self.inner)
            declared = replace(base, sampling={**base.sampling, "shape": "rating"})
        self.identity = declared

    @property
    def stored(self) -> bool:
        """Whether the judge says of itself that its answers are kept; not there where it does not.

        Raises:
            AttributeError: It says nothing, and its name decides.
        """
        inner: Any = self.inner
        return bool(inner.stored)

    async def judge(self, question: Question) -> Verdict:
        """Rate the answer of a question about a `WholeRubric`."""
        return (await self.inner.rate(_restored(question), question.answer)).to_verdict()

    def key_material(self, question: Question) -> bytes:
        """Give the whole request: the conversation, the answer and every criterion."""
        example = _restored(question)
        material = getattr(self.inner, "rating_material", None)
        if material is not None:
            return bytes(material(example, question.answer))
        return json.dumps(
            [
                [[m.role, m.content] for m in example.prompt],
                question.answer,
                [[c.text, c.points] for c in example.rubric.criteria],
            ]
        ).encode()

    async def aclose(self) -> None:
        """Close the judge behind this one."""
        close = getattr(self.inner, "aclose", None)
        if close is not None:
            await close()


def _restored(question: Question) -> Example:
    """Give the example as it was before `WholeRubric.of`."""
    whole = question.criterion
    if not isinstance(whole, WholeRubric):
        raise ConfigError("ratings are asked for by RatingGrader.rate, not by Grader.grade")
    return replace(question.example, rubric=whole.rubric)
