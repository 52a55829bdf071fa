"""What a report says of one model: a row of the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...judges.scoring.estimates import Estimate
from .measures import RepeatVariance


@dataclass(frozen=True, slots=True)
class PassRate:
    """How many answers pass by one rule."""

    rule: str
    share: float | None
    interval: Estimate


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One row of the summary."""

    name: str
    is_baseline: bool
    n_runs: int
    n_prompts: int
    n_asked: int
    n_scored: int
    score: float | None
    """HealthBench score: mean of the item scores, the mean clipped to [0, 1]."""
    interval: Estimate
    length_adjusted: float | None
    """Less a penalty for length: 0 at 2,000 characters, so that shorter answers gain. Clipped."""
    length_adjusted_unclipped: float | None
    length_adjusted_interval: Estimate
    standard_error: float | None
    unclipped: float | None
    low: float | None
    """Lowest score the missing verdicts could give."""
    low_unclipped: float | None
    high: float | None
    high_unclipped: float | None
    missing_points: float | None
    """Share of the absolute points without a verdict."""
    passes: tuple[PassRate, ...]
    repeats: RepeatVariance
    metrics: Mapping[str, Any]
    """Everything `rubricbeat score` says of these answers."""
