"""How many prompts a stopping rule will probably take: `plan --until_decided`, `--until_width`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...judges.budget.stopping import StopRule, prompts_expected
from ...judges.scoring.estimates import MIN_PROMPTS
from ...judges.scoring.item_scores import item_scores
from ...reports.comparison.models import SANITY_PREFIX
from ...reports.results.run import Run

PLANNED_DIFFERENCES = (0.02, 0.05, 0.1, 0.2)
USUAL_SPREAD = 0.29
"""Standard deviation over prompts of the paired difference of two systems' scores: .287 on
HealthBench Hard (gpt-4o-mini with and without a second pass, judged by gpt-4.1)."""


@dataclass(frozen=True, slots=True)
class ExpectedPrompts:
    """What a rule is expected to take where the true difference is so large."""

    difference: float
    n: int | None
    """Prompts; None where all of them do not do."""
    share: float
    """Of all prompts, and so of calls and money; 1 where all do not do."""

    @classmethod
    def each(
        cls, rule: StopRule, n_models: int, n_most: int, spread: float
    ) -> list[ExpectedPrompts]:
        """Give it for differences from small to large; once where the width alone counts."""
        sizes = PLANNED_DIFFERENCES if rule.level is not None and n_models > 1 else (0.0,)
        found = [
            (size, prompts_expected(rule, n_models, n_most, difference=size, spread=spread))
            for size in sizes
        ]
        return [cls(size, n, (n or n_most) / n_most) for size, n in found]


def spread_of(runs: Sequence[Run]) -> float | None:
    """Measure the spread over prompts: of the differences of two models, or of one model's scores.

    None below ten prompts.
    """
    by_model: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for answer, h in zip(run.graded, item_scores(run.graded).tolist(), strict=True):
            if h == h and not run.model.startswith(SANITY_PREFIX):
                prompts = by_model.setdefault(run.model, {})
                prompts.setdefault(answer.example.prompt_id, []).append(h)
    first, *others = by_model.values() or [{}]
    values = [
        np.mean(first[name]) - (np.mean(others[0][name]) if others else 0.0)
        for name in first
        if not others or name in others[0]
    ]
    return float(np.std(values, ddof=1)) if len(values) >= MIN_PROMPTS else None
