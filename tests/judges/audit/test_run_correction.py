"""A run's score with the judge's error taken out: exact, by category, refused where it must be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.audit_rates import (
    AuditRates,
    rates_by_family,
    rates_by_stratum,
    read_audit_rates,
)
from rubricbeat.judges.audit.judge_audit import cells_by_stratum
from rubricbeat.judges.audit.label_rows import labels_of_verdicts
from rubricbeat.judges.audit.labels import AuditTable
from rubricbeat.judges.audit.run_correction import correct_run
from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.data.recorded import group_runs, read_recorded
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import score_items
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.verdict import Outcome, Verdict


def strata(cells: dict[str, list[list[int]]]) -> list[dict[str, object]]:
    """Put counts by prompt in an audit's form; a name that starts with "-" is of faults."""
    return [
        {
            "category": name.removeprefix("-"),
            "polarity": "undesirable" if name.startswith("-") else "desirable",
            "cells": [[prompt, *counts] for prompt, counts in enumerate(rows) if any(counts)],
        }
        for name, rows in cells.items()
    ]


def audit_file(
    folder: Path, cells: dict[str, tuple[int, int, int, int]], digest: str = "d" * 64
) -> Path:
    """Write an audit whose counts (tp, fp, fn, tn) are spread over twenty prompts."""
    spread = {name: [[n // 20 for n in counts]] * 20 for name, counts in cells.items()}
    whole = {
        "judge": {"name": "chat", "model": "m", "digest": digest},
        "audit": {"strata": strata(spread)},
    }
    path = folder / "audit.json"
    path.write_text(json.dumps(whole))
    return path


BOTH = {"other": (180, 40, 20, 160), "-other": (180, 40, 20, 160)}


def graded(
    verdicts: list[list[bool]], points: list[float], tags: list[tuple[str, ...]]
) -> list[GradedAnswer]:
    answers = []
    for n, mets in enumerate(verdicts):
        criteria = tuple(
            Criterion(f"c{k}", p, Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE, t)
            for k, (p, t) in enumerate(zip(points, tags, strict=True))
        )
        example = Example(f"p{n}", (Message("user", "?"),), Rubric(criteria))
        answers.append(GradedAnswer(example, "a", tuple(Verdict.of(met) for met in mets)))
    return answers


def test_a_score_by_pooled_rates_worked_by_hand(tmp_path):
    # sensitivity .9, specificity .8; points 4 and -2 over P = 4, both met in every second answer
    audit = read_audit_rates(audit_file(tmp_path, BOTH))
    runs = graded([[True, True], [False, False]] * 10, [4.0, -2.0], [(), ()])
    found = correct_run(runs, audit)
    # share met .5 becomes (.5 - .2) / .7 = 3/7; the score (4 - 2) / 4 * 3/7
    assert found.met.value == pytest.approx(3 / 7)
    assert found.score.raw == pytest.approx(0.25)
    assert found.score.value == pytest.approx(0.5 * 3 / 7)
    assert found.score.low < found.score.value < found.score.high
    assert found.n_by_kind == {"desirable other": 20, "undesirable other": 20}


def test_each_kind_has_its_own_rates(tmp_path):
    cells = {"axis:accuracy": (200, 0, 0, 200), "-axis:accuracy": (180, 40, 20, 160)}
    audit = read_audit_rates(audit_file(tmp_path, cells))
    tags = [("axis:accuracy",), ("axis:accuracy",)]
    runs = graded([[True, True], [False, False]] * 10, [2.0, -1.0], tags)
    found = correct_run(runs, audit)
    # what is good stays at 1/2, what is bad becomes 3/7
    assert found.score.value == pytest.approx((2 * 0.5 - 3 / 7) / 2)
    assert found.n_by_kind == {"desirable axis:accuracy": 20, "undesirable axis:accuracy": 20}


def test_kinds_with_few_labels_take_a_pool_that_does_not_hold_the_others(tmp_path):
    # tone and depth have labels of half of the prompts each that it takes, together enough
    many = [[9, 0, 1, 10]] * 20
    tone = [[3, 2, 1, 2]] * 6 + [[0] * 4] * 14
    depth = [[0] * 4] * 6 + [[3, 2, 1, 2]] * 6 + [[0] * 4] * 8
    path = tmp_path / "audit.json"
    kinds = strata({"axis:accuracy": many, "axis:tone": tone, "axis:depth": depth})
    path.write_text(json.dumps({"judge": {}, "audit": {"strata": kinds}}))
    audit = read_audit_rates(path)
    found = correct_run(graded([[True], [False]] * 10, [1.0], [("axis:tone",)]), audit)
    # sensitivity 36/48, specificity 24/48: (.5 + .5 - 1) / .25 = 0; with accuracy in the pool it
    # would be sensitivity 216/248, specificity 224/248: (.5 + .903 - 1) / .774 = .52
    assert found.met.value == pytest.approx(0.0)
    assert found.n_by_kind == {"pooled desirable": 20}


def test_a_kind_that_the_audit_does_not_hold_is_refused_by_name(tmp_path):
    cells = {"axis:accuracy": (200, 0, 0, 200)}
    audit = read_audit_rates(audit_file(tmp_path, cells))
    runs = graded([[True, True]] * 20, [2.0, -1.0], [("axis:accuracy",), ("axis:accuracy",)])
    found = correct_run(runs, audit)
    assert "50 % of what the figure is made of (undesirable axis:accuracy)" in found.met.refused
    assert "the audit has no label of that kind" in found.score.refused
    assert found.n_by_kind["not in the audit"] == 20
    new = correct_run(graded([[True]] * 20, [2.0], [("cluster:hedging",)]), audit)
    assert "desirable cluster:hedging" in new.score.refused


def test_a_small_part_without_rates_may_be_anything(tmp_path):
    """40 criteria: 39 of which the judge is always right, one a fault the audit never saw."""
    audit = read_audit_rates(audit_file(tmp_path, {"axis:accuracy": (200, 0, 0, 200)}))
    runs = graded([[True] * 40] * 20, [1.0] * 39 + [-1.0], [("axis:accuracy",)] * 40)
    found = correct_run(runs, audit)
    assert found.score.raw == found.score.value == pytest.approx(38 / 39)
    assert found.score.low == pytest.approx(38 / 39)
    assert found.score.high == pytest.approx(1.0)


def test_a_few_criteria_of_an_unseen_category_take_their_familys_rates(tmp_path):
    audit = read_audit_rates(audit_file(tmp_path, {"axis:accuracy": (180, 40, 20, 160)}))
    tags = [("axis:accuracy",)] * 19 + [("axis:new",)]
    found = correct_run(graded([[True] * 20, [False] * 20] * 10, [1.0] * 20, tags), audit)
    assert found.met.value == pytest.approx(3 / 7)
    many = correct_run(graded([[True] * 2] * 20, [1.0] * 2, tags[-2:]), audit)
    assert "(desirable axis:new)" in many.met.refused


def test_an_audit_without_categories_tells_kinds_by_polarity_alone(tmp_path):
    audit = read_audit_rates(audit_file(tmp_path, BOTH))
    runs = graded([[True], [False]] * 10, [1.0], [("axis:tone",)])
    assert correct_run(runs, audit).met.value == pytest.approx(3 / 7)


def test_an_audit_of_an_older_version_says_what_to_do(tmp_path):
    path = tmp_path / "a.json"
    rows = [[9, 2, 1, 8]] * 20
    path.write_text(
        json.dumps({"judge": {}, "audit": {"cells": {"x": rows}, "cells_pooled": rows}})
    )
    with pytest.raises(DataError, match=r"ignored the sign.* again"):
        read_audit_rates(path)


def simulated(rng, folder: Path, rates: dict[str, tuple[float, float]]) -> tuple[Path, list]:
    """Draw an audit and a run of one population: four criteria worth 1, 2 faults worth -1 a prompt.

    Args:
        rng: Draws.
        folder: For the audit.
        rates: Sensitivity and specificity of the judge on what is good and on faults.
    """
    points = np.array([1.0, 1.0, 1.0, 1.0, -1.0, -1.0])
    base = np.where(points > 0, 0.45, 0.2)
    sensitivity, specificity = (
        np.where(points > 0, rates["good"][n], rates["fault"][n]) for n in (0, 1)
    )

    def drawn(n: int):
        # prompts differ, so that verdicts of one prompt go together
        ease = np.clip(base + rng.normal(0, 0.12, (n, 1)), 0.02, 0.98)
        label = rng.random((n, 6)) < ease
        said = np.where(label, rng.random((n, 6)) < sensitivity, rng.random((n, 6)) > specificity)
        return label, said

    label, said = drawn(150)
    cells = np.stack([said & label, said & ~label, ~said & label, ~said & ~label], axis=2)
    good, fault = (cells[:, points * sign > 0].sum(axis=1).tolist() for sign in (1, -1))
    path = folder / "audit.json"
    kinds = strata({"other": good, "-other": fault})
    path.write_text(json.dumps({"judge": {}, "audit": {"strata": kinds}}))
    _, judged = drawn(100)
    return path, graded(judged.tolist(), points.tolist(), [()] * 6)


def test_errors_that_differ_by_sign_are_corrected_and_covered(tmp_path):
    """Expected score (4 * .45 - 2 * .2) / 4 = .35; 200 audits and runs, seeded.

    The judge overlooks what is good and sees faults everywhere. Rates of all criteria together,
    whatever their sign, gave .017 on average and held the truth in none of the 200.
    """
    rng = np.random.default_rng(15)
    rates = {"good": (0.55, 0.95), "fault": (0.85, 0.7)}
    scores, met = [], []
    for _ in range(200):
        path, runs = simulated(rng, tmp_path, rates)
        found = correct_run(runs, read_audit_rates(path))
        assert found.score.refused is None
        scores.append((found.score.value, found.score.low <= 0.35 <= found.score.high))
        # (4 * .45 + 2 * .2) / 6
        met.append(found.met.low <= 2.2 / 6 <= found.met.high)
    # 95 % less 3.5 standard errors of 200 tries
    bound = 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 200)
    assert np.mean([value for value, _ in scores]) == pytest.approx(0.35, abs=0.015)
    assert np.mean([held for _, held in scores]) >= bound
    assert np.mean(met) >= bound


def test_points_lost_when_not_met_are_corrected_the_other_way(tmp_path):
    audit = read_audit_rates(audit_file(tmp_path, {"other": (180, 40, 20, 160)}))
    runs = [
        GradedAnswer(
            Example(
                f"p{n}",
                (Message("user", "?"),),
                Rubric(
                    (
                        Criterion("good", 2.0, Polarity.DESIRABLE),
                        # worded as avoidance: costs its points where it is NOT met
                        Criterion("does not prescribe", -1.0, Polarity.DESIRABLE),
                    )
                ),
            ),
            "a",
            (Verdict.of(True), Verdict.of(n % 2 == 0)),
        )
        for n in range(20)
    ]
    found = correct_run(runs, audit)
    # raw 1 - 1/2 * 1/2; corrected: 8/7 - 1/2 (1 - 3/7), clipped to 1 at the end only
    assert found.score.raw == pytest.approx(0.75)
    assert found.score.value == pytest.approx(8 / 7 - 0.5 * (1 - 3 / 7))


def test_an_audit_of_another_judge_is_refused_by_name(tmp_path):
    audit = read_audit_rates(audit_file(tmp_path, {"other": (180, 40, 20, 160)}))
    runs = graded([[True], [False]] * 5, [1.0], [()])
    found = correct_run(runs, audit, judge_digest="e" * 64)
    assert found.score.value is None
    assert "another judge (chat m" in found.score.refused
    assert correct_run(runs, audit, judge_digest="d" * 64).score.refused is None


def test_no_interval_of_no_width_stands_beside_a_corrected_figure(tmp_path):
    # all met: (1 + .8 - 1) / .7 lies above 1 in every draw, and [1, 1] would be clipped out of it
    audit = read_audit_rates(audit_file(tmp_path, {"other": (180, 40, 20, 160)}))
    found = correct_run(graded([[True]] * 20, [1.0], [()]), audit)
    assert (found.score.value, found.met.value) == (None, None)
    assert "no interval" in found.score.refused


def test_a_run_without_a_verdict_has_no_raw_figure_of_0(tmp_path):
    audit = read_audit_rates(audit_file(tmp_path, {"other": (180, 40, 20, 160)}))
    lost = [
        replace(one, verdicts=(Verdict(Outcome.TRANSPORT),))
        for one in graded([[True]] * 12, [1.0], [()])
    ]
    assert {figure.raw for figure in correct_run(lost, audit).figures().values()} == {None}


def test_a_judge_at_chance_is_refused_with_its_figures(tmp_path):
    audit = read_audit_rates(audit_file(tmp_path, {"other": (100, 100, 100, 100)}))
    found = correct_run(graded([[True]] * 5, [1.0], [()]), audit)
    assert "no better than chance" in found.score.refused
    assert "no better than chance" in found.met.refused


@pytest.mark.parametrize("text", ["{", "[]", '{"judge": {}, "audit": {"strata": [[1]]}}'])
def test_a_file_that_is_no_audit_is_one_clear_line(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.json: not an audit"):
        read_audit_rates(path)
    with pytest.raises(DataError, match="no such file"):
        read_audit_rates(tmp_path / "none.json")


def test_corrected_scores_cover_the_true_one_in_simulation(tmp_path):
    """200 audits and runs of a judge with known errors: 95 % intervals hold the truth."""
    rng = np.random.default_rng(11)
    true_share, sensitivity, specificity = 0.6, 0.85, 0.75
    n_covered = 0
    for _ in range(200):
        label = rng.random((60, 4)) < 0.5
        said = np.where(label, rng.random((60, 4)) < sensitivity, rng.random((60, 4)) > specificity)
        rows = np.stack(
            [(said & label), (said & ~label), (~said & label), (~said & ~label)], axis=2
        ).sum(axis=1)
        path = tmp_path / "audit.json"
        audit = {"strata": strata({"other": rows.tolist()})}
        path.write_text(json.dumps({"judge": {}, "audit": audit}))
        met = rng.random((80, 3)) < true_share
        judged = np.where(met, rng.random((80, 3)) < sensitivity, rng.random((80, 3)) > specificity)
        runs = graded(judged.tolist(), [1.0, 2.0, 1.0], [(), (), ()])
        score = correct_run(runs, read_audit_rates(path)).score
        n_covered += score.low <= true_share <= score.high
    assert 0.91 <= n_covered / 200 <= 0.99


def test_a_kind_on_which_the_judge_is_blind_is_not_corrected_by_a_pool(tmp_path):
    """Met in .5 % of the cases that the labels call met: fine on the whole, worthless there."""
    cells = {"axis:accuracy": (1900, 100, 100, 1900), "axis:tone": (0, 0, 200, 200)}
    audit = read_audit_rates(audit_file(tmp_path, cells))
    tags = [("axis:accuracy",), ("axis:accuracy",)]
    runs = graded([[True, True], [False, False]] * 10, [1.0, 1.0], tags)
    assert correct_run(runs, audit).score.refused is None
    blind = graded([[True, True], [False, False]] * 10, [1.0, 1.0], [("axis:tone",)] * 2)
    found = correct_run(blind, audit)
    assert found.score.refused == found.met.refused
    assert "(desirable axis:tone): the judge is no better than chance" in found.score.refused


def test_counts_below_zero_or_of_nothing_are_no_audit(tmp_path):
    path = audit_file(tmp_path, {"other": (180, 40, 20, 160)})
    whole = json.loads(path.read_text())
    whole["audit"]["strata"][0]["cells"][0][1] = -1
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match="not an audit"):
        read_audit_rates(path)
    # a judge that gave no verdict at all leaves no counts: refused, with its reason
    whole["audit"]["strata"][0]["cells"] = []
    path.write_text(json.dumps(whole))
    found = correct_run(graded([[True]] * 5, [1.0], [()]), read_audit_rates(path))
    assert "the audit has 0 labels met and 0 not met" in found.score.refused
    whole["audit"]["strata"] = []
    path.write_text(json.dumps(whole))
    found = correct_run(graded([[True]] * 5, [1.0], [()]), read_audit_rates(path))
    assert "the audit has no label of that kind" in found.score.refused


def _flipped(one: GradedAnswer, rng: np.random.Generator) -> GradedAnswer:
    """Judge an answer by its recorded verdicts, overlooking what is good, seeing faults."""
    verdicts = []
    for criterion, verdict in zip(one.example.rubric.criteria, one.verdicts, strict=True):
        is_good = criterion.polarity is Polarity.DESIRABLE
        sensitivity, specificity = (0.6, 0.95) if is_good else (0.8, 0.65)
        wrong = rng.random() > (sensitivity if verdict.met else specificity)
        verdicts.append(Verdict.of(bool(verdict.met) != wrong))
    return replace(one, verdicts=tuple(verdicts))


def test_real_rubrics_are_corrected_and_covered(shared_data: Path) -> None:
    """30 halves of 220 real prompts, the recorded verdicts as labels, audited on the other half.

    Prompts of a positive mean score, so that the clip of the score at 0 hides nothing.
    """
    rows = read_examples(shared_data / "healthbench_rows.jsonl.gz").examples
    (file,) = read_recorded(
        [shared_data / "judged" / "humbleai_hard_gpt41_judge.jsonl.gz"],
        {example.prompt_id: example for example in rows},
    )
    recorded = [one for run in group_runs(file.rows) for one in run.graded]
    h_N = score_items(VerdictTable.of(recorded)).h
    by_prompt: dict[str, list[int]] = {}
    for n, one in enumerate(recorded):
        by_prompt.setdefault(one.example.prompt_id, []).append(n)
    good = [rows for rows in by_prompt.values() if np.nanmean(h_N[rows]) > 0]
    rng = np.random.default_rng(20)
    prompts = [good[n] for n in rng.permutation(len(good))[:220]]
    score, met, raw = [], [], []
    for half in range(30):
        order = rng.permutation(220)
        audited, run = ([n for p in order[part] for n in prompts[p]]
                        for part in (slice(110), slice(110, None)))  # fmt: skip
        truth = [recorded[n] for n in audited]
        table = AuditTable.of(labels_of_verdicts(truth), [_flipped(one, rng) for one in truth])
        cells = cells_by_stratum(table)
        by_stratum, pooled = rates_by_stratum(cells, seed=half)
        families = rates_by_family(cells, seed=half)
        rates = AuditRates(by_stratum, families, pooled, "flips", "", "")
        found = correct_run([_flipped(recorded[n], rng) for n in run], rates, seed=half)
        true_score = float(np.nanmean(h_N[run]))
        true_met = float(np.nanmean(VerdictTable.of([recorded[n] for n in run]).verdicts_NC))
        assert found.score.refused is None and found.met.refused is None
        held = found.score.low <= true_score <= found.score.high
        score.append((found.score.value - true_score, held))
        met.append((found.met.value - true_met, found.met.low <= true_met <= found.met.high))
        raw.append((found.score.raw - true_score, found.met.raw - true_met))
    bound = 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 30)
    assert np.mean([held for _, held in score]) >= bound
    assert np.mean([held for _, held in met]) >= bound
    # the raw figures are far off on every half, the corrected ones right on average
    assert np.abs(np.mean(raw, axis=0)).min() > 0.03
    assert abs(np.mean([error for error, _ in score])) < 0.03
    assert abs(np.mean([error for error, _ in met])) < 0.02
