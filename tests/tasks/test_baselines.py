from __future__ import annotations

import pytest

from rubricbeat.tasks.models import CONSTANT_ANSWER, Baseline, NoAnswer, baseline_answer

pytestmark = pytest.mark.border

ROW = {
    "rubrics": [{"criterion": "Good", "points": 5}, {"criterion": "Bad", "points": -2}],
    "references": ["The first.", "The second."],
}


def test_each_baseline_answers_as_it_is_named():
    said = {kind: str(baseline_answer(kind, ROW)) for kind in Baseline}
    assert said == {
        Baseline.EMPTY: "",
        Baseline.CONSTANT: CONSTANT_ANSWER,
        Baseline.STUFFED: "Good",
        Baseline.REFERENCE: "The first.",
    }


def test_no_reference_is_not_an_empty_answer():
    row = {**ROW, "references": []}
    assert isinstance(baseline_answer(Baseline.REFERENCE, row), NoAnswer)
    assert not isinstance(baseline_answer(Baseline.EMPTY, row), NoAnswer)
