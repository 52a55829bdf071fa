"""Corrected figures: exact where the answer is known, and intervals that cover in simulation."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.audit.correction import (
    Corrected,
    FigurePart,
    corrected_sum,
    prediction_powered,
)
from rubricbeat.judges.audit.error_rates import ErrorRates

pytestmark = pytest.mark.border


def cells(tp: float, fp: float, fn: float, tn: float, n_prompts: int = 50) -> np.ndarray:
    """Spread counts evenly over prompts."""
    return np.tile(np.array([tp, fp, fn, tn]) / n_prompts, (n_prompts, 1))


def corrected_rate(met_P, n_P, rates: ErrorRates, seed: int = 1) -> Corrected:
    """Correct the share of verdicts that are met: of n of each prompt, so many."""
    n_P = np.array(n_P, dtype=int)
    said = np.concatenate([np.arange(n) >= met for met, n in zip(met_P, n_P, strict=True)])
    worth_VK, prompt_V = np.tile([1.0, 0.0], (len(said), 1)), np.repeat(np.arange(len(n_P)), n_P)
    part = FigurePart.of(worth_VK, said.astype(int), prompt_V, len(n_P), rates=rates)
    return corrected_sum([part], 0.0 * n_P, 1.0 * n_P, seed=seed, bounds=(0.0, 1.0))


def test_a_rate_is_corrected_as_rogan_and_gladen_do() -> None:
    # sensitivity .9, specificity .8, judged rate .55: (.55 + .8 - 1) / (.9 + .8 - 1) = .5
    rates = ErrorRates.of(cells(90, 20, 10, 80), seed=1)
    found = corrected_rate([55, 55], [100, 100], rates)
    assert found.value == pytest.approx(0.5, abs=1e-12)
    assert found.raw == pytest.approx(0.55, abs=1e-12)


def test_error_rates_of_few_prompts_are_refused_however_many_labels_they_have() -> None:
    # drawn by prompt, nine know little of other prompts: intervals would be far too short
    few = ErrorRates.of(cells(900, 200, 100, 800, n_prompts=9), seed=1)
    assert not few.has_enough
    assert few.refused == (
        "the audit has labels met of 9 prompts and not met of 9; 10 prompts of each are needed"
    )
    assert ErrorRates.of(cells(900, 200, 100, 800, n_prompts=10), seed=1).refused is None
    # all labels "not met" are of one prompt
    lopsided = np.array([[5.0, 0.0, 1.0, 0.0]] * 20 + [[0.0, 5.0, 0.0, 30.0]])
    assert "not met of 1;" in str(ErrorRates.of(lopsided, seed=1).refused)


def test_draws_without_a_verdict_say_nothing() -> None:
    # of three prompts one has verdicts: eight draws in 27 have none, and no division by 0 warns
    rates = ErrorRates.of(cells(90, 20, 10, 80), seed=1)
    found = corrected_rate([3, 0, 0], [4, 0, 0], rates)
    alone = corrected_rate([3], [4], rates)
    assert found.value == alone.value
    assert 0 < found.low <= found.value <= found.high < 1


def test_a_perfect_judge_changes_nothing() -> None:
    rates = ErrorRates.of(cells(100, 0, 0, 100), seed=1)
    found = corrected_rate([3, 1], [4, 4], rates)
    assert found.value == pytest.approx(found.raw)


def test_a_score_is_corrected_verdict_by_verdict() -> None:
    # points 4 and -2 over P = 4; verdicts 1 and 1: f = .5
    # true share of a verdict 1 is (1 + .8 - 1) / .7 = 8/7: 4/4 * 8/7 - 2/4 * 8/7 = 4/7
    rates = ErrorRates.of(cells(90, 20, 10, 80), seed=1)
    one = np.array([1.0])
    worth_VK, first = np.array([[1.0, 0.0], [-0.5, 0.0]]), np.zeros(2, dtype=int)
    part = FigurePart.of(worth_VK, first, first, 1, rates=rates)
    found = corrected_sum([part], 0 * one, one, seed=1, bounds=(0.0, 1.0))
    assert found.value == pytest.approx(4 / 7, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ((50, 50, 50, 50), "no better than chance"),
        ((100, 4, 0, 4), "10 of each are needed"),
        ((12, 8, 9, 11), "cannot distinguish this judge from chance"),
    ],
)
def test_an_audit_that_cannot_carry_a_correction_refuses_with_its_reason(
    counts: tuple[float, ...], why: str
) -> None:
    rng = np.random.default_rng(0)
    picks = rng.permutation(np.repeat(np.arange(4), counts))
    by_prompt = np.eye(4)[picks]
    rates = ErrorRates.of(by_prompt, seed=1)
    found = corrected_rate([1], [2], rates)
    assert found.refused is not None
    assert why in found.refused
    assert found.value is None


def simulated_rate(rng: np.random.Generator) -> Corrected:
    """Judge 150 prompts of 4 verdicts at true rate .4, after an audit of 150 others."""
    sensitivity, specificity = 0.85, 0.75

    def verdicts(n_prompts: int) -> tuple[np.ndarray, np.ndarray]:
        rate = np.clip(rng.normal(0.4, 0.15, (n_prompts, 1)), 0.05, 0.95)
        truth = rng.random((n_prompts, 4)) < rate
        chance = np.where(truth, sensitivity, 1 - specificity)
        return truth, rng.random((n_prompts, 4)) < chance

    truth, said = verdicts(150)
    audit = np.stack(
        [(said & truth), (said & ~truth), (~said & truth), (~said & ~truth)], axis=-1
    ).sum(axis=1)
    rates = ErrorRates.of(audit.astype(float), seed=int(rng.integers(1 << 30)), n_draws=400)
    _, judged = verdicts(150)
    return corrected_rate(judged.sum(axis=1), [4] * 150, rates, seed=int(rng.integers(1 << 30)))


def test_the_interval_of_a_corrected_rate_covers_the_truth() -> None:
    rng = np.random.default_rng(11)
    found = [simulated_rate(rng) for _ in range(200)]
    covered = np.mean([f.low <= 0.4 <= f.high for f in found])
    # 95 % nominal; 200 seeds have a standard error of 1.5 points
    assert 0.91 <= covered <= 0.99
    assert np.mean([f.value for f in found]) == pytest.approx(0.4, abs=0.01)
    assert np.mean([f.raw for f in found]) > 0.45


def test_prediction_powered_intervals_cover_and_beat_the_labels_alone() -> None:
    rng = np.random.default_rng(3)
    covered, narrower = [], []
    for _ in range(300):
        truth = rng.normal(0.5, 0.2, 600)
        judged = truth + 0.1 + rng.normal(0, 0.1, 600)
        found = prediction_powered(judged[100:], judged[:100], truth[:100])
        covered.append(found.low <= 0.5 <= found.high)
        alone = 1.96 * truth[:100].std(ddof=1) / 10
        narrower.append((found.high - found.low) / 2 < alone)
    assert 0.91 <= np.mean(covered) <= 0.99
    assert np.mean(narrower) > 0.95


def test_prediction_powered_intervals_cover_with_as_few_labels_as_it_takes() -> None:
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(1500):
        truth = rng.normal(0.5, 0.2, 320)
        judged = truth + rng.normal(0, 0.05, 320)
        found = prediction_powered(judged[20:], judged[:20], truth[:20])
        covered.append(found.low <= 0.5 <= found.high)
    # the normal quantile covers 93.5 %; 1500 seeds have a standard error of 0.6 points
    assert 0.938 <= np.mean(covered) <= 0.965


def test_without_a_spread_the_interval_is_a_point_and_without_judged_items_it_is_students() -> None:
    still = prediction_powered(np.ones(50), np.ones(30), np.ones(30))
    assert (still.low, still.high) == (1.0, 1.0)
    label = np.arange(20.0)
    alone = prediction_powered(np.array([]), np.zeros(20), label)
    # t(19) at 97.5 % is 2.093
    assert alone.high - alone.value == pytest.approx(2.093 * label.std(ddof=1) / 20**0.5, rel=1e-4)


def test_the_weight_of_the_judge_takes_a_degree_of_freedom() -> None:
    said, missed = np.tile([-1.0, 1.0], 10), np.tile([1.0, 1.0, -1.0, -1.0], 5)
    found = prediction_powered(np.tile([-1.0, 1.0], 500), said, said + missed)
    # weight 1: squares of 20 over 18 and 20 prompts, 1 / 999 of the others; t(18.65) is 2.0957
    assert found.value == pytest.approx(0.0)
    assert found.high == pytest.approx(2.0957 * (1 / 18 + 1 / 999) ** 0.5, rel=1e-4)


def test_too_few_labels_are_refused() -> None:
    found = prediction_powered(np.ones(50), np.ones(3), np.ones(3))
    assert found.value is None
    assert "3 prompts carry labels" in (found.refused or "")
