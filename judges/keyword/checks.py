"""Predicates: what a criterion's `check` says an answer must hold, for the `keyword` judge.

A check is a JSON object of operators, which must all hold (docs/predicates.md has the table):

    {"says": "call .. (911|999|ambulance)", "within_words": 60}
    {"any": [{"against": "sildenafil"}, {"says": "avoid .. sildenafil"}]}

Pure functions of the check and the answer. What a phrase is, is `patterns.py`; whether English
means or negates it, `negation.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import DataError, near_names
from .negation import Standing, is_conditional, is_english, is_rubric_voice, standing
from .patterns import (
    SCRIPTS,
    Pattern,
    Text,
    count_words,
    fold,
    main_script,
    read_text,
)

LANGUAGE_VERSION = "3"
"""Raised whenever the same check and answer could give another result: it names the keyword judge.
A test compares the verdicts on the bundled answers with those of this version."""
MAX_EXCERPT_CHARS = 90


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether a predicate holds, and why in words."""

    holds: bool | None
    """None where the answer is in a language whose negation the check does not spell out."""
    reason: str
    """Quotes the answer, so untrusted text."""


Predicate = Callable[[Text], Evidence]
"""A parsed check; give it an answer made ready by `read_text`."""


def holds(predicate: Predicate, answer: str) -> Evidence:
    """Say whether a predicate holds for an answer, and why."""
    text = read_text(answer)
    evidence = predicate(text)
    if text.is_cut:
        note = f"{evidence.reason} (only the first {len(text.folded):,} characters were read)"
        return Evidence(evidence.holds, note)
    return evidence


Negators = tuple[Pattern, ...] | None
"""The words that negate, as a check writes them out; None: those of English."""
_VERBS = {"says": "says", "mentions": "mentions", "lacks": "holds", "asks": "asks"}
_REQUEST = re.compile(
    r"\b(?:tell me|let me know|share|could you|can you|please (?:give|send|describe|confirm|list)"
    r"|i (?:need|would need|want|would like|'d like) to (?:know|ask)|knowing|do you|have you"
    r"|are you|is there|what is|what are|whether)\b"
)
# "Could you take them to the pharmacy?" asks for it; "Can I take one?" does not
_POLITE = re.compile(
    r"\b(?:(?:could|can|would|will) (?:you|someone|anyone|somebody|your \w+|a friend)|why not"
    r"|how about|what about)\b"
)
_QUOTED = re.compile(r":\s|\"\w")  # 'tell your doctor: "What should we do?"': somebody else asks
_CLAUSE_END = re.compile(r"[,;:()\u2014\u3001]")


def _is_question(phrase: str, after: str) -> bool:
    end = after.rstrip(" \"')]\u3002")
    return "?" in phrase or after.startswith("?") or end.endswith(("?", "\u304b"))


def _standing(negators: Negators, pattern: Pattern, parts: tuple[str, str, str]) -> Standing:
    """Say how a match stands, by the rules of English or by the words that the check gives."""
    if negators is None:
        return standing(*parts, pattern.source)
    before, phrase, after = parts
    if is_rubric_voice(before + phrase + after):
        return "not prose"
    if _holds_any(negators, fold(pattern.source)):
        return "meant"  # it spells out its own negation
    clause = _CLAUSE_END.split(before)[-1] + phrase + _CLAUSE_END.split(after, maxsplit=1)[0]
    return "negated" if _holds_any(negators, clause) else "meant"


def _holds_any(patterns: tuple[Pattern, ...], words: str) -> bool:
    return any(next(pattern.matches(Text(words)), None) for pattern in patterns)


def _foreign(text: Text, operator: str, negators: Negators) -> Evidence | None:
    """Refuse to read English negation into an answer in another language."""
    if negators is not None or is_english(text.folded):
        return None
    return Evidence(
        None,
        f"the answer is not in English, and {operator!r} reads English; "
        "give the check its own 'negation' (docs/predicates.md)",
    )


@dataclass(frozen=True, slots=True)
class Phrases:
    """Patterns, one of which must occur in the wanted standing."""

    operator: str
    patterns: tuple[Pattern, ...]
    negators: Negators = None
    within_words: float = math.inf
    times: int = 1
    is_firm: bool = False
    without: tuple[Pattern, ...] = ()

    def __call__(self, text: Text) -> Evidence:
        """Look for matches in order of the patterns, and keep the first of each wrong kind."""
        if self.is_firm or self.operator in {"says", "against", "asks"}:
            foreign = _foreign(text, self.operator, self.negators)
            if foreign is not None:
                return foreign
        found = 0
        other = ""
        for pattern in self.patterns:
            for match in pattern.matches(text):
                fault = self._fault(pattern, match, text)
                found += not fault
                if found >= self.times:
                    verb = _VERBS.get(self.operator, "speaks against")
                    return Evidence(True, f"{verb} {_excerpt(match, text)}")
                other = other or (f"; {_excerpt(match, text)}: {fault}" if fault else "")
        wanted = _short(" / ".join(pattern.source for pattern in self.patterns))
        count = f"{found} of {self.times} times " if self.times > 1 else ""
        return Evidence(False, f"{count}not found ({self.operator}): {wanted}{other}")

    def _fault(self, pattern: Pattern, match: re.Match[str], text: Text) -> str:
        """Say why a match does not count; empty where it does."""
        place = count_words(text.folded[: match.start()]) + 1 if self.within_words < math.inf else 0
        if place > self.within_words:
            return f"only at word {place}, after word {self.within_words}"
        if self.operator == "lacks":
            return ""
        before, phrase, after = parts = text.sentence_around(*match.span())
        if _holds_any(self.without, before + phrase + after):
            return "beside words that void it"
        if self.is_firm and is_conditional(*parts):
            return "only under a condition"
        if self.operator == "mentions":
            voice = is_rubric_voice(before + phrase + after)
            return "in a description of an answer, not in an answer" if voice else ""
        found = _standing(self.negators, pattern, parts)
        is_asked = _is_question(phrase, after)
        if found == "not prose":
            return "in a list of words or a description of an answer, not in a statement"
        if self.operator == "asks":
            return "" if is_asked or _REQUEST.search(before + phrase) else "not in a question"
        if self.operator == "against":
            return "" if found == "negated" else "not advised against"
        if found == "negated":
            return "negated"
        is_told = _QUOTED.search(after) or _POLITE.search(before + phrase)
        return "only asked" if is_asked and not is_told else ""


