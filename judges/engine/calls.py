"""Serves one call of the pool: limits, budget, attempts, retries, and what each reply means.

The pool (`pool.py`) says which call is next; here it is made until each of its questions has a
verdict, or may not be asked again, and what came back goes on to `delivery.py`. The calls of a
judge that is made of others (a jury, a cascade, a replicate) are served by what those say: each has
a pool of its own, with its own limits, store keys and breaker, and is waited for outside any limit.
"""

from __future__ import annotations

import asyncio
import random

from ..errors import ConfigError, RefusedSettingsError, StoreError
from ..judge import Ask, Judge
from ..shares import suited
from ..verdict import Outcome, Verdict
from .attempt import (
    End,
    Fault,
    Reply,
    attempt,
    check_verdicts,
    of_judge,
    where_raised,
)
from .delivery import Delivery
from .ledger import DEFAULT_REPLY_TOKENS, Budget, Grant, worst_cost
from .options import RuntimeOptions
from .retries import Doubt, RetryPolicy
from .work_items import Call, Flight, Part, again, group_size_of, no_reply, requests_of, skipped

_REFUSALS = {
    End.REJECTED: Outcome.REFUSED,
    End.TOO_LONG: Outcome.OVERFLOW,
    End.DOUBTFUL: Outcome.REFUSED,
}
_FINAL = {Outcome.SKIPPED, Outcome.OVERFLOW, Outcome.JUDGE_ERROR}
"""Verdicts without an answer that asking again cannot mend."""


