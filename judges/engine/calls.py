"""Serves one call of the pool: limits, budget, attempts, retries, and what each reply means.

The pool (`runtime.py`) says which call is next and hands verdicts to whoever waits; here a call is
made until each of its questions has a verdict, or may not be asked again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from ..errors import RefusedSettingsError, RubricbeatError
from ..judge import Judge, JudgeIdentity
from ..verdict import Outcome, Verdict
from .faults import FAULT_OF_OUTCOME, Breaker, End, Fault, Reply, RetryPolicy, Usefulness, attempt
from .ledger import DEFAULT_REPLY_TOKENS, Budget, Grant, Ledger, worst_cost
from .limits import N_PROBES, Limiter
from .options import RuntimeOptions
from .trial import Doubt, Trial
from .work_items import Call, Flight, Stop, again, no_reply, skipped

_REFUSALS = {
    End.REJECTED: Outcome.REFUSED,
    End.TOO_LONG: Outcome.OVERFLOW,
    End.DOUBTFUL: Outcome.REFUSED,
}
_FINAL = {Outcome.SKIPPED, Outcome.OVERFLOW}
"""Verdicts without an answer that asking again cannot mend."""
_USELESS = {Outcome.UNPARSEABLE, Outcome.TRUNCATED, Outcome.REFUSED}
"""Ends of a question that was answered, and got no verdict."""
_WHOLE_CALL = {Outcome.TRANSPORT, Outcome.SKIPPED}
"""Ends that are the same for all questions of a call."""


class Outcomes(Protocol):
    """Where the outcome of a call goes."""

    def keep(self, flight: Flight, verdict: Verdict) -> None:
        """Take a verdict that was given, or the judge's refusal to ask."""
        ...

    def keep_failed(self, flight: Flight, verdict: Verdict) -> None:
        """Take a reply that was paid for and gave no verdict; its question stays open."""
        ...

    def settle(self, flight: Flight, verdict: Verdict) -> None:
        """Take the reason why a question has no verdict."""
        ...


class Pool(Protocol):
    """Who says which call is next."""

    def halt(self, reason: str, *, is_hard: bool = True) -> None:
        """Ask nothing more for any run."""
        ...

    def resume(self, calls: Iterable[Call]) -> None:
        """Ask what was kept back."""
        ...

    def fail(self, error: RubricbeatError) -> None:
        """End every run with an error."""
        ...


