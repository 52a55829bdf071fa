"""Simulated judges whose errors on levels are known, and answers whose truth is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.rubric import Criterion, Example, Level, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict

ERRORS = np.array([[0.70, 0.05, 0.00], [0.20, 0.70, 0.10], [0.10, 0.25, 0.90]])
"""P(the judge's level, row, given the true one, column): it errs upwards more than downwards."""
TRUTH = np.array([0.3, 0.5, 0.2])


def by_level(points: Sequence[float], text: str = "by level", **more) -> Criterion:
    most = max(points, key=lambda p: (abs(p), p))
    polarity = Polarity.DESIRABLE if most > 0 else Polarity.UNDESIRABLE
    levels = tuple(Level(f"level {place}", p) for place, p in enumerate(points))
    return Criterion(text, most, polarity, levels=levels, **more)


def wanted(points: float = 5, text: str = "wanted", **more) -> Criterion:
    polarity = Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE
    return Criterion(text, points, polarity, **more)


def example(criteria: Sequence[Criterion], prompt: int | str = 0) -> Example:
    return Example(f"p{prompt}", (Message("user", f"Question {prompt}?"),), Rubric(tuple(criteria)))


@dataclass
class World:
    """Labelled answers, one a prompt, to one rubric of criteria of three levels."""

    labelled: list[LabelledAnswer]
    graded: list[GradedAnswer]
    true_NC: np.ndarray
    said_NC: np.ndarray


def drawn(
    rng: np.random.Generator,
    n: int,
    criteria: Sequence[Criterion],
    *,
    errors: np.ndarray = ERRORS,
    truth: np.ndarray = TRUTH,
    first: int = 0,
) -> World:
    """Draw truths and what a judge with these errors says of them."""
    n_levels = len(truth)
    # answers are good or poor as wholes: the truths of one go together
    lean_N1 = rng.normal(0, 0.8, (n, 1))
    logits = np.log(truth)[None, None] + lean_N1[..., None] * np.arange(n_levels)
    chance = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    true_NC = (rng.random((n, len(criteria), 1)) > chance.cumsum(-1)).sum(-1)
    said_NC = (rng.random((n, len(criteria), 1)) > errors.T[true_NC].cumsum(-1)).sum(-1)
    labelled, graded = [], []
    for row in range(n):
        case, text = example(criteria, first + row), f"Answer {first + row}."
        labels = tuple((Label(None, level=int(level)),) for level in true_NC[row])
        labelled.append(LabelledAnswer(case, text, labels))
        verdicts = tuple(Verdict.at_level(int(level)) for level in said_NC[row])
        graded.append(GradedAnswer(case, text, verdicts))
    return World(labelled, graded, true_NC, said_NC)
