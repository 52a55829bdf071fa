"""The whole audit of one judge: agreement, ranking, calibration, raters, bias, and what it adds.

Every figure has a jackknife interval over prompts: questions about one prompt are not independent.
Beside the judge stand baselines that never look at the answer; what a judge is worth is what it
adds to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..answer import GradedAnswer
from ..rubric import Polarity
from ..scoring.estimates import Estimate
from ..scoring.jackknife import IntervalScale, LeftOut, rate, ratio_of
from ..scoring.plain_form import plain_fields
from ..scoring.rubric_arrays import Bools, Floats
from .agreement import (
    CELLS,
    Calibration,
    Confusion,
    Pairs,
    RaterRow,
    auroc,
    auroc_without,
    calibration,
    each_against_the_others,
    krippendorff_alpha,
    left_out,
    number,
    pairs_within_criteria,
)
from .baselines import baselines_of, with_probability
from .bias import OrderEffect, Shift, Trait, correlation_given_label, shifts_of
from .error_rates import Stratum
from .labels import AuditTable, sums_by
from .levels import LevelAudit

CURVES = {"kappa": IntervalScale.PLAIN}
"""Of figures that are no shares; all others have a logit."""


COMPARED = ("balanced_f1", "pairwise", "auroc", "kappa", "sensitivity", "specificity")
"""Figures of one judge held against those of another."""


@dataclass(frozen=True, slots=True)
class JudgeFigures:
    """How one judge, or one baseline, stands to the labels."""

    n_questions: int
    n_without_verdict: int
    n_pairs: int
    """(judge, label) pairs counted."""
    counts: Mapping[str, float]
    figures: Mapping[str, Estimate]
    """`balanced_f1`, the other figures of `Confusion`, `auroc`, `pairwise`."""
    n_answer_pairs: int
    """Pairs of answers behind `pairwise`."""
    calibration: Calibration | None = None

    to_json = plain_fields


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of a judge."""

    judge: JudgeFigures
    baselines: Mapping[str, JudgeFigures]
    """By name: `majority`, `category_rate`, `no_look`; none of them sees an answer."""
    by_category: Mapping[str, Confusion]
    alpha_labels: float | None
    """Krippendorff's alpha among the raters."""
    alpha_with_judge: float | None
    """The same with the judge as one more rater."""
    raters: tuple[RaterRow, ...]
    length_correlation: float | None
    """Between the characters of an answer and the verdict among questions of the same label: above
    0, length is favoured."""
    flip_rate: Estimate
    """Share of questions whose verdict differs between two replicates; None without replicates."""
    cells_by_stratum: Mapping[Stratum, Floats] = field(repr=False)
    """Counts by prompt, [P, 4], of each kind of criterion: what a correction draws from."""
    shifts: tuple[Shift, ...] = ()
    """What moves the judge beside the label; empty where the traits were not given."""
    order: OrderEffect | None = None
    """Of the criteria in a call; None where they were not judged in a second order."""
    pass_cells: Mapping[str, Floats] = field(default_factory=dict, repr=False)
    """Whole answers that pass by judge and by labels, counts by prompt [P, 4], by pass rule."""
    levels: LevelAudit | None = None
    """On criteria of three levels or more, and on what does not apply; None where all criteria are
    met or not met. Everything else here is of those that are."""

    def to_json(self) -> dict[str, object]:
        """Give the plain form; `cells` hold what `--audit FILE` needs to correct a score."""
        plain = plain_fields(self)
        del plain["cells_by_stratum"], plain["levels"]
        strata = [_plain_stratum(*one) for one in self.cells_by_stratum.items()]
        if self.levels is not None:
            plain["scales"] = [scale.to_json() for scale in self.levels.scales]
            na = self.levels.not_applicable
            plain["not_applicable"] = None if na is None else na.to_json()
            strata += [_plain_stratum(*one) for one in self.levels.cells_by_stratum.items()]
        passes = {
            rule: cells_PK[cells_PK.any(axis=1)].astype(int).tolist()
            for rule, cells_PK in self.pass_cells.items()
        }
        return {**plain, "strata": strata, "pass_cells": passes}


