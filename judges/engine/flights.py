"""Open questions, everybody who waits for each, and the way of a verdict to them.

A verdict goes to the disk first, and to its runs after that. Lives on the loop of its pool
(`runtime.py`), which says what is asked and when.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RubricbeatError, store_fault
from ..store.protocol import StoreProtocol
from ..verdict import Source, Verdict
from .claims import ClaimDesk
from .ledger import Ledger
from .work_items import Flight, Run, Sheet, Stop, again, skipped
from .writer import StoreWriter


class Flights:
    """The open questions of one pool."""

    def __init__(
        self,
        ledger: Ledger,
        store: StoreProtocol | None,
        stop: Stop,
        *,
        is_keyed: bool,
        hit: Callable[[Verdict], None],
        is_idle: Callable[[], bool],
        fail: Callable[[RubricbeatError], None],
    ) -> None:
        """Begin with none.

        Args:
            ledger: Where they are counted.
            store: Where verdicts are looked up and kept; None for nowhere.
            stop: The pool's.
            is_keyed: Whether equal questions are one question.
            hit: Told each verdict that was in the store.
            is_idle: Says whether no call waits, for its turn or for its reply.
            fail: Ends every run with an error.
        """
        self._ledger = ledger
        self._stop = stop
        self._is_keyed = is_keyed
        self._hit = hit
        self._is_idle = is_idle
        self._fail = fail
        self._by_key: dict[bytes, Flight] = {}
        self.writer = StoreWriter(store, self.settle, fail) if store is not None else None
        self.desk: ClaimDesk | None = None
        """Claims on answers, where other processes share the store; set by the pool."""

    def join(self, run: Run, sheet: Sheet, flights: list[Flight | None]) -> list[Flight]:
        """Settle the questions that are known, wait for those in flight, and give the rest."""
        hits: dict[bytes, Verdict] = {}
        if self.writer is not None:
            hits = self.writer.store.lookup([f.key for f in flights if f is not None])
        fresh: list[Flight] = []
        for flight in flights:
            if flight is None:
                continue
            waiter = flight.waiters[0]
            if hits and flight.key in hits:
                self._hit(hits[flight.key])
                self.deliver(run, sheet, waiter.replicate, waiter.index, hits[flight.key])
                continue
            known = self._by_key.get(flight.key) if self._is_keyed else None
            if known is not None:
                self._ledger.n_shared += 1
                known.waiters.append(waiter)
                run.flights.add(known)
                continue
            stop = run.closed or self._stop.reason
            if stop is not None:
                self.deliver(run, sheet, waiter.replicate, waiter.index, skipped(stop))
                continue
            if self._is_keyed:
                self._by_key[flight.key] = flight
            run.flights.add(flight)
            fresh.append(flight)
        return fresh

    def leave(self, run: Run, reason: str) -> None:
        """Ask nothing more for a run; a call that others wait for goes on."""
        run.closed = run.closed or reason
        for flight in list(run.flights):
            if not run.done.done() and flight.call is not None and flight.call.is_replied:
                continue  # its verdict is on its way to the disk
            mine = [w for w in flight.waiters if w.run is run]
            flight.waiters = [w for w in flight.waiters if w.run is not run]
            run.flights.discard(flight)
            for waiter in mine:
                self.deliver(run, waiter.sheet, waiter.replicate, waiter.index, skipped(reason))
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

    def leave_unasked(self, run: Run, sheet: Sheet, flights: list[Flight | None], why: str) -> None:
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
                    self.deliver(run, sheet, row, index, skipped(why))

    def keep(self, flight: Flight, verdict: Verdict) -> None:
        """Put a verdict on disk; it reaches its runs after that."""
        if self.writer is None or verdict.met is None:
            self.settle(flight, verdict)
        else:
            self._write(flight, verdict, flight)

    def keep_failed(self, flight: Flight, verdict: Verdict) -> None:
        """Keep a reply that was paid for and gave no verdict; no look-up finds it."""
        if self.writer is not None:
            self._write(flight, verdict, None)

    def _write(self, flight: Flight, verdict: Verdict, settles: Flight | None) -> None:
        assert self.writer is not None
        self.writer.add(flight, verdict, settles, is_last=self._is_idle())

    def settle(self, flight: Flight, verdict: Verdict) -> None:
        """Give a verdict to everybody who waits for it."""
        self._remove(flight)
        waiters, flight.waiters = flight.waiters, []
        for n_before, waiter in enumerate(waiters):
            waiter.run.flights.discard(flight)
            shared = verdict
            if n_before and verdict.met is not None:
                # paid for once: whoever shares it gets it as the store would give it
                shared = again(verdict, 0, verdict.latency_s, Source.STORE)
            self.deliver(waiter.run, waiter.sheet, waiter.replicate, waiter.index, shared)

    def _remove(self, flight: Flight) -> None:
        if self._is_keyed and self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        if self.desk is not None:
            try:
                self.desk.over(flight)
            except Exception as error:  # of a claim that cannot be let go: the verdict still counts
                self._fail(store_fault(error))

    def deliver(self, run: Run, sheet: Sheet, replicate: int, index: int, verdict: Verdict) -> None:
        """Put a verdict into its place, and let its run end where it was the last one."""
        sheet.rows[replicate][index] = verdict
        sheet.n_open -= 1
        run.n_open -= 1
        self._ledger.settled(verdict)
        run.finish_if_over()
