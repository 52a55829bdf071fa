"""The contract of a judge: one async method over one question.

A judge knows its own prompt and its own endpoint. Retries, limits, the store and progress are the
runtime's; no judge has its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from .errors import ConfigError
from .options.own_code import code_digest, settings_digest
from .rubric import Criterion, Example, Polarity, Rubric, numbered
from .verdict import HIGHEST, Rating, Verdict


@dataclass(frozen=True, slots=True)
class Question:
    """One criterion asked about one answer; or, for a rating, the whole answer."""

    example: Example
    answer: str
    """The text that is judged: the solution section of the answer (see `answers.py`)."""
    index: int
    """Position of the criterion in the example's rubric; 0 where a rating is asked for."""
    replicate: int = 0
    """0 for the first verdict on this question, 1 for an independent second one, and so on."""
    is_rating: bool = False
    """Whether a rating by the whole rubric is asked for (`Rating`), and no verdict."""

    @property
    def criterion(self) -> Criterion:
        """The criterion asked about."""
        return self.example.rubric.criteria[self.index]


@dataclass(frozen=True)
class JudgeIdentity:
    """Everything that identifies a judge; all of it is part of the store key."""

    name: str
    """The registered name, such as `chat`."""
    version: str = "1"
    """Raised whenever the same input could give another verdict."""
    model: str = ""
    prompt: str = ""
    """Name, version and hash of the wording, such as `healthbench-1:3f2a9c...`."""
    sampling: Mapping[str, object] = field(default_factory=dict, hash=False)
    """Temperature, token limit, call shape: JSON values only, never a key or an address."""

    def to_json(self) -> dict[str, object]:
        """Give the plain form, for results and the store."""
        return {
            "name": self.name,
            "version": self.version,
            "model": self.model,
            "prompt": self.prompt,
            "sampling": dict(self.sampling),
        }

    @cached_property
    def digest(self) -> str:
        """Sixty-four hex digits that two judges share only when they are the same judge."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


@runtime_checkable
class Judge(Protocol):
    """Anything that can answer one question.

    Optional beside the method, all read by the runtime:

    * `identity: JudgeIdentity`: else it is made of the name, the `version` and the settings;
    * `version`: raised whenever the same input could give another verdict; else its code counts,
      and every edit asks anew;
    * `group_size: int` with `judge_group(questions)`: several criteria of one answer in one call;
    * `key_material(question) -> bytes`: the exact request, for the store key; else the
      conversation, the answer, the criterion and its points;
    * `members` with `judge_with(question, ask)`: a judge made of other judges, such as a jury. It
      is called in the place of `judge`, outside of any limit (waiting for its members while it held
      a place in the pool would block them), and `ask` puts every question through the store under
      the member's own identity: each member's verdict is paid for once, whichever judge uses it.
      The verdict made of theirs is not stored. Where a member is asked several times a question,
      `asks_each` says how often at most, for the estimate of the cost;
    * `rate(example, answer)`: a rating of the whole answer (`Rating`), with `rating_identity`
      and `rating_material(example, answer)` beside it, as verdicts have `identity` and
      `key_material`;
    * `runtime_defaults`: runtime options that this judge needs, such as a longer `timeout_s`; what
      the user says goes before them;
    * `collects = True`: it gathers questions before it answers any (a batch), so that the runtime
      must not try the first one alone;
    * `is_probed = True`: an endpoint may refuse its settings, so that few calls are made until one
      is answered;
    * `stored = False`: its verdicts cost nothing and are not kept;
    * `gives_probabilities = False`: none of its verdicts ever carries P(met);
    * `requests_of(question) -> int`: how many requests it sends for a question, one after another,
      where that is more than one; the bounds of calls and cost count each;
    * `require_askable(example)`: raises a `ConfigError` where it cannot ask about a rubric as it is
      set up; called before anything of a run is asked;
    * `grades(example) -> bool`: whether it can give a verdict on any criterion of a rubric, where
      that takes predicates in the rows;
    * `notes: str`: what readers of the results should know of it;
    * `async aclose()`: called once, when the runtime closes.

    A judge raises a `JudgeError` for what a retry may mend, and returns a `Verdict` without an
    answer for what it will not.
    """

    async def judge(self, question: Question) -> Verdict:
        """Answer one question."""
        ...


@runtime_checkable
class RatingJudge(Protocol):
    """A judge that can rate a whole answer."""

    async def rate(self, example: Example, answer: str) -> Rating:
        """Rate one answer by the whole rubric, in one call."""
        ...


Ask = Callable[[Judge, Question], Awaitable[Verdict]]
"""Puts a question to a judge the way the runtime does: store, limits and retries included."""


def require_askable(judge: object, examples: Iterable[Example]) -> None:
    """See that a judge, and those that it is made of, can ask about rubrics, before it costs.

    Raises:
        ConfigError: One cannot, as it is set up.
    """
    checks = [
        check
        for one in (judge, *getattr(judge, "members", ()))
        if (check := getattr(one, "require_askable", None)) is not None
    ]
    if checks:
        for example in examples:
            for check in checks:
                check(example)


def require_any_askable(judge: object, examples: Collection[Example]) -> None:
    """See that a judge that needs rubrics made for it has one at least, before it costs.

    Of a judge that is made of others nothing is asked: what one of them leaves, another may take.

    Raises:
        ConfigError: It can give no verdict on any of these rubrics.
    """
    grades = getattr(judge, "grades", None)
    if grades is not None and examples and not any(map(grades, examples)):
        raise ConfigError(
            f"judge {identity_of(judge).name}: none of the {len(examples):,} rubrics has a "
            "criterion with a 'check', so there would be no verdict at all; add checks "
            "(docs/judges.md), or use a judge that reads the text, such as --judge chat"
        )


def identity_of(judge: object) -> JudgeIdentity:
    """Give a judge's identity; where it declares none, one of its name, code and settings."""
    identity = getattr(judge, "identity", None)
    if isinstance(identity, JudgeIdentity):
        return identity
    name = getattr(judge, "name", None) or f"{type(judge).__module__}:{type(judge).__qualname__}"
    settings = settings_digest(judge)
    sampling = {"settings": settings} if settings else {}
    return JudgeIdentity(name=str(name), version=version_of(judge), sampling=sampling)


def version_of(judge: object) -> str:
    """Give the version that a judge declares; else a digest of its code, so that an edit counts."""
    declared = getattr(judge, "version", None)
    return f"code:{code_digest(type(judge))}" if declared is None else str(declared)


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
