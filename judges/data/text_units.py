"""Cut texts into sentences and words, as the features of a fitted judge see them."""

from __future__ import annotations

import re

MAX_CLAUSES = 12
MAX_SENTENCES = 96
"""Sentences of one answer that are read; what comes after them only counts for its length."""

_SENTENCE_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+")
_MARKUP = " *#-•\t"
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:-[^\W\d_]+)*")
_CLAUSE_END = re.compile(
    r"\s*(?:[;:()]|,\s+(?:and|or|such as|including|e\.g\.,?)?|\.\s+|\b(?:and|or|such as|including|"
    r"as well as|e\.g\.,?|i\.e\.,?|because|which|but)\b)\s*",
    re.IGNORECASE,
)
_SAYS_SOMETHING = re.compile(r"[^\W\d_]{3}|\d")
_ENDINGS = ("ational", "ations", "ation", "ingly", "edly", "ing", "ies", "ed", "ly", "es", "s")
_MIN_STEM = 4
_STOP = frozenset(
    re.findall(
        r"\w+",
        "the a an of to in and or for is are was were be been it its this that with on as by at "
        "from if not no e g eg such any user response should does do which who can may have has "
        "about their they them than more most other into also when what how",
    )
)


def sentences_of(text: str) -> list[str]:
    """Give the sentences and list entries of a text, without their marks; "" where none is."""
    found: list[str] = []
    for line in text.split("\n"):
        for piece in _SENTENCE_END.split(line):
            sentence = piece.strip(_MARKUP)
            if len(sentence) > 2:
                found.append(sentence)
        if len(found) >= MAX_SENTENCES:
            break
    return found[:MAX_SENTENCES] or [""]


def clauses_of(criterion: str) -> list[str]:
    """Give the parts of a criterion, each of which an answer may meet or miss; never none."""
    parts = [piece.strip(" .,-*\"'") for piece in _CLAUSE_END.split(criterion)]
    clauses = [part for part in parts if len(part) >= 4 and _SAYS_SOMETHING.search(part)]
    return clauses[:MAX_CLAUSES] or [criterion]


def stems_of(text: str) -> list[str]:
    """Give the words of a text that carry meaning, in order, without common English endings."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM:
            return word[: -len(ending)]
    return word
