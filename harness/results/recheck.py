"""Compare stored scores with those that the verdicts give.

A stored number is a claim; the verdicts are the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...judges.answer import GradedAnswer
from ...judges.scoring.item_scores import item_scores
from ...reports.results.values import number_of

TOLERANCE = 1e-9
DRAWN = {"bootstrap_std"}
"""Metrics that depend on seed and draws: other settings give other numbers, rightly."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One stored metric that its verdicts do not give."""

    metric: str
    stored: float
    recomputed: float | None

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {"metric": self.metric, "stored": self.stored, "recomputed": self.recomputed}


@dataclass(frozen=True, slots=True)
class ItemCheck:
    """How many stored item scores agree with their verdicts."""

    n_compared: int
    n_different: int
    """Beyond `TOLERANCE`; an item stored with a score and now without one is different."""
    largest: float
    """Largest difference; 0 where nothing was compared."""

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {
            "compared": self.n_compared,
            "different": self.n_different,
            "largest": self.largest if math.isfinite(self.largest) else None,
        }


def check_items(graded: Sequence[GradedAnswer], stored: Sequence[float | None]) -> ItemCheck:
    """Compare stored item scores, if there are any, with recomputed ones."""
    scores = item_scores(graded)
    gaps = [
        math.inf if math.isnan(score) else abs(float(score) - claim)
        for score, claim in zip(scores, stored, strict=True)
        if claim is not None
    ]
    return ItemCheck(len(gaps), sum(gap > TOLERANCE for gap in gaps), max(gaps, default=0.0))


def check_metrics(stored: Mapping[str, float], recomputed: Mapping[str, object]) -> list[Mismatch]:
    """Name the stored metrics that are not what the verdicts give."""
    return [
        Mismatch(name, claim, value)
        for name, claim in sorted(stored.items())
        if name in recomputed and name not in DRAWN
        if _differs(claim, value := number_of(recomputed[name]))
    ]


def _differs(claim: float, value: float | None) -> bool:
    if value is None:
        return not math.isnan(claim)
    return math.isnan(claim) or abs(claim - value) > TOLERANCE
