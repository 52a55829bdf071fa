"""A run's score, pass rates and share of criteria met, with the error of its judge taken out.

The error rates come from an audit file (`rubricbeat audit --output FILE`): those of a criterion's
category where the audit carries them, the pooled ones elsewhere. Every verdict is corrected by
Rogan-Gladen and weighed by its points, so that the corrected score is the expected one under the
labels. A pass rate is corrected by how often the judge passed whole labelled answers rightly.
Refused, with the reason, where the audit cannot carry it or is of another judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats
from ..errors import DataError
from ..graded import GradedAnswer
from ..items import PASS_RULES, Items, score_items
from ..table import VerdictTable
from .corrected import Corrected, ErrorRates, LinearPart, corrected_rate, corrected_sum
from .labelled import category_of

POOLED = "pooled"
ROGAN_GLADEN = "rogan-gladen"
SEED = 1234


@dataclass(frozen=True, slots=True)
class AuditRates:
    """What an audit file says of a judge's errors."""

    pooled: ErrorRates
    by_category: Mapping[str, ErrorRates]
    """Of the categories that have rates of their own: those that the audit carries, and those it
    cannot carry and shows to be worse than the pooled rates, which are refused. All others get the
    pooled rates."""
    judge: str
    """Name and model."""
    digest: str
    """Of the audited judge; empty where the file does not say."""
    path: str
    passes: Mapping[str, ErrorRates] = field(default_factory=dict)
    """Of whole answers, by pass rule; empty where the audit's labels are of single criteria."""

    def rates_of(self, category: str) -> ErrorRates:
        """Give the rates that hold for a category; the pooled ones where it has none of its own."""
        return self.by_category.get(category, self.pooled)

    def fault_for(self, digest: str | None) -> str | None:
        """Say why the audit does not fit a run's judge; None where it does or nothing is known."""
        if not self.digest or not digest or self.digest == digest:
            return None
        return f"the audit is of another judge ({self.judge}, {self.digest[:12]})"


@dataclass(frozen=True, slots=True)
class RunCorrection:
    """A run's figures beside what they are without the judge's error."""

    score: Corrected
    """The HealthBench score: the clipped mean of the items."""
    met: Corrected
    """The share of criteria met."""
    passes: Mapping[str, Corrected]
    """The share of answers that pass, by rule."""
    n_by_category: Mapping[str, int] = field(default_factory=dict)
    """Verdicts corrected by the rates of each category; `pooled` for the rest. Empty where labels
    of the run's own answers correct it."""

    def figures(self) -> dict[str, Corrected]:
        """Give every corrected figure by its name, the score first."""
        return {"score": self.score, "met": self.met, **self.passes}

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        figures = {name: figure.to_json() for name, figure in self.figures().items()}
        return {**figures, "n_by_category": dict(self.n_by_category)}


def read_audit_rates(path: Path, *, seed: int = SEED) -> AuditRates:
    """Read the error rates from an audit file.

    Raises:
        DataError: The file is no audit that carries its counts.
    """
    try:
        whole = json.loads(path.read_bytes())
        judge, audit = whole["judge"], whole["audit"]
        pooled = _rates(audit["cells_pooled"], seed)
        found = {name: _rates(cells, seed) for name, cells in audit["cells"].items()}
        passes = {
            rule: _rates(cells, seed, ("answers that pass", "that do not"))
            for rule, cells in (audit.get("pass_cells") or {}).items()
        }
        name = " ".join(str(judge[key]) for key in ("name", "model") if judge.get(key))
        digest = str(judge.get("digest") or "")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: not an audit with its counts ({type(error).__name__}: {error}); "
            "'rubricbeat audit --output FILE' writes one"
        ) from error
    own = {name: one for name, rates in found.items() if (one := _own(name, rates, pooled))}
    return AuditRates(pooled, own, name or "unnamed", digest, str(path), passes)


