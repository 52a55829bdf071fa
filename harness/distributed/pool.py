"""Drives a pool of Ray workers over a stream of answers, through every fault we know of.

A worker that dies gives its chunks back and is replaced; one whose endpoint or budget is out is
retired and the others go on. Never more than two chunks lie with a worker, and the stream is read
only when one has room. Whatever happens, the end is one of three: done, stopped with a reason and
everything kept, or an error of the configuration.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ...judges.answer import Answer
from ...judges.errors import ConfigError, StoreError
from ...judges.verdict import Outcome, Verdict
from .worker import Account, Item, Missing, Report, StorePlace, Worker

IN_FLIGHT = 2
"""Chunks that lie with a worker: while one drains, the other fills its pool."""
MAX_TRIES = 4
"""Workers that die with a chunk before it counts as deadly itself."""
ALONE_AFTER = 2
"""A chunk that so many died with goes out alone, so that it takes no other one with it."""
MAX_RESTARTS = 3
"""Of a worker."""
START_TIMEOUT_S = 120.0
"""How long workers are waited for when none is at work."""
CLOSE_TIMEOUT_S = 15.0
_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Answers that one worker grades at a time."""

    items: tuple[Item, ...]
    tries: int = 0
    """How many workers died with it."""


class Feeder:
    """Cuts a stream of answers into chunks; one that comes back undone goes out again."""

    def __init__(self, answers: Iterable[tuple[object, Answer]], size: int) -> None:
        """Read nothing yet.

        Args:
            answers: With the run that each belongs to, as `Responses` gives them.
            size: Answers in a chunk.
        """
        self.n_answers = 0
        """Read so far, with those that the model never gave."""
        self._items = self._read(answers)
        self._size = size
        self._again: deque[Chunk] = deque()
        self._is_read = False

    def next(self) -> Chunk | None:
        """Give a chunk; None where there is none at the moment.

        Raises:
            DataError: A file breaks off.
        """
        if self._again:
            return self._again.popleft()
        items = tuple(itertools.islice(self._items, self._size))
        self._is_read = len(items) < self._size
        return Chunk(items) if items else None

    def undone(self, items: Sequence[Item], tries: int) -> None:
        """Give answers out again."""
        self._again.append(Chunk(tuple(items), tries))

    @property
    def next_tries(self) -> int:
        """How many workers died with the chunk that `next` would give; 0 for a new one."""
        return self._again[0].tries if self._again else 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to give out."""
        return self._is_read and not self._again

    def _read(self, answers: Iterable[tuple[object, Answer]]) -> Iterator[Item]:
        for _, answer in answers:
            self.n_answers += 1
            if answer.text is not None:
                yield answer.example.prompt_id, answer.text


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What the workers are made of."""

    options: Sequence[Mapping[str, object]]
    """Of the grader of each worker, its shares of the limits included."""
    n_gpus: float
    """Of a worker."""
    has_budget: bool
    """Whether calls or money are bounded: a worker that dies then takes its share with it."""
    place: StorePlace
    """The store as the driver reaches it."""
    deadline_s: float | None = None
    """Of the whole run."""


@dataclass(slots=True)
class PoolOutcome:
    """How it went."""

    n_verdicts: int = 0
    missing: list[Missing] = field(default_factory=list)
    stopped: str | None = None
    """Why not everything was asked; None where it was."""
    n_lost_workers: int = 0
    """Died, or did not answer at the end: what they spent since they last reported is not known."""
    facts: list[dict[str, Any]] = field(default_factory=list)
    """Of every worker, the lost ones as they last reported."""
    retired: list[str] = field(default_factory=list)
    """Why workers stopped before the others."""


@dataclass(slots=True, eq=False)
class _Slot:
    number: int
    actor: Any
    starting: object
    """The reference that `ready` will answer; None once it has."""
    n_restarts: int = 0
    chunks: dict[object, Chunk] = field(default_factory=dict)
    account: Account | None = None
    """The latest; None before the first."""
    has_failed: bool = False
    """Whether a chunk ended in an error, which brings no account of what was spent on it."""
    is_retired: bool = False
    """Gets nothing more; ends when what it has is back."""

    def heard(self, account: Account) -> None:
        """Keep what is later than what is known."""
        if self.account is None or account.number > self.account.number:
            self.account = account


