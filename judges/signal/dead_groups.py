"""Dead groups (zero reward variance, no learning signal), and why they are dead.

A group whose rewards are all equal has advantages of 0. Where its verdicts are identical, no reward
can help: the prompt is too easy, too hard, or the policy says the same thing each time. Where they
differ, this reward has lost what the verdicts hold. P calls for variance inside a group; this
measures it (method sheet, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..rewards import Needs, Reward
from ..scoring.estimates import Estimate
from ..scoring.jackknife import share
from ..scoring.points import ratio, shares_of
from ..scoring.rubric_arrays import Bools, Floats, RubricArrays
from .groups import GroupedVerdicts

EQUAL = 1e-9
"""Rewards of a group that differ by no more than this, relative to their size, are equal."""


@dataclass(frozen=True, slots=True)
class DeadGroups:
    """Dead groups of one reward; the shares are of the groups with two rewards or more."""

    reward: str
    n_groups: int
    """Groups with at least two rewards."""
    n_unscored: int
    """Groups with fewer, for want of verdicts."""
    dead: Estimate
    identical: float
    """Share: dead, and its verdicts are identical. No reward can help."""
    lost: float
    """Share: dead, though its verdicts differ. Lost by this reward."""
    floor: float
    """Share: dead at the lowest reward its rubric allows."""
    ceiling: float
    """Share: dead at the highest reward its rubric allows."""


@dataclass(frozen=True, slots=True)
class PromptToDrop:
    """A prompt without a learning signal: identical verdicts in each of its groups."""

    prompt_id: str
    n_answers: int
    positive_share: float
    """Mean share of positive points met over all its answers: near 1 too easy, near 0 too hard;
    NaN where too many verdicts are missing."""


def dead_groups(
    groups: GroupedVerdicts, reward: Reward, rewards_PG: Floats, identical_P: Bools
) -> DeadGroups:
    """Count the dead groups of a reward, split by cause.

    Args:
        groups: The verdicts.
        reward: The reward.
        rewards_PG: Its values on the groups.
        identical_P: Which groups have identical verdicts, from `identical_verdicts`.
    """
    counted_P = (~np.isnan(rewards_PG)).sum(1) > 1
    n = int(counted_P.sum())
    dead_P = equal_in_group(rewards_PG)
    low_P, high_P = attainable(groups, reward)
    level_P = np.where(np.isnan(rewards_PG), -np.inf, rewards_PG).max(1)
    with np.errstate(invalid="ignore"):
        at_floor_P = dead_P & (level_P - low_P <= EQUAL * np.maximum(1, np.abs(low_P)))
        at_ceiling_P = dead_P & (high_P - level_P <= EQUAL * np.maximum(1, np.abs(high_P)))

    def of_counted(flags_P: Bools) -> float:
        return float((flags_P & counted_P).sum()) / n if n else 0.0

    clusters_P = np.unique(groups.clusters_P[counted_P], return_inverse=True)[1]
    return DeadGroups(
        reward=reward.name,
        n_groups=n,
        n_unscored=groups.n_groups - n,
        dead=share(dead_P[counted_P], clusters_P),
        identical=of_counted(dead_P & identical_P),
        lost=of_counted(dead_P & ~identical_P),
        floor=of_counted(at_floor_P),
        ceiling=of_counted(at_ceiling_P),
    )


def identical_verdicts(groups: GroupedVerdicts) -> Bools:
    """Say in which groups no two answers differ in a verdict; a missing verdict differs from none.

    Criteria without a verdict are passed over: only a criterion that was met by one answer and not
    by another can tell answers apart. Where answers were rated, different ratings do so as well. Of
    a group without two verdicts on any criterion nothing is known, and it is not called identical.
    """
    verdicts_PGC = groups.verdicts_PGC
    if groups.excluded_RPGC is not None:  # "does not apply" is a verdict like any other
        verdicts_PGC = np.where(groups.excluded_RPGC[0], -np.inf, verdicts_PGC)
    n_PC = (~np.isnan(verdicts_PGC)).sum(1)
    same_P = (n_PC > 1).any(1) & ~_differs(verdicts_PGC).any(1)
    rated = groups.ratings_PG
    return np.asarray(same_P if rated is None else same_P & ~_differs(rated))


def _differs(values: Floats) -> Bools:
    """Say where two answers of a group, the second axis, differ; what is missing differs not."""
    return np.asarray(np.fmax.reduce(values, axis=1) > np.fmin.reduce(values, axis=1))


def attainable(groups: GroupedVerdicts, reward: Reward) -> tuple[Floats, Floats]:
    """Give the lowest and the highest reward each group's rubric allows, [P] and [P].

    Where criteria require others these are the extremes of two readings: every verdict at its worst
    (or best) by itself, and the verdicts of the least (or most) net points. Rewards by net points
    have no further ones, but for gates; of others an answer may lie beyond.
    """
    if reward.needs not in {Needs.VERDICTS, Needs.PROBABILITIES}:
        low, high = reward.range
        return np.full(groups.n_groups, low), np.full(groups.n_groups, high)
    rubric_PC, levels_PCK = groups.rubric_PC, groups.levels_PCK
    worst_PC, best_PC = extreme_verdicts(rubric_PC)
    low_P, high_P = reward(worst_PC, rubric_PC), reward(best_PC, rubric_PC)
    if rubric_PC.conditions is None or not (rubric_PC.conditions.requires >= 0).any():
        return low_P, high_P
    worst_PC = _opening(worst_PC, rubric_PC, levels_PCK, -1.0)
    best_PC = _opening(best_PC, rubric_PC, levels_PCK, 1.0)
    return (
        np.fmin(low_P, reward(worst_PC, rubric_PC)),
        np.fmax(high_P, reward(best_PC, rubric_PC)),
    )


def extreme_verdicts(rubric: RubricArrays) -> tuple[Floats, Floats]:
    """Give the worst and the best verdict on each criterion by itself, NaN at padding."""
    best = np.where(rubric.present, np.where(rubric.desirable, 1.0, 0.0), np.nan)
    worst = 1.0 - best
    if rubric.conditions is None:
        return worst, best
    least = rubric.conditions.least
    return np.where(worst == 0, least, worst), np.where(best == 0, least, best)


def _opening(
    extreme_PC: Floats, rubric_PC: RubricArrays, levels_PCK: Floats | None, sign: float
) -> Floats:
    """Meet what others require, where what then counts moves the points further than it costs.

    Args:
        extreme_PC: Of `extreme_verdicts`.
        rubric_PC: With requirements.
        levels_PCK: As `level_shares` gives them.
        sign: 1 for the best verdicts, -1 for the worst.
    """
    assert rubric_PC.conditions is not None
    levels = () if levels_PCK is None else np.moveaxis(levels_PCK, -1, 0)
    options_OPC = np.stack([extreme_PC, np.ones_like(extreme_PC), *levels])
    options_OPC = np.where(np.isnan(options_OPC) | ~rubric_PC.present, extreme_PC, options_OPC)
    requires_PC = rubric_PC.conditions.requires
    needing = np.nonzero(requires_PC >= 0)
    required = needing[0], requires_PC[needing]
    is_open_OX = options_OPC[:, *required] >= rubric_PC.conditions.needs[needing]
    alone = replace(rubric_PC, conditions=None)
    own_OPC = sign * np.nan_to_num(rubric_PC.points * alone.hits(options_OPC))
    # points of each option with all that it opens; no chain is longer than the rubric
    worth_OPC = own_OPC
    for _ in range(requires_PC.shape[1]):
        opened_X = worth_OPC.max(0)[needing]
        worth_OPC = own_OPC.copy()
        for worth_PC, is_open_X in zip(worth_OPC, is_open_OX, strict=True):
            np.add.at(worth_PC, required, np.where(is_open_X, opened_X, 0.0))
    chosen: Floats = np.take_along_axis(options_OPC, worth_OPC.argmax(0)[None], 0)[0]
    return chosen


def equal_in_group(rewards_PG: Floats) -> Bools:
    """Say in which groups all rewards are equal; groups with fewer than two do not count."""
    dead: Bools = ((~np.isnan(rewards_PG)).sum(1) > 1) & no_spread(rewards_PG)
    return dead


def no_spread(values_PG: Floats) -> Bools:
    """Say in which groups no two values differ; true of one or none."""
    known = ~np.isnan(values_PG)
    low_P = np.where(known, values_PG, np.inf).min(1)
    high_P = np.where(known, values_PG, -np.inf).max(1)
    with np.errstate(invalid="ignore"):
        equal: Bools = high_P - low_P <= EQUAL * np.maximum(1.0, np.abs(high_P))
    return equal


def prompts_to_drop(groups: GroupedVerdicts, identical_P: Bools) -> tuple[PromptToDrop, ...]:
    """Name the prompts without a learning signal: identical verdicts in each group.

    Args:
        groups: The verdicts.
        identical_P: Which groups have identical verdicts.
    """
    clusters_P = groups.clusters_P
    n_groups = np.bincount(clusters_P)
    n_dead = np.bincount(clusters_P, weights=identical_P)
    n_answers = np.bincount(clusters_P, weights=groups.sizes_P)
    first = np.unique(clusters_P, return_index=True)[1]
    excluded_PGC = None if groups.excluded_RPGC is None else groups.excluded_RPGC[0]
    rubric_P1C = groups.rubric_PC.for_groups().without(excluded_PGC)
    share_PG = shares_of(groups.verdicts_PGC, rubric_P1C).positive
    known_PG = ~np.isnan(share_PG) & groups.answered_PG
    # over all groups of a prompt: any one of them would let the order of models decide
    sums = (
        np.bincount(clusters_P, weights=values_PG.sum(1)).astype(np.float64)
        for values_PG in (np.where(known_PG, share_PG, 0.0), known_PG)
    )
    share_of_prompt = ratio(*sums)
    return tuple(
        PromptToDrop(
            groups.prompt_ids[int(first[cluster])],
            int(n_answers[cluster]),
            float(share_of_prompt[cluster]),
        )
        for cluster in np.nonzero(n_dead >= n_groups)[0]
    )
