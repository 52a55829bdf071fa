"""Stop grading when the answer is known: which system is better, or a score to a stated width.

Prompts come in a seeded random order, all systems alike. After each of them the rule looks at a
confidence sequence, so that the number of looks costs nothing; what it decides depends on the order
and the scores alone. Of several systems every pair has its share of alpha (Bonferroni: Holm's steps
need p values at one time, and pairs are decided at different ones).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer
from ..rubric import Example
from ..scoring.estimates import MIN_PROMPTS, NOTHING, TOO_FEW, Estimate
from ..scoring.item_scores import ScoredTable
from ..scoring.plain_form import plain_fields
from ..scoring.rubric_arrays import Floats
from ..verdict import Outcome, Verdict
from .confidence_sequence import half_widths, left_below, lower_end

LEVEL = 0.95


class Decision(StrEnum):
    """What a sequence has shown, at its level."""

    HIGHER = "higher"
    LOWER = "lower"
    EQUAL = "practically equal"
    WIDTH = "narrow enough"
    UNDECIDED = "undecided"


class Method(StrEnum):
    """Which confidence sequence."""

    ASYMPTOTIC = "asymptotic"
    BETTING = "betting"


@dataclass(frozen=True, slots=True)
class StopRule:
    """When to stop."""

    level: float | None = LEVEL
    """Of the decision about a difference; None leaves the sign alone and waits for the width."""
    width: float | None = None
    """From the low to the high end of the interval; None is no goal."""
    rope: float = 0.0
    """Differences of at most so much count as practically equal; 0 is none."""
    method: Method = Method.ASYMPTOTIC

    @property
    def alpha(self) -> float:
        """Chance of a wrong decision, over all pairs and looks."""
        return 1 - (self.level or LEVEL)

    @property
    def goal(self) -> str:
        """What is waited for, in a word or two."""
        return "narrow enough" if self.level is None else "decided"

    to_json = plain_fields

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> StopRule:
        """Read what `to_json` gave; what is no such value is left at its default."""
        level, width, rope = (plain.get(name) for name in ("level", "width", "rope"))
        return cls(
            level=level if isinstance(level, float) and 0 < level < 1 else None,
            width=width if isinstance(width, float) else None,
            rope=rope if isinstance(rope, float) else 0.0,
            method=Method.BETTING if plain.get("method") == "betting" else Method.ASYMPTOTIC,
        )


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """The lowest and the highest score that some rubrics allow."""

    low: float
    high: float = 1.0

    @classmethod
    def of(cls, examples: Iterable[Example]) -> ScoreRange:
        """Find it: all positive points at most, and all negative ones triggered at least."""
        unknown = Verdict(Outcome.SKIPPED, attempts=0)
        none = [GradedAnswer(one, "", (unknown,) * len(one.rubric)) for one in examples]
        items = ScoredTable.of(none).items
        lows, highs = items.low[~np.isnan(items.low)], items.high[~np.isnan(items.high)]
        return cls(float(lows.min(initial=0.0)), float(highs.max(initial=1.0)))

    @property
    def of_differences(self) -> ScoreRange:
        """Give that of the difference of two scores."""
        return ScoreRange(self.low - self.high, self.high - self.low)


@dataclass(frozen=True, slots=True)
class Look:
    """What one sequence says when it stops, or at the end."""

    decision: Decision
    n_looked: int
    """Prompts of the order up to the decision, with those without a value."""
    n: int
    """Prompts among them with a value."""
    interval: Estimate
    """The mean up to there; its interval holds however often one has looked."""

    @property
    def is_decided(self) -> bool:
        """Whether grading may stop for it."""
        return self.decision is not Decision.UNDECIDED

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        counts = {"n_looked": self.n_looked, "n": self.n}
        return {"decision": str(self.decision), **counts, **self.interval.to_json()}


def look(
    values_T: Floats, rule: StopRule, within: ScoreRange, *, alpha: float, has_sign: bool = True
) -> Look:
    """Find the first prompt after which the rule decides; the last one where it never does.

    Args:
        values_T: A value for each prompt in the order of grading, NaN where there is none.
        rule: When to stop.
        within: Range of the values, for betting.
        alpha: This sequence's share of the rule's.
        has_sign: Whether the values are differences, of which 0 is a limit.
    """
    at_T = np.flatnonzero(~np.isnan(values_T))
    known_T = values_T[at_T]
    if not len(known_T):
        return Look(Decision.UNDECIDED, len(values_T), 0, NOTHING)
    is_betting = rule.method is Method.BETTING
    band = _Betting(known_T, alpha, within) if is_betting else _Asymptotic(known_T, alpha)
    n, decision = len(known_T), Decision.UNDECIDED
    for name, holds_T in _goals(band, rule, has_sign and rule.level is not None):
        holds_T[: MIN_PROMPTS - 1] = False
        first = int(holds_T.argmax()) + 1
        if holds_T.any() and (first < n or decision is Decision.UNDECIDED):
            n, decision = first, name
    mean = float(known_T[:n].mean())
    few = n < MIN_PROMPTS  # as everywhere: their spread is not known well enough
    interval = Estimate(mean, why=TOO_FEW) if few else Estimate(mean, *band.ends(n))
    n_looked = len(values_T) if decision is Decision.UNDECIDED else int(at_T[n - 1]) + 1
    return Look(decision, n_looked, n, interval)


def _goals(
    band: _Band, rule: StopRule, has_sign: bool
) -> Iterator[tuple[Decision, NDArray[np.bool_]]]:
    """Say of each decision after which prompts it is shown."""
    if has_sign:
        yield Decision.HIGHER, band.above(rule.rope)
        yield Decision.LOWER, band.below(-rule.rope)
        if rule.rope > 0:
            yield Decision.EQUAL, band.above(-rule.rope) & band.below(rule.rope)
    if rule.width is not None:
        yield Decision.WIDTH, band.narrow(rule.width)


def interval_of(
    values_T: Floats, method: Method, within: ScoreRange, *, alpha: float, has_sign: bool = True
) -> Estimate:
    """Give the interval after all of the prompts; see `look`."""
    rule = StopRule(level=None, method=method)
    return look(values_T, rule, within, alpha=alpha, has_sign=has_sign).interval


def look_at_systems(
    scores_MT: Floats,
    rule: StopRule,
    within: ScoreRange,
    known: Mapping[tuple[int, int], Look] | None = None,
) -> dict[tuple[int, int], Look]:
    """Look at each pair of systems, by their places: the first minus the second.

    A pair has the prompts that both have a score for. One system alone stands as (0, 0): its score,
    to the width.

    Args:
        scores_MT: Mean score of each system's answers to each prompt, NaN where there is none.
        rule: When to stop.
        within: Range of a score.
        known: What was found of fewer prompts: what is decided stays so.
    """
    found = {pair: one for pair, one in (known or {}).items() if one.is_decided}
    if len(scores_MT) == 1:
        alone = look(scores_MT[0], rule, within, alpha=rule.alpha, has_sign=False)
        return {(0, 0): found.get((0, 0), alone)}
    pairs = list(combinations(range(len(scores_MT)), 2))
    alpha = rule.alpha / len(pairs)
    span = within.of_differences
    return {
        pair: found.get(pair) or look(np.subtract(*scores_MT[[*pair]]), rule, span, alpha=alpha)
        for pair in pairs
    }


def stops_after(looks: Sequence[Look]) -> int | None:
    """Count the prompts of the order after which all are decided; None where one is not."""
    return max(one.n_looked for one in looks) if all(one.is_decided for one in looks) else None


def prompts_expected(
    rule: StopRule, n_systems: int, n_most: int, *, difference: float, spread: float
) -> int | None:
    """Give the prompts that a rule takes where the mean and the spread are just these.

    By the asymptotic sequence: about half of all orders take fewer.

    Args:
        rule: When to stop.
        n_systems: Models that are compared; of one the width alone counts.
        n_most: Prompts that there are.
        difference: True difference of two of them.
        spread: Standard deviation over prompts, of differences or of one system's scores.

    Returns:
        None where all prompts do not decide.
    """
    alpha = rule.alpha / max(1, n_systems * (n_systems - 1) // 2)
    n_looked = min(n_most, 1_000_000)  # memory: whatever takes more takes all
    values_T = spread * np.resize([1.0, -1.0], n_looked)
    half_T = half_widths(values_T, alpha)
    goal = (rule.width or 0.0) / 2
    if n_systems > 1 and rule.level is not None:
        goal = max(goal, abs(difference) - rule.rope, rule.rope - abs(difference))
    enough_T = half_T < goal
    enough_T[: MIN_PROMPTS - 1] = False
    return int(enough_T.argmax()) + 1 if enough_T.any() else None


class _Asymptotic:
    """A confidence sequence over prompts that all have a value: what holds after each prompt."""

    def __init__(self, known_T: Floats, alpha: float) -> None:
        self._half_T = half_widths(known_T, alpha)
        mean_T = np.cumsum(known_T) / np.arange(1.0, len(known_T) + 1)
        self._low_T, self._high_T = mean_T - self._half_T, mean_T + self._half_T

    def above(self, mean: float) -> NDArray[np.bool_]:
        return self._low_T > mean

    def below(self, mean: float) -> NDArray[np.bool_]:
        return self._high_T < mean

    def narrow(self, width: float) -> NDArray[np.bool_]:
        return 2 * self._half_T <= width

    def ends(self, n: int) -> tuple[float, float]:
        return float(self._low_T[n - 1]), float(self._high_T[n - 1])


class _Betting:
    """Each end has half of alpha; what was left out once stays out."""

    def __init__(self, known_T: Floats, alpha: float, within: ScoreRange) -> None:
        self._known_T, self._alpha, self._within = known_T, alpha / 2, within

    def above(self, mean: float) -> NDArray[np.bool_]:
        return left_below(self._known_T, mean, self._alpha, self._within.low)

    def below(self, mean: float) -> NDArray[np.bool_]:
        return left_below(-self._known_T, -mean, self._alpha, -self._within.high)

    def narrow(self, width: float) -> NDArray[np.bool_]:
        # the interval never grows: halve the number of prompts at which it is narrow enough
        few, enough = 0, len(self._known_T) + 1
        while enough - few > 1:
            middle = (few + enough) // 2
            low, high = self.ends(middle)
            few, enough = (few, middle) if high - low <= width else (middle, enough)
        return np.arange(1, len(self._known_T) + 1) >= enough

    def ends(self, n: int) -> tuple[float, float]:
        known_T, low, high = self._known_T[:n], self._within.low, self._within.high
        upper = lower_end(-known_T, self._alpha, -high, -low)
        return lower_end(known_T, self._alpha, low, high), -upper


_Band = _Asymptotic | _Betting
