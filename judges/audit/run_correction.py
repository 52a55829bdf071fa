"""A run's score, pass rates and share of criteria met, with the error of its judge taken out.

The error rates come from an audit file, by kind of criterion (`audit_rates.py`). Every verdict is
corrected by Rogan-Gladen and weighed by its points, so that the corrected score is the expected one
under the labels. A pass rate is corrected by how often the judge passed whole labelled answers
rightly. Refused, with the reason, where the audit cannot carry it or is of another judge.

A verdict on levels is corrected by the misclassification matrix of its kind (`level_rates.py`), and
counts the share of the points of its level. What is no sum over verdicts is refused: a closed gate,
a criterion that does not count for what it requires, and one that does not apply.
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
from .audit_rates import MAX_UNSEEN_SHARE, SEED, AuditRates, Rates
from .correction import (
    ROGAN_GLADEN,
    Corrected,
    ErrorRates,
    LinearPart,
    Part,
    corrected_rate,
    corrected_sum,
)
from .labels import Codes, Stratum, full_level, sums_by
from .level_rates import LevelPart

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
    levels: _Levels | None = None
    """None where every criterion is met or not met."""
    na_fault: str | None = None
    """Why nothing can be corrected, where criteria do not apply to some answers."""

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
        levels, fault = _Levels.of(graded, code_NC.shape), _na_fault(graded, audit)
        return cls(table, scored.items, code_NC, keys, audit, seed, levels, fault)

    def by_prompt(self, values_N: Floats) -> Floats:
        """Sum a number of each answer by prompt."""
        return sums_by(self.table.prompt_N, values_N, len(self.table.prompt_ids))

    def _unseen_share(self, answered_NC: Bools) -> float:
        unseen = [code for code, one in enumerate(self.strata) if not self.audit.has_seen(one)]
        n_answered = int(answered_NC.sum())
        n_unseen = int(np.isin(self.code_NC[answered_NC], unseen).sum())
        return n_unseen / n_answered if n_answered else 0.0

    def parts(self, weight_NC: Floats, answered_NC: Bools) -> tuple[list[Part], Floats]:
        """Split sum w v by what the audit knows of the errors on each kind of criterion.

        Returns:
            The parts, and what of the sum no verdict changes, by prompt.
        """
        met_NC = np.where(answered_NC, self.table.verdicts_NC, 0.0)
        floor_NC = np.zeros_like(weight_NC)
        span_NC = weight_NC
        if self.levels is not None:
            is_two_NC = self.levels.is_two_NC
            met_NC = np.where(is_two_NC, self.levels.met_NC, met_NC)
            floor_NC = np.where(is_two_NC & answered_NC, weight_NC * self.levels.base_NC, 0.0)
            span_NC = np.where(is_two_NC, weight_NC * (1 - self.levels.base_NC), weight_NC)
        parts: list[Part] = []
        may_be_unseen = self._unseen_share(answered_NC) <= MAX_UNSEEN_SHARE
        for code in np.unique(self.code_NC[answered_NC]).tolist():
            here_NC = answered_NC & (self.code_NC == code)
            rates = self.audit.rates_of(self.strata[code], may_be_unseen=may_be_unseen)
            if self.strata[code].n_levels > 2:
                parts.append(self._level_part(weight_NC, here_NC, rates, str(self.strata[code])))
                continue
            assert isinstance(rates, ErrorRates)
            mine_NC = np.where(here_NC, span_NC, 0.0)
            parts.append(
                LinearPart(
                    sums_P=self.by_prompt((mine_NC * met_NC).sum(axis=1)),
                    span_P=self.by_prompt(mine_NC.sum(axis=1)),
                    rates=rates,
                    name=str(self.strata[code]),
                    size_P=self.by_prompt(np.abs(mine_NC).sum(axis=1)),
                )
            )
        return parts, self.by_prompt(floor_NC.sum(axis=1))

    def _level_part(self, weight_NC: Floats, here_NC: Bools, rates: Rates, name: str) -> LevelPart:
        """Sum w s of one kind with levels, by prompt, true level and the judge's level."""
        assert self.levels is not None
        row_V, column_V = np.nonzero(here_NC)
        level_V = self.levels.level_NC[row_V, column_V]
        shares_VK = self.levels.shares_NCK[row_V, column_V]
        n_levels = int((~np.isnan(shares_VK)).sum(axis=1).max())
        worth_VK = weight_NC[row_V, column_V][:, None] * shares_VK[:, :n_levels]
        n_prompts, prompt_V = len(self.table.prompt_ids), self.table.prompt_N[row_V]
        sums_PKK = np.zeros((n_prompts, n_levels, n_levels))
        for true in range(n_levels):
            np.add.at(sums_PKK[:, true], (prompt_V, level_V), worth_VK[:, true])
        raw_V = np.take_along_axis(worth_VK, level_V[:, None], 1)[:, 0]
        columns = (raw_V, worth_VK.min(axis=1), worth_VK.max(axis=1))
        raw_P, least_P, most_P = (sums_by(prompt_V, values, n_prompts) for values in columns)
        return LevelPart(sums_PKK, raw_P, np.stack([least_P, most_P], axis=1), rates, name)


