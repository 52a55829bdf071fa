"""What a judge says: a verdict on one criterion of one answer, or a rating of the whole answer.

A verdict is met or not met, a level, or "does not apply". One that is missing has a named reason;
it travels unchanged to scores, rewards and reports, and is never turned into 0 or False.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, TypeGuard

from .errors import ConfigError, DataError, near_names

_COUNTED = ("attempts", "prompt_tokens", "cached_tokens", "completion_tokens")
_ROUNDING = 1e-6
"""So far outside of 0 to 1 a chance may lie by rounding alone."""

HIGHEST = 10
"""The best rating; the reward `rar_implicit` is the rating over it."""

TIE = "a tie:"
"""How the explanation begins where votes or chances are equal: judges answered, and disagree."""


class Outcome(StrEnum):
    """How the question to a judge ended."""

    MET = "met"
    NOT_MET = "not_met"
    LEVEL = "level"
    """One of the criterion's levels."""
    NOT_APPLICABLE = "not_applicable"
    """The criterion does not apply to this answer: an answer of the judge, and no missing one."""
    UNPARSEABLE = "unparseable"
    """A reply came, and no verdict could be read in it."""
    REFUSED = "refused"
    """The judge declined to answer."""
    TRUNCATED = "truncated"
    """The reply was cut off before its verdict."""
    OVERFLOW = "overflow"
    """The question is longer than the judge's context."""
    TRANSPORT = "transport"
    """No reply came within the retries allowed."""
    JUDGE_ERROR = "judge_error"
    """The judge's own code raised an error."""
    SKIPPED = "skipped"
    """Never asked: no predicate, a spent budget, an interrupted run."""


ANSWERED = frozenset({Outcome.MET, Outcome.NOT_MET, Outcome.LEVEL, Outcome.NOT_APPLICABLE})
"""The outcomes that are an answer of the judge."""


class Source(StrEnum):
    """Where a verdict came from."""

    FRESH = "fresh"
    STORE = "store"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer to one criterion."""

    outcome: Outcome
    probability: float | None = None
    """P(met) in [0, 1] where the judge gives one; NaN and infinities count as none."""
    explanation: str = ""
    """The judge's own words, or why there is no verdict. Untrusted text."""
    reply: str = ""
    """The raw reply, kept where no verdict could be read in it. Untrusted text."""
    source: Source = Source.FRESH
    attempts: int = 1
    """Calls made for this verdict, retries included; 0 where none was made."""
    prompt_tokens: int = 0
    """Tokens sent, as the endpoint counted them; 0 where it did not say."""
    cached_tokens: int = 0
    """Those of the prompt tokens that the endpoint read from its cache."""
    completion_tokens: int = 0
    """Tokens received."""
    latency_s: float = 0.0
    """Seconds from sending to receiving, of the last call."""
    level: int | None = None
    """Position among the criterion's levels, from 0, where the outcome is one."""
    level_probabilities: tuple[float, ...] | None = None
    """P of each level, in order, where the judge gives them."""

    def __post_init__(self) -> None:
        """Take whatever number a judge computes with: results and stores hold plain ones.

        Raises:
            DataError: The outcome is none of ours.
        """
        if type(self.outcome) is not Outcome:
            object.__setattr__(self, "outcome", _outcome_of(self.outcome))
        if type(self.source) is not Source and self.source in list(Source):
            object.__setattr__(self, "source", Source(self.source))
        n_in, n_cached, n_out = self.prompt_tokens, self.cached_tokens, self.completion_tokens
        if not (type(n_in) is type(n_cached) is type(n_out) is type(self.attempts) is int):
            self._take_counts()
        chance: object = self.probability
        if self.level_probabilities is not None:
            plain_ones = tuple(float(p) + 0.0 for p in self.level_probabilities)  # -0.0 is 0
            object.__setattr__(self, "level_probabilities", plain_ones)
        if type(chance) is float and 0.0 < chance <= 1.0:
            return
        if isinstance(chance, Real):
            plain = float(chance)
            rounded = min(max(0.0, plain), 1.0)  # 0.0 first: -0.0 is 0, in a store too
            if abs(plain - rounded) < _ROUNDING:
                plain = rounded
            object.__setattr__(self, "probability", plain if math.isfinite(plain) else None)

    def _take_counts(self) -> None:
        for name in _COUNTED:
            count: object = getattr(self, name)
            if (isinstance(count, float) and count.is_integer()) or (
                not isinstance(count, bool) and isinstance(count, Integral)
            ):
                object.__setattr__(self, name, int(count))

    @property
    def is_missing(self) -> bool:
        """Whether no usable answer came."""
        return self.outcome not in ANSWERED

    @property
    def is_na(self) -> bool:
        """Whether the judge says that the criterion does not apply."""
        return self.outcome is Outcome.NOT_APPLICABLE

    @property
    def met(self) -> bool | None:
        """True or False; None where the verdict is a level, "does not apply" or missing."""
        if self.outcome is Outcome.MET:
            return True
        if self.outcome is Outcome.NOT_MET:
            return False
        return None

    @classmethod
    def of(cls, met: object, **fields: Any) -> Verdict:
        """Build a usable verdict from True or False, of whatever library.

        Raises:
            ConfigError: It is neither: None and words such as "no" are no verdict.
        """
        if met not in (True, False):
            raise ConfigError(
                f"Verdict.of takes True or False, not {met!r:.80}; where the judge could not tell, "
                "return Verdict(Outcome.UNPARSEABLE, explanation=why)"
            )
        return cls(Outcome.MET if met else Outcome.NOT_MET, **fields)

    @classmethod
    def at_level(cls, level: int, **fields: Any) -> Verdict:
        """Build a verdict that names a level, from 0; numbers of whatever library.

        Raises:
            ConfigError: It is no whole number from 0.
        """
        whole = -1
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            whole = int(level)
        if isinstance(level, bool) or whole != level or whole < 0:
            raise ConfigError(f"Verdict.at_level takes a whole number from 0, not {level!r:.80}")
        return cls(Outcome.LEVEL, level=whole, **fields)

    @classmethod
    def not_applicable(cls, **fields: Any) -> Verdict:
        """Build the verdict that a criterion does not apply to an answer."""
        return cls(Outcome.NOT_APPLICABLE, **fields)

    def to_json(self) -> dict[str, object]:
        """Give the plain form, without the fields that hold their default."""
        plain: dict[str, object] = {"outcome": self.outcome.value, "met": self.met}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                plain[name] = value.value if isinstance(value, StrEnum) else value
        if self.level_probabilities is not None:
            plain["level_probabilities"] = list(self.level_probabilities)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> Verdict:
        """Read the plain form back; a field that is null counts as not there.

        Raises:
            DataError: The outcome is none of ours, `met` contradicts it, or a field is of the wrong
                kind.
        """
        name = str(plain.get("outcome"))
        outcome = _outcome_of(name)
        fields: dict[str, Any] = {
            key: value for key in _DEFAULTS if (value := plain.get(key)) is not None
        }
        if outcome is not Outcome.LEVEL:
            fields.pop("level", None)  # samples name the level of "met" and "not met" too
            fields.pop("level_probabilities", None)
        elif type(fields.get("level")) is not int or fields["level"] < 0:
            level = f"{fields.get('level')!r:.40}"
            raise DataError(f"outcome {name!r} with level {level}, no whole number from 0")
        for key, value in fields.items():
            kind, fits = _KINDS[key]
            if not fits(value):
                raise DataError(f"{key} is {value!r:.40}, no {kind}")
        if "source" in fields:
            fields["source"] = Source(fields["source"])
        verdict = cls(outcome, **fields)
        if "met" in plain and plain["met"] is not verdict.met:
            raise DataError(f"outcome {name!r} contradicts met={plain['met']!r}")
        return verdict


