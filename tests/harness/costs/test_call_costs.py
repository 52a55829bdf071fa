"""The arithmetic of a plan, worked by hand."""

from __future__ import annotations

import pytest

from rubricbeat.harness.costs.call_costs import CallShape, Speed, Workload, added, plan_run, scales
from rubricbeat.judges.engine.ledger import Price
from rubricbeat.judges.errors import ConfigError

SHAPE = CallShape(head=100, conversation=50, answer=30, tail=20, more_items=10, reply=5)
PRICE = Price(input=2.0, cached=0.5, output=10.0)
WORK = Workload(rows=10, samples=4, criteria=3)


def test_calls_tokens_and_money_are_those_of_the_hand_count():
    run = plan_run(WORK, SHAPE, Speed(latency_s=2, max_concurrency=8), PRICE)
    assert (run.work.answers, run.work.verdicts, run.cost.calls) == (40, 120, 120)
    assert run.cost.prompt_tokens == 120 * 200
    # once 100, a row 50, an answer 30, a call 20
    fresh = 100 + 10 * 50 + 40 * 30 + 120 * 20
    assert run.reused_tokens == 24_000 - fresh
    assert run.cost.completion_tokens == 600
    assert run.cost.cost_usd == pytest.approx((24_000 * 2 + 600 * 10) / 1e6)
    assert run.usd_with_reuse == pytest.approx((fresh * 2 + (24_000 - fresh) * 0.5 + 6_000) / 1e6)
    # one call alone, then 119 of them eight at a time
    assert run.seconds == pytest.approx(2 + 119 / 8 * 2)
    assert run.bound_by == "latency"


def test_a_group_of_criteria_is_one_call_and_the_last_may_be_shorter():
    shape = CallShape(100, 50, 30, 20, 10, 5, group_size=2)
    run = plan_run(WORK, shape, Speed(), None)
    assert run.cost.calls == 80
    assert run.cost.prompt_tokens == 40 * (210 + 200)
    assert run.cost.completion_tokens == 600


def test_replicates_ask_again_what_a_cache_knows_whole():
    once = plan_run(WORK, SHAPE, Speed(), None)
    twice = plan_run(Workload(10, 4, 3, replicates=2), SHAPE, Speed(), None)
    assert (twice.work.verdicts, twice.cost.calls) == (240, 240)
    assert twice.reused_tokens == once.reused_tokens + once.cost.prompt_tokens


def test_what_is_not_known_is_none_and_never_zero():
    run = plan_run(WORK, SHAPE, Speed(), None)
    assert (run.cost.cost_usd, run.usd_with_reuse, run.usd_gpus, run.seconds, run.bound_by) == (
        None,
    ) * 5
    # GPUs of unknown speed: the latency of somebody else's endpoint says nothing of them
    assert plan_run(WORK, SHAPE, Speed(latency_s=1, gpus=8), PRICE).seconds is None


def test_the_slowest_bound_sets_the_time():
    speed = Speed(latency_s=0.1, requests_per_minute=60, tokens_per_minute=1e9)
    run = plan_run(WORK, SHAPE, speed, None)
    assert (run.seconds, run.bound_by) == (120, "requests_per_minute")
    speed = Speed(latency_s=0.1, requests_per_minute=6000, tokens_per_minute=24_600)
    run = plan_run(WORK, SHAPE, speed, None)
    assert (run.seconds, run.bound_by) == (60, "tokens_per_minute")


def test_gpus_read_what_is_fresh_and_write_the_replies():
    speed = Speed(gpus=2, prompt_tokens_per_s=420, reply_tokens_per_s=60, gpu_usd_per_hour=3.6)
    run = plan_run(WORK, SHAPE, speed, None)
    # 4,200 fresh tokens at 420/s and 600 at 60/s, on two GPUs
    assert run.seconds == pytest.approx(10)
    assert run.usd_gpus == pytest.approx(2 * 3.6 * 10 / 3600)


def test_a_jury_costs_the_sum_and_takes_as_long_as_its_slowest_member():
    fast = plan_run(WORK, SHAPE, Speed(latency_s=1), PRICE)
    slow = plan_run(WORK, SHAPE, Speed(latency_s=3), PRICE)
    both = added([fast, slow])
    assert (both.cost.calls, both.work.verdicts, both.seconds) == (240, 120, slow.seconds)
    assert both.cost.cost_usd == pytest.approx(2 * (fast.cost.cost_usd or 0))
    assert added([fast, plan_run(WORK, SHAPE, Speed(), None)]).cost.cost_usd is None


def test_scales_are_a_hundredth_a_tenth_and_the_whole():
    assert scales(5000) == [50, 500, 5000]
    assert scales(3) == [1, 3]


@pytest.mark.parametrize("bad", [{"rows": 0}, {"samples": 0}, {"criteria": 0}, {"replicates": 0}])
def test_an_empty_workload_is_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        Workload(**{"rows": 1, "samples": 1, "criteria": 1, **bad})
