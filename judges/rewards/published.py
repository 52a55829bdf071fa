"""The rewards of the papers, each a frozen value that is called with verdicts and rubric.

Sources: P = Ahmadi et al. 2026 (arXiv 2606.05174); R = Rubrics as Rewards (arXiv 2507.17746);
H = HealthBench (arXiv 2505.08775). Constants are theirs unless marked "ours".
Each reward can drop one of its terms (`without`), so that the signal study can measure what a term
does instead of believing it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import ConfigError, DataError, near_names
from ..rubric import CATEGORIES
from ..scoring.points import capped, is_unknown, shares_of, signs_known
from ..scoring.rubric_arrays import Floats, RubricArrays
from .base import Needs, Reward, require_signs

LOG_COMPLEXITY_BASE = 26.0
"""1 + 25 criteria: where the complexity bonus of P reaches its full size."""
MIN_RATING, MAX_RATING = 1.0, 10.0


class Weights(StrEnum):
    """How `rar_explicit` weighs a criterion."""

    CATEGORY = "category"
    POINTS = "points"
    """Its absolute points."""
    UNIFORM = "uniform"


CATEGORY_WEIGHTS = {"Essential": 1.0, "Important": 0.7, "Optional": 0.3, "Pitfall": 0.9}
"""Source: R, explicit aggregation."""


@dataclass(frozen=True, slots=True)
class _OfPaper:
    """A reward whose terms can be taken away one by one."""

    needs: ClassVar[Needs] = Needs.VERDICTS
    compares: ClassVar[bool] = True
    off: ClassVar[Mapping[str, tuple[str, object]]] = {}
    """The option of each term, and its value where the term is taken away."""
    above_zero: ClassVar[tuple[str, ...]] = ()
    from_zero: ClassVar[tuple[str, ...]] = ()
    """Constants that must be above 0, and those that must not be below it."""

    def __post_init__(self) -> None:
        """Refuse constants of the wrong sign."""
        require_signs(self, self.name, self.above_zero, self.from_zero)

    if TYPE_CHECKING:

        @property
        def name(self) -> str:
            """Every reward has one of its own."""

    @property
    def constant_terms(self) -> tuple[str, ...]:
        """None, of most rewards."""
        return ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Those that are switched on."""
        return tuple(
            term for term, (option, off) in self.off.items() if getattr(self, option) != off
        )

    def without(self, term: str) -> Reward:
        """Take away one of the terms.

        Raises:
            ConfigError: There is none of that name.
        """
        if term not in self.terms:
            raise ConfigError(
                f"reward {self.name!r} has no term {term!r}; {near_names(term, self.terms)}"
            )
        option, off = self.off[term]
        changes: dict[str, object] = {option: off, "name": f"{self.name} without {term}"}
        reward: Any = replace(self, **changes)
        made: Reward = reward  # every subclass is callable
        return made


@dataclass(frozen=True, slots=True)
class HealthBench(_OfPaper):
    """Net points over the positive points, h (H); None where the rubric has no positive point."""

    clip: bool = False
    """Raise negative rewards to 0. H clips the mean of a run, never the items."""
    uniform: bool = False
    """Count each criterion as one point of its sign (ours, a baseline)."""
    name: str = "healthbench"
    off: ClassVar[Mapping[str, tuple[str, object]]] = {
        "clip": ("clip", False),
        "weights": ("uniform", True),
    }

    @property
    def range(self) -> tuple[float, float]:
        """Up to 1, and without a floor unless clipped."""
        return (0.0, 1.0) if self.clip else (-np.inf, 1.0)

    def __call__(self, verdicts: Floats, rubric: RubricArrays) -> Floats:
        """Give h."""
        points = shares_of(verdicts, rubric, uniform=self.uniform).points
        return np.maximum(points, 0.0) if self.clip else points


@dataclass(frozen=True, slots=True)
class Binary(_OfPaper):
    """All or nothing: P's collapsing baseline."""

    scale: float = 20.0
    name: str = "binary"
    above_zero: ClassVar[tuple[str, ...]] = ("scale",)

    @property
    def range(self) -> tuple[float, float]:
        """Nothing, or the whole."""
        return (0.0, self.scale)

    def __call__(self, verdicts: Floats, rubric: RubricArrays) -> Floats:
        """Give `scale` where the answer is perfect, else 0."""
        return self.scale * shares_of(verdicts, rubric).perfect


@dataclass(frozen=True, slots=True)
class Hybrid(_OfPaper):
    """Partial credit less a penalty, never below 0, and a bonus for a perfect answer (P)."""

    credit: float = 15.0
    penalty: float = 4.5
    bonus: float = 5.0
    clip: bool = True
    """Raise a negative partial credit to 0."""
    uniform: bool = False
    name: str = "hybrid"
    from_zero: ClassVar[tuple[str, ...]] = ("credit", "penalty", "bonus")
    off: ClassVar[Mapping[str, tuple[str, object]]] = {
        "clip": ("clip", False),
        "penalty": ("penalty", 0.0),
        "bonus": ("bonus", 0.0),
        "weights": ("uniform", True),
    }

    @property
    def range(self) -> tuple[float, float]:
        """0 to 20 with the paper's constants."""
        return (0.0 if self.clip else -self.penalty, self.credit + self.bonus)

    def __call__(self, verdicts: Floats, rubric: RubricArrays) -> Floats:
        """Give max(0, 15 s - 4.5 rho) + 5 perfect."""
        shares = shares_of(verdicts, rubric, uniform=self.uniform)
        partial = self.credit * shares.positive - self.penalty * shares.negative
        if self.clip:
            partial = np.maximum(partial, 0.0)
        return partial + self.bonus * shares.perfect


