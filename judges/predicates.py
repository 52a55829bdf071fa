"""Predicates: what a criterion's `check` says an answer must hold, for the `keyword` judge.

A check is a JSON object of operators, which must all hold (docs/predicates.md has the table):

    {"says": "call .. (911|999|ambulance)", "within_words": 60}
    {"any": [{"against": "sildenafil"}, {"says": "avoid .. sildenafil"}]}

Pure functions of the check and the answer. What a phrase is, is `patterns.py`; whether it is
meant or negated, `negation.py`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import DataError, near_names
from .expressions import compile_bounded
from .language import detect_language, script_shares
from .negation import Standing, is_conditional, is_rubric_voice, spelled_negations, standing
from .patterns import Pattern, Text, compile_pattern, count_words, read_text, split_alternatives

LANGUAGE_VERSION = "2"
"""Raised whenever the same check and answer could give another result: it names the keyword judge.
A test compares the verdicts on the bundled answers with those of this version."""
MAX_DEPTH = 8
MAX_EXCERPT_CHARS = 90


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether a predicate holds, and why in words."""

    holds: bool
    reason: str
    """Quotes the answer, so untrusted text."""

    def __bool__(self) -> bool:
        """Give `holds`."""
        return self.holds


class Predicate(Protocol):
    """A parsed check."""

    def evaluate(self, text: Text) -> Evidence:
        """Look at an answer made ready by `read_text`."""
        ...


def parse_check(check: Mapping[str, Any], *, where: str = "check") -> Predicate:
    """Parse a check.

    Args:
        check: The JSON object.
        where: What to call it in messages.

    Raises:
        DataError: An operator is unknown (names the near ones), or has an unusable value.
    """
    return _parse(check, where, 0)


def holds(predicate: Predicate, answer: str) -> Evidence:
    """Say whether a predicate holds of an answer, and why."""
    text = read_text(answer)
    evidence = predicate.evaluate(text)
    if text.is_cut:
        note = f"{evidence.reason} (only the first {len(text.folded):,} characters were read)"
        return Evidence(evidence.holds, note)
    return evidence


# ---- phrases


@dataclass(frozen=True, slots=True)
class Phrases:
    """Patterns, one of which must occur in the wanted standing."""

    operator: str
    patterns: tuple[Pattern, ...]
    within_words: int | None = None
    times: int = 1
    is_firm: bool = False
    """Whether a match under a condition ("if it gets worse, call 911") does not count."""
    without: tuple[Pattern, ...] = ()
    """Patterns that void a match when one occurs in its sentence."""

    def evaluate(self, text: Text) -> Evidence:
        """Look for matches in order of the patterns, and keep the first of each wrong kind."""
        found = 0
        other: str = ""
        for pattern in self.patterns:
            for match in pattern.matches(text):
                fault = self._fault(pattern, match, text)
                if not fault:
                    found += 1
                    if found >= self.times:
                        return Evidence(True, f"{_VERBS[self.operator]} {_excerpt(match, text)}")
                other = other or (f"{_excerpt(match, text)}: {fault}" if fault else "")
        wanted = " / ".join(pattern.source for pattern in self.patterns)
        count = f"{found} of {self.times} times " if self.times > 1 else ""
        reason = f"{count}not found ({self.operator}): {_short(wanted)}"
        return Evidence(False, f"{reason}; {other}" if other else reason)

    def _fault(self, pattern: Pattern, match: re.Match[str], text: Text) -> str:
        """Say why a match does not count; empty where it does."""
        start, end = match.span()
        if self.within_words is not None:
            place = count_words(text.folded[:start]) + 1
            if place > self.within_words:
                return f"only at word {place}, after word {self.within_words}"
        if self.operator == "lacks":
            return ""
        before, phrase, after = text.sentence_around(start, end)
        sentence = Text(before + phrase + after)
        if any(next(other.matches(sentence), None) for other in self.without):
            return "beside words that void it"
        if self.is_firm and is_conditional(before, phrase, after):
            return "only under a condition"
        if self.operator == "mentions":
            voice = is_rubric_voice(before + phrase + after)
            return "in a description of an answer, not in an answer" if voice else ""
        found = standing(before, phrase, after, spelled_negations(pattern.source))
        if found is Standing.NOT_PROSE:
            return "in a list of words or a description of an answer, not in a statement"
        if self.operator == "asks":
            return "" if _is_request(before, phrase, after) else "not in a question"
        if self.operator == "against":
            return "" if found is Standing.NEGATED else "not advised against"
        if (
            found is Standing.MEANT
            and _is_question(phrase, after)
            and not _QUOTED.search(after)
            and not _POLITE.search(before + phrase)
        ):
            return "only asked"
        return "" if found is Standing.MEANT else "negated"