def in_order(patterns: tuple[Pattern, ...], negators: Negators) -> Predicate:
    """Compare the first meant place of each pattern with that of the one before."""

    def evaluate(text: Text) -> Evidence:
        last = -1
        for pattern in patterns:
            meant = (
                match.start()
                for match in pattern.matches(text)
                if _standing(negators, pattern, text.sentence_around(*match.span())) == "meant"
            )
            place = next(meant, -1)
            if place <= last:
                fault = "not found" if place < 0 else "comes too early"
                return Evidence(False, f"{fault} (order): {_short(pattern.source)}")
            last = place
        return Evidence(True, "in the order asked for")

    return lambda text: _foreign(text, "order", negators) or evaluate(text)


_LIST_ITEM = re.compile(r"^\s*(?:[-\u2022+\u2014]|\d{1,2}[.)])\s+\S")
COUNTERS: dict[str, Callable[[Text], int]] = {
    "words": lambda text: count_words(text.folded),
    "characters": lambda text: len(text.folded.strip()),
    "questions": lambda text: sum(line.rstrip("\"')] ").endswith("?") for line in text.sentences()),
    "list_items": lambda text: sum(bool(_LIST_ITEM.match(line)) for line in text.sentences()),
}


def count(key: str, value: object, where: str) -> Predicate:
    """Want a count (`COUNTERS`) between two bounds."""
    if not isinstance(value, Mapping) or not value:
        raise DataError(f"{where} must be an object with 'min', 'max' or both")
    for name, bound in value.items():
        if name not in {"min", "max"}:
            raise DataError(f"{where}: unknown bound {name!r}; {near_names(name, ('min', 'max'))}")
        if isinstance(bound, bool) or not isinstance(bound, int | float) or bound < 0:
            raise DataError(f"{where}.{name} must be a number of 0 or more, not {bound!r}")
    least, most = value.get("min", 0), value.get("max", math.inf)
    if not least <= most:
        raise DataError(f"{where}: min {least:g} is above max {most:g}")

    def evaluate(text: Text) -> Evidence:
        number = COUNTERS[key](text)
        low = f", fewer than {least:g}" if number < least else ""
        high = f", more than {most:g}" if number > most else ""
        return Evidence(not low + high, f"{number} {key.replace('_', ' ')}{low}{high}")

    return evaluate


def in_script(names: tuple[str, ...], where: str) -> Predicate:
    """Want most of the letters from one of these scripts."""
    for name in names:
        if name not in SCRIPTS:
            raise DataError(f"{where}: unknown script {name!r}; {near_names(name, SCRIPTS)}")

    def evaluate(text: Text) -> Evidence:
        found = main_script(text.folded)
        return Evidence(found in names, f"written in: {found or 'no letters'}")

    return evaluate


def expression(pattern: re.Pattern[str]) -> Predicate:
    """Want a regular expression to match."""

    def evaluate(text: Text) -> Evidence:
        match = pattern.search(text.folded)
        if match is None:
            return Evidence(False, f"not found (regex): {_short(pattern.pattern)}")
        return Evidence(True, f"matches {_excerpt(match, text)}")

    return evaluate


def combined(parts: tuple[Predicate, ...], least: int, most: int) -> Predicate:
    """Want a number of the parts, between two bounds; one without a verdict may fall either way."""

    def evaluate(text: Text) -> Evidence:
        reasons: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        met, missed, unknown = reasons.values()
        for part in parts:
            evidence = part(text)
            reasons[evidence.holds].append(evidence.reason)
            if len(met) > most:
                return Evidence(False, f"must not hold: {met[-1]}")
            if len(parts) - len(missed) < least:
                return Evidence(False, _join(missed))
            if len(met) >= least and most >= len(parts):
                return Evidence(True, _join(met))
        if unknown:
            return Evidence(None, _join(unknown))
        return Evidence(True, _join(met) if met else f"absent as it should be: {_join(missed)}")

    return evaluate


def _excerpt(match: re.Match[str], text: Text) -> str:
    """Quote a match with its sentence around it, without lone surrogates, which no file holds."""
    before, phrase, after = text.sentence_around(*match.span())
    room = max(0, MAX_EXCERPT_CHARS - len(phrase)) // 2
    quote = f"{before[-room:] if room else ''}{_short(phrase)}{after[:room]}".strip()
    return f"\u201c{quote.encode('utf-8', 'replace').decode('utf-8')}\u201d"


def _short(words: str) -> str:
    return words if len(words) <= MAX_EXCERPT_CHARS else f"{words[: MAX_EXCERPT_CHARS - 1]}\u2026"


def _join(reasons: list[str]) -> str:
    shown = "; ".join(reasons[:3])
    return f"{shown}; and {len(reasons) - 3} more" if len(reasons) > 3 else shown
