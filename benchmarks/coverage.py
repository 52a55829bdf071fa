"""Measure what every interval and test covers: docs/evidence/coverage.md is this program's output.

    python benchmarks/coverage.py [--samples 2000] [--output docs/evidence/coverage.md]
    python benchmarks/coverage.py --methods     # t beside three bootstraps, docs/results.md

Worlds are made up and their truth is known: rubrics of 3 to 12 criteria with points as HealthBench
has them, prompts that are hard or easy, verdicts by chance. Each interval is the product's own
function on a sample of that world; a cell says in how many per cent of the samples it held the
truth, and of a test how often it told equal systems apart. Seeded, whatever runs beside it; some
minutes on two cores.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from corrected_coverage import N_LABELLED
from coverage_worlds import (
    AUDITED,
    HEAVY,
    PASSES,
    RARE,
    SCORES,
    Measure,
    advantages,
    changes,
    chunks,
    columns_of,
    covers,
    crossed,
    dead,
    each,
    flips,
    of_audit,
    of_corrected,
    of_differences,
    of_gold,
    of_means,
    of_passes,
    reliability,
    reward_mean,
    truth_of,
)
from level_coverage import agreement
from level_coverage import corrected as corrected_levels
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SIZES = (5, 10, 30, 100, 275, 500)
REPEATS = (1, 4)
GOAL = 2.0
"""Points that a coverage may lie from 95."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    where: str
    measure: Measure
    """(rng, samples, n, repeats) -> 1 or 0 a sample, NaN where nothing is printed."""
    is_size: bool = False
    parts: int = 1
    """Divides the samples, where one takes long."""
    repeats: Sequence[int] = REPEATS
    sizes: Sequence[int] = SIZES
    """Where it is measured."""


@cache
def rows() -> tuple[Row, ...]:
    """Give the lines of the table, in order."""
    audits = [Row(f"audit: {name}", "`audit`, cards", of_audit(name), parts=2) for name in AUDITED]
    names = {"score": "score", "met": "criteria met", "pass_range50": "pass rate"}
    corrections = [
        Row(
            f"{name}, corrected by {what}",
            f"`--{way}`",
            of_corrected(way, figure),
            parts=4,
            sizes=SIZES[:-1],
        )
        for way, what in (("audit", "an audit of n prompts"), ("labels", "labels of some answers"))
        for figure, name in names.items()
    ]
    return (
        Row("score, slice, tag: t", "`score`, `compare`, pages", of_means(SCORES)),
        Row("the same, log-normal tails", "stress, no data of ours", of_means(HEAVY)),
        Row("pass rate: Wilson, effective n", "`score`, `compare`", of_means(PASSES)),
        Row("rare pass rate (4 %)", "`score`, `compare`", of_means(RARE)),
        Row("paired difference: t", "headline, pairs, slices, gate", of_differences(0.3)),
        Row("its p, equal systems", "pairs, gate", of_differences(0.0), is_size=True),
        Row("pass rates, difference", "pairs", of_passes(None, False, 0.7)),
        Row("McNemar (1) or t (4), equal systems", "pairs", of_passes(None, True), True),
        Row("1 answer against 1 or 4, equal systems", "pairs", of_passes(1, True), True),
        Row("3 runs x prompts", "training arms", each(crossed)),
        *audits,
        Row("rate inside prompts", "flips, probes, accuracy of orders", each(flips)),
        Row("ratio over prompts", "shifts, best of n, tau", each(changes)),
        Row("correlation of advantages", "`variance`", each(advantages), repeats=(1,)),
        Row("ICC, 2 or 4 verdicts", "`variance`", each(reliability)),
        Row("dead share", "`variance`", each(dead)),
        Row("mean reward", "`variance`", each(reward_mean)),
        *corrections,
        Row("behind the best reward under gold", "`variance --gold`", of_gold(False), parts=20),
        Row("equal rewards told apart", "`variance --gold`", of_gold(True), True, parts=20),
        Row("audit of levels: kappa_quadratic", "`audit`", agreement, parts=4, sizes=SIZES[:-1]),
        *[
            Row(
                f"levels: {name}, corrected by {what}",
                f"`--{way}`",
                partial(_of_levels, way, figure),
                parts=4,
                repeats=(1,),
                sizes=SIZES[:-1],
            )
            for way, what in (
                ("audit", "an audit of n prompts"),
                ("labels", "labels of some answers"),
            )
            for figure, name in (("score", "score"), ("met", "mean share"))
        ],
    )


