"""Many steps of GRPO over recorded answers, for every reward and seed at once.

The policy is a softmax for each prompt over its recorded answers, which starts where all of them
are alike likely; each step draws a group for every prompt. What the policy scores on average is
known exactly at any moment: it is the sum of chance times score.

A step moves the logits by the learning rate times the gradient, in units of the reward's own
advantages: their root mean square over groups drawn at the start, dead ones included. So every arm
takes first steps of one length, as it does under an optimiser that takes a constant factor out of
the gradient (Adam, Kingma and Ba 2015), and rewards on scales of 1 and of 25 can be compared.

Axes: J arms (a reward under a scaling), K rewards, V values that are followed, T moments that are
recorded, P prompts, A answers of a prompt, S seeds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol, Self

import numpy as np

from ...errors import ConfigError
from ...scoring.rubric_arrays import Bools, Floats
from ..advantages import Scale
from ..groups import BATCH_GROUPS
from .blocks import Block, RecordedGroups, blocks_of
from .sampling import Draws, Singles, take_step

CELLS = 100_000
"""Logits that are held at a time: more would leave the processor's cache."""
PILOT_DRAWS = 32
"""Groups of each prompt drawn before the first step, to know the size of advantages and the share
of dead ones."""
PILOT_SEED = 1_000_000
"""Number of its seed: none that trains."""
MOMENTS = 20
"""Points of a curve, beside its start."""
MOST_DRAWS = 64
TABLE_RATE, LINEAR_RATE = 0.02, 0.1


class Policy(StrEnum):
    """What is trained."""

    TABLE = "table"
    """A softmax for each prompt over its answers: what a policy without limits would learn."""
    LINEAR = "linear"
    """One linear score of an answer's form for all prompts, judged on prompts held out."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train."""

    seeds: int = 30
    steps: int = 400
    group_size: int = 6
    learning_rate: float | None = None
    """None for the policy's own: `TABLE_RATE` or `LINEAR_RATE`."""
    by_length: bool = False
    """Whether an answer's gradient is divided by its length, as the loss `grpo` does."""
    policy: Policy = Policy.TABLE
    batch_groups: int = BATCH_GROUPS
    """Groups that the scaling `batch` takes a standard deviation over."""
    errors_stay: bool = False
    """Whether one judging of each answer holds for all of a seed's training, as at temperature 0;
    else every draw is judged anew."""
    seed: int = 0
    """Of all that is drawn; run s of a training draws the same whatever else is trained."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name, least, most in (
            ("seeds", 1, 10_000), ("steps", 1, 100_000), ("group_size", 2, MOST_DRAWS),
            ("batch_groups", 1, 1_000_000),
        ):  # fmt: skip
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"--{name} {getattr(self, name)}: a number from {least:,} to {most:,}"
                )
        if not 0 < self.rate <= 100:
            raise ConfigError(f"--learning_rate {self.rate:g}: above 0, at most 100")

    @property
    def rate(self) -> float:
        """The learning rate that holds."""
        own = TABLE_RATE if self.policy is Policy.TABLE else LINEAR_RATE
        return own if self.learning_rate is None else self.learning_rate

    @property
    def moments(self) -> tuple[int, ...]:
        """Steps after which the policy is looked at."""
        return tuple(sorted({round(self.steps * t / MOMENTS) for t in range(MOMENTS + 1)}))


@dataclass(frozen=True, slots=True)
class Trained:
    """What training did, arm by arm: the rewards under the first scaling, then the next one."""

    gain_VJSP: Floats
    """Exact mean value of the policy at the end, less that at its start; NaN where a prompt was
    trained on and does not count."""
    dead_J: Floats
    """Share of dead groups among those drawn at the start."""
    curve_VJT: Floats
    """Gain at each of `Settings.moments`, over seeds and prompts."""
    dead_JT: Floats
    """Share of dead groups at each moment."""


class Chance:
    """The random numbers of some seeds on one block."""

    def __init__(
        self, seeds: Sequence[int], block: Block, settings: Settings, scale: Scale
    ) -> None:
        """Begin; a seed has a generator of its own, so that it draws the same in any company."""
        self._seeds = list(seeds)
        self._random = [np.random.default_rng([settings.seed, s, block.number]) for s in seeds]
        self._shape = settings.group_size, len(block.prompts)
        self._n_judgings = block.tables.rewards_KRAP.shape[1]
        self._stays = settings.errors_stay
        self._is_dealt = scale is Scale.BATCH

    def draw(self) -> Draws:
        """Give those of the next step."""
        n_seeds, (n_draws, n_prompts) = len(self._random), self._shape
        chance = np.empty((n_seeds, n_draws, n_prompts), np.float32)
        judging = np.zeros((n_seeds, n_draws), np.intp)
        order = np.empty((n_seeds, n_prompts), np.intp) if self._is_dealt else None
        for s, random in enumerate(self._random):
            random.random(dtype=np.float32, out=chance[s])
            if self._n_judgings > 1:
                stays = self._seeds[s] % self._n_judgings
                judging[s] = (
                    stays if self._stays else random.integers(self._n_judgings, size=n_draws)
                )
            if order is not None:
                order[s] = random.permutation(n_prompts)
        return Draws(chance, judging, order)


@dataclass(frozen=True, slots=True)
class PilotGroups:
    """What groups drawn at the start say of each reward under one scaling."""

    size_K: Floats
    """Root mean square of the advantages, dead groups included; 0 where all are dead."""
    dead_K: Floats
    """Share of dead groups."""

    @classmethod
    def of(cls, blocks: Sequence[Block], scale: Scale, settings: Settings) -> Self:
        """Draw `PILOT_DRAWS` groups of each prompt."""
        n_prompts = sum(len(block.prompts) for block in blocks)
        n_rewards = blocks[0].n_rewards
        squares, dead = np.zeros(n_rewards), np.zeros(n_rewards)
        for block in blocks:
            # one a kind of number: in what portions they are drawn changes nothing
            random = [
                np.random.default_rng([settings.seed, PILOT_SEED, block.number, kind])
                for kind in range(3)
            ]
            for seeds in portions(range(PILOT_DRAWS), block):
                weights = np.exp(block.logits(len(seeds)))
                draws = _pilot_draws(random, len(seeds), block, settings)
                step = take_step(weights, block.tables, draws, scale, settings.batch_groups)
                squares += step.squares_KSP.sum((1, 2), dtype=np.float64)
                dead += step.dead_KSP.sum((1, 2))
        n_groups = n_prompts * PILOT_DRAWS
        return cls(np.sqrt(squares / (n_groups * settings.group_size)), dead / n_groups)

    def rates(self, settings: Settings) -> Singles:
        """Give the step of each reward's logits for a gradient of one, [K]."""
        moves = self.size_K > 0
        rates = np.where(moves, settings.rate / np.where(moves, self.size_K, 1.0), 0.0)
        return rates.astype(np.float32)


