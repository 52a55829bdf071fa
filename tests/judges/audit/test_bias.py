"""Length and position bias: nothing found where nothing was planted, and found where it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.judges.audit.bias import (
    Shift,
    Trait,
    Within,
    correlation_given_label,
    order_effect,
    shifts_of,
)
from rubricbeat.judges.audit.labels import AuditTable

N_PROMPTS, N_ANSWERS, N_CRITERIA = 60, 4, 6
SIZE = N_PROMPTS * N_ANSWERS * N_CRITERIA


def trait(name: str, value_N: np.ndarray, strictest: Within, **more) -> Trait:
    return Trait(name, "one more", value_N, strictest, **more)


def world(rng: np.random.Generator, *, by_length: float = 0.0, by_rank: float = 0.0):
    """A judge of sensitivity .8 and specificity .7, moved by length and rank as asked.

    Labels are met more often in long answers and in the first criteria, as in real data: a judge
    that errs by chance alone must not be called biased for that.
    """
    prompt, answer, criterion = (
        axis.ravel()
        for axis in np.meshgrid(
            np.arange(N_PROMPTS), np.arange(N_ANSWERS), np.arange(N_CRITERIA), indexing="ij"
        )
    )
    length_PA = rng.normal(0, 1, (N_PROMPTS, N_ANSWERS))
    length, rank = length_PA[prompt, answer], criterion / (N_CRITERIA - 1)
    met = rng.random(SIZE) < np.clip(0.55 + 0.15 * length - 0.3 * rank, 0.03, 0.97)
    chance = np.where(met, 0.8, 0.3) + by_length * length + by_rank * (rank - 0.5)
    said = rng.random(SIZE) < np.clip(chance, 0.0, 1.0)
    table = AuditTable(
        verdict_N=said.astype(float),
        probability_N=np.full(SIZE, np.nan),
        prompt_N=prompt,
        criterion_N=prompt * N_CRITERIA + criterion,
        category_N=np.zeros(SIZE, dtype=np.intp),
        categories=("all",),
        desirable_N=np.ones(SIZE, dtype=bool),
        chars_N=np.exp2(10 + length),
        met_L=met,
        question_L=np.arange(SIZE),
        rater_L=np.zeros(SIZE, dtype=np.intp),
        raters=("",),
        n_prompts=N_PROMPTS,
    )
    traits = (
        trait("length", length, Within.CRITERION),
        trait("rank", rank, Within.PROMPT, edges=(1 / 3, 2 / 3)),
    )
    return table, traits


def shifts(rng: np.random.Generator, **planted: float) -> dict[str, Shift]:
    table, traits = world(rng, **planted)
    found = shifts_of(table, traits)
    return {one.trait: one for one in found}


def covers(one: Shift, value: float) -> bool:
    return one.shift.low <= value <= one.shift.high


@pytest.mark.parametrize(
    ("length", "rank"), [(0.0, 0.0), (0.05, 0.0), (0.0, -0.1)], ids=["none", "length", "rank"]
)
def test_a_planted_bias_is_found_and_its_interval_covers(length: float, rank: float) -> None:
    rng = np.random.default_rng(7)
    found = [shifts(rng, by_length=length, by_rank=rank) for _ in range(150)]
    # a bias by length leaks into the rank: among the met, late criteria stand in long answers
    planted = {"length": length} if length else {"length": 0.0, "rank": rank}
    for name, value in planted.items():
        values = [one[name].shift.value for one in found]
        error = np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values) - value) < 3 * error, name
        # 93 to 95 % in 400 worlds; 150 have a standard error of 2 points
        assert 0.88 <= np.mean([covers(one[name], value) for one in found]) <= 0.99, name


def test_a_judge_that_errs_at_random_is_not_called_biased_where_the_naive_figure_would() -> None:
    rng = np.random.default_rng(1)
    table, traits = world(rng)
    met = table.label_share_N > 0.5
    naive = np.corrcoef(traits[0].value_N, table.verdict_N - met)[0, 1]
    # long answers are met more often, and a met label can only be missed
    assert naive < -0.1
    given = correlation_given_label(traits[0].value_N, table.verdict_N, met)
    assert abs(given) < 0.05
    assert covers(shifts_of(table, traits)[0], 0.0)


def test_the_same_criterion_is_compared_where_it_can_be_and_wider_strata_where_not() -> None:
    table, traits = world(np.random.default_rng(2))
    length, rank = shifts_of(table, traits)
    assert (length.within, rank.within) == ("the same criterion", "the same prompt")
    # each criterion comes once in the data: only its prompt has others to compare with
    alone = replace(table, criterion_N=np.arange(SIZE))
    length, _ = shifts_of(alone, traits)
    assert length.within == "the same prompt"


def test_groups_say_what_judge_and_labels_do_in_each_part() -> None:
    table, traits = world(np.random.default_rng(3))
    _, rank = shifts_of(table, traits)
    low, middle, high = rank.groups
    # criteria 0 and 1; 2 and 3; 4 and 5 of 6
    assert [one.n for one in rank.groups] == [480, 480, 480]
    assert low.label_met > middle.label_met > high.label_met
    assert low.sensitivity == pytest.approx(0.8, abs=0.06)


def test_labels_on_which_raters_tie_stand_in_no_group() -> None:
    table, traits = world(np.random.default_rng(3))
    # a second label of the first 100 questions that contradicts the first
    tied = replace(
        table,
        met_L=np.concatenate([table.met_L, ~table.met_L[:100]]),
        question_L=np.concatenate([table.question_L, np.arange(100)]),
        rater_L=np.concatenate([table.rater_L, np.ones(100, dtype=np.intp)]),
        raters=("a", "b"),
    )
    _, rank = shifts_of(tied, traits)
    assert sum(one.n for one in rank.groups) == SIZE - 100
    here = (table.question_L >= 100) & (traits[1].value_N < 1 / 3)
    assert rank.groups[0].label_met == pytest.approx(table.met_L[here].mean())


def test_a_trait_that_never_varies_has_no_shift() -> None:
    table, _ = world(np.random.default_rng(4))
    still = trait("turns", np.ones(SIZE), Within.CATEGORY, edges=(2, 4))
    empty = trait("rank", np.full(SIZE, np.nan), Within.PROMPT, edges=(1 / 3, 2 / 3))
    for one in shifts_of(table, (still, empty)):
        assert (one.shift.value, one.n, one.within) == (None, 0, "")
    assert one.groups == ()
    assert one.to_json()["shift"] == {"value": None, "low": None, "high": None}


def test_a_trait_that_hardly_varies_gives_no_figure_instead_of_a_wild_one() -> None:
    table, traits = world(np.random.default_rng(8))
    (found,) = shifts_of(table, (trait("length", traits[0].value_N / 100, Within.CRITERION),))
    # a change by one is a hundred standard deviations away
    assert (found.shift.value, found.within) == (None, "")
    assert sum(group.n for group in found.groups) == SIZE


def test_evidence_is_asked_of_what_is_labelled_met_alone() -> None:
    table, _ = world(np.random.default_rng(5))
    place = trait("evidence", table.chars_N, Within.CRITERION, is_about_met=True)
    (found,) = shifts_of(table, (place,))
    assert sum(group.n for group in found.groups) == table.met_L.sum()


def test_a_planted_pull_of_the_first_place_of_a_call_is_found() -> None:
    """The same questions in two orders: content cancels, the pull of the place stays."""
    rng = np.random.default_rng(6)
    pull, covered, flips = -0.2, [], []
    for _ in range(150):
        prompt = np.repeat(np.arange(80), 8)
        leaning = rng.uniform(0.2, 0.8, len(prompt))
        places = np.stack([rng.permutation(8) for _ in range(160)]).reshape(80, 2, 8) / 7
        columns = places.transpose(0, 2, 1).reshape(-1, 2)
        said = [rng.random(len(prompt)) < leaning + pull * (columns[:, n] - 0.5) for n in (0, 1)]
        found = order_effect(
            said[0].astype(float), said[1].astype(float), columns, prompt, 80,
        )  # fmt: skip
        covered.append(found.shift.low <= pull <= found.shift.high)
        flips.append(found.flips.value)
    # 93 % in 500 worlds
    assert np.mean(covered) >= 0.87
    assert 0.3 < np.mean(flips) < 0.5


def test_order_effect_by_hand() -> None:
    # two questions swapped: the one that moves to the front becomes met, the other stays
    found = order_effect(
        np.array([1.0, 0.0, np.nan]), np.array([1.0, 1.0, 1.0]),
        np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]), np.array([0, 0, 1]), 2,
    )  # fmt: skip
    assert (found.n, found.flips.value) == (2, 0.5)
    # changes 0 and +1 with moves +1 and -1: (0 - 1) / 2
    assert found.shift.value == -0.5


def test_questions_on_which_raters_differ_are_compared_with_each_other() -> None:
    """A judge that follows the labels' share is not swayed by length, though shares are."""
    rng = np.random.default_rng(5)
    table, (length, _) = world(rng)
    share = (rng.random((2, SIZE)) < 1 / (1 + np.exp(-1.5 * length.value_N))).astype(float)
    said = rng.random(SIZE) < 0.2 + 0.6 * share.mean(axis=0)
    two = replace(
        table,
        verdict_N=said.astype(float),
        met_L=share.T.ravel() == 1,
        question_L=np.repeat(np.arange(SIZE), 2),
        rater_L=np.tile([0, 1], SIZE),
        raters=("a", "b"),
    )
    met = two.label_share_N > 0.5
    # a tie taken for "not met" makes long answers look favoured
    assert correlation_given_label(length.value_N, two.verdict_N, met) > 0.08
    assert abs(correlation_given_label(length.value_N, two.verdict_N, two.label_share_N)) < 0.05
    assert covers(shifts_of(two, [length])[0], 0.0)
