"""Which prompts a run asks, and which of them rest."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.harness.training.prompt_order import PromptOrder
from rubricbeat.harness.training.reward.batch import Dead, GroupStats


def group(place: int, dead: Dead | None) -> GroupStats:
    return GroupStats(str(place), 4, 4, 0.5, 0.1, 0.2, dead)


@given(st.integers(1, 7), st.integers(0, 30), st.integers(0, 5))
def test_every_epoch_asks_every_prompt_once(n: int, n_rows: int, seed: int) -> None:
    asked = PromptOrder([str(i) for i in range(n)], seed).asked(0, n_rows)
    assert len(asked) == n_rows
    for start in range(0, n_rows - n + 1, n):
        assert Counter(asked[start : start + n]) == Counter(range(n))


def test_epochs_have_different_orders_and_the_run_always_the_same() -> None:
    ids = [str(i) for i in range(12)]
    asked = PromptOrder(ids, 3).asked(0, 36)
    assert asked[:12] != asked[12:24] != asked[24:]
    assert PromptOrder(ids, 3).asked(0, 24) == asked[:24]  # a longer run starts as a shorter one


def watched_epochs(n_epochs: int, dead: Dead, lives_in: int = -1) -> list[int]:
    """Give the epochs in which prompt 0 is asked; its groups are dead but in one epoch."""
    order, found = PromptOrder(["0", "1"], 7, rest_after=2), []
    for slot in range(2 * n_epochs):
        [place] = order.asked(slot, slot + 1)
        epoch = order.state()["epoch"] - 1
        order.tell([group(place, None if place == 1 or epoch == lives_in else dead)])
        found += [epoch] if place == 0 and epoch < n_epochs else []
    return found


def test_a_prompt_rests_after_two_dead_groups_for_one_epoch_then_twice_as_long() -> None:
    # asked in 0 and 1; out 2; 3; out 4-5; 6; out 7-10; 11; out 12-19; 20; out 21-28; 29
    assert watched_epochs(31, Dead.REWARD) == [0, 1, 3, 6, 11, 20, 29]


def test_a_group_that_teaches_ends_the_rests() -> None:
    # lives in 3: dead again in 4 and 5, out 6; 7
    assert watched_epochs(8, Dead.SAME_VERDICTS, lives_in=3) == [0, 1, 3, 4, 5, 7]


def test_a_group_without_rewards_says_nothing_of_its_prompt() -> None:
    assert watched_epochs(6, Dead.UNSCORED) == [0, 1, 2, 3, 4, 5]


def test_an_order_goes_on_from_its_state_as_it_would_have() -> None:
    ids = [str(i) for i in range(5)]
    whole, half = PromptOrder(ids, 1, 1), PromptOrder(ids, 1, 1)
    for slot in range(20):
        for order in (whole, half):
            [place] = order.asked(slot, slot + 1)
            order.tell([group(place, Dead.REWARD if place < 2 else None)])
        if slot == 12:
            whole.asked(0, 15)  # drawn ahead, before it was told
            half.asked(0, 15)
            left = json.loads(json.dumps(half.state()))
            half = PromptOrder(ids, 1, 1)
            half.load_state(left)
    assert whole.asked(0, 60) == half.asked(0, 60)


def test_where_all_prompts_rest_the_run_goes_on() -> None:
    order = PromptOrder(["0", "1"], 0, 1)
    order.asked(0, 2)
    for _ in range(6):
        order.tell([group(0, Dead.REWARD), group(1, Dead.REWARD)])
    assert sorted(order.asked(2, 4)) == [0, 1]
