"""Trees read from arrays say what the trees they were read from say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rubricbeat.judges.fitted.trees import Trees, grow

pytestmark = pytest.mark.border


def test_a_tree_worked_by_hand():
    tree = Trees(
        column=np.array([[1, 0, 0]]),
        threshold=np.array([[2.0, 0.0, 0.0]]),
        left=np.array([[1, 1, 2]]),
        right=np.array([[2, 1, 2]]),
        value=np.array([[0.0, -1.0, 3.0]]),
        base=0.5,
        depth=1,
    )
    rows = np.array([[9.0, 2.0], [9.0, 2.1]])
    assert tree.logits(rows).tolist() == [-0.5, 3.5]


def test_grown_trees_survive_json_and_equal_scikit_learns():
    ensemble = pytest.importorskip("sklearn.ensemble")
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    met = x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=400) > 0
    kept = Trees.from_json(json.loads(json.dumps(grow(x, met, seed=3).to_json())))
    with threadpool_limits(1, user_api="openmp"):
        reference = ensemble.HistGradientBoostingClassifier(
            max_iter=300,
            learning_rate=0.05,
            max_leaf_nodes=31,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=3,
        ).fit(x, met)
        new = rng.normal(size=(200, 4)) * 5
        expected = reference.decision_function(new)
    assert kept.logits(new) == pytest.approx(expected, abs=1e-9)


def test_trees_of_unequal_size_are_refused():
    with pytest.raises(ValueError):
        Trees.from_json(
            {
                "base": 0,
                "depth": 1,
                "trees": [
                    {name: [0] for name in ("column", "threshold", "left", "right", "value")},
                    {name: [0, 1] for name in ("column", "threshold", "left", "right", "value")},
                ],
            }
        )
