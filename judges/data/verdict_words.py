"""The words by which programs record whether a criterion is met: one table for every reader.

What is not in the table is no verdict. It is handed on by name, so that a reader can say which word
it found, how often and where; it is never taken for met or not met.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

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
MISSING = frozenset({"", "none", "null", "nan"})
"""Ways to write that there is no verdict."""


@dataclass(frozen=True, slots=True)
class VerdictWord:
    """What a recorded value says of a criterion."""

    met: bool | None
    """None where the value is no verdict."""
    unknown: str = ""
    """The value as it stands, where it is neither a verdict nor a way to write that none came."""


def read_verdict(value: Any) -> VerdictWord:
    """Read a recorded value: a boolean, 1 or 0, or a word of the table in any case.

    A partial grade (inspect's "P", 0.5) and "N" (inspect's: no answer) are unknown words: neither
    says that the criterion is met, nor that it is not.
    """
    if value is None or isinstance(value, bool):
        return VerdictWord(value)
    if isinstance(value, (int, float)):
        return _read_number(value)
    if not isinstance(value, str):
        return VerdictWord(None, type(value).__name__)
    word = " ".join(value.replace("_", " ").replace("-", " ").split()).strip(" .!\"'*`").casefold()
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
        f"{n} {'verdict' if n == 1 else 'verdicts'} recorded as {word}, which says neither met nor "
        f"not met (the first: {first}); counted as missing"
    )


def named(word: str) -> str:
    """Give an unknown word as it stands in a message."""
    short = word if len(word) <= MAX_WORD_CHARS else word[: MAX_WORD_CHARS - 1] + "…"
    return repr(short)
