"""How often a confidence sequence ever leaves out the mean, looked at after every prompt.

    python benchmarks/sequential_coverage.py [--samples 2000]

Prints the table of docs/evidence/least-cost.md: per cent of made-up runs of 30, 100, 300 and 1,000
prompts in which the interval leaves out the true mean at one look or more; 5 is what was promised.
World w is seeded with [20261130, w]; a minute on two cores. The sequences are the product's own
(`judges/budget/`); the last column is the rule that is wrong on purpose.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.budget.confidence_sequence import half_widths, left_below

Floats = NDArray[np.float64]
SEED = 20261130
SIZES = (30, 100, 300, 1_000)
ALPHA = 0.05


def skewed(
    chance: float, noise: float, loss: float = 1.0
) -> Callable[[np.random.Generator, int], Floats]:
    """Give differences of mean 0: a small gain nearly always, now and then a whole point lost."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        lost = rng.random(n) < chance
        # noise of at most half a point keeps the values within half a point of these
        return np.where(lost, -loss, loss * chance / (1 - chance)) + np.clip(
            rng.normal(0, noise, n), -0.5, 0.5
        )

    return draw


def steps(chance: float) -> Callable[[np.random.Generator, int], Floats]:
    """Give differences of pass or fail: a step up or down with this chance each."""
    return lambda rng, n: rng.choice([-1.0, 0.0, 1.0], n, p=[chance, 1 - 2 * chance, chance])


def passes(share: float) -> Callable[[np.random.Generator, int], Floats]:
    """Give scores of 0 and 1, less their mean."""
    return lambda rng, n: (rng.random(n) < share) - share


WORLDS: dict[str, tuple[Callable[[np.random.Generator, int], Floats], float, float]] = {
    "differences of scores: normal, sd .29": (
        lambda rng, n: np.clip(rng.normal(0, 0.29, n), -1.5, 1.5), -1.5, 1.5,
    ),
    "the same, t with 3 degrees, sd .26": (
        lambda rng, n: np.clip(0.15 * rng.standard_t(3, n), -4, 4), -4.0, 4.0,
    ),
    "pass or fail, 20 % up, 20 % down": (steps(0.2), -1.0, 1.0),
    "pass or fail, 2 % up, 2 % down": (steps(0.02), -1.0, 1.0),
    "a point lost in 10 %, sd .35": (skewed(0.10, 0.05), -1.5, 1.5),
    "a point lost in 5 %, sd .23": (skewed(0.05, 0.05), -1.5, 1.5),
    "a point lost in 2 %, sd .14": (skewed(0.02, 0.02), -1.5, 1.5),
    "three points lost in 2 %, sd .42": (skewed(0.02, 0.02, 3.0), -3.5, 1.0),
    "log-normal tail, sd .22": (
        lambda rng, n: 0.1 * (np.exp(rng.normal(0, 1, n)) - math.exp(0.5)), np.nan, np.nan,
    ),
    "log-normal tail beyond any score, sd .5": (
        lambda rng, n: 0.05 * (np.exp(rng.normal(0, 1.5, n)) - math.exp(1.125)), np.nan, np.nan,
    ),
    "one score: 0 or 1, half of them 1": (passes(0.5), -0.5, 0.5),
    "one score: 0 or 1, 4 % of them 1": (passes(0.04), -0.04, 0.96),
    "one score: 0 or 1, 98 % of them 1": (passes(0.98), -0.98, 0.02),
}  # fmt: skip
"""Draws of mean 0, and the range where there is one."""


def first_miss(out_T: NDArray[np.bool_]) -> float:
    """Give the prompt after which the mean is left out first; infinity for never."""
    return float(out_T.argmax()) + 1 if out_T.any() else math.inf


def rules(values_T: Floats, low: float, high: float) -> dict[str, float]:
    """Give the first miss of each rule."""
    n_T = np.arange(1, len(values_T) + 1)
    mean_T = np.cumsum(values_T) / n_T
    spread_T = np.sqrt(np.maximum(np.cumsum(values_T**2) / n_T - mean_T**2, 0))
    fixed_T = np.abs(mean_T) > 1.96 * spread_T / np.sqrt(n_T)
    fixed_T[:9] = False
    misses = {
        "asymptotic": first_miss(np.abs(mean_T) > half_widths(values_T, ALPHA)),
        "betting": math.nan,
        "without made-up prompts, from the tenth on": first_miss(
            (np.abs(mean_T) > half_widths(values_T, ALPHA, 0.0)) & (n_T >= 10)
        ),
        "fixed n, looked at from the tenth on": first_miss(fixed_T),
    }
    if not math.isnan(low):
        above, below = (
            left_below(sign * values_T, 0.0, ALPHA / 2, end)
            for sign, end in ((1.0, low), (-1.0, -high))
        )
        misses["betting"] = first_miss(above | below)
    return misses


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=2_000)
    args = parser.parse_args()
    for at, (name, (draw, low, high)) in enumerate(WORLDS.items()):
        rng = np.random.default_rng([SEED, at])
        found = [rules(draw(rng, max(SIZES)), low, high) for _ in range(args.samples)]
        if not at:
            print(f"| values of mean 0 | {' | '.join(found[0])} |")
            print("|---|" + "---|" * len(found[0]))
        cells = []
        for rule in found[0]:
            at_N = np.array([one[rule] for one in found])
            shares = [f"{100 * np.mean(at_N <= size):.1f}" for size in SIZES]
            cells.append("no range" if np.isnan(at_N).any() else " ".join(shares))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
