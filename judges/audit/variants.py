"""Two judges, or two wordings of one, on the same questions: what differs, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import Floats
from ..estimates import Estimate
from ..resampling import draw_weights
from .figure import figure_of_draws, ratio_figure
from .labelled import AuditTable
from .study import N_DRAWS, SEED, draw_figures

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


def difference(
    first: AuditTable, other: AuditTable, *, seed: int = SEED, n_draws: int = N_DRAWS
) -> Difference:
    """Compare two judges on the same labels; both are drawn with the same prompts.

    Args:
        first: What is compared with.
        other: Verdicts of the other judge beside the same labels, in the same order.
        seed: Of the bootstrap over prompts.
        n_draws: Bootstrap draws.
    """
    has = ~np.isnan(first.verdict_N) & ~np.isnan(other.verdict_N)
    one, two = (
        draw_figures(
            replace(side, verdict_N=np.where(has, side.verdict_N, np.nan)),
            seed=seed,
            n_draws=n_draws,
        )
        for side in (first, other)
    )
    weights_BP = np.concatenate(list(draw_weights(seed, n_draws, first.n_prompts)))

    def by_prompt(values: Floats) -> Floats:
        sums = np.bincount(first.prompt_N[has], weights=values, minlength=first.n_prompts)
        return sums.astype(np.float64)

    differs = np.abs(first.verdict_N - other.verdict_N)[has]
    return Difference(
        n=int(has.sum()),
        disagree=ratio_figure(by_prompt(differs), by_prompt(np.ones(len(differs))), weights_BP),
        figures={
            name: figure_of_draws(
                two[name].value - one[name].value, two[name].drawn_B - one[name].drawn_B
            )
            for name in COMPARED
        },
    )
