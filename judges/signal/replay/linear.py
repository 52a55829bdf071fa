"""One policy for all prompts: a linear score of an answer's features, judged on held-out prompts.

The chance of an answer is a softmax of w . features over the recorded answers to its prompt. Each
seed trains on half of the prompts, drawn at random, and gains are those on the other half. A step
draws a group for every prompt that is trained on; w moves by the mean gradient.

Axes: K rewards, S seeds, P prompts, A answers of a prompt, F features, V values that are followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...scoring.rubric_arrays import Bools, Floats
from ..advantages import Scale
from .blocks import Block, RecordedGroups
from .sampling import NEVER, Singles
from .training import Settings, Trained, TrainingPart, train_parts

SPLIT_SEED = 2_000_000
"""Number of the seed that draws the halves: none that trains."""


def train_linear(
    recorded: RecordedGroups,
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

    def parts(blocks: Sequence[Block], rates_K: Singles) -> Iterator[TrainingPart]:
        seen = [_Seen(block, features_PGF) for block in blocks]
        for s in range(settings.seeds):
            held_P = held_out(clusters_P, settings.seed, s)
            learner = partial(_Linear, seen, rates_K, ~held_P)
            yield TrainingPart(range(s, s + 1), blocks, learner, ~held_P, held_P)

    return train_parts(recorded, scales, settings, parts)


def held_out(clusters_P: NDArray[np.intp], seed: int, run: int) -> Bools:
    """Draw the half of the prompts that a run does not train on, [P]."""
    n = int(clusters_P.max()) + 1
    order = np.random.default_rng([seed, SPLIT_SEED, run]).permutation(n)
    return np.asarray(order[clusters_P] < n // 2)


class _Seen:
    """A block, and the features of its answers."""

    def __init__(self, block: Block, features_PGF: Floats) -> None:
        self.prompts = block.prompts
        some_PGF = features_PGF[block.prompts]
        found_PAF = np.take_along_axis(some_PGF, block.order_PA[..., None], axis=1)
        found_AFP = np.moveaxis(found_PAF, 0, 2)
        self.features_AFP = np.where(block.present_AP[:, None], found_AFP, 0).astype(np.float32)
        self.offset_AKSP = np.where(block.present_AP, np.float32(0), NEVER)[:, None, None]


class _Linear:
    """The policy of one seed."""

    def __init__(self, seen: Sequence[_Seen], rates_K: Singles, trained_P: Bools) -> None:
        self._seen, self._trained_P = seen, trained_P
        self._rates_K1 = rates_K[:, None] / max(int(trained_P.sum()), 1)
        self._w_KF = np.zeros((len(rates_K), seen[0].features_AFP.shape[1]), np.float32)
        self._moves_KF = np.zeros_like(self._w_KF)

    def weights(self, place: int) -> Singles:
        seen = self._seen[place]
        logits = np.matmul(self._w_KF, seen.features_AFP)[:, :, None] + seen.offset_AKSP
        weights: Singles = np.exp(logits - logits.max(0))
        return weights

    def learn(self, place: int, gradient_AKSP: Singles) -> None:
        """Sum the gradient of the logits to that of w, and move after the last block."""
        seen = self._seen[place]
        gradient_AKP = gradient_AKSP[:, :, 0] * self._trained_P[seen.prompts]
        self._moves_KF += np.matmul(gradient_AKP, seen.features_AFP.transpose(0, 2, 1)).sum(0)
        if seen is self._seen[-1]:
            self._w_KF += self._rates_K1 * self._moves_KF
            self._moves_KF[:] = 0
