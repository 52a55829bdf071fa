"""A run's score, pass rates and share of criteria met, with the error of its judge taken out.

The error rates come from an audit file, by kind of criterion (`audit_rates.py`). Every verdict is
corrected by Rogan-Gladen and weighed by its points, so that the corrected score is the expected one
under the labels. A pass rate is corrected by how often the judge passed whole labelled answers
rightly. Refused, with the reason, where the audit cannot carry it or is of another judge. What is
no sum over verdicts is refused too: a closed gate, a criterion that does not count for what it
requires, and one that does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..answer import GradedAnswer
from ..scoring.estimates import MIN_PROMPTS
from ..scoring.item_scores import PASS_RULES, Items, ScoredTable
from ..scoring.rubric_arrays import Bools, Floats
from ..scoring.verdict_table import VerdictTable
from .audit_rates import MAX_UNSEEN_SHARE, SEED, AuditRates
from .correction import ROGAN_GLADEN, Corrected, FigurePart, corrected_sum
from .error_rates import Stratum
from .labels import Codes, full_level, sums_by

POOLED = "pooled"
UNSEEN = "not in the audit"
REFUSED = "not corrected"


@dataclass(frozen=True, slots=True)
class RunCorrection:
    """A run's figures beside what they are without the judge's error."""

    score: Corrected
    """The HealthBench score: the clipped mean of the items."""
    met: Corrected
    """The share of criteria met; of levels, the mean share of their points."""
    passes: Mapping[str, Corrected]
    """The share of answers that pass, by rule."""
    n_by_kind: Mapping[str, int] = field(default_factory=dict)
    """Verdicts corrected by the rates of each kind of criterion, or of a pool of the remaining
    kinds of a polarity; those of kinds that are not in the audit, and those not corrected. Empty
    where labels of the run's own answers correct it."""

    def figures(self) -> dict[str, Corrected]:
        """Give every corrected figure by its name, the score first."""
        return {"score": self.score, "met": self.met, **self.passes}

    def to_json(self) -> dict[str, object]:
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
    scored = scored or ScoredTable.of(graded)
    run = _Run.of(graded, scored.table, scored.items, audit, seed)
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
    """Of each criterion's kind; -1 at padding."""
    level_NC: Codes
    """The judge's level, the first where it named none; met is the first of two."""
    shares_NCK: Floats
    """Share of its points that a criterion counts at each of its levels."""
    strata: Sequence[Stratum]
    audit: AuditRates
    seed: int
    na_fault: str | None
    """Why nothing can be corrected, where criteria do not apply to some answers."""

    @classmethod
    def of(
        cls, graded: Sequence[GradedAnswer], table: VerdictTable, items: Items, audit: AuditRates,
        seed: int,
    ) -> _Run:  # fmt: skip
        shape = table.verdicts_NC.shape
        code_NC, codes = np.full(shape, -1, dtype=np.intp), dict[Stratum, int]()
        level_NC = np.where(table.verdicts_NC == 1, 0, 1)
        rubrics = {id(one.example.rubric): one.example.rubric for one in graded}.values()
        most = max((len(c.levels) for rubric in rubrics for c in rubric.criteria), default=0)
        shares_NCK = np.zeros((*shape, max(2, most)))
        shares_NCK[:, :, 0] = 1.0
        for row, answer in enumerate(graded):
            for column, criterion in enumerate(answer.example.rubric.criteria):
                # kinds that the audit does not tell apart are one
                kind = audit.key_of(Stratum.of(criterion))
                code_NC[row, column] = codes.setdefault(kind, len(codes))
                if not criterion.levels:
                    continue
                order = list(range(len(criterion.levels)))
                if len(order) == 2:
                    order.sort(key=lambda k: k != full_level(criterion))
                level = answer.verdicts[column].level
                level_NC[row, column] = 0 if level is None else order.index(level)
                shares_NCK[row, column, : len(order)] = [criterion.share(k) for k in order]
        return cls(
            table, items, code_NC, level_NC, shares_NCK, list(codes), audit, seed,
            _na_fault(graded, audit),
        )  # fmt: skip

    def by_prompt(self, values_N: Floats) -> Floats:
        """Sum a number of each answer by prompt."""
        return sums_by(self.table.prompt_N, values_N, len(self.table.prompt_ids))

    def parts(self, weight_NC: Floats, answered_NC: Bools) -> list[FigurePart]:
        """Split sum w s by what the audit knows of the errors on each kind of criterion."""
        code_V = self.code_NC[answered_NC]
        unseen = [code for code, one in enumerate(self.strata) if not self.audit.has_seen(one)]
        may_be_unseen = np.isin(code_V, unseen).sum() <= MAX_UNSEEN_SHARE * len(code_V)
        parts = []
        for code in np.unique(code_V).tolist():
            stratum, at = self.strata[code], answered_NC & (self.code_NC == code)
            shares_VK = self.shares_NCK[at][:, : stratum.n_levels]
            part = FigurePart.of(
                weight_NC[at][:, None] * shares_VK,
                self.level_NC[at],
                self.table.prompt_N[np.nonzero(at)[0]],
                len(self.table.prompt_ids),
                rates=self.audit.rates_of(stratum, may_be_unseen=bool(may_be_unseen)),
                name=str(stratum),
            )
            parts.append(part)
        return parts