def _of_levels(
    way: str, figure: str, rng: np.random.Generator, samples: int, n: int, repeats: int
) -> list[float]:
    return corrected_levels(way, figure, samples, n, repeats)


def cell(hits: Sequence[float], row: Row) -> str:
    values = np.array(hits)
    shown = values[~np.isnan(values)]
    if len(shown) < max(1, len(values) / 20):
        return "refused"
    per_cent = 100 * float(shown.mean())
    text = f"{per_cent:.1f}"
    if len(shown) < 0.9 * len(values):
        text += f" of {100 * len(shown) / len(values):.0f} %"
    # beyond the goal by more than chance explains: three standard errors
    error = 3 * 100 * math.sqrt(0.05 * 0.95 / len(shown))
    off = per_cent - 5 if row.is_size else 95 - per_cent
    return f"**{text}**" if off > GOAL + error else text


def column(samples: int, n: int, repeats: int) -> list[str | None]:
    """Measure every line at n prompts with `repeats` answers each; None where it has no cell."""
    made: list[str | None] = []
    for at, row in enumerate(rows()):
        if n not in row.sizes or repeats not in row.repeats:
            made.append(None)
            continue
        rng = np.random.default_rng([at, n, repeats])
        tries = max(min(100, samples), samples // row.parts)
        made.append(cell(row.measure(rng, tries, n, repeats), row))
    print(f"{n} prompts, {repeats} answers each: done", flush=True)
    return made


def table(samples: int) -> list[str]:
    """Measure the columns beside each other, the longest first, and lay out the lines."""
    at = sorted(product(SIZES, REPEATS), key=lambda one: -one[0] * one[1])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        columns = pool.map(column, [samples] * len(at), *zip(*at, strict=True))
        found = dict(zip(at, columns, strict=True))
    lines = [
        "| interval or test | where | " + " | ".join(f"n = {n}" for n in SIZES) + " |",
        "|---|---|" + "---|" * len(SIZES),
    ]
    for line, row in enumerate(rows()):
        cells = []
        for n in SIZES:
            both = [text for k in REPEATS if (text := found[n, k][line]) is not None]
            cells.append(
                " \\| ".join(both if len(set(both)) > 1 or "refused" not in both else both[:1])
            )
        name = f"{row.name} (size)" if row.is_size else row.name
        lines.append(
            f"| {name} | {row.where} | " + " | ".join(cell or "not run" for cell in cells) + " |"
        )
    return lines


TEXT = """# What every interval covers

Made by `make coverage` (`benchmarks/coverage.py`); do not edit by hand.

Per cent of {samples:,} samples in which the 95 % interval held the truth, and of tests (size) in
which equal systems were told apart at the 5 % level; half of the samples of an audit, a quarter of
those of corrected figures and a twentieth of those under gold. n counts prompts; left of the bar
one answer per prompt, right of it four. The goal is at most {goal:g} points below 95, or above 5;
**bold** is beyond it by more than three standard errors of the simulation. More than 95 is an
interval wider than it need be.
"refused": nothing is printed, below ten prompts or where a correction refuses; "of
80 %": printed in so many of the samples, and refused in the others; "not run": it takes too long.

{table}

Worlds: rubrics of 3 to 12 criteria of 1 to 10 points, 28 % of them negative, prompts and criteria
that are hard or easy, verdicts by chance. Scores have a mean of {truth:.2f} and a tail to the left.
Log-normal tails are a stress test: no data of ours has them, and t falls short there until some
hundred prompts. McNemar's exact test keeps its level by staying below it. Figures are corrected for
a judge that errs differently on what is good and on faults, and by category: by an audit of as many
other prompts, and by labels of the answers to {labelled} of the prompts (two thirds of fewer than
{most}). Under gold there are four answers per group, and right of the bar four groups per prompt.
Levels: six criteria of three levels with points of either sign, and a judge that takes a level for
a higher one more often than for a lower one.
"""


def document(samples: int, lines: Sequence[str]) -> str:
    """Give the whole text around the lines of the table."""
    return TEXT.format(
        samples=samples,
        goal=GOAL,
        table="\n".join(lines),
        truth=truth_of(SCORES),
        labelled=N_LABELLED,
        most=N_LABELLED * 3 // 2,
    )


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
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--output", type=Path, default=Path("docs/evidence/coverage.md"))
    parser.add_argument("--methods", action="store_true")
    args = parser.parse_args()
    if args.methods:
        return methods(args.samples)
    text = document(args.samples, table(args.samples))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
