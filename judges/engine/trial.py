"""Tells settings that an endpoint refuses from single questions that it refuses.

Both come as the same 4xx. As long as the judge has answered nothing, refused calls are put aside,
and questions about other prompts are asked: when one is answered, those put aside were refused for
themselves; when a few different ones were refused the same way, no question can pass.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..errors import DoubtfulError, RefusedSettingsError
from .work_items import Call

N_REFUSED = 3
"""Different questions that are refused before the settings are to blame."""


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
