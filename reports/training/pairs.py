"""Arms of a training against each other, seed by seed and prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ...judges.scoring.crossed import CrossedMean
from ..comparison.paired import holm
from .arms import Arm, mean_of
from .evaluations import difference_in_kind, gains, mean_over
from .runs import GOLD


@dataclass(frozen=True, slots=True)
class ArmPair:
    """The held-out gain of one arm minus that of another, by the gold judge."""

    this: str
    other: str
    over: CrossedMean
    """Over the seeds both arms have and the prompts evaluated in both."""
    p_holm: float | None
    """Corrected over all pairs of the page."""

    @property
    def is_sure(self) -> bool:
        """Whether the difference is significant after the correction."""
        return self.p_holm is not None and self.p_holm < 0.05


def arm_pairs(arms: Sequence[Arm]) -> list[ArmPair]:
    """Compare every pair of arms that are done and share a seed, the better one first.

    Two runs of one seed start from the same weights and ask the same prompts in the same order, so
    what the seed does to both cancels.

    Args:
        arms: Of one page.
    """
    ready = sorted(
        (arm for arm in arms if GOLD in arm.changes and arm.is_done),
        key=lambda arm: -(arm.changes[GOLD].over.mean or 0.0),
    )
    found = []
    for this, other in combinations(ready, 2):
        if difference_of_kind((this, other)) is not None:
            continue
        over = _difference(this, other)
        if over.n_runs:
            found.append((this.name, other.name, over))
    corrected = holm([over.p_value for _, _, over in found])
    return [
        ArmPair(this, other, over, p)
        for (this, other, over), p in zip(found, corrected, strict=True)
    ]


def difference_of_kind(arms: Sequence[Arm]) -> str | None:
    """Say why the held-out scores of some arms mean different things; None where they do not."""
    runs = [run for arm in arms for run in arm.measured]
    for this, other in combinations(runs, 2):
        if (why := difference_in_kind(this, other)) is not None:
            return why
    return None


def _difference(this: Arm, other: Arm) -> CrossedMean:
    mine, its = _gains_by_seed(this), _gains_by_seed(other)
    shared = [(mine[seed], its[seed]) for seed in mine if seed in its]
    return mean_over([{p: one[p] - two[p] for p in one if p in two} for one, two in shared])


def _gains_by_seed(arm: Arm) -> dict[int, dict[str, float]]:
    """Give each seed's gains; runs of one seed are averaged, and one without a seed has no twin."""
    found: dict[int, list[dict[str, float]]] = {}
    for run in arm.measured:
        if run.seed is not None:
            found.setdefault(run.seed, []).append(gains(run, GOLD))
    means = {}
    for key, rows in found.items():
        prompts = dict.fromkeys(prompt for row in rows for prompt in row)
        averaged = {p: mean_of(row[p] for row in rows if p in row) for p in prompts}
        means[key] = {p: mean for p, mean in averaged.items() if mean is not None}
    return means
