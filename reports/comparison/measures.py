"""What each model's answers are worth, recomputed from their verdicts.

One place turns graded answers into numbers for the report; the formulas are those of
`judges/scoring/run_scores.py`.
Axes: N answers of a model, P prompts of the whole report (not of the model), T tags.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...judges.scoring.bootstrap import ClusteredColumns
from ...judges.scoring.estimates import Estimate, estimate_of
from ...judges.scoring.item_scores import PASS_RULES, Items, ScoredTable
from ...judges.scoring.points import mean_known
from ...judges.scoring.rubric_arrays import Floats
from ...judges.scoring.run_scores import (
    N_HEAD,
    ScoredAnswers,
    Summary,
    length_penalty_of,
    summarise_scored,
)
from ...judges.scoring.verdict_table import VerdictTable
from ..results.run import Run
from ..results.values import number_of
from .models import Model

TOLERANCE = 1e-6
"""A stored score further than this from the one its verdicts give is a mismatch."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A model with everything computed from its verdicts."""

    model: Model
    scored: ScoredTable
    sums: ScoredAnswers
    summary: Summary
    position: Mapping[str, int]
    """Of each prompt_id among the P prompts of the report."""

    @property
    def table(self) -> VerdictTable:
        """Its answers as arrays."""
        return self.scored.table

    @property
    def items(self) -> Items:
        """What each answer is worth."""
        return self.scored.items

    def by_prompt(self, values_N: Floats) -> Floats:
        """Average a number of each answer over the answers to a prompt, [P].

        NaN for a prompt without a scored answer; NaN answers are excluded from the mean.
        """
        [means_P] = self._by_prompt(values_N).means_MP
        return np.asarray(means_P)

    def count_by_prompt(self, values_N: Floats) -> Floats:
        """Count the answers to each prompt that have a number, [P]."""
        [counts_P] = self._by_prompt(values_N).counts_MP
        return np.asarray(counts_P)

    def _by_prompt(self, values_N: Floats) -> ClusteredColumns:
        """Sum a number of each answer up by the prompts of the report."""
        to_report = np.array([self.position[name] for name in self.table.prompt_ids], dtype=np.intp)
        prompt_N = to_report[self.table.prompt_N]
        return ClusteredColumns.of(values_N[None], prompt_N, len(self.position))

    def scores_P(self) -> Floats:
        """Mean unclipped item score of each prompt, [P]."""
        return self.by_prompt(self.items.h)

    def tag_scores_P(self) -> dict[str, Floats]:
        """Mean score of each prompt under each tag, [P] by tag name."""
        columns = self.sums.columns.of_rows(range(N_HEAD, N_HEAD + len(self.sums.tags)))
        to_report = [self.position[name] for name in self.table.prompt_ids]
        means_TP = np.full((len(self.sums.tags), len(self.position)), np.nan)
        means_TP[:, to_report] = columns.means_MP
        return dict(zip(self.sums.tags, means_TP, strict=True))


@dataclass(frozen=True, slots=True)
class PackedModels:
    """The answers of all models of a report, packed and scored once."""

    whole: ScoredTable
    place: Mapping[str, slice]
    """Of each model's answers, run after run, by the model's name."""

    @classmethod
    def of(cls, models: Sequence[Model]) -> PackedModels:
        """Pack and score the answers of models."""
        ends = np.cumsum([0, *(sum(len(run.graded) for run in m.runs) for m in models)]).tolist()
        return cls(
            ScoredTable.of(answer for model in models for answer in model.graded),
            {m.name: slice(*at) for m, at in zip(models, pairwise(ends), strict=True)},
        )


def measure(
    models: Sequence[Model], packed: PackedModels, *, seed: int, n_draws: int
) -> list[Measured]:
    """Score every model from its verdicts."""
    parts = [packed.whole.part(packed.place[model.name]) for model in models]
    position: dict[str, int] = {}
    for part in parts:
        for name in part.table.prompt_ids:
            position.setdefault(name, len(position))
    measured = []
    for model, part in zip(models, parts, strict=True):
        sums = ScoredAnswers.of(part.blocks(), length_penalty_of(model.runs[0].task))
        summary = summarise_scored(sums, seed=seed, n_draws=n_draws)
        measured.append(Measured(model, part, sums, summary, position))
    return measured


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """A run's stored score beside the one its verdicts give."""

    model: str
    label: str
    path: str
    n_answers: int
    recomputed: float | None
    unclipped: float | None
    """The recomputed score before it is clipped to [0, 1]."""
    stored: float | None
    """None where the file states none."""

    @property
    def is_mismatch(self) -> bool:
        """Whether the file claims another score than its verdicts give."""
        if self.stored is None:
            return False
        return self.recomputed is None or abs(self.stored - self.recomputed) > TOLERANCE


def check_model(model: Model, h_N: Floats) -> list[StoredCheck]:
    """Recompute the score of each run of a model, and put it beside the stored one.

    Args:
        model: The model.
        h_N: The score of each of its answers, run after run.
    """
    ends = np.cumsum([len(run.graded) for run in model.runs])
    return [
        check_stored(run, of_run)
        for run, of_run in zip(model.runs, np.split(h_N, ends[:-1]), strict=True)
    ]


