"""Drives a pool of Ray workers over a stream of answers, through every fault we know of.

A worker that dies gives its chunks back and is replaced; one whose endpoint, disk or budget is out
is retired and the others go on. Never more than two chunks lie with a worker, and the stream is
read only when one has room. Whatever happens, the end is one of three: done, stopped with a reason
and everything kept, or an error of the configuration.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...judges.errors import ConfigError, StoreError
from ...judges.store_rows import StoreRows
from ...judges.verdict import Outcome, Verdict
from .answer_stream import Item
from .feeder import Chunk, Feeder
from .gathering import Gathering
from .worker import Account, Missing, Place, Report, Worker

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
class PoolPlan:
    """What the workers are made of."""

    options: Sequence[Mapping[str, Any]]
    """Of the grader of each worker, its shares of the limits included."""
    seed: int
    n_gpus: float
    """Of a worker."""
    has_budget: bool
    """Whether calls or money are bounded: a worker that dies then takes its share with it."""
    file: Path | None
    """The store, where it is a file: workers elsewhere would open another one."""
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
    facts: list[dict[str, Any]] = field(default_factory=list)
    """Of every worker, the lost ones as they last reported."""
    retired: list[str] = field(default_factory=list)
    """Why workers stopped before the others."""
    n_known: int = 0
    """Verdicts that were found in the store without a worker."""


@dataclass(slots=True)
class _Slot:
    number: int
    actor: Any
    starting: Any
    """The reference that `ready` will answer; None once it has."""
    chunks: dict[Any, Chunk] = field(default_factory=dict)
    store: str | None = None
    """The file of its own."""
    n_merged: int = 0
    """Shipments from it that are in the store of the run."""
    facts: dict[str, Any] | None = None
    last_report: int = 0
    n_restarts: int = 0
    is_retired: bool = False
    """Gets nothing more; ends when what it has is back."""


class Pool:
    """One run over the workers."""

    def __init__(
        self,
        ray: Any,
        plan: PoolPlan,
        feeder: Feeder,
        examples: Any,
        gathering: Gathering | None = None,
    ) -> None:
        """Start every worker.

        Args:
            ray: The module, connected.
            plan: What the workers are made of.
            feeder: What they grade.
            examples: The rubrics, as a reference that Ray gives to each node once.
            gathering: Where the verdicts of workers with stores of their own go; None where all
                write into one.
        """
        self._ray = ray
        self._plan = plan
        self._feeder = feeder
        self._examples = examples
        self._gathering = gathering
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
            while self._error is None:
                self._give_out()
                waiting = [ref for slot in self._slots for ref in slot.chunks]
                starting = [s.starting for s in self._slots if s.starting is not None]
                if not waiting and (self._feeder.is_over or not self._active):
                    break
                if not waiting and not starting:
                    break
                if waiting:
                    self._idle_since = time.monotonic()
                elif time.monotonic() - self._idle_since > START_TIMEOUT_S:
                    self._stop(f"no worker could be started within {START_TIMEOUT_S:g} s")
                    break
                if time.monotonic() > self._deadline:
                    self._stop(f"deadline: {self._plan.deadline_s:g} s have passed")
                    break
                done, _ = self._ray.wait(waiting + starting, num_returns=1, timeout=_TICK_S)
                for ref in done:
                    self._take(ref)
        finally:
            self._close()
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

    def _started(self, number: int) -> _Slot:
        own = self._gathering.place if self._gathering is not None else None
        actor = self._actor.remote(self._plan.options[number], self._examples, self._plan.seed, own)
        return _Slot(number, actor, actor.ready.remote())

    def _give_out(self) -> None:
        """Fill the workers, the emptiest first: a worker must not wait for another's second."""
        for depth in range(IN_FLIGHT):
            for slot in self._slots:
                if slot.starting is not None or slot.is_retired or len(slot.chunks) > depth:
                    continue
                tries = [self._feeder.next_tries, *(c.tries for c in slot.chunks.values())]
                if slot.chunks and max(tries) >= ALONE_AFTER:
                    continue
                chunk, known = self._next()
                if chunk is None:
                    return
                slot.chunks[slot.actor.grade.remote(list(chunk.items), known)] = chunk

    def _next(self) -> tuple[Chunk | None, StoreRows | None]:
        """Give a chunk, and what a worker with a store of its own cannot know of it."""
        while (chunk := self._feeder.next()) is not None:
            if self._gathering is None:
                return chunk, None
            known = self._gathering.known(chunk.items)
            if known.n_verdicts is None:
                return chunk, known.rows
            self._outcome.n_verdicts += known.n_verdicts
            self._outcome.n_known += known.n_verdicts
            self._feeder.done(chunk)
        return None, None

    def _take(self, ref: Any) -> None:
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
                self._began(slot, result)
            else:
                self._reported(slot, slot.chunks.pop(ref), result)
        if slot.is_retired and not slot.chunks and slot in self._slots:
            self._slots.remove(slot)
            self._end(slot)

    def _began(self, slot: _Slot, place: Place) -> None:
        self._check_host(place.host)
        slot.store = place.store
        if self._gathering is not None:
            self._gathering.began(place)  # before it is asked anything

    def _merge(self, slot: _Slot, rows: StoreRows) -> None:
        if rows and self._gathering is not None:
            self._gathering.merge(rows)
            slot.n_merged += 1

    def _reported(self, slot: _Slot, chunk: Chunk, report: Report) -> None:
        self._merge(slot, report.rows)
        if report.number >= slot.last_report:
            slot.facts, slot.last_report = report.facts, report.number
        again: dict[Item, None] = {}
        if report.stopped is not None and any(s is not slot for s in self._active):
            # what others may still ask goes out again; the rest of the chunk is in the store
            unasked = (m for m in report.missing if m.verdict.outcome in _UNASKED)
            again = dict.fromkeys((m.prompt_id, m.text) for m in unasked)
        self._outcome.missing += [m for m in report.missing if (m.prompt_id, m.text) not in again]
        self._outcome.n_verdicts += sum(
            n for item, n in zip(chunk.items, report.n_by_item, strict=True) if item not in again
        )
        if again:
            self._feeder.undone(chunk, [item for item in chunk.items if item in again])
        else:
            self._feeder.done(chunk)
        if report.stopped is not None:
            if not again and any(m.verdict.outcome in _UNASKED for m in report.missing):
                self._stop(report.stopped)  # nobody is left to ask
            self._retire(slot, report.stopped)

    def _failed(self, slot: _Slot, ref: Any, error: Any) -> None:
        """Judge an error that the worker itself raised."""
        cause = getattr(error, "cause", None) or error
        if not isinstance(cause, StoreError | ConfigError):
            # a bug, ours or of a user's judge: it would come again on every worker
            said = f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
            self._error = ConfigError(f"a worker failed: {said}")
            return
        # its disk is full, its endpoint was never up, its key is missing: others may do better
        self._fault = cause
        chunk = slot.chunks.pop(ref, None)
        if chunk is not None:
            self._feeder.undone(chunk)
        slot.starting = None
        self._retire(slot, str(cause))

    def _lost(self, slot: _Slot) -> None:
        """Take back what a dead worker had, and start another in its place."""
        self._outcome.n_lost_workers += 1
        self._slots.remove(slot)
        self._ray.kill(slot.actor)  # if only what it said was lost, it must not go on by itself
        if slot.store is not None and self._gathering is not None:
            # what it had on disk and did not report: before others are asked the same
            self._gathering.ended(slot.store, is_deleted=False)
            self._gathering.collect()
        for chunk in slot.chunks.values():
            self._take_back(chunk)
        slot.chunks.clear()
        if slot.facts is not None:
            self._outcome.facts.append(slot.facts)
        if slot.is_retired:
            return
        if self._plan.has_budget:
            # what it spent on its last chunk is not known: its share is not given out again
            self._outcome.retired.append("a worker died with its share of the budget")
        elif slot.n_restarts < MAX_RESTARTS:
            fresh = self._started(slot.number)
            fresh.n_restarts = slot.n_restarts + 1
            self._slots.append(fresh)
        else:
            self._outcome.retired.append(f"a worker died {MAX_RESTARTS + 1} times")

    def _retire(self, slot: _Slot, reason: str) -> None:
        """Give a worker nothing more; what it has in hand is paid for, and is waited for."""
        if not slot.is_retired:
            slot.is_retired = True
            self._outcome.retired.append(reason)

    def _take_back(self, chunk: Chunk) -> None:
        """Give the chunk of a dead worker out again, unless too many have died with it."""
        if chunk.tries + 1 < MAX_TRIES:
            self._feeder.undone(chunk, is_its_fault=True)
            return
        self._feeder.done(chunk)
        self._outcome.missing += [
            Missing(prompt_id, text, 0, -1, _DEADLY) for prompt_id, text in chunk.items
        ]

    def _check_host(self, host: str) -> None:
        import socket

        here = socket.gethostname()
        if self._plan.file is not None and self._gathering is None and host != here:
            self._error = ConfigError(
                f"a worker runs on {host} and would not share the store file of {here}; "
                "use --worker-stores, or store=postgresql://HOST/DATABASE, for several machines"
            )

    def _stop(self, reason: str) -> None:
        self._outcome.stopped = self._outcome.stopped or reason

    def _close(self) -> None:
        """Let every worker write what waits; nobody is waited for long."""
        closing = {s.number: s.actor.close.remote() for s in self._slots if s.starting is None}
        if closing:
            refs = list(closing.values())
            self._ray.wait(refs, num_returns=len(refs), timeout=CLOSE_TIMEOUT_S)
        for slot in self._slots:
            self._end(slot, closing.get(slot.number))

    def _end(self, slot: _Slot, closing: Any | None = None) -> None:
        """Take a worker's last account, and end it."""
        if slot.starting is None:
            # where all are closed at once they were waited for together
            timeout = CLOSE_TIMEOUT_S if closing is None else 0.0
            closing = slot.actor.close.remote() if closing is None else closing
            done, _ = self._ray.wait([closing], timeout=timeout)
            if done:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._settle(slot, self._ray.get(closing))
        if slot.facts is not None:
            self._outcome.facts.append(slot.facts)
        self._ray.kill(slot.actor)

    def _settle(self, slot: _Slot, account: Account) -> None:
        """Take what a closed worker leaves behind, and let it delete a store that is merged."""
        slot.facts = account.facts
        if slot.store is None or self._gathering is None:
            return
        is_deleted = False
        with contextlib.suppress(StoreError):  # its file has it all, and stays
            self._merge(slot, account.rows)
            forgets = slot.actor.forget.remote(slot.n_merged)
            is_deleted = bool(self._ray.get(forgets, timeout=CLOSE_TIMEOUT_S))
        self._gathering.ended(slot.store, is_deleted=is_deleted)


_UNASKED = {Outcome.SKIPPED, Outcome.TRANSPORT}
_DEADLY = Verdict(
    Outcome.TRANSPORT, explanation="every worker that graded this answer died", attempts=0
)
