"""The search for a wording: its rounds, and that luck is not called an improvement."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rubricbeat.judges.budget.wordings import EDITS, Round, edited, halve, rounds_of

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


def test_each_round_asks_half_as_many_about_twice_the_prompts() -> None:
    assert rounds_of(12, 80) == (Round(12, 10), Round(6, 20), Round(3, 40), Round(2, 80))
    assert rounds_of(2, 80) == (Round(2, 80),)
    assert rounds_of(1, 80) == (Round(1, 80),)
    assert rounds_of(5, 12) == (Round(5, 5), Round(3, 6), Round(2, 12))
    assert rounds_of(9, 4)[0] == Round(9, 4)  # never more prompts than there are


def test_the_worse_half_leaves_and_the_best_comes_first() -> None:
    worth = [0.1, 0.9, 0.5, 0.7, float("-inf"), 0.3]
    asked: list[tuple[int, int]] = []

    def score(candidate: int, n_prompts: int) -> float:
        asked.append((candidate, n_prompts))
        return worth[candidate]

    order, scores = halve(rounds_of(6, 20), score)
    assert order == [1, 3, 2, 5, 0, 4]
    assert scores == dict(enumerate(worth))
    assert [one for one, n in asked if n == 20] == [1, 3]
    assert [one for one, n in asked if n == 10] == [1, 3, 2]


def test_equal_candidates_keep_their_order() -> None:
    assert halve(rounds_of(4, 20), lambda candidate, n: 0.5)[0] == [0, 1, 2, 3]


def test_an_edit_stands_among_the_rules() -> None:
    text = "Check it.\n\n# How to decide\n- One.\n\n# The form of your answer\nJSON.\n"
    made = edited(text, ["strict", "faults"])
    assert made == (
        "Check it.\n\n# How to decide\n- One.\n"
        f"- {EDITS['strict']}\n- {EDITS['faults']}\n\n# The form of your answer\nJSON.\n"
    )
    assert edited("Check.\n\nText.", ["strict"]) == f"Check.\n- {EDITS['strict']}\n\nText."
    assert edited("Check.", ["strict"]) == f"Check.\n- {EDITS['strict']}"


@pytest.fixture
def search(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import least_cost_wordings

    yield least_cost_wordings.search
    sys.modules.pop("least_cost_wordings")


def test_where_no_wording_is_better_none_is_called_so(search) -> None:
    found = [search(40, 0.5, 12, lambda name: 0.8, seed) for seed in range(60)]
    assert sum(one.is_better for one, _ in found) <= 3
    # the half that was searched would call many of them better
    assert sum(fooled for _, fooled in found) >= 8


def test_a_wording_that_is_better_is_found(search) -> None:
    found = [
        search(160, 0.5, 12, lambda name: 0.95 if name == "w1" else 0.8, seed)[0]
        for seed in range(15)
    ]
    assert sum(one.is_better and one.winner.name == "w1" for one in found) >= 13


def test_a_wording_that_leaves_more_verdicts_missing_is_never_better() -> None:
    """It is right on all that it answers, and answers only what it is sure of."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from least_cost_wordings import labelled
    finally:
        sys.path.pop(0)
        sys.modules.pop("least_cost_wordings", None)
    import numpy as np

    from rubricbeat.harness.align.wordings import Candidate, deal, find_wording
    from rubricbeat.judges.answer import GradedAnswer
    from rubricbeat.judges.verdict import Outcome, Verdict

    rng = np.random.default_rng(3)
    items = labelled(100, 0.5, rng)

    def ask(candidate: Candidate, asked):
        def verdict(met: bool) -> Verdict:
            if candidate.name == "picky":
                return Verdict(Outcome.REFUSED) if rng.random() < 0.1 else Verdict.of(met)
            return Verdict.of(met if rng.random() < 0.7 else not met)

        return [
            GradedAnswer(one.example, "a", tuple(verdict(labels[0].met) for labels in one.labels))
            for one in asked
        ]

    found = find_wording(
        deal(items, 1), Candidate("default"), [Candidate("picky")], lambda corrections: [], ask,
        n_examples=0, usd_of=lambda candidate, graded: 0.001,
    )  # fmt: skip
    assert found.winner.name == "picky" and found.difference.low > 0
    assert not found.is_better
    first, other = found.held
    assert other.n_missing > first.n_missing == 0
    assert first.usd_per_correct == pytest.approx(0.001 / first.accuracy.value)
