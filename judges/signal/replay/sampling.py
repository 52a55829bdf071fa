"""One step of GRPO over recorded answers: groups drawn, their advantages, and the gradient.

A policy here is a chance for each recorded answer to a prompt. It draws G of them with replacement,
and the gradient of the surrogate at ratio 1 (one update a batch, as TRL's default) with respect to
the logits of a softmax is sum_i A_i (e_{a_i} - pi) / G. Advantages are those of `advantages.py`.

Axes: K rewards, R judgings of an answer, A answers of a prompt, S seeds, P prompts, G draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...scoring.rubric_arrays import Floats
from ..advantages import EPSILON, Scale

Singles = NDArray[np.float32]
NEVER = np.float32(-1e30)
"""Logit of padding."""
SAME = 1e-5
"""Rewards of a drawn group that differ by less, relative to those of their prompt, are equal."""


@dataclass(frozen=True, slots=True)
class RewardTables:
    """Rewards of the answers to some prompts under every judging, as a step reads them."""

    rewards_KRAP: Singles
    """Less the level of the prompt, over the unit of the reward; NaN is none."""
    level_KP: Singles
    """What was taken off, over the unit."""
    epsilon_K: Singles
    """What TRL adds to the standard deviation, over the unit."""
    same_KP: Singles
    """Sum of squares below which a drawn group counts as equal."""
    weight_AP: Singles | None
    """Weight of an answer's gradient; None where all weigh alike."""

    @property
    def is_drawn(self) -> bool:
        """Whether an answer is judged anew at each draw."""
        return bool(self.rewards_KRAP.shape[1] > 1)

    @classmethod
    def of(
        cls, rewards_KRAP: Floats, unit_K: Floats, weight_AP: Floats | None = None
    ) -> RewardTables:
        """Put rewards in units of their own, so that single precision can hold them."""
        known = ~np.isnan(rewards_KRAP)
        n_KP = np.maximum(known.sum((1, 2)), 1)
        level_KP = np.where(known, rewards_KRAP, 0.0).sum((1, 2)) / n_KP
        centred = rewards_KRAP - level_KP[:, None, None]
        size_KP = np.where(known, np.abs(centred), 0.0).max((1, 2), initial=0.0)
        scaled = centred / unit_K[:, None, None, None]
        return cls(
            rewards_KRAP=scaled.astype(np.float32),
            level_KP=(level_KP / unit_K[:, None]).astype(np.float32),
            epsilon_K=(EPSILON / unit_K).astype(np.float32),
            same_KP=np.maximum((SAME * size_KP / unit_K[:, None]) ** 2, 1e-14).astype(np.float32),
            weight_AP=None if weight_AP is None else weight_AP.astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of a step, the same for every reward and scale: arms are paired."""

    chance_SGP: Singles
    """In [0, 1): which answer is drawn."""
    judging_SG: NDArray[np.intp]
    """Which judging of it counts."""
    order_SP: NDArray[np.intp] | None = None
    """The order in which prompts are dealt into batches; None where no batch matters."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step found."""

    gradient_AKSP: Singles
    """Of the surrogate, with respect to the logits."""
    squares_KSP: Singles
    """Sum of the squared advantages of each drawn group."""
    dead_KSP: NDArray[np.bool_]
    """Groups drawn whose rewards are all equal, or fewer than two."""


def take_step(
    weights_AKSP: Singles,
    tables: RewardTables,
    draws: Draws,
    scale: Scale,
    batch_groups: int,
) -> Step:
    """Draw a group for every prompt and seed, and give the gradient of each reward.

    Args:
        weights_AKSP: Chances of the answers up to a factor; 0 at padding.
        tables: The rewards.
        draws: The random numbers.
        scale: Of the advantages.
        batch_groups: Groups that `Scale.BATCH` takes the standard deviation over.
    """
    sums_AKSP = np.cumsum(weights_AKSP, axis=0)
    found = _Groups.drawn if tables.is_drawn else _Groups.counted
    groups = found(sums_AKSP, tables, draws)
    factor = _factor(groups, tables, scale, draws, batch_groups)
    dead = groups.squares_KSP <= tables.same_KP[:, None]
    factor = np.where(dead, np.float32(0), factor)
    gradient = groups.summed(factor)
    n_drawn = draws.chance_SGP.shape[1]
    gradient /= np.float32(n_drawn)
    if tables.weight_AP is not None:
        gradient *= tables.weight_AP[:, None, None]
        total = gradient.sum(0)
        gradient -= weights_AKSP * (total / sums_AKSP[-1])
    return Step(gradient, groups.squares_KSP * factor**2, dead)


def _factor(
    groups: _Groups, tables: RewardTables, scale: Scale, draws: Draws, batch_groups: int
) -> Singles | np.float32:
    """Give what a centred reward is multiplied by."""
    if scale is Scale.NONE:
        return np.float32(1)
    epsilon = tables.epsilon_K[:, None, None]
    if scale is Scale.GROUP:
        spread = np.sqrt(groups.squares_KSP / np.maximum(groups.n_KSP - 1, 1))
        return np.asarray(1 / (spread + epsilon), np.float32)
    assert draws.order_SP is not None
    spread = _batch_spread(groups, tables.level_KP[:, None], draws.order_SP, batch_groups)
    return np.asarray(1 / (spread + epsilon), np.float32)


def _batch_spread(
    groups: _Groups, level_K1P: Singles, order_SP: NDArray[np.intp], batch_groups: int
) -> Singles:
    """Give the standard deviation over the batch that each prompt was dealt into, [K, S, P]."""
    mean = groups.mean_KSP + level_K1P
    parts = np.stack(
        [groups.n_KSP, groups.n_KSP * mean, groups.squares_KSP + groups.n_KSP * mean**2]
    )
    n_prompts = order_SP.shape[1]
    dealt = np.take_along_axis(parts, order_SP[None, None], axis=3)
    starts = np.arange(0, n_prompts, batch_groups)
    n, total, squares = np.add.reduceat(dealt, starts, axis=3)
    variance = np.maximum(squares - total**2 / np.maximum(n, 1), 0) / np.maximum(n - 1, 1)
    sizes = np.diff(np.append(starts, n_prompts))
    spread = np.empty_like(mean)
    by_order = np.repeat(np.sqrt(variance), sizes, axis=2)
    np.put_along_axis(spread, np.broadcast_to(order_SP, spread.shape), by_order, axis=2)
    return spread


@dataclass(frozen=True, slots=True)
class _Groups:
    """The drawn groups' sums; how the gradient is summed depends on how they were drawn."""

    n_KSP: Singles
    """Answers drawn that have a reward."""
    mean_KSP: Singles
    squares_KSP: Singles
    """Of the rewards less their mean."""
    shape: tuple[int, ...]
    terms: Singles
    """Rewards less their mean, one entry for each answer (times its draws) or each draw."""
    cells: NDArray[np.intp] | None = None
    """Flat place of each draw's answer; None where terms are by answer."""

    @classmethod
    def counted(cls, sums_AKSP: Singles, tables: RewardTables, draws: Draws) -> _Groups:
        """Draw where each answer has one reward: how often each answer comes is all that counts."""
        counts = _counts(sums_AKSP, draws.chance_SGP)
        rewards = tables.rewards_KRAP[:, 0].transpose(1, 0, 2)[:, :, None]
        known = ~np.isnan(rewards)
        if known.all():
            n = np.float32(draws.chance_SGP.shape[1])
        else:
            counts *= known
            rewards = np.where(known, rewards, np.float32(0))
            n = counts.sum(0)
        mean = (counts * rewards).sum(0) / np.maximum(n, np.float32(1))
        centred = rewards - mean
        terms = counts * centred
        squares = (terms * centred).sum(0)
        n_KSP = np.broadcast_to(n, mean.shape)
        return cls(n_KSP, mean, squares, sums_AKSP.shape, terms)

    @classmethod
    def drawn(cls, sums_AKSP: Singles, tables: RewardTables, draws: Draws) -> _Groups:
        """Draw where each answer is judged anew: each draw has a reward of its own."""
        n_rewards, _, n_answers, n_prompts = tables.rewards_KRAP.shape
        n_seeds, n_draws, _ = draws.chance_SGP.shape
        lanes = np.arange(n_rewards * n_seeds * n_prompts).reshape(n_rewards, n_seeds, n_prompts)
        judged_SG = draws.judging_SG * (n_answers * n_prompts)
        size = tables.rewards_KRAP[0].size
        base = np.arange(n_rewards)[:, None, None] * size + np.arange(n_prompts)
        values = np.empty((n_draws, *lanes.shape), np.float32)
        cells = np.empty((n_draws, *lanes.shape), np.intp)
        flat = tables.rewards_KRAP.reshape(-1)
        for i in range(n_draws):
            chosen = _chosen(sums_AKSP, draws.chance_SGP[:, i])
            values[i] = flat[chosen * n_prompts + (base + judged_SG[:, i, None])]
            cells[i] = chosen * lanes.size + lanes
        known = ~np.isnan(values)
        values[~known] = 0
        n = known.sum(0, dtype=np.float32)
        mean = values.sum(0) / np.maximum(n, np.float32(1))
        terms = (values - mean) * known
        return cls(n, mean, (terms**2).sum(0), sums_AKSP.shape, terms, cells)

    def summed(self, factor_KSP: Singles) -> Singles:
        """Sum advantages by answer, [A, K, S, P]."""
        terms = self.terms * factor_KSP
        if self.cells is None:
            return terms
        size = int(np.prod(self.shape))
        summed = np.bincount(self.cells.reshape(-1), weights=terms.reshape(-1), minlength=size)
        return summed.astype(np.float32).reshape(self.shape)


def _counts(sums_AKSP: Singles, chance_SGP: Singles) -> Singles:
    """Count how often each answer is drawn, [A, K, S, P], by the inverse of the distribution."""
    n_draws = chance_SGP.shape[1]
    inner, total = sums_AKSP[:-1], sums_AKSP[-1]
    below = np.zeros(inner.shape, np.uint8)
    is_below = np.empty(inner.shape, np.bool_)
    point = np.empty(total.shape, np.float32)
    for i in range(n_draws):
        np.multiply(total, chance_SGP[:, i], out=point)
        np.less(point, inner, out=is_below)
        np.add(below, is_below.view(np.uint8), out=below)
    counts = np.empty(sums_AKSP.shape, np.float32)
    counts[0] = below[0]
    np.subtract(below[1:], below[:-1], out=counts[1:-1])
    np.subtract(np.float32(n_draws), below[-1], out=counts[-1])
    return counts


def _chosen(sums_AKSP: Singles, chance_SP: Singles) -> NDArray[np.intp]:
    """Give the answer drawn, [K, S, P]."""
    point = sums_AKSP[-1] * chance_SP
    n_above = (point < sums_AKSP[:-1]).sum(0, dtype=np.uint16)
    chosen: NDArray[np.intp] = len(sums_AKSP) - 1 - n_above.astype(np.intp)
    return chosen
