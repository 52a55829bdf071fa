"""Agreement on levels and on what does not apply: by hand, by scipy, and by simulated judges."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from level_worlds import ERRORS, by_level, drawn, example, wanted
from scipy.stats import kendalltau

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.agreement import Ranks, kappa
from rubricbeat.judges.audit.judge_audit import audit_judge, flip_rate_of
from rubricbeat.judges.audit.label_rows import read_labels
from rubricbeat.judges.audit.labels import (
    AuditTable,
    Label,
    LabelledAnswer,
    agreed,
    met_or_not,
)
from rubricbeat.judges.audit.levels import _figures, _pairs, level_audit
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Level, NaRule
from rubricbeat.judges.verdict import Outcome, Verdict

AT, NA, LOST = Verdict.at_level, Verdict.not_applicable(), Verdict(Outcome.UNPARSEABLE)
THREE = by_level([0, 2, 5])


def level(place: int, rater: str = "") -> Label:
    return Label(None, rater, place)


def not_applicable(rater: str = "") -> Label:
    return Label(None, rater)


def one(criterion, verdict, labels, prompt=0, text="a"):
    case = example([criterion], prompt)
    return LabelledAnswer(case, text, (tuple(labels),)), GradedAnswer(case, text, (verdict,))


def audit_of(rows):
    labelled, graded = (list(side) for side in zip(*rows, strict=True))
    return level_audit(labelled, graded)


def test_weighted_kappa_by_hand():
    # 10 pairs; rows: judge 4, 3, 3; columns: labels 3, 4, 3
    table = np.array([[3.0, 1, 0], [0, 2, 1], [0, 1, 2]])
    # plain: observed .7, chance (12 + 12 + 9) / 100 = .33
    assert kappa(table, 0) == pytest.approx((0.7 - 0.33) / 0.67)
    # linear: disagreement (1 + 1 + 1) * .5 / 10 = .15; by chance: margins 4,3,3 x 3,4,3, apart by
    # one level 16 + 9 + 9 + 12 = 46 halves, by two 12 + 9 = 21: (23 + 21) / 100 = .44
    assert kappa(table, 1) == pytest.approx(1 - 0.15 / 0.44)
    # quadratic: 3 * .25 / 10 = .075; by chance (46 * .25 + 21) / 100 = .325
    assert kappa(table, 2) == pytest.approx(1 - 0.075 / 0.325)
    assert np.isnan(kappa(np.array([[5.0, 0], [0, 0]]), 2))


def test_tau_b_is_that_of_scipy():
    random = np.random.default_rng(4)
    for _ in range(20):
        said, label = random.integers(0, 4, 30), random.integers(0, 4, 30)
        table = np.zeros((4, 4))
        np.add.at(table, (said, label), 1)
        assert Ranks.of(table).tau() == pytest.approx(kendalltau(said, label).statistic, abs=1e-12)


def test_without_each_prompt_is_what_it_is_without_that_prompt():
    random = np.random.default_rng(7)
    criteria = [by_level([0, 2, 5], f"c{k % 2}") for k in range(3)]
    world = drawn(random, 12, criteria)
    for row, item in enumerate(world.labelled):  # three prompts of four answers
        named = replace(item.example, prompt_id=f"p{row // 4}")
        world.labelled[row] = replace(item, example=named)
        world.graded[row] = replace(world.graded[row], example=named)
    pairs, n_prompts = _pairs(world.labelled, world.graded)
    found = _figures(pairs, n_prompts, False)
    for prompt in range(n_prompts):
        rest = [pair for pair in pairs if pair.prompt != prompt]
        for name, figure in _figures(rest, n_prompts, False).items():
            assert found[name].without_P[prompt] == pytest.approx(figure.value, abs=1e-12), name


def test_confusion_shares_and_what_is_missing_are_counted():
    rows = [
        one(THREE, AT(2), [level(2, "a"), level(1, "b")], 0),
        one(THREE, AT(0), [level(0, "a")], 1),
        one(THREE, LOST, [level(0, "a")], 2),
        one(THREE, AT(1), [], 3),
    ]
    [scale] = audit_of(rows).scales
    assert (scale.name, scale.n_questions, scale.n_without_verdict) == ("3 levels", 3, 1)
    assert scale.n_pairs == 3
    assert scale.confusion == ((1, 0, 0), (0, 0, 0), (0, 1, 1))
    assert scale.figures["accuracy"].value == pytest.approx(2 / 3)
    assert scale.figures["judge_share"].value == pytest.approx(2 / 3)
    assert scale.figures["label_share"].value == pytest.approx((1 + 0.4 + 0) / 3)
    assert scale.figures["accuracy"].low is None  # of three prompts no interval


def test_criteria_of_unlike_scales_are_counted_apart():
    nominal = by_level([0, 3, 5], "which", is_nominal=True)
    rows = [
        one(THREE, AT(2), [level(2)]),
        one(by_level([0, 1, 2, 4]), AT(3), [level(0)]),
        one(nominal, AT(1), [level(0)]),
    ]
    found = {scale.name: scale for scale in audit_of(rows).scales}
    choices = "3 choices (criterion 2 of prompt p0)"
    assert set(found) == {"3 levels", "4 levels", choices}
    assert set(found[choices].figures) == {
        "accuracy", "kappa", "judge_share", "label_share",
    }  # fmt: skip
    assert found[choices].criteria == ()


def test_kappa_and_accuracy_of_a_simulated_judge_are_what_theory_says():
    world = drawn(
        np.random.default_rng(11), 4_000, [by_level([0, 2, 5], f"c{k}") for k in range(3)]
    )
    [scale] = level_audit(world.labelled, world.graded).scales
    truth = np.bincount(world.true_NC.ravel(), minlength=3) / world.true_NC.size
    joint = ERRORS * truth  # P(judge, label), of the world without the draw of the judge
    assert scale.figures["accuracy"].value == pytest.approx(np.trace(joint), abs=0.012)
    for name, power in (("kappa", 0), ("kappa_linear", 1), ("kappa_quadratic", 2)):
        away = np.abs(np.subtract.outer(range(3), range(3))) / 2
        weight = np.where(away > 0, away**power, 0)
        chance = np.outer(joint.sum(1), joint.sum(0))
        theory = 1 - (weight * joint).sum() / (weight * chance).sum()
        figure = scale.figures[name]
        assert figure.value == pytest.approx(theory, abs=0.02), name
        assert figure.low < theory < figure.high, name
    shares = np.array([0, 0.4, 1])
    assert scale.figures["judge_share"].value == pytest.approx(shares @ joint.sum(1), abs=0.01)


def test_the_interval_of_weighted_kappa_covers():
    held = []
    for seed in range(300):
        world = drawn(np.random.default_rng([40, seed]), 40, [by_level([0, 2, 5])] * 3)
        [scale] = level_audit(world.labelled, world.graded).scales
        held.append(scale.figures["kappa_quadratic"])
    big = drawn(np.random.default_rng(999), 40_000, [by_level([0, 2, 5])])
    table = np.zeros((3, 3))
    np.add.at(table, (big.said_NC.ravel(), big.true_NC.ravel()), 1)
    theory = float(kappa(table, 2))
    share = np.mean([figure.low <= theory <= figure.high for figure in held])
    assert 0.925 <= share <= 0.985  # 95 % and two standard errors of 300 samples


def test_stated_chances_are_held_against_labels_level_by_level():
    said = replace(AT(2), level_probabilities=(0.1, 0.3, 0.6))
    rows = [one(THREE, said, [level(2 if n < 6 else 1 if n < 9 else 0)], n) for n in range(10)]
    [scale] = audit_of(rows).scales
    assert [of.n for of in scale.calibration] == [10, 10, 10]
    assert [of.ece for of in scale.calibration] == pytest.approx([0, 0, 0], abs=1e-12)
    wrong = [one(THREE, said, [level(0)], n) for n in range(10)]
    [scale] = audit_of(wrong).scales
    assert [of.ece for of in scale.calibration] == pytest.approx([0.9, 0.3, 0.6])


def test_each_ordered_criterion_has_its_own_rank_agreement():
    rows = []
    for n in range(4):
        rows.append(one(by_level([0, 2, 5], "agrees"), AT(n % 3), [level(n % 3)], f"a{n}"))
        rows.append(one(by_level([0, 2, 5], "turned"), AT(n % 3), [level(2 - n % 3)], f"t{n}"))
    [scale] = audit_of(rows).scales
    assert {row.prompt_id: row.tau_b for row in scale.criteria} == pytest.approx(
        {"pa0": 1.0, "pt0": -1.0}
    )
    assert scale.figures["tau_b"].value == pytest.approx(0.0)
    two = [one(by_level([0, 2, 5], text), AT(1), [level(1)]) for text in ("x", "y", "x")]
    [scale] = audit_of(two).scales
    assert [(row.criterion, row.n_pairs) for row in scale.criteria] == [(1, 2), (2, 1)]


def test_not_applicable_is_an_answer_with_an_agreement_of_its_own():
    may = by_level([0, 2, 5], na=NaRule.EXCLUDED)
    met = wanted(na=NaRule.EXCLUDED)
    rows = [
        one(may, NA, [not_applicable("a"), level(1, "b")], 0),
        one(may, AT(1), [level(1, "a"), not_applicable("b")], 1),
        one(met, NA, [not_applicable("a"), not_applicable("b")], 2),
        one(met, Verdict.of(True), [Label(True, "a"), Label(False, "b")], 3),
        one(met, LOST, [not_applicable("a")], 4),
    ]
    found = audit_of(rows)
    na = found.not_applicable
    assert na.counts == {"both": 3, "judge": 1, "label": 1, "neither": 3}
    assert na.n_pairs == 8
    assert na.figures["agreement"].value == pytest.approx(6 / 8)
    assert na.figures["judge_na"].value == pytest.approx(4 / 8)
    assert na.figures["kappa"].value == pytest.approx((0.75 - 0.5) / 0.5)
    assert na.share_by_rater == pytest.approx({"a": 3 / 5, "b": 2 / 4})
    [scale] = found.scales
    assert (scale.n_pairs, scale.n_without_verdict) == (1, 0)
    labelled, graded = zip(*rows, strict=True)
    table = AuditTable.of(met_or_not(labelled), graded)
    # only the fourth row is met or not met by a label; no verdict of it is missing
    assert (len(table), table.n_without_verdict) == (1, 0)


def test_a_judges_not_applicable_is_no_missing_verdict():
    met = wanted(na=NaRule.EXCLUDED)
    labelled, graded = zip(
        *[one(met, NA, [Label(True)]), one(met, LOST, [Label(True)])], strict=True
    )
    found = audit_judge(AuditTable.of(met_or_not(labelled), graded)).judge
    assert (found.n_questions, found.n_without_verdict, found.n_pairs) == (2, 1, 0)


def test_two_levels_are_met_and_not_met_in_every_figure():
    random = np.random.default_rng(2)
    plain, levels = [], []
    for n in range(60):
        points = 3.0 if n % 3 else -2.0
        by_met = wanted(points, f"c{n % 5}", tags=(f"axis:{n % 2}",))
        two = replace(by_met, levels=(Level("no", 0.0), Level("yes", points)))
        truth, said = bool(random.integers(2)), None if n == 7 else bool(random.integers(2))
        chance = float(random.random())
        verdict = LOST if said is None else Verdict.of(said, probability=chance)
        at = LOST if said is None else replace(
            AT(int(said)), level_probabilities=(1 - chance, chance)
        )  # fmt: skip
        plain.append(one(by_met, verdict, [Label(truth, "r")], n % 15, f"a{n}"))
        levels.append(one(two, at, [level(int(truth), "r")], n % 15, f"a{n}"))

    def figures(rows):
        labelled, graded = (list(side) for side in zip(*rows, strict=True))
        found = audit_judge(AuditTable.of(met_or_not(labelled), graded)).to_json()
        return json.loads(json.dumps(found))

    assert figures(plain) == figures(levels)
    assert audit_of(plain) is None
    assert audit_of(levels).scales == ()


def test_an_audit_of_plain_criteria_says_nothing_of_levels():
    labelled, graded = zip(*[one(wanted(), Verdict.of(True), [Label(True)])], strict=True)
    plain = audit_judge(AuditTable.of(labelled, graded)).to_json()
    assert not {"scales", "levels", "not_applicable"} & set(plain)


def test_another_level_is_a_flip():
    case = example([THREE, by_level([0, 1, 3], na=NaRule.EXCLUDED)])
    answer = GradedAnswer(case, "a", (AT(1), NA), replicates=((AT(2), NA),))
    assert flip_rate_of([answer]).value == 0.5


def test_what_several_raters_say_together():
    assert agreed([level(0), level(1), level(2)], THREE) == AT(1)
    assert agreed([level(1), level(2)], THREE) is None
    assert agreed([level(2), level(2), level(0)], THREE) == AT(2)
    choices = by_level([0, 2, 5], is_nominal=True)
    assert agreed([level(0), level(1), level(2)], choices) is None
    assert agreed([level(0), level(2), level(2)], choices) == AT(2)
    may = by_level([0, 2, 5], na=NaRule.EXCLUDED)
    assert agreed([not_applicable(), not_applicable(), level(1)], may) == NA
    assert agreed([not_applicable(), level(1), level(1)], may) == AT(1)
    assert agreed([not_applicable(), level(1)], may) is None
    assert agreed([Label(True), Label(True), Label(False)], wanted()) == Verdict.of(True)
    assert agreed([Label(True), Label(False)], wanted()) is None
    assert agreed([], wanted()) is None
    with pytest.raises(DataError, match="level 3 is none of 0 to 2"):
        agreed([level(3)], THREE)
    with pytest.raises(DataError, match="may not be called"):
        agreed([not_applicable()], THREE)


def labels_of(tmp_path, *rows):
    turns = [{"role": "user", "content": "q"}]
    three = [{"text": t, "points": p} for t, p in (("none", 0), ("some", 2), ("all", 5))]
    path = tmp_path / "labels.jsonl"
    base = {"prompt": turns, "completion": "a", "criterion": "c", "levels": three}
    path.write_text("\n".join(json.dumps({**base, **row}) for row in rows))
    return read_labels(path)


def test_labels_of_people_name_levels_and_what_does_not_apply(tmp_path):
    file = labels_of(
        tmp_path,
        {"label": {"level": 2}},
        {"labels": [1, {"level": 0}, "NA"], "raters": ["a", "b", "c"], "may_be_na": True},
        {"label": "na", "levels": None},
        {"label": {"level": 2}, "levels": None},
        {"label": True, "levels": None},
        {"label": "Does not apply.", "levels": None},
    )
    said = [item.labels[0] for item in file.answers]
    assert said[0] == (level(2),)
    assert said[1] == (level(1, "a"), level(0, "b"), not_applicable("c"))
    # whether they may be is for the rubric of the run that they are held against
    assert said[2:5] == [(not_applicable(),), (level(2),), (Label(True),)]
    assert said[5] == (not_applicable(),), "the words of recorded verdicts"
    assert file.answers[0].example.rubric.criteria[0].points == 5


def test_cells_of_labels_say_whether_it_may_not_apply_and_which_turn_it_is_about(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "prompt,answer,criterion,label,may_be_na,turn\n"
        "q,a,c,true,TRUE,-1\n"
        "q,b,c,true,missed,all\n"
        "q,c,c,true,false,\n",
        encoding="utf-8",
    )
    found = [item.example.rubric.criteria[0] for item in read_labels(path).answers]
    assert [c.na for c in found] == [NaRule.EXCLUDED, NaRule.MISSED, None]
    assert [c.turn for c in found] == [-1, None, -1]


@pytest.mark.parametrize(
    "row, why",
    [
        ({"label": 3}, "level 3 is none of 0 to 2"),
        ({"label": True}, "the criterion has 3 levels"),
        ({"label": "na"}, "it may not be called not applicable"),
        ({"label": {"lvl": 1}}, "an object without a level"),
        ({"label": 1.5}, "not the number of a level"),
        ({"label": "some"}, "not a number"),
        ({"label": {"level": True}}, "not a number"),
        ({"label": "maybe", "levels": None}, "neither true nor false"),
    ],
)
def test_a_label_that_its_criterion_does_not_allow_leaves_its_row_out(tmp_path, row, why):
    file = labels_of(tmp_path, {"label": 1}, row)
    assert len(file.answers) == 1
    assert why in file.skipped[0].reason