_VERBS = {
    "says": "says",
    "mentions": "mentions",
    "lacks": "holds",
    "against": "speaks against",
    "asks": "asks",
}
_REQUEST = re.compile(
    r"\b(?:tell me|let me know|share|could you|can you|please (?:give|send|describe|confirm|list)"
    r"|i (?:need|would need|want|would like|'d like) to (?:know|ask)|knowing|do you|have you"
    r"|are you|is there|what is|what are|whether|digame|cuenteme|podria|dites-moi"
    r"|pouvez-vous|sagen sie|diga-me|conte-me)\b|告诉我|请问|教えて|बताइए|बताएं|बताएँ|أخبر"
)


# "Could you take them to the pharmacy?" asks for it; "Can I take one?" does not
_POLITE = re.compile(
    r"\b(?:(?:could|can|would|will) (?:you|someone|anyone|somebody|your \w+|a friend)|why not"
    r"|how about|what about)\b"
)
# 'tell your doctor: "What should we do?"': the question is somebody else's
_QUOTED = re.compile(r":\s|\"\w")


def _is_question(phrase: str, after: str) -> bool:
    if after.rstrip(" \"')]").endswith("?") or "?" in phrase or after.startswith("?"):
        return True
    return after.rstrip(" 。").endswith("か")


def _is_request(before: str, phrase: str, after: str) -> bool:
    if _is_question(phrase, after):
        return True
    return bool(_REQUEST.search(before + phrase))


# ---- order, counts, languages, expressions


