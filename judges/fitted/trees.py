"""Models of chosen features, as plain arrays: gradient-boosted trees and logistic regression.

Trees are grown by scikit-learn, kept as JSON, and read by numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audit.baselines import chance_of
from ..errors import ConfigError
from ..scoring.rubric_arrays import Bools, Floats

N_TREES = 300
LEARNING_RATE = 0.05
N_LEAVES = 31
_ARRAYS: dict[str, Any] = {
    "column": np.intp,
    "threshold": np.float64,
    "left": np.intp,
    "right": np.intp,
    "value": np.float64,
}
N_STEPS = 50
RIDGE = 1.0
"""Penalty on a standardised weight, in units of observations."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees padded to one size, [T, M]: node 0 is the root, a leaf is its own child."""

    column: NDArray[np.intp]
    threshold: Floats
    """At or below it goes left."""
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    value: Floats
    """Log-odds that a leaf adds."""
    base: float
    """Log-odds before any tree."""
    depth: int

    def logits(self, features_NF: Floats) -> Floats:
        """Give the log-odds of met, [N]."""
        tree_T = np.arange(len(self.column))
        node_NT = np.zeros((len(features_NF), len(tree_T)), dtype=np.intp)
        row_N1 = np.arange(len(features_NF))[:, None]
        for _ in range(self.depth):
            value_NT = features_NF[row_N1, self.column[tree_T, node_NT]]
            goes_left = value_NT <= self.threshold[tree_T, node_NT]
            node_NT = np.where(goes_left, self.left[tree_T, node_NT], self.right[tree_T, node_NT])
        return np.asarray(self.base + self.value[tree_T, node_NT].sum(axis=1))

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {
            "base": self.base,
            "depth": self.depth,
            "trees": [
                {name: getattr(self, name)[tree].tolist() for name in _ARRAYS}
                for tree in range(len(self.column))
            ],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Trees:
        """Read the plain form back.

        Raises:
            KeyError, ValueError: It is not of this form.
        """
        trees = plain["trees"]
        arrays = {
            name: np.array([tree[name] for tree in trees], dtype=dtype)
            for name, dtype in _ARRAYS.items()
        }
        if any(array.ndim != 2 for array in arrays.values()):
            raise ValueError("trees differ in size")
        return cls(**arrays, base=float(plain["base"]), depth=int(plain["depth"]))


def grow(features_NF: Floats, met_N: Bools, *, seed: int) -> Trees:
    """Grow trees on labelled features.

    Raises:
        ConfigError: scikit-learn is missing.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise ConfigError(
            f"growing trees needs scikit-learn ({error}); pip install 'rubricbeat[fit]'"
        ) from error
    model = HistGradientBoostingClassifier(
        max_iter=N_TREES,
        learning_rate=LEARNING_RATE,
        max_leaf_nodes=N_LEAVES,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    # its threads wait for each other by spinning: on a busy machine two are slower than one by
    # a hundred times, on an idle one faster by less than two
    with threadpool_limits(1, user_api="openmp"):
        model.fit(features_NF, met_N)
    trees = _plain(model)
    # the arrays are read from scikit-learn's inside: make sure that they say what it says
    some = features_NF[:: max(1, len(features_NF) // 256)]
    if not np.allclose(trees.logits(some), model.decision_function(some), atol=1e-9):
        raise ConfigError("this version of scikit-learn stores trees in an unknown format")
    return trees


def _plain(model: Any) -> Trees:
    grown: Sequence[Any] = [predictor.nodes for (predictor,) in model._predictors]
    n_nodes = max(len(nodes) for nodes in grown)
    shape = (len(grown), n_nodes)
    column = np.zeros(shape, dtype=np.intp)
    threshold = np.zeros(shape)
    # a leaf, and padding, is its own child: walking on stays there
    left = np.tile(np.arange(n_nodes), (len(grown), 1))
    right = left.copy()
    value = np.zeros(shape)
    for tree, nodes in enumerate(grown):
        inner = nodes["is_leaf"] == 0
        place = np.flatnonzero(inner)
        column[tree, place] = nodes["feature_idx"][inner]
        # the last bin is open above; JSON has no infinity
        threshold[tree, place] = np.minimum(nodes["num_threshold"][inner], 1e308)
        left[tree, place] = nodes["left"][inner]
        right[tree, place] = nodes["right"][inner]
        value[tree, : len(nodes)] = np.where(inner, 0.0, nodes["value"])
    depth = max(int(nodes["depth"].max()) for nodes in grown)
    base = float(np.ravel(model._baseline_prediction)[0])
    return Trees(column, threshold, left, right, value, base, depth)


@dataclass(frozen=True, slots=True)
class Logistic:
    """Weights on standardised features."""

    mean_F: Floats
    scale_F: Floats
    weight_F: Floats
    bias: float

    def logits(self, features_NF: Floats) -> Floats:
        """Give the log-odds of met, [N]."""
        return np.asarray((features_NF - self.mean_F) / self.scale_F @ self.weight_F + self.bias)

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {
            "mean": self.mean_F.tolist(),
            "scale": self.scale_F.tolist(),
            "weight": self.weight_F.tolist(),
            "bias": self.bias,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Logistic:
        """Read the plain form back.

        Raises:
            KeyError, ValueError: It is not of this form.
        """
        mean_F, scale_F, weight_F = (
            np.array(plain[name], dtype=np.float64) for name in ("mean", "scale", "weight")
        )
        return cls(mean_F, scale_F, weight_F, float(plain["bias"]))


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
