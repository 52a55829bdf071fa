"""Limits hold whatever is asked, in the order asked."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.engine.limits import Bucket, Limiter


@given(
    per_minute=st.floats(1, 10_000),
    waits=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_window_of_a_minute_holds_more_than_the_limit(per_minute, waits):
    bucket, now, taken = Bucket(per_minute, 0.0), 0.0, []
    for wait in waits:
        now += wait
        now += bucket.wait_s(1, now)
        if bucket.wait_s(1, now) < 1e-6:
            bucket.take(1)
            taken.append(now)
    for first, start in enumerate(taken):
        inside = [t for t in taken[first:] if t < start + 60]
        assert len(inside) <= per_minute + 1  # one more: a window closed at both its ends


def test_a_bucket_starts_with_one_second_of_its_rate():
    bucket = Bucket(600, 0.0)
    for _ in range(10):
        assert bucket.wait_s(1, 0.0) == 0
        bucket.take(1)
    # 590 are left for the rest of the minute: 0.102 s each
    assert bucket.wait_s(1, 0.0) == pytest.approx(60 / 590)


def test_an_amount_above_the_capacity_waits_for_a_full_bucket_and_leaves_a_debt():
    bucket = Bucket(6000, 0.0)  # 100 at the start, 98.33 a second
    assert bucket.wait_s(500, 0.0) == 0
    bucket.take(500)
    # 400 in debt, and full again at +100
    assert bucket.wait_s(500, 0.0) == pytest.approx(500 / (5900 / 60))


def test_what_was_estimated_too_high_is_given_back():
    bucket = Bucket(6000, 0.0)
    bucket.take(100)
    bucket.give_back(60)
    assert bucket.wait_s(60, 0.0) == 0
    bucket.give_back(1000)
    assert bucket.level == bucket.capacity


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limiter(n: int = 4, clock: Clock | None = None, **rates: float | None) -> Limiter:
    made = Limiter(n, rates.get("requests"), rates.get("tokens"), clock or Clock())
    made.is_proven = True
    return made


def test_the_first_call_goes_alone():
    one = Limiter(4, None, None, Clock())
    assert one.try_acquire(1)
    assert not one.try_acquire(1)
    one.release()
    assert [one.try_acquire(1) for _ in range(5)] == [True] * 4 + [False]


def test_a_slow_first_call_does_not_hold_the_others_up_for_long():
    async def run() -> None:
        one = Limiter(3, None, None, Clock())
        assert one.try_acquire(0)
        second = asyncio.create_task(one.acquire(0))
        await asyncio.sleep(0)
        assert not second.done()
        one.prove()
        assert await second
        assert one.in_flight == 2

    asyncio.run(run())


def test_a_call_of_two_requests_takes_two_of_those_a_minute():
    clock = Clock()
    one = limiter(8, clock, requests=120)  # 2 at the start, and 118 in the minute after it
    assert one.try_acquire(0)
    one.add_requests(1)
    assert not one.try_acquire(0)
    clock.now += 60 / 118 + 1e-6
    assert one.try_acquire(0)
    one.add_requests(1)  # one in debt: two more must come in
    clock.now += 60 / 118 + 1e-6
    assert not one.try_acquire(0)
    clock.now += 60 / 118
    assert one.try_acquire(0)


def test_places_are_granted_in_the_order_asked():
    async def run() -> list[int]:
        one, order = limiter(1), list[int]()
        assert one.try_acquire(0)

        async def ask(number: int) -> None:
            assert await one.acquire(0)
            order.append(number)
            one.release()

        tasks = [asyncio.create_task(ask(n)) for n in range(5)]
        await asyncio.sleep(0)
        assert not one.try_acquire(0)  # nobody overtakes
        one.release()
        await asyncio.gather(*tasks)
        assert one.in_flight == 0
        return order

    assert asyncio.run(run()) == [0, 1, 2, 3, 4]


def test_a_waiter_that_is_cancelled_leaves_its_place_to_the_next():
    async def run() -> None:
        one = limiter(1)
        assert one.try_acquire(0)
        first = asyncio.create_task(one.acquire(0))
        second = asyncio.create_task(one.acquire(0))
        await asyncio.sleep(0)
        one.release()  # granted to the first, which is cancelled before it runs
        first.cancel()
        assert await second
        assert one.in_flight == 1
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(run())


def test_waiters_can_be_refused():
    async def run() -> None:
        one = limiter(1)
        assert one.try_acquire(0)
        waiting = [asyncio.create_task(one.acquire(0)) for _ in range(3)]
        await asyncio.sleep(0)
        one.refuse_waiters()
        assert await asyncio.gather(*waiting) == [False] * 3
        one.release()
        assert one.in_flight == 0

    asyncio.run(run())


def test_a_rate_limit_lowers_the_calls_in_flight_once_a_pause_and_success_lifts_it_slowly():
    clock = Clock()
    one = limiter(10, clock)
    for _ in range(5):  # five calls of one burst come back with 429
        one.rate_limited(2.0)
    assert one.limit == pytest.approx(7)
    assert not one.try_acquire(0)  # paused
    clock.now += 2.0
    assert one.try_acquire(0)
    for _ in range(7):
        one.succeeded()
    assert 7.9 < one.limit < 8.1
    for _ in range(100):
        one.succeeded()
    assert one.limit == 10
    for _ in range(50):
        clock.now += 1
        one.rate_limited(0.5)
    assert one.limit == 1


def test_an_endless_pause_is_cut():
    clock = Clock()
    one = limiter(2, clock)
    one.rate_limited(1e9)
    clock.now += 121
    assert one.try_acquire(0)


def test_rates_are_waited_for():
    async def run() -> float:
        loop = asyncio.get_running_loop()
        one = Limiter(1000, 60 * 200, None, loop.time)  # 200 at once, then 197 a second
        one.is_proven = True
        start = loop.time()
        for _ in range(220):
            assert await one.acquire(0)
        return loop.time() - start

    # 12,000 a minute less the 200: 196.67 a second for the twenty that were too many
    assert virtual_time.run(run()) == pytest.approx(20 / 196.67, rel=1e-3)