def audit_judge(
    table: AuditTable,
    *,
    flip_rate: Estimate | None = None,
    no_look_N: Floats | None = None,
    traits: Sequence[Trait] = (),
    order: OrderEffect | None = None,
    pass_cells: Mapping[str, Floats] | None = None,
    levels: LevelAudit | None = None,
) -> Audit:
    """Audit a judge on labelled verdicts.

    Args:
        table: Verdicts beside labels, of all that is met or not met (`met_or_not`).
        flip_rate: As `flip_rate_of` gives it; None without replicates.
        no_look_N: P(met) by a judge that never sees the answer (see `baselines.py`), for the
            baseline of that name; without it that baseline is excluded.
        traits: What could influence the judge (see `bias.py`), of the same labels.
        order: As `order_effect` gives it; None where there was no second order.
        pass_cells: As `pass_cells_of` gives them; None where no whole answer is labelled.
        levels: As `level_audit` gives it; None where every criterion is met or not met.
    """
    blind = baselines_of(table)
    if no_look_N is not None:
        blind["no_look"] = with_probability(table, no_look_N)
    n_labels_N = np.bincount(table.question_L, minlength=len(table)).astype(np.float64)
    n_met_N = table.label_share_N * n_labels_N
    labels_NK = np.stack([n_met_N, n_labels_N - n_met_N], axis=1)
    said_NK = np.stack([table.verdict_N == 1, table.verdict_N == 0], axis=1)
    cells = cells_by_stratum(table)
    return Audit(
        judge=judge_figures(table),
        baselines={name: judge_figures(other) for name, other in blind.items()},
        by_category={
            name: Confusion(sum(cells[key].sum(axis=0) for key in cells if key.category == name))
            for name in table.categories
        },
        alpha_labels=number(krippendorff_alpha(labels_NK)),
        alpha_with_judge=number(krippendorff_alpha(labels_NK + said_NK)),
        raters=tuple(each_against_the_others(table)),
        length_correlation=correlation_given_label(
            table.chars_N, table.verdict_N, table.label_share_N
        ),
        flip_rate=flip_rate or Estimate(None),
        cells_by_stratum=cells,
        shifts=shifts_of(table, traits),
        order=order,
        pass_cells=pass_cells or {},
        levels=levels,
    )


def judge_figures(table: AuditTable) -> JudgeFigures:
    """Compute every figure of one judge with its interval."""
    found = figures_of(table)
    total = table.cells_PK().sum(axis=0)
    return JudgeFigures(
        n_questions=len(table),
        n_without_verdict=table.n_without_verdict,
        n_pairs=int(total.sum()),
        counts=dict(zip(CELLS, map(float, total), strict=True)),
        figures={
            name: one.estimate(CURVES.get(name, IntervalScale.LOGIT)) for name, one in found.items()
        },
        n_answer_pairs=int(_pairs_of(table).n_P.sum()),
        calibration=calibration(table.probability_N, table.label_share_N),
    )


def figures_of(table: AuditTable) -> dict[str, LeftOut]:
    """Compute every figure, with all prompts and without each of them."""
    found, pairs = left_out(table.cells_PK()), _pairs_of(table)
    found["pairwise"] = ratio_of(pairs.right_P, pairs.n_P)
    score_N, met_N = _ranked(table)
    found["auroc"] = LeftOut(
        auroc(score_N, met_N),
        auroc_without(score_N, met_N, table.prompt_N, table.n_prompts),
        np.bincount(table.prompt_N, minlength=table.n_prompts).astype(np.float64),
    )
    return found


