"""What a weighted sample of verdicts can tell of a run, and what it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Gate, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.sampled_run import NOT_WHOLE, SampledRun, score_difference
from rubricbeat.judges.verdict import Verdict

GOOD, BAD = Polarity.DESIRABLE, Polarity.UNDESIRABLE
RUBRIC = Rubric((Criterion("a", 3.0, GOOD), Criterion("b", 1.0, GOOD), Criterion("c", -2.0, BAD)))


def graded(rows, rubric: Rubric = RUBRIC) -> ScoredTable:
    return ScoredTable.of(
        GradedAnswer(
            Example(f"p{n}", (Message("user", f"{n}?"),), rubric),
            "So.",
            tuple(Verdict.of(bool(v)) for v in row),
        )
        for n, row in enumerate(rows)
    )


def run_of(chance, rubric: Rubric = RUBRIC, seed: int = 3) -> SampledRun:
    rng = np.random.default_rng(seed)
    free, dear = (graded(rng.random((40, 3)) < 0.5, rubric) for _ in range(2))
    return SampledRun(free, dear, np.broadcast_to(chance, (40, 3)))


def test_everything_drawn_gives_the_dear_judges_figures() -> None:
    run = run_of(1.0)
    found, dear = run.figures(), run.dear
    assert found["score"].value == pytest.approx(dear.items.h.mean())
    assert found["met"].value == pytest.approx(dear.table.verdicts_NC.mean())
    assert found["pass_hb50"].value == pytest.approx(dear.items.passes["pass_hb50"].mean())


def test_single_criteria_tell_a_score_and_no_pass() -> None:
    # chances differ within an answer: all of them drawn once all the same
    found = run_of([1.0, 1.0, 0.999]).figures()
    assert found["pass_hb50"] == NOT_WHOLE
    assert found["score"].value == pytest.approx(run_of(1.0).dear.items.h.mean(), abs=0.01)


def test_a_gate_takes_whole_answers() -> None:
    gated = Rubric((*RUBRIC.criteria[:2], replace(RUBRIC.criteria[2], gate=Gate(0.0))))
    assert not isinstance(run_of(1.0, gated).figures()["score"], str)
    assert "draw whole answers" in run_of([1.0, 1.0, 0.999], gated).figures()["score"]


def test_answers_of_a_rubric_without_a_positive_point_count_nowhere() -> None:
    run = run_of(1.0, Rubric((Criterion("c", -2.0, BAD),) * 3))
    assert isinstance(run.figures()["score"], str)


def test_a_difference_pairs_the_prompts_that_both_answered() -> None:
    one, other = run_of(1.0), run_of(1.0)
    rng = np.random.default_rng(8)
    # the other system: the same prompts in another order, two of them not answered
    rows = [n for n in rng.permutation(40).tolist() if n not in (3, 7)]
    mixed = SampledRun(
        *(t.part(np.array(rows)) for t in (other.free, other.dear)), one.chance_NC[rows]
    )
    assert score_difference(one, mixed).value == pytest.approx(0, abs=1e-12)
    assert score_difference(one, mixed).p_value is None
    shifted = run_of(1.0, seed=4)
    gaps = one.dear.items.h - shifted.dear.items.h
    found = score_difference(one, shifted)
    assert found.value == pytest.approx(gaps.mean())
    assert found.variance == pytest.approx(gaps.var(ddof=1) / 40)
