"""What a reward is, and the shares of points that every verdict reward is built from.

Verdicts are float64 over [..., C]: 1 met, 0 not met, NaN no verdict; a fraction is a share of votes
or a probability. The rubric broadcasts against them. Results are float64 over [...], NaN for none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np

from ..arrays import Floats, RubricArrays
from ..errors import ConfigError, RubricbeatError

MAX_MISSING_SHARE = 0.2
"""Of a rubric's absolute weight that may lack a verdict before there is no reward (method 3)."""


class Needs(StrEnum):
    """What a reward is computed from."""

    VERDICTS = "verdicts"
    RATING = "rating"
    """One rating from 1 to 10 of the whole rubric: another judge call than verdicts."""
    VERDICTS_AND_LENGTH = "verdicts+length"
    """Verdicts, and the characters of each answer."""
    PROBABILITIES = "probabilities"
    """P(met) of each criterion in the place of its verdict."""


@runtime_checkable
class Reward(Protocol):
    """A pure function from verdicts and rubric to rewards."""

    @property
    def name(self) -> str:
        """Name in tables; two differently set rewards have two names."""

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value, either may be infinite."""

    @property
    def needs(self) -> Needs:
        """What the first argument holds: verdicts, probabilities, or ratings."""

    @property
    def constant_terms(self) -> tuple[str, ...]:
        """Terms that depend on the rubric alone, and so are constant within a group."""

    def __call__(self, verdicts: Floats, rubric: RubricArrays) -> Floats:
        """Give the reward of each answer, NaN where there is none.

        Args:
            verdicts: [..., C]; for a reward that needs a rating, the ratings [...].
            rubric: Broadcasts against the verdicts.
        """


@runtime_checkable
class Decomposable(Protocol):
    """A reward whose terms can be taken away one by one, to measure what each one does."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms that `without` can take away."""

    def without(self, term: str) -> Reward:
        """Give the same reward without one of its terms."""


@dataclass(frozen=True, slots=True)
class FunctionReward:
    """A plain function of (verdicts, rubric) with the declarations of a reward."""

    function: Callable[..., Floats]
    name: str
    range: tuple[float, float] = (-np.inf, np.inf)
    needs: Needs = Needs.VERDICTS
    constant_terms: tuple[str, ...] = ()

    def __call__(
        self, verdicts: Floats, rubric: RubricArrays, *, chars: Floats | None = None
    ) -> Floats:
        """Call the function; too many missing verdicts give none, whatever it says.

        Raises:
            ConfigError: It fails, or does not give one number an answer.
        """
        lengths = {"chars": chars} if self.needs is Needs.VERDICTS_AND_LENGTH else {}
        try:
            rewards = np.asarray(self.function(verdicts, rubric, **lengths), dtype=np.float64)
        except RubricbeatError:
            raise
        except Exception as error:  # a function of the user's may raise anything
            raise ConfigError(
                f"reward {self.name!r} failed: {type(error).__name__}: {error}"
            ) from error
        expected = verdicts.shape if self.needs is Needs.RATING else verdicts.shape[:-1]
        if rewards.shape != expected:
            raise ConfigError(
                f"reward {self.name!r} gave an array of shape {rewards.shape} for "
                f"{expected} answers; sum over the last axis, the criteria"
            )
        if self.needs is Needs.RATING:
            return rewards
        weights = np.abs(rubric.points)
        return np.where(missing_share(verdicts, weights) > MAX_MISSING_SHARE, np.nan, rewards)


