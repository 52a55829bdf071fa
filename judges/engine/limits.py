"""How fast a judge may be asked: calls in flight, requests and tokens per minute.

`Bucket` is the arithmetic, without a clock. `Limiter` is what waits; it belongs to one event loop
and is not locked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

from ..judge import Judge
from .options import RuntimeOptions

BURST_S = 1.0
"""A fresh bucket holds this many seconds of its rate, so that a start does not stutter."""
MAX_PAUSE_S = 120.0
"""Longest pause an endpoint may impose; a longer Retry-After is cut to it."""
HEAD_START_S = 2.0
"""Longest that the first call goes alone; a wrong key shows sooner, on a busy machine too."""
N_PROBES = 3
"""Most calls in flight after that, as long as an endpoint has answered none."""
SHRINK = 0.7
"""The in-flight limit is multiplied by this on a 429."""


class Bucket:
    """A token bucket of so many a minute, never more than that in any 60 seconds.

    It holds one second's worth, and what it holds at the start is taken off the refill rate: the
    most that leaves it in a window of 60 s is capacity + 60 s of refill, which is the limit.
    """

    __slots__ = ("_at", "capacity", "level", "rate")

    def __init__(self, per_minute: float, now: float) -> None:
        """Open a full bucket at time `now`, in seconds."""
        self.capacity = max(1.0, per_minute / 60 * BURST_S)
        self.rate = max(per_minute - self.capacity, per_minute / 120) / 60
        self.level = self.capacity
        self._at = now

    def wait_s(self, amount: float, now: float) -> float:
        """Say how long until `amount` may be taken.

        An amount above the capacity waits for a full bucket, and leaves it in debt.
        """
        self.level = min(self.capacity, self.level + (now - self._at) * self.rate)
        self._at = now
        missing = min(amount, self.capacity) - self.level
        return missing / self.rate if missing > 1e-9 else 0.0

    def take(self, amount: float) -> None:
        """Take an amount; the level may fall below 0."""
        self.level -= amount

    def give_back(self, amount: float) -> None:
        """Correct an estimate that was too high (or too low, with a negative amount)."""
        self.level = min(self.capacity, self.level + amount)


class Limiter:
    """Grants calls one by one, in the order asked."""

    def __init__(
        self,
        max_in_flight: int,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        clock: Callable[[], float],
        *,
        n_probes: int | None = None,
    ) -> None:
        """Open a limiter.

        Args:
            max_in_flight: Calls at a time.
            requests_per_minute: None for no bound.
            tokens_per_minute: None for no bound.
            clock: Seconds of the loop; not read before a place is asked for.
            n_probes: Calls at a time after the head start, until `prove` is called; None where the
                end of any call proves the judge.
        """
        self._n_probes = n_probes
        self._n_unproven = 1
        self._clock = clock
        self.max_in_flight = max_in_flight
        self.limit = float(max_in_flight)
        """Calls allowed in flight now; falls on 429 and climbs back."""
        self._held = float(max_in_flight)
        """Up to here the limit climbs by doubling: TCP's slow-start threshold (RFC 5681)."""
        self._has_succeeded = True
        """Whether a call was answered since the last 429."""
        self.in_flight = 0
        self.is_proven = False
        """False until one call has ended (an endpoint: was answered): a wrong key then costs one
        request, and settings that are refused a few."""
        self._paused_until = 0.0
        # full, whenever it is asked first: the clock may not run yet
        self._requests = Bucket(requests_per_minute, -inf) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, -inf) if tokens_per_minute else None
        self._waiters: deque[tuple[asyncio.Future[bool], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def try_acquire(self, n_tokens: int) -> bool:
        """Take a place at once where there is one and nobody waits for it."""
        if self._waiters or self._wait_s(n_tokens) != 0:
            return False
        self._take(n_tokens)
        return True

    def add_requests(self, n: int) -> None:
        """Count requests that a granted call sends beside its first: those after it wait longer."""
        if self._requests is not None:
            self._requests.take(n)

    async def acquire(self, n_tokens: int) -> bool:
        """Wait for a place, which `release` gives back; False where it is refused."""
        if self.try_acquire(n_tokens):
            return True
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.append((place, n_tokens))
        self._wake()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self.release()
            raise

    def refuse_waiters(self) -> None:
        """Send everybody away who waits for a place."""
        waiters, self._waiters = self._waiters, deque()
        for place, _ in waiters:
            if not place.done():
                place.set_result(False)

    def release(self, n_tokens_over: float = 0) -> None:
        """Give a place back, with the tokens estimated beyond those used."""
        self.in_flight -= 1
        self.is_proven = self.is_proven or self._n_probes is None
        if self._tokens is not None and n_tokens_over:
            self._tokens.give_back(n_tokens_over)
        if self._waiters:
            self._wake()

    def prove(self) -> None:
        """Let the others follow the first call."""
        self.is_proven = True
        self._wake()

    def time_head_start(self) -> None:
        """Let some follow the call that is made now, if its reply takes long."""
        asyncio.get_running_loop().call_later(HEAD_START_S, self._after_replies)

    def _after_replies(self, turns: int = 20) -> None:
        """End the head start once what has arrived is read: a busy machine is late with both."""
        if turns:
            asyncio.get_running_loop().call_soon(self._after_replies, turns - 1)
        else:
            self.end_head_start()

    def end_head_start(self) -> None:
        """Let some follow the first call, or all where no more is known of the judge."""
        if self._n_probes is None:
            self.is_proven = True
        else:
            self._n_unproven = self._n_probes
        self._wake()

    def succeeded(self) -> None:
        """Let the in-flight limit climb back.

        Doubled each round to near where it failed, then by one place a round.
        """
        self._has_succeeded = True
        if self.limit < self.max_in_flight:
            step = 1.0 if self.limit < self._held else 1 / self.limit
            self.limit = min(self.max_in_flight, self.limit + step)

    def rate_limited(self, retry_after_s: float | None) -> None:
        """Pause everyone as long as the endpoint asked, and allow fewer in flight.

        Calls that were sent before the pause come back with 429 as well: while a pause lasts, the
        limit is lowered once only.
        """
        now = self._clock()
        if now >= self._paused_until:
            self.limit = max(1.0, self.limit * SHRINK)
            if self._has_succeeded:  # one storm is one failure, however long it lasts
                self._held, self._has_succeeded = self.limit, False
        pause = min(retry_after_s if retry_after_s is not None else 0.05, MAX_PAUSE_S)
        self._paused_until = max(self._paused_until, now + pause)

    def _wait_s(self, n_tokens: int) -> float:
        """Say how long to wait; infinity means until somebody releases."""
        most = int(self.limit) if self.is_proven else min(int(self.limit), self._n_unproven)
        if self.in_flight >= most:
            return inf
        now = self._clock()
        wait = max(0.0, self._paused_until - now)
        if self._requests is not None:
            wait = max(wait, self._requests.wait_s(1, now))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait_s(n_tokens, now))
        return wait

    def _take(self, n_tokens: int) -> None:
        self.in_flight += 1
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(n_tokens)

    def _wake(self) -> None:
        """Grant places from the front of the line, and set a timer for the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            place, n_tokens = self._waiters[0]
            if place.done():
                self._waiters.popleft()
                continue
            wait = self._wait_s(n_tokens)
            if wait == 0:
                self._waiters.popleft()
                self._take(n_tokens)
                place.set_result(True)
                continue
            if wait != inf:
                self._timer = asyncio.get_running_loop().call_later(wait, self._wake)
            return


def collects(judge: Judge) -> bool:
    """Say whether a judge gathers questions: it asks all at once, and would wait for one alone."""
    return bool(getattr(judge, "collects", False))


def limiter_of(judge: Judge, options: RuntimeOptions) -> Limiter:
    """Make the limiter of a judge; one that collects needs no first call alone."""
    limiter = Limiter(
        options.max_concurrency,
        options.requests_per_minute,
        options.tokens_per_minute,
        lambda: asyncio.get_running_loop().time(),
        n_probes=N_PROBES if getattr(judge, "is_probed", False) else None,
    )
    limiter.is_proven = collects(judge)
    return limiter
