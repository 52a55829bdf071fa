"""Pass rates corrected by the judge's error on whole answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.audit_rates import read_audit_rates
from rubricbeat.judges.audit.label_correction import graded_by_labels, is_whole, pass_cells_of
from rubricbeat.judges.audit.label_rows import merged_answers
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.audit.run_correction import correct_run
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict

pytestmark = pytest.mark.border

N_CRITERIA = 5
RUBRIC = Rubric(tuple(Criterion(f"c{n}", 1.0, Polarity.DESIRABLE) for n in range(N_CRITERIA)))


def case(n: int, said, truth) -> tuple[LabelledAnswer, GradedAnswer]:
    example = Example(f"p{n}", (Message("user", "?"),), RUBRIC)
    verdicts = tuple(Verdict(Outcome.REFUSED) if v is None else Verdict.of(bool(v)) for v in said)
    labels = tuple((Label(bool(v)),) for v in truth)
    return LabelledAnswer(example, "a", labels), GradedAnswer(example, "a", verdicts)


def test_answers_are_counted_by_what_judge_and_labels_let_pass() -> None:
    cases = [
        case(0, [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]),  # 3 of 5 passes at a half; so do the labels
        case(1, [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]),  # the judge alone lets it pass
        case(2, [0, 0, 0, 0, 1], [1, 1, 1, 1, 1]),  # the labels alone
        case(3, [0, 0, 0, 0, 1], [0, 0, 1, 0, 0]),  # neither
        case(4, [None, None, 1, 1, 1], [1, 1, 1, 1, 1]),  # the judge has no score: not counted
    ]
    cells = pass_cells_of(*zip(*cases, strict=True))
    assert cells["pass_hb50"].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1],
                                           [0, 0, 0, 0]]  # fmt: skip
    assert cells["pass_strict"].sum(axis=0).tolist() == [0, 0, 2, 2]


def test_rows_of_single_criteria_and_half_labelled_answers_are_no_whole_answers() -> None:
    item, answer = case(0, [1] * 5, [1] * 5)
    assert is_whole(item)
    half = LabelledAnswer(item.example, "a", (*item.labels[:4], ()))
    tied = LabelledAnswer(item.example, "a", (*item.labels[:4], (Label(True), Label(False))))
    single = LabelledAnswer(
        Example("p", item.example.prompt, Rubric(RUBRIC.criteria[:1])), "a", item.labels[:1]
    )
    assert not any(map(is_whole, (half, tied, single)))
    assert pass_cells_of([half], [answer]) == {}


def test_rows_about_one_answer_are_put_together() -> None:
    item, _ = case(0, [1] * 5, [1, 0, 1, 0, 1])
    rows = [
        LabelledAnswer(
            Example("p0", item.example.prompt, Rubric((criterion,))), "a", (labels,), "theme:x"
        )
        for criterion, labels in zip(RUBRIC.criteria, item.labels, strict=True)
    ]
    again = LabelledAnswer(rows[0].example, "a", ((Label(False),),), "theme:y")
    other = LabelledAnswer(rows[0].example, "b", rows[0].labels)
    first, second = merged_answers([*rows, again, other])
    assert first.example.rubric == RUBRIC
    assert first.labels == ((Label(True), Label(False)), *item.labels[1:])
    assert first.example.tags == ("theme:x", "theme:y")
    assert (second.text, len(second.labels)) == ("b", 1)
    # two raters that differ leave the first criterion without a verdict
    assert [v.met for v in graded_by_labels(first).verdicts] == [None, False, True, False, True]


def drawn(rng: np.random.Generator, n: int):
    """Draw verdicts and labels whose errors on one answer go together: a judge of moods."""
    quality = rng.uniform(0.15, 0.85, (n, 1))
    mood = rng.normal(0, 0.12, (n, 1))
    truth = rng.random((n, N_CRITERIA)) < quality
    said = rng.random(truth.shape) < np.clip(np.where(truth, 0.85, 0.3) + mood, 0, 1)
    return said, truth


def test_corrected_pass_rates_cover_the_truth_though_errors_go_together(tmp_path) -> None:
    rng = np.random.default_rng(17)
    big = drawn(rng, 200_000)[1]
    wanted = np.mean(big.sum(axis=1) >= 0.5 * N_CRITERIA)
    covered, raw, value = [], [], []
    path = tmp_path / "audit.json"
    for _ in range(120):
        said, truth = drawn(rng, 200)
        pairs = [case(n, said[n], truth[n]) for n in range(200)]
        cells = pass_cells_of(*zip(*pairs, strict=True))
        plain = {
            "strata": [],
            "pass_cells": {rule: rows.astype(int).tolist() for rule, rows in cells.items()},
        }
        path.write_text(json.dumps({"judge": {}, "audit": plain}))
        said, truth = drawn(rng, 150)
        runs = [case(n, said[n], truth[n])[1] for n in range(150)]
        found = correct_run(runs, read_audit_rates(path)).passes["pass_hb50"]
        covered.append(found.low <= wanted <= found.high)
        raw.append(found.raw)
        value.append(found.value)
    # 95 % nominal; 120 runs have a standard error of 2 points
    assert 0.90 <= np.mean(covered) <= 1.0
    assert abs(np.mean(value) - wanted) < 3 * np.std(value) / np.sqrt(len(value))
    assert np.mean(raw) > wanted + 0.05


def test_an_audit_with_hardly_any_perfect_answer_refuses_the_strict_rate(tmp_path) -> None:
    said, truth = drawn(np.random.default_rng(3), 60)
    pairs = [case(n, said[n], truth[n]) for n in range(60)]
    cells = pass_cells_of(*zip(*pairs, strict=True))
    plain = {
        "strata": [],
        "pass_cells": {rule: rows.astype(int).tolist() for rule, rows in cells.items()},
    }
    path = tmp_path / "audit.json"
    path.write_text(json.dumps({"judge": {}, "audit": plain}))
    found = correct_run([one for _, one in pairs], read_audit_rates(path)).passes["pass_strict"]
    assert "answers that pass and" in found.refused
    assert "10 of each are needed" in found.refused