def check_stored(run: Run, h_N: Floats) -> StoredCheck:
    """Put the score that a run states beside the one of its answers' scores."""
    unclipped = mean_known(h_N)
    return StoredCheck(
        model=run.model,
        label=run.label,
        path=run.path,
        n_answers=len(run.graded),
        recomputed=None if unclipped is None else float(np.clip(unclipped, 0.0, 1.0)),
        unclipped=unclipped,
        stored=run.stored.get("score"),
    )


@dataclass(frozen=True, slots=True)
class RepeatVariance:
    """Where the uncertainty of a model's score comes from."""

    n_prompts: int
    n_answers: int
    between: float | None = None
    """Variance of the prompts' true means; None where no prompt was answered twice."""
    within: float | None = None
    """Mean variance of answers to one prompt; None where no prompt was answered twice."""
    standard_error: float | None = None
    with_twice_the_prompts: float | None = None
    """Standard error if as many prompts again were answered as often."""
    with_twice_the_repeats: float | None = None
    """Standard error if every prompt were answered twice as often."""
    with_endless_repeats: float | None = None
    """Standard error that no number of repeats can lower."""

    @property
    def more_repeats_help(self) -> bool | None:
        """Whether doubling the repeats would take off at least a tenth of the error."""
        if self.standard_error is None or self.with_twice_the_repeats is None:
            return None
        return self.with_twice_the_repeats < 0.9 * self.standard_error


def repeat_variance(
    scores: Sequence[float] | Floats, prompts: Sequence[int] | NDArray[np.intp]
) -> RepeatVariance:
    """Split the variance of a score into prompts and answers.

    Args:
        scores: One number for each answer; NaN is excluded.
        prompts: The prompt each answer belongs to.
    """
    values = np.asarray(scores, dtype=np.float64)
    codes = np.asarray(prompts, dtype=np.intp)
    known = np.isfinite(values)
    values, codes = values[known], codes[known]
    _, codes = np.unique(codes, return_inverse=True)
    n_answers, n_prompts = int(values.size), int(codes.max()) + 1 if values.size else 0
    if n_prompts < 2:
        return RepeatVariance(n_prompts, n_answers)
    counts_P = np.bincount(codes)
    means_P = np.bincount(codes, values) / counts_P
    observed = float(means_P.var(ddof=1))
    error = math.sqrt(observed / n_prompts)
    doubled = math.sqrt(observed / (2 * n_prompts))
    freedom = n_answers - n_prompts
    if freedom == 0:
        return RepeatVariance(n_prompts, n_answers, None, None, error, doubled)
    within = float(((values - means_P[codes]) ** 2).sum() / freedom)
    noise = within * float((1 / counts_P).mean())  # share of `observed` that repeats would remove
    between = max(0.0, observed - noise)
    return RepeatVariance(
        n_prompts,
        n_answers,
        between,
        within,
        error,
        doubled,
        math.sqrt((between + min(noise, observed) / 2) / n_prompts),
        math.sqrt(between / n_prompts),
    )


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


def result_of(measured: Measured, is_baseline: bool) -> ModelResult:
    """Give the row of a model."""
    metrics = measured.summary.metrics
    repeats = repeat_variance(measured.items.h, measured.table.prompt_N)
    return ModelResult(
        name=measured.model.name,
        is_baseline=is_baseline,
        n_runs=len(measured.model.runs),
        n_prompts=len(measured.table.prompt_ids),
        n_asked=len(measured.table),
        n_scored=int(metrics["n_scored"] or 0),  # type: ignore[arg-type]  # a count
        score=number_of(metrics["score"]),
        interval=_interval(metrics["interval"], repeats.n_prompts, metrics["score"]),
        length_adjusted=number_of(metrics["score_length_adjusted"]),
        length_adjusted_unclipped=mean_known(measured.sums.columns.means_M[1:2]),
        length_adjusted_interval=_interval(
            metrics["score_length_adjusted_interval"],
            repeats.n_prompts,
            metrics["score_length_adjusted"],
        ),
        standard_error=number_of(metrics["score_stderr"]),
        unclipped=number_of(metrics["score_unclipped"]),
        low=number_of(metrics["score_low"]),
        low_unclipped=mean_known(measured.items.low),
        high=number_of(metrics["score_high"]),
        high_unclipped=mean_known(measured.items.high),
        missing_points=number_of(metrics["missing_points"]),
        passes=tuple(
            PassRate(
                rule,
                number_of(metrics[rule]),
                _interval(metrics[f"{rule}_interval"], repeats.n_prompts, metrics[rule]),
            )
            for rule in PASS_RULES
        ),
        repeats=repeats,
        metrics=measured.summary.to_json(),
    )


def _interval(ends: object, n_prompts: int, of: object) -> Estimate:
    kept = ends if isinstance(ends, list) else None
    return estimate_of(number_of(of), kept, n_prompts, is_clipped=True)
