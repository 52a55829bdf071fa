"""Terms that can be put around any reward: each is itself a reward.

    Clipped(Hybrid(clip=False), low=0)      get_reward("clip(of=hybrid_unclipped,low=0)")

A term keeps what the reward inside declares, and can be taken away again (`without`), so that the
signal study measures what it does. All of them are ours unless a source is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..errors import ConfigError, near_names
from ..scoring.points import shares_of
from ..scoring.rubric_arrays import Floats, RubricArrays
from .base import Decomposable, Needs, Reward, evaluate, require_signs
from .registry import get_reward


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """A reward around a reward."""

    of: Reward
    name: str = ""
    term: ClassVar[str]
    compares: ClassVar[bool] = True
    reads_verdicts: ClassVar[bool] = False
    """Whether the term itself looks at verdicts, so that a reward of a rating cannot be inside."""
    above_zero: ClassVar[tuple[str, ...]] = ()
    from_zero: ClassVar[tuple[str, ...]] = ()
    """Options that must be above 0, and those that must not be below it."""

    def __post_init__(self) -> None:
        """Find the reward inside by name where a name was given; name the whole.

        Raises:
            ConfigError: The term cannot go around that reward, or an option is out of its range.
        """
        if isinstance(self.of, str):
            object.__setattr__(self, "of", get_reward(self.of))
        if not self.name:
            object.__setattr__(self, "name", f"{self.term}(of={self.of.name})")
        if self.reads_verdicts and self.of.needs is Needs.RATING:
            raise ConfigError(
                f"{self.term} around {self.of.name!r}: it looks at verdicts, and "
                "that reward has a rating only"
            )
        require_signs(self, self.term, self.above_zero, self.from_zero)
        low, high = self.range
        if not low <= high:
            raise ConfigError(
                f"reward {self.name!r}: no value lies between {low:g} and {high:g}; "
                f"{self.of.name!r} goes from {self.of.range[0]:g} to {self.of.range[1]:g}"
            )

    @property
    def needs(self) -> Needs:
        """What the reward inside needs."""
        return self.of.needs

    @property
    def constant_terms(self) -> tuple[str, ...]:
        """Those of the reward inside."""
        return self.of.constant_terms

    @property
    def range(self) -> tuple[float, float]:
        """That of the reward inside, as the term changes it."""
        return self._bounds(*self.of.range)

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        return low, high

    @property
    def terms(self) -> tuple[str, ...]:
        """This term, then those of the reward inside."""
        return (self.term, *(self.of.terms if isinstance(self.of, Decomposable) else ()))

    def without(self, term: str) -> Reward:
        """Take away this term, or one of the reward inside."""
        if term == self.term:
            return self.of
        if isinstance(self.of, Decomposable) and term in self.of.terms:
            inside: Any = replace(
                self, of=self.of.without(term), name=f"{self.name} without {term}"
            )
            reward: Reward = inside  # every subclass is callable
            return reward
        raise ConfigError(
            f"reward {self.name!r} has no term {term!r}; {near_names(term, self.terms)}"
        )

    def __call__(
        self, verdicts: Floats, rubric: RubricArrays, *, chars: Floats | None = None
    ) -> Floats:
        """Compute the reward inside, and change it.

        Args:
            verdicts: [..., C], what the reward inside needs.
            rubric: Broadcasts against them.
            chars: [...], characters of the judged part of each answer.
        """
        return self._changed(self._inside(verdicts, rubric, chars), verdicts, rubric)

    def _changed(self, rewards: Floats, verdicts: Floats, rubric: RubricArrays) -> Floats:
        raise NotImplementedError

    def _inside(self, verdicts: Floats, rubric: RubricArrays, chars: Floats | None) -> Floats:
        # the first argument is what the reward inside needs, whatever that is
        return evaluate(
            self.of, verdicts, rubric, ratings=verdicts, chars=chars, probabilities=verdicts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipped(_Around):
    """Keep a reward between two bounds; what lies beyond gives no signal."""

    low: float = 0.0
    high: float = np.inf
    term: ClassVar[str] = "clip"

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        return max(low, self.low), min(high, self.high)

    def _changed(self, rewards: Floats, verdicts: Floats, rubric: RubricArrays) -> Floats:
        return np.clip(rewards, self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Powered(_Around):
    """Raise a reward to a power and keep its sign: above 1, the top counts more."""

    exponent: float = 1.2
    term: ClassVar[str] = "power"
    above_zero: ClassVar[tuple[str, ...]] = ("exponent",)

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        powers = _signed_power(np.array([low, high]), self.exponent)
        return float(powers[0]), float(powers[1])

    def _changed(self, rewards: Floats, verdicts: Floats, rubric: RubricArrays) -> Floats:
        return _signed_power(rewards, self.exponent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonus(_Around):
    """Add a bonus for a perfect answer (P adds 5 in `hybrid`)."""

    bonus: float = 5.0
    term: ClassVar[str] = "bonus"
    reads_verdicts: ClassVar[bool] = True

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        return min(low, low + self.bonus), max(high, high + self.bonus)

    def _changed(self, rewards: Floats, verdicts: Floats, rubric: RubricArrays) -> Floats:
        return rewards + self.bonus * shares_of(verdicts, rubric).perfect


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto(_Around):
    """Give a fixed low reward as soon as one grave fault is found."""

    at_points: float = 5.0
    """A negative criterion of at least this many absolute points has a veto."""
    value: float = 0.0
    term: ClassVar[str] = "veto"
    above_zero: ClassVar[tuple[str, ...]] = ("at_points",)
    reads_verdicts: ClassVar[bool] = True

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        return min(low, self.value), max(high, self.value)

    def _changed(self, rewards: Floats, verdicts: Floats, rubric: RubricArrays) -> Floats:
        # where a veto criterion has no verdict and none was triggered, there is no reward
        grave = rubric.points <= -self.at_points
        hits = rubric.hits(verdicts)
        triggered = (grave & (hits > 0.5)).any(-1)
        unknown = (grave & np.isnan(hits)).any(-1)
        rewards = np.where(triggered & ~np.isnan(rewards), np.minimum(rewards, self.value), rewards)
        return np.where(unknown & ~triggered, np.nan, rewards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturating(_Around):
    """Flatten a reward smoothly towards a level: linear near 0, never beyond the level."""

    level: float = 1.0
    term: ClassVar[str] = "saturation"
    above_zero: ClassVar[tuple[str, ...]] = ("level",)

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        ends = self.level * np.tanh(np.array([low, high]) / self.level)
        return float(ends[0]), float(ends[1])

    def _changed(self, rewards: Floats, verdicts: Floats, rubric: RubricArrays) -> Floats:
        return self.level * np.tanh(rewards / self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(_Around):
    """Make a pass rule of a reward: 1 at or above a level, else 0. For comparison: it collapses."""

    at: float = 0.5
    term: ClassVar[str] = "threshold"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _changed(self, rewards: Floats, verdicts: Floats, rubric: RubricArrays) -> Floats:
        return np.where(np.isnan(rewards), np.nan, rewards >= self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soft(_Around):
    """Compute a reward from P(met) in the place of verdicts: answers differ before a verdict turns.

    The expected value of a reward that is linear in verdicts, such as `healthbench` unclipped; of
    others (`binary`, `hybrid`'s bonus) it is another reward.
    """

    term: ClassVar[str] = "soft"

    def __post_init__(self) -> None:
        """Refuse a reward that is not computed from verdicts alone."""
        _Around.__post_init__(self)
        if self.of.needs is not Needs.VERDICTS:
            raise ConfigError(
                f"soft around {self.of.name!r}: it puts P(met) in the place of verdicts, and that "
                f"reward needs {self.of.needs}"
            )

    @property
    def needs(self) -> Needs:
        """Probabilities."""
        return Needs.PROBABILITIES

    def __call__(
        self, verdicts: Floats, rubric: RubricArrays, *, chars: Floats | None = None
    ) -> Floats:
        """Compute the reward inside.

        Args:
            verdicts: [..., C], P(met) in [0, 1]; NaN where there is no verdict.
            rubric: Broadcasts against them.
            chars: Not looked at.
        """
        return evaluate(self.of, verdicts, rubric)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPenalty(_Around):
    """Take points off for the length of what was judged, as HealthBench: b (chars - free) / 500."""

    per_500_chars: float = 0.0299
    """In units of the reward. Source: H, full set."""
    free_chars: float = 2_000.0
    reward_brevity: bool = False
    """Below the free length, add points as H does; otherwise leave the reward as it is."""
    term: ClassVar[str] = "length"
    from_zero: ClassVar[tuple[str, ...]] = ("per_500_chars", "free_chars")
    reads_verdicts: ClassVar[bool] = True

    @property
    def needs(self) -> Needs:
        """Verdicts and lengths."""
        return Needs.VERDICTS_AND_LENGTH

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        if self.reward_brevity:
            high += self.per_500_chars * self.free_chars / 500.0
        return -np.inf, high

    def __call__(
        self, verdicts: Floats, rubric: RubricArrays, *, chars: Floats | None = None
    ) -> Floats:
        """Subtract.

        Args:
            verdicts: [..., C].
            rubric: Broadcasts against the verdicts.
            chars: [...], characters of the judged part of each answer.
        """
        if chars is None:
            raise ConfigError(f"reward {self.name!r} needs the length of each answer (chars=)")
        excess = chars - self.free_chars
        if not self.reward_brevity:
            excess = np.maximum(excess, 0.0)
        return self._inside(verdicts, rubric, chars) - self.per_500_chars * excess / 500.0


def _signed_power(values: Floats, exponent: float) -> Floats:
    powered: Floats = np.sign(values) * np.abs(values) ** exponent
    return powered
