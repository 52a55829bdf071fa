"""Pairs, labels and best answers of rewards and draws set by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.signal.preferences import (
    N_DRAWS,
    AnswerLabel,
    PreferencePair,
    Wanted,
    Worth,
    best_of,
    labels_of,
    pairs_of,
    worth_of,
)
from rubricbeat.judges.verdict import Verdict

NAN = math.nan
ALL = 99


def worth(*rewards: float, draws: list[list[float]] | None = None) -> Worth:
    return Worth(np.array(rewards), None if draws is None else np.array(draws))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"margin": -0.01}, "--margin"),
        ({"margin": math.inf}, "--margin"),
        ({"margin": NAN}, "--margin"),
        ({"confidence": 0.49}, "--confidence"),
        ({"confidence": 1.01}, "--confidence"),
        ({"per_prompt": 0}, "--per_prompt"),
        ({"threshold": math.inf}, "--threshold"),
        ({"threshold": NAN}, "--threshold"),
    ],
)
def test_a_setting_out_of_its_range_is_named(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Wanted(**settings)


def test_the_ends_of_the_ranges_are_taken() -> None:
    Wanted(margin=0.0, confidence=0.5, per_prompt=1, threshold=0.0)
    Wanted(confidence=1.0, threshold=-2.5)
    usual = Wanted()
    assert (usual.margin, usual.confidence, usual.per_prompt, usual.threshold) == (
        0.1,
        0.95,
        1,
        None,
    )


def test_a_draw_in_which_two_answers_are_equal_is_for_neither() -> None:
    found = worth(1.0, 0.0, draws=[[1, 0], [0, 1], [1, 1], [2, 0], [3, 1]])
    assert found.surely_above(0, 1) == 0.6
    assert found.surely_above(1, 0) == 0.2
    assert found.surely_beyond(0, 1.0, above=True) == 0.4
    assert found.surely_beyond(0, 1.0, above=False) == 0.2
    without = worth(1.0, 0.0)
    assert without.surely_above(0, 1) is None
    assert without.surely_beyond(0, 0.5, above=True) is None


def test_pairs_come_with_the_largest_difference_first_and_ties_in_order() -> None:
    found = worth(0.5, 0.75, NAN, 0.25, 0.5)
    group = range(5)
    # .75 over .25; then .75 over each .5, and each .5 over .25, as they stand; .5 and .5 never
    expected = [(1, 3), (0, 3), (1, 0), (1, 4), (4, 3)]
    for margin in (0.0, 0.1, 0.25):
        pairs = pairs_of(group, found, Wanted(margin=margin, per_prompt=ALL))
        assert [(one.chosen, one.rejected) for one in pairs] == expected
    assert pairs_of(group, found, Wanted(margin=0.26, per_prompt=ALL)) == [
        PreferencePair(1, 3, None)
    ]
    assert len(pairs_of(group, found, Wanted(per_prompt=2))) == 2
    assert pairs_of([0, 2, 4], found, Wanted(margin=0.0)) == []
    # the last bits of rewards of a thousand are as large as 1e-13
    assert pairs_of([0, 1], worth(1000.3, 1000.2), Wanted(margin=0.1)) == [
        PreferencePair(0, 1, None)
    ]
    # what is missing by more than that is missing
    assert pairs_of([0, 1], worth(0.1 - 4e-12, 0.0), Wanted(margin=0.1)) == []


def test_a_pair_that_is_not_sure_leaves_its_place_to_the_next() -> None:
    # 0 is above 1 in three draws of four, and 2 in all of them
    draws = [[1.0, 0.0, 0.5], [1.0, 0.0, 0.5], [1.0, 0.0, 0.5], [1.0, 1.0, 0.5]]
    found = worth(1.0, 0.0, 0.5, draws=draws)
    assert pairs_of(range(3), found, Wanted(confidence=0.75)) == [PreferencePair(0, 1, 0.75)]
    assert pairs_of(range(3), found, Wanted(confidence=0.76)) == [PreferencePair(0, 2, 1.0)]


def test_labels_lie_a_margin_from_the_mean_of_their_prompt() -> None:
    found = worth(0.0, 0.5, 1.0, NAN, 0.6)  # a mean of .525
    assert list(labels_of(range(5), found, Wanted(margin=0.1))) == [
        AnswerLabel(0, is_good=False, probability=None),
        AnswerLabel(2, is_good=True, probability=None),
    ]
    # one answer is its own mean, and says nothing
    assert list(labels_of([0, 3], found, Wanted(margin=0.0))) == []
    # at the mean itself an answer is neither
    even = worth(0.0, 0.5, 1.0)
    assert [one.answer for one in labels_of(range(3), even, Wanted(margin=0.0))] == [0, 2]


def test_an_answer_that_reaches_the_threshold_is_good() -> None:
    found = worth(0.4, 0.5, 0.6)
    at = Wanted(margin=0.0, threshold=0.5)
    assert [(one.answer, one.is_good) for one in labels_of(range(3), found, at)] == [
        (0, False),
        (1, True),
        (2, True),
    ]
    # one answer suffices; .6 less .5 is .1, whatever its last bits
    beyond = Wanted(margin=0.1, threshold=0.5)
    assert list(labels_of([2], found, beyond)) == [AnswerLabel(2, is_good=True, probability=None)]
    assert list(labels_of([1], found, beyond)) == []


def test_labels_hold_on_their_side_of_the_threshold_in_the_draws() -> None:
    draws = [[0.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    found = worth(0.0, 1.0, draws=draws)
    wanted = {"margin": 0.1, "threshold": 0.5}
    assert list(labels_of(range(2), found, Wanted(confidence=0.75, **wanted))) == [
        AnswerLabel(0, is_good=False, probability=0.75),
        AnswerLabel(1, is_good=True, probability=0.75),
    ]
    assert list(labels_of(range(2), found, Wanted(confidence=0.76, **wanted))) == []


def test_the_best_are_the_highest_then_the_shortest_then_the_first() -> None:
    found, chars = worth(0.9, 1.0, 0.9, 0.9, 0.1), np.array([20.0, 30.0, 10.0, 20.0, 5.0])
    for n, expected in ((1, [1]), (2, [1, 2]), (3, [1, 2, 0]), (ALL, [1, 2, 0, 3])):
        wanted = Wanted(per_prompt=n, threshold=0.5)
        assert [one.answer for one in best_of(range(5), chars, found, wanted)] == expected


RUBRIC = Rubric(tuple(Criterion(text, 1.0, Polarity.DESIRABLE) for text in "ab"))


def table() -> VerdictTable:
    example = Example("p", (Message("user", "Why?"),), RUBRIC)
    rows = ([True, True], [True, False], [False, False])
    return VerdictTable.of(
        GradedAnswer(example, "So.", tuple(map(Verdict.of, row)), repeat=n)
        for n, row in enumerate(rows)
    )


HAS_ALL = np.array([True, True, False])


def test_rewards_are_given_where_no_verdict_is_missing() -> None:
    found = worth_of(table(), get_reward("healthbench"), HAS_ALL, None, 1)
    np.testing.assert_array_equal(found.rewards_N, [1.0, 0.5, NAN])
    assert found.draws_BN is None


def test_verdicts_are_flipped_at_the_error_rate() -> None:
    reward = get_reward("healthbench")
    sure = worth_of(table(), reward, HAS_ALL, 0.0, 1).draws_BN
    assert sure is not None and sure.shape == (N_DRAWS, 3)
    np.testing.assert_array_equal(sure, np.broadcast_to([1.0, 0.5, 0.0], sure.shape))
    # a mean of .8 where both are met, of .5 where one is, each verdict wrong one time in five
    drawn = worth_of(table(), reward, HAS_ALL, 0.2, 1).draws_BN
    assert drawn is not None
    # the standard error of a mean of two verdicts over 1,000 draws is .009
    assert drawn.mean(0) == pytest.approx([0.8, 0.5, 0.2], abs=0.04)
    again = worth_of(table(), reward, HAS_ALL, 0.2, 1).draws_BN
    other = worth_of(table(), reward, HAS_ALL, 0.2, 2).draws_BN
    assert again is not None and other is not None
    assert np.array_equal(drawn, again) and not np.array_equal(drawn, other)


@pytest.mark.parametrize("error", [-0.1, 0.5, NAN])
def test_an_error_rate_is_from_0_to_below_a_half(error: float) -> None:
    with pytest.raises(ConfigError, match=r"from 0 to below 0\.5"):
        worth_of(table(), get_reward("healthbench"), HAS_ALL, error, 1)


def test_a_reward_of_ratings_has_no_error_rate_of_verdicts() -> None:
    rated = get_reward("rar_implicit")
    assert worth_of(table(), rated, HAS_ALL, None, 1).draws_BN is None
    with pytest.raises(ConfigError, match="not computed from verdicts"):
        worth_of(table(), rated, HAS_ALL, 0.1, 1)
    assert (
        worth_of(table(), get_reward("length(of=healthbench)"), HAS_ALL, 0.1, 1).draws_BN
        is not None
    )