class Learner(Protocol):
    """A policy over the answers of some blocks, for some seeds."""

    def weights(self, place: int) -> Singles:
        """Give the chances of the answers of a block up to a factor, [A, K, S, P]."""

    def learn(self, place: int, gradient_AKSP: Singles) -> None:
        """Take the gradient of a block's logits; blocks come in their order, all at each step."""


@dataclass(frozen=True, slots=True)
class TrainingPart:
    """Some seeds on some blocks, trained together."""

    seeds: range
    blocks: Sequence[Block]
    learner: Callable[[], Learner]
    trained_P: Bools
    """Prompts that are trained on."""
    counted_P: Bools
    """Prompts whose gain counts."""


def train(recorded: RecordedGroups, scales: Sequence[Scale], settings: Settings) -> Trained:
    """Train a policy for each prompt under every reward and scaling.

    Args:
        recorded: The answers.
        scales: Scalings of the advantages.
        settings: How to train.
    """
    all_P = np.ones(len(recorded.weight_P), bool)

    def parts(blocks: Sequence[Block], rates_K: Singles) -> Iterator[TrainingPart]:
        for block in blocks:
            for seeds in portions(range(settings.seeds), block):
                learner = partial(_Table, block, len(seeds), rates_K)
                yield TrainingPart(seeds, [block], learner, all_P, all_P)

    return train_parts(recorded, scales, settings, parts)


