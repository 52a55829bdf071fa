"""Two judges, or two wordings of one, on the same questions: what differs, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import Floats
from ..estimates import Estimate
from ..jackknife import rate
from .labelled import AuditTable
from .study import figures_of

COMPARED = ("balanced_f1", "pairwise", "auroc", "kappa", "sensitivity", "specificity")


@dataclass(frozen=True, slots=True)
class Difference:
    """One judge beside another, on the questions that both gave a verdict on."""

    n: int
    disagree: Estimate
    """Share of them on which the two say otherwise."""
    figures: Mapping[str, Estimate]
    """By the names in `COMPARED`: the other judge minus the first, paired over prompts."""

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        return {
            "n": self.n,
            "disagree": self.disagree.to_json(),
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
        }


def difference(first: AuditTable, other: AuditTable) -> Difference:
    """Compare two judges on the same labels; both are without the same prompt in turn.

    Args:
        first: What is compared with.
        other: Verdicts of the other judge beside the same labels, in the same order.
    """
    has = ~np.isnan(first.verdict_N) & ~np.isnan(other.verdict_N)
    one, two = (
        figures_of(replace(side, verdict_N=np.where(has, side.verdict_N, np.nan)))
        for side in (first, other)
    )

    def by_prompt(values: Floats) -> Floats:
        sums = np.bincount(first.prompt_N[has], weights=values, minlength=first.n_prompts)
        return sums.astype(np.float64)

    differs = np.abs(first.verdict_N - other.verdict_N)[has]
    return Difference(
        n=int(has.sum()),
        disagree=rate(by_prompt(differs), by_prompt(np.ones(len(differs)))),
        figures={name: two[name].minus(one[name]).estimate() for name in COMPARED},
    )
