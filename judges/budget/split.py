"""How wide an interval will be when a dear judge is asked a share of the verdicts.

The variance of a mean score over n prompts is (between + sampling) / n. `between` is the variance
of a prompt's score with every verdict asked; `sampling` is what the difference estimator adds
(`scoring/sampled.py`): the sum of w^2 r^2 (1 - pi) / pi over a prompt's verdicts, with the free
judge's error r and the inclusion probabilities pi of that share. A pilot that both judges graded
tells both parts, whatever share of it the dear judge was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scoring.estimates import t_quantile
from ..scoring.rubric_arrays import Floats
from ..scoring.sampled import fit_line
from ..scoring.sampled_run import SampledRun, hits_of
from .two_judges import chances, expected_error

USUAL_SPREAD = 0.33
"""Standard deviation of a prompt's score: .32 and .35 on HealthBench Hard (gpt-4o-mini with and
without a second pass, judged by gpt-4.1)."""
EVEN = 0.25
"""Variance of a verdict that is met as often as not."""
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """The parts of a score's variance, of one prompt."""

    between: float
    error_U: Floats
    """Expected error of each verdict, which sets its chance."""
    square_U: Floats
    """w^2 r^2 of each verdict, scaled to one prompt; 0 where it is not known."""

    def variance(self, share: float) -> float:
        """Give the variance of a prompt's estimated score at a share of the verdicts."""
        chance_U = chances(self.error_U, share)
        return self.between + float((self.square_U * (1 - chance_U) / chance_U).sum())

    @classmethod
    def of(cls, run: SampledRun) -> Spread | str:
        """Measure it on a pilot, or say why that cannot be."""
        total = run.figures()["score"]
        if isinstance(total, str):
            return total
        if not run.is_sum:
            return "gates, requirements or criteria that do not apply: the score is no sum"
        at = run.free.table.rubrics.present & run.counted_N[:, None]
        n, weight_U = len(total.influence_P), run.worth()[at] / run.counted_N.sum()
        free_U = run.said(hits_of)[at]
        dear_U = hits_of(run.dear, run.dear.table.verdicts_NC)[at]
        known_U = ~np.isnan(dear_U) & ~np.isnan(run.chance_NC[at])
        pull_U = np.where(known_U, weight_U**2 / np.where(known_U, run.chance_NC[at], 1.0), 0.0)
        dear_U = np.where(known_U, dear_U, 0.0)
        a, b = fit_line(free_U, dear_U, pull_U)
        soft_NC = run.free.table.probabilities()
        guess_U = np.full(len(free_U), np.nan) if soft_NC is None else soft_NC[at]
        return cls(
            max(0.0, n * (total.variance - total.sampling_variance)),
            expected_error(weight_U, guess_U),
            n * pull_U * (dear_U - a - b * free_U) ** 2,
        )

    @classmethod
    def assumed(cls, correlation: float, criteria: float, spread: float = USUAL_SPREAD) -> Spread:
        """Make it of a correlation between the judges' verdicts, for criteria of equal weight.

        Args:
            correlation: Of the free judge's P(met) and the dear one's verdict, from 0 to 1.
            criteria: Of all answers to a prompt.
            spread: Standard deviation of a prompt's score.
        """
        n = max(1, round(criteria))
        square = EVEN * (1 - correlation**2) / n**2
        return cls(spread**2, np.ones(n), np.full(n, square))


def width_at(spreads: Sequence[Spread], share: float, n_prompts: int) -> float:
    """Give the width of the 95 % interval of a score, the mean over several systems."""
    variance = float(np.mean([one.variance(share) for one in spreads]))
    return float(2 * t_quantile(max(1.0, n_prompts - 1.0)) * (variance / n_prompts) ** 0.5)


def share_for(spreads: Sequence[Spread], width: float, n_prompts: int) -> float | None:
    """Give the smallest share, to 1 %, whose interval is as narrow; None where none is."""
    for share in range(1, 101):
        if width_at(spreads, share / 100, n_prompts) <= width:
            return share / 100
    return None


def prompts_for(spreads: Sequence[Spread], width: float) -> int:
    """Give the prompts that asking everything takes for a width."""
    low, high = 2, 4
    while width_at(spreads, 1.0, high) > width and high < 10**12:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if width_at(spreads, 1.0, middle) <= width else (middle, high)
    return high