def train_parts(
    recorded: RecordedGroups,
    scales: Sequence[Scale],
    settings: Settings,
    parts: Callable[[Sequence[Block], Singles], Iterable[TrainingPart]],
) -> Trained:
    """Train in parts, which get the blocks and the rate of each reward under one scaling."""
    n_values, n_prompts = recorded.values_VPG.shape[:2]
    n_rewards, n_moments = len(recorded.rewards_KRPG), len(settings.moments)
    n_arms, n_seeds = len(scales) * n_rewards, settings.seeds
    gain = np.full((n_values, n_arms, n_seeds, n_prompts), np.nan, np.float32)
    curve, dead = np.zeros((n_values, n_arms, n_moments)), np.zeros((n_arms, n_moments))
    at_start = np.empty(n_arms)
    with ThreadPoolExecutor(n_threads()) as pool:
        jobs = []
        for place, scale in enumerate(scales):
            blocks = blocks_of(recorded, by_length=settings.by_length, is_one=scale is Scale.BATCH)
            pilot = PilotGroups.of(blocks, scale, settings)
            arms = slice(place * n_rewards, (place + 1) * n_rewards)
            at_start[arms] = pilot.dead_K
            for part in parts(blocks, pilot.rates(settings)):
                job = pool.submit(_follow, part, scale, settings, recorded.weight_P)
                jobs.append((arms, part, job))
        for arms, part, job in jobs:
            gains, of_part, dead_KT = job.result()
            at = slice(part.seeds.start, part.seeds.stop)
            for block, gain_VKSP in zip(part.blocks, gains, strict=True):
                counted_P = part.counted_P[block.prompts]
                gain[:, arms, at, block.prompts] = np.where(counted_P, gain_VKSP, np.nan)
            curve[:, arms] += of_part / n_seeds
            dead[arms] += dead_KT / n_seeds / max(int(part.trained_P.sum()), 1)
    return Trained(gain.astype(np.float64), at_start, curve, dead)


class _Table:
    """A softmax for each prompt of a block over its answers."""

    def __init__(self, block: Block, n_seeds: int, rates_K: Singles) -> None:
        self._logits, self._rates_K11 = block.logits(n_seeds), rates_K[:, None, None]

    def weights(self, place: int) -> Singles:
        weights: Singles = np.exp(self._logits)
        return weights

    def learn(self, place: int, gradient_AKSP: Singles) -> None:
        self._logits += self._rates_K11 * gradient_AKSP
        # the largest is 0: no chance can overflow
        self._logits -= self._logits.max(0)


def _follow(
    part: TrainingPart, scale: Scale, settings: Settings, weight_P: Floats
) -> tuple[list[Singles], Floats, Floats]:
    """Train a part: gains of each block at the end, and curves and dead groups as sums."""
    learner, first = part.learner(), part.blocks[0]
    chances = [Chance(part.seeds, block, settings, scale) for block in part.blocks]
    counted_P = np.where(part.counted_P, weight_P, 0.0)
    counted_P /= counted_P.sum()
    moments = {step: at for at, step in enumerate(settings.moments)}
    curve = np.zeros((len(first.value_VAP), first.n_rewards, len(moments)))
    dead = np.zeros((first.n_rewards, len(moments)))
    gains: list[Singles] = [np.empty(0, np.float32)] * len(part.blocks)
    for t in range(settings.steps + 1):
        for place, (block, chance) in enumerate(zip(part.blocks, chances, strict=True)):
            weights = learner.weights(place)
            step = take_step(weights, block.tables, chance.draw(), scale, settings.batch_groups)
            if t in moments:
                gains[place] = block.gains(weights)
                curve[..., moments[t]] += (gains[place] @ counted_P[block.prompts]).sum(2)
                is_dead = step.dead_KSP & part.trained_P[block.prompts]
                dead[:, moments[t]] += is_dead.sum((1, 2))
            learner.learn(place, step.gradient_AKSP)
    return gains, curve, dead


def _pilot_draws(
    random: Sequence[np.random.Generator], n_seeds: int, block: Block, settings: Settings
) -> Draws:
    of_chance, of_judging, of_order = random
    n_draws, n_prompts = settings.group_size, len(block.prompts)
    n_judgings = block.tables.rewards_KRAP.shape[1]
    n_chosen = 1 if settings.errors_stay else n_draws
    judging = of_judging.integers(n_judgings, size=(n_seeds, n_chosen))
    order = of_order.permuted(np.tile(np.arange(n_prompts), (n_seeds, 1)), axis=1)
    return Draws(
        of_chance.random((n_seeds, n_draws, n_prompts), np.float32),
        np.broadcast_to(judging, (n_seeds, n_draws)),
        order,
    )


def portions(seeds: range, block: Block) -> Iterator[range]:
    """Divide seeds so that the logits of a portion stay within `CELLS`."""
    size = max(1, CELLS // (block.n_rewards * block.present_AP.size))
    for first in range(seeds.start, seeds.stop, size):
        yield range(first, min(first + size, seeds.stop))


def n_threads() -> int:
    """Count the processors that are ours."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
