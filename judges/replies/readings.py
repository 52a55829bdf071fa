"""What a reply may say of one criterion, and how the values of its JSON are taken.

Met or not met, one of its levels, or that it does not apply. A value is taken for one of these
where it can mean nothing else: a number that is none of the levels, two levels, a range or a word
that nobody asked for is no verdict. Finding the JSON in a reply is for `parsing.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .json_in_text import CONTRADICTED

CONTRADICTS = "the reply holds contradicting verdicts"
NO_TRUTH = "criteria_met is not true or false"
LEVEL, MET, NOT_APPLICABLE = "level", "criteria_met", "not_applicable"
"""Names under which a reply gives what it says."""
CHOICES = ("the item is not true", "the item is true", "the item is not applicable")
"""What the numbers 0, 1 and 2 say of a plain criterion that may be not applicable."""
_WORDS = {"true": True, "false": False, "yes": True, "no": False}
_NA_WORDS = frozenset(
    {"na", "n/a", "n.a", "not applicable", "inapplicable", "does not apply", "none applies"}
)
_WRAPPERS = frozenset(
    {"verdict", "result", "output", "evaluation", "grade", "grading", "judgment", "judgement"}
    | {"assessment", "decision", "json", "final", "final_answer", "final_verdict"}
)
"""Names under which a reply may put the object it was asked for."""
_LEAST_QUOTED = 12
"""Characters of a level's text from which its words in a sentence name the level."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one reply says of one criterion."""

    met: bool | None
    """None where no verdict can be read, or the verdict is another than met or not met."""
    explanation: str = ""
    """The judge's words, or why no verdict can be read."""
    level: int | None = None
    """From 0, of a criterion with levels."""
    is_na: bool = False
    """Whether it says that the criterion does not apply."""

    @property
    def said(self) -> Said | None:
        """What it says, without its words; None where no verdict can be read."""
        if self.is_na:
            return Other.NA
        return self.met if self.level is None else self.level

    @property
    def has_verdict(self) -> bool:
        """Whether a verdict was read."""
        return self.said is not None


class Other(Enum):
    """What a value may say that is neither a truth nor a level."""

    NA = "it does not apply"
    NOTHING = "null"


Said = bool | int | Other


@dataclass(frozen=True, slots=True)
class AllowedReply:
    """What a reply may say of one criterion."""

    levels: tuple[str, ...] = ()
    """Texts of the levels, in order; empty where it is met or not met."""
    may_be_na: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is met or not met, and nothing else."""
        return not (self.levels or self.may_be_na)

    @property
    def name(self) -> str:
        """Under which name its verdict stands."""
        return LEVEL if self.levels else MET

    def is_held_by(self, value: object) -> bool:
        """Tell an object that says something of it."""
        return any(name in holder_of(value, name) for name in self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Under which names something of it may stand."""
        return (MET,) if self.is_plain else (self.name, NOT_APPLICABLE)

    def read(self, value: object, *, strict: bool = False) -> Parsed:
        """Read what an object says, or why it says nothing."""
        raws = [*named(value, self.name)]
        flags = [] if self.is_plain else [*named(value, NOT_APPLICABLE)]
        if any(raw is CONTRADICTED for raw in (*raws, *flags)):
            return Parsed(None, CONTRADICTS)
        said: set[Said] = set()
        for raw in raws:
            one = self._said_by(raw, strict)
            if not isinstance(one, str):
                said.add(one)
            elif not self.is_plain or raw is holder_of(value, MET).get(MET):
                return Parsed(None, one)  # else: a schema that is echoed beside the verdict
        for flag in flags:
            is_na = truth(flag, strict)
            if is_na is None and flag is not None:
                return Parsed(None, f"{NOT_APPLICABLE} is not true or false")
            if is_na is False and Other.NA in said:
                return Parsed(None, CONTRADICTS)
            if is_na:
                said.add(Other.NA)
        return self._parsed(said - {Other.NOTHING}, value)

    def chosen(self, text: str) -> Parsed:
        """Read a reply that is the number of one choice: a level; after them, "not applicable".

        Of a plain criterion 0 is "not true" and 1 is "true".
        """
        said = text.strip(" \n\t.*`\"'")
        n_levels = len(self.levels) or 2
        if not self.levels and _plain(said) in CHOICES:
            said = str(CHOICES.index(_plain(said)))
        if not said.isdecimal():
            return self.read({self.name: said})
        number = int(said) if len(said) <= 3 else n_levels + 1
        if number == n_levels and self.may_be_na:
            return self.of(Other.NA)
        if number >= n_levels:
            return Parsed(None, f"the reply {said[:20]!r} is the number of none of the choices")
        return self.of(number if self.levels else number == 1)

    def of(self, said: Said, words: str = "") -> Parsed:
        """Put what was said into the form of a reading."""
        if said is Other.NA:
            return Parsed(None, words, is_na=True)
        if isinstance(said, bool):
            return Parsed(said, words)
        return Parsed(None, words, level=said if isinstance(said, int) else None)

    def claims_in(self, outside: str) -> set[Said]:
        """Give what sentences beside the object name: levels, by number or text; not applicable."""
        claims: set[Said] = set()
        if self.may_be_na and _NA_IN_WORDS.search(outside):
            claims.add(Other.NA)
        if self.levels:
            claims |= set(_numbers_in(outside, len(self.levels)))
            claims |= set(self._texts_in(outside))
        return claims

    def _parsed(self, said: set[Said], value: object) -> Parsed:
        if not said:
            return Parsed(None, f"{self.name} is null, or not there")
        if len(said) > 1:
            return Parsed(None, CONTRADICTS)
        if Other.NA in said and not self.may_be_na:
            return Parsed(None, "the reply says not applicable, which this criterion may not be")
        holder = holder_of(value, self.name) or holder_of(value, NOT_APPLICABLE)
        return self.of(said.pop(), words_of(holder))

    def _said_by(self, raw: object, strict: bool) -> Said | str:
        """Give what a value says, or why it says nothing."""
        if raw is None:
            return Other.NOTHING
        place = self._level_of(raw) if self.levels and isinstance(raw, str) else None
        if not strict and isinstance(raw, str) and _plain(raw).replace("_", " ") in _NA_WORDS:
            if place is None:
                return Other.NA
            if self.may_be_na:
                return f"{raw!r} is a level, and says that none applies"[:300]
        if not self.levels:
            met = truth(raw, strict)
            return NO_TRUTH if met is None else met
        if strict or not isinstance(raw, str):
            place = whole(raw, strict)
        if place is None or not 0 <= place < len(self.levels):
            return f"level {raw!r} is none of 0 to {len(self.levels) - 1}"[:300]
        return place

    def _level_of(self, raw: str) -> int | None:
        """Find the level that a text names: by number, by its exact words, or by both alike."""
        same = [place for place, text in enumerate(self.levels) if _plain(text) == _plain(raw)]
        both = _NUMBERED.fullmatch(raw)
        number = int(both["number"]) if both is not None else None
        words = _plain(both["text"]) if both is not None else ""
        if number is not None and not words:
            # levels that are called "1" to "5": the text may be the number of another one
            return number if same in ([], [number]) else None
        if same or number is None:
            return same[0] if len(same) == 1 else None
        is_level = number < len(self.levels)
        return number if is_level and words == _plain(self.levels[number]) else None

    def _texts_in(self, outside: str) -> Iterator[int]:
        """Give the levels whose whole text stands in a text; a longer one hides those in it."""
        left = _plain(outside)
        order = sorted(range(len(self.levels)), key=lambda place: -len(self.levels[place]))
        for place in order:
            text = _plain(self.levels[place])
            if len(text) >= _LEAST_QUOTED and text in left:
                yield place
                left = left.replace(text, " ")


