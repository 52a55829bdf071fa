"""What a reward is; the shares of points that verdict rewards are built from are `points.py`'s.

Verdicts are float64 over [..., C]: 1 met, 0 not met, NaN no verdict; a fraction is a share of votes
or a probability. The rubric broadcasts against them. Results are float64 over [...], NaN for none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np

from ..errors import ConfigError, RubricbeatError
from ..scoring.points import capped, is_unknown
from ..scoring.rubric_arrays import Floats, RubricArrays
from ..scoring.verdict_table import VerdictTable


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


def require_signs(
    reward: object, label: str, above_zero: Collection[str], from_zero: Collection[str] = ()
) -> None:
    """Refuse constants that would turn the order of answers around, or leave nothing of it.

    Raises:
        ConfigError: One that must be above 0 is not, or one that must not is below 0.
    """
    for name in (*above_zero, *from_zero):
        value = getattr(reward, name)
        is_above = name in above_zero
        if not (value > 0 if is_above else value >= 0):
            raise ConfigError(
                f"reward {label!r}: {name} {value:g} is {'not above' if is_above else 'below'} 0"
            )


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
            ConfigError: It fails, or does not give one number per answer.
        """
        lengths = {"chars": chars} if self.needs is Needs.VERDICTS_AND_LENGTH else {}
        try:
            rewards = np.asarray(self.function(verdicts, rubric, **lengths), dtype=np.float64)
        except RubricbeatError:
            raise
        except (Exception, SystemExit) as error:  # a function of the user's may raise anything
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
        rewards = np.where(is_unknown(verdicts, np.abs(rubric.points)), np.nan, rewards)
        caps = rubric.caps(verdicts)
        return rewards if caps is None else _capped(self, rewards, caps)


def _capped(reward: Reward, rewards: Floats, caps: tuple[Floats, Floats]) -> Floats:
    """Cap a reward that knows nothing of gates, at shares of its highest value.

    Raises:
        ConfigError: It has no highest value.
    """
    if not np.isfinite(high := reward.range[1]):
        raise ConfigError(
            f"reward {reward.name!r}: the rubric has gates, which cap a reward at a share of its "
            "highest value; register it with range=(low, high)"
        )
    return capped(rewards, (caps[0] * high, caps[1] * high))


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
    if rubric.left_out is not None and not getattr(reward, "compares", False):
        # ours have `compares`; any other gets verdicts and rubrics of what all of them have, and
        # its gates go by all of each answer's own verdicts
        left_out = rubric.left_out
        caps = replace(rubric, left_out=None).caps(verdicts)
        rewards = evaluate(
            reward,
            np.where(left_out, np.nan, verdicts),
            rubric.compared(),
            ratings=ratings,
            chars=chars,
            probabilities=None
            if probabilities is None
            else np.where(left_out, np.nan, probabilities),
        )
        return rewards if caps is None else _capped(reward, rewards, caps)
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


def evaluate_table(reward: Reward, table: VerdictTable, replicate: int = 0) -> Floats:
    """Compute a reward for each answer of a table, [N]; NaN where there is none.

    Args:
        reward: Any reward.
        table: The answers.
        replicate: 0 for the first verdicts and ratings; an answer without that many has none.

    Raises:
        ConfigError: The reward needs P(met), and no verdict carries one.
    """
    return evaluate(
        reward,
        table.verdicts(replicate),
        table.rubrics_of(replicate),
        ratings=table.ratings(replicate),
        chars=table.chars_N,
        probabilities=table.probabilities(replicate),
    )
