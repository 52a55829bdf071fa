"""A judge's limits are the user's, however many processes train."""

from __future__ import annotations

import pytest

from rubricbeat.harness.training.reward.graders import share_limits
from rubricbeat.harness.training.reward.reward import RubricReward
from rubricbeat.judges.engine.options import RuntimeOptions

from ..examples import example


def test_the_limits_of_the_judge_are_shared_by_the_processes() -> None:
    whole = RuntimeOptions(max_concurrency=64, requests_per_minute=600, max_calls=100, max_cost=4)
    parts = [share_limits(whole, 8, number) for number in range(8)]
    assert {part.max_concurrency for part in parts} == {8}
    assert {part.requests_per_minute for part in parts} == {75.0}
    assert {part.max_cost for part in parts} == {0.5}
    # 100 = 4 x 13 + 4 x 12
    assert [part.max_calls for part in parts] == [13] * 4 + [12] * 4


def test_every_process_may_have_one_call_in_flight() -> None:
    few = RuntimeOptions(max_concurrency=3, max_calls=2)
    parts = [share_limits(few, 8, number) for number in range(8)]
    assert {(part.max_concurrency, part.max_calls) for part in parts} == {(1, 1)}


def test_one_process_has_all_there_is() -> None:
    options = RuntimeOptions(max_concurrency=3, max_calls=0)
    assert share_limits(options, 1, 0) is options


@pytest.mark.parametrize(("number", "in_flight"), [("0", 22), ("1", 21), ("2", 21)])
def test_a_reward_opens_its_judge_with_its_part(
    monkeypatch: pytest.MonkeyPatch, number: str, in_flight: int
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", number)
    reward = RubricReward({"name": "keyword", "store": False, "max_concurrency": 64}, "hybrid")
    reward.score(None, ["rest"], [example()])
    try:
        grader = reward._graders._grader
        assert grader is not None and grader.options.max_concurrency == in_flight
    finally:
        reward.close()
