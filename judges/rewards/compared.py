"""Rewards of the answers of a group, compared on the criteria that all of them have.

Where one verdict of one answer is missing, its own reward is taken over fewer criteria than those
of the others: points 5, 5, 5, 3 with 1, 1, 0, 0 earn .556, and with 1, 1, 0 and a lost verdict
.667, although no known verdict differs. The advantage would reward the gap. Inside a group the
shares are therefore taken over the criteria on which every scored answer has a verdict (ours):

1. An answer that has no reward by itself (`judges/scoring/points.py`) has none in its group.
2. K are the criteria that all others have. Where K would lack more than a fifth of the absolute
   points, or all points of a sign, the answer that lacks most is excluded, the last one of equals,
   until it does not. The order of answers is that of their sampling, and says nothing of them.
3. Each other answer's reward is that of the rubric K. Whether it is perfect, and which gates it
   closes, goes by all of its own verdicts: of an answer that has a reward these are known.

So answers with the same verdicts on K, equally perfect, have the same reward, whatever they lack;
no verdict outside of K moves a share; and without a gap nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..scoring.points import signs_known, too_much_missing
from ..scoring.rubric_arrays import Bools, Floats, RubricArrays
from ..scoring.verdict_table import VerdictTable
from .base import Needs, Reward, evaluate, evaluate_table


def evaluate_groups(
    reward: Reward,
    verdicts_PGC: Floats,
    rubric_PGC: RubricArrays,
    *,
    ratings_PG: Floats | None = None,
    chars_PG: Floats | None = None,
    probabilities_PGC: Floats | None = None,
) -> Floats:
    """Compute a reward for each answer of some groups, [P, G]; NaN where there is none.

    Args:
        reward: Any reward.
        verdicts_PGC: NaN where there is none.
        rubric_PGC: Broadcasts against the verdicts.
        ratings_PG: 1 to 10, for a reward that needs a rating.
        chars_PG: Characters of each answer, for a reward that needs them.
        probabilities_PGC: P(met), for a reward that needs it.
    """
    own_PG = evaluate(
        reward,
        verdicts_PGC,
        rubric_PGC,
        ratings=ratings_PG,
        chars=chars_PG,
        probabilities=probabilities_PGC,
    )
    said_PGC = verdicts_PGC
    if reward.needs is Needs.PROBABILITIES and probabilities_PGC is not None:
        said_PGC = probabilities_PGC
    gaps_PGC = np.isnan(said_PGC) & rubric_PGC.present & ~np.isnan(own_PG)[..., None]
    at = np.flatnonzero(gaps_PGC.any(axis=(1, 2)))
    if reward.needs is Needs.RATING or not at.size:
        return own_PG
    rubric_PGC = rubric_PGC.take(at)
    scored_PG = _comparable(gaps_PGC[at], ~np.isnan(own_PG[at]), rubric_PGC.points)
    compared_PG = evaluate(
        reward,
        verdicts_PGC[at],
        replace(rubric_PGC, left_out=_lacking(gaps_PGC[at], scored_PG)),
        chars=None if chars_PG is None else chars_PG[at],
        probabilities=None if probabilities_PGC is None else probabilities_PGC[at],
    )
    rewards_PG = own_PG.copy()  # a reward of one's own may give a view of the verdicts
    rewards_PG[at] = np.where(scored_PG, compared_PG, np.nan)
    return rewards_PG


def evaluate_batch(
    reward: Reward, table: VerdictTable, groups: Sequence[slice] = (), replicate: int = 0
) -> Floats:
    """Compute a reward for each answer, [N]; NaN where there is none.

    Answers of a group are compared on the criteria that all of them have. A judge without P(met)
    gives no answer a reward that needs it.

    Args:
        reward: Any reward.
        table: The answers.
        groups: Places of the answers of each group; answers in none stand for themselves.
        replicate: 0 for the first verdicts and ratings.
    """
    probabilities_NC = table.probabilities(replicate)
    if reward.needs == Needs.PROBABILITIES and probabilities_NC is None:
        return np.full(len(table), np.nan)
    rewards_N = evaluate_table(reward, table, replicate).copy()
    verdicts_NC, rubrics = table.verdicts(replicate), table.rubrics_of(replicate)
    gap_N = np.asarray((np.isnan(verdicts_NC) & rubrics.present).any(axis=1))
    for at in groups:
        if gap_N[at].any():
            rewards_N[at] = evaluate_groups(
                reward,
                verdicts_NC[None, at],
                rubrics.take(at).each(lambda values: values[None]),
                ratings_PG=table.ratings(replicate)[None, at],
                chars_PG=table.chars_N[None, at],
                probabilities_PGC=None if probabilities_NC is None else probabilities_NC[None, at],
            )[0]
    return rewards_N


def _comparable(gaps_PGC: Bools, scored_PG: Bools, points_PGC: Floats) -> Bools:
    """Leave answers out until the others have enough in common, [P, G]."""
    lacks_P1C = _lacking(gaps_PGC, scored_PG)
    has_P = ~(_has_too_little(lacks_P1C, points_PGC) & scored_PG).any(1)
    at = np.flatnonzero(~has_P)
    if not at.size:
        return scored_PG
    missing_PG = np.where(gaps_PGC[at], np.abs(points_PGC[at]), 0.0).sum(-1)
    held_PG = np.where(scored_PG[at], missing_PG, -1.0)
    worst_P = held_PG.shape[1] - 1 - np.argmax(held_PG[:, ::-1], axis=1)
    scored_PG = scored_PG.copy()
    scored_PG[at, worst_P] = False
    scored_PG[at] = _comparable(gaps_PGC[at], scored_PG[at], points_PGC[at])
    return scored_PG


def _lacking(gaps_PGC: Bools, scored_PG: Bools) -> Bools:
    """Say which criteria some scored answer has no verdict on, [P, 1, C]."""
    return np.asarray((gaps_PGC & scored_PG[..., None]).any(axis=1, keepdims=True))


def _has_too_little(lacks_PGC: Bools, points_PGC: Floats) -> Bools:
    """Say where more than a fifth of the weight is lacking, or all of one sign, [P, G]."""
    weights_PGC = np.abs(points_PGC)
    lost_PG = np.where(lacks_PGC, weights_PGC, 0.0).sum(-1)
    too_little_PG = too_much_missing(lost_PG, weights_PGC.sum(-1))
    known_PGC = np.where(lacks_PGC, np.nan, 0.0)
    return too_little_PG | ~signs_known(known_PGC, weights_PGC, points_PGC)