class CallServer:
    """Makes the calls of one judge, within its limits."""

    def __init__(
        self,
        judge: Judge,
        identity: JudgeIdentity,
        options: RuntimeOptions,
        ledger: Ledger,
        budget: Budget,
        outcomes: Outcomes,
        pool: Pool,
        stop: Stop,
        *,
        is_grouped: bool,
    ) -> None:
        """Wire the server; the limits begin to count with `open`.

        Args:
            judge: Who answers.
            identity: Its sampling says how long a reply may be.
            options: Limits and retries.
            ledger: Where it counts.
            budget: Shared by the judges of one grader.
            outcomes: Where verdicts, and reasons for none, go.
            pool: Told when nothing more is to be asked, or again.
            stop: The pool's.
            is_grouped: Whether a call may hold several questions.
        """
        self._judge: Any = judge
        self._options = options
        self._ledger = ledger
        self._budget = budget
        self._outcomes = outcomes
        self._pool = pool
        self._stop = stop
        self._is_grouped = is_grouped
        self._policy = RetryPolicy(options.max_retries, options.backoff_s)
        self.breaker = Breaker(options.outage_after)
        self.trial = Trial()
        # a judge that gathers questions asks them all at once, and tells by itself
        self.trial.is_over = bool(getattr(judge, "collects", False))
        self._is_probed = bool(getattr(judge, "is_probed", False))
        self._is_reached = False
        """Whether a call has ended otherwise than with nothing at the address."""
        max_reply = identity.sampling.get("max_tokens")
        self._max_reply = max_reply if isinstance(max_reply, int) else DEFAULT_REPLY_TOKENS
        self.usefulness = Usefulness()
        self._limited_since: float | None = None
        """When the first 429 came since the judge answered last, in seconds of the loop."""
        self._rng = random.Random()  # jitter only: it must differ between processes
        self._limiter: Limiter | None = None

    @property
    def n_in_flight(self) -> int:
        """Calls that wait for their reply."""
        return self._limiter.in_flight if self._limiter is not None else 0

    def open(self) -> None:
        """Start the limits on the running loop, once."""
        if self._limiter is None:
            options = self._options
            self._limiter = Limiter(
                options.max_concurrency,
                options.requests_per_minute,
                options.tokens_per_minute,
                asyncio.get_running_loop().time,
                n_probes=N_PROBES if self._is_probed else None,
            )
            # a judge that gathers questions would wait a day for its first one alone
            self._limiter.is_proven = bool(getattr(self._judge, "collects", False))

    def start_anew(self) -> None:
        """Forget that the judge was down or of no use: a new run may find it otherwise."""
        self.breaker.reset()
        self.usefulness = Usefulness()
        self._limited_since = None

    def refuse_waiters(self) -> None:
        """Call off those who wait for a place."""
        if self._limiter is not None:
            self._limiter.refuse_waiters()

    async def serve(self, call: Call) -> None:
        """Ask until each question of a call has its verdict, or may not be asked again."""
        try:
            await self._serve(call)
        finally:
            self._leave_place(call)

    async def _serve(self, call: Call) -> None:
        n_faults: dict[Fault, int] = {}
        n_attempts = 0
        limited_since: float | None = None
        last = skipped("")
        while True:
            if not await self._may_call(call):
                stop = skipped(self._stop.reason or "cancelled")
                for flight in call.flights:
                    self._outcomes.settle(flight, last if n_attempts else stop)
                return
            if self.trial.defers(call):  # its prompt was refused while it waited for its place
                self._give_place_back(call)
                return
            n_attempts += 1
            reply = await self._attempt(call, n_attempts)
            fault, last = self._take_in(call, reply, n_attempts)
            if fault is None:
                if last.met is not None:
                    self.usefulness.verdict_came(n_faults)
                return
            before = n_faults.get(fault, 0)
            n_faults[fault] = before + 1
            self._ledger.faults[fault] += 1
            if fault is Fault.RATE_LIMIT:
                limited_since = limited_since or asyncio.get_running_loop().time()
                goes_on = self._waits_out(limited_since, reply.why)
            else:
                most = self.usefulness.most_retries(fault)
                goes_on = self._policy.allows(fault, before) and (most is None or before < most)
            if self._stop.reason is not None or not goes_on:
                tried_again = [kind for kind, n in n_faults.items() if n > 1]
                self._give_up(call, last, tried_again)
                return
            self._ledger.retries[fault] += 1
            if reply.retry_after_s is None:
                await self._stop.pause(self._policy.pause_s(fault, before, self._rng))

    def _waits_out(self, since: float, why: str) -> bool:
        """Say whether a rate limit is still waited out; a judge that it has silenced is down.

        Args:
            since: When this call was rate limited first.
            why: The endpoint's words.
        """
        now = asyncio.get_running_loop().time()
        patience_s = self._options.rate_limit_patience_s
        self._limited_since = now if self._limited_since is None else self._limited_since
        if now - self._limited_since > patience_s and self.breaker.reason is None:
            self.breaker.reason = (
                f"{why}; nothing else for {patience_s:g} s (rate_limit_patience_s)"
            )
        return now - since <= patience_s and self.breaker.reason is None

    async def _may_call(self, call: Call) -> bool:
        """Wait for the limits and the budget; False where nothing more may be asked."""
        limiter = self._limiter
        assert limiter is not None
        call.worst_cost = 0.0
        if self._budget.is_bounded:
            n_bytes = sum(flight.n_bytes for flight in call.flights)
            worst = worst_cost(self._ledger.price, n_bytes, self._max_reply)
            while (grant := self._budget.take(worst)) is Grant.WAIT and self._stop.reason is None:
                await self._stop.pause(0.02)
            if grant is not Grant.GRANTED:
                self._pool.halt(self._budget.reason(), is_hard=False)
                return False
            call.worst_cost = worst
        return await self._place(limiter, call)

    async def _place(self, limiter: Limiter, call: Call) -> bool:
        granted, call.keeps_place = call.keeps_place, False
        try:
            if not granted and not self._stop.is_hard:
                n_tokens = call.n_tokens
                granted = limiter.try_acquire(n_tokens) or await limiter.acquire(n_tokens)
            if granted and self._stop.is_hard:
                limiter.release()
                granted = False
            return granted
        finally:
            if not granted:
                self._budget.give_back(call.worst_cost)

    def _leave_place(self, call: Call) -> None:
        """Let go of a place that was kept for the next try."""
        if call.keeps_place:
            assert self._limiter is not None
            call.keeps_place = False
            self._limiter.release()

    def _give_place_back(self, call: Call) -> None:
        assert self._limiter is not None
        self._limiter.release(call.n_tokens)
        self._budget.give_back(call.worst_cost, is_made=False)

    async def _attempt(self, call: Call, n_attempts: int) -> Reply:
        """Make one call, and give its place and its reservation back."""
        limiter = self._limiter
        assert limiter is not None
        self._ledger.n_calls += 1
        n_tokens_over = 0
        reply = Reply()
        is_first = not (limiter.is_proven or self._is_reached)
        if not limiter.is_proven:
            limiter.time_head_start()
        try:
            reply = await attempt(
                self._judge,
                [flight.question for flight in call.flights],
                timeout_s=self._options.timeout_s,
                is_grouped=self._is_grouped,
            )
            if reply.verdicts:
                call.is_replied = True
                for verdict in reply.verdicts:
                    self._ledger.paid(verdict)
                if n_tokens := reply.n_tokens:
                    n_tokens_over = call.n_tokens - n_tokens
            if reply.verdicts or reply.fault is Fault.TIMEOUT:
                limiter.prove()
        finally:
            # the first call goes alone, and so does its second try where a page came
            call.keeps_place = is_first and reply.is_page
            if not call.keeps_place:
                limiter.release(n_tokens_over)
            self._budget.give_back(call.worst_cost)
        if reply.fault is Fault.RATE_LIMIT:
            limiter.rate_limited(reply.retry_after_s)
        self._is_reached = True
        if reply.fault is None or reply.error is None:
            return reply
        # nothing at the address, or nothing but pages from the start
        if self._is_page_again(n_attempts) if reply.is_page else is_first:
            return Reply(end=End.WRONG, error=reply.error, why=reply.why)
        return reply

    def _is_page_again(self, n_attempts: int) -> bool:
        """Say whether a page is all there is: one that a waking server shows goes away."""
        return not self.trial.is_over and n_attempts > min(1, self._options.max_retries)

    def _take_in(self, call: Call, reply: Reply, n_attempts: int) -> tuple[Fault | None, Verdict]:
        """Keep what a call brought.

        Returns:
            None where the call is settled, else the fault to be tried again; and the verdict to
            give where it may not be.
        """
        if reply.verdicts:
            return self._take_in_verdicts(call, reply, n_attempts)
        last = no_reply(reply.why, n_attempts)
        if reply.fault is not None:
            return reply.fault, last
        if reply.doubt is not None and not self.trial.is_over:
            if (error := self.trial.hold(Doubt(call, reply.doubt, n_attempts))) is not None:
                self._pool.fail(error)
            return None, last
        if (outcome := _REFUSALS.get(reply.end or End.BROKEN)) is not None:
            self.breaker.succeeded()
            is_long = reply.doubt is not None and reply.doubt.is_long
            outcome = Outcome.OVERFLOW if is_long else outcome
            last = Verdict(outcome, explanation=reply.why, attempts=n_attempts)
        elif isinstance(reply.error, RefusedSettingsError) and self.trial.is_over:
            return Fault.SETTINGS, last  # where it persists, it ends as an outage
        elif reply.error is not None:
            self._pool.fail(reply.error)
            last = skipped("fatal")
        elif reply.end is End.DOWN:
            self.breaker.reason = reply.why
        self._give_up(call, last)
        return None, last

    def answered(self) -> None:
        """Note that the judge has answered: what was refused so far was refused for itself."""
        if self.trial.is_over:
            return
        self.trial.is_over = True
        if self._limiter is not None:
            self._limiter.prove()
        self.end_trial()
        self._pool.resume(self.trial.take_deferred())

    def end_trial(self) -> None:
        """Settle the calls put aside as refused."""
        for doubt in self.trial.take_doubts():
            outcome = Outcome.OVERFLOW if doubt.error.is_long else Outcome.REFUSED
            verdict = Verdict(outcome, explanation=str(doubt.error), attempts=doubt.n_attempts)
            self._give_up(doubt.call, verdict)

    def _take_in_verdicts(
        self, call: Call, reply: Reply, n_attempts: int
    ) -> tuple[Fault | None, Verdict]:
        """Keep the usable verdicts of a reply; what is left of the call has the others."""
        fault: Fault | None = None
        left: list[Flight] = []
        last = reply.verdicts[0]
        has_reply = False
        for flight, each in zip(call.flights, reply.verdicts, strict=True):
            verdict = each
            if n_attempts > 1 or not each.latency_s:
                verdict = again(each, n_attempts, each.latency_s or reply.latency_s)
            if verdict.met is not None or verdict.outcome in _FINAL:
                has_reply = True
                self._outcomes.keep(flight, verdict)
                continue
            fault, last = FAULT_OF_OUTCOME[verdict.outcome], verdict
            flight.last = verdict
            left.append(flight)
            if verdict.outcome is not Outcome.TRANSPORT:
                has_reply = True
                self._outcomes.keep_failed(flight, verdict)
        if has_reply:
            self.answered()
            self._ledger.call_ended(reply.latency_s)
            self.breaker.succeeded()
            self._limited_since = None
            if self._limiter is not None:
                self._limiter.succeeded()
        if fault is not None:
            call.flights = left
            call.is_replied = False
        return fault, last

    def _give_up(self, call: Call, last: Verdict, tried_again: Sequence[Fault] = ()) -> None:
        """End a call without a verdict; count it towards an outage where no reply came."""
        for flight in call.flights:
            # of a group each question has its own last reply
            own = flight.last if last.outcome not in _WHOLE_CALL else None
            self._outcomes.settle(flight, own or last)
        if last.outcome in _USELESS:
            # what a filter withheld may look like a verdict
            said = last.explanation if last.outcome is Outcome.REFUSED else last.reply
            useless = self.usefulness.gave_up(said or last.explanation, tried_again)
            if useless is not None and not self._options.keep_asking:
                self._pool.halt(useless)
        if last.outcome is Outcome.TRANSPORT:
            is_down = self.breaker.reason is not None or self.breaker.failed(last.explanation)
            if is_down:
                self._pool.halt(f"outage: {self.breaker.reason}")