def _na_fault(graded: Sequence[GradedAnswer], audit: AuditRates) -> str | None:
    """Say that what does not apply stands in the way; None where all of it does."""
    may_be = [
        verdict
        for answer in graded
        if not answer.example.rubric.is_plain
        for verdict, criterion in zip(answer.verdicts, answer.example.rubric.criteria, strict=True)
        if criterion.na is not None
    ]
    n_na = sum(verdict.is_na for verdict in may_be)
    if not n_na and not (may_be and audit.n_na):
        return None
    who = f"{n_na:,} verdicts of the run say" if n_na else f"{audit.n_na:,} pairs of the audit say"
    return (
        f"{who} that a criterion does not apply, and an audit's error rates do not carry that over "
        "to a score; label some of these answers (--labels)"
    )


def _conditions_fault(table: VerdictTable, scored_N: Bools) -> str | None:
    """Say that a requirement or a gate acts: the score is then no sum over verdicts."""
    rubrics = table.rubrics
    if rubrics.conditions is None:
        return None
    counts_NC = rubrics.conditions.counts(table.verdicts_NC)
    n_waiting = int(((counts_NC != 1) & rubrics.present)[scored_N].any(axis=1).sum())
    caps = rubrics.caps(table.verdicts_NC)
    n_closed = 0 if caps is None else int(np.isfinite(caps[1][scored_N]).sum())
    if not n_waiting and not n_closed:
        return None
    what = [f"a gate caps the score of {n_closed:,} answers"] if n_closed else []
    what += (
        [f"criteria of {n_waiting:,} answers do not count for what they require"]
        if n_waiting
        else []
    )
    return (
        f"{' and '.join(what)}, and an audit's error rates do not carry that over to a score; "
        "label some of these answers (--labels)"
    )


def _summed(
    run: _Run,
    parts: Sequence[FigurePart],
    floor_P: Floats,
    n_P: Floats,
    bounds: tuple[float, float],
) -> Corrected:
    """Correct a mean, unless there are too few prompts for an interval."""
    found = corrected_sum(parts, floor_P, n_P, seed=run.seed, bounds=bounds)
    n = np.count_nonzero(n_P)
    if found.refused is not None or n >= MIN_PROMPTS:
        return found
    few = f"the run has it of {n} prompts; a correction takes {MIN_PROMPTS}"
    return Corrected(found.raw, method=ROGAN_GLADEN, refused=few)


def _score(run: _Run, fault: str | None, bounds: tuple[float, float]) -> Corrected:
    """Correct the mean item score; h = sum of w v plus a part that no verdict changes."""
    table, h_N = run.table, run.items.h
    scored_N = ~np.isnan(h_N)
    points_NC = table.rubrics.points
    answered_NC = ~np.isnan(table.verdicts_NC) & scored_N[:, None]
    positive_N = np.where(answered_NC, table.rubrics.gains, 0.0).sum(axis=1)
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
    fault = fault or run.na_fault or _conditions_fault(table, scored_N)
    if fault is not None:
        raw = float(np.clip(np.nansum(h_N) / n_P.sum(), *bounds))
        return Corrected(raw, method=ROGAN_GLADEN, refused=fault)
    parts = run.parts(weight_NC, answered_NC)
    return _summed(run, parts, run.by_prompt(floor_N), n_P, bounds)


def _met(run: _Run, fault: str | None) -> Corrected:
    answered_NC = ~np.isnan(run.table.verdicts_NC)
    n_P = run.by_prompt(answered_NC.sum(axis=1).astype(np.float64))
    if n_P.sum() == 0:
        return Corrected(None, method=ROGAN_GLADEN, refused="the run has no verdict")
    if (fault := fault or run.na_fault) is not None:
        raw = float(np.nanmean(run.table.verdicts_NC))
        return Corrected(raw, method=ROGAN_GLADEN, refused=fault)
    parts = run.parts(np.ones(answered_NC.shape), answered_NC)
    bounds = (min(0.0, float(run.shares_NCK.min(initial=0.0))), 1.0)
    return _summed(run, parts, np.zeros_like(n_P), n_P, bounds)


def _passing(run: _Run, rule: str, fault: str | None) -> Corrected:
    """Correct the share of answers that pass, by the judge's error on whole answers."""
    known_N = ~np.isnan(run.items.passes[rule])
    n_P, passes_V = run.by_prompt(known_N.astype(np.float64)), run.items.passes[rule][known_N]
    if not len(passes_V):
        return Corrected(None, method=ROGAN_GLADEN, refused="no answer of the run is scored")
    rates = run.audit.passes.get(rule)
    if fault is None and rates is None:
        fault = (
            "the audit counts no whole answers (its labels are of single criteria, or it is an old "
            "one), so the judge's error on a pass is not known"
        )
    if fault is not None or rates is None:
        return Corrected(float(passes_V.mean()), method=ROGAN_GLADEN, refused=fault)
    worth_VK, prompt_V = np.tile([1.0, 0.0], (len(passes_V), 1)), run.table.prompt_N[known_N]
    part = FigurePart.of(worth_VK, np.where(passes_V == 1, 0, 1), prompt_V, len(n_P), rates=rates)
    return _summed(run, [part], np.zeros_like(n_P), n_P, (0.0, 1.0))


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
