"""Puts verdicts on disk in small transactions, off the loop, before anybody sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ..errors import RubricbeatError, store_fault
from ..judge import whole_rubric
from ..rubric import Example
from ..store.protocol import Record, StoreProtocol, Subject
from ..verdict import Verdict
from .work_items import Flight, Sheet

FLUSH_S = 0.02
"""Longest a verdict waits for company before it is committed."""
FLUSH_ROWS = 64
"""Verdicts of one transaction; while so many wait for the one before, nothing more is asked."""
MAX_SUBJECTS = 256
"""Answers whose description for the store is kept at hand."""

Item = tuple[Record, Flight | None]
"""What to write, and the flight that is over when it is written; None for a failed reply."""


class StoreWriter:
    """The one writer of a store in this process. Lives on one event loop."""

    def __init__(
        self,
        store: StoreProtocol,
        settle: Callable[[Flight, Verdict], None],
        fail: Callable[[RubricbeatError], None],
    ) -> None:
        """Start nothing yet.

        Args:
            store: Where verdicts go.
            settle: Called with each flight whose verdict is on disk, and with that verdict.
            fail: Called when a transaction failed; its flights are settled all the same.
        """
        self.store = store
        self._settle = settle
        self._fail = fail
        self._subjects: dict[tuple[int, str], tuple[Example, Subject]] = {}
        self._pending: list[Item] = []
        self._is_writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._written_soon: asyncio.Future[None] | None = None
        """Those who wait for room hold on to it."""
        self._thread = ThreadPoolExecutor(1, "rubricbeat-store")

    def add(
        self, flight: Flight, verdict: Verdict, settles: Flight | None, *, is_last: bool
    ) -> None:
        """Queue a reply; the last one of a burst does not wait for company.

        Args:
            flight: The question.
            verdict: What was replied.
            settles: The flight that is over when it is written; None for a failed reply.
            is_last: Nothing else is on its way.
        """
        sheet, question = flight.sheet, flight.question
        if sheet.subject is None:
            sheet.subject = self._subject(sheet)
        record = Record(flight.key, sheet.subject, question.index, question.replicate, verdict)
        self._pending.append((record, settles))
        if is_last or len(self._pending) >= FLUSH_ROWS:
            self.flush()
        else:
            self._set_timer()

    def flush(self) -> None:
        """Hand what waits to the writer's thread, one transaction at a time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_writing or not self._pending:
            return
        records = [record for record, _ in self._pending]
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(self._thread, self.store.write, records)
        batch, self._pending = self._pending, []
        self._is_writing = True
        written.add_done_callback(partial(self._written, batch))

    async def room(self) -> None:
        """Wait while a transaction's worth of verdicts waits for a disk that is slow.

        So a sudden end costs at most the calls in flight, one transaction and one in the making.
        """
        while len(self._pending) >= FLUSH_ROWS:
            self.flush()
            if self._written_soon is None:
                self._written_soon = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._written_soon)

    async def flushed(self) -> None:
        """Wait until everything is on disk."""
        while self._pending or self._is_writing:
            self.flush()
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """End the thread and close the file."""
        self._thread.shutdown()
        self.store.close()

    def _subject(self, sheet: Sheet) -> Subject:
        """Describe an answer for the store; composites ask about the same one many times."""
        key = (id(sheet.example), sheet.judged)
        known = self._subjects.get(key)
        if known is None:
            example = whole_rubric(sheet.example) if sheet.is_rating else sheet.example
            known = (sheet.example, Subject.of(example, sheet.judged))
            if len(self._subjects) >= MAX_SUBJECTS:
                self._subjects.pop(next(iter(self._subjects)))
            self._subjects[key] = known  # holds the example, so that its id stays taken
        return known[1]

    def _set_timer(self) -> None:
        if self._timer is None and not self._is_writing:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def _written(self, batch: list[Item], written: asyncio.Future[dict[bytes, Verdict]]) -> None:
        self._is_writing = False
        earlier: dict[bytes, Verdict] = {}
        if not written.cancelled():
            error = written.exception()
            if error is None:
                earlier = written.result()
            else:
                self._fail(store_fault(error))
        for record, flight in batch:
            if flight is not None:
                self._settle(flight, earlier.get(record.key, record.verdict))
        if self._written_soon is not None:
            self._written_soon.set_result(None)
            self._written_soon = None
        if len(self._pending) >= FLUSH_ROWS:
            self.flush()
        elif self._pending:
            self._set_timer()
