"""What intervals cover that rest on labels drawn by `rubricbeat label`, done in part or wholly.

    python benchmarks/label_coverage.py [--repetitions 2000]

The worlds of two_judges_coverage.py. Whole answers or single criteria are drawn, put in a random
order, and a part of them is labelled; `wrong` forgets that it was a part, or where all is labelled
counts every label alike. Prints a Markdown table; seeds are 0 to the number of repetitions.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from two_judges_coverage import FREE, POINTS, RATES, World

from rubricbeat.judges.budget.two_judges import chances, expected_error
from rubricbeat.judges.scoring.sampled import sampled_total

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """How much is drawn and done."""

    unit: str
    n_prompts: int
    n_drawn: int
    done: float

    def __str__(self) -> str:
        """Name it."""
        part = "all" if self.done == 1 else f"{self.done:.2g}"
        return f"{self.n_drawn} {self.unit}, {part} done, of {self.n_prompts} prompts"


CASES = (
    Case("answers", 100, 40, 1.0),
    Case("answers", 100, 60, 0.5),
    Case("answers", 400, 100, 0.67),
    Case("criteria", 100, 240, 0.5),
)


def covered(world: World, truth: float, case: Case, n_times: int) -> tuple[float, float]:
    """Give how often the interval holds the truth, and how often `wrong` does."""
    n, hits, wrong = case.n_prompts, 0, 0
    for seed in range(n_times):
        rng = np.random.default_rng(seed)
        met_NC, free_NC = world.draw(n, rng)
        error_NC = expected_error(world.weight_C, free_NC)
        if case.unit == "answers":
            free_U, true_U = free_NC @ world.weight_C, met_NC @ world.weight_C
            error_U, weight_U = np.sqrt((error_NC**2).mean(1)), np.full(n, 1 / n)
            prompt_U = np.arange(n)
        else:
            free_U, true_U, error_U = free_NC.ravel(), met_NC.ravel(), error_NC.ravel()
            weight_U, prompt_U = np.tile(world.weight_C / n, n), np.repeat(np.arange(n), 8)
        share = case.n_drawn / len(true_U)
        chance_U = chances(error_U, share)
        drawn = rng.permutation(np.flatnonzero(rng.random(len(true_U)) < chance_U))
        kept = drawn[: max(1, round(case.done * len(drawn)))]
        dear_U = np.full(len(true_U), np.nan)
        dear_U[kept] = true_U[kept]
        part = len(kept) / len(drawn)
        bad_U = chance_U if part < 1 else np.full(len(true_U), share)
        for given_U in (chance_U * part, bad_U):
            ends = sampled_total(
                free_U, dear_U, given_U, prompt_U, weight_U, share_P=np.full(n, 1 / n)
            ).interval
            is_in = (ends.low or 0.0) <= truth <= (ends.high or 0.0)
            hits, wrong = (hits + is_in, wrong) if given_U is not bad_U else (hits, wrong + is_in)
    return hits / n_times, wrong / n_times


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2_000)
    args = parser.parse_args()
    print(f"| points, verdicts | judge | {' | '.join(map(str, CASES))} |")
    print("|---|---|" + "---|" * len(CASES))
    for points, rate, free in product(POINTS, RATES, FREE):
        world = World(points, rate, free)
        truth = world.truth()
        found = [covered(world, truth, case, args.repetitions) for case in CASES]
        cells = [f"{hit:.3f} ({wrong:.3f})".replace("0.", ".") for hit, wrong in found]
        print(f"| {points}, {rate} | {free} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
