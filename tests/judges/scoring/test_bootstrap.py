"""Error bars on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.scoring import bootstrap as resampling
from rubricbeat.judges.scoring.bootstrap import ClusteredColumns, draw_weights

pytestmark = pytest.mark.border

NAN = float("nan")


def columns(*rows: list[float], prompts: list[int] | None = None) -> ClusteredColumns:
    values = np.array(rows, dtype=np.float64)
    codes = np.arange(values.shape[1]) if prompts is None else np.array(prompts)
    return ClusteredColumns.of(values, codes, int(codes.max()) + 1)


def test_mean_and_error_of_single_answers_are_the_usual_ones() -> None:
    # 2, 4, 4, 6: mean 4, sd = sqrt(8 / 3), so sqrt(8 / 12)
    of = columns([2, 4, 4, 6])
    assert of.means_M[0] == 4
    assert of.stderr_M[0] == pytest.approx(np.sqrt(2 / 3))


def test_clustered_error_is_worked_by_hand() -> None:
    # clusters (1, 1) and (0, 0): mean .5, cluster sums of deviations 1 and -1;
    # (1 + 1) / 4^2 x 2 / (2 - 1) = .25, so .5: twice the .289 of four independent answers
    assert columns([1, 1, 0, 0], prompts=[0, 0, 1, 1]).stderr_M[0] == pytest.approx(0.5)


def test_nan_is_no_value_and_no_zero() -> None:
    of = columns([1, NAN, 0], [NAN, NAN, NAN])
    assert of.means_M[0] == 0.5
    assert np.isnan(of.means_M[1])
    assert of.n_M.tolist() == [2, 0]
    assert of.n_prompts_M.tolist() == [2, 0]


def test_one_prompt_has_no_error() -> None:
    assert np.isnan(columns([1, 0], prompts=[0, 0]).stderr_M[0])


def test_draws_of_a_constant_are_the_constant_exactly() -> None:
    draws = columns([0.3] * 30).draws(seed=1, n_draws=500)
    assert np.all(draws == 0.3)


def test_every_draw_has_as_many_prompts_as_there_are() -> None:
    counts = np.concatenate(list(draw_weights(seed=3, n_draws=600, n_prompts=7)))
    assert counts.shape == (600, 7)
    assert np.all(counts.sum(axis=1) == 7)
    # each prompt once a draw on average: 600 draws leave a standard error of .04
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)


def test_kept_and_fresh_draws_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    of = columns([1, 0, 2, 5], [1, NAN, NAN, 0])
    kept = of.draws(seed=9, n_draws=700)
    monkeypatch.setattr(resampling, "MAX_KEPT_BYTES", 0)
    assert np.array_equal(of.draws(seed=9, n_draws=700), kept, equal_nan=True)


def test_draw_without_any_of_a_columns_prompts_is_nan_and_left_out() -> None:
    of = columns([1, 2, 3, 4], [7, NAN, NAN, NAN])
    draws = of.draws(seed=1, n_draws=2_000)
    # (3/4)^4 = 32 % of the draws miss the one prompt of the second column
    assert np.isnan(draws[1]).mean() == pytest.approx(0.316, abs=0.04)
    assert set(draws[1][~np.isnan(draws[1])]) == {7.0}


def test_repeats_of_a_prompt_are_drawn_together() -> None:
    of = columns([1, 1, 0, 0], prompts=[0, 0, 1, 1])
    assert set(np.unique(of.draws(seed=2, n_draws=300))) == {0.0, 0.5, 1.0}