class CallServer:
    """Makes the calls of one judge, within its limits."""

    def __init__(
        self, part: Part, options: RuntimeOptions, budget: Budget, delivery: Delivery
    ) -> None:
        """Wire the server; a judge's sampling says how long a reply may be."""
        self._judge = part.judge
        self._options = options
        self._ledger = part.ledger
        self._budget = budget
        self._limiter = delivery.limiter
        self._delivery = delivery
        self._stop = delivery.stop
        self._breaker = delivery.breaker
        self._trial = delivery.trial
        self._is_grouped = group_size_of(part.judge) > 1
        self._policy = RetryPolicy(options.max_retries, options.backoff_s)
        self._is_reached = False
        """Whether a call has ended otherwise than with nothing at the address."""
        max_reply = part.identity.sampling.get("max_tokens")
        self._max_reply = max_reply if isinstance(max_reply, int) else DEFAULT_REPLY_TOKENS
        self._rng = random.Random()  # jitter only: it must differ between processes

    async def serve(self, call: Call) -> None:
        """Ask until each question of a call has its verdict, or may not be asked again."""
        call.n_requests = requests_of(self._judge, call.flights[0].question)
        try:
            await self._serve(call)
        finally:
            if call.keeps_place:  # for a next try, which there will not be
                call.keeps_place = False
                self._limiter.release()

    async def _serve(self, call: Call) -> None:
        n_faults: dict[Fault, int] = {}
        n_attempts = 0
        limited_since: float | None = None
        last = skipped("")
        while True:
            if not await self._may_call(call):
                stop = skipped(self._stop.reason or "cancelled")
                for flight in call.flights:
                    self._delivery.settle(flight, last if n_attempts else stop)
                return
            if self._trial.defers(call):  # its prompt was refused while it waited for its place
                self._limiter.release(call.n_tokens)
                self._budget.give_back(call.worst_cost, n_unmade=call.n_requests)
                return
            n_attempts += 1
            reply = await self._attempt(call, n_attempts)
            fault, last = self._take_in(call, reply, n_attempts)
            if fault is None:
                if not last.is_missing:
                    self._delivery.usefulness.verdict_came(n_faults)
                return
            before = n_faults.get(fault, 0)
            n_faults[fault] = before + 1
            self._ledger.faults[fault] += 1
            if fault is Fault.RATE_LIMIT:
                now = asyncio.get_running_loop().time()
                limited_since = now if limited_since is None else limited_since
                patience_s = self._options.rate_limit_patience_s
                is_silenced = self._breaker.is_silenced(reply.why, now, patience_s)
                goes_on = now - limited_since <= patience_s and not is_silenced
            else:
                most = self._delivery.usefulness.most_retries(fault)
                goes_on = self._policy.allows(fault, before) and (most is None or before < most)
            if self._stop.reason is not None or not goes_on:
                tried_again = [kind for kind, n in n_faults.items() if n > 1]
                self._delivery.give_up(call, last, tried_again)
                return
            self._ledger.retries[fault] += 1
            if reply.retry_after_s is None:
                await self._stop.pause(self._policy.pause_s(fault, before, self._rng))

    async def _may_call(self, call: Call) -> bool:
        """Wait for the limits and the budget; False where nothing more may be asked."""
        call.worst_cost = 0.0
        if self._budget.is_bounded:
            n_bytes = sum(flight.n_bytes for flight in call.flights)
            worst, n = self._worst_of(n_bytes, call.n_requests), call.n_requests
            while (grant := self._budget.take(worst, n)) is Grant.WAIT:
                if self._stop.reason is not None:
                    break
                await self._stop.pause(0.02)
            if grant is not Grant.GRANTED:
                self._delivery.halt(self._budget.reason(), is_hard=False)
                return False
            call.worst_cost = worst
        return await self._place(call)

    def _worst_of(self, n_bytes: int, n_requests: int) -> float:
        """Give the most a call can cost; each further request holds the reply to the one before."""
        price, longest = self._ledger.price, self._max_reply
        grown = (n_bytes + 2 * longest * place for place in range(n_requests))
        return sum(worst_cost(price, sent, longest) for sent in grown)

    async def _place(self, call: Call) -> bool:
        granted, call.keeps_place = call.keeps_place, False
        try:
            # sent away with those of the pool beside this one: stand in line again
            while not granted and not self._stop.is_hard:
                n_tokens, limiter = call.n_tokens, self._limiter
                granted = limiter.try_acquire(n_tokens) or await limiter.acquire(n_tokens)
            if granted and call.n_requests > 1:
                self._limiter.add_requests(call.n_requests - 1)
            if granted and self._stop.is_hard:
                self._limiter.release()
                granted = False
            return granted
        finally:
            if not granted:
                self._budget.give_back(call.worst_cost)

    async def _attempt(self, call: Call, n_attempts: int) -> Reply:
        """Make one call, and give its place and its reservation back."""
        limiter = self._limiter
        self._ledger.n_calls += call.n_requests
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
        return not self._trial.is_over and n_attempts > min(1, self._options.max_retries)

    def _take_in(self, call: Call, reply: Reply, n_attempts: int) -> tuple[Fault | None, Verdict]:
        """Keep what a call brought.

        Returns:
            None where the call is settled, else the fault to be tried again; and the verdict to
            give where it may not be.
        """
        if reply.verdicts:
            return self._take_in_verdicts(call, reply, n_attempts)
        last = no_reply(reply.why, n_attempts, is_bug=reply.end is End.BROKEN)
        if reply.fault is not None:
            return reply.fault, last
        if reply.doubt is not None and not self._trial.is_over:
            if (error := self._trial.hold(Doubt(call, reply.doubt, n_attempts))) is not None:
                self._delivery.fail(error)
            return None, last
        if (outcome := _REFUSALS.get(reply.end or End.BROKEN)) is not None:
            self._breaker.succeeded()
            is_long = reply.doubt is not None and reply.doubt.is_long
            outcome = Outcome.OVERFLOW if is_long else outcome
            last = Verdict(outcome, explanation=reply.why, attempts=n_attempts)
        elif isinstance(reply.error, RefusedSettingsError) and self._trial.is_over:
            return Fault.SETTINGS, last  # where it persists, it ends as an outage
        elif reply.error is not None:
            self._delivery.fail(reply.error)
            last = skipped("fatal")
        elif reply.end is End.DOWN:
            self._breaker.reason = reply.why
        self._delivery.give_up(call, last)
        return None, last

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
            if not verdict.is_missing or verdict.outcome in _FINAL:
                has_reply = True
                self._delivery.keep(flight, verdict)
                continue
            fault, last = Fault(verdict.outcome.value), verdict
            flight.last = verdict
            left.append(flight)
            if verdict.outcome is not Outcome.TRANSPORT:
                has_reply = True
                self._delivery.keep_failed(flight, verdict)
        if has_reply:
            self._delivery.answered()
            self._ledger.call_ended(reply.latency_s)
            self._breaker.succeeded()
            self._breaker.limited_since = None
            self._limiter.succeeded()
        if fault is not None:
            call.flights = left
            call.is_replied = False
        return fault, last


async def compose(judge: Judge, ask: Ask, call: Call, delivery: Delivery) -> None:
    """Let a judge ask its members by its `judge_with`, and settle the one question of the call."""
    flight = call.flights[0]
    assert hasattr(judge, "judge_with")  # else it has no members
    try:
        verdict: Verdict = await of_judge(judge.judge_with(flight.question, ask))
        check_verdicts(judge, [verdict])
        verdict = suited(verdict, flight.question.criterion)
    except (ConfigError, StoreError) as error:
        delivery.fail(error)
        verdict = skipped("fatal")
    except Exception as error:  # a judge of somebody else's may raise anything
        verdict = no_reply(where_raised(error, judge), 1, is_bug=True)
    if verdict.is_missing and delivery.stop.reason is not None:
        verdict = skipped(delivery.stop.reason)
    delivery.settle(flight, verdict)
