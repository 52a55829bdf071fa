"""The small logistic regression."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.audit.baselines import chance_of
from rubricbeat.judges.fitted.trees import fit_logistic


def test_without_a_penalty_two_groups_get_their_shares():
    # 1 of 4 met where x = 0, 3 of 4 where x = 1: the curve passes through both shares
    x = np.array([[0.0]] * 4 + [[1.0]] * 4)
    met = np.array([True, False, False, False, True, True, True, False])
    found = chance_of(fit_logistic(x, met, ridge=1e-9).logits(np.array([[0.0], [1.0]])))
    assert found == pytest.approx([0.25, 0.75], abs=1e-6)


def test_classes_that_separate_and_constant_columns_keep_weights_finite():
    x = np.array([[0.0, 7.0]] * 5 + [[1.0, 7.0]] * 5)
    found = fit_logistic(x, np.arange(10) >= 5)
    assert np.isfinite(found.weight_F).all()
    assert found.weight_F[1] == pytest.approx(0.0)


def test_labels_of_one_class_give_a_high_chance_and_no_crash():
    found = fit_logistic(np.zeros((30, 1)), np.ones(30, dtype=bool))
    assert chance_of(found.logits(np.zeros((1, 1))))[0] > 0.95
