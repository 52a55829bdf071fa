"""Orders of answers compared by hand, and probes that leave the answer in place."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.audit.reward_bench import PROBES, compare_orders, expected_pick, probe_row
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

PROMPTS = np.array([0, 0, 0, 1, 1])


def compare(reward, reference, prompt=PROMPTS, tags=None):
    return compare_orders(np.array(reward, float), np.array(reference, float), prompt, tags or {})


def test_pairs_and_ties_worked_by_hand():
    # prompt 0: reference 1 < 2 < 3; reward ties the first two and puts the third first: pairs
    # (1,2) tied, (1,3) right, (2,3) right. prompt 1: the one pair is wrong
    found = compare([5, 5, 9, 2, 1], [1, 2, 3, 0, 1])
    assert found.n_pairs == 4
    assert found.accuracy.value == pytest.approx(2.5 / 4)
    assert found.ties == pytest.approx(1 / 4)
    # tau-b: prompt 0 (2 concordant of sqrt(2 * 3)), prompt 1 -1
    assert found.correlation.value == pytest.approx((2 / 6**0.5 - 1) / 2)


def test_pairs_that_the_reference_does_not_tell_apart_count_for_nothing():
    found = compare([1, 2, 3, 1, 2], [7, 7, 7, 0, 1])
    assert found.n_pairs == 1
    assert found.accuracy.value == 1.0


def test_rewards_that_differ_by_rounding_alone_are_a_tie():
    # .3 three times and .9 once, as weights of criteria add up
    found = compare([0.3 + 0.3 + 0.3, 0.9, 2, 0.1 + 0.2, 0.3], [1, 2, 3, 0, 1])
    assert found.ties == pytest.approx(2 / 4)
    assert found.accuracy.value == pytest.approx(3 / 4)
    assert found.best_of_n[1].picked.value == pytest.approx((2.5 + 0.5) / 2)


def test_an_answer_without_a_reward_is_counted_and_left_out():
    found = compare([np.nan, 1, 2, 1, 2], [1, 2, 3, 0, 1])
    assert found.n_without_reward == 1
    assert found.n_pairs == 2
    assert found.accuracy.value == 1.0


def test_a_tag_has_the_accuracy_of_its_own_prompts():
    tags = {"theme:a": np.array([True, False]), "theme:b": np.array([False, True])}
    found = compare([1, 2, 3, 2, 1], [1, 2, 3, 0, 1], tags=tags)
    assert found.by_theme["theme:a"].value == 1.0
    assert found.by_theme["theme:b"].value == 0.0


def test_best_of_n_by_the_reference_itself_is_the_best_possible():
    found = compare([1, 2, 3, 0, 1], [1, 2, 3, 0, 1])
    for row in found.best_of_n:
        assert row.picked.value == pytest.approx(row.best)
    assert found.best_of_n[0].picked.value == pytest.approx(found.best_of_n[0].at_random)


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=6),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_the_expected_pick_is_the_mean_over_all_draws(rewards, n, random):
    n = min(n, len(rewards))
    reference = [random.random() for _ in rewards]
    picks = []
    for drawn in itertools.combinations(range(len(rewards)), n):
        top = max(rewards[i] for i in drawn)
        best = [reference[i] for i in drawn if rewards[i] == top]
        picks.append(sum(best) / len(best))
    expected = sum(picks) / len(picks)
    found = expected_pick(np.array(rewards, float), np.array(reference), n)
    assert found == pytest.approx(expected)


def test_probes_keep_the_answer_and_add_what_they_say():
    criteria = (
        Criterion("Recommends aspirin at once", 5.0, Polarity.DESIRABLE),
        Criterion("Prescribes morphine", -5.0, Polarity.UNDESIRABLE),
    )
    example = Example("p", (Message("user", "?"),), Rubric(criteria))
    assert all(added(example) for added in PROBES.values())
    assert "Recommends aspirin at once" in PROBES["criteria_pasted"](example)
    assert "aspirin" in PROBES["keywords"](example)
    for name in ("criteria_pasted", "keywords"):
        assert "morphine" not in PROBES[name](example).lower()


def test_a_probe_row_counts_what_rose_and_what_fell():
    before, after = np.array([0.0, 0.5, 1.0, np.nan]), np.array([0.5, 0.5, 0.5, 1.0])
    row = probe_row("longer", before, after, np.array([7, 7, 2, 3]))
    assert (row.n, row.raised.value, row.lowered.value) == (3, pytest.approx(1 / 3), 1 / 3)
    assert row.change.value == pytest.approx(0.0)
    assert row.raised.low is None, "two prompts carry no interval"
    nothing = probe_row("longer", before[3:], after[3:], np.array([0]))
    assert (nothing.n, nothing.raised.value) == (0, None)


def test_the_interval_of_a_probe_knows_that_answers_to_one_prompt_go_together():
    rises = np.repeat(np.arange(20) % 2, 10).astype(np.float64)  # every other prompt, whole
    row = probe_row("longer", np.zeros(200), rises, np.repeat(np.arange(20), 10))
    # the error of a share of one half in 20 draws, not in 200
    assert row.raised.high - row.raised.low == pytest.approx(2 * 1.96 * 0.5 / 20**0.5, rel=0.1)


def test_a_probe_that_never_raised_a_reward_may_still_do_so():
    row = probe_row("longer", np.zeros(40), np.zeros(40), np.repeat(np.arange(20), 2))
    # Wilson's upper end for 0 of 20: z^2 / (20 + z^2)
    assert (row.raised.value, row.raised.low) == (0.0, 0.0)
    assert row.raised.high == pytest.approx(1.96**2 / (20 + 1.96**2), abs=1e-3)
