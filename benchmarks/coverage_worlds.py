"""Made-up worlds of known truth, and what an interval or test of the product says of each sample.

`coverage.py` makes its table of them: rubrics of 3 to 12 criteria with points as HealthBench has
them, prompts that are hard or easy, verdicts by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from corrected_coverage import corrected, gold
from numpy.typing import NDArray

from rubricbeat.judges.audit.judge_audit import CURVES, figures_of
from rubricbeat.judges.audit.labels import AuditTable
from rubricbeat.judges.scoring.bootstrap import ClusteredColumns
from rubricbeat.judges.scoring.crossed import crossed_mean
from rubricbeat.judges.scoring.estimates import Estimate, mean, paired_tests
from rubricbeat.judges.scoring.jackknife import IntervalScale, correlation, rate, ratio, share
from rubricbeat.judges.signal.variance import split_variance
from rubricbeat.reports.comparison.paired import pass_change

Floats = NDArray[np.float64]
Measure = Callable[[np.random.Generator, int, int, int], list[float]]
"""(rng, samples, n, repeats) -> 1 or 0 a sample, NaN where nothing is printed."""
CHUNK = 250
"""Samples made at a time."""


@dataclass(frozen=True)
class World:
    """Scores of one system on prompts of a kind: `draw(rng, samples, n, repeats)` -> [S, n, K]."""

    draw: Callable[[np.random.Generator, int, int, int], Floats]

    def truth(self, seed: int = 1) -> float:
        """Give the mean over two million prompts."""
        rng = np.random.default_rng(seed)
        return float(np.mean([self.draw(rng, 1, 200_000, 1).mean() for _ in range(10)]))


def rubric_scores(
    rng: np.random.Generator, samples: int, n: int, repeats: int, ease: float = 0.0
) -> Floats:
    """H of answers to made-up rubrics: a tail to the left, a mean near .35, a spread of .4."""
    points = rng.integers(1, 11, (samples, n, 12)) * np.where(
        rng.random((samples, n, 12)) < 0.72, 1.0, -1.0
    )
    points[np.arange(12) >= rng.integers(3, 13, (samples, n))[..., None]] = 0.0
    points[..., 0] = 5.0 + np.abs(points[..., 0])
    hard = rng.normal(0, 1.0, (samples, n, 1)) + rng.normal(-0.4 + ease, 1.5, (samples, n, 12))
    chance = np.where(points < 0, 0.5, 1.0) / (1 + np.exp(-hard))
    met = rng.random((samples, n, repeats, 12)) < chance[:, :, None]
    net = np.einsum("snkc,snc->snk", met.astype(np.float64), points)
    scores: Floats = net / np.maximum(points, 0.0).sum(-1)[..., None]
    return scores


def heavy_scores(rng: np.random.Generator, samples: int, n: int, repeats: int) -> Floats:
    """One minus log-normal: a tail far beyond any data of ours (skew -4.6)."""
    level = rng.normal(0, 0.8, (samples, n, 1))
    scores: Floats = 1 - np.exp(level + rng.normal(-0.5, 0.4, (samples, n, repeats)))
    return scores


@cache
def truth_of(world: World) -> float:
    return world.truth()


SCORES = World(rubric_scores)
HEAVY = World(heavy_scores)
PASSES = World(lambda *a: (rubric_scores(*a) >= 0.5).astype(np.float64))
RARE = World(lambda *a: (rubric_scores(*a) >= 0.95).astype(np.float64))


def columns_of(values_SNK: Floats) -> ClusteredColumns:
    samples, n, repeats = values_SNK.shape
    prompts = np.repeat(np.arange(n, dtype=np.intp), repeats)
    return ClusteredColumns.of(values_SNK.reshape(samples, -1), prompts, n)


def covers(ends_M2: Floats, truth: float) -> list[float]:
    """Give 1 or 0 for each interval, NaN where there is none."""
    low, high = ends_M2.T
    return np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high)).tolist()


def chunks(samples: int) -> Iterator[int]:
    for start in range(0, samples, CHUNK):
        yield min(CHUNK, samples - start)


def of_means(world: World) -> Measure:
    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
        truth = truth_of(world)
        found: list[float] = []
        for size in chunks(samples):
            values = world.draw(rng, size, n, repeats)
            found += covers(columns_of(values).intervals_M2, truth)
        return found

    return measure


def of_differences(ease: float) -> Measure:
    """Two systems on prompts of their own luck; equal ones, whose p is counted, at an ease of 0."""
    other = World(lambda rng, s, n, k: rubric_scores(rng, s, n, k, ease))

    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
        truth = truth_of(other) - truth_of(SCORES) if ease else 0.0
        found: list[float] = []
        for size in chunks(samples):
            gaps = rubric_scores(rng, size, n, repeats, ease) - rubric_scores(rng, size, n, repeats)
            tests = paired_tests(gaps.mean(-1))
            if ease:
                found += covers(tests.interval_M2, truth)
            else:
                found += np.where(np.isnan(tests.p_M), np.nan, tests.p_M < 0.05).tolist()
        return found

    return measure


def of_passes(this: int | None, is_size: bool, gain: float = 0.0) -> Measure:
    """Pass rates of two systems; `this` answers of the first, or as many as the other."""

    def chances(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        level = rng.normal(-1.0, 1.5, n)
        one, two = (1 / (1 + np.exp(-level - rng.normal(up, 0.3, n))) for up in (gain, 0.0))
        return one, two

    @cache
    def truth_of_gain() -> float:
        one, two = chances(np.random.default_rng(1), 2_000_000)
        return float(one.mean() - two.mean()) if gain else 0.0

    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
        truth, found = truth_of_gain(), []
        mine, its = this or repeats, repeats
        for _ in range(samples):
            first, second = chances(rng, n)
            change = pass_change(
                rng.binomial(mine, first) / mine,
                rng.binomial(its, second) / its,
                np.full(n, float(mine)),
                np.full(n, float(its)),
            )
            low, high, p = change.interval.low, change.interval.high, change.p_value
            if is_size:
                found.append(math.nan if p is None else float(p < 0.05))
            else:
                held = low is not None and high is not None and low <= truth <= high
                found.append(math.nan if low is None else float(held))
        return found

    return measure


def each(
    once: Callable[[np.random.Generator, int, int], tuple[Estimate, float]],
) -> Measure:
    """Measure an interval that is computed sample by sample."""

    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
        return [holds(*once(rng, n, repeats)) for _ in range(samples)]

    return measure


def holds(found: Estimate, truth: float) -> float:
    """Give 1 or 0 for an interval, NaN where there is none."""
    if found.low is None or found.high is None:
        return math.nan
    return float(found.low <= truth <= found.high)


def crossed(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    """Three seeds that differ by .05, prompts by .2, cells by .2 (a training arm)."""
    table = rng.normal(0, 0.05, (3, 1)) + rng.normal(0, 0.2, (1, n))
    found = crossed_mean(table + rng.normal(0, 0.2 / repeats**0.5, (3, n))).interval
    return Estimate(0.0, found.low, found.high), 0.0


def audit_table(rng: np.random.Generator, n: int, repeats: int) -> AuditTable:
    """Twelve labelled criteria for each answer; easy prompts are judged better."""
    total = n * 12 * repeats
    prompt = np.repeat(np.arange(n, dtype=np.intp), 12 * repeats)
    hard = rng.normal(0, 0.7, n)[prompt]
    met = rng.random(total) < 1 / (1 + np.exp(-(hard + rng.normal(0, 1.0, total))))
    seen = np.where(met, 1.0, -1.0) + rng.normal(0, 1.3, total) + 0.5 * hard
    chance = np.round(1 / (1 + np.exp(-seen)), 2)
    one = np.zeros(total, dtype=np.intp)
    return AuditTable(
        verdict_N=(chance > 0.5).astype(np.float64),
        probability_N=chance,
        prompt_N=prompt,
        criterion_N=np.arange(total) // repeats,
        desirable_N=np.ones(total, dtype=bool),
        category_N=one,
        categories=("all",),
        chars_N=np.ones(total),
        met_L=met,
        question_L=np.arange(total),
        rater_L=one,
        raters=("",),
        n_prompts=n,
    )


AUDITED = ("balanced_f1", "sensitivity", "specificity", "kappa", "auroc")


@cache
def audit_truths() -> dict[str, float]:
    found = figures_of(audit_table(np.random.default_rng(1), 30_000, 1))
    return {name: found[name].value for name in AUDITED}


@cache
def _audited(samples: int, n: int, repeats: int) -> dict[str, list[float]]:
    # the figures of one table are lines of their own
    rng = np.random.default_rng([n, repeats])
    held: dict[str, list[float]] = {name: [] for name in AUDITED}
    for _ in range(samples):
        found = figures_of(audit_table(rng, n, repeats))
        for name in AUDITED:
            held[name].append(
                holds(
                    found[name].estimate(CURVES.get(name, IntervalScale.LOGIT)),
                    audit_truths()[name],
                )
            )
    return held


def of_audit(name: str) -> Measure:
    return lambda rng, samples, n, repeats: _audited(samples, n, repeats)[name]


def flips(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    """A rate of cases inside prompts: verdicts that flip, one in twenty, more in some prompts."""
    chance = rng.beta(0.5, 9.5, n)
    cases = np.full(n, 12.0 * repeats)
    return rate(rng.binomial(12 * repeats, chance).astype(np.float64), cases), 0.05


def changes(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    """A mean over answers where prompts have unequally many."""
    counts = rng.integers(1, 4 * repeats, n).astype(np.float64)
    sums = counts * rng.normal(0, 0.2, n) + rng.normal(0, 0.3, n) * np.sqrt(counts)
    return ratio(sums, counts), 0.0


def groups_of(rng: np.random.Generator, n: int, spread: float = 0.4) -> Floats:
    """Spread of each group: rubrics differ in theirs."""
    return rng.lognormal(0, spread, (n, 1))


def advantages(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    size = groups_of(rng, n)
    first = size * rng.normal(size=(n, 4))
    second = 0.6 * first + 0.8 * size * rng.normal(size=(n, 4))
    one, two = (x - x.mean(axis=1, keepdims=True) for x in (first, second))
    return correlation(one, two, np.arange(n)), 0.6


def reliability(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    size = groups_of(rng, n)
    rewards = size * rng.normal(0, 0.6, (n, 4)) + rng.normal(0, 0.8, (max(2, repeats), n, 4))
    policy = 0.36 * math.exp(2 * 0.4**2)
    return split_variance("r", rewards, np.arange(n)).icc, policy / (policy + 0.64)


def dead(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    """Groups of `repeats` systems on each prompt, dead together more often than apart."""
    chance = rng.beta(0.6, 2.4, n)
    flags = (rng.random((n, repeats)) < chance[:, None]).ravel()
    return share(flags, np.repeat(np.arange(n, dtype=np.intp), repeats)), 0.2


def reward_mean(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    values = rubric_scores(rng, 1, n, 4 * repeats)[0]
    return mean(values, np.arange(n)), truth_of(SCORES)


def of_corrected(way: str, figure: str) -> Callable[..., list[float]]:
    return lambda rng, samples, n, repeats: corrected(way, figure, samples, n, repeats)


def of_gold(is_size: bool) -> Callable[..., list[float]]:
    return lambda rng, samples, n, repeats: gold(is_size, samples, n, repeats)