MET_OR_NOT = AllowedReply()
"""Of a plain criterion."""

# ---- what sentences name

_NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_NUMBER = rf"(?:\d{{1,3}}|{'|'.join(_NUMBER_WORDS)})\b"
_QUOTED = "\\s:=#*_`\"'()\\[\\]"
_LEVELS_NAMED = re.compile(
    rf"\blevels?[{_QUOTED}]{{0,6}}(?:is|are|of|at|to|between|from)?[{_QUOTED}]{{0,6}}"
    rf"(?P<list>{_NUMBER}(?:\s*(?:,|and|or|to|-|\u2013|/|&|\+){{1,2}}\s*(?:level\s*)?{_NUMBER})*)",
    re.IGNORECASE,
)
_ORDINAL_LEVEL = re.compile(
    rf"\b(?P<which>{'|'.join(_ORDINALS)}|lowest|bottom|last|highest|top)\s+level\b", re.IGNORECASE
)
_NA_IN_WORDS = re.compile(
    r"\bnot[ _]applicable\b|\bn/a\b|\binapplicable\b"
    r"|(?<!\bif )(?<!\bwhether )\b(?:it|this|that|criterion|item|statement)(?: \w+)?"
    r" (?:does|did)(?: not|n['\u2019]t) apply\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\s*(?:level\s*)?(?P<number>\d{1,3})\s*(?:\[-?[\d.]+\]|[:.)\]\u2013-])?\s*(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)


def _numbers_in(text: str, n_levels: int) -> Iterator[int]:
    for found in _LEVELS_NAMED.finditer(text):
        for number in re.findall(_NUMBER, found["list"], re.IGNORECASE):
            yield _number(number.lower())
    for found in _ORDINAL_LEVEL.finditer(text):
        which = found["which"].lower()
        if which in _ORDINALS:
            yield _ORDINALS.index(which)
        else:
            yield 0 if which in {"lowest", "bottom"} else n_levels - 1


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBER_WORDS.index(word)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .\"'`*")


# ---- values of JSON


def holder_of(value: object, name: str) -> dict[str, object]:
    """Give the object that holds a name: the value, or the one that it wraps; else an empty one."""
    for _ in range(4):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            return {}
        if name in value:
            return value
        inner = [v for k, v in value.items() if str(k).lower() in _WRAPPERS and isinstance(v, dict)]
        value = inner[0] if len(inner) == 1 else None
    return {}


def named(value: object, name: str) -> Iterator[object]:
    """Give every value of a name in a decoded value, at whatever depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if name in one:
                yield one[name]
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one


def words_of(holder: dict[str, object]) -> str:
    """Give the explanation in an object; empty where there is none."""
    words = holder.get("explanation")
    return words if isinstance(words, str) else ("" if words is None else str(words)[:4_000])


def truth(value: object, strict: bool) -> bool | None:
    """Take a value for true or false; the words too, unless only the exact form counts."""
    if isinstance(value, bool):
        return value
    if not strict and isinstance(value, str):
        return _WORDS.get(value.strip().lower())
    return None


def whole(value: object, strict: bool) -> int | None:
    """Take a value for a whole number; digits as text too, unless only the exact form counts."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not strict and isinstance(value, str) and re.fullmatch(r"\s*\d{1,3}\s*", value):
        return int(value)
    return None
