"""Shares of a rubric's points that answers earned and lost, and what a missing verdict does.

Scores and rewards call this one place. Verdicts are float64 over [..., C]: 1 met, 0 not met, NaN no
verdict; a fraction is a share of votes or a probability. The rubric broadcasts against them.
Results are float64 over [...], NaN for unknown.

The rule for missing verdicts (ours; method sheet, sections 2, 3 and 9):

1. More than a fifth of the absolute weight missing: unknown.
2. Positive and negative points have a share each, over the answered criteria of their sign. Where a
   sign has points and none of them was answered, its share is unknown, and so is all that needs it:
   a lost verdict on the only pitfall does not count as "avoided".
3. h = s - rho N / P of those two shares. It always lies between what the missing verdicts could
   make of it: with a of P positive points answered and e of them earned, e / P <= e / a <= (e + P -
   a) / P, since e <= a <= P, and likewise for rho. Where a level counts even at its lowest, h is
   kept between those bounds.
4. An answer is perfect, or not, where no missing verdict could change that.

Levels, requirements and gates (ours; docs/rubrics.md): a level counts a share of its criterion's
points, and h is kept between its bounds where even the lowest level counts. What requires another
criterion counts nothing while that one is not met, and its points stay in P and N. A closed gate
caps h and s; below a cap of 1 no answer is perfect.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .rubric_arrays import Bools, Floats, RubricArrays

MAX_MISSING_SHARE = 0.2
"""Of a rubric's absolute weight that may lack a verdict before nothing is known."""
_ROUNDING = 1 + 1e-9
"""A share of exactly one fifth must not tip over in its last bit."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What an answer earned and lost of a rubric's points, over [...]; NaN where unknown.

    Source: Ahmadi et al. 2026 (arXiv 2606.05174); positive and negative points are normalised
    separately.
    """

    positive: Floats
    """Share of the positive points met, s in [0, 1]; 0 where the rubric has none."""
    negative: Floats
    """Share of the negative points triggered, rho in [0, 1]; 0 where the rubric has none."""
    perfect: Floats
    """1 where every positive criterion is met and no negative one triggered, else 0."""
    n_criteria: Floats
    """Criteria of either sign, answered or not: constant within a group."""
    points: Floats
    """Net points over the positive points, h = s - rho N / P; NaN where the rubric has no positive
    point. With all verdicts it is HealthBench's sum of p v over P (arXiv 2505.08775)."""


def shares_of(verdicts: Floats, rubric: RubricArrays, *, uniform: bool = False) -> Shares:
    """Sum verdicts to shares of points.

    Args:
        verdicts: [..., C].
        rubric: Broadcasts against the verdicts.
        uniform: Count each criterion as one point of its sign.
    """
    if rubric.left_out is not None:
        return _shares_compared(verdicts, rubric, uniform)
    if uniform:
        rubric = replace(rubric, points=np.sign(rubric.points))
    hits = rubric.hits(verdicts)
    known = ~np.isnan(hits)
    gains, losses = rubric.gains, rubric.losses
    all_gains, all_losses = gains.sum(-1), losses.sum(-1)
    complete = bool(np.all(known | ~rubric.present))
    hits = np.where(known, hits, 0.0)
    earned, lost = earned_and_lost(hits, rubric)
    if complete:
        open_gains: Floats = np.broadcast_to(all_gains, earned.shape)
        open_losses: Floats = np.broadcast_to(all_losses, lost.shape)
        missing = np.zeros_like(earned)
    else:
        open_gains, open_losses = (dot(known.astype(np.float64), x) for x in (gains, losses))
        missing = dot((~known).astype(np.float64), np.abs(rubric.points))
    positive = _share(earned, open_gains, all_gains)
    negative = _share(lost, open_losses, all_losses)
    perfect = _perfect(hits, known, rubric, missing)
    net = _net(earned, lost, positive, negative, all_gains, all_losses, missing)
    n_criteria = np.broadcast_to(rubric.present.sum(-1).astype(np.float64), earned.shape)
    none = too_much_missing(missing, np.abs(rubric.points).sum(-1))
    if none.any():
        positive, negative, perfect, net = (
            np.where(none, np.nan, x) for x in (positive, negative, perfect, net)
        )
    if rubric.conditions is not None and not complete:
        net = np.clip(net, *net_bounds(earned, lost, ~known, rubric))
    if (caps := rubric.caps(verdicts)) is not None:
        positive, net = capped(positive, caps, least=0.0), capped(net, caps)
        closed, possible = caps
        perfect = np.where(
            closed < 1, 0.0, np.where((possible < 1) & (perfect != 0), np.nan, perfect)
        )
    return Shares(positive, negative, perfect, n_criteria, net)


def _shares_compared(verdicts: Floats, rubric: RubricArrays, uniform: bool) -> Shares:
    """Sum over what all answers of a group have.

    Perfection and gates go by each one's own verdicts: of an answer whose reward is known these
    are known, whatever another answer lacks.
    """
    part = shares_of(verdicts, rubric.compared(), uniform=uniform)
    alone = replace(rubric, left_out=None)
    own = shares_of(verdicts, alone, uniform=uniform)
    if (caps := alone.caps(verdicts)) is not None:
        positive, net = capped(part.positive, caps, least=0.0), capped(part.points, caps)
        part = replace(part, positive=positive, points=net)
    return replace(part, perfect=own.perfect)