def flip_rate_of(graded: Sequence[GradedAnswer]) -> Estimate:
    """Give the share of questions whose verdict differs between the first two replicates.

    Questions with both verdicts count; another level is another verdict. The interval is over
    prompts.
    """
    by_prompt: dict[str, list[int]] = {}
    for answer in graded:
        flips = by_prompt.setdefault(answer.example.prompt_id, [])
        for first, second in zip(answer.verdicts, (answer.replicates or ((),))[0], strict=False):
            if not first.is_missing and not second.is_missing:
                flips.append((first.outcome, first.level) != (second.outcome, second.level))
    sums_P = np.array([sum(flips) for flips in by_prompt.values()], dtype=np.float64)
    counts_P = np.array([len(flips) for flips in by_prompt.values()], dtype=np.float64)
    return rate(sums_P, counts_P)


def cells_by_stratum(table: AuditTable) -> dict[Stratum, Floats]:
    """Count judge against labels by kind of criterion and prompt: [P, 4] each."""
    size = 2 * len(table.categories)
    code_N = 2 * table.category_N + table.desirable_N
    group_L = (table.prompt_N * size + code_N)[table.question_L]
    cells = table.cells_by(group_L, table.n_prompts * size).reshape(table.n_prompts, size, 4)
    asked = set(np.unique(code_N).tolist())
    polarities = (Polarity.UNDESIRABLE, Polarity.DESIRABLE)
    return {
        Stratum(name, polarity): cells[:, 2 * code + sign]
        for code, name in enumerate(table.categories)
        for sign, polarity in enumerate(polarities)
        if 2 * code + sign in asked
    }


def _plain_stratum(stratum: Stratum, cells_PK: Floats) -> dict[str, object]:
    """Give the counts of a kind; of three levels or more K x K a prompt, by the judge's level."""
    named: dict[str, object] = {"category": stratum.category, "polarity": stratum.polarity.value}
    if stratum.n_levels > 2:
        named["n_levels"] = stratum.n_levels
        if stratum.choices:
            named["choices"] = stratum.choices
    # the prompts that are counted, each with its place: draws take prompts of all kinds
    place = np.flatnonzero(cells_PK.any(axis=1))
    return {**named, "cells": np.column_stack([place, cells_PK[place]]).astype(int).tolist()}


def _pairs_of(table: AuditTable) -> Pairs:
    score_N, met_N = _ranked(table)
    return pairs_within_criteria(score_N, met_N, table.criterion_N, table.prompt_N, table.n_prompts)


def _ranked(table: AuditTable) -> tuple[Floats, Bools]:
    """Give score and label of what is ranked; no score where raters tie: neither kind has it."""
    share_N = table.label_share_N
    return np.where(share_N == 0.5, np.nan, table.score_N), share_N > 0.5


@dataclass(frozen=True, slots=True)
class Difference:
    """One judge beside another, on the questions that both gave a verdict on."""

    n: int
    disagree: Estimate
    """Share of them on which the two say otherwise."""
    figures: Mapping[str, Estimate]
    """By the names in `COMPARED`: the other judge minus the first, paired over prompts."""

    to_json = plain_fields


def difference(first: AuditTable, other: AuditTable) -> Difference:
    """Compare two judges on the same labels; both are without the same prompt in turn.

    Args:
        first: What is compared with.
        other: Verdicts of the other judge beside the same labels, in the same order.
    """
    has = ~np.isnan(first.verdict_N) & ~np.isnan(other.verdict_N)

    def by_prompt(values: Floats) -> Floats:
        return sums_by(first.prompt_N[has], values, first.n_prompts)

    differs = np.abs(first.verdict_N - other.verdict_N)[has]
    return Difference(
        n=int(has.sum()),
        disagree=rate(by_prompt(differs), by_prompt(np.ones(len(differs)))),
        figures={name: one.estimate() for name, one in paired_figures(first, other).items()},
    )


def paired_figures(first: AuditTable, other: AuditTable) -> dict[str, LeftOut]:
    """Give the figures in `COMPARED` of another judge minus the first, on what both answered."""
    has = ~np.isnan(first.verdict_N) & ~np.isnan(other.verdict_N)
    one, two = (
        figures_of(replace(side, verdict_N=np.where(has, side.verdict_N, np.nan)))
        for side in (first, other)
    )
    return {name: two[name].minus(one[name]) for name in COMPARED}
