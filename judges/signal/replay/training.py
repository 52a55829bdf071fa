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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from ...errors import ConfigError
from ...scoring.rubric_arrays import Floats
from ..advantages import Scale
from ..groups import BATCH_GROUPS
from .blocks import Block, Recorded, blocks_of
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
class Pilot:
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


def train(recorded: Recorded, scales: Sequence[Scale], settings: Settings) -> Trained:
    """Train a policy for each prompt under every reward and scaling.

    Args:
        recorded: The answers.
        scales: Scalings of the advantages.
        settings: How to train.
    """
    n_values, n_prompts = recorded.values_VPG.shape[:2]
    n_rewards, n_moments = len(recorded.rewards_KRPG), len(settings.moments)
    n_arms = len(scales) * n_rewards
    gain = np.empty((n_values, n_arms, settings.seeds, n_prompts), np.float32)
    curve, dead = np.zeros((n_values, n_arms, n_moments)), np.zeros((n_arms, n_moments))
    at_start = np.empty(n_arms)
    with ThreadPoolExecutor(n_threads()) as pool:
        jobs = []
        for place, scale in enumerate(scales):
            blocks = blocks_of(recorded, by_length=settings.by_length, is_one=scale is Scale.BATCH)
            pilot = Pilot.of(blocks, scale, settings)
            arms = slice(place * n_rewards, (place + 1) * n_rewards)
            at_start[arms] = pilot.dead_K
            rates_K = pilot.rates(settings)
            for block in blocks:
                for seeds in portions(range(settings.seeds), block):
                    job = pool.submit(_train_block, block, seeds, scale, settings, rates_K)
                    jobs.append((arms, seeds, block, job))
        for arms, seeds, block, job in jobs:
            found = job.result()
            gain[:, arms, seeds.start : seeds.stop, block.prompts] = found.gain_VKSP
            curve[:, arms] += found.curve_VKT
            dead[arms] += found.dead_KT
    n_seeds = settings.seeds
    return Trained(gain.astype(np.float64), at_start, curve / n_seeds, dead / n_seeds / n_prompts)


@dataclass(frozen=True, slots=True)
class _Part:
    """What the training of one block and some seeds gives; curves as sums over seeds."""

    gain_VKSP: Singles
    curve_VKT: Floats
    dead_KT: Floats


def _train_block(
    block: Block, seeds: range, scale: Scale, settings: Settings, rates_K: Singles
) -> _Part:
    logits = block.logits(len(seeds))
    random = Chance(seeds, block, settings, scale)
    rates_K11 = rates_K[:, None, None]
    moments = settings.moments
    curve = np.zeros((len(block.value_VAP), block.n_rewards, len(moments)))
    dead = np.zeros((block.n_rewards, len(moments)))
    for t in range(settings.steps + 1):
        weights = np.exp(logits)
        step = take_step(weights, block.tables, random.draw(), scale, settings.batch_groups)
        if t in moments:
            at = moments.index(t)
            gains = block.gains(weights)
            curve[..., at] = (gains @ block.weight_P).sum(2)
            dead[:, at] = step.dead_KSP.sum((1, 2))
        logits += rates_K11 * step.gradient_AKSP
        # the largest is 0: no chance can overflow
        logits -= logits.max(0)
    return _Part(gains, curve, dead)


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
