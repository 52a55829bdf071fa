"""Limits divided over workers are never passed together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.engine.ledger import na_share
from rubricbeat.judges.engine.options import RuntimeOptions, added_facts, shares_of
from rubricbeat.judges.errors import ConfigError


def test_ten_in_flight_over_three_workers_are_four_three_and_three():
    shares = shares_of(RuntimeOptions(max_concurrency=10, max_calls=8, max_cost=6.0), 3)
    assert [share["max_concurrency"] for share in shares] == [4, 3, 3]
    assert [share["max_calls"] for share in shares] == [3, 3, 2]
    assert [share["max_cost"] for share in shares] == [2.0, 2.0, 2.0]


@given(st.integers(1, 50), st.integers(1, 300), st.floats(1, 1e6), st.integers(50, 1000))
def test_the_parts_make_up_the_whole(n, more, rate, calls):
    options = RuntimeOptions(
        max_concurrency=n + more,
        requests_per_minute=rate,
        tokens_per_minute=rate * 100,
        max_calls=calls,
    )
    shares = shares_of(options, n)
    for name in ("max_concurrency", "requests_per_minute", "tokens_per_minute", "max_calls"):
        assert sum(share[name] for share in shares) == pytest.approx(getattr(options, name))
    assert min(share["max_concurrency"] for share in shares) >= 1


def test_a_limit_that_is_not_set_stays_unset():
    [share] = shares_of(RuntimeOptions(), 1)
    assert share["requests_per_minute"] is share["max_calls"] is share["max_cost"] is None


@pytest.mark.parametrize(
    ("options", "n", "named"),
    [
        (RuntimeOptions(max_concurrency=2), 3, "use 2 workers"),
        (RuntimeOptions(max_calls=1), 2, "max_calls=1"),
        (RuntimeOptions(), 0, "at least 1 worker"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_starts(options, n, named):
    with pytest.raises(ConfigError, match=named):
        shares_of(options, n)


def test_counts_of_several_processes_are_one_account():
    one = {
        "name": "chat", "asked": 3, "fresh": 2, "store_hits": 1, "shared": 0, "missing": 0,
        "calls": 2, "outcomes": {"met": 3}, "faults": {}, "retries": {},
        "tokens": {"prompt": 10, "completion": 4}, "cost_usd": 0.5, "seconds": 2.0,
        "latency_s": {"p50": 1.0}, "criteria_per_s": 1.5, "outage": None, "stopped": None,
    }  # fmt: skip
    other = {**one, "outcomes": {"met": 1, "not_met": 2}, "seconds": 3.0, "stopped": "budget"}
    both = added_facts([one, other])
    assert (both["asked"], both["calls"], both["cost_usd"], both["seconds"]) == (6, 4, 1.0, 3.0)
    assert both["outcomes"] == {"met": 4, "not_met": 2}
    assert both["tokens"] == {"prompt": 20, "completion": 8}
    assert (both["stopped"], both["latency_s"]) == ("budget", None)
    assert added_facts([one]) == one
    assert added_facts([one, {**other, "cost_usd": None}])["cost_usd"] is None


def test_the_share_of_what_does_not_apply_is_that_of_all_together():
    def facts(**outcomes):
        share = na_share(outcomes)
        return {"outcomes": outcomes, "faults": {}, "retries": {}, "tokens": {}, **share}

    some, none = facts(met=1, not_applicable=1), facts(met=6)
    assert (some["na_share"], "na_share" in none) == (0.5, False)
    for each in ([some, none], [none, some]):
        assert added_facts(each)["na_share"] == 1 / 8
    assert "na_share" not in added_facts([none, none])


def test_one_account_names_the_limits_of_all_together():
    def facts(**options):
        return {"options": options, "outcomes": {}, "faults": {}, "retries": {}, "tokens": {}}

    # 64 in flight is the default, which options leave out; nobody has a limit of tokens
    both = added_facts(
        [
            facts(requests_per_minute=30.0, max_cost=1.0, model="m"),
            facts(requests_per_minute=30.0, max_cost=1.0, max_concurrency=63, model="m"),
        ]
    )
    assert both["options"] == {
        "requests_per_minute": 60.0, "max_cost": 2.0, "max_concurrency": 127, "model": "m",
    }  # fmt: skip