class WorkerPool:
    """One run over the workers."""

    def __init__(self, ray: ModuleType, plan: PoolPlan, feeder: Feeder, examples: object) -> None:
        """Start every worker; `examples` is a reference that Ray gives to each node once."""
        self._ray = ray
        self._plan = plan
        self._feeder = feeder
        self._examples = examples
        self._outcome = PoolOutcome()
        self._idle_since = time.monotonic()
        self._deadline = self._idle_since + (plan.deadline_s or float("inf"))
        self._actor = ray.remote(Worker).options(
            num_cpus=1,
            num_gpus=plan.n_gpus,
            scheduling_strategy="SPREAD",
            max_restarts=0,  # we do it: the chunks of a lost worker must be known
            max_concurrency=IN_FLIGHT + 1,  # one more, so that `close` never waits
        )
        self._slots = [self._started(number) for number in range(len(plan.options))]
        self._error: Exception | None = None
        """A fault of everybody's: the run ends at once."""
        self._fault: Exception | None = None
        """The last fault of one worker."""

    def run(self) -> PoolOutcome:
        """Grade everything.

        Raises:
            ConfigError: The judge can never answer, or the store cannot be shared like this.
            StoreError: No worker can keep verdicts.
        """
        try:
            while self._error is None and (refs := self._next_refs()):
                done, _ = self._ray.wait(refs, num_returns=1, timeout=_TICK_S)
                for ref in done:
                    self._take(ref)
        finally:
            self._end(self._slots)
        if self._error is not None:
            raise self._error
        if not self._feeder.is_over and self._outcome.stopped is None:
            if self._fault is not None and not self._outcome.n_verdicts:
                raise self._fault  # nothing worked from the beginning
            self._stop("; ".join(dict.fromkeys(self._outcome.retired)) or "no worker is left")
        return self._outcome

    # -- inside ---------------------------------------------------------------------------

    @property
    def _active(self) -> list[_Slot]:
        return [slot for slot in self._slots if not slot.is_retired]

    def _started(self, number: int, n_restarts: int = 0) -> _Slot:
        actor = self._actor.remote(self._plan.options[number], self._examples)
        return _Slot(number, actor, actor.ready.remote(), n_restarts)

    def _next_refs(self) -> list[object]:
        """Fill the workers, and list what is waited for; nothing where the run is at its end."""
        self._give_out()
        now = time.monotonic()
        working = [ref for slot in self._slots for ref in slot.chunks]
        if working:
            self._idle_since = now
        elif self._feeder.is_over or not self._active:
            return []
        elif now - self._idle_since > START_TIMEOUT_S:
            self._stop(f"no worker could be started within {START_TIMEOUT_S:g} s")
            return []
        if now > self._deadline:
            self._stop(f"deadline: {self._plan.deadline_s:g} s have passed")
            return []
        return working + [slot.starting for slot in self._slots if slot.starting is not None]

    def _give_out(self) -> None:
        """Fill the workers, the emptiest first: a worker must not wait for another's second."""
        for depth in range(IN_FLIGHT):
            for slot in self._slots:
                if slot.starting is not None or slot.is_retired or len(slot.chunks) > depth:
                    continue
                tries = [self._feeder.next_tries, *(c.tries for c in slot.chunks.values())]
                if slot.chunks and max(tries) >= ALONE_AFTER:
                    continue
                if (chunk := self._feeder.next()) is None:
                    return
                slot.chunks[slot.actor.grade.remote(list(chunk.items))] = chunk

    def _take(self, ref: object) -> None:
        slot = next(s for s in self._slots if ref in s.chunks or ref == s.starting)
        errors = self._ray.exceptions
        try:
            result = self._ray.get(ref)
        except errors.RayTaskError as error:
            self._failed(slot, ref, error)
        except errors.RayError:
            self._lost(slot)
        else:
            if ref == slot.starting:
                slot.starting = None
                if result != self._plan.place:  # a store of its own machine's
                    self._error = not_shared([result.host])
            else:
                self._reported(slot, slot.chunks.pop(ref), result)
        if slot.is_retired and not slot.chunks and slot in self._slots:
            self._slots.remove(slot)
            self._end([slot])

    def _reported(self, slot: _Slot, chunk: Chunk, report: Report) -> None:
        slot.heard(report.account)
        again: dict[Item, None] = {}
        unasked = [m for m in report.missing if m.verdict.outcome in _UNASKED]
        if report.stopped is not None and any(s is not slot for s in self._active):
            # what others may still ask goes out again; the rest of the chunk is in the store
            again = dict.fromkeys((m.prompt_id, m.text) for m in unasked)
        self._outcome.missing += [m for m in report.missing if (m.prompt_id, m.text) not in again]
        self._outcome.n_verdicts += sum(
            n for item, n in zip(chunk.items, report.n_by_item, strict=True) if item not in again
        )
        if again:
            self._feeder.undone([item for item in chunk.items if item in again], chunk.tries)
        if report.stopped is not None:
            if unasked and not again:
                self._stop(report.stopped)  # nobody is left to ask
            self._retire(slot, report.stopped)

    def _failed(self, slot: _Slot, ref: object, error: object) -> None:
        """Judge an error that the worker itself raised."""
        cause = getattr(error, "cause", None) or error
        if not isinstance(cause, StoreError | ConfigError):
            # a bug, ours or of a user's judge: it would come again on every worker
            said = f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
            self._error = ConfigError(f"a worker failed: {said}")
            return
        # its endpoint was never up, its key is missing: others may do better
        self._fault = cause
        if (chunk := slot.chunks.pop(ref, None)) is not None:
            self._feeder.undone(chunk.items, chunk.tries)
            slot.has_failed = True
        slot.starting = None
        self._retire(slot, str(cause))

    def _lost(self, slot: _Slot) -> None:
        """Take back what a dead worker had, and start another in its place."""
        self._outcome.n_lost_workers += 1
        self._slots.remove(slot)
        self._ray.kill(slot.actor)  # if only what it said was lost, it must not go on by itself
        for chunk in slot.chunks.values():
            self._take_back(chunk)
        slot.chunks.clear()
        self._keep_account(slot)
        if slot.is_retired:
            return
        if self._plan.has_budget:
            # what it spent on its last chunk is not known: its share is not given out again
            self._outcome.retired.append("a worker died, and its share of the budget with it")
        elif slot.n_restarts < MAX_RESTARTS:
            self._slots.append(self._started(slot.number, slot.n_restarts + 1))
        else:
            self._outcome.retired.append(f"a worker died {MAX_RESTARTS + 1} times")

    def _take_back(self, chunk: Chunk) -> None:
        """Give the chunk of a dead worker out again, unless too many have died with it."""
        if chunk.tries + 1 < MAX_TRIES:
            self._feeder.undone(chunk.items, chunk.tries + 1)
        else:
            self._outcome.missing += [Missing(*item, 0, -1, _DEADLY) for item in chunk.items]

    def _retire(self, slot: _Slot, reason: str) -> None:
        """Give a worker nothing more; what it has in hand is paid for, and is waited for."""
        if not slot.is_retired:
            slot.is_retired = True
            self._outcome.retired.append(reason)

    def _stop(self, reason: str) -> None:
        self._outcome.stopped = self._outcome.stopped or reason

    def _end(self, slots: Sequence[_Slot]) -> None:
        """Let workers write what waits, take their last accounts, and end them."""
        # two accounts: a judge may take longer to close than a worker is waited for
        asked = {
            slot.number: (slot.actor.account.remote(), slot.actor.close.remote())
            for slot in slots
            if slot.starting is None
        }
        refs = [ref for pair in asked.values() for ref in pair]
        if refs:
            refs, _ = self._ray.wait(refs, num_returns=len(refs), timeout=CLOSE_TIMEOUT_S)
        for slot in slots:
            is_told = False
            for ref in {*asked.get(slot.number, ())} & {*refs}:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    slot.heard(self._ray.get(ref))
                    is_told = True
            if not is_told and (slot.chunks or slot.has_failed):
                self._outcome.n_lost_workers += 1
            self._keep_account(slot)
            self._ray.kill(slot.actor)

    def _keep_account(self, slot: _Slot) -> None:
        if slot.account is not None:
            self._outcome.facts.append(slot.account.facts)


def not_shared(hosts: Iterable[str]) -> ConfigError:
    """Say that workers on some machines do not reach the store of this one."""
    return ConfigError(
        f"the store is on this machine, and workers on {', '.join(hosts)} cannot reach it: give a "
        "store that all can reach, --store postgresql://HOST/DATABASE"
    )


_UNASKED = {Outcome.SKIPPED, Outcome.TRANSPORT, Outcome.JUDGE_ERROR}
_DEADLY = Verdict(
    Outcome.TRANSPORT, explanation="every worker that graded this answer died", attempts=0
)
