"""What a policy for all prompts sees of a recorded answer: its form, in any language.

A policy that prefers answers by their form is the least that generalises: what it gains on prompts
that it has not seen comes from length, lists and headings alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ...scoring.rubric_arrays import Bools, Floats

_SENTENCE = re.compile(r"[.!?\u3002\uff01\uff1f\u0964]+(?:\s|$)|\n{2,}")
_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s", re.MULTILINE)
_HEADING = re.compile(r"^\s*(?:#{1,6}\s|\*\*[^*\n]+\*\*:?\s*$)", re.MULTILINE)
_QUESTION = re.compile(r"[?\uff1f]")
_NUMBER = re.compile(r"\d+")
_BOLD = re.compile(r"\*\*[^*\n]+\*\*")
_BRACKET = re.compile(r"[(\uff08]")

FEATURES = (
    "length",
    "sentences",
    "list items",
    "headings",
    "questions",
    "numbers",
    "bold",
    "brackets",
    "paragraphs",
    "ends with a question",
)
"""Counts as log(1 + n)."""


def features_of(texts: Sequence[str]) -> Floats:
    """Describe the form of each answer, [N, F]."""
    rows = np.array([_counts(text) for text in texts], dtype=np.float64).reshape(-1, len(FEATURES))
    rows[:, :-1] = np.log1p(rows[:, :-1])
    return rows


def within_prompts(features_PGF: Floats, answered_PG: Bools) -> Floats:
    """Take off the mean of the prompt and divide by the spread; 0 at padding.

    A constant of the prompt moves no softmax; a feature without spread is 0 everywhere.
    """
    present = answered_PG[..., None]
    n = np.maximum(answered_PG.sum(1), 1)[:, None, None]
    filled = np.where(present, features_PGF, 0.0)
    centred = np.where(present, filled - filled.sum(1, keepdims=True) / n, 0.0)
    spread_F = np.sqrt((centred**2).sum((0, 1)) / max(int(answered_PG.sum()), 1))
    scaled: Floats = centred / np.where(spread_F > 1e-9, spread_F, np.inf)
    return scaled


def _counts(text: str) -> tuple[int, ...]:
    return (
        len(text),
        len(_SENTENCE.findall(text)),
        len(_ITEM.findall(text)),
        len(_HEADING.findall(text)),
        len(_QUESTION.findall(text)),
        len(_NUMBER.findall(text)),
        len(_BOLD.findall(text)),
        len(_BRACKET.findall(text)),
        text.count("\n\n"),
        int(text.rstrip()[-1:] in "?\uff1f" and bool(text.strip())),
    )
