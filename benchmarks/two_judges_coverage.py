"""What intervals of a weighted sample cover, on made-up worlds whose truth is known.

    python benchmarks/two_judges_coverage.py [--repetitions 2000]

P prompts of one answer with eight criteria; qualities differ between prompts, and weights by the
points. The free judge's P(met) follows the verdicts (`good`), says nothing (`blind`), or is too
kind and sure of it (`kind`). The sample is drawn by `judges/budget/two_judges.py` from what the
free judge says; `wrong` counts its labels without their chances. Prints a Markdown table; seeds
are 0 to the number of repetitions, in each world. A minute of processor time.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.budget.two_judges import chances, expected_error
from rubricbeat.judges.scoring.sampled import sampled_total

Floats = NDArray[np.float64]
POINTS = {
    "even": np.array([3.0, 3, 3, 3, 3, 3, -3, -3]),
    "skewed": np.array([10.0, 1, 1, 1, 1, 1, -8, -1]),
}
RATES = {"half met": (2.0, 2.0), "rarely met": (0.5, 4.5)}
"""Of the beta distribution of qualities."""
FREE = ("good", "blind", "kind")
N_TRUTH = 400_000


@dataclass(frozen=True)
class World:
    """Where samples come from."""

    points: str
    rate: str
    free: str

    @property
    def weight_C(self) -> Floats:
        """Give the weights in an answer's score."""
        points_C = POINTS[self.points]
        return points_C / points_C[points_C > 0].sum()

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Give verdicts and the free judge's P(met), [n, C]."""
        quality_N = rng.beta(*RATES[self.rate], n)[:, None]
        chance_NC = np.where(POINTS[self.points] > 0, quality_N, 0.4 * (1 - quality_N))
        met_NC = (rng.random(chance_NC.shape) < chance_NC).astype(float)
        if self.free == "blind":
            return met_NC, np.full(met_NC.shape, 0.5)
        noise_NC = rng.random(met_NC.shape)
        if self.free == "kind":
            return met_NC, np.where(noise_NC < 0.25, 0.97, np.where(met_NC == 1, 0.95, 0.4))
        return met_NC, np.clip(0.3 * chance_NC + 0.5 * met_NC + 0.2 * noise_NC, 0.02, 0.98)

    def truth(self) -> float:
        """Give the mean score of all prompts."""
        met_NC, _ = self.draw(N_TRUTH, np.random.default_rng(10**9))
        return float((met_NC @ self.weight_C).mean())


def covered(
    world: World, truth: float, n: int, share: float, n_times: int
) -> tuple[float, float, float]:
    """Give how often the interval holds the truth, its mean width, and how often `wrong` does."""
    hits, wrong, widths = 0, 0, 0.0
    weight_U, prompt_U = np.tile(world.weight_C / n, n), np.repeat(np.arange(n), 8)
    share_P = np.full(n, 1 / n)
    for seed in range(n_times):
        rng = np.random.default_rng(seed)
        met_NC, free_NC = world.draw(n, rng)
        chance_U = chances(expected_error(world.weight_C, free_NC).ravel(), share)
        drawn_U = rng.random(8 * n) < chance_U
        dear_U = np.where(drawn_U, met_NC.ravel(), np.nan)
        for given_U in (chance_U, np.full(8 * n, share)):
            found = sampled_total(
                free_NC.ravel(), dear_U, given_U, prompt_U, weight_U, share_P=share_P
            ).interval
            is_in = (found.low or 0.0) <= truth <= (found.high or 0.0)
            if given_U is chance_U:
                hits += is_in
                widths += (found.high or 0.0) - (found.low or 0.0)
            else:
                wrong += is_in
    return hits / n_times, widths / n_times, wrong / n_times


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2_000)
    args = parser.parse_args()
    print("| points | verdicts | free judge | prompts | share | coverage | width | wrong |")
    print("|---|---|---|---|---|---|---|---|")
    for points, rate, free in product(POINTS, RATES, FREE):
        world = World(points, rate, free)
        truth = world.truth()
        for n, share in ((25, 0.5), (50, 0.3), (200, 0.2)):
            hit, width, wrong = covered(world, truth, n, share, args.repetitions)
            cells = (points, rate, free, n, share, f"{hit:.3f}", f"{width:.3f}", f"{wrong:.3f}")
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
