"""Scores without a judge's error on levels: by hand, against simulated judges, and refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from level_worlds import ERRORS, TRUTH, by_level, drawn, example, wanted

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.audit_rates import (
    AuditRates,
    rates_by_family,
    rates_by_stratum,
    read_audit_rates,
)
from rubricbeat.judges.audit.error_rates import ErrorRates, Stratum
from rubricbeat.judges.audit.judge_audit import audit_judge, cells_by_stratum
from rubricbeat.judges.audit.label_correction import correct_by_labels, match_labels
from rubricbeat.judges.audit.labels import AuditTable, Label, LabelledAnswer, met_or_not
from rubricbeat.judges.audit.levels import level_audit
from rubricbeat.judges.audit.run_correction import correct_run
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Gate, Level, NaRule, Polarity, Requirement
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.verdict import Outcome, Verdict

AT, NA, LOST = Verdict.at_level, Verdict.not_applicable(), Verdict(Outcome.UNPARSEABLE)
MET, NOT = Verdict.of(True), Verdict.of(False)
THREE = by_level([0, 2, 5])


def rates_of(labelled, graded, seed=1) -> AuditRates:
    cells = dict(cells_by_stratum(AuditTable.of(met_or_not(labelled), graded)))
    found = level_audit(labelled, graded)
    cells |= found.cells_by_stratum if found else {}
    rates, pooled = rates_by_stratum(cells, seed=seed)
    return AuditRates(rates, rates_by_family(cells, seed=seed), pooled, "made up", "", "")


def audit_file(tmp_path, labelled, graded):
    audit = audit_judge(
        AuditTable.of(met_or_not(labelled), graded), levels=level_audit(labelled, graded)
    )
    path = tmp_path / "audit.json"
    path.write_text(json.dumps({"judge": {"name": "j"}, "audit": audit.to_json()}))
    return path


def exact_audit(tmp_path, counts, criterion=THREE, n_prompts=20):
    """An audit whose counts (the judge's level, then the label's) stand in each of its prompts."""
    labelled, graded = [], []
    for prompt in range(n_prompts):
        for said, row in enumerate(counts):
            for true, n in enumerate(row):
                for _ in range(n):
                    case = example([criterion], f"a{prompt}")
                    text = f"Answer {len(labelled)}."
                    labels = ((Label(None, level=true),),)
                    labelled.append(LabelledAnswer(case, text, labels))
                    graded.append(GradedAnswer(case, text, (AT(said),)))
    return audit_file(tmp_path, labelled, graded)


def run_of(rows, criteria):
    return [
        GradedAnswer(example(criteria, n), f"Run {n}.", tuple(verdicts))
        for n, verdicts in enumerate(rows)
    ]


COUNTS = [[8, 1, 0], [2, 8, 1], [0, 1, 4]]
"""Of labels at 0, 1, 2: 10, 10, 5. M = [.8 .1 0; .2 .8 .2; 0 .1 .8]."""


def test_a_score_by_the_matrix_worked_by_hand(tmp_path):
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS))
    found = correct_run(run_of([[AT(0)]] * 10 + [[AT(1)]] * 10 + [[AT(2)]] * 20, [THREE]), audit)
    # q = (.25, .25, .5); M p = q: p0 = (.25 - .1 p1) / .8, p2 = (.5 - .1 p1) / .8, and
    # .2 (p0 + p2) + .8 p1 = .25: .2 (.75 - .2 p1) / .8 + .8 p1 = .1875 + .75 p1, so p1 = 1/12
    p1 = 1 / 12
    p2 = (0.5 - 0.1 * p1) / 0.8
    assert found.met.value == pytest.approx(0.4 * p1 + p2)
    assert found.score.raw == pytest.approx(0.25 * 0.4 + 0.5)
    assert found.score.value == pytest.approx(0.4 * p1 + p2)
    assert found.score.low < found.score.value < found.score.high
    assert found.n_by_kind == {"desirable other, 3 levels": 40}


def test_levels_of_other_points_share_the_errors_and_not_the_points(tmp_path):
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS))
    cost = by_level([-1, 0, 4], "of both signs")
    found = correct_run(run_of([[AT(0)]] * 10 + [[AT(1)]] * 10 + [[AT(2)]] * 20, [cost]), audit)
    p1 = 1 / 12
    p0, p2 = (0.25 - 0.1 * p1) / 0.8, (0.5 - 0.1 * p1) / 0.8
    assert found.met.value == pytest.approx(-p0 / 4 + p2)
    assert found.score.value == pytest.approx(-p0 / 4 + p2)


def test_a_judge_without_error_changes_nothing(tmp_path):
    audit = read_audit_rates(exact_audit(tmp_path, [[2, 0, 0], [0, 3, 0], [0, 0, 4]]))
    rows = [[AT(n % 3), AT(n % 2)] for n in range(30)]
    found = correct_run(run_of(rows, [THREE, by_level([1, 2, 8], "other")]), audit)
    assert found.score.value == pytest.approx(found.score.raw, abs=1e-12)
    assert found.met.value == pytest.approx(found.met.raw, abs=1e-12)


def test_two_levels_are_corrected_as_met_and_not_met():
    random = np.random.default_rng(3)
    sides = {"plain": ([], []), "levels": ([], [])}
    runs = {"plain": [], "levels": []}
    for n in range(240):
        points = (4.0, -2.0)
        plain = [wanted(p, f"c{k}") for k, p in enumerate(points)]
        two = [replace(c, levels=(Level("no", 0.0), Level("yes", c.points))) for c in plain]
        true = random.random(2) < 0.5
        said = np.where(random.random(2) < 0.15, ~true, true)
        for name, criteria in (("plain", plain), ("levels", two)):
            by = [
                (Label(bool(t)), Verdict.of(bool(s)))
                if name == "plain"
                else (Label(None, level=int(t)), AT(int(s)))
                for t, s in zip(true, said, strict=True)
            ]
            case = example(criteria, n)
            answer = GradedAnswer(case, f"A{n}", tuple(v for _, v in by))
            if n < 160:
                sides[name][0].append(LabelledAnswer(case, f"A{n}", tuple((x,) for x, _ in by)))
                sides[name][1].append(answer)
            else:
                runs[name].append(answer)
    found = {name: correct_run(runs[name], rates_of(*sides[name])) for name in runs}
    assert found["plain"].score.refused is None
    assert found["plain"].to_json() == found["levels"].to_json()


def test_two_levels_with_points_at_both_count_from_the_lower_on(tmp_path):
    lower = by_level([2, 5], "two")
    audit = read_audit_rates(exact_audit(tmp_path, [[8, 1], [2, 9]], lower))
    found = correct_run(run_of([[AT(0)], [AT(1)]] * 20, [lower]), audit)
    # q1 = .5 = .2 (1 - p) + .9 p: p = 3/7; the share is .4 + .6 p
    assert found.score.value == pytest.approx(0.4 + 0.6 * 3 / 7)
    assert found.score.raw == pytest.approx(0.7)


def test_choices_have_rates_of_their_own_and_no_pool(tmp_path):
    which = by_level([0, 2, 5], "which", is_nominal=True)
    other = by_level([0, 2, 5], "what", is_nominal=True)
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS, which))
    rows = [[AT(n % 3)] for n in range(30)]
    assert correct_run(run_of(rows, [which]), audit).score.refused is None
    assert "no label of that kind" in correct_run(run_of(rows, [other]), audit).score.refused
    assert "no label of that kind" in correct_run(run_of(rows, [THREE]), audit).score.refused


@pytest.mark.parametrize(
    "counts, why",
    [
        ([[8, 1, 0], [2, 8, 0], [0, 1, 0]], "200 of level 1 and 0 of level 2; 10 of each"),
        ([[0, 0, 8], [0, 8, 0], [8, 0, 0]], "swaps levels"),
        ([[4, 4, 0], [4, 4, 0], [0, 0, 8]], "does not distinguish two of them"),
    ],
)
def test_what_the_audit_cannot_tell_is_refused(tmp_path, counts, why):
    audit = read_audit_rates(exact_audit(tmp_path, counts))
    found = correct_run(run_of([[AT(n % 3)] for n in range(30)], [THREE]), audit)
    assert why in found.score.refused
    assert found.score.value is None and found.score.raw is not None


def test_labels_of_few_prompts_are_refused(tmp_path):
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS, n_prompts=6))
    found = correct_run(run_of([[AT(n % 3)] for n in range(30)], [THREE]), audit)
    why = "labels of level 0 of 6 prompts, of level 1 of 6 and of level 2 of 6;"
    assert why in found.score.refused


def test_a_chance_that_levels_cannot_be_told_apart_is_refused():
    random = np.random.default_rng(1)
    world = drawn(random, 40, [THREE] * 2, errors=np.full((3, 3), 1 / 3))
    rates = ErrorRates.of(
        level_audit(world.labelled, world.graded).cells_by_stratum[
            Stratum("other", Polarity.DESIRABLE, 3)
        ],
        seed=1,
    )
    assert rates.refused is not None


def test_a_gate_or_requirement_that_acts_is_refused_and_one_that_does_not_changes_nothing(tmp_path):
    three = by_level([0, 2, 5], id="a")
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS))
    rows = [[AT(1 + n % 2), AT(1 + n % 2)] for n in range(30)]
    plain = correct_run(run_of(rows, [three, THREE]), audit)
    gated = by_level([0, 2, 5], gate=Gate(0.0), requires=Requirement("a", 1))
    assert correct_run(run_of(rows, [three, gated]), audit) == plain
    closed = correct_run(run_of([[AT(1), AT(0)], *rows], [three, gated]), audit)
    assert "a gate caps the score of 1 answers" in closed.score.refused
    waiting = correct_run(run_of([[AT(0), AT(2)], *rows], [three, gated]), audit)
    assert "criteria of 1 answers do not count" in waiting.score.refused
    assert closed.met.refused is None  # the share of points is of verdicts, whatever they count


def test_what_does_not_apply_is_refused_with_the_way_out(tmp_path):
    may = by_level([0, 2, 5], na=NaRule.EXCLUDED)
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS))
    rows = [[AT(n % 3)] for n in range(30)]
    assert correct_run(run_of(rows, [may]), audit) == correct_run(run_of(rows, [THREE]), audit)
    found = correct_run(run_of([[NA], *rows], [may]), audit)
    assert "1 verdicts of the run say that a criterion does not apply" in found.score.refused
    assert "--labels" in found.met.refused
    told = exact_audit(tmp_path, COUNTS)
    whole = json.loads(told.read_text())
    whole["audit"]["not_applicable"] = {"counts": {"both": 3, "judge": 0, "label": 1}}
    told.write_text(json.dumps(whole))
    found = correct_run(run_of(rows, [may]), read_audit_rates(told))
    assert "4 pairs of the audit say" in found.score.refused


def test_a_small_part_of_an_unknown_kind_may_lie_anywhere(tmp_path):
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS))
    rest = by_level([0, 1, 2, 4], "four")
    criteria = [by_level([0, 40, 100]), rest]
    found = correct_run(run_of([[AT(n % 3), AT(1)] for n in range(30)], criteria), audit)
    alone = correct_run(run_of([[AT(n % 3)] for n in range(30)], criteria[:1]), audit)
    assert found.score.refused is None
    assert found.score.low < alone.score.low * 100 / 104 + 0.005
    assert found.score.high >= alone.score.high * 100 / 104 + 4 / 104 - 0.005


def test_missing_verdicts_on_levels_are_left_out(tmp_path):
    audit = read_audit_rates(exact_audit(tmp_path, [[2, 0, 0], [0, 3, 0], [0, 0, 4]]))
    rows = [[AT(n % 3), *[AT(1)] * 9, LOST] for n in range(30)]
    found = correct_run(run_of(rows, [THREE] * 11), audit)
    assert found.score.value == pytest.approx((0.4 * 9 + (0 + 0.4 + 1) / 3) / 10)


def test_the_bounds_of_missing_verdicts_hold_the_truth():
    random = np.random.default_rng(8)
    criteria = [
        by_level([0, 2, 5], id="a"),
        by_level([1, 3, 4], "high", requires=Requirement("a", 1)),
        by_level([-3, 0, 2], "both"),
        by_level([0, -2, -6], "fault", gate=Gate(0.3)),
        wanted(3, "named", id="w", requires=Requirement("a")),
        wanted(-4, "bad", requires=Requirement("w")),
        wanted(2, "open", gate=Gate(0.5)),
    ]
    free = [replace(c, id=None, requires=None, gate=None) for c in criteria]
    for _ in range(400):
        whole = [AT(int(random.integers(3))) for _ in range(4)]
        whole += [Verdict.of(bool(random.integers(2))) for _ in range(3)]
        gone = [LOST if random.random() < 0.3 else verdict for verdict in whole]
        for case in (example(criteria), example(free)):
            truth = float(ScoredTable.of([GradedAnswer(case, "a", tuple(whole))]).items.h[0])
            seen = ScoredTable.of([GradedAnswer(case, "a", tuple(gone))]).items
            assert seen.low[0] - 1e-12 <= truth <= seen.high[0] + 1e-12
            if not np.isnan(seen.h[0]):
                assert seen.low[0] - 1e-12 <= seen.h[0] <= seen.high[0] + 1e-12


POINTS = ([0, 2, 5], [0, 1, 4], [1, 2, 3], [0, -2, -4])


def mixed(k: int):
    return by_level(POINTS[k], f"c{k}")


def by_audit(rng, n):
    criteria = [mixed(k) for k in range(4)]
    audited = drawn(rng, n, criteria)
    run = drawn(rng, n, criteria, first=n)
    return correct_run(
        run.graded, rates_of(audited.labelled, audited.graded, int(rng.integers(99)))
    )


def by_labels(rng, n):
    run = drawn(rng, n, [mixed(k) for k in range(4)])
    n_labelled = n // 3
    labels = match_labels(run.graded, run.labelled[:n_labelled])
    return correct_by_labels(ScoredTable.of(run.graded), labels)


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    """What is expected of an answer, over 400,000 draws of how good answers are as wholes."""
    lean_N1 = np.random.default_rng(77).normal(0, 0.8, (400_000, 1, 1))
    logits = np.log(TRUTH) + lean_N1 * np.arange(3)
    chance = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).mean((0, 1))
    shares_CK = np.array([[p / max(points, key=abs) for p in points] for points in POINTS])
    points_C = np.array([max(points, key=abs) for points in POINTS], dtype=float)
    expected_C = shares_CK @ chance
    return {
        "score": float(expected_C @ points_C / points_C.clip(0).sum()),
        "met": float(expected_C.mean()),
    }


@pytest.mark.parametrize("way, n", [(by_audit, 160), (by_labels, 90)])
def test_corrections_are_unbiased_and_cover(way, n, truth):
    values, held, raw = [], [], []
    for seed in range(160):
        figures = way(np.random.default_rng([seed, 5]), n).figures()
        one = [figures[name] for name in truth]
        if any(figure.refused for figure in one):
            continue
        values.append([figure.value for figure in one])
        raw.append([figure.raw for figure in one])
        held.append([f.low <= truth[name] <= f.high for name, f in zip(truth, one, strict=True)])
    assert len(held) >= 155  # a few draws of the labels are told to be no random part of the run
    real = np.array(list(truth.values()))
    error = np.std(values, axis=0) / len(values) ** 0.5
    assert np.all(np.abs(np.mean(values, axis=0) - real) < 3.5 * error)
    # what the judge says is wrong by more: a correction that does nothing would not pass
    raw_error = np.std(raw, axis=0) / len(raw) ** 0.5
    assert np.all(np.abs(np.mean(raw, axis=0) - real) > 8 * raw_error)
    assert np.all(np.mean(held, axis=0) > 0.90)  # benchmarks/coverage.py has the long run


def test_labels_correct_gates_requirements_and_what_does_not_apply():
    random = np.random.default_rng(6)
    criteria = [
        wanted(5, "names", id="a", na=NaRule.EXCLUDED),
        by_level([0, 2, 5], requires=Requirement("a")),
        wanted(-4, "harm", gate=Gate(0.0)),
    ]
    graded, labelled = [], []
    truths_, n = [], 400
    for row in range(n):
        true = [
            NA if random.random() < 0.1 else Verdict.of(bool(random.random() < 0.7)),
            AT(int(random.integers(3))),
            Verdict.of(bool(random.random() < 0.15)),
        ]
        said = [
            true[0] if random.random() < 0.85 else MET,
            true[1] if random.random() < 0.8 else AT(2),
            true[2] if random.random() < 0.8 else NOT,
        ]
        case = example(criteria, row)
        graded.append(GradedAnswer(case, f"A{row}", tuple(said)))
        labelled.append(LabelledAnswer(case, f"A{row}", tuple((Label.of(v),) for v in true)))
        truths_.append(GradedAnswer(case, f"A{row}", tuple(true)))
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled[:120]))
    real = float(np.nanmean(ScoredTable.of(truths_).items.h))
    assert found.score.low < real < found.score.high
    assert abs(found.score.value - real) < abs(found.score.raw - real)


def test_a_label_that_the_run_does_not_allow_is_refused():
    graded = run_of([[AT(0)]], [THREE])
    label = LabelledAnswer(graded[0].example, "Run 0.", ((Label(None, level=5),),))
    with pytest.raises(DataError, match="level 5 is none of 0 to 2"):
        match_labels(graded, [label])


def test_old_audits_are_read_as_before(tmp_path):
    assert ERRORS.sum(axis=0) == pytest.approx([1, 1, 1])
    cells = [[p, 9, 2, 1, 8] for p in range(20)]
    stratum = {"category": "other", "polarity": "desirable", "cells": cells}
    whole = {"judge": {}, "audit": {"strata": [stratum]}}
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(whole))
    assert list(read_audit_rates(path).by_stratum) == [Stratum("other", Polarity.DESIRABLE)]
    whole["audit"]["strata"][0]["n_levels"] = 3
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match="not an audit with its counts"):
        read_audit_rates(path)


def test_a_run_of_few_prompts_is_not_corrected(tmp_path):
    # below ten prompts there is no interval, of a corrected figure neither
    audit = read_audit_rates(exact_audit(tmp_path, COUNTS))
    runs = (run_of([[AT(n % 3)] for n in range(k)], [THREE]) for k in (9, 10))
    nine, ten = (correct_run(run, audit) for run in runs)
    assert nine.score.refused == nine.met.refused
    assert nine.score.refused == "the run has it of 9 prompts; a correction takes 10"
    assert nine.score.raw is not None and nine.score.value is None
    assert ten.score.refused is None and ten.score.low is not None
