"""How wide an interval will be at a share of the dear judge's verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.budget.split import Spread, prompts_for, share_for, width_at
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.sampled_run import SampledRun
from rubricbeat.judges.verdict import Verdict

RUBRIC = Rubric(tuple(Criterion(f"c{n}", 1.0, Polarity.DESIRABLE) for n in range(4)))


def test_the_width_of_verdicts_that_nothing_foretells() -> None:
    # four verdicts of weight 1/4 and variance 1/4: each adds 1/64 at half, (1 - .5) / .5 = 1
    spread = Spread.assumed(0.0, 4, spread=0.3)
    assert spread.variance(0.5) == pytest.approx(0.09 + 4 / 64)
    assert spread.variance(1.0) == pytest.approx(0.09)
    # t of 99 degrees of freedom: 1.9842
    assert width_at([spread], 1.0, 100) == pytest.approx(2 * 1.9842 * 0.03, rel=1e-4)


def test_a_cheap_judge_that_is_always_right_needs_no_dear_one() -> None:
    assert Spread.assumed(1.0, 4).variance(0.1) == Spread.assumed(1.0, 4).variance(1.0)


def test_the_smallest_share_that_is_narrow_enough_is_chosen() -> None:
    spreads = [Spread.assumed(0.0, 4, spread=0.3)]
    wanted = width_at(spreads, 0.37, 100)
    assert share_for(spreads, wanted + 1e-9, 100) == 0.37
    assert share_for(spreads, 0.9 * width_at(spreads, 1.0, 100), 100) is None
    n = prompts_for(spreads, 0.02)
    assert width_at(spreads, 1.0, n) <= 0.02 < width_at(spreads, 1.0, n - 1)


def test_a_pilot_tells_the_width_whatever_share_of_it_was_asked() -> None:
    rng = np.random.default_rng(4)
    n = 4000
    quality = rng.random((n, 1))
    dear = rng.random((n, 4)) < quality
    free = np.where(rng.random((n, 4)) < 0.7, dear, ~dear)
    tables = [
        ScoredTable.of(
            GradedAnswer(
                Example(f"p{row}", (Message("user", f"{row}?"),), RUBRIC),
                "So.",
                tuple(Verdict.of(bool(v)) for v in said),
            )
            for row, said in enumerate(side)
        )
        for side in (free, dear)
    ]
    drawn = np.where(rng.random((n, 4)) < 0.4, 0.4, np.nan)
    found = [Spread.of(SampledRun(*tables, chance)) for chance in (np.ones((n, 4)), drawn)]
    # scores: variance of the quality 1/12, and of its four verdicts 1/6 / 4
    # errors: a verdict of variance 1/4, of which a judge that is right in 7 of 10 explains .4^2
    square = (1 / 4) * (1 - 0.4**2) / 16
    for one in found:
        assert one.between == pytest.approx(1 / 12 + 1 / 24, rel=0.06)
        assert one.variance(0.5) - one.between == pytest.approx(4 * square, rel=0.06)
