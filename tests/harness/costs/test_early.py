"""What a stopping rule is expected to take."""

import pytest

from rubricbeat.harness.costs.early import spread_of
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports.results.run import Run


def graded(model: str, shares: list[float]) -> Run:
    """Answers to ten criteria of one point, so that a share of them is met."""
    rubric = [{"criterion": f"c{n}", "points": 1} for n in range(10)]
    rows = [{"prompt_id": f"p{n}", "prompt": "q", "rubrics": rubric} for n in range(len(shares))]
    answers = [
        GradedAnswer(
            example_from_row(row, where="row"),
            "words",
            tuple(Verdict.of(n < 10 * share) for n in range(10)),
        )
        for row, share in zip(rows, shares, strict=True)
    ]
    return Run(model, "", "task", tuple(answers))


def test_the_spread_is_that_of_the_differences_or_of_one_model():
    # differences .2 and .4, six times each: .1 from their mean, over n - 1 of 12
    one, two = graded("a", [0.6, 0.8] * 6), graded("b", [0.4, 0.4] * 6)
    assert spread_of([one, two]) == pytest.approx(0.1 * (12 / 11) ** 0.5)
    assert spread_of([one]) == pytest.approx(0.1 * (12 / 11) ** 0.5)
    assert spread_of([graded("a", [0.5] * 9)]) is None
    assert spread_of([]) is None