def correct_run(
    graded: Sequence[GradedAnswer],
    audit: AuditRates,
    *,
    judge_digest: str | None = None,
    seed: int = SEED,
) -> RunCorrection:
    """Correct a run.

    Args:
        graded: The run's answers.
        audit: The error rates of its judge.
        judge_digest: Of the judge that graded the run, where known.
        seed: Of the bootstrap over the run's prompts.
    """
    run = _Run.of(graded, audit, seed)
    fault = audit.fault_for(judge_digest)
    return RunCorrection(
        score=_score(run, fault),
        met=_met(run, fault),
        passes={rule: _passing(run, rule, fault) for rule in PASS_RULES},
        n_by_category=_counts(run),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """A run packed for correction."""

    table: VerdictTable
    items: Items
    category_NC: Any
    audit: AuditRates
    seed: int

    @classmethod
    def of(cls, graded: Sequence[GradedAnswer], audit: AuditRates, seed: int) -> _Run:
        table = VerdictTable.of(graded)
        categories = _categories(graded, table.verdicts_NC.shape)
        return cls(table, score_items(table), categories, audit, seed)

    def by_prompt(self, values_N: Floats) -> Floats:
        """Sum a number of each answer by prompt."""
        n_prompts = len(self.table.prompt_ids)
        total = np.bincount(self.table.prompt_N, weights=values_N, minlength=n_prompts)
        return total.astype(np.float64)

    def parts(self, weight_NC: Floats, answered_NC: Any) -> list[LinearPart]:
        """Split sum w v by what the audit knows of each category's errors."""
        met_NC = np.where(answered_NC, self.table.verdicts_NC, 0.0)
        parts = []
        for name in sorted({*np.unique(self.category_NC[answered_NC])}):
            mine_NC = np.where(answered_NC & (self.category_NC == name), weight_NC, 0.0)
            sums_P = self.by_prompt((mine_NC * met_NC).sum(axis=1))
            rates = self.audit.rates_of(name)
            parts.append(LinearPart(sums_P, self.by_prompt(mine_NC.sum(axis=1)), rates))
        return parts


def _rates(
    cells: Any, seed: int, classes: tuple[str, str] = ("labels met", "not met")
) -> ErrorRates:
    cells_PK = np.array(cells, dtype=np.float64)
    if cells_PK.size == 0:
        cells_PK = np.zeros((1, 4))  # nothing was counted, and that is refused with its reason
    if cells_PK.ndim != 2 or cells_PK.shape[1] != 4 or not (cells_PK >= 0).all():
        raise ValueError("the counts are not rows of four")
    return ErrorRates.of(cells_PK, seed=seed, classes=classes)


def _own(name: str, rates: ErrorRates, pooled: ErrorRates) -> ErrorRates | None:
    """Give a category's own rates; None where the pooled ones may stand for it.

    The pooled rates may not stand for a category on which the judge is shown to be worse than on
    the whole: a judge can be good on average and blind to one kind of criterion.
    """
    if rates.refused is None:
        return rates
    if not rates.has_enough:
        return None
    best = np.nanquantile(rates.specificity_B + rates.sensitivity_B, 0.975)
    if best >= pooled.specificity + pooled.sensitivity:
        return None
    return replace(rates, refused=f"in {name}, {rates.refused}")


def _categories(graded: Sequence[GradedAnswer], shape: tuple[int, ...]) -> Any:
    found = np.full(shape, "", dtype=object)
    for row, answer in enumerate(graded):
        for column, criterion in enumerate(answer.example.rubric.criteria):
            found[row, column] = category_of(criterion.tags)
    return found


def _score(run: _Run, fault: str | None) -> Corrected:
    """Correct the mean item score; h = sum of w v plus a part that no verdict changes."""
    table, h_N = run.table, run.items.h
    scored_N = ~np.isnan(h_N)
    points_NC = table.rubrics.points
    answered_NC = ~np.isnan(table.verdicts_NC) & scored_N[:, None]
    positive_N = np.where(answered_NC, np.maximum(points_NC, 0.0), 0.0).sum(axis=1)
    weight_NC = np.zeros_like(points_NC)
    np.divide(
        points_NC, positive_N[:, None], out=weight_NC, where=answered_NC & (positive_N > 0)[:, None]
    )
    agrees_NC = (points_NC > 0) == table.rubrics.desirable
    floor_N = np.where(agrees_NC, 0.0, weight_NC).sum(axis=1)
    weight_NC = np.where(agrees_NC, weight_NC, -weight_NC)
    n_P = run.by_prompt(scored_N.astype(np.float64))
    if n_P.sum() == 0:
        return Corrected(0.0, method=ROGAN_GLADEN, refused="no answer of the run is scored")
    if fault is not None:
        raw = float(np.clip(np.nansum(h_N) / n_P.sum(), 0.0, 1.0))
        return Corrected(raw, method=ROGAN_GLADEN, refused=fault)
    parts = run.parts(weight_NC, answered_NC)
    return corrected_sum(parts, run.by_prompt(floor_N), n_P, seed=run.seed, bounds=(0.0, 1.0))


def _met(run: _Run, fault: str | None) -> Corrected:
    answered_NC = ~np.isnan(run.table.verdicts_NC)
    n_P = run.by_prompt(answered_NC.sum(axis=1).astype(np.float64))
    if n_P.sum() == 0:
        return Corrected(0.0, method=ROGAN_GLADEN, refused="the run has no verdict")
    if fault is not None:
        raw = float(np.nanmean(run.table.verdicts_NC))
        return Corrected(raw, method=ROGAN_GLADEN, refused=fault)
    parts = run.parts(np.ones(answered_NC.shape), answered_NC)
    return corrected_sum(parts, np.zeros_like(n_P), n_P, seed=run.seed, bounds=(0.0, 1.0))


def _passing(run: _Run, rule: str, fault: str | None) -> Corrected:
    """Correct the share of answers that pass, by the judge's error on whole answers."""
    passes_N = run.items.passes[rule]
    known_N = ~np.isnan(passes_N)
    n_P = run.by_prompt(known_N.astype(np.float64))
    passed_P = run.by_prompt(np.where(known_N, passes_N, 0.0))
    if n_P.sum() == 0:
        return Corrected(0.0, method=ROGAN_GLADEN, refused="no answer of the run is scored")
    rates = run.audit.passes.get(rule)
    if fault is None and rates is None:
        fault = (
            "the audit counts no whole answers (its labels are of single criteria, or it is an old "
            "one), so the judge's error on a pass is not known"
        )
    if fault is not None or rates is None:
        return Corrected(float(passed_P.sum() / n_P.sum()), method=ROGAN_GLADEN, refused=fault)
    return corrected_rate(passed_P, n_P, rates, seed=run.seed)


def _counts(run: _Run) -> dict[str, int]:
    counts: dict[str, int] = {}
    answered = run.category_NC[~np.isnan(run.table.verdicts_NC)]
    for name, size in zip(*np.unique(answered, return_counts=True), strict=True):
        key = name if name in run.audit.by_category else POOLED
        counts[key] = counts.get(key, 0) + int(size)
    return counts
