"""The judge of the tests: it says what it is told, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import ConfigError
from ..judge import JudgeIdentity, Question
from ..registry import register_judge
from ..verdict import Outcome, Verdict

NA = "na"
"""What a script says where a criterion does not apply."""
Said = Verdict | bool | int | str | None | BaseException
"""A verdict, True or False, the number of a level, `NA`, None for an unreadable reply, or an error
to raise. True and False of a criterion with two levels are the second and the first."""


@register_judge("scripted")
@dataclass(slots=True)
class ScriptedJudge:
    """Gives verdicts from a function of the question, or from a list in the order asked."""

    script: Callable[[Question], Said] | Iterable[Said] = True  # type: ignore[assignment]
    """A function, a list, or one verdict for all questions."""
    label: str = "scripted"
    """Part of the identity: two scripts under one label are one judge to the store."""
    asked: list[Question] = field(default_factory=list, init=False, repr=False)
    """Every question so far, in order."""
    _rest: Iterator[Said] | None = field(default=None, init=False, repr=False)

    @property
    def identity(self) -> JudgeIdentity:
        """Named by the label."""
        return JudgeIdentity("scripted", model=self.label)

    async def judge(self, question: Question) -> Verdict:
        """Give the next verdict of the script."""
        self.asked.append(question)
        said = self._next(question)
        if isinstance(said, BaseException):
            raise said
        if isinstance(said, Verdict):
            return said
        if said is None:
            return Verdict(Outcome.UNPARSEABLE, explanation="scripted to have no verdict")
        if isinstance(said, str):
            return _named(said)
        if question.criterion.levels and not isinstance(said, bool):
            return Verdict.at_level(said)
        return Verdict.of(bool(said))

    def _next(self, question: Question) -> Said:
        if callable(self.script):
            return self.script(question)
        if isinstance(self.script, int | str | Verdict | BaseException) or self.script is None:
            return self.script
        if self._rest is None:
            self._rest = iter(self.script)
        try:
            return next(self._rest)
        except StopIteration:
            raise ConfigError(
                f"the scripted judge was asked {len(self.asked)} times, and its script is over"
            ) from None


def _named(said: str) -> Verdict:
    if said != NA:
        raise ConfigError(f"the script says {said!r:.80}; True, False, None, a level, or {NA!r}")
    return Verdict.not_applicable()


@register_judge("constant")
@dataclass(slots=True)
class ConstantJudge:
    """Says the same of every criterion, whatever the answer."""

    stored: ClassVar[bool] = False
    """Nothing is paid for."""
    gives_probabilities: ClassVar[bool] = False
    met: bool = True
    """`met=true` says that every criterion is met, faults included; `met=false` that none is. Of
    levels, the one with most of the criterion's points, and the one with least."""

    @property
    def identity(self) -> JudgeIdentity:
        """Two judges: the one that says yes, and the one that says no."""
        return JudgeIdentity("constant", sampling={"met": self.met})

    async def judge(self, question: Question) -> Verdict:
        """Give the one verdict there is: never "not applicable"."""
        criterion = question.criterion
        if not criterion.levels:
            return Verdict.of(self.met, attempts=0)
        shares = [criterion.share(level) for level in range(len(criterion.levels))]
        level = shares.index(max(shares) if self.met else min(shares))
        return Verdict.at_level(level, attempts=0)
