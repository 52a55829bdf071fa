"""Retries are bounded by class and spread in time; an outage is told from bad luck."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest
from engine_kit import CountingJudge, example
from hypothesis import given
from hypothesis import strategies as st
from waiting import HANG_S

from rubricbeat.judges.engine.attempt import Fault, attempt, is_unreachable
from rubricbeat.judges.engine.retries import MAX_BACKOFF_S, Breaker, RetryPolicy
from rubricbeat.judges.engine.work_items import Stop
from rubricbeat.judges.errors import TransportError
from rubricbeat.judges.judge import Question


@pytest.mark.parametrize(
    ("fault", "most"),
    [
        (Fault.TRANSPORT, 5),
        (Fault.UNPARSEABLE, 5),
        (Fault.TIMEOUT, 2),
        (Fault.TRUNCATED, 2),
        (Fault.REFUSED, 1),
    ],
)
def test_each_class_has_its_bound(fault, most):
    policy = RetryPolicy(max_retries=5)
    assert [policy.allows(fault, n) for n in (most - 1, most)] == [True, False]


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.RATE_LIMIT}))
def test_no_retries_are_no_retries(fault):
    assert not RetryPolicy(max_retries=0).allows(fault, 0)


@given(st.integers(0, 1000), st.integers(0, 10))
def test_pauses_grow_are_jittered_and_bounded(n_before, seed):
    policy, rng = RetryPolicy(backoff_s=0.5), random.Random(seed)
    pause = policy.pause_s(Fault.TRANSPORT, n_before, rng)
    full = min(MAX_BACKOFF_S, 0.5 * 2 ** min(n_before, 16))
    assert full / 2 <= pause <= full
    assert policy.pause_s(Fault.UNPARSEABLE, n_before, rng) == 0


def test_an_outage_is_so_many_in_a_row():
    breaker = Breaker(after=3)
    assert not breaker.failed("a")
    assert not breaker.failed("b")
    breaker.succeeded()
    assert not breaker.failed("c")
    assert not breaker.failed("d")
    assert breaker.failed("HTTP 503")
    assert breaker.reason == "no reply to 3 questions in a row; the last: HTTP 503"
    breaker.reset()
    assert breaker.reason is None


@pytest.mark.parametrize(
    ("error", "why"),
    [(OSError("cut off"), "cut off"), (OSError(), "OSError()"), (TransportError("no"), "no")],
)
def test_a_connection_that_breaks_says_why_or_at_least_what(error, why):
    class Broken(CountingJudge):
        async def pause(self):
            raise error

    asked = attempt(Broken(), [Question(example(), 0, "words")], timeout_s=60, is_grouped=False)
    reply = asyncio.run(asked)
    assert (reply.fault, reply.why) == (Fault.TRANSPORT, why)


def test_whoever_pauses_goes_on_when_everything_is_halted():
    async def turns():
        for _ in range(5):  # of the loop: enough for whatever need not wait
            await asyncio.sleep(0)

    async def paused():
        stop = Stop()
        pauses = [asyncio.ensure_future(stop.pause(HANG_S)) for _ in range(3)]
        await turns()
        before = [pause.done() for pause in pauses]
        stop.wake()
        await turns()
        after = [pause.done() for pause in pauses]
        stop.reason = "budget"
        late = asyncio.ensure_future(stop.pause(HANG_S))
        await turns()
        return before, after, late.done()

    assert asyncio.run(paused()) == ([False] * 3, [True] * 3, True)


def test_nothing_at_the_address_is_told_from_a_broken_connection():
    def chained(cause):
        try:
            raise TransportError("no") from cause
        except TransportError as error:
            return error

    class Connector(OSError):
        os_error = ConnectionRefusedError(111, "refused")

    assert is_unreachable(chained(ConnectionRefusedError()))
    assert is_unreachable(chained(socket.gaierror(-2, "unknown")))
    assert is_unreachable(chained(Connector()))
    assert not is_unreachable(chained(ConnectionResetError()))
    assert not is_unreachable(TransportError("HTTP 500"))


class AtTheEnd(random.Random):
    """Draws one end of every range."""

    end = 1

    def uniform(self, a, b):
        return (a, b)[self.end]


@pytest.mark.parametrize(
    ("fault", "longest"),
    [
        (Fault.TRANSPORT, [2, 4, 8, 16, 30, 30]),
        (Fault.TIMEOUT, [2, 4, 8, 16, 30, 30]),
        (Fault.RATE_LIMIT, [2, 4, 5, 5, 5, 5]),
        (Fault.TRUNCATED, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_a_pause_doubles_up_to_half_a_minute_or_to_5_s_after_a_rate_limit(fault, longest):
    policy, rng = RetryPolicy(backoff_s=2.0), AtTheEnd()
    assert [policy.pause_s(fault, n, rng) for n in range(6)] == longest
    assert policy.pause_s(fault, 5_000, rng) == longest[-1]
    rng.end = 0  # the shortest is half of it
    assert [policy.pause_s(fault, n, rng) for n in range(6)] == [s / 2 for s in longest]
