"""Levels, "not applicable", requirements and gates: what each makes of a score, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from level_worlds import by_level, example, wanted

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rewards.base import FunctionReward, evaluate_table
from rubricbeat.judges.rubric import (
    Criterion,
    Gate,
    Level,
    NaRule,
    Polarity,
    Requirement,
    Rubric,
)
from rubricbeat.judges.scoring.item_scores import ScoredTable, tag_items
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.shares import counted_shares, suited
from rubricbeat.judges.verdict import Outcome, Verdict

MET, NOT = Verdict.of(True), Verdict.of(False)
LOST = Verdict(Outcome.UNPARSEABLE)
NA = Verdict.not_applicable()
AT = Verdict.at_level


def fault(points: float = -5, **more) -> Criterion:
    return wanted(points, "fault", **more)


def levels(*points: float, **more) -> Criterion:
    return by_level(points, **more)


def graded(criteria, verdicts, **more) -> GradedAnswer:
    return GradedAnswer(example(criteria), "a", tuple(verdicts), **more)


def scored(criteria, verdicts):
    return ScoredTable.of([graded(criteria, verdicts)]).items


def h(criteria, verdicts) -> float | None:
    value = float(scored(criteria, verdicts).h[0])
    return None if np.isnan(value) else value


def reward(name: str, criteria, verdicts) -> float:
    return float(evaluate_table(get_reward(name), VerdictTable.of([graded(criteria, verdicts)]))[0])


def test_a_level_counts_its_share_of_the_points():
    some = [levels(0, 2, 5), wanted(5)]
    assert [h(some, [AT(k), NOT]) for k in range(3)] == pytest.approx([0, 0.2, 0.5])
    faults = [wanted(10), levels(0, -3, -8)]
    assert [h(faults, [MET, AT(k)]) for k in range(3)] == pytest.approx([1, 0.7, 0.2])


def test_levels_of_both_signs_earn_and_cost():
    some = [levels(-2, 0, 5), wanted(5)]
    assert [h(some, [AT(k), MET]) for k in range(3)] == pytest.approx([0.3, 0.5, 1.0])
    items = scored(some, [AT(0), MET])
    assert items.positive_share[0] == pytest.approx(0.5)
    assert items.negative_share[0] == pytest.approx(1.0)  # the 2 points that it can lose


def test_a_missing_level_is_bounded_by_the_lowest_and_the_highest():
    some = [levels(1, 3, 5), *[wanted(5)] * 5]
    items = scored(some, [LOST, *[NOT] * 5])
    assert (items.low[0], items.high[0]) == pytest.approx((1 / 30, 5 / 30))
    assert items.h[0] == pytest.approx(1 / 30)  # 0 by the others: the level cannot be below 1


def test_what_does_not_apply_is_in_neither_sum_nor_maximum():
    some = [wanted(5, na=NaRule.EXCLUDED), wanted(5), fault(-2)]
    assert h(some, [NA, MET, MET]) == pytest.approx(3 / 5)
    assert scored(some, [NA, MET, NOT]).missing_share[0] == 0
    missed = [wanted(5, na=NaRule.MISSED), *some[1:]]
    assert h(missed, [NA, MET, NOT]) == pytest.approx(0.5)
    bounded = [wanted(1, na=NaRule.BOUNDED), wanted(9)]
    items = scored(bounded, [NA, MET])
    assert (items.low[0], items.high[0]) == pytest.approx((0.9, 1.0))


def test_an_answer_to_which_nothing_applies_has_no_score():
    assert h([wanted(5, na=NaRule.EXCLUDED)], [NA]) is None


def test_replicates_have_their_own_not_applicable():
    answer = graded(
        [wanted(5, na=NaRule.EXCLUDED), wanted(5)], [NA, MET], replicates=((NOT, MET), (MET, MET))
    )
    table = VerdictTable.of([answer])
    rewards = [evaluate_table(get_reward("healthbench"), table, r)[0] for r in range(3)]
    assert rewards == pytest.approx([1.0, 0.5, 1.0])


def test_what_requires_another_counts_only_when_that_one_is_met():
    some = [wanted(1, id="names"), wanted(9, requires=Requirement("names"))]
    assert [h(some, [a, b]) for a, b in ((MET, MET), (NOT, MET), (MET, NOT))] == [1.0, 0.0, 0.1]
    # two deep: what is required must itself count
    deep = [*some[:1], wanted(1, id="dose", requires=Requirement("names")),
            wanted(8, requires=Requirement("dose"))]  # fmt: skip
    assert h(deep, [NOT, MET, MET]) == 0.0
    assert h(deep, [MET, MET, MET]) == 1.0


def test_a_requirement_of_a_level_holds_from_that_level_on():
    some = [
        levels(0, 2, 5, id="a"),
        wanted(5, requires=Requirement("a", 1)),
        wanted(10, requires=Requirement("a")),
    ]
    assert [h(some, [AT(k), MET, MET]) for k in range(3)] == pytest.approx([0, 7 / 20, 1])


def test_an_unknown_requirement_bounds_the_score():
    some = [wanted(1, id="a"), wanted(1, requires=Requirement("a")), wanted(18)]
    items = scored(some, [LOST, MET, MET])
    assert (items.low[0], items.high[0]) == pytest.approx((0.9, 1.0))
    assert scored(some, [LOST, NOT, MET]).high[0] == pytest.approx(0.95)


def test_a_requirement_that_does_not_apply_takes_what_requires_it_along():
    some = [wanted(1, id="a", na=NaRule.EXCLUDED), wanted(4, requires=Requirement("a")), wanted(5)]
    assert h(some, [NA, MET, MET]) == 1.0
    assert h(some, [NA, NOT, MET]) == 1.0


@pytest.mark.parametrize(
    "closing, bad, good",
    [
        (fault(-5, gate=Gate(0.0)), MET, NOT),
        (wanted(5, gate=Gate(0.0)), NOT, MET),
        (levels(0, 2, 5, gate=Gate(0.0)), AT(0), AT(1)),
        (levels(0, -3, -8, gate=Gate(0.0)), AT(2), AT(1)),
        (levels(0, -3, -8, gate=Gate(0.0, 1)), AT(1), AT(0)),
    ],
)
def test_a_gate_closes_at_the_worst_and_caps_the_score_and_every_reward(closing, bad, good):
    rubric = [wanted(100), closing]
    opened = [wanted(100), replace(closing, gate=None)]
    assert h(rubric, [MET, bad]) == 0.0
    assert h(rubric, [MET, good]) == h(opened, [MET, good]) > 0.5
    for name in ("healthbench", "rar_explicit", "hybrid", "complexity", "binary"):
        assert reward(name, rubric, [MET, bad]) == 0.0, name
        assert reward(name, rubric, [MET, good]) == reward(name, opened, [MET, good]), name


def test_a_gate_never_raises_a_score():
    rubric = [wanted(5), wanted(5), fault(-20, gate=Gate(0.0))]
    assert h(rubric, [NOT, MET, MET]) == pytest.approx(-1.5)
    half = [wanted(5), wanted(5), wanted(10, gate=Gate(0.4))]
    assert h(half, [MET, MET, NOT]) == 0.4
    assert h(half, [MET, NOT, NOT]) == 0.25


def test_a_gate_without_a_verdict_leaves_the_score_open_where_it_would_matter():
    rubric = [wanted(99), fault(-1, gate=Gate(0.0))]
    items = scored(rubric, [MET, LOST])
    assert np.isnan(items.h[0])
    assert (items.low[0], items.high[0]) == (0.0, 1.0)
    assert scored(rubric, [NOT, NOT]).h[0] == 0.0


def test_a_gate_that_does_not_apply_or_does_not_count_stays_open():
    assert h([wanted(5), wanted(5, gate=Gate(0.0), na=NaRule.EXCLUDED)], [MET, NA]) == 1.0
    rubric = [
        wanted(5),
        wanted(1, id="drug"),
        wanted(4, gate=Gate(0.0), requires=Requirement("drug")),
    ]
    assert h(rubric, [MET, NOT, NOT]) == 0.5
    assert h(rubric, [MET, MET, NOT]) == 0.0


def test_a_function_as_reward_says_its_range_where_there_are_gates():
    rubric = [wanted(5), fault(-5, gate=Gate(0.5))]
    table = VerdictTable.of([graded(rubric, [MET, MET])])

    def twenty(verdicts, rubric):
        return 20.0 * np.ones(verdicts.shape[:-1])

    with pytest.raises(Exception, match="range"):
        evaluate_table(FunctionReward(twenty, "twenty"), table)
    assert evaluate_table(FunctionReward(twenty, "twenty", (0.0, 20.0)), table)[0] == 10.0


def test_samples_hold_the_level_and_the_share_that_counts():
    rubric = [
        levels(0, 2, 5, id="a", na=NaRule.EXCLUDED),
        wanted(2, requires=Requirement("a")),
        Criterion("does not prescribe", -2, Polarity.DESIRABLE),
    ]
    answer = graded(rubric, [AT(1), MET, MET])
    rows = answer.to_json()["verdicts"]
    assert [(row["level"], row["share"]) for row in rows] == [(1, 0.4), (1, 0.0), (1, 0.0)]
    assert GradedAnswer.from_json(answer.example, answer.to_json()) == answer
    gone = graded(rubric, [NA, LOST, NOT])
    rows = gone.to_json()["verdicts"]
    assert [(row["level"], row["share"]) for row in rows] == [(None, None), (None, None), (0, 1.0)]
    assert GradedAnswer.from_json(gone.example, gone.to_json()) == gone


def test_shares_times_points_are_the_score():
    random = np.random.default_rng(3)
    for _ in range(200):
        rubric = [
            levels(0, *sorted(random.integers(1, 9, 2)), id="a", na=NaRule.EXCLUDED),
            wanted(3, id="b", requires=Requirement("a", 1)),
            fault(-4, requires=Requirement("b")),
            levels(-1, 0, 6),
            wanted(2),
        ]
        verdicts = [
            NA if random.random() < 0.2 else AT(int(random.integers(3))),
            *(Verdict.of(bool(random.integers(2))) for _ in range(2)),
            AT(int(random.integers(3))),
            Verdict.of(bool(random.integers(2))),
        ]
        shares = counted_shares(Rubric(tuple(rubric)), verdicts)
        gone = {0, 1, 2} if verdicts[0].is_na else set()
        assert {i for i, share in enumerate(shares) if share is None} == gone
        kept = [(c, s) for c, s in zip(rubric, shares, strict=True) if s is not None]
        net = sum(c.points * s for c, s in kept)
        most = sum(c.points for c, _ in kept if c.points > 0)
        assert h(rubric, verdicts) == pytest.approx(net / most, abs=1e-12)


FORMS = (
    wanted(3),
    fault(-4),
    Criterion("avoids", -2, Polarity.DESIRABLE),
    levels(-1, 0, 2, 5),
    levels(0, -3, -8),
)


@st.composite
def rubric_and_verdicts(draw) -> tuple[Rubric, list[Verdict]]:
    """Up to five criteria of any form, each of which may require one before it."""
    criteria: list[Criterion] = []
    verdicts = []
    for place in range(draw(st.integers(1, 5))):
        more = {"id": str(place), "na": draw(st.sampled_from([None, *NaRule]))}
        if criteria and draw(st.booleans()):
            name = draw(st.integers(0, place - 1))
            may_be_level = criteria[name].levels and draw(st.booleans())
            more["requires"] = Requirement(str(name), 1 if may_be_level else None)
        criteria.append(replace(draw(st.sampled_from(FORMS)), **more))
        said = [LOST, *([NA] if more["na"] else ()), *map(AT, range(len(criteria[-1].levels)))]
        verdicts.append(draw(st.sampled_from(said if criteria[-1].levels else [*said, MET, NOT])))
    try:
        return Rubric(tuple(criteria)), verdicts
    except DataError:  # a requirement that always holds
        reject()


@given(rubric_and_verdicts())
def test_the_share_of_a_sample_is_the_one_that_scores_are_computed_from(case):
    rubric, verdicts = case
    table = VerdictTable.of([graded(rubric.criteria, verdicts)])
    # where nothing that could earn points applies, the arrays hold no rubric any more
    assume(table.rubrics.gains.any() or not table.whole_rubrics.gains.any())
    # what is excluded has no points there, whatever its hit
    hits = np.where(table.rubrics.present, table.rubrics.hits(table.verdicts_NC), np.nan)[0]
    in_arrays = [None if np.isnan(hit) else float(hit) for hit in hits]
    assert counted_shares(rubric, verdicts) == in_arrays


def test_two_levels_are_met_and_not_met_to_the_last_digit():
    random = np.random.default_rng(5)
    names = ("healthbench", "rar_explicit", "hybrid", "complexity", "binary", "rar_points")
    for _ in range(100):
        points = random.choice([-8, -3, -1, 1, 2, 5, 9], 6)
        points[0] = 4
        plain = [wanted(p) if p > 0 else fault(p) for p in map(float, points)]
        two = [levels(0.0, c.points) for c in plain]
        met = [None if random.random() < 0.05 else bool(random.integers(2)) for _ in points]
        said = [LOST if m is None else Verdict.of(m) for m in met]
        by_level = [LOST if m is None else AT(int(m)) for m in met]
        one, other = scored(plain, said), scored(two, by_level)
        for column in ("h", "low", "high", "missing_share", "positive_share", "negative_share"):
            np.testing.assert_allclose(
                getattr(one, column), getattr(other, column), rtol=0, atol=1e-12
            )
        for name in names:
            assert reward(name, plain, said) == pytest.approx(
                reward(name, two, by_level), abs=1e-12, nan_ok=True
            )


def test_what_never_happens_changes_no_digit():
    plain = [wanted(5), wanted(3), fault(-4)]
    more = [
        wanted(5, id="a", na=NaRule.EXCLUDED),
        wanted(3, requires=Requirement("a")),
        fault(-4, gate=Gate(0.0)),
    ]
    said = [MET, NOT, NOT]
    assert h(plain, said) == h(more, said)
    for name in ("healthbench", "rar_explicit", "hybrid", "complexity", "binary"):
        assert reward(name, plain, said) == reward(name, more, said)


def test_conditions_that_lead_nowhere_are_refused():
    with pytest.raises(DataError, match="of no criterion"):
        Rubric((wanted(requires=Requirement("nobody")),))
    a, b = wanted(id="a", requires=Requirement("b")), wanted(id="b", requires=Requirement("a"))
    with pytest.raises(DataError, match="circle"):
        Rubric((a, b))
    with pytest.raises(DataError, match="two criteria"):
        Rubric((wanted(id="a"), wanted(id="a")))
    with pytest.raises(DataError, match="level 5"):
        levels(0, 1, gate=Gate(0.0, 5))


def test_a_verdict_that_its_criterion_does_not_allow_is_none():
    three = levels(0, 2, 5)
    assert suited(AT(3), three).outcome is Outcome.UNPARSEABLE
    assert suited(MET, three).outcome is Outcome.UNPARSEABLE
    assert suited(NA, three).outcome is Outcome.UNPARSEABLE
    assert suited(AT(0), wanted()).outcome is Outcome.UNPARSEABLE
    assert suited(MET, levels(0, 4)).level == 1
    assert suited(LOST, three) is LOST
    with_chances = replace(AT(1), level_probabilities=(0.2, 0.2))
    assert suited(with_chances, three).level_probabilities is None


def test_a_level_that_a_fault_earns_hides_no_flaw():
    rubric = [levels(0, 1, 2), levels(-2, 0, 1)]
    assert reward("binary", rubric, [AT(1), AT(2)]) == 0.0
    assert reward("binary", rubric, [AT(2), AT(2)]) == 20.0


def test_a_tag_counts_all_that_its_criteria_can_earn():
    rubric = [levels(-3, 0, 2, tags=("axis:a",)), wanted(4, tags=("axis:a",))]
    for verdicts in ([AT(2), MET], [AT(2), LOST]):
        scored_one = ScoredTable.of([graded(rubric, verdicts)])
        tag = tag_items(scored_one)[-1][0]
        assert tag == scored_one.items.h[0] or (np.isnan(tag) and np.isnan(scored_one.items.h[0]))
    assert tag_items(ScoredTable.of([graded(rubric, [AT(2), MET])]))[-1][0] == 1.0


def test_a_closed_gate_fails_every_pass_rule():
    rubric = [wanted(5), wanted(5), fault(-5, gate=Gate(0.0))]
    passes = scored(rubric, [MET, MET, MET]).passes
    assert {rule: float(values[0]) for rule, values in passes.items()} == dict.fromkeys(passes, 0.0)


def test_a_plain_answer_has_the_digits_that_it_has_alone():
    points = (0.1, 0.2, 0.7, 1.1, 2.3, 0.3)
    plain = graded([wanted(p) for p in points], [MET, NOT, MET, MET, NOT, MET])
    beside = graded([levels(0, 2, 5)], [AT(1)])
    alone = ScoredTable.of([plain]).items.h[0]
    assert ScoredTable.of([plain, beside]).items.h[0] == alone


def test_the_chance_of_met_says_nothing_of_a_level():
    assert suited(Verdict.at_level(0, probability=0.9), levels(0, 2, 5)).probability is None


def test_what_has_no_levels_is_asked_for_none():
    with pytest.raises(DataError, match="without levels"):
        Rubric((wanted(id="a"), wanted(requires=Requirement("a", 0))))
    with pytest.raises(DataError, match="without levels"):
        wanted(gate=Gate(0.2, 1))
    with pytest.raises(DataError, match="polarity"):
        Criterion("c", 2, Polarity.UNDESIRABLE, levels=(Level("a", 0), Level("b", 2)))


def test_where_nothing_that_earns_points_applies_there_is_no_reward_either():
    rubric = [wanted(5, na=NaRule.EXCLUDED), fault(-2)]
    for name in ("healthbench", "binary", "hybrid", "complexity", "rar_points"):
        assert np.isnan(reward(name, rubric, [NA, NOT])), name


def test_a_requirement_that_would_always_hold_is_refused():
    three = levels(0, 2, 5, id="a")
    with pytest.raises(DataError, match="always reached"):
        Rubric((three, wanted(requires=Requirement("a", 0))))
    both = levels(-2, 0, 5, id="a", na=NaRule.MISSED)
    with pytest.raises(DataError, match="excluded"):
        Rubric((both, wanted(requires=Requirement("a", 1))))
