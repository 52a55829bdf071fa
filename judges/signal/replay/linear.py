"""One policy for all prompts: a linear score of an answer's features, judged on held-out prompts.

The chance of an answer is a softmax of w . features over the recorded answers to its prompt. Each
seed trains on half of the prompts, drawn at random, and gains are those on the other half. A step
draws a group for every prompt that is trained on; w moves by the mean gradient.

Axes: K rewards, S seeds, P prompts, A answers of a prompt, F features, V values that are followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ...scoring.rubric_arrays import Bools, Floats
from ..advantages import Scale
from .blocks import Block, Recorded, blocks_of
from .sampling import NEVER, Singles, take_step
from .training import Chance, Pilot, Settings, Trained, n_threads

SPLIT_SEED = 2_000_000
"""Number of the seed that draws the halves: none that trains."""


def train_linear(
    recorded: Recorded,
    scales: Sequence[Scale],
    settings: Settings,
    features_PGF: Floats,
    clusters_P: NDArray[np.intp],
) -> Trained:
    """Train one policy for all prompts under every reward and scaling.

    Args:
        recorded: The answers.
        scales: Scalings of the advantages.
        settings: How to train.
        features_PGF: Of every answer, as `within_prompts` gives them.
        clusters_P: A number for the prompt of each group: one prompt is in one half.
    """
    n_values, n_prompts = recorded.values_VPG.shape[:2]
    n_rewards, n_moments = len(recorded.rewards_KRPG), len(settings.moments)
    n_arms = len(scales) * n_rewards
    gain = np.full((n_values, n_arms, settings.seeds, n_prompts), np.nan)
    curve = np.zeros((n_values, n_arms, n_moments))
    dead = np.zeros((n_arms, n_moments))
    at_start = np.empty(n_arms)
    held_SP = np.stack([held_out(clusters_P, settings.seed, s) for s in range(settings.seeds)])
    with ThreadPoolExecutor(n_threads()) as pool:
        jobs = []
        for place, scale in enumerate(scales):
            blocks = blocks_of(recorded, by_length=settings.by_length, is_one=scale is Scale.BATCH)
            pilot = Pilot.of(blocks, scale, settings)
            arms = slice(place * n_rewards, (place + 1) * n_rewards)
            at_start[arms] = pilot.dead_K
            seen = [_Seen(block, features_PGF) for block in blocks]
            for s in range(settings.seeds):
                run = _Run(seen, s, held_SP[s], scale, settings, pilot.rates(settings))
                jobs.append((arms, s, pool.submit(run.train)))
        for arms, s, job in jobs:
            of_run, dead_KT = job.result()
            dead[arms] += dead_KT / settings.seeds
            weight_P = np.where(held_SP[s], recorded.weight_P, 0.0)
            curve[:, arms] += of_run @ (weight_P / weight_P.sum()) / settings.seeds
            gain[:, arms, s] = np.where(held_SP[s], of_run[:, :, -1], np.nan)
    return Trained(gain, at_start, curve, dead)


def held_out(clusters_P: NDArray[np.intp], seed: int, run: int) -> Bools:
    """Draw the half of the prompts that a run does not train on, [P]."""
    n = int(clusters_P.max()) + 1
    order = np.random.default_rng([seed, SPLIT_SEED, run]).permutation(n)
    return np.asarray(order[clusters_P] < n // 2)


class _Seen:
    """A block, and the features of its answers."""

    def __init__(self, block: Block, features_PGF: Floats) -> None:
        self.block = block
        some_PGF = features_PGF[block.prompts]
        order_PA = block.order_PA[..., None]
        found_PAF = np.take_along_axis(some_PGF, order_PA, axis=1)
        found_AFP = np.moveaxis(found_PAF, 0, 2)
        self.features_AFP = np.where(block.present_AP[:, None], found_AFP, 0).astype(np.float32)
        self.offset_AKSP = np.where(block.present_AP, np.float32(0), NEVER)[:, None, None]

    def weights(self, w_KF: Singles) -> Singles:
        """Give the chances up to a factor, [A, K, 1, P]."""
        logits = np.matmul(w_KF, self.features_AFP)[:, :, None] + self.offset_AKSP
        weights: Singles = np.exp(logits - logits.max(0))
        return weights

    def gradient(self, gradient_AKSP: Singles) -> Singles:
        """Sum the gradient of the logits to that of w, [K, F]."""
        found = np.matmul(gradient_AKSP[:, :, 0], self.features_AFP.transpose(0, 2, 1))
        summed: Singles = found.sum(0)
        return summed


class _Run:
    """The training of one seed."""

    def __init__(
        self,
        seen: Sequence[_Seen],
        run: int,
        held_P: Bools,
        scale: Scale,
        settings: Settings,
        rates_K: Singles,
    ) -> None:
        self._seen, self._scale, self._settings = seen, scale, settings
        self._held_P = held_P
        self._rates_K1 = rates_K[:, None] / max(int((~held_P).sum()), 1)
        seeds = range(run, run + 1)
        self._chances = [Chance(seeds, one.block, settings, scale) for one in seen]

    def train(self) -> tuple[Floats, Floats]:
        """Give the gains [V, K, T, P] and the share of dead groups among those trained on."""
        first = self._seen[0]
        n_values, n_rewards = len(first.block.value_VAP), first.block.n_rewards
        moments = self._settings.moments
        w_KF = np.zeros((n_rewards, first.features_AFP.shape[1]), np.float32)
        gains = np.empty((n_values, n_rewards, len(moments), len(self._held_P)))
        dead = np.zeros((n_rewards, len(moments)))
        for t in range(self._settings.steps + 1):
            moves = np.zeros_like(w_KF)
            for one, chance in zip(self._seen, self._chances, strict=True):
                block = one.block
                weights = one.weights(w_KF)
                step = take_step(
                    weights, block.tables, chance.draw(), self._scale, self._settings.batch_groups
                )
                trained_P = ~self._held_P[block.prompts]
                moves += one.gradient(step.gradient_AKSP * trained_P)
                if t in moments:
                    at = moments.index(t)
                    gains[:, :, at, block.prompts] = block.gains(weights)[:, :, 0]
                    dead[:, at] += (step.dead_KSP[:, 0] & trained_P).sum(1)
            w_KF += self._rates_K1 * moves
        return gains, dead / max(int((~self._held_P).sum()), 1)