def _outcome_of(name: object) -> Outcome:
    try:
        return Outcome(str(name))
    except ValueError:
        known = [one.value for one in Outcome]
        raise DataError(f"unknown outcome {str(name)!r}; {near_names(str(name), known)}") from None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_chance(value: object) -> bool:
    return _is_number(value) and -_ROUNDING <= value <= 1 + _ROUNDING


def _is_count(value: object) -> bool:
    return _is_number(value) and value >= 0 and float(value).is_integer()


def _are_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_number, value))


_COUNT = ("whole number from 0", _is_count)
_TEXT = ("text", lambda value: isinstance(value, str))
_KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "probability": ("number from 0 to 1", _is_chance),
    "explanation": _TEXT,
    "reply": _TEXT,
    "source": ("source that we know", lambda value: value in list(Source)),
    "attempts": _COUNT,
    "prompt_tokens": _COUNT,
    "cached_tokens": _COUNT,
    "completion_tokens": _COUNT,
    "latency_s": ("number", _is_number),
    "level": _COUNT,
    "level_probabilities": ("list of numbers", _are_numbers),
}
"""By field of the plain form: what it must be, in words and as a check."""
_DEFAULTS: dict[str, object] = {name: Verdict.__dataclass_fields__[name].default for name in _KINDS}


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating of a whole answer, or none with a reason: another question than a rubric's verdicts.

    Used by the reward `rar_implicit`. `Grader.rate` asks; stores and files hold it in the form of a
    verdict.
    """

    value: int | None
    """1 to 10, or None where no usable rating came."""
    outcome: Outcome = Outcome.MET
    """`MET` where there is a rating, else why there is none."""
    explanation: str = ""
    reply: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def to_verdict(self) -> Verdict:
        """Put the rating into a verdict: `MET`, with a tenth of it as its probability."""
        given = self.value is not None
        return Verdict(
            Outcome.MET if given else self.outcome,
            probability=None if self.value is None else self.value / HIGHEST,
            explanation=self.explanation,
            reply=self.reply,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
        )

    @classmethod
    def from_verdict(cls, verdict: Verdict) -> Rating:
        """Take the rating out of a verdict again."""
        value = None
        if verdict.outcome is Outcome.MET and verdict.probability is not None:
            value = round(verdict.probability * HIGHEST)
        return cls(
            value,
            verdict.outcome,
            verdict.explanation,
            verdict.reply,
            verdict.prompt_tokens,
            verdict.cached_tokens,
            verdict.completion_tokens,
        )
