"""Measure what every interval and test covers: docs/evidence/coverage.md is this program's output.

    python benchmarks/coverage.py [--samples 1500] [--output docs/evidence/coverage.md]
    python benchmarks/coverage.py --methods     # t beside three bootstraps, docs/results.md

Worlds are made up and their truth is known: rubrics of 3 to 12 criteria with points as HealthBench
has them, prompts that are hard or easy, verdicts by chance. Each interval is the product's own
function on a sample of that world; a cell says in how many per cent of the samples it held the
truth, and of a test how often it told equal systems apart. Seeded; some minutes on two cores.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.audit.judge_audit import CURVES, figures_of
from rubricbeat.judges.audit.labels import AuditTable
from rubricbeat.judges.scoring.bootstrap import ClusteredColumns
from rubricbeat.judges.scoring.estimates import Estimate, mean, paired_tests, share
from rubricbeat.judges.scoring.jackknife import Curve, correlation, rate, ratio
from rubricbeat.judges.signal.variance import split_variance
from rubricbeat.reports.comparison.crossed import crossed_mean
from rubricbeat.reports.comparison.paired import pass_change

Floats = NDArray[np.float64]
SIZES = (5, 10, 30, 100, 275, 500)
REPEATS = (1, 4)
CHUNK = 250
"""Samples made at a time."""
GOAL = 2.0
"""Points that a coverage may lie from 95."""


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


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    where: str
    measure: Callable[[np.random.Generator, int, int, int], list[float]]
    """(rng, samples, n, repeats) -> 1 or 0 a sample, NaN where nothing is printed."""
    is_size: bool = False
    slow: int = 1
    """Divides the samples."""
    repeats: Sequence[int] = REPEATS


def of_means(world: World) -> Callable[[np.random.Generator, int, int, int], list[float]]:
    truth = world.truth()

    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
        found: list[float] = []
        for size in chunks(samples):
            values = world.draw(rng, size, n, repeats)
            found += covers(columns_of(values).intervals_M2, truth)
        return found

    return measure


def of_differences(ease: float) -> Callable[[np.random.Generator, int, int, int], list[float]]:
    """Two systems on prompts of their own luck; equal ones, whose p is counted, at an ease of 0."""
    other = World(lambda rng, s, n, k: rubric_scores(rng, s, n, k, ease))
    truth = other.truth() - SCORES.truth() if ease else 0.0

    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
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


def of_passes(
    this: int | None, is_size: bool, gain: float = 0.0
) -> Callable[[np.random.Generator, int, int, int], list[float]]:
    """Pass rates of two systems; `this` answers of the first, or as many as the other."""

    def chances(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        level = rng.normal(-1.0, 1.5, n)
        one, two = (1 / (1 + np.exp(-level - rng.normal(up, 0.3, n))) for up in (gain, 0.0))
        return one, two

    one, two = chances(np.random.default_rng(1), 2_000_000)
    truth = float(one.mean() - two.mean()) if gain else 0.0

    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
        found = []
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
) -> Callable[[np.random.Generator, int, int, int], list[float]]:
    """Measure an interval that is computed sample by sample."""

    def measure(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
        found = []
        for _ in range(samples):
            estimate, truth = once(rng, n, repeats)
            low, high = estimate.low, estimate.high
            held = low is not None and high is not None and low <= truth <= high
            found.append(math.nan if low is None else float(held))
        return found

    return measure


def crossed(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
    """Three seeds that differ by .05, prompts by .2, cells by .2 (a training arm)."""
    table = rng.normal(0, 0.05, (3, 1)) + rng.normal(0, 0.2, (1, n))
    found = crossed_mean(table + rng.normal(0, 0.2 / repeats**0.5, (3, n))).interval
    return Estimate(0.0, found.low, found.high), 0.0


def audit_table(rng: np.random.Generator, n: int, repeats: int) -> AuditTable:
    """Twelve labelled criteria a prompt, of each of its answers; easy prompts are judged better."""
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


def of_audit(name: str, truth: float) -> Callable[..., tuple[Estimate, float]]:
    def once(rng: np.random.Generator, n: int, repeats: int) -> tuple[Estimate, float]:
        found = figures_of(audit_table(rng, n, repeats))[name]
        return found.estimate(CURVES.get(name, Curve.LOGIT)), truth

    return once


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
    return mean(values, np.arange(n)), SCORE_TRUTH


SCORE_TRUTH = SCORES.truth()


def rows() -> list[Row]:
    world = figures_of(audit_table(np.random.default_rng(1), 30_000, 1))
    audits = [
        Row(
            f"audit: {name}",
            "`audit`, `bench-reward`, cards",
            each(of_audit(name, found.value)),
            slow=4,
        )
        for name, found in world.items()
        if name in {"balanced_f1", "sensitivity", "specificity", "kappa", "auroc"}
    ]
    return [
        Row("score, slice, tag: t", "`score`, `compare`, pages", of_means(SCORES)),
        Row("the same, log-normal tails", "stress, no data of ours", of_means(HEAVY)),
        Row("pass rate: Wilson, effective n", "`score`, `compare`", of_means(PASSES)),
        Row("rare pass rate (4 %)", "`score`, `compare`", of_means(RARE)),
        Row("paired difference: t", "headline, pairs, slices, gate", of_differences(0.3)),
        Row("its p, equal systems", "pairs, gate", of_differences(0.0), is_size=True),
        Row("pass rates, difference", "pairs", of_passes(None, False, 0.7), slow=2),
        Row("McNemar (1) or t (4), equal systems", "pairs", of_passes(None, True), True, slow=2),
        Row("1 answer against 1 or 4, equal systems", "pairs", of_passes(1, True), True, slow=2),
        Row("3 runs x prompts", "training arms", each(crossed), slow=2),
        *audits,
        Row("rate inside prompts", "flips, probes, accuracy of orders", each(flips), slow=2),
        Row("ratio over prompts", "shifts, best of n, tau", each(changes), slow=2),
        Row("correlation of advantages", "`variance`", each(advantages), slow=2, repeats=(1,)),
        Row("ICC, 2 or 4 verdicts", "`variance`", each(reliability), slow=2),
        Row("dead share", "`variance`", each(dead), slow=2),
        Row("mean reward", "`variance`", each(reward_mean), slow=4),
    ]


def cell(hits: Sequence[float], row: Row) -> str:
    values = np.array(hits)
    shown = values[~np.isnan(values)]
    if not len(shown):
        return "refused"
    per_cent = 100 * float(shown.mean())
    text = f"{per_cent:.1f}"
    # beyond the goal by more than chance explains: three standard errors
    error = 3 * 100 * math.sqrt(0.05 * 0.95 / len(shown))
    off = per_cent - 5 if row.is_size else 95 - per_cent
    return f"**{text}**" if off > GOAL + error else text


def table(samples: int, made: Sequence[Row]) -> Iterator[str]:
    yield "| interval or test | where | " + " | ".join(f"n = {n}" for n in SIZES) + " |"
    yield "|---|---|" + "---|" * len(SIZES)
    for at, row in enumerate(made):
        cells = []
        for n in SIZES:
            found = []
            for repeats in row.repeats:
                tries = max(100, samples // row.slow // (4 if n > 100 else 1))
                rng = np.random.default_rng([at, n, repeats])
                found.append(cell(row.measure(rng, tries, n, repeats), row))
            cells.append("refused" if set(found) == {"refused"} else " \\| ".join(found))
        name = f"{row.name} (size)" if row.is_size else row.name
        yield f"| {name} | {row.where} | " + " | ".join(cells) + " |"
        print(name, *cells, sep="  ", flush=True)


TEXT = """# What every interval covers

