"""Cut texts into sentences and words, as the features of a fitted judge see them."""

from __future__ import annotations

import re
from collections.abc import Callable

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


def edited_sentences(text: str, edit: Callable[[str], str]) -> str:
    """Put each sentence of a text through a function; the rest stays, and gaps are closed.

    Args:
        text: The text.
        edit: Gives what stands in a sentence's place, without its marks; "" takes it out, and the
            marks of a list entry with it.
    """
    lines = []
    for line in text.split("\n"):
        pieces = _SENTENCE_END.split(line)
        done = [_edited(piece, edit) for piece in pieces]
        if done == pieces:
            lines.append(line)
        elif any(len(piece.strip(_MARKUP)) > 2 for piece in done):  # more than a list's number
            lines.append(" ".join(filter(None, done)))
    changed = "\n".join(lines)
    return text if changed == text else tidy(changed)


def _edited(piece: str, edit: Callable[[str], str]) -> str:
    said = piece.strip(_MARKUP)
    if len(said) <= 2:
        return piece
    done = edit(said)
    return piece if done == said else done and piece.replace(said, done, 1)


def tidy(text: str) -> str:
    """Close the gaps that cuts leave: doubled blanks, blank lines, blanks at the ends of lines."""
    text = re.sub(r" {2,}", " ", text)
    text = re.sub(r"^ +| +$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


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
