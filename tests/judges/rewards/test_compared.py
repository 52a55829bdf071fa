"""One answer's missing verdict must not move its reward against its group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rewards import evaluate_batch, get_reward, register_reward
from rubricbeat.judges.rewards.compared import evaluate_groups
from rubricbeat.judges.rubric import (
    Criterion,
    Example,
    Gate,
    Level,
    Message,
    Polarity,
    Rubric,
)
from rubricbeat.judges.scoring.rubric_arrays import RubricArrays, pack_rubrics
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.signal.groups import group_answers
from rubricbeat.judges.verdict import Outcome, Verdict

GAP = np.nan
REWARDS = ("healthbench", "hybrid", "complexity", "rar_explicit", "healthbench_clipped")


def example(*points: float, gate: Gate | None = None) -> Example:
    criteria = tuple(
        Criterion(
            f"criterion {i}",
            p,
            Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE,
            gate=gate if gate is not None and i == len(points) - 1 else None,
        )
        for i, p in enumerate(points)
    )
    return Example("p", (Message("user", "a"),), Rubric(criteria))


def packed(*points: float, gate: Gate | None = None) -> RubricArrays:
    return pack_rubrics([example(*points, gate=gate).rubric]).for_groups()


def rewards(name: str, rubric: RubricArrays, *answers: tuple[float, ...]) -> list[float | None]:
    found = evaluate_groups(get_reward(name), np.array([answers], dtype=float), rubric)[0]
    return [None if np.isnan(value) else float(value) for value in found]


def test_the_same_known_verdicts_earn_the_same_whatever_one_of_them_lacks() -> None:
    # 1, 1, 0 and a lost verdict beside 1, 1, 0, 0 and 1, 1, 0, 1: .667 against .5 and .75 before
    five = packed(5, 5, 5, 3)
    assert rewards("healthbench", five, (1, 1, 0, GAP), (1, 1, 0, 0), (1, 1, 0, 1)) == (
        pytest.approx([2 / 3, 2 / 3, 2 / 3])
    )
    # and where nothing is lost, all is as it was: 10 and 13 of 18
    assert rewards("healthbench", five, (1, 1, 0, 0), (1, 1, 0, 1)) == (
        pytest.approx([10 / 18, 13 / 18])
    )


def test_a_better_answer_stays_better_than_one_with_a_gap() -> None:
    # before: 10 / 15 = .667 with the gap, and 10 / 18 + ... = .722 and .556 without
    with_gap, better, worse = rewards(
        "hybrid", packed(5, 5, 5, 3, -2), (1, 1, 0, GAP, 0), (1, 1, 1, 0, 0), (1, 0, 0, 1, 0)
    )
    # on the first three: 15 x 10 / 15, 15 x 15 / 15, 15 x 5 / 15; none is perfect
    assert (with_gap, better, worse) == pytest.approx((10.0, 15.0, 5.0))


def test_whether_an_answer_is_perfect_goes_by_its_own_verdicts() -> None:
    four = packed(5, 5, 5, 3)
    # the first is flawed whatever the lost verdict was; the second is flawed in what the first
    # lacks, the third is perfect: shares of the first three criteria, and a bonus for the third
    assert rewards("hybrid", four, (1, 1, 0, GAP), (1, 1, 1, 0), (1, 1, 1, 1)) == (
        pytest.approx([10.0, 15.0, 20.0])
    )
    assert rewards("binary", four, (1, 1, 0, GAP), (1, 1, 1, 0), (1, 1, 1, 1)) == [0, 0, 20]
    # one that may be perfect has none, and takes nothing from the others: 15 x 15 / 18
    assert rewards("hybrid", four, (1, 1, 1, GAP), (1, 1, 1, 0), (1, 1, 1, 1)) == [
        None,
        pytest.approx(12.5),
        20,
    ]


def test_an_answer_that_lacks_too_much_is_left_out_and_moves_no_other() -> None:
    # 8 of 18 points lost: unknown by itself; the others are compared on everything
    assert rewards("healthbench", packed(5, 5, 5, 3), (1, 1, GAP, GAP), (1, 1, 0, 0)) == [
        None,
        pytest.approx(10 / 18),
    ]


def test_of_many_different_gaps_the_answers_that_lack_most_are_left_out() -> None:
    # together 3 + 2 + 1 of 20 points would be lacking, a fifth is 4: the first one goes
    rubric = packed(14, 3, 2, 1)
    found = rewards(
        "healthbench", rubric, (0, GAP, 1, 1), (1, 0, GAP, 1), (1, 1, 1, GAP), (0, 1, 1, 1)
    )
    # on 14 and 3: 14 / 17, 17 / 17, 3 / 17
    assert found == [None, pytest.approx(14 / 17), pytest.approx(1.0), pytest.approx(3 / 17)]


def test_of_equal_gaps_the_last_answer_goes() -> None:
    rubric = packed(6, 1, 1, 1)  # a fifth of 9 is one gap of 1
    found = rewards("healthbench", rubric, (1, GAP, 1, 1), (1, 1, GAP, 1), (0, 1, 1, 1))
    assert found == [pytest.approx(1.0), None, pytest.approx(2 / 8)]


def test_pitfalls_that_are_lost_one_by_one_do_not_all_vanish() -> None:
    # each has one pitfall known; without either nothing would be known of faults
    rubric = packed(20, 20, -2, -2)
    found = rewards("healthbench", rubric, (1, 1, GAP, 1), (1, 0, 1, GAP), (1, 1, 1, 1))
    # the second goes; on 20, 20 and the second pitfall of the sheet (-2 of 40): 38 / 40
    assert found == [pytest.approx(38 / 40), None, pytest.approx(38 / 40)]


def test_a_gate_that_an_answer_is_known_to_close_stays_closed() -> None:
    # the last criterion caps at .2 when it is triggered; the first answer lacks it and is below
    gate = Gate(0.2)
    rubric = packed(10, 10, -3, gate=gate)
    found = rewards("healthbench", rubric, (0, 0, GAP), (1, 1, 1), (1, 1, 0))
    assert found[1] is not None and found[1] <= 0.2


@register_reward("mean_of_known_verdicts")
def mean_of_known_verdicts(verdicts: np.ndarray, rubric: RubricArrays) -> np.ndarray:
    return np.nanmean(np.where(rubric.present, verdicts, np.nan), axis=-1)


def test_a_reward_of_ones_own_sees_what_all_answers_have() -> None:
    found = rewards(
        "mean_of_known_verdicts", packed(5, 5, 5, 3), (1, 1, 0, GAP), (1, 1, 0, 0), (1, 1, 0, 1)
    )
    assert found == pytest.approx([2 / 3] * 3)


@pytest.mark.parametrize("name", ["soft(of=healthbench)", "power(of=healthbench,exponent=1)"])
def test_rewards_around_rewards_compare_alike(name: str) -> None:
    verdicts = np.array([[(1, 1, 0, GAP), (1, 1, 0, 0), (1, 1, 0, 1)]], dtype=float)
    found = evaluate_groups(
        get_reward(name), verdicts, packed(5, 5, 5, 3), probabilities_PGC=verdicts
    )
    assert found[0] == pytest.approx([2 / 3] * 3)


def test_a_reward_of_p_met_is_compared_on_the_p_met_that_all_have() -> None:
    soft, five = get_reward("soft(of=healthbench)"), packed(5, 5, 5, 3)
    whole = np.array([[(1, 1, 0, 1), (1, 1, 0, 0), (1, 1, 0, 1)]], dtype=float)
    lacking = whole.copy()
    lacking[0, 0, 3] = GAP
    # verdicts that are all there, and a P(met) that is not; then the other way round
    found = evaluate_groups(soft, whole, five, probabilities_PGC=lacking)
    assert found[0] == pytest.approx([2 / 3] * 3)
    found = evaluate_groups(soft, lacking, five, probabilities_PGC=whole)
    assert found[0] == pytest.approx([13 / 18, 10 / 18, 13 / 18])


VERDICTS = arrays(float, (1, 4, 6), elements=st.sampled_from([0.0, 1.0]))
GAPS = arrays(bool, (1, 4, 6), elements=st.sampled_from([False] * 7 + [True]))
POINTS = st.lists(st.sampled_from([5.0, 4.0, 3.0, 2.0, -1.0, -2.0]), min_size=6, max_size=6)


@given(verdicts=VERDICTS, gaps=GAPS, points=POINTS, name=st.sampled_from(REWARDS))
def test_equal_known_verdicts_are_never_told_apart_by_a_gap(
    verdicts: np.ndarray, gaps: np.ndarray, points: list[float], name: str
) -> None:
    verdicts[0, 1] = verdicts[0, 0]  # the same answer twice, and each may lack other verdicts
    rubric = packed(*points)
    found = evaluate_groups(get_reward(name), np.where(gaps, np.nan, verdicts), rubric)[0]
    if not np.isnan(found[:2]).any():
        assert found[0] == pytest.approx(found[1])


@given(verdicts=VERDICTS, gaps=GAPS, points=POINTS, name=st.sampled_from(REWARDS))
def test_a_verdict_that_another_answer_lacks_moves_no_share(
    verdicts: np.ndarray, gaps: np.ndarray, points: list[float], name: str
) -> None:
    said = np.where(gaps, np.nan, verdicts)
    rubric = packed(*points)
    reward = get_reward("hybrid(bonus=0)" if name == "hybrid" else name)
    before = evaluate_groups(reward, said, rubric)[0]
    scored = ~np.isnan(before)
    lacking = np.isnan(said[0][scored]).any(axis=0)
    turned = np.where(lacking & ~np.isnan(said), 1 - said, said)
    after = evaluate_groups(reward, turned, rubric)[0]
    if np.array_equal(np.isnan(before), np.isnan(after)):
        assert after[scored] == pytest.approx(before[scored])


def graded(one: Example, *verdicts: float) -> GradedAnswer:
    kinds = {1: Outcome.MET, 0: Outcome.NOT_MET}
    said = tuple(Verdict(kinds.get(v, Outcome.REFUSED)) for v in verdicts)
    return GradedAnswer(one, " ".join(map(str, verdicts)), said)


def test_the_study_and_the_trainer_compare_alike() -> None:
    one, other = example(5, 5, 5, 3), replace(example(5, 5, 5, 3), prompt_id="q")
    first = [graded(one, *v) for v in ((1, 1, 0, GAP), (1, 1, 0, 0), (1, 0, 0, 1))]
    second = [graded(other, *v) for v in ((1, 1, 0, 0), (1, 0, 0, 1), (0, 0, 0, 1))]
    reward = get_reward("healthbench")
    study = group_answers([*first, *second]).rewards(reward)
    trained = evaluate_batch(reward, VerdictTable.of([*first, *second]), [slice(0, 3), slice(3, 6)])
    assert study.reshape(-1) == pytest.approx(trained)
    # on the first three criteria, and on all four
    assert trained == pytest.approx([2 / 3, 2 / 3, 1 / 3, 10 / 18, 8 / 18, 3 / 18])


def test_a_batch_in_which_some_rubric_has_levels_compares_its_groups() -> None:
    levels = (Level("none", 0), Level("some", 2), Level("all", 5))
    rubric = Rubric((Criterion("by level", 5, Polarity.DESIRABLE, levels=levels),))
    by_level = replace(example(5), prompt_id="r", rubric=rubric)
    plain = [graded(example(5, 5, 5, 3), *v) for v in ((1, 1, 0, GAP), (1, 1, 0, 0))]
    leveled = GradedAnswer(by_level, "some", (Verdict.at_level(1),))
    reward = get_reward("healthbench")
    table = VerdictTable.of([*plain, leveled])
    trained = evaluate_batch(reward, table, [slice(0, 2), slice(2, 3)])
    assert trained == pytest.approx([2 / 3, 2 / 3, 0.4])


def test_a_gate_that_an_answer_closes_caps_a_reward_of_ones_own_whatever_others_lack() -> None:
    register_reward("test_always_one", range=(0.0, 1.0))(always_one)
    gated = replace(
        example(5, 5, 5, 5, 5, 5),
        rubric=Rubric(
            tuple(
                replace(c, gate=Gate(0.2) if place == 5 else None)
                for place, c in enumerate(example(5, 5, 5, 5, 5, 5).rubric.criteria)
            )
        ),
    )
    answers = [graded(gated, *v) for v in ((1, 0, 0, 0, 0, GAP), (1, 1, 1, 1, 1, 0), (1,) * 6)]
    table = VerdictTable.of(answers)
    trained = evaluate_batch(get_reward("test_always_one"), table, [slice(0, 3)])
    assert trained[1:] == pytest.approx([0.2, 1.0])


def always_one(verdicts: np.ndarray, rubric: RubricArrays) -> np.ndarray:
    return np.ones(verdicts.shape[:-1])
