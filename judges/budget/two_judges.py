"""Whom a dear judge is asked about, where a free one has graded everything.

Inclusion probabilities by Neyman's rule (Neyman 1934): in proportion to the error that is expected
of the free judge in what counts, over the root of what asking costs; none lies below a part of the
mean chance, so that no verdict counts for more than a few others (the mixture of Zrnic and Candes
2024). Each unit is drawn on its own (Poisson sampling), by a number that its seed and its key
alone decide: a run that is resumed, or that has more answers, asks the same ones.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import numpy as np

from ..scoring.rubric_arrays import Floats


class Unit(StrEnum):
    """What is drawn as a whole."""

    ANSWERS = "answers"
    """Answers with all of their criteria, which pass rates need."""
    CRITERIA = "criteria"
    """Single criteria."""


FLOOR = 0.25
"""Least inclusion probability, as a part of the share that is asked."""


def chances(error_U: Floats, share: float, *, cost_U: Floats | None = None) -> Floats:
    """Give inclusion probabilities that cost a share of asking everything.

    Args:
        error_U: Expected error of each unit in what counts, from 0 up.
        share: Of the cost of all units, in (0, 1].
        cost_U: What each unit costs; 1 where None.

    Returns:
        In (0, 1]; their sum, weighted by cost, is `share` of the whole.
    """
    cost_U = np.ones_like(error_U) if cost_U is None else cost_U
    size_U = error_U / np.sqrt(cost_U)
    if share >= 1 or not len(size_U):
        return np.ones_like(size_U)
    if size_U.sum() <= 0:
        size_U = np.ones_like(size_U)
    least, goal = FLOOR * share, share * float(cost_U.sum())

    def cost(scale: float) -> float:
        # no `@`: of long vectors it wakes threads, which costs more than the sum
        return float((cost_U * np.clip(scale * size_U, least, 1.0)).sum())

    # the scale at which the clipped probabilities cost what they may: found by halving
    low, high = 0.0, 1.0
    while cost(high) < goal and high < 1e18:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if cost(middle) > goal else (middle, high)
    return np.clip(low * size_U, least, 1.0)


def expected_error(weight_NC: Floats, chance_NC: Floats) -> Floats:
    """Give |w| sqrt(p (1 - p)): the standard error of a verdict that is met with chance p.

    Args:
        weight_NC: Weight of each criterion in the score of its answer; 0 at padding.
        chance_NC: P(met) by the free judge; NaN, which counts as a half, where it gives none.
    """
    p_NC = np.where(np.isnan(chance_NC), 0.5, chance_NC)
    return np.asarray(np.abs(weight_NC) * np.sqrt(p_NC * (1 - p_NC)))


def draw(seed: int, key: str) -> float:
    """Give a number in [0, 1) that the seed and the key decide."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") / 2**64
