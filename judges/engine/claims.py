"""Sees that no two processes ask about the same answer at the same moment.

Whoever asks a judge about an answer holds a claim on it in the store, until the last verdict is on
disk. Others put their questions about it aside, go on with other answers, and look again: then they
find the verdicts, or ask themselves where the first one died or gave up. Claims belong to a living
process (`store/locks.py`, advisory locks in PostgreSQL), so nothing expires and no clock is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from collections.abc import Callable

from ..errors import RubricbeatError, store_fault
from ..store.protocol import ClaimingStore
from ..verdict import Verdict
from .work_items import Flight, Sheet

POLL_S = 0.1
"""Between two looks at what is put aside."""
SAY_AFTER_S = 30.0
"""Nothing came of the others for so long: say whom we wait for."""


class ClaimDesk:
    """The claims of one pool. Lives on its event loop."""

    def __init__(
        self,
        judge: str,
        store: ClaimingStore,
        patience_s: float,
        ask: Callable[[list[Flight]], None],
        found: Callable[[Flight, Verdict], None],
        fail: Callable[[RubricbeatError], None],
    ) -> None:
        """Wire the desk.

        Args:
            judge: Digest of the judge: another one may ask about the same answer.
            store: Where claims are taken, and where the verdicts of others are found.
            patience_s: Without any verdict of others for so long, we ask ourselves: a process that
                was stopped must not hold up everybody.
            ask: Takes questions that are ours to ask.
            found: Takes a question whose verdict is in the store by now.
            fail: Takes the fault of a store that cannot be read any more.
        """
        self._judge = judge.encode()
        self._store = store
        self._patience_s = patience_s
        self._ask = ask
        self._found = found
        self._fail = fail
        self._n_open: dict[bytes, int] = {}
        """Questions without their verdict, by the name of each claim that is ours."""
        self._aside: dict[bytes, list[Flight]] = {}
        """Questions about answers that another process is asked about, by the name of its claim."""
        self._timer: asyncio.TimerHandle | None = None
        self._moved_at = 0.0
        """When something came of the others last."""
        self._has_said = False

    def take(self, sheet: Sheet, flights: list[Flight]) -> None:
        """Ask questions about an answer that are not in the store, or put them aside.

        Raises:
            StoreError: The store cannot be read.
        """
        name = self._name(sheet)
        for flight in flights:
            flight.claim = name
        if name in self._n_open:
            self._n_open[name] += len(flights)
            self._ask(flights)
        elif name in self._aside:
            self._aside[name] += flights
        elif self._store.claim([name]):
            self._begin(name, flights)
        else:
            if not self._aside:
                self._moved_at = _now()
            self._aside[name] = flights
            self._set_timer()

    def over(self, flight: Flight) -> None:
        """Take note that a question has its verdict, or is given up; once for each."""
        name, flight.claim = flight.claim, b""
        if not name:
            return
        if name in self._n_open:
            self._n_open[name] -= 1
            if not self._n_open[name]:
                del self._n_open[name]
                self._store.release([name])
        elif flight in (aside := self._aside.get(name, [])):
            aside.remove(flight)
            if not aside:
                del self._aside[name]

    def waiting(self) -> list[Flight]:
        """List the questions that others are asking."""
        return [flight for aside in self._aside.values() for flight in aside]

    def close(self) -> None:
        """Look no more; the claims go with the store."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, name: bytes, flights: list[Flight]) -> None:
        """Ask what is not in the store by now: it was looked up before the claim was ours."""
        try:
            hits = self._store.lookup([flight.key for flight in flights])
        except Exception:
            self._store.release([name])
            raise
        self._aside.pop(name, None)
        self._n_open[name] = len(flights)
        fresh = [flight for flight in flights if flight.key not in hits]
        for flight in flights:
            if flight.key in hits:
                self._found(flight, hits[flight.key])
        if fresh:
            self._ask(fresh)

    def _look_again(self) -> None:
        """Take up what the others are done with."""
        self._timer = None
        free: list[bytes] = []
        try:
            free = self._free()
            for name in free:
                if name in self._aside:
                    self._begin(name, list(self._aside[name]))
        except Exception as error:  # in a timer: what is not taken here is seen by nobody
            self._fail(store_fault(error))
        # those that nobody here waits for any more; what cannot be let go ends with the store
        with contextlib.suppress(Exception):
            self._store.release([name for name in free if name not in self._n_open])
        if self._aside:
            self._set_timer()

    def _free(self) -> list[bytes]:
        """Name the answers that nobody asks about any more, or that we have waited for in vain."""
        names = list(self._aside)
        if not names:
            return []
        free = self._store.claim(names)
        if free:
            self._moved_at = _now()
        waited_s = _now() - self._moved_at
        if waited_s > self._patience_s:
            self._say(f"nothing arrived for {waited_s:.0f} s; they are asked again")
            return names
        if waited_s > SAY_AFTER_S and not self._has_said:
            self._has_said = True
            self._say("they are not paid for twice; this process waits for its verdicts")
        return [name for name in names if name in free]

    def _say(self, what: str) -> None:
        n = len(self.waiting())
        print(
            f"rubricbeat: another process is asking about {n} of these criteria: {what}",
            file=sys.stderr,
        )

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(POLL_S, self._look_again)

    def _name(self, sheet: Sheet) -> bytes:
        digest = hashlib.blake2b(self._judge, digest_size=8)
        for message in sheet.example.prompt:
            digest.update(f"\0{message.role}\0{message.content}".encode("utf-8", "replace"))
        digest.update(b"\0\0" + sheet.judged.encode("utf-8", "replace"))
        return digest.digest()


def _now() -> float:
    return asyncio.get_running_loop().time()
