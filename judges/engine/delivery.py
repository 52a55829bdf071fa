"""What came back: its way to everybody who waits, and what it says about the judge.

The last station of a pool: `pool.py` feeds, `calls.py` calls, and both hand on to here; nothing
here knows either of them. A verdict goes to the disk first, and to its runs after that. Lives on
the loop of its pool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from ..errors import RubricbeatError, store_fault
from ..store.protocol import ClaimingStore, StoreProtocol
from ..verdict import Outcome, Source, Verdict
from .attempt import Fault
from .claims import ClaimDesk
from .limits import Limiter
from .options import RuntimeOptions
from .retries import Breaker, Trial, Usefulness
from .work_items import (
    Call,
    Flight,
    GradeJob,
    Part,
    Sheet,
    Stop,
    Waiter,
    again,
    calls_of,
    group_size_of,
    skipped,
)  # fmt: skip
from .writer import StoreWriter

MIN_PATIENCE_S = 300.0
"""How long verdicts that another process is asking for are waited for without any, at least."""
_USELESS = {Outcome.UNPARSEABLE, Outcome.TRUNCATED, Outcome.REFUSED}
"""Ends of a question that was answered, and got no verdict."""
_FAILED = {Outcome.TRANSPORT, Outcome.JUDGE_ERROR}
"""Ends of a question that got no reply."""
_WHOLE_CALL = {*_FAILED, Outcome.SKIPPED}
"""Ends that are the same for all questions of a call."""


class Delivery:
    """The open questions of one pool, the calls that are to be made, and why none may be."""

    def __init__(
        self,
        part: Part,
        options: RuntimeOptions,
        store: StoreProtocol | None,
        limiter: Limiter,
        ready: Callable[[], None],
    ) -> None:
        """Begin with none.

        Args:
            part: Of a judge whose verdicts are stored equal questions are one question.
            options: When a judge counts as down, and how long others are waited for.
            store: Where verdicts are looked up and kept; None for nowhere.
            limiter: Holds those who wait for a place.
            ready: The bell of the pool, rung for each call that waits to be made.
        """
        self.ledger = part.ledger
        self.limiter = limiter
        self._ready = ready
        self._is_keyed = part.is_stored
        self._group_size = group_size_of(part.judge)
        self._keeps_asking = options.keep_asking
        self._by_key: dict[bytes, Flight] = {}
        self.runs: deque[GradeJob] = deque()
        """Runs in hand, in the order they are fed from."""
        self.calls: deque[Call] = deque()
        """Calls to be made."""
        self.stop = Stop()
        self.fatal: RubricbeatError | None = None
        self.trial = Trial()
        self.breaker = Breaker(options.outage_after)
        self.usefulness = Usefulness()
        self.writer = StoreWriter(store, self.settle, self.fail) if store is not None else None
        self.desk: ClaimDesk | None = None
        """Claims on answers, where other processes share the store."""
        if self._is_keyed and isinstance(store, ClaimingStore):
            patience_s = max(MIN_PATIENCE_S, 2 * options.timeout_s)
            hands = (self._queue, self._found, self.fail)
            self.desk = ClaimDesk(part.identity.digest, store, patience_s, *hands)

    # -- open questions -------------------------------------------------------------------

    def join(self, run: GradeJob, sheet: Sheet, flights: Iterable[Flight | None]) -> None:
        """Settle the questions that are known, wait for those in flight, and ask the rest.

        What another process is asking is put aside.
        """
        fresh = self._unknown(run, sheet, [one for one in flights if one is not None])
        if fresh and self.desk is not None:
            self.desk.take(sheet, fresh)
        else:
            self._queue(fresh)

    def _unknown(self, run: GradeJob, sheet: Sheet, flights: Sequence[Flight]) -> list[Flight]:
        hits: dict[bytes, Verdict] = {}
        if self.writer is not None:
            hits = self.writer.store.lookup([flight.key for flight in flights])
        fresh: list[Flight] = []
        for flight in flights:
            [waiter] = flight.waiters
            if hits and flight.key in hits:
                stored = sheet.suited(flight.question.index, hits[flight.key])
                self._hit(stored)
                self.deliver(waiter, stored)
            elif self._is_keyed and (known := self._by_key.get(flight.key)) is not None:
                self.ledger.n_shared += 1
                known.waiters.append(waiter)
                run.flights.add(known)
            elif (stop := run.closed or self.stop.reason) is not None:
                self.deliver(waiter, skipped(stop))
            else:
                if self._is_keyed:
                    self._by_key[flight.key] = flight
                run.flights.add(flight)
                fresh.append(flight)
        return fresh

    def _queue(self, flights: Sequence[Flight]) -> None:
        """Make calls of open questions, unless nothing more is to be asked by now."""
        if self.stop.reason is not None:
            self._skip(flights)
        else:
            self._line_up(calls_of(flights, self._group_size))

    def _line_up(self, calls: Iterable[Call]) -> None:
        for call in calls:
            self.calls.append(call)
            self._ready()

    def _skip(self, flights: Iterable[Flight]) -> None:
        verdict = skipped(self.stop.reason or "cancelled")
        for flight in flights:
            self.settle(flight, verdict)

    def leave(self, run: GradeJob, reason: str) -> None:
        """Ask nothing more for a run; a call that others wait for goes on."""
        run.closed = run.closed or reason
        for flight in list(run.flights):
            if not run.done.done() and flight.call is not None and flight.call.is_replied:
                continue  # its verdict is on its way to the disk
            mine = [w for w in flight.waiters if w.run is run]
            flight.waiters = [w for w in flight.waiters if w.run is not run]
            run.flights.discard(flight)
            for waiter in mine:
                self.deliver(waiter, skipped(reason))
            if not flight.waiters:
                self._abandon(flight)

    def _abandon(self, flight: Flight) -> None:
        """End a call that nobody waits for any more."""
        call = flight.call
        if call is None:
            self._remove(flight)  # another process asks, and nobody here waits for it any more
            return
        if any(f.waiters for f in call.flights):
            return
        if call.is_replied:
            return  # paid for, and on its way to the store
        call.is_abandoned = True
        for each in call.flights:
            self._remove(each)
        if call.task is not None:
            call.task.cancel()

    def leave_unasked(
        self, run: GradeJob, sheet: Sheet, flights: list[Flight | None], why: str
    ) -> None:
        """Give each question of a sheet that nobody asks its reason, so that the run can end."""
        for flight in flights:
            if flight is not None and flight in run.flights and flight.call is None:
                self.settle(flight, skipped(why))
        awaited = {
            (waiter.replicate, waiter.index)
            for flight in run.flights
            for waiter in flight.waiters
            if waiter.sheet is sheet
        }
        for row, verdicts in enumerate(sheet.rows):
            for index, verdict in enumerate(verdicts):
                if verdict is None and (row, index) not in awaited:
                    self.deliver(Waiter(run, sheet, row, index), skipped(why))

    # -- what came back -------------------------------------------------------------------

    def keep(self, flight: Flight, verdict: Verdict) -> None:
        """Put a verdict on disk; it reaches its runs after that."""
        if self.writer is None or verdict.is_missing:
            self.settle(flight, verdict)
        else:
            self._write(flight, verdict, flight)

    def keep_failed(self, flight: Flight, verdict: Verdict) -> None:
        """Keep a reply that was paid for and gave no verdict; no look-up finds it."""
        if self.writer is not None:
            self._write(flight, verdict, None)

    def _write(self, flight: Flight, verdict: Verdict, settles: Flight | None) -> None:
        assert self.writer is not None
        is_last = not self.calls and not self.limiter.in_flight
        self.writer.add(flight, verdict, settles, is_last=is_last)

    def settle(self, flight: Flight, verdict: Verdict) -> None:
        """Give a verdict to everybody who waits for it."""
        self._remove(flight)
        waiters, flight.waiters = flight.waiters, []
        for n_before, waiter in enumerate(waiters):
            waiter.run.flights.discard(flight)
            shared = verdict
            if n_before and not verdict.is_missing:
                # paid for once: whoever shares it gets it as the store would give it
                shared = again(verdict, 0, verdict.latency_s, Source.STORE)
            self.deliver(waiter, shared)

    def _remove(self, flight: Flight) -> None:
        if self._is_keyed and self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        if self.desk is not None:
            try:
                self.desk.over(flight)
            except Exception as error:  # of a claim that cannot be let go: the verdict still counts
                self.fail(store_fault(error))

    def deliver(self, waiter: Waiter, verdict: Verdict) -> None:
        """Put a verdict into its place, and let its run end where it was the last one."""
        waiter.sheet.rows[waiter.replicate][waiter.index] = verdict
        waiter.sheet.n_open -= 1
        waiter.run.n_open -= 1
        self.ledger.settled(verdict)
        waiter.run.finish_if_over()

    def _hit(self, verdict: Verdict) -> None:
        """Count a stored verdict; by these very settings the judge has answered before."""
        if not verdict.is_missing:
            self.ledger.n_hits += 1
            self.answered()

    def _found(self, flight: Flight, verdict: Verdict) -> None:
        """Give a verdict that another process had kept meanwhile."""
        verdict = flight.sheet.suited(flight.question.index, verdict)
        self._hit(verdict)
        self.settle(flight, verdict)

    # -- what it says about the judge -----------------------------------------------------

    def answered(self) -> None:
        """Note that the judge has answered: what was refused so far was refused for itself."""
        if self.trial.is_over:
            return
        self.trial.is_over = True
        self.limiter.prove()
        self.end_trial()
        self._line_up(self.trial.take_deferred())

    def end_trial(self) -> None:
        """Settle the calls put aside as refused."""
        for doubt in self.trial.take_doubts():
            outcome = Outcome.OVERFLOW if doubt.error.is_long else Outcome.REFUSED
            verdict = Verdict(outcome, explanation=str(doubt.error), attempts=doubt.n_attempts)
            self.give_up(doubt.call, verdict)

    def give_up(self, call: Call, last: Verdict, tried_again: Sequence[Fault] = ()) -> None:
        """End a call without a verdict; count it towards an outage where no reply came."""
        for flight in call.flights:
            # of a group each question has its own last reply
            own = flight.last if last.outcome not in _WHOLE_CALL else None
            self.settle(flight, own or last)
        if last.outcome in _USELESS:
            # what a filter withheld may look like a verdict
            said = last.explanation if last.outcome is Outcome.REFUSED else last.reply
            useless = self.usefulness.gave_up(said or last.explanation, tried_again)
            if useless is not None and not self._keeps_asking:
                self.halt(useless)
        if last.outcome in _FAILED:
            is_down = self.breaker.reason is not None or self.breaker.failed(last.explanation)
            if is_down:
                self.halt(f"outage: {self.breaker.reason}")

    # -- the end --------------------------------------------------------------------------

    def halt(self, reason: str, *, is_hard: bool = True) -> None:
        """Ask nothing more for any run; what is in flight may end."""
        if self.stop.reason is not None and (self.stop.is_hard or not is_hard):
            return
        self.stop.reason, self.stop.is_hard = reason, is_hard
        calls, self.calls = self.calls, deque()
        self.end_trial()
        for call in (*calls, *self.trial.take_deferred()):
            self._skip(call.flights)
        self._skip(self.desk.waiting() if self.desk is not None else ())
        self.stop.wake()
        if is_hard:
            self.limiter.refuse_waiters()

    def fail(self, error: RubricbeatError) -> None:
        """End every run with an error, once its calls in flight are over."""
        self.fatal = self.fatal or error
        for run in self.runs:
            run.error = run.error or self.fatal
            run.is_fed = True
        self.halt(str(error))
        for run in list(self.runs):
            run.finish_if_over()

    def reopen(self) -> None:
        """Forget an outage or a fatal error: a new run may find the judge up again."""
        if self.stop.is_hard:
            self.breaker.reset()
            self.usefulness = Usefulness()
            self.stop.clear()
            self.fatal = None
