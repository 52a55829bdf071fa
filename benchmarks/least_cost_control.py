"""Whether a free judge makes stopping earlier: its scores as a control variate (least_cost.py).

The free judge scores all prompts. From each prompt's difference X its own difference F, less the
mean of F over all prompts, is taken off, times a slope that earlier prompts alone have set: the
mean stays what it was, and the spread falls by the squared correlation. `control_share` is then the
share of calls until decided, `control_share_without` that of the same orders without the free
judge, `control_correlation` that of X and F.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from least_cost_two_judges import free_judge
from numpy.typing import NDArray

from rubricbeat.judges.budget.stopping import ScoreRange, StopRule, look

if TYPE_CHECKING:
    from least_cost import Recorded

Floats = NDArray[np.float64]
FIRST = 20
"""Prompts before which the slope is 0."""


def control(recorded: Recorded, n_orders: int, rng: np.random.Generator) -> dict[str, Any]:
    """Stop in random orders with the free judge's scores and without."""
    keys = ("control_share", "control_share_without", "control_correlation")
    if len(recorded.systems) < 2 or len(recorded.prompt_ids) <= FIRST:
        why = f"needs two systems with more than {FIRST} common prompts"
        return {**dict.fromkeys(keys), "why": dict.fromkeys(keys, why)}
    chance_N, _ = free_judge(recorded)
    free_N = np.array(
        [
            sum(c.points * p for c, p in zip(a.example.rubric.criteria, chance, strict=True))
            / max(a.example.rubric.positive_points, 1e-9)
            for a, chance in zip(recorded.answers, chance_N, strict=True)
        ]
    )
    gaps_P, free_P = (np.subtract(*recorded.scores_SP(h_N)) for h_N in (None, free_N))
    known_P = ~np.isnan(gaps_P) & ~np.isnan(free_P)
    if known_P.sum() <= FIRST or np.ptp(free_P[known_P]) < 1e-9 or np.ptp(gaps_P[known_P]) < 1e-9:
        why = "differences, or the free judge's, are all equal or too few"
        return {**dict.fromkeys(keys), "why": dict.fromkeys(keys, why)}
    x_P, calls_P = gaps_P[known_P], recorded.calls_P()[known_P]
    off_P = free_P[known_P] - free_P[known_P].mean()
    shares = []
    for _ in range(n_orders):
        order = rng.permutation(len(x_P))
        for values_T in (_less(x_P[order], off_P[order]), x_P[order]):
            n = look(values_T, StopRule(), ScoreRange(-1.0), alpha=0.05).n_looked
            shares.append(float(calls_P[order[:n]].sum() / calls_P.sum()))
    with_it, without = np.array(shares).reshape(-1, 2).mean(axis=0).tolist()
    correlation = float(np.corrcoef(x_P, off_P)[0, 1])
    return dict(zip(keys, (with_it, without, correlation), strict=True))


def _less(x_T: Floats, off_T: Floats) -> Floats:
    """Take the free judge's part off, by the slope of the prompts before each."""
    slope_T = np.cumsum(x_T * off_T) / np.maximum(np.cumsum(off_T**2), 1e-12)
    before_T = np.concatenate([[0.0], slope_T[:-1]])
    before_T[:FIRST] = 0.0
    lessened: Floats = x_T - before_T * off_T
    return lessened