@dataclass(frozen=True, slots=True)
class Complexity(_OfPaper):
    """Partial credit to a power, times a bonus for long rubrics (P).

    The bonus depends on the number of criteria alone. That is constant in a group of answers to
    one prompt, so any scaling by the group's own spread takes it out again.
    """

    scale: float = 20.0
    penalty: float = 0.5
    power: float = 1.2
    log_bonus: float = 0.2
    cap: float = 25.0
    clip: bool = True
    """Raise a negative partial credit to 0; without it the power keeps the sign (ours)."""
    uniform: bool = False
    name: str = "complexity"
    above_zero: ClassVar[tuple[str, ...]] = ("scale", "power", "cap")
    from_zero: ClassVar[tuple[str, ...]] = ("penalty", "log_bonus")
    off: ClassVar[Mapping[str, tuple[str, object]]] = {
        "log_complexity": ("log_bonus", 0.0),
        "penalty": ("penalty", 0.0),
        "power": ("power", 1.0),
        "clip": ("clip", False),
        "cap": ("cap", np.inf),
        "weights": ("uniform", True),
    }

    @property
    def constant_terms(self) -> tuple[str, ...]:
        """The bonus for long rubrics."""
        return ("log_complexity",) if self.log_bonus else ()

    @property
    def range(self) -> tuple[float, float]:
        """0 to 25 with the paper's constants."""
        return (0.0 if self.clip else -np.inf, self.cap)

    def __call__(self, verdicts: Floats, rubric: RubricArrays) -> Floats:
        """Give clip(20 t^1.2 (1 + 0.2 ln(1 + n) / ln 26), 0, 25), t = max(0, s - 0.5 rho)."""
        shares = shares_of(verdicts, rubric, uniform=self.uniform)
        partial = shares.positive - self.penalty * shares.negative
        if self.clip:
            partial = np.maximum(partial, 0.0)
        shaped = np.sign(partial) * np.abs(partial) ** self.power
        growth = np.log1p(shares.n_criteria) / np.log(LOG_COMPLEXITY_BASE)
        rewards: Floats = self.scale * shaped * (1.0 + self.log_bonus * growth)
        return np.minimum(rewards, self.cap)


@dataclass(frozen=True, slots=True)
class RarExplicit(_OfPaper):
    """Weighted share of what is as it should be, [0, 1] (R, explicit aggregation)."""

    weights: Weights = Weights.CATEGORY
    name: str = "rar_explicit"
    off: ClassVar[Mapping[str, tuple[str, object]]] = {"weights": ("weights", Weights.UNIFORM)}
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse weights that are none of ours."""
        known = [weights.value for weights in Weights]
        if self.weights not in known:
            raise ConfigError(
                f"reward 'rar_explicit': unknown weights {self.weights!r}; "
                f"{near_names(str(self.weights), known)}"
            )

    def __call__(self, verdicts: Floats, rubric: RubricArrays) -> Floats:
        """Give sum w g / sum w over the answered criteria, some of either sign."""
        alone, rubric = rubric, rubric.compared()
        weights = self._weights(rubric)
        # as it should be: a positive criterion that counts, a negative one that does not
        hits = rubric.hits(verdicts)
        good = np.where(rubric.points > 0, hits, 1.0 - hits)
        known = ~np.isnan(good)
        if rubric.conditions is not None:  # points of the other sign are not as it should be
            good = np.clip(good, 0.0, 1.0)
        earned = np.einsum("...c,...c->...", np.where(known, good, 0.0), weights)
        whole = np.einsum("...c,...c->...", known.astype(np.float64), weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(whole > 0, earned / whole, np.nan)
        known = signs_known(hits, weights, rubric.points)
        share = np.where(is_unknown(hits, weights) | ~known, np.nan, share)
        caps = alone.caps(verdicts)
        return share if caps is None else capped(share, caps, least=0.0)

    def _weights(self, rubric: RubricArrays) -> Floats:
        if self.weights == Weights.POINTS:
            return np.abs(rubric.points)
        if self.weights == Weights.UNIFORM:
            return rubric.present.astype(np.float64)
        points = rubric.points
        # "Without category labels", method sheet section 3
        by_points = np.select(
            [points < 0, points >= 5, points >= 3, points > 0],
            [CATEGORY_WEIGHTS[name] for name in ("Pitfall", "Essential", "Important", "Optional")],
            0.0,
        )
        table = np.array([CATEGORY_WEIGHTS[name] for name in CATEGORIES])
        labelled = (rubric.category >= 0) & rubric.present
        return np.where(labelled, table[np.maximum(rubric.category, 0)], by_points)


@dataclass(frozen=True, slots=True)
class RarImplicit(_OfPaper):
    """One rating of the whole rubric, 1 to 10, over 10 (R, implicit aggregation)."""

    name: str = "rar_implicit"
    needs: ClassVar[Needs] = Needs.RATING
    range: ClassVar[tuple[float, float]] = (MIN_RATING / MAX_RATING, 1.0)

    def __call__(self, verdicts: Floats, rubric: RubricArrays) -> Floats:
        """Give the rating over 10.

        Args:
            verdicts: The ratings, [...], NaN for none: not verdicts.
            rubric: Not looked at; the judge has seen it.

        Raises:
            DataError: A rating lies outside 1 to 10.
        """
        ratings = np.asarray(verdicts, dtype=np.float64)
        outside = (ratings < MIN_RATING) | (ratings > MAX_RATING)
        if outside.any():
            raise DataError(
                f"reward 'rar_implicit': rating {ratings[outside].flat[0]:g} lies outside "
                f"{MIN_RATING:g} to {MAX_RATING:g}; were verdicts given in place of ratings?"
            )
        return ratings / MAX_RATING
