"""Criterion by criterion, and the cost of one fault."""

from __future__ import annotations

import numpy as np
import pytest
from level_worlds import example, wanted
from pilots import pilot

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Requirement
from rubricbeat.judges.signal import criteria as criteria_module
from rubricbeat.judges.signal.criteria import penalty_leverage, study_criteria, summarise_criteria
from rubricbeat.judges.signal.groups import group_answers
from rubricbeat.judges.verdict import Verdict

NAN = float("nan")


def test_pass_rate_contrast_and_share_of_variance_by_hand() -> None:
    groups = pilot([[[1, 0, 1], [1, 1, 0], [1, 0, 0], [1, 1, 0]]], [5.0, 4.0, -2.0])
    found = study_criteria(groups)
    assert found.pass_rate_PC[0] == pytest.approx([1, 0.5, 0.25])
    assert found.contrast_PC[0] == pytest.approx([0, 0.25, 0.1875])
    # sums of points 3, 9, 5, 9: second criterion's part 4 v, third's -2 v
    # Cov(4 v, sum) = 4 * 1.25, Cov(-2 v, sum) = -2 * -0.875, Var = 6.75
    assert found.variance_share_PC[0] == pytest.approx([0, 5 / 6.75, 1.75 / 6.75])


def test_shares_of_variance_sum_to_one_in_every_live_group() -> None:
    random = np.random.default_rng(0)
    groups = pilot((random.random((50, 5, 7)) < 0.5).astype(float), [5.0, 3, 2, 1, -1, -4, 6])
    sums = study_criteria(groups).variance_share_PC.sum(1)
    assert sums == pytest.approx(np.ones(50))


def test_never_met_is_said_of_a_prompt_over_all_its_groups() -> None:
    verdicts = [[[0, 0], [0, 0]], [[0, 1], [0, 0]]]
    apart = study_criteria(pilot(verdicts, [1.0, 1.0]))
    together = study_criteria(pilot(verdicts, [1.0, 1.0], prompt_ids=["p", "p"]))
    assert apart.never_PC.tolist() == [[True, True], [True, False]]
    assert together.never_PC.tolist() == [[True, False], [True, False]]


def test_a_criterion_without_verdicts_is_neither_never_nor_always_met() -> None:
    found = study_criteria(pilot([[[NAN, 1], [NAN, 1]]], [1.0, 9.0]))
    assert found.never_PC.tolist() == [[False, False]]
    assert found.always_PC.tolist() == [[False, True]]
    assert np.isnan(found.pass_rate_PC[0, 0])


def test_kinds_of_criteria_are_summarised() -> None:
    groups = pilot([[[1, 1], [0, 1], [1, 1], [0, 1]]], [5.0, -2.0])
    rows = {row.kind: row for row in summarise_criteria(groups, study_criteria(groups))}
    assert rows["positive points"].contrast == 0.25
    assert rows["negative points"].always == 1.0
    assert rows["all"].variance_share == pytest.approx(1.0)
    assert rows["positive points"].variance_share == pytest.approx(1.0)


class TestLeverage:
    def test_the_only_pitfall_is_all_of_rho_whatever_its_points(self) -> None:
        """Points 9 and -1: hybrid loses 4.5 and the bonus of 5 of 20, the score 1 of 10."""
        groups = pilot([[[1, 0]] * 3], [9.0, -1.0])
        study = study_criteria(groups)
        hybrid = penalty_leverage(groups, get_reward("hybrid"), study)
        score = penalty_leverage(groups, get_reward("healthbench"), study)
        assert hybrid is not None and score is not None
        assert hybrid.from_best == hybrid.lone == pytest.approx(9.5 / 20)
        assert hybrid.by_points == pytest.approx(0.1)
        # h from 1 to 8/9; the rubric lets it move from -1/9 to 1
        assert score.from_best == pytest.approx((1 / 9) / (10 / 9))

    def test_typical_cost_is_taken_at_the_pass_rates_seen(self) -> None:
        groups = pilot([[[1, 0], [0, 0]]], [9.0, -1.0])
        found = penalty_leverage(groups, get_reward("hybrid"), study_criteria(groups))
        assert found is not None
        # s = 1/2: 7.5 less 4.5, and no bonus either way
        assert found.typical == pytest.approx(4.5 / 20)

    def test_no_negative_criterion_no_leverage(self) -> None:
        groups = pilot([[[1], [0]]], [5.0])
        assert penalty_leverage(groups, get_reward("hybrid"), study_criteria(groups)) is None

    def test_a_rating_has_no_leverage(self) -> None:
        groups = pilot([[[1, 0], [0, 1]]], [5.0, -1.0])
        assert penalty_leverage(groups, get_reward("rar_implicit"), study_criteria(groups)) is None


def test_each_kind_holds_the_criteria_of_its_points_and_their_share_of_the_variance() -> None:
    """Met by all, by two, by none and by one of four answers; the bound of 5 belongs above."""
    verdicts = [[[1, 1, 0, 0], [1, 1, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0]]]
    groups = pilot(verdicts, [5.0, 4.0, 1.0, -2.0])
    rows = {row.kind: row for row in summarise_criteria(groups, study_criteria(groups))}
    assert {kind: row.n for kind, row in rows.items()} == {
        "all": 4,
        "positive points": 3,
        "negative points": 1,
        "5 points or more": 1,
        "under 5 points": 2,
    }
    assert rows["under 5 points"].pass_rate == 0.25
    assert (rows["under 5 points"].never, rows["under 5 points"].always) == (0.5, 0.0)
    assert (rows["5 points or more"].never, rows["5 points or more"].always) == (0.0, 1.0)
    # sums 9, 7, 5, 5: variance 2.75; with 4 v it varies by 3, with -2 v by -.25
    assert rows["positive points"].variance_share == pytest.approx(3 / 2.75)
    assert rows["negative points"].variance_share == pytest.approx(-0.25 / 2.75)


def test_of_many_prompts_the_penalties_of_some_evenly_spaced_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of three prompts two: the first and the last, whose faults hold 1/6 and 3/8 of the points."""
    monkeypatch.setattr(criteria_module, "MAX_LEVERAGE_PROMPTS", 2)
    points = np.array([[5.0, -1.0], [5.0, -5.0], [5.0, -3.0]])
    groups = pilot(np.ones((3, 2, 2)), points)
    found = penalty_leverage(groups, get_reward("healthbench"), study_criteria(groups))
    assert found is not None
    assert found.n_negative == 2
    assert found.by_points == pytest.approx((1 / 6 + 3 / 8) / 2)


def test_a_fault_that_requires_another_criterion_costs_no_more_than_there_is() -> None:
    criteria = [wanted(2, id="drug"), wanted(-5, requires=Requirement("drug"))]
    said = [(Verdict.of(True), Verdict.of(k > 0)) for k in range(3)]
    groups = group_answers(
        [GradedAnswer(example(criteria), f"{k}", row, k) for k, row in enumerate(said)]
    )
    found = penalty_leverage(groups, get_reward("healthbench"), study_criteria(groups))
    # from 1 to (2 - 5) / 2, which is the whole range of this rubric
    assert found is not None and found.from_best == 1.0
