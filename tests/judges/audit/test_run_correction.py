"""A run's score with the judge's error taken out: exact, by category, refused where it must be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rubricbeat.judges.audit.run_correction import correct_run, read_audit_rates
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.graded import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict


def audit_file(
    folder: Path, cells: dict[str, tuple[int, int, int, int]], digest: str = "d" * 64
) -> Path:
    """Write an audit whose counts (tp, fp, fn, tn) are spread over twenty prompts."""
    spread = {name: [[n // 20 for n in counts]] * 20 for name, counts in cells.items()}
    pooled = np.sum([np.array(rows) for rows in spread.values()], axis=0).tolist()
    whole = {
        "judge": {"name": "chat", "model": "m", "digest": digest},
        "audit": {"cells": spread, "cells_pooled": pooled},
    }
    path = folder / "audit.json"
    path.write_text(json.dumps(whole))
    return path


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
    audit = read_audit_rates(audit_file(tmp_path, {"other": (180, 40, 20, 160)}))
    runs = graded([[True, True], [False, False]] * 10, [4.0, -2.0], [(), ()])
    found = correct_run(runs, audit)
    # share met .5 becomes (.5 - .2) / .7 = 3/7; the score (4 - 2) / 4 * 3/7
    assert found.met.value == pytest.approx(3 / 7)
    assert found.score.raw == pytest.approx(0.25)
    assert found.score.value == pytest.approx(0.5 * 3 / 7)
    assert found.score.low < found.score.value < found.score.high
    assert found.n_by_category == {"other": 40}


def test_each_category_has_its_own_rates_and_others_the_pooled_ones(tmp_path):
    cells = {"axis:accuracy": (200, 0, 0, 200), "axis:tone": (180, 40, 20, 160)}
    audit = read_audit_rates(audit_file(tmp_path, cells))
    tags = [("axis:accuracy",), ("axis:tone",), ("axis:new",)]
    runs = graded([[True, True, True], [False, False, False]] * 10, [1.0, 1.0, 1.0], tags)
    found = correct_run(runs, audit)
    # accuracy stays at 1/2, tone becomes 3/7; pooled: sensitivity 380/400, specificity 360/400
    new = (0.5 + 0.9 - 1) / (0.95 + 0.9 - 1)
    assert found.score.value == pytest.approx((0.5 + 3 / 7 + new) / 3)
    assert found.n_by_category == {"axis:accuracy": 20, "axis:tone": 20, "pooled": 20}


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
    runs = graded([[True]] * 5, [1.0], [()])
    found = correct_run(runs, audit, judge_digest="e" * 64)
    assert found.score.value is None
    assert "another judge (chat m" in found.score.refused
    assert correct_run(runs, audit, judge_digest="d" * 64).score.refused is None


def test_a_judge_at_chance_is_refused_with_its_figures(tmp_path):
    audit = read_audit_rates(audit_file(tmp_path, {"other": (100, 100, 100, 100)}))
    found = correct_run(graded([[True]] * 5, [1.0], [()]), audit)
    assert "no better than chance" in found.score.refused
    assert "no better than chance" in found.met.refused


@pytest.mark.parametrize("text", ["{", "[]", '{"judge": {}, "audit": {"cells_pooled": [[1]]}}'])
def test_a_file_that_is_no_audit_is_one_clear_line(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.json: not an audit"):
        read_audit_rates(path)
    with pytest.raises(DataError, match="No such file"):
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
        audit = {"cells": {"other": rows.tolist()}, "cells_pooled": rows.tolist()}
        path.write_text(json.dumps({"judge": {}, "audit": audit}))
        met = rng.random((80, 3)) < true_share
        judged = np.where(met, rng.random((80, 3)) < sensitivity, rng.random((80, 3)) > specificity)
        runs = graded(judged.tolist(), [1.0, 2.0, 1.0], [(), (), ()])
        score = correct_run(runs, read_audit_rates(path)).score
        n_covered += score.low <= true_share <= score.high
    assert 0.91 <= n_covered / 200 <= 0.99


def test_a_category_on_which_the_judge_is_blind_is_not_corrected_by_the_pooled_rates(tmp_path):
    """Met in .5 % of the cases that the labels call met: fine on the whole, worthless there."""
    cells = {"axis:accuracy": (1900, 100, 100, 1900), "axis:tone": (0, 0, 200, 200)}
    audit = read_audit_rates(audit_file(tmp_path, cells))
    assert audit.pooled.refused is None
    runs = graded([[True, True], [False, False]] * 10, [1.0, 1.0], [("axis:accuracy",), ()])
    assert correct_run(runs, audit).score.refused is None
    blind = graded([[True, True], [False, False]] * 10, [1.0, 1.0], [("axis:tone",), ()])
    found = correct_run(blind, audit)
    assert found.score.refused == found.met.refused
    assert found.score.refused.startswith("in axis:tone, the judge is no better than chance")


def test_a_category_with_few_labels_takes_the_pooled_rates(tmp_path):
    cells = {"axis:accuracy": (1900, 100, 100, 1900), "axis:tone": (0, 0, 0, 20)}
    audit = read_audit_rates(audit_file(tmp_path, cells))
    found = correct_run(graded([[True], [False]] * 10, [1.0], [("axis:tone",)]), audit)
    assert found.score.refused is None
    assert found.n_by_category == {"pooled": 20}


def test_counts_below_zero_or_of_nothing_are_no_audit(tmp_path):
    path = audit_file(tmp_path, {"other": (180, 40, 20, 160)})
    whole = json.loads(path.read_text())
    whole["audit"]["cells_pooled"][0][0] = -1
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match="not an audit"):
        read_audit_rates(path)
    # a judge that gave no verdict at all leaves no counts: refused, with its reason
    whole["audit"] = {"cells": {"other": []}, "cells_pooled": []}
    path.write_text(json.dumps(whole))
    found = correct_run(graded([[True]] * 5, [1.0], [()]), read_audit_rates(path))
    assert "the audit has 0 labels met and 0 not met" in found.score.refused