@dataclass(frozen=True, slots=True)
class Shares:
    """What an answer earned and lost of a rubric's points, over [...]; NaN where unknown.

    Source: Ahmadi et al. 2026 (arXiv 2606.05174); positive and negative points are normalised
    separately. With missing verdicts every sum runs over the answered criteria (ours).
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
    """Net points over the positive points, h; NaN where the rubric has no positive point."""


def shares_of(verdicts: Floats, rubric: RubricArrays, *, uniform: bool = False) -> Shares:
    """Sum verdicts to shares of points.

    Unknown (NaN) where more than a fifth of the absolute points lacks a verdict. A share none of
    whose criteria was answered is unknown too, not 0: a lost verdict on the one pitfall of a
    rubric must not count as "avoided" (ours; method sheet, section 9).

    Args:
        verdicts: [..., C].
        rubric: Broadcasts against the verdicts.
        uniform: Count each criterion as one point of its sign.
    """
    points = np.sign(rubric.points) if uniform else rubric.points
    present = rubric.present
    hits = rubric.hits(verdicts)
    known = ~np.isnan(hits)
    hits = np.where(known, hits, 0.0)
    gains, losses = np.maximum(points, 0.0), np.maximum(-points, 0.0)
    complete = bool(np.all(known | ~present))

    earned, lost = _dot(hits, gains), _dot(hits, losses)
    all_gains, all_losses = gains.sum(-1), losses.sum(-1)
    if complete:
        open_gains: Floats = np.broadcast_to(all_gains, earned.shape)
        open_losses: Floats = np.broadcast_to(all_losses, lost.shape)
    else:
        answered = known.astype(np.float64)
        open_gains, open_losses = _dot(answered, gains), _dot(answered, losses)
    positive = _share(earned, open_gains, all_gains)
    negative = _share(lost, open_losses, all_losses)

    # unmet positives and triggered negatives, counted so that no rounding of points matters
    wanted = (points > 0).astype(np.float64)
    faults = _dot(
        np.where(known, np.where(wanted > 0, 1.0 - hits, hits), 0.0), np.abs(np.sign(points))
    )
    perfect = (faults <= 0).astype(np.float64)
    undecided = (perfect > 0) & (np.isnan(positive) | np.isnan(negative))
    with np.errstate(invalid="ignore", divide="ignore"):
        net = np.where(open_gains > 0, (earned - lost) / open_gains, np.nan)

    n_criteria = np.broadcast_to(present.sum(-1).astype(np.float64), earned.shape)
    none = n_criteria == 0
    if not complete:
        total = all_gains + all_losses
        none = none | (total - (open_gains + open_losses) > MAX_MISSING_SHARE * total * _ROUNDING)
    if none.any() or undecided.any():
        positive, negative, net = (np.where(none, np.nan, x) for x in (positive, negative, net))
        perfect = np.where(none | undecided, np.nan, perfect)
    return Shares(positive, negative, perfect, n_criteria, net)


_ROUNDING = 1 + 1e-9
"""A share of exactly one fifth must not tip over in its last bit."""


def _dot(values: Floats, weights: Floats) -> Floats:
    """Sum values times weights over the last axis, without the product in memory."""
    summed: Floats = np.einsum("...c,...c->...", values, weights)
    return summed


def _share(part: Floats, answered: Floats, whole: Floats) -> Floats:
    """Divide; 0 where the rubric has no such points, NaN where none of them was answered."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = part / answered
    return np.where(answered > 0, share, np.where(whole > 0, np.nan, 0.0))


def missing_share(verdicts: Floats, weights: Floats) -> Floats:
    """Give the share of a rubric's absolute weight without a verdict, over [...].

    Args:
        verdicts: [..., C], NaN where there is none.
        weights: Broadcasts against the verdicts; 0 at padding.
    """
    missing = _dot(np.isnan(verdicts).astype(np.float64), np.abs(weights))
    whole = np.abs(weights).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = missing / whole / _ROUNDING
    return np.where(whole > 0, share, 1.0)


def evaluate(
    reward: Reward,
    verdicts: Floats,
    rubric: RubricArrays,
    *,
    ratings: Floats | None = None,
    chars: Floats | None = None,
    probabilities: Floats | None = None,
) -> Floats:
    """Compute a reward, giving it what it declares to need.

    Args:
        reward: Any reward.
        verdicts: [..., C].
        rubric: Broadcasts against the verdicts.
        ratings: [...], 1 to 10, for a reward that needs a rating.
        chars: [...], characters of the judged part of each answer, for a reward that needs them.
        probabilities: [..., C], P(met), for a reward that needs it; None where no verdict has one.

    Raises:
        ConfigError: The reward needs what was not given.
    """
    if reward.needs is Needs.RATING:
        if ratings is None:
            raise ConfigError(
                f"reward {reward.name!r} needs a rating of the whole rubric, not verdicts; "
                "grade with a judge in rating mode, or choose another reward"
            )
        return reward(ratings, rubric)
    if reward.needs is Needs.PROBABILITIES:
        if probabilities is None:
            raise ConfigError(
                f"reward {reward.name!r} needs P(met), and no verdict carries one; fitted and "
                "local judges, chat with logprobs, and votes give it"
            )
        return reward(probabilities, rubric)
    if reward.needs is Needs.VERDICTS_AND_LENGTH:
        if chars is None:
            raise ConfigError(f"reward {reward.name!r} needs the length of each answer")
        return reward(verdicts, rubric, chars=chars)  # type: ignore[call-arg]  # what it declares
    return reward(verdicts, rubric)
