"""Recorded answers laid out for training: prompts with as many answers side by side.

Axes: K rewards, R judgings of an answer, V values that are followed, P prompts, G recorded answers
of a prompt, A the same in front of P, S seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...scoring.rubric_arrays import Bools, Floats
from .sampling import NEVER, RewardTables, Singles

BLOCK_PROMPTS = 512
ROUNDING = 1e-6
"""Gains below it are the rounding of single precision."""
SIZES = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64)
"""Answers of a prompt that a block is padded to; beyond, the largest number there is."""


@dataclass(frozen=True, slots=True)
class RecordedGroups:
    """What is trained on."""

    rewards_KRPG: Floats
    """Of each answer under each of its judgings; NaN is none."""
    values_VPG: Floats
    """Scores whose exact mean is followed; the first is gold."""
    answered_PG: Bools
    """Answers that the policy chooses from; all have every value."""
    weight_P: Floats
    """Of each group in a mean over prompts; they sum to 1."""
    chars_PG: Floats | None = None
    """Needed where gradients are divided by length."""


@dataclass(frozen=True, slots=True)
class Block:
    """Prompts with as many answers, side by side."""

    number: int
    """Of the block: its random numbers are its own."""
    prompts: NDArray[np.intp]
    tables: RewardTables
    order_PA: NDArray[np.intp]
    """Where each answer stood in its group."""
    present_AP: Bools
    value_VAP: Singles
    start_VP: Singles
    weight_P: Floats

    @property
    def n_rewards(self) -> int:
        """Count the rewards."""
        return len(self.tables.epsilon_K)

    def logits(self, n_seeds: int) -> Singles:
        """Give those of a policy to which all answers are alike, [A, K, S, P]."""
        one_AP = np.where(self.present_AP, np.float32(0), NEVER)
        shape = (len(one_AP), self.n_rewards, n_seeds, one_AP.shape[1])
        return np.broadcast_to(one_AP[:, None, None], shape).copy()

    def gains(self, weights_AKSP: Singles) -> Singles:
        """Give the exact mean values of a policy less those at the start, [V, K, S, P]."""
        total = weights_AKSP.sum(0)
        means = [(weights_AKSP * value_AP[:, None, None]).sum(0) for value_AP in self.value_VAP]
        gains: Singles = np.stack(means) / total - self.start_VP[:, None, None]
        gains[np.abs(gains) < ROUNDING] = 0  # a policy that has not moved has gained nothing
        return gains


def blocks_of(recorded: RecordedGroups, *, by_length: bool, is_one: bool) -> list[Block]:
    """Lay prompts with about as many answers side by side.

    Args:
        recorded: The answers.
        by_length: Whether gradients are divided by length.
        is_one: Put all prompts into one block, for batches over all of them.
    """
    sizes_P = recorded.answered_PG.sum(1)
    most = int(sizes_P.max())
    unit_K = _units(recorded.rewards_KRPG, recorded.answered_PG)
    blocks: list[Block] = []
    last = 0
    for size in [most] if is_one else sorted({*(s for s in SIZES if s < most), most}):
        found = np.nonzero((sizes_P > last) & (sizes_P <= size))[0]
        last = size
        step = len(found) if is_one else BLOCK_PROMPTS
        for first in range(0, len(found), max(step, 1)):
            prompts = found[first : first + step]
            blocks.append(_block(recorded, prompts, size, unit_K, len(blocks), by_length))
    return blocks


def _units(rewards_KRPG: Floats, answered_PG: Bools) -> Floats:
    """Give the largest distance of a reward from the mean of its prompt, [K]."""
    known = ~np.isnan(rewards_KRPG) & answered_PG
    n = np.maximum(known.sum((1, 3)), 1)
    level_KP = np.where(known, rewards_KRPG, 0.0).sum((1, 3)) / n
    away = np.where(known, np.abs(rewards_KRPG - level_KP[:, None, :, None]), 0.0)
    unit_K: Floats = np.maximum(away.max((1, 2, 3), initial=0.0), 1e-12)
    return unit_K


def _block(
    recorded: RecordedGroups,
    prompts: NDArray[np.intp],
    size: int,
    unit_K: Floats,
    number: int,
    by_length: bool,
) -> Block:
    answered_PG = recorded.answered_PG[prompts]
    order_PA = np.argsort(~answered_PG, axis=1, kind="stable")[:, :size]

    def laid_out(values: Floats) -> Floats:
        """Take [..., P, G] to [..., A, P]."""
        some = values[..., prompts, :]
        order = np.broadcast_to(order_PA, (*some.shape[:-1], size))
        return np.moveaxis(np.take_along_axis(some, order, axis=-1), -1, -2)

    present_AP = np.take_along_axis(answered_PG, order_PA, axis=1).T
    rewards = np.where(present_AP, laid_out(recorded.rewards_KRPG), np.nan)
    value_VAP = np.where(present_AP, laid_out(recorded.values_VPG), 0.0)
    weight_AP = None
    if by_length:
        assert recorded.chars_PG is not None
        chars_AP = np.where(present_AP, np.maximum(laid_out(recorded.chars_PG), 1.0), 1.0)
        mean = float(np.nanmean(recorded.chars_PG[recorded.answered_PG]))
        weight_AP = np.where(present_AP, mean / chars_AP, 0.0)
    return Block(
        number=number,
        prompts=prompts,
        tables=RewardTables.of(rewards, unit_K, weight_AP),
        order_PA=order_PA,
        present_AP=present_AP,
        value_VAP=value_VAP.astype(np.float32),
        start_VP=(value_VAP.sum(1) / present_AP.sum(0)).astype(np.float32),
        weight_P=recorded.weight_P[prompts],
    )
