"""What each model's answers are worth, recomputed from their verdicts.

One place turns graded answers into numbers for the report; the formulas are those of
`judges/scoring/run_scores.py`.
Axes: N answers of a model, P prompts of the whole report (not of the model), T tags.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...judges.scoring.run_scores import (
    Items,
    Summary,
    length_penalty_of,
    score_items,
    summarise_table,
    tag_items,
)
from ...judges.scoring.verdict_table import Bools, Floats, VerdictTable
from ..results.run import Run
from .models import Model

TOLERANCE = 1e-6
"""A stored score further than this from the one its verdicts give is a mismatch."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A model with everything computed from its verdicts."""

    model: Model
    table: VerdictTable
    items: Items
    summary: Summary
    position: Mapping[str, int]
    """Of each prompt_id among the P prompts of the report."""

    def by_prompt(self, values_N: Floats) -> Floats:
        """Average a number of each answer over the answers to a prompt, [P].

        NaN for a prompt without a scored answer; NaN answers are left out of the mean.
        """
        counts_P, totals_P = self.count_by_prompt(values_N), np.zeros(len(self.position))
        known_N = ~np.isnan(values_N)
        np.add.at(totals_P, self._prompts_of(known_N), values_N[known_N])
        means_P = np.full(len(self.position), np.nan)
        np.divide(totals_P, counts_P, out=means_P, where=counts_P > 0)
        return means_P

    def count_by_prompt(self, values_N: Floats) -> Floats:
        """Count the answers to each prompt that have a number, [P]."""
        prompts = self._prompts_of(~np.isnan(values_N))
        return np.bincount(prompts, minlength=len(self.position)).astype(np.float64)

    def _prompts_of(self, rows_N: Bools) -> NDArray[np.intp]:
        """Give the position in the report of the prompts of some answers."""
        to_report = np.array([self.position[name] for name in self.table.prompt_ids], dtype=np.intp)
        return to_report[self.table.prompt_N[rows_N]]

    def scores_P(self) -> Floats:
        """Mean unclipped item score of each prompt, [P]."""
        return self.by_prompt(self.items.h)

    def tag_scores_P(self) -> dict[str, Floats]:
        """Mean score of each prompt under each tag, [P] by tag name."""
        names = [*self.table.example_tags, *self.table.criterion_tags.names]
        rows_TN = tag_items(self.table, self.items)
        return {name: self.by_prompt(row) for name, row in zip(names, rows_TN, strict=True)}


def measure(models: Sequence[Model], *, seed: int, n_draws: int) -> list[Measured]:
    """Score every model from its verdicts."""
    position: dict[str, int] = {}
    for model in models:
        for answer in model.graded:
            position.setdefault(answer.example.prompt_id, len(position))
    measured = []
    for model in models:
        graded = model.graded
        table = VerdictTable.of(graded)
        reasons = Counter(v.outcome.value for g in graded for v in g.verdicts if v.met is None)
        summary = summarise_table(
            table,
            seed=seed,
            n_draws=n_draws,
            length_penalty=length_penalty_of(model.runs[0].task),
            missing_by_reason=dict(sorted(reasons.items())),
        )
        measured.append(Measured(model, table, score_items(table), summary, position))
    return measured


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """A run's stored score beside the one its verdicts give."""

    model: str
    label: str
    path: str
    n_answers: int
    recomputed: float | None
    stored: float | None
    """None where the file states none."""

    @property
    def is_mismatch(self) -> bool:
        """Whether the file claims another score than its verdicts give."""
        if self.stored is None:
            return False
        return self.recomputed is None or abs(self.stored - self.recomputed) > TOLERANCE


def check_stored(run: Run) -> StoredCheck:
    """Recompute a run's score, and put it beside the stored one."""
    score = summarise_table(VerdictTable.of(run.graded), n_draws=0).metrics["score"]
    assert score is None or isinstance(score, float)
    return StoredCheck(
        model=run.model,
        label=run.label,
        path=run.path,
        n_answers=len(run.graded),
        recomputed=score,
        stored=run.stored.get("score"),
    )


@dataclass(frozen=True, slots=True)
class RepeatVariance:
    """Where the uncertainty of a model's score comes from."""

    n_prompts: int
    n_answers: int
    between: float | None
    """Variance of the prompts' true means; None where no prompt was answered twice."""
    within: float | None
    """Mean variance of answers to one prompt; None where no prompt was answered twice."""
    standard_error: float | None
    with_twice_the_prompts: float | None
    """Standard error if as many prompts again were answered as often."""
    with_twice_the_repeats: float | None
    """Standard error if every prompt were answered twice as often."""
    with_endless_repeats: float | None
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
        scores: One number for each answer; NaN is left out.
        prompts: The prompt each answer belongs to.
    """
    values = np.asarray(scores, dtype=np.float64)
    codes = np.asarray(prompts, dtype=np.intp)
    known = np.isfinite(values)
    values, codes = values[known], codes[known]
    _, codes = np.unique(codes, return_inverse=True)
    n_answers, n_prompts = int(values.size), int(codes.max()) + 1 if values.size else 0
    if n_prompts < 2:
        return RepeatVariance(n_prompts, n_answers, None, None, None, None, None, None)
    counts_P = np.bincount(codes)
    means_P = np.bincount(codes, values) / counts_P
    observed = float(means_P.var(ddof=1))
    error = math.sqrt(observed / n_prompts)
    doubled = math.sqrt(observed / (2 * n_prompts))
    freedom = n_answers - n_prompts
    if freedom == 0:
        return RepeatVariance(n_prompts, n_answers, None, None, error, doubled, None, None)
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
