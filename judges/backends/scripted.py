"""The judge of the tests: it says what it is told, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import ConfigError
from ..judge import JudgeIdentity, Question
from ..registry import register_judge
from ..verdict import Outcome, Verdict

Said = Verdict | bool | None | BaseException
"""A verdict, True or False, None for an unreadable reply, or an error to raise."""


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
        return Verdict.of(bool(said))

    def _next(self, question: Question) -> Said:
        if callable(self.script):
            return self.script(question)
        if isinstance(self.script, bool | Verdict | BaseException) or self.script is None:
            return self.script
        if self._rest is None:
            self._rest = iter(self.script)
        try:
            return next(self._rest)
        except StopIteration:
            raise ConfigError(
                f"the scripted judge was asked {len(self.asked)} times, and its script is over"
            ) from None


@register_judge("constant")
@dataclass(slots=True)
class ConstantJudge:
    """Says the same of every criterion, whatever the answer."""

    stored: ClassVar[bool] = False
    """Nothing is paid for."""
    met: bool = True
    """`met=true` says that every criterion is met, faults included; `met=false` that none is."""

    @property
    def identity(self) -> JudgeIdentity:
        """Two judges: the one that says yes, and the one that says no."""
        return JudgeIdentity("constant", sampling={"met": self.met})

    async def judge(self, question: Question) -> Verdict:
        """Give the one verdict there is."""
        return Verdict.of(self.met, attempts=0)
