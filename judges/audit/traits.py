"""What could sway a judge beside the answer's worth: lengths and places of each question.

A place means something for rubrics in three ways: where the criterion stands in its rubric, where
in the answer the words it asks for stand, and how much conversation comes before the answer.
Nothing here knows verdicts or labels. Axis: N labelled questions, in the order of `AuditTable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ..answers import solution_of
from ..arrays import Floats
from ..data.text_units import sentences_of, stems_of
from ..rubric import Example
from .labelled import LabelledAnswer

MIN_EVIDENCE = 0.2
"""Share of the criterion's words that a sentence must hold to be its evidence; and two of them, or
half."""
MIN_SENTENCES = 3
"""An answer of fewer has no start, middle and end."""


class Within(IntEnum):
    """What two questions must share to be compared, the strictest first; the label always."""

    CRITERION = 0
    """The same criterion of the same prompt: only the answer differs."""
    PROMPT = 1
    CATEGORY = 2


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing that could sway a judge, for every question."""

    name: str
    unit: str
    """What a change by 1 of `value_N` is."""
    value_N: Floats
    """NaN where the question has none."""
    strictest: Within
    """Narrower strata hold no two values: the rank of a criterion never varies."""
    is_about_met: bool = False
    """Only questions labelled met have it: there is no evidence of what is not there."""
    edges: tuple[float, ...] | None = None
    """Where the groups shown begin, after the first; None splits into thirds."""
    names: tuple[str, ...] = ("low", "middle", "high")
    """Of the groups shown."""


def traits_of(labelled: Sequence[LabelledAnswer]) -> tuple[Trait, ...]:
    """Read every trait off labelled answers."""
    rows: list[Mapping[str, float]] = []
    stems: dict[str, frozenset[str]] = {}
    for item in labelled:
        text = solution_of(item.text)
        sentences = [frozenset(stems_of(sentence)) for sentence in sentences_of(text)]
        shared = {"length": _log2(len(text)), **_context(item.example)}
        n_criteria = len(item.example.rubric)
        for index, labels in enumerate(item.labels):
            if not labels:
                continue
            words = item.example.rubric.criteria[index].text
            wanted = stems.setdefault(words, frozenset(stems_of(words)))
            place = index / (n_criteria - 1) if n_criteria > 1 else float("nan")
            rows.append({**shared, "rank": place, "evidence": _evidence(wanted, sentences)})

    def column(name: str) -> Floats:
        return np.array([row[name] for row in rows], dtype=np.float64)

    thirds = {"edges": (1 / 3, 2 / 3), "names": ("first third", "middle", "last third")}
    return (
        Trait(
            "length", "an answer twice as long", column("length"), Within.CRITERION,
            names=("short", "middling", "long"),
        ),
        Trait("rank", "last of its rubric, not first", column("rank"), Within.PROMPT, **thirds),  # type: ignore[arg-type]
        Trait(
            "evidence", "at the end of the answer, not the start", column("evidence"),
            Within.CRITERION, is_about_met=True, **thirds,  # type: ignore[arg-type]
        ),
        Trait(
            "conversation", "twice as much before the answer", column("conversation"),
            Within.CATEGORY, names=("short", "middling", "long"),
        ),
        Trait(
            "turns", "one more turn before the answer", column("turns"), Within.CATEGORY,
            edges=(2, 4), names=("1 turn", "2 or 3", "4 or more"),
        ),
    )  # fmt: skip


def _context(example: Example) -> dict[str, float]:
    n_chars = sum(len(message.content) for message in example.prompt)
    return {"conversation": _log2(n_chars), "turns": float(len(example.prompt))}


def _evidence(wanted: frozenset[str], sentences: Sequence[frozenset[str]]) -> float:
    """Place the sentence that holds most of the criterion's words: 0 the first, 1 the last.

    NaN where no sentence holds enough of them, or the answer is too short to have places. Of
    several that hold as many, the first.
    """
    if not wanted or len(sentences) < MIN_SENTENCES:
        return float("nan")
    shares = [len(wanted & sentence) for sentence in sentences]
    best = max(range(len(shares)), key=shares.__getitem__)
    if shares[best] < max(MIN_EVIDENCE * len(wanted), min(2, len(wanted) / 2)):
        return float("nan")
    return best / (len(sentences) - 1)


def _log2(n_chars: int) -> float:
    return float(np.log2(n_chars)) if n_chars else float("nan")
