"""The audit of a judge on levels, and on what does not apply, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...judges.audit.levels import LevelAudit, NaAudit, ScaleAudit
from ...judges.scoring.estimates import Estimate
from ...reports import numbers
from ...reports.interval_words import told
from ..terminal import aligned

_FIGURES = {
    "accuracy": "same level",
    "kappa": "kappa",
    "kappa_linear": "kappa, linear weights",
    "kappa_quadratic": "kappa, quadratic weights",
    "tau_b": "Kendall's tau-b within a criterion",
    "judge_share": "mean share of points, judge",
    "label_share": "mean share of points, labels",
}
_NA_FIGURES = {
    "judge_na": "judge says it",
    "label_na": "labels say it",
    "agreement": "agreement",
    "kappa": "kappa",
    "sensitivity": "the judge too, where labels say it",
    "specificity": "the judge not, where labels do not",
}
MAX_CRITERIA = 8
"""Criteria shown; all of them are in --json."""
MAX_NAME = 40


def level_parts(found: LevelAudit) -> Iterator[str]:
    """Lay out each scale, then what does not apply."""
    for scale in found.scales:
        yield from _scale(scale)
    if found.not_applicable is not None:
        yield from _not_applicable(found.not_applicable)


def variant_parts(variants: Sequence[tuple[str, LevelAudit | None]]) -> Iterator[str]:
    """Put variants of a judge beside each other, scale by scale."""
    rows = [
        (
            f"  {name}",
            scale.name,
            *(
                told(scale.figures[key]) if key in scale.figures else numbers.NONE
                for key in ("accuracy", "kappa", "kappa_quadratic")
            ),
        )
        for name, levels in variants
        for scale in (levels.scales if levels is not None else ())
    ]
    if rows:
        head = ("variant", "scale", "same level", "kappa", "kappa, quadratic")
        yield aligned([head, *rows])


def _scale(scale: ScaleAudit) -> Iterator[str]:
    yield (
        f"{scale.name}: {scale.n_questions} criteria of answers, {scale.n_pairs} (judge, label) "
        f"pairs, {scale.n_without_verdict} without a verdict"
    )
    if not scale.n_pairs:
        return
    yield _listed(_FIGURES, scale.figures)
    levels = range(scale.n_levels)
    head = ("judge \\ label", *(f"level {level}" for level in levels))
    rows = [(f"level {level}", *map(str, scale.confusion[level])) for level in levels]
    yield aligned([head, *rows])
    if scale.calibration:
        stated = [
            (
                f"level {level}",
                numbers.score(sum(one.stated * one.n for one in of.bins) / of.n),
                numbers.score(sum(one.observed * one.n for one in of.bins) / of.n),
                numbers.score(of.ece),
            )
            for level, of in enumerate(scale.calibration)
        ]
        yield aligned([("stated", "mean chance", "labels there", "calibration error"), *stated])
    if len(scale.criteria) > 1:
        shown = [
            (
                f"criterion {row.criterion} of prompt {row.prompt_id[:MAX_NAME]}",
                str(row.n_pairs),
                numbers.score(row.tau_b),
                numbers.score(row.kappa_quadratic),
            )
            for row in scale.criteria[:MAX_CRITERIA]
        ]
        if len(scale.criteria) > MAX_CRITERIA:
            shown.append((f"and {len(scale.criteria) - MAX_CRITERIA} more (--json)", "", "", ""))
        yield aligned([("criterion", "pairs", "tau-b", "kappa, quadratic"), *shown])


def _not_applicable(found: NaAudit) -> Iterator[str]:
    yield f"not applicable: {found.n_pairs} (judge, label) pairs on criteria with may_be_na"
    if not found.n_pairs:
        return
    yield _listed(_NA_FIGURES, found.figures)
    shares = [
        (rater or "(unnamed)", numbers.share(share))
        for rater, share in sorted(found.share_by_rater.items(), key=lambda one: -one[1])
    ]
    if len(shares) > 1:
        yield aligned([("rater", "labels that say it"), *shares[:MAX_CRITERIA]])


def _listed(names: Mapping[str, str], figures: Mapping[str, Estimate]) -> str:
    known = [(title, figures[name]) for name, title in names.items() if name in figures]
    return aligned([("", "95 % interval"), *((title, told(one)) for title, one in known)])