@dataclass(frozen=True, slots=True)
class _Levels:
    """What the criteria of a run with levels count, and what the judge said of them."""

    level_NC: Codes
    """The judge's level; 0 where there is none."""
    shares_NCK: Floats
    """Share of the points of each level; NaN beyond the last, and where there are none."""
    is_two_NC: Bools
    """Whether there are just two: these are met or not met."""
    met_NC: Floats
    """1 at the level with all points, of two."""
    base_NC: Floats
    """Share of the points of the other one."""

    @classmethod
    def of(cls, graded: Sequence[GradedAnswer], shape: tuple[int, ...]) -> _Levels | None:
        """Lay levels out, [N, C]; None where there are none."""
        rubrics = {id(one.example.rubric): one.example.rubric for one in graded}
        most = max((len(c.levels) for r in rubrics.values() for c in r.criteria), default=0)
        if not most:
            return None
        level_NC, met_NC, base_NC = (np.zeros(shape) for _ in range(3))
        shares_NCK, is_two_NC = np.full((*shape, most), np.nan), np.zeros(shape, bool)
        for row, answer in enumerate(graded):
            for column, criterion in enumerate(answer.example.rubric.criteria):
                if not criterion.levels:
                    continue
                at, n_levels = (row, column), len(criterion.levels)
                level_NC[at] = answer.verdicts[column].level or 0
                shares_NCK[at][:n_levels] = [criterion.share(k) for k in range(n_levels)]
                if n_levels == 2:
                    full = full_level(criterion)
                    is_two_NC[at], base_NC[at] = True, criterion.share(1 - full)
                    met_NC[at] = answer.verdicts[column].level == full
        return cls(level_NC.astype(np.intp), shares_NCK, is_two_NC, met_NC, base_NC)

    @property
    def least(self) -> float:
        """The least share that a level counts, at most 0."""
        return min(0.0, float(np.nanmin(self.shares_NCK)))


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
    parts, more_P = run.parts(weight_NC, answered_NC)
    floor_P = run.by_prompt(floor_N) + more_P
    return corrected_sum(parts, floor_P, n_P, seed=run.seed, bounds=bounds)


def _met(run: _Run, fault: str | None) -> Corrected:
    answered_NC = ~np.isnan(run.table.verdicts_NC)
    n_P = run.by_prompt(answered_NC.sum(axis=1).astype(np.float64))
    if n_P.sum() == 0:
        return Corrected(None, method=ROGAN_GLADEN, refused="the run has no verdict")
    if (fault := fault or run.na_fault) is not None:
        raw = float(np.nanmean(run.table.verdicts_NC))
        return Corrected(raw, method=ROGAN_GLADEN, refused=fault)
    parts, floor_P = run.parts(np.ones(answered_NC.shape), answered_NC)
    bounds = (run.levels.least if run.levels else 0.0, 1.0)
    return corrected_sum(parts, floor_P, n_P, seed=run.seed, bounds=bounds)


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
