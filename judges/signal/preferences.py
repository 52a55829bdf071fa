"""Which graded answers make a training set of preferences: pairs, labels, best answers.

A difference of rewards counts where it is as large as the margin, and where it would still be there
if the judge had erred as often as it does: verdicts are flipped at random at the judge's error
rate (a level to another level), and the difference must keep its sign in so large a share of the
draws. An answer that lacks a
verdict is never in a pair, a label or a threshold. Axes: N answers, C criteria, B draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from ..errors import ConfigError
from ..rewards import Needs, Reward, evaluate_table
from ..scoring.rubric_arrays import Bools, Floats
from ..scoring.verdict_table import VerdictTable
from .levels import OtherLevels

N_DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What makes a difference sure enough."""

    margin: float = 0.1
    """Least difference, in units of the reward; above 0 it keeps ties out, at 0 they are too."""
    confidence: float = 0.95
    """Least share of the draws in which the difference keeps its sign."""
    per_prompt: int = 1
    """Most pairs, or best answers, of a prompt."""
    threshold: float | None = None
    """Reward that labels and best answers are compared with; None for the mean of the prompt."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: A value is out of its range.
        """
        if not 0 <= self.margin < math.inf:
            raise ConfigError(f"--margin {self.margin}: a number from 0")
        if not 0.5 <= self.confidence <= 1:
            raise ConfigError(f"--confidence {self.confidence}: from 0.5 to 1")
        if self.per_prompt < 1:
            raise ConfigError(f"--per_prompt {self.per_prompt}: at least 1")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ConfigError(f"--threshold {self.threshold}: a number")


@dataclass(frozen=True, slots=True)
class Worth:
    """The rewards of N answers, and what they could have been."""

    rewards_N: Floats
    """NaN where a verdict is missing, or there is no reward."""
    draws_BN: Floats | None
    """Under flipped verdicts; None where the judge's error rate is not known."""

    def surely_above(self, one: int, other: int) -> float | None:
        """Give the share of the draws in which one answer is better than another; None unknown."""
        if self.draws_BN is None:
            return None
        return float((self.draws_BN[:, one] > self.draws_BN[:, other]).mean())

    def surely_beyond(self, one: int, threshold: float, *, above: bool) -> float | None:
        """Give the share of the draws in which an answer lies beyond a threshold; None unknown."""
        if self.draws_BN is None:
            return None
        drawn_B = self.draws_BN[:, one]
        return float((drawn_B > threshold if above else drawn_B < threshold).mean())


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A better and a worse answer to one prompt, by their places."""

    chosen: int
    rejected: int
    probability: float | None
    """Share of the draws in which the order holds; None where no error rate is known."""


@dataclass(frozen=True, slots=True)
class AnswerLabel:
    """An answer that is good enough, or bad enough, by its place."""

    answer: int
    is_good: bool
    probability: float | None


def worth_of(
    table: VerdictTable,
    reward: Reward,
    has_all_N: Bools,
    error: float | None,
    seed: int,
    levels_NCK: Floats | None = None,
) -> Worth:
    """Compute the rewards of answers, and those under verdicts that are wrong at a rate.

    Args:
        table: The answers.
        reward: By which they are compared.
        has_all_N: Which answers have every verdict.
        error: Chance of a wrong verdict, below 1/2; None where it is not known.
        seed: Of the draws.
        levels_NCK: As `level_shares` gives them, of each answer's rubric.

    Raises:
        ConfigError: The rate is none, or the reward is not computed from verdicts.
    """
    rewards_N = np.where(has_all_N, evaluate_table(reward, table), np.nan)
    if error is None:
        return Worth(rewards_N, None)
    if not 0 <= error < 0.5:
        raise ConfigError(f"an error rate of {error:g}: from 0 to below 0.5")
    if reward.needs not in (Needs.VERDICTS, Needs.VERDICTS_AND_LENGTH):
        raise ConfigError(
            f"reward {reward.name!r} is not computed from verdicts, so an error rate of verdicts "
            "does not apply; remove it, or choose another reward"
        )
    rng = np.random.default_rng(seed)
    verdicts_NC = table.verdicts(0)
    # every answer is a group of one
    others = OtherLevels.of(levels_NCK, table.verdicts_RNC[:, :, None])
    draws_BN = np.empty((N_DRAWS, len(table)))
    for draw_N in draws_BN:
        is_wrong_NC = rng.random(verdicts_NC.shape) < error
        other_NC = others.draw(verdicts_NC[:, None], rng)[:, 0]
        flipped_NC = np.where(is_wrong_NC, other_NC, verdicts_NC)
        draw_N[:] = evaluate_table(reward, replace(table, verdicts_RNC=flipped_NC[None]))
    return Worth(rewards_N, draws_BN)


def pairs_of(group: Sequence[int], worth: Worth, wanted: Wanted) -> list[PreferencePair]:
    """Choose the pairs of one prompt with the largest differences.

    Args:
        group: Places of its answers; those without a reward are in no pair.
        worth: Of all answers.
        wanted: What makes a pair.
    """
    scored = _scored(group, worth)
    gaps = [
        (_gap(worth.rewards_N[one], worth.rewards_N[other]), one, other)
        for one, other in permutations(scored, 2)
    ]
    found: list[PreferencePair] = []
    for gap, one, other in sorted(gaps, key=lambda each: (-each[0], each[1:])):
        if gap <= 0 or gap < wanted.margin or len(found) == wanted.per_prompt:
            break
        share = worth.surely_above(one, other)
        if share is None or share >= wanted.confidence:
            found.append(PreferencePair(one, other, share))
    return found


def _gap(above: float, below: float) -> float:
    """Give a difference without the rounding in its last bits: .3 less .2 is .1."""
    return round(float(above - below), 12)


def labels_of(group: Sequence[int], worth: Worth, wanted: Wanted) -> Iterator[AnswerLabel]:
    """Label the answers of one prompt that lie surely above the threshold, or below it.

    Those between are excluded. Against the mean of the prompt there must be two answers at least.
    """
    scored = _scored(group, worth)
    threshold = wanted.threshold
    if threshold is None:
        if len(scored) < 2:
            return
        threshold = float(np.mean(worth.rewards_N[scored]))
    for one in scored:
        gap = _gap(worth.rewards_N[one], threshold)
        is_good = gap > 0 or (gap == 0 and wanted.threshold is not None)
        if abs(gap) < wanted.margin or (gap == 0 and wanted.threshold is None):
            continue
        share = worth.surely_beyond(one, threshold, above=is_good)
        if share is None or share >= wanted.confidence:
            yield AnswerLabel(one, is_good, share)


def best_of(
    group: Sequence[int], chars_N: Floats, worth: Worth, wanted: Wanted
) -> list[AnswerLabel]:
    """Choose the best answers of one prompt among those that `labels_of` calls good.

    Of answers with equal rewards the shorter one comes first.
    """
    good = [label for label in labels_of(group, worth, wanted) if label.is_good]
    good.sort(key=lambda one: (-worth.rewards_N[one.answer], chars_N[one.answer], one.answer))
    return good[: wanted.per_prompt]


def _scored(group: Sequence[int], worth: Worth) -> list[int]:
    return [one for one in group if not np.isnan(worth.rewards_N[one])]
