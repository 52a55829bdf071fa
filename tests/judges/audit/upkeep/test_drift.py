"""Drift beside a judge's own noise; docs/trust.md, benchmarks/upkeep.py has more worlds."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_upkeep import drift_in_world

from rubricbeat.judges.audit.upkeep.drift import flips
from rubricbeat.judges.verdict import Verdict


def test_without_a_change_noise_is_not_called_drift() -> None:
    found = [drift_in_world(seed) for seed in range(60)]
    assert min(one.differ.value for one in found) > 0.1  # a fifth differs all the same
    assert abs(np.mean([one.beyond.value for one in found])) < 0.01
    # 3 are expected; a rule that calls any difference drift gives 60
    assert sum(bool(one.shown_by) for one in found) <= 7


def test_a_planted_change_is_found_whatever_its_kind() -> None:
    lost = [drift_in_world(seed, noise=0, lost=0.3) for seed in range(10)]
    assert all("sensitivity" in one.shown_by for one in lost)
    # half of the turned verdicts go up and half down, so that no rate of met moves much
    turned = [drift_in_world(seed, turned=0.3) for seed in range(10)]
    assert all("beyond" in one.shown_by for one in turned)


def test_a_judge_that_turns_wholly_has_no_spread_and_has_changed() -> None:
    found = drift_in_world(1, noise=0, turned=1.0)
    assert found.differ.value == found.beyond.value == 1.0
    assert "beyond" in found.shown_by


def test_fewer_than_ten_prompts_show_nothing() -> None:
    found = drift_in_world(1, n_prompts=8, noise=0, turned=1.0)
    assert found.beyond.low is None and found.shown_by == ()


def test_replicates_are_compared_pair_by_pair() -> None:
    yes, no = Verdict.of(True), Verdict.of(False)
    assert flips([yes]) is None
    assert flips([yes, yes, no]) == pytest.approx(2 / 3)
    assert flips([Verdict.at_level(1), Verdict.at_level(2)]) == 1.0
