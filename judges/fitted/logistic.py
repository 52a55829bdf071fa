"""Ridge logistic regression on a few features, and the way from log-odds to probabilities.

Not scikit-learn's, which stops its search earlier: calibration takes the exact optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..scoring.verdict_table import Bools, Floats

N_STEPS = 50
RIDGE = 1.0
"""Penalty on a standardised weight, in units of observations."""
MAX_LOGIT = 30.0


@dataclass(frozen=True, slots=True)
class Logistic:
    """Weights on standardised features."""

    mean_F: Floats
    scale_F: Floats
    weight_F: Floats
    bias: float

    def logits(self, features_NF: Floats) -> Floats:
        """Give the log-odds of met, [N]."""
        total: Floats = (features_NF - self.mean_F) / self.scale_F @ self.weight_F + self.bias
        return total


def fit_logistic(features_NF: Floats, met_N: Bools, *, ridge: float = RIDGE) -> Logistic:
    """Fit weights by Newton's method; the bias carries no penalty.

    Args:
        features_NF: Any scale; a constant column gets no weight.
        met_N: What the labels say.
        ridge: Penalty; above 0 keeps weights finite where the classes separate.
    """
    mean_F = features_NF.mean(axis=0)
    spread_F = features_NF.std(axis=0)
    scale_F = np.where(spread_F > 0, spread_F, 1.0)
    design = np.column_stack([(features_NF - mean_F) / scale_F, np.ones(len(features_NF))])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-6  # only so that labels of one class have an answer
    weight = np.zeros(design.shape[1])
    for _ in range(N_STEPS):
        chance = chance_of(design @ weight)
        gradient = design.T @ (chance - met_N) + penalty * weight
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weight -= np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-9:
            break
    return Logistic(mean_F, scale_F, weight[:-1], float(weight[-1]))


def chance_of(logits: Floats) -> Floats:
    """Turn log-odds into probabilities."""
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -MAX_LOGIT, MAX_LOGIT)))
