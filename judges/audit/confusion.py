"""Counts of a judge's verdicts against labels, and every agreement figure made of them.

Source of the headline: HealthBench (arXiv 2505.08775), meta-evaluation: each (judge, label) pair
counts once; F1 of "met" and F1 of "not met", averaged. A figure whose divisor is 0 is None, or NaN
in arrays; it is never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Floats

CELLS = ("tp", "fp", "fn", "tn")
"""Order of the counts on the last axis: judge met and label met, judge met alone, label met alone,
neither."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts [..., 4] in the order of `CELLS`; figures keep the leading axes."""

    counts: Floats

    @classmethod
    def of(cls, tp: float, fp: float, fn: float, tn: float) -> Confusion:
        """Take the four counts of one judge."""
        return cls(np.array([tp, fp, fn, tn], dtype=np.float64))

    @property
    def n(self) -> Floats:
        """Pairs counted."""
        total: Floats = self.counts.sum(axis=-1)
        return total

    def figures(self) -> dict[str, Floats]:
        """Give each agreement figure, [...]; NaN where its divisor is 0.

        `sensitivity` is the share of labels "met" that the judge calls met, `specificity` that of
        labels "not met" it calls not met. Kappa is Cohen's over the pairs; it and the balanced F1
        are of labels of both kinds, and NaN where one of them is missing.
        """
        tp, fp, fn, tn = np.moveaxis(self.counts, -1, 0)
        n = tp + fp + fn + tn
        f1_met = _ratio(2 * tp, 2 * tp + fp + fn)
        f1_not = _ratio(2 * tn, 2 * tn + fp + fn)
        observed = _ratio(tp + tn, n)
        expected = _ratio((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn), n * n)
        both = np.where((tp + fn > 0) & (tn + fp > 0), 1.0, np.nan)
        return {
            "balanced_f1": both * (f1_met + f1_not) / 2,
            "f1_met": f1_met,
            "f1_not_met": f1_not,
            "precision_met": _ratio(tp, tp + fp),
            "precision_not_met": _ratio(tn, tn + fn),
            "sensitivity": _ratio(tp, tp + fn),
            "specificity": _ratio(tn, tn + fp),
            "accuracy": observed,
            "kappa": both * _ratio(observed - expected, 1 - expected),
            "judge_met": _ratio(tp + fp, n),
            "label_met": _ratio(tp + fn, n),
        }

    def to_json(self) -> dict[str, Any]:
        """Give counts and figures of one judge in the plain form."""
        counts = dict(zip(CELLS, map(float, self.counts), strict=True))
        return {"n": float(self.n), **counts, **plain(self.figures())}


def plain(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """Turn scalar figures into JSON numbers; NaN becomes None."""
    return {name: number(value) for name, value in figures.items()}


def number(value: Any) -> float | None:
    """Turn NaN into None."""
    return None if np.isnan(value) else float(value)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    out = np.full(np.shape(bottom), np.nan)
    np.divide(top, bottom, out=out, where=np.asarray(bottom) > 0)
    return out
