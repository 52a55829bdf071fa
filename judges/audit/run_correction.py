"""A run's score, pass rates and share of criteria met, with the error of its judge taken out.

The error rates come from an audit file, by kind of criterion (`audit_rates.py`). Every verdict is
corrected by Rogan-Gladen and weighed by its points, so that the corrected score is the expected one
under the labels. A pass rate is corrected by how often the judge passed whole labelled answers
rightly. Refused, with the reason, where the audit cannot carry it or is of another judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..answer import GradedAnswer
from ..scoring.item_scores import PASS_RULES, Items, ScoredTable
from ..scoring.rubric_arrays import Bools, Floats
from ..scoring.verdict_table import VerdictTable
from .audit_rates import MAX_UNSEEN_SHARE, SEED, AuditRates
from .correction import ROGAN_GLADEN, Corrected, LinearPart, corrected_rate, corrected_sum
from .labels import Codes, Stratum, sums_by

POOLED = "pooled"
UNSEEN = "not in the audit"
REFUSED = "not corrected"


@dataclass(frozen=True, slots=True)
class RunCorrection:
    """A run's figures beside what they are without the judge's error."""

    score: Corrected
    """The HealthBench score: the clipped mean of the items."""
    met: Corrected
    """The share of criteria met."""
    passes: Mapping[str, Corrected]
    """The share of answers that pass, by rule."""
    n_by_kind: Mapping[str, int] = field(default_factory=dict)
    """Verdicts corrected by the rates of each kind of criterion, or of a pool of the remaining
    kinds of a polarity; those of kinds that are not in the audit, and those not corrected. Empty
    where labels of the run's own answers correct it."""

    def figures(self) -> dict[str, Corrected]:
        """Give every corrected figure by its name, the score first."""
        return {"score": self.score, "met": self.met, **self.passes}

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        figures = {name: figure.to_json() for name, figure in self.figures().items()}
        return {**figures, "n_by_kind": dict(self.n_by_kind)}


def correct_run(
    graded: Sequence[GradedAnswer],
    audit: AuditRates,
    *,
    judge_digest: str | None = None,
    seed: int = SEED,
    clips: bool = True,
    scored: ScoredTable | None = None,
) -> RunCorrection:
    """Correct a run.

    Args:
        graded: The run's answers.
        audit: The error rates of its judge.
        judge_digest: Of the judge that graded the run, where known.
        seed: Of the bootstrap over the run's prompts.
        clips: Clip the score to [0, 1], as HealthBench does with the mean.
        scored: The same answers with their scores, where they are scored already.
    """
    run = _Run.of(graded, scored or ScoredTable.of(graded), audit, seed)
    fault = audit.fault_for(judge_digest)
    return RunCorrection(
        score=_score(run, fault, (0.0, 1.0) if clips else (-np.inf, np.inf)).unless_a_point(),
        met=_met(run, fault).unless_a_point(),
        passes={rule: _passing(run, rule, fault).unless_a_point() for rule in PASS_RULES},
        n_by_kind=_counts(run),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """A run packed for correction."""

    table: VerdictTable
    items: Items
    code_NC: Codes
    """Of each criterion's kind."""
    strata: Sequence[Stratum]
    audit: AuditRates
    seed: int

    @classmethod
    def of(
        cls, graded: Sequence[GradedAnswer], scored: ScoredTable, audit: AuditRates, seed: int
    ) -> _Run:
        table = scored.table
        code_NC, strata = _strata(graded, table.verdicts_NC.shape)
        keys = list(dict.fromkeys(audit.key_of(stratum) for stratum in strata))
        key_of_code = np.array([keys.index(audit.key_of(one)) for one in strata], dtype=np.intp)
        # kinds that the audit does not tell apart are one; padding keeps its -1
        code_NC = np.where(code_NC < 0, -1, key_of_code[code_NC]) if keys else code_NC
        return cls(table, scored.items, code_NC, keys, audit, seed)

    def by_prompt(self, values_N: Floats) -> Floats:
        """Sum a number of each answer by prompt."""
        return sums_by(self.table.prompt_N, values_N, len(self.table.prompt_ids))

    def _unseen_share(self, answered_NC: Bools) -> float:
        unseen = [code for code, one in enumerate(self.strata) if not self.audit.has_seen(one)]
        n_answered = int(answered_NC.sum())
        n_unseen = int(np.isin(self.code_NC[answered_NC], unseen).sum())
        return n_unseen / n_answered if n_answered else 0.0

    def parts(self, weight_NC: Floats, answered_NC: Bools) -> list[LinearPart]:
        """Split sum w v by what the audit knows of the errors on each kind of criterion."""
        met_NC = np.where(answered_NC, self.table.verdicts_NC, 0.0)
        parts = []
        may_be_unseen = self._unseen_share(answered_NC) <= MAX_UNSEEN_SHARE
        for code in np.unique(self.code_NC[answered_NC]).tolist():
            mine_NC = np.where(answered_NC & (self.code_NC == code), weight_NC, 0.0)
            parts.append(
                LinearPart(
                    sums_P=self.by_prompt((mine_NC * met_NC).sum(axis=1)),
                    span_P=self.by_prompt(mine_NC.sum(axis=1)),
                    rates=self.audit.rates_of(self.strata[code], may_be_unseen=may_be_unseen),
                    name=str(self.strata[code]),
                    size_P=self.by_prompt(np.abs(mine_NC).sum(axis=1)),
                )
            )
        return parts


def _strata(graded: Sequence[GradedAnswer], shape: tuple[int, ...]) -> tuple[Codes, list[Stratum]]:
    """Number the kinds of a run's criteria, [N, C]; -1 at padding."""
    code_NC = np.full(shape, -1, dtype=np.intp)
    codes: dict[Stratum, int] = {}
    for row, answer in enumerate(graded):
        for column, criterion in enumerate(answer.example.rubric.criteria):
            code_NC[row, column] = codes.setdefault(Stratum.of(criterion), len(codes))
    return code_NC, list(codes)


def _score(run: _Run, fault: str | None, bounds: tuple[float, float]) -> Corrected:
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
        return Corrected(None, method=ROGAN_GLADEN, refused="no answer of the run is scored")
    if fault is not None:
        raw = float(np.clip(np.nansum(h_N) / n_P.sum(), *bounds))
        return Corrected(raw, method=ROGAN_GLADEN, refused=fault)
    parts = run.parts(weight_NC, answered_NC)
    return corrected_sum(parts, run.by_prompt(floor_N), n_P, seed=run.seed, bounds=bounds)


def _met(run: _Run, fault: str | None) -> Corrected:
    answered_NC = ~np.isnan(run.table.verdicts_NC)
    n_P = run.by_prompt(answered_NC.sum(axis=1).astype(np.float64))
    if n_P.sum() == 0:
        return Corrected(None, method=ROGAN_GLADEN, refused="the run has no verdict")
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
        return Corrected(None, method=ROGAN_GLADEN, refused="no answer of the run is scored")
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
    answered = run.code_NC[~np.isnan(run.table.verdicts_NC)]
    for code, size in zip(*np.unique(answered, return_counts=True), strict=True):
        stratum = run.strata[int(code)]
        name = str(stratum)
        if not run.audit.has_seen(stratum):
            name = UNSEEN
        elif run.audit.rates_of(stratum).refused is not None:
            name = REFUSED
        elif stratum in run.audit.pooled:
            name = f"{POOLED} {stratum.polarity.value}"
        counts[name] = counts.get(name, 0) + int(size)
    return counts
