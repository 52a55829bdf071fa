"""Find the HealthBench conversations that are about the heart, by words in five scripts.

Lexical and additive: more text can only raise a score. The terms, weights and threshold are
`terms.json` beside this file; the list they gave on the rows its makers had is `ids.txt`.
Read by eye, 77 % of 60 picks were clearly about the heart, and 1 of 180 rows with score 0 was
missed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ...judges.rubric import Example

SHORT_TURN_MAX_CHARS = 400
"""The terms file gives the words of a short turn only (data README, "Heart list")."""

_NOT_AFTER = r"(?<![^\W_])"  # no letter or digit directly before
_NOT_BEFORE = r"(?![^\W_])"  # nor directly after; "_" counts as neither


@dataclass(frozen=True, slots=True)
class HeartScore:
    """How strongly one conversation and its rubric speak of the heart."""

    user: float
    """From the user's turns."""
    n_strong_criteria: int
    """Criteria of the rubric that match a strong term, consensus criteria excluded."""
    n_criteria: int
    """Criteria of the rubric, consensus criteria excluded."""
    total: float
    """User score plus the bonus for the rubric."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """Patterns of one strength: each is (its source text, compiled)."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    substrings: tuple[str, ...]
    any_word: re.Pattern[str] | None
    """All patterns in one, to pass over the many texts that match none."""

    def found_in(self, text: str, lowered: str) -> Iterator[str]:
        """List the terms that occur in a text; each at most once."""
        if self.any_word is not None and self.any_word.search(text):
            yield from (source for source, pattern in self.patterns if pattern.search(text))
        yield from (term for term in self.substrings if term.lower() in lowered)

    def occurs_in(self, text: str) -> bool:
        """Say whether any term occurs."""
        if self.any_word is not None and self.any_word.search(text):
            return True
        lowered = text.lower()
        return any(term.lower() in lowered for term in self.substrings)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one user turn holds."""

    strong: frozenset[str]
    moderate: frozenset[str]
    weak: frozenset[str]
    moderate_value: float


class HeartSelector:
    """Scores examples with the terms beside this file."""

    def __init__(self, terms: Mapping[str, Any]) -> None:
        """Compile the patterns of a terms file."""
        tiers = terms["terms"]
        self.threshold = float(terms["threshold"])
        self._weights: Mapping[str, float] = terms["params"]
        self._strong = _compile(tiers["strong_word"], tiers["strong_substring"])
        self._cased = _compile(tiers["strong_cased_user_only"], (), flags=re.NOFLAG)
        self._moderate = _compile(tiers["moderate_word"], tiers["moderate_substring"])
        self._weak = _compile(tiers["weak_word"], tiers["weak_substring"])
        self._vitals = [
            _word(source, re.IGNORECASE) for source in terms["vitals_patterns"].values()
        ]
        self._downgraded = frozenset(terms["vital_terms_downgraded"])

    def score(self, example: Example) -> HeartScore:
        """Score one example on its user turns and its rubric."""
        user = self.user_score(turn.content for turn in example.prompt if turn.role == "user")
        judged = [c for c in example.rubric.criteria if "level:cluster" not in c.tags]
        n_strong = sum(self._strong.occurs_in(criterion.text) for criterion in judged)
        return HeartScore(user, n_strong, len(judged), user + self._bonus(n_strong, len(judged)))

    def selects(self, example: Example) -> bool:
        """Say whether an example belongs to the heart subset."""
        return self.score(example).total >= self.threshold

    def user_score(self, turns: Iterable[str]) -> float:
        """Add up the strongest terms of the user's turns, each distinct term once."""
        weights, cap = self._weights, int(self._weights["cap_patterns_per_tier"])
        read = [self._read_turn(text) for text in turns]
        strong = frozenset().union(*(turn.strong for turn in read))
        weak = frozenset().union(*(turn.weak for turn in read))
        moderate: dict[str, float] = {}
        for turn in read:
            for term in turn.moderate:
                moderate[term] = max(moderate.get(term, 0.0), turn.moderate_value)
        best = sorted(moderate.values(), reverse=True)[:cap]
        return (
            weights["w_strong"] * min(len(strong), cap)
            + sum(best)
            + weights["w_weak"] * min(len(weak), cap)
        )

    def _read_turn(self, text: str) -> _Turn:
        weights, lowered = self._weights, text.lower()
        strong = {*self._strong.found_in(text, lowered), *self._cased.found_in(text, lowered)}
        moderate = set(self._moderate.found_in(text, lowered))
        weak = set(self._weak.found_in(text, lowered))
        if sum(bool(p.search(text)) for p in self._vitals) >= weights["vitals_min"]:
            # a list of vital signs names blood pressure and pulse whatever the complaint is
            routine = (strong | moderate) & self._downgraded
            strong, moderate, weak = strong - routine, moderate - routine, weak | routine
        is_short = (
            len(text.split()) <= weights["short_turn_max_words"]
            and len(text) <= SHORT_TURN_MAX_CHARS
        )
        value = weights["w_moderate_short_turn"] if is_short else weights["w_moderate"]
        return _Turn(frozenset(strong), frozenset(moderate), frozenset(weak), value)

    def _bonus(self, n_strong: int, n_criteria: int) -> float:
        weights = self._weights
        enough = n_strong >= weights["rubric_min_items"]
        if enough and n_strong >= weights["rubric_min_share"] * n_criteria:
            return weights["w_rubric_major"]
        return weights["w_rubric_minor"] if n_strong >= weights["rubric_minor_min_items"] else 0.0


@cache
def heart_selector() -> HeartSelector:
    """Open the selector with the terms that ship."""
    return HeartSelector(json.loads(_beside("terms.json")))


@cache
def heart_ids() -> frozenset[str]:
    """Give the frozen list: the prompt_ids the selector chose on the rows its makers had."""
    return frozenset(_beside("ids.txt").split())


@cache
def heart_sample_ids() -> frozenset[str]:
    """Give 500 ids of the list: `random.Random(42).sample(sorted(ids), 500)`."""
    return frozenset(_beside("sample500_seed42.txt").split())


def _beside(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _word(source: str, flags: re.RegexFlag) -> re.Pattern[str]:
    return re.compile(f"{_NOT_AFTER}(?:{source}){_NOT_BEFORE}", flags)


def _compile(
    words: Mapping[str, Sequence[str]] | Sequence[str],
    substrings: Mapping[str, Sequence[str]] | Sequence[str],
    *,
    flags: re.RegexFlag = re.IGNORECASE,
) -> _Terms:
    sources = tuple(_flatten(words))
    together = _word("|".join(sources), flags) if sources else None
    patterns = tuple((source, _word(source, flags)) for source in sources)
    return _Terms(patterns, tuple(_flatten(substrings)), together)


def _flatten(listed: Mapping[str, Sequence[str]] | Sequence[str]) -> Iterator[str]:
    if isinstance(listed, Mapping):
        for group in listed.values():
            yield from group
    else:
        yield from listed
