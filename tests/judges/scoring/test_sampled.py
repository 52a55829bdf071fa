"""A weighted sample tells the total: by enumeration of every sample, and by simulation."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from rubricbeat.judges.scoring.sampled import SampledTotal, fit_line, freedom, sampled_total

# six verdicts of four prompts; the free judge is wrong on some, and two signs of weight
PROMPT = np.array([0, 0, 1, 2, 2, 3])
FREE = np.array([0.9, 0.2, 0.7, np.nan, 0.1, 0.6])
DEAR = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
CHANCE = np.array([0.5, 0.25, 0.8, 0.4, 1.0, 0.3])
WEIGHT = np.array([0.2, -0.1, 0.25, 0.3, 0.1, 0.05])
TRUTH = 0.2 - 0.1 + 0.3 + 0.05
SHARE = np.array([0.25, 0.25, 0.25, 0.25])


def every_sample():
    """Each possible sample, with its chance."""
    for drawn in product((False, True), repeat=len(CHANCE)):
        at = np.array(drawn)
        yield at, float(np.prod(np.where(at, CHANCE, 1 - CHANCE)))


@pytest.mark.parametrize("line", [None, (0.0, 1.0), (0.3, 0.0)])
def test_its_mean_over_every_sample_is_the_total(line) -> None:
    mean = sum(
        p
        * sampled_total(
            FREE, np.where(at, DEAR, np.nan), CHANCE, PROMPT, WEIGHT, share_P=SHARE, line=line
        ).value
        for at, p in every_sample()
    )
    assert mean == pytest.approx(TRUTH, abs=1e-12)


def test_the_labels_without_their_chances_would_not_be() -> None:
    mean = sum(
        p
        * sampled_total(
            FREE,
            np.where(at, DEAR, np.nan),
            np.full(6, CHANCE.mean()),
            PROMPT,
            WEIGHT,
            share_P=SHARE,
            line=(0.0, 1.0),
        ).value
        for at, p in every_sample()
    )
    assert abs(mean - TRUTH) > 0.05


def test_the_variance_of_the_sampling_is_the_exact_one() -> None:
    found = [
        (
            p,
            sampled_total(
                FREE, np.where(at, DEAR, np.nan), CHANCE, PROMPT, WEIGHT, share_P=SHARE, line=(0, 0)
            ),
        )
        for at, p in every_sample()
    ]
    exact = sum(p * (one.value - TRUTH) ** 2 for p, one in found)
    # sum of w^2 y^2 (1 - pi) / pi: .04 + .01 x 3 + 0 + .09 x 1.5 + 0 + .0025 x 7/3
    assert exact == pytest.approx(0.04 + 0.03 + 0.135 + 0.0025 * 7 / 3)
    assert sum(p * one.sampling_variance for p, one in found) == pytest.approx(exact)


def test_with_everything_drawn_it_is_the_mean_with_its_usual_interval() -> None:
    rng = np.random.default_rng(5)
    truth, n = rng.random(30), 30
    found = sampled_total(
        rng.random(n), truth, np.ones(n), np.arange(n), np.full(n, 1 / n), share_P=np.full(n, 1 / n)
    )
    assert found.value == pytest.approx(truth.mean())
    assert found.sampling_variance == 0
    assert found.variance == pytest.approx(truth.var(ddof=1) / n)


def test_freedom_counts_the_prompts_that_make_up_the_spread() -> None:
    # of two values, plus and minus 1, the kurtosis is 1: as many as there are
    assert freedom(np.tile([1.0, -1.0], 10), 20) == 19
    # 18 of 20 tell nothing: kurtosis 10, and 40 / 9
    assert freedom(np.array([1.0, -1.0] + [0.0] * 18), 20) == pytest.approx(40 / 9)
    # one prompt that makes up the spread: 40 / 19 of 20, and never below 1
    assert freedom(np.array([1.0] + [0.0] * 19), 20) == pytest.approx(40 / 19)
    assert freedom(np.array([1.0, 0.0]), 2) == 1
    # where nothing varies, those of the prompts with a drawn part
    assert freedom(np.zeros(20), 7) == 6
    assert freedom(np.zeros(20), 1) == 1


def test_a_total_has_a_t_interval_and_a_t_test_at_its_freedom() -> None:
    # influences of plus and minus .1 on 20 prompts: a variance of .2 x 20 / 19, 19 degrees
    found = SampledTotal(1.0, np.tile([0.1, -0.1], 10), 0.05, 20)
    assert found.variance == pytest.approx(0.2 * 20 / 19)
    # the quantile of t at .975 with 19 degrees is 2.0930; a root of .45883
    assert found.interval.low == pytest.approx(1 - 2.0930 * 0.45883, abs=1e-4)
    assert found.interval.high == pytest.approx(1 + 2.0930 * 0.45883, abs=1e-4)
    # at that quantile the test is at 5 %, whatever the sign
    at_quantile = [replace(found, value=sign * 2.0930 * 0.45883) for sign in (1, -1)]
    assert [one.p_value for one in at_quantile] == pytest.approx([0.05] * 2, abs=1e-4)
    assert replace(found, value=0.0).p_value == 1
    assert replace(found, influence_P=np.zeros(20)).p_value is None
    assert np.isnan(replace(found, influence_P=np.ones(1)).variance)


def test_a_difference_is_taken_prompt_by_prompt() -> None:
    one = SampledTotal(1.0, np.array([0.3, -0.1, -0.2]), 0.05, 3)
    other = SampledTotal(0.4, np.array([0.2, -0.1, -0.1]), 0.02, 2)
    found = one.minus(other)
    assert (found.value, found.n_prompts) == (0.6, 2)
    assert found.influence_P == pytest.approx([0.1, 0.0, -0.1])
    assert found.sampling_variance == pytest.approx(0.07)


def test_a_line_is_fitted_by_weight_and_never_falls() -> None:
    free, dear = np.array([0.0, 1.0, 2.0, 9.0]), np.array([1.0, 3.0, 5.0, -7.0])
    assert fit_line(free, dear, np.array([1.0, 2.0, 1.0, 0.0])) == pytest.approx((1, 2))
    # 1 and 3 at a weight of 3 and 1, too few for a slope: their mean
    assert fit_line(free, dear, np.array([3.0, 1.0, 0.0, 0.0])) == (1.5, 0.0)
    assert fit_line(free, -dear, np.array([1.0, 2.0, 1.0, 0.0])) == (-3.0, 0.0)
    assert fit_line(np.ones(4), dear, np.ones(4)) == (0.5, 0.0)
    assert fit_line(free, dear, np.zeros(4)) == (0.0, 1.0)


def draw(rng: np.random.Generator, n: int):
    """Verdicts of n prompts of six under a judge that is too kind, drawn where it is unsure."""
    quality = rng.beta(2, 2, (n, 1))
    truth = (rng.random((n, 6)) < quality).astype(float)
    free = np.clip(0.35 + 0.5 * quality + 0.2 * (truth - 0.5) + rng.normal(0, 0.1, (n, 6)), 0, 1)
    # by something else too what is not met is drawn more often: without the chances, a bias
    seen = rng.random((n, 6)) < 0.3 + 0.4 * truth
    chance = np.where(seen, 0.15, 0.6)
    drawn = rng.random((n, 6)) < chance
    return truth, free, chance, drawn


def estimate(world, *, weighted: bool):
    truth, free, chance, drawn = world
    n = len(truth)
    return sampled_total(
        free.ravel(),
        np.where(drawn, truth, np.nan).ravel(),
        (chance if weighted else np.full_like(chance, drawn.mean())).ravel(),
        np.repeat(np.arange(n), 6),
        np.full(6 * n, 1 / (6 * n)),
        share_P=np.full(n, 1 / n),
    ).interval


def test_intervals_cover_and_those_without_the_chances_do_not() -> None:
    rng = np.random.default_rng(9)
    hits = {True: 0, False: 0}
    for _ in range(300):
        world = draw(rng, 60)
        for weighted in hits:
            found = estimate(world, weighted=weighted)
            hits[weighted] += found.low <= 0.5 <= found.high  # the mean of beta(2, 2)
    # 95 % nominal; 300 runs have a standard error of 1.3 points
    assert 0.91 <= hits[True] / 300 <= 0.985
    assert hits[False] / 300 < 0.8