def earned_and_lost(hits: Floats, rubric: RubricArrays) -> tuple[Floats, Floats]:
    """Sum the points that answers earned and those that they lost, both [...] and from 0 up.

    Args:
        hits: [..., C], 0 where nothing is known.
        rubric: Broadcasts against them.
    """
    if rubric.conditions is None or bool((rubric.conditions.least >= 0).all()):
        return dot(hits, rubric.gains), dot(hits, rubric.losses)
    net = hits * rubric.points
    return np.maximum(net, 0.0).sum(-1), np.maximum(-net, 0.0).sum(-1)


def net_bounds(
    earned: Floats, lost: Floats, missing: Bools, rubric: RubricArrays
) -> tuple[Floats, Floats]:
    """Give the lowest and the highest h that missing verdicts could make, before any gate.

    Args:
        earned: Points earned by what is known.
        lost: Points lost by it.
        missing: [..., C], where nothing is known.
        rubric: Broadcasts against it.
    """
    low, high = np.minimum(rubric.points, 0.0), np.maximum(rubric.points, 0.0)
    if rubric.conditions is not None:
        # a level that is sure to count, unless a requirement may fail
        sure = rubric.points * rubric.conditions.least
        free = np.where(rubric.conditions.requires < 0, sure, 0.0)
        low = np.where(rubric.points > 0, np.minimum(free, sure), rubric.points)
        high = np.where(rubric.points > 0, rubric.points, np.maximum(free, sure))
    all_gains = rubric.gains.sum(-1)
    open_ = missing.astype(np.float64)
    return (
        ratio(earned - lost + dot(open_, low), all_gains),
        ratio(earned - lost + dot(open_, high), all_gains),
    )


def capped(scores: Floats, caps: tuple[Floats, Floats], *, least: float = -np.inf) -> Floats:
    """Cap scores by closed gates; NaN where a gate that may be closed or open would decide.

    Args:
        scores: [...].
        caps: Of `RubricArrays.caps`.
        least: The lowest cap that makes sense of these scores.
    """
    closed, possible = (np.maximum(cap, least) for cap in caps)
    scores = np.minimum(scores, closed)
    return np.where(scores > possible, np.nan, scores)


def signs_known(verdicts: Floats, weights: Floats, signs: Floats) -> Bools:
    """Say of which answers each sign that has weight also has an answered criterion, [...].

    Args:
        verdicts: [..., C], NaN where there is none.
        weights: Absolute weights; broadcast against the verdicts, 0 at padding.
        signs: Points, of which the sign counts.
    """
    known = (~np.isnan(verdicts)).astype(np.float64)
    found = [
        (dot(known, of_sign) > 0) | (of_sign.sum(-1) == 0)
        for of_sign in (np.where(signs > 0, weights, 0.0), np.where(signs < 0, weights, 0.0))
    ]
    return np.asarray(found[0] & found[1])


def is_unknown(verdicts: Floats, weights: Floats) -> Bools:
    """Say of which answers more than a fifth of the weight has no verdict, [...].

    Args:
        verdicts: [..., C], NaN where there is none.
        weights: Absolute weights; broadcast against the verdicts, 0 at padding.
    """
    return too_much_missing(dot(np.isnan(verdicts).astype(np.float64), weights), weights.sum(-1))


def too_much_missing(missing: Floats, whole: Floats) -> Bools:
    """Say where more than a fifth of the weight is missing, or where there is none at all."""
    bound = MAX_MISSING_SHARE * whole * _ROUNDING
    return np.asarray((missing > bound) | (whole <= 0))


def net_points(positive: Floats, negative: Floats, gains: Floats, losses: Floats) -> Floats:
    """Give h = s - rho N / P; NaN without positive points, or where one of the shares is unknown.

    Args:
        positive: s.
        negative: rho.
        gains: P.
        losses: N.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(gains > 0, positive - negative * losses / gains, np.nan)


def dot(values: Floats, weights: Floats) -> Floats:
    """Sum values times weights over the last axis, without the product in memory."""
    summed: Floats = np.einsum("...c,...c->...", values, weights)
    return summed


def ratio(top: Floats | NDArray[np.float32], bottom: Floats | NDArray[np.float32]) -> Floats:
    """Divide; NaN where the divisor is 0."""
    out = np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan)
    np.divide(top, bottom, out=out, where=np.asarray(bottom) != 0)
    return out


def mean_known(values: Floats) -> float | None:
    """Average what is known; None where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _net(
    earned: Floats,
    lost: Floats,
    positive: Floats,
    negative: Floats,
    gains: Floats,
    losses: Floats,
    missing: Floats,
) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        # the published sum where nothing is missing: to the last bit what it always was
        whole = np.where(gains > 0, (earned - lost) / gains, np.nan)
    return np.where(missing > 0, net_points(positive, negative, gains, losses), whole)


def _perfect(hits: Floats, known: Bools, rubric: RubricArrays, missing: Floats) -> Floats:
    """Count what is wrong so far, so that no rounding of points matters."""
    wanted = rubric.points > 0
    wrong = np.where(known, np.where(wanted, 1.0 - hits, np.maximum(hits, 0.0)), 0.0)
    flawed = dot(wrong, np.abs(np.sign(rubric.points))) > 0
    return np.where(flawed, 0.0, np.where(missing > 0, np.nan, 1.0))


def _share(part: Floats, answered: Floats, whole: Floats) -> Floats:
    """Divide; 0 where the rubric has no such points, NaN where none of them was answered."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = part / answered
    return np.where(answered > 0, share, np.where(whole > 0, np.nan, 0.0))