@dataclass(frozen=True, slots=True)
class Order:
    """Patterns whose first meant occurrences follow one another."""

    patterns: tuple[Pattern, ...]

    def evaluate(self, text: Text) -> Evidence:
        """Compare the first place of each pattern with that of the one before."""
        last = -1
        for pattern in self.patterns:
            places = (
                m.start()
                for m in pattern.matches(text)
                if standing(*text.sentence_around(*m.span()), spelled_negations(pattern.source))
                is Standing.MEANT
            )
            place = next(places, None)
            if place is None:
                return Evidence(False, f"not found (order): {_short(pattern.source)}")
            if place <= last:
                return Evidence(False, f"out of order: {_short(pattern.source)} comes too early")
            last = place
        return Evidence(True, "in the order asked for")


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things in the answer, between two bounds, both included."""

    operator: str
    least: float
    most: float

    def evaluate(self, text: Text) -> Evidence:
        """Count and compare."""
        number = _COUNTERS[self.operator](text)
        name = self.operator.replace("_", " ")
        if number < self.least:
            return Evidence(False, f"{number} {name}, fewer than {self.least:g}")
        if number > self.most:
            return Evidence(False, f"{number} {name}, more than {self.most:g}")
        return Evidence(True, f"{number} {name}")


_LIST_ITEM = re.compile(r"^\s*(?:[-\u2022+\u2014]|\d{1,2}[.)])\s+\S")
_COUNTERS: dict[str, Callable[[Text], int]] = {
    "words": lambda text: count_words(text.folded),
    "characters": lambda text: len(text.folded.strip()),
    "questions": lambda text: sum(line.rstrip("\"')] ").endswith("?") for line in text.sentences()),
    "list_items": lambda text: sum(bool(_LIST_ITEM.match(line)) for line in text.sentences()),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A language or script the answer must be written in."""

    operator: str
    names: tuple[str, ...]

    def evaluate(self, text: Text) -> Evidence:
        """Compare with what the answer is written in."""
        if self.operator == "language":
            found = detect_language(text.folded) or "no language known here"
        else:
            shares = script_shares(text.folded)
            found = max(shares, key=lambda name: shares[name]) if shares else "no letters"
        return Evidence(found in self.names, f"written in: {found}")


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression, of bounded work, over the folded answer."""

    pattern: re.Pattern[str]

    def evaluate(self, text: Text) -> Evidence:
        """Search the folded answer."""
        match = self.pattern.search(text.folded)
        if match is None:
            return Evidence(False, f"not found (regex): {_short(self.pattern.pattern)}")
        return Evidence(True, f"matches {_excerpt(match, text)}")


# ---- combinations


@dataclass(frozen=True, slots=True)
class Combination:
    """Predicates of which a number must hold."""

    parts: tuple[Predicate, ...]
    least: int
    most: int

    def evaluate(self, text: Text) -> Evidence:
        """Evaluate the parts until the outcome is certain."""
        met: list[str] = []
        missed: list[str] = []
        for part in self.parts:
            evidence = part.evaluate(text)
            (met if evidence.holds else missed).append(evidence.reason)
            if len(met) > self.most:
                return Evidence(False, f"must not hold: {met[-1]}")
            if len(self.parts) - len(missed) < self.least:
                return Evidence(False, _join(missed))
            if len(met) >= self.least and self.most >= len(self.parts):
                return Evidence(True, _join(met))
        return Evidence(True, _join(met) if met else f"absent as it should be: {_join(missed)}")


# ---- parsing

_PHRASES = ("says", "mentions", "against", "asks")
_PHRASE_MODIFIERS = ("within_words", "times", "firm", "without")
_MODIFIERS = (*_PHRASE_MODIFIERS, "of")
_KNOWN = (
    *_PHRASES,
    *("lacks", "any", "all", "not", "at_least", "order"),
    *_COUNTERS,
    *("language", "script", "regex"),
    *_MODIFIERS,
)


def _parse(check: object, where: str, depth: int) -> Predicate:
    if not isinstance(check, Mapping) or not check:
        raise DataError(
            f"{where} must be an object with an operator, such as {{'says': 'aspirin'}}"
        )
    if depth > MAX_DEPTH:
        raise DataError(f"{where} is nested more than {MAX_DEPTH} deep")
    for key in check:
        if key not in _KNOWN:
            raise DataError(f"{where}: unknown operator {key!r}; {near_names(str(key), _KNOWN)}")
    _refuse_idle_modifiers(check, where)
    parts = tuple(
        _operator(key, value, check, f"{where}.{key}", depth)
        for key, value in check.items()
        if key not in _MODIFIERS
    )
    return parts[0] if len(parts) == 1 else Combination(parts, len(parts), len(parts))


def _refuse_idle_modifiers(check: Mapping[str, Any], where: str) -> None:
    for name in _PHRASE_MODIFIERS:
        if name in check and not any(key in check for key in _PHRASES):
            raise DataError(f"{where}.{name} goes with {', '.join(_PHRASES)}")
    if ("of" in check) != ("at_least" in check):
        raise DataError(f"{where}: 'at_least' (a number) and 'of' (a list) go together")


def _operator(key: str, value: Any, check: Mapping[str, Any], where: str, depth: int) -> Predicate:
    if key in _PHRASES:
        within = check.get("within_words")
        firm = check.get("firm", False)
        if not isinstance(firm, bool):
            raise DataError(f"{where}.firm must be true or false, not {firm!r}")
        return Phrases(
            key,
            _patterns(value, where),
            None if within is None else _whole(within, f"{where}.within_words"),
            _whole(check.get("times", 1), f"{where}.times"),
            firm,
            _patterns(check["without"], f"{where}.without") if "without" in check else (),
        )
    if key == "lacks":
        return Combination((Phrases("lacks", _patterns(value, where)),), 0, 0)
    if key == "not":
        return Combination((_parse(value, where, depth + 1),), 0, 0)
    if key in {"any", "all"}:
        parts = tuple(_members(value, where, depth))
        return Combination(parts, 1 if key == "any" else len(parts), len(parts))
    if key == "at_least":
        parts = tuple(_members(check.get("of"), where.removesuffix("at_least") + "of", depth))
        least = _whole(value, where)
        if least > len(parts):
            raise DataError(f"{where} is {least}, but 'of' has {len(parts)} members")
        return Combination(parts, least, len(parts))
    if key == "order":
        return Order(_patterns(value, where))
    if key in _COUNTERS:
        return _count(key, value, where)
    if key == "regex":
        return Expression(compile_bounded(value, where))
    return Written(key, _names(value, where))


def _members(value: object, where: str, depth: int) -> Iterator[Predicate]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise DataError(f"{where} must be a list of objects or patterns")
    for index, member in enumerate(value):
        # a bare pattern is short for saying it
        whole = {"says": member} if isinstance(member, str) else member
        yield _parse(whole, f"{where}[{index}]", depth + 1)


def _patterns(value: object, where: str) -> tuple[Pattern, ...]:
    # apart, because an alternative that spells out a negation is read unlike the others
    return tuple(
        _compiled(option, where)
        for source in _names(value, where)
        for option in split_alternatives(source)
    )


def _compiled(source: str, where: str) -> Pattern:
    try:
        return compile_pattern(source)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _names(value: object, where: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not names or not all(isinstance(n, str) for n in names):
        raise DataError(f"{where} must be a text or a list of texts, not {value!r}")
    return tuple(names)


def _count(key: str, value: object, where: str) -> Count:
    if not isinstance(value, Mapping) or not value:
        raise DataError(f"{where} must be an object with 'min', 'max' or both")
    for name, bound in value.items():
        if name not in {"min", "max"}:
            near = difflib.get_close_matches(str(name), ["min", "max"], n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]!r}?" if near else "; known: max, min"
            raise DataError(f"{where}: unknown bound {name!r}{hint}")
        if isinstance(bound, bool) or not isinstance(bound, int | float) or bound < 0:
            raise DataError(f"{where}.{name} must be a number of 0 or more, not {bound!r}")
    count = Count(key, value.get("min", 0), value.get("max", math.inf))
    if not count.least <= count.most:
        raise DataError(f"{where}: min {count.least:g} is above max {count.most:g}")
    return count


def _whole(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DataError(f"{where} must be a whole number of 1 or more, not {value!r}")
    return value


# ---- wording


def _excerpt(match: re.Match[str], text: Text) -> str:
    """Quote a match with its sentence around it."""
    before, phrase, after = text.sentence_around(*match.span())
    room = max(0, MAX_EXCERPT_CHARS - len(phrase))
    left = before[-room // 2 :] if room // 2 else ""
    quote = f"{left}{_short(phrase)}{after[: room // 2]}".strip()
    return f"\u201c{_printable(quote)}\u201d"


def _short(words: str) -> str:
    return words if len(words) <= MAX_EXCERPT_CHARS else f"{words[: MAX_EXCERPT_CHARS - 1]}\u2026"


def _printable(words: str) -> str:
    """Replace lone surrogates, which no file can hold."""
    return words.encode("utf-8", "replace").decode("utf-8")


def _join(reasons: list[str]) -> str:
    shown = "; ".join(reasons[:3])
    return f"{shown}; and {len(reasons) - 3} more" if len(reasons) > 3 else shown
