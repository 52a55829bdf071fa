"""Which faults are tried again, how often, how late; when a judge counts as down, or as useless.

Also tells settings that an endpoint refuses from single questions that it refuses. Both come as the
same 4xx. As long as the judge has answered nothing, refused calls are put aside, and questions
about other prompts are asked: when one is answered, those put aside were refused for themselves;
when a few different ones were refused the same way, no question can pass.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DoubtfulError, RefusedSettingsError
from .attempt import Fault
from .work_items import Call

MAX_BACKOFF_S = 30.0
RATE_LIMIT_BACKOFF_S = 5.0
"""Longest pause before a call that was rate limited is tried again, where none was asked for."""
USELESS_AFTER = 36
"""Questions that end without a verdict, before a judge that has given none counts as useless."""
_LOOK_AGAIN = 10
"""Of those that would get none, one in so many gets one all the same."""
N_REFUSED = 3
"""Different questions that are refused before the settings are to blame."""
_MOST = {Fault.TIMEOUT: 2, Fault.TRUNCATED: 2, Fault.REFUSED: 1, Fault.SETTINGS: 1}
"""Faults that more tries seldom mend: a hang, a token limit, a judge that declines."""
_SOME, _MANY = 10, 40
"""Questions whose bad replies no further try mended, before they get fewer of them, and none."""
_WITH_PAUSE = {Fault.RATE_LIMIT, Fault.TIMEOUT, Fault.TRANSPORT, Fault.SETTINGS}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how late to try again."""

    max_retries: int = 5
    backoff_s: float = 0.5

    def allows(self, fault: Fault, n_before: int) -> bool:
        """Say whether a fault may be tried again after `n_before` faults of its class."""
        return n_before < min(self.max_retries, _MOST.get(fault, self.max_retries))

    def pause_s(self, fault: Fault, n_before: int, rng: random.Random) -> float:
        """Give the pause before the next try, in seconds; a bad reply is asked again at once."""
        if fault not in _WITH_PAUSE:
            return 0.0
        most = RATE_LIMIT_BACKOFF_S if fault is Fault.RATE_LIMIT else MAX_BACKOFF_S
        full = min(most, self.backoff_s * 2.0 ** min(n_before, 16))
        return float(full * rng.uniform(0.5, 1.0))


class Breaker:
    """Counts questions that end without a reply; opens after so many in a row."""

    __slots__ = ("after", "limited_since", "n_in_a_row", "reason")

    def __init__(self, after: int) -> None:
        """Open after `after` failures with no success between them."""
        self.after = after
        self.n_in_a_row = 0
        self.limited_since: float | None = None
        """When the first 429 came since the judge answered last, in seconds of the loop."""
        self.reason: str | None = None
        """Why the judge counts as down, or None."""

    def succeeded(self) -> None:
        """Count a reply of any kind."""
        self.n_in_a_row = 0

    def is_silenced(self, why: str, now: float, patience_s: float) -> bool:
        """Count a rate limit; say whether the judge is down now, by nothing else for too long."""
        self.limited_since = now if self.limited_since is None else self.limited_since
        if now - self.limited_since > patience_s and self.reason is None:
            self.reason = f"{why}; nothing else for {patience_s:g} s (rate_limit_patience_s)"
        return self.reason is not None

    def failed(self, why: str) -> bool:
        """Count a question that got no reply; say whether the judge is down now."""
        self.n_in_a_row += 1
        if self.n_in_a_row >= self.after and self.reason is None:
            self.reason = f"no reply to {self.n_in_a_row} questions in a row; the last: {why}"
        return self.reason is not None

    def reset(self) -> None:
        """Start anew, for the next run."""
        self.n_in_a_row = 0
        self.limited_since = self.reason = None


class Usefulness:
    """Whether a judge's replies are of use, and whether asking again mends those that are not."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._has_verdict = False
        self._n_without = 0
        self._said: Counter[str] = Counter()
        self._n_tried: Counter[Fault] = Counter()
        self._mended: set[Fault] = set()

    def verdict_came(self, mended: Iterable[Fault]) -> None:
        """Count a question that got its verdict, after bad replies of these kinds."""
        self._has_verdict = True
        self._mended |= set(mended)

    def gave_up(self, said: str, tried_again: Iterable[Fault]) -> str | None:
        """Count a question that ended without a verdict.

        Args:
            said: What was replied, or why it is no verdict.
            tried_again: The kinds of bad replies after which it was asked again, in vain.

        Returns:
            Why asking on is useless; None where it may not be.
        """
        self._n_tried.update(set(tried_again))
        self._n_without += 1
        if self._has_verdict:
            return None
        self._said[" ".join(said.split())[:120]] += 1
        if self._n_without < USELESS_AFTER:
            return None
        reply, n = self._said.most_common(1)[0]
        return (
            f"none of the first {self._n_without} questions got a verdict; the most common reply "
            f"({n} times): {reply!r}; keep_asking=true (--keep_asking) continues"
        )

    def most_retries(self, fault: Fault) -> int | None:
        """Say how often a bad reply is still asked again; None for as often as is allowed."""
        n_tried = self._n_tried[fault]
        if fault in self._mended or n_tried < _SOME:
            return None
        return 1 if n_tried < _MANY or self._n_without % _LOOK_AGAIN == 0 else 0


@dataclass(frozen=True, slots=True)
class Doubt:
    """A call that was refused, until it is known why."""

    call: Call
    error: DoubtfulError
    n_attempts: int


class Trial:
    """Which refused calls wait for a judge's first answer, and which questions wait behind them."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.is_over = False
        """Whether the judge has answered anything, in this process or (by the store) before."""
        self._doubts: list[Doubt] = []
        self._deferred: deque[Call] = deque()
        self._probe: Call | None = None

    @property
    def is_open(self) -> bool:
        """Whether refused calls wait, and somebody for them."""
        self._doubts = [one for one in self._doubts if not one.call.is_abandoned]
        return bool(self._doubts)

    def hold(self, doubt: Doubt) -> RefusedSettingsError | None:
        """Put a refused call aside; gives the error where enough different prompts are."""
        self._doubts.append(doubt)
        same = [one for one in self._doubts if one.error.status == doubt.error.status]
        n_prompts = len({_prompt(one.call) for one in same})
        return doubt.error.as_settings() if n_prompts >= N_REFUSED else None

    def defers(self, call: Call) -> bool:
        """Keep a call back whose prompt was refused: another prompt tells more."""
        if call is self._probe or _prompt(call) not in {_prompt(one.call) for one in self._doubts}:
            return False
        self._deferred.append(call)
        return True

    def next_probe(self) -> Call | None:
        """Give the call that tells most, where no other prompt is left to be asked about."""
        if len(self._doubts) >= N_REFUSED or not self._deferred:
            return None
        asked = {_answer(one.call) for one in self._doubts}
        call = next((one for one in self._deferred if _answer(one) not in asked), self._deferred[0])
        self._deferred.remove(call)
        self._probe = call
        return call

    def verdict(self) -> RefusedSettingsError:
        """Give the error where everything there was to ask was refused."""
        return self._doubts[-1].error.as_settings()

    def take_doubts(self) -> list[Doubt]:
        """Hand over the calls put aside."""
        doubts, self._doubts = self._doubts, []
        return doubts

    def take_deferred(self) -> deque[Call]:
        """Hand over the calls that were kept back."""
        deferred, self._deferred = self._deferred, deque()
        return deferred


def _prompt(call: Call) -> str:
    return call.flights[0].question.example.prompt_id


def _answer(call: Call) -> tuple[str, str]:
    return _prompt(call), call.flights[0].question.answer
