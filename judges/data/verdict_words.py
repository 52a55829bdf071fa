"""The words by which programs record whether a criterion is met: one table for every reader.

What is not in the table is no verdict. It is handed on by name, so that a reader can say which word
it found, how often and where; it is never taken for met or not met.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..rubric import Criterion, Level
from ..shares import suited
from ..verdict import Outcome, Source, Verdict

MAX_WORD_CHARS = 40
"""Of an unknown word as it is named: a record may hold a text in place of a word."""
MET = frozenset(
    {"true", "t", "yes", "y", "met", "criteria met", "criterion met", "pass", "passed", "correct"}
    | {"c", "satisfied", "fulfilled", "present", "1", "1.0", "✓", "✔"}
)
NOT_MET = frozenset(
    {"false", "f", "no", "not met", "criteria not met", "criterion not met", "unmet", "fail"}
    | {"failed", "incorrect", "i", "not satisfied", "unsatisfied", "not fulfilled", "unfulfilled"}
    | {"absent", "not present", "0", "0.0", "✗", "✘"}
)
NOT_APPLICABLE = frozenset(
    {"n/a", "na", "not applicable", "does not apply", "inapplicable", "cannot assess"}
)
"""Ways to say that a criterion does not apply, where it may not."""
MISSING = frozenset({"", "none", "null", "nan"})
"""Ways to write that there is no verdict."""


@dataclass(frozen=True, slots=True)
class VerdictWord:
    """What a recorded value says of a criterion."""

    met: bool | None
    """None where the value is no verdict, a level, or "not applicable"."""
    unknown: str = ""
    """The value as it stands, where it is neither a verdict nor a way to write that none came."""
    level: int | None = None
    is_na: bool = False

    def verdict(self, explanation: str, criterion: Criterion | None, source: Source) -> Verdict:
        """Give it as a verdict; one that the criterion does not allow is none, with the reason."""
        words = explanation
        if self.is_na:
            found = Verdict.not_applicable(explanation=words, source=source, attempts=0)
        elif self.level is not None:
            found = Verdict.at_level(self.level, explanation=words, source=source, attempts=0)
        elif self.met is not None:
            found = Verdict.of(self.met, explanation=words, source=source, attempts=0)
        else:
            if self.unknown:
                words = f"recorded as {named(self.unknown)}, which is not a verdict. {words}"
            words = words.strip() if self.unknown else words or "recorded as null"
            return Verdict(Outcome.UNPARSEABLE, explanation=words, source=source, attempts=0)
        return found if criterion is None else suited(found, criterion)


def read_verdict(value: object, criterion: Criterion | None = None) -> VerdictWord:
    """Read a recorded value: a boolean, 1 or 0, or a word of the table in any case.

    Of a criterion with levels: the text of one, a number of points that one of them alone has, or
    an object with `level` (its number from 0, or its text) or `score` (points). Where a criterion
    may not apply, also "not applicable" and its like.

    A partial grade (inspect's "P", 0.5) and "N" (inspect's: no answer) are unknown words: neither
    says that the criterion is met, nor that it is not.

    Args:
        value: As it is recorded.
        criterion: Whose verdict it is; None where only met and not met are looked for.
    """
    if isinstance(value, Mapping) and criterion is not None:
        return _read_object(value, criterion)
    levels = criterion.levels if criterion is not None else ()
    if isinstance(value, str) and criterion is not None:
        if (level := _level_named(value, levels)) is not None:
            return VerdictWord(None, level=level)
        if criterion.na and says_not_applicable(value):
            return VerdictWord(None, is_na=True)
    if levels and (number := _number(value)) is not None:
        worth = [at for at, level in enumerate(levels) if level.points == number]
        if len(worth) == 1:
            return VerdictWord(None, level=worth[0])
    read = _read_plain(value)
    if len(levels) > 2 and read.met is not None:
        return VerdictWord(None, str(value).strip())
    return read


def _read_object(value: Mapping[str, object], criterion: Criterion) -> VerdictWord:
    """Read a verdict that is an object; what its first known field says counts."""
    outcome = value.get("outcome")
    if outcome == Outcome.NOT_APPLICABLE or value.get("not_applicable") is True:
        return VerdictWord(None, is_na=True)
    level = value.get("level")
    if level is not None:
        n_levels = len(criterion.levels) or 2
        if isinstance(level, str):
            at = _level_named(level, criterion.levels)
            level = int(level) if at is None and level.strip().isdecimal() else at
        if isinstance(level, int) and not isinstance(level, bool) and 0 <= level < n_levels:
            return VerdictWord(None, level=level) if criterion.levels else VerdictWord(level == 1)
        return VerdictWord(None, f"level {value['level']}")
    for name in ("score", "points", "criteria_met", "met", "verdict"):
        if value.get(name) is not None and not isinstance(value[name], Mapping):
            return read_verdict(value[name], criterion)
    return VerdictWord(None, type(value).__name__)


def _level_named(text: str, levels: Sequence[Level]) -> int | None:
    """Find the one level that has a text, whatever its case and spaces."""
    wanted = " ".join(text.split()).casefold()
    found = [at for at, one in enumerate(levels) if " ".join(one.text.split()).casefold() == wanted]
    return found[0] if len(found) == 1 else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _plain(word: str) -> str:
    return " ".join(word.replace("_", " ").replace("-", " ").split()).strip(" .!\"'*`").casefold()


def says_not_applicable(value: object) -> bool:
    """Say whether a recorded value is one of the ways to write that a criterion does not apply."""
    return isinstance(value, str) and _plain(value) in NOT_APPLICABLE


def _read_plain(value: object) -> VerdictWord:
    if value is None or isinstance(value, bool):
        return VerdictWord(value)
    if isinstance(value, (int, float)):
        return _read_number(value)
    if not isinstance(value, str):
        return VerdictWord(None, type(value).__name__)
    word = _plain(value)
    if word in MET:
        return VerdictWord(True)
    if word in NOT_MET:
        return VerdictWord(False)
    return VerdictWord(None) if word in MISSING else VerdictWord(None, value.strip())


def _read_number(value: float) -> VerdictWord:
    if value in (0, 1):
        return VerdictWord(value == 1)
    is_missing = isinstance(value, float) and math.isnan(value)
    # an integer may be too long for a float
    word = f"{value:g}" if isinstance(value, float) else str(value)
    return VerdictWord(None, "" if is_missing else word)


def unknown_words(n: int, word: str, first: str) -> str:
    """Say of a word, as `named` gives it, how often it stands for a verdict and where first."""
    return (
        f"{n} {'verdict' if n == 1 else 'verdicts'} recorded as {word}, which means neither met "
        f"nor not met (the first: {first}); counted as missing"
    )


def named(word: str) -> str:
    """Give an unknown word as it stands in a message."""
    short = word if len(word) <= MAX_WORD_CHARS else word[: MAX_WORD_CHARS - 1] + "…"
    return repr(short)