Made by `make coverage` (`benchmarks/coverage.py`); do not edit by hand.

Per cent of {samples:,} samples in which the 95 % interval held the truth, and of tests (size) in
which equal systems were told apart at the 5 % level; a half or a quarter of the samples where one
takes long, and a quarter of that from 275 prompts on. n counts prompts; left of the bar one answer
a prompt, right of it four. The goal is at most {goal:g} points below 95, or above 5; **bold** is
beyond it by more than three standard errors of the simulation. More than 95 is an interval wider
than it need be. "refused": nothing is printed below ten prompts.

{table}

Worlds: rubrics of 3 to 12 criteria of 1 to 10 points, 28 % of them negative, prompts and criteria
that are hard or easy, verdicts by chance. Scores have a mean of {truth:.2f} and a tail to the left.
Log-normal tails are a stress test: no data of ours has them, and t falls short there until some
hundred prompts. McNemar's exact test keeps its level by staying below it.

Not in this table: figures corrected by `--audit` and `--labels`, whose coverage the tests in
`tests/judges/audit` measure, and the gold advice of `variance`.
"""


def bootstraps(
    values_SN: Floats, rng: np.random.Generator, draws: int = 1_000
) -> dict[str, Floats]:
    """Give the interval of each sample's mean by the percentile bootstrap, BCa and bootstrap t."""
    from scipy.stats import norm

    draws = 1_000
    found: dict[str, list[tuple[float, float]]] = {"percentile": [], "BCa": [], "bootstrap t": []}
    for values in values_SN:
        n, mean_of = len(values), float(values.mean())
        drawn = values[rng.integers(0, n, (draws, n))]
        means, errors = drawn.mean(1), drawn.std(1, ddof=1) / n**0.5
        found["percentile"].append(tuple(np.quantile(means, [0.025, 0.975])))
        bias = norm.ppf(np.clip((means < mean_of).mean(), 1e-4, 1 - 1e-4))
        gaps = values - mean_of
        skew = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
        ends = bias + norm.ppf([0.025, 0.975])
        found["BCa"].append(tuple(np.quantile(means, norm.cdf(bias + ends / (1 - skew * ends)))))
        t = (means - mean_of) / np.maximum(errors, 1e-12)
        error = float(values.std(ddof=1)) / n**0.5
        found["bootstrap t"].append(tuple(mean_of - error * np.quantile(t, [0.975, 0.025])))
    return {name: np.array(ends) for name, ends in found.items()}


def methods(samples: int) -> None:
    """Print the coverage and the mean width of t and of three bootstraps, by world and size."""
    for name, world in (("rubrics", SCORES), ("log-normal", HEAVY)):
        truth = world.truth()
        for n in (10, 30, 100):
            for repeats in REPEATS:
                rng = np.random.default_rng([n, repeats])
                values = np.concatenate(
                    [world.draw(rng, size, n, repeats) for size in chunks(samples)]
                )
                found = bootstraps(values.mean(-1), rng)
                found["t"] = columns_of(values).intervals_M2
                cells = [
                    f"{way} {100 * np.mean(covers(ends, truth)):.1f} "
                    f"({np.ptp(ends, axis=1).mean():.3f})"
                    for way, ends in found.items()
                ]
                print(f"{name}, n = {n}, {repeats} a prompt:", *cells, sep="  ", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_500)
    parser.add_argument("--output", type=Path, default=Path("docs/evidence/coverage.md"))
    parser.add_argument("--methods", action="store_true")
    args = parser.parse_args()
    if args.methods:
        return methods(args.samples)
    lines = list(table(args.samples, rows()))
    text = TEXT.format(samples=args.samples, goal=GOAL, table="\n".join(lines), truth=SCORE_TRUTH)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
