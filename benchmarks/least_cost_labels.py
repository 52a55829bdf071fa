"""Part of least_cost.py: labels that `rubricbeat label` saves over labels drawn at random.

The recorded judge stands in for people, and the cross-fitted free judge of least_cost_two_judges.py
for the judge whose score is corrected. The interval is that of `score --labels`. A label is one
verdict on one criterion. Each number is the mean over the systems.

label_share          labels that `label --unit criteria --next score` takes, as a share of single
                     criteria drawn at random, for the same width of the corrected score; random
                     labels on 5 % of the verdicts, or 300 where that is more.

Also: `label_shares`, the same by the share of the verdicts that the random labels are;
`label_share_answers`, of whole answers by the rule (`--unit answers`) against random whole answers;
`label_share_unit`, of single criteria by the rule against random whole answers;
`label_share_points`, where the judge tells nothing and the points alone set the chances;
`label_coverage`, share of intervals that hold the score of the whole file, for the sampling alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from least_cost_two_judges import Units, free_judge, units_of
from numpy.typing import NDArray

from rubricbeat.judges.budget.two_judges import chances
from rubricbeat.judges.scoring.estimates import MIN_PROMPTS, Z
from rubricbeat.judges.scoring.sampled import SampledTotal

if TYPE_CHECKING:
    from least_cost import Recorded

Floats = NDArray[np.float64]
REFERENCES = (0.05, 0.1, 0.2)
"""Shares of the verdicts that are labelled at random."""
MIN_LABELS = 300
"""Random labels at the least: of a small file they are a larger share, up to half of it."""
FEWER = (0.4, 0.55, 0.7, 0.85)
"""Labels by the rule, as shares of the random ones, at which widths are measured."""
BEYOND = (0.2, 2.0)
"""No share is told outside of these: widths were measured too far away."""
MAX_WIDTHS = 8
"""Draws that a width is a mean of: it differs little between them."""
MAX_COVERED = 100


def labels(recorded: Recorded, n_orders: int, rng: np.random.Generator) -> dict[str, Any]:
    """Measure how many labels the rule takes for the width that random ones give."""
    chance_NC, name = free_judge(recorded)
    systems = [units_of(recorded, system, chance_NC) for system in range(len(recorded.systems))]
    systems = [units for units in systems if len(units.dear_U) and units.n_prompts >= MIN_PROMPTS]
    systems = [units for units in systems if units.everything().variance > 0]
    if not systems:
        words = f"no system has {MIN_PROMPTS} scored prompts that differ"
        return {"label_share": None, "why": {"label_share": words}}
    n = min(n_orders, MAX_WIDTHS)
    answers = [of_answers(units) for units in systems]
    blind = [replace(u, free_U=0 * u.free_U, error_U=np.abs(u.weight_U)) for u in systems]
    least = min(0.5, MIN_LABELS / min(units.calls_U.sum() for units in systems))
    parts = sorted({max(least, part) for part in REFERENCES})
    shares = {f"{part:.3g}": _fewer(systems, systems, part, n, rng) for part in parts}
    part = parts[0]
    found = {
        "label_share": shares[f"{part:.3g}"],
        "label_share_answers": _fewer(answers, answers, part, n, rng),
        "label_share_unit": _fewer(systems, answers, part, n, rng),
        "label_share_points": _fewer(blind, blind, part, n, rng),
    }
    why = {
        key: f"not between {BEYOND[0]} and {BEYOND[1]} times the random labels"
        for key, value in found.items()
        if value is None
    }
    return {
        **found,
        "label_coverage": _coverage(systems, part, n_orders, rng),
        "label_shares": shares,
        "label_judge": name,
        "why": why,
    }


def of_answers(units: Units) -> Units:
    """Take whole answers, all of whose verdicts are labelled together, for the units."""
    at, n = units.answer_U, len(units.prompt_N)

    def total(values_U: Floats) -> Floats:
        return np.bincount(at, values_U, minlength=n).astype(np.float64)

    return Units(
        free_U=total(units.weight_U * units.free_U),
        dear_U=total(units.weight_U * units.dear_U),
        weight_U=np.ones(n),
        error_U=np.sqrt(total(units.error_U**2)),
        calls_U=np.maximum(total(units.calls_U), 1.0),
        answer_U=np.arange(n),
        prompt_N=units.prompt_N,
    )


def _fewer(
    ruled: Sequence[Units], random: Sequence[Units], part: float, n: int, rng: np.random.Generator
) -> float | None:
    """Give the labels by the rule over random ones at the same width; None beyond what is tried."""
    found = []
    for by_rule, at_random in zip(ruled, random, strict=True):
        goal = _width(at_random, part, n, rng, is_even=True)
        squares = [_width(by_rule, part * fewer, n, rng) ** 2 for fewer in FEWER]
        # the squared width is a part between prompts and one of the sampling, as 1 / labels
        slope, floor = np.polyfit(1 / np.array(FEWER), squares, 1)
        fewer = slope / (goal**2 - floor) if goal**2 > floor else np.inf
        if not BEYOND[0] <= fewer <= BEYOND[1]:
            return None
        found.append(fewer)
    return float(np.mean(found))


def _draw(units: Units, share: float, rng: np.random.Generator, is_even: bool) -> SampledTotal:
    """Label about a share of the verdicts."""
    if is_even:
        chance_U = np.full(len(units.dear_U), share)
    else:
        chance_U = chances(units.error_U, share, cost_U=units.calls_U)
    return units.total(chance_U, rng.random(len(chance_U)) < chance_U)


def _width(
    units: Units, share: float, n: int, rng: np.random.Generator, *, is_even: bool = False
) -> float:
    ends = [_draw(units, share, rng, is_even).interval for _ in range(n)]
    return float(np.mean([(one.high or 0.0) - (one.low or 0.0) for one in ends]))


def _coverage(systems: Sequence[Units], part: float, n: int, rng: np.random.Generator) -> float:
    """Count intervals of the sampling alone that hold what all labels say."""
    hits = []
    for units in systems:
        truth = units.everything().value
        for _ in range(min(n, MAX_COVERED)):
            one = _draw(units, part, rng, is_even=False)
            hits.append(abs(one.value - truth) <= Z * one.sampling_variance**0.5)
    return float(np.mean(hits))
