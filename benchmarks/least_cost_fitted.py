"""The free judge of the least-cost benchmarks: fitted to other prompts than those it judges.

Prompts are dealt into folds; each fold is judged by a head of `rubricbeat fit-judge` that has
learned from the recorded verdicts of the others, at most `MOST_LESSONS` answers of them, and its
probabilities pass through a curve fitted on the others. Fitted once for all parts of a run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.label_rows import labels_of_verdicts
from rubricbeat.judges.errors import RubricbeatError
from rubricbeat.judges.fitted.fitting import FitOptions, calibrated, folds_of, lessons_of
from rubricbeat.judges.fitted.heads import train_head

N_FOLDS = 3
MOST_LESSONS = 1000
SEED = 20261130
Chances = list[NDArray[np.float64]]
_known: dict[int, tuple[object, Chances | str]] = {}


def chances_of(answers: Sequence[GradedAnswer]) -> Chances | str:
    """Give P(met) of every criterion of each answer, or why there is none."""
    if id(answers) not in _known:
        _known[id(answers)] = (answers, _fitted(answers))
    return _known[id(answers)][1]


def _fitted(answers: Sequence[GradedAnswer]) -> Chances | str:
    if any(c.levels for answer in answers for c in answer.example.rubric.criteria):
        return "criteria of levels: the free judge is of met and not met alone"
    try:
        lessons, _ = lessons_of(labels_of_verdicts(answers), None, None, _silent, None)
    except (RubricbeatError, ImportError) as error:
        return str(error)
    fold_N = folds_of([lesson.prompt for lesson in lessons], N_FOLDS, SEED)
    logits: Chances = [np.zeros(0)] * len(lessons)
    for fold in range(int(fold_N.max()) + 1):
        rest = np.random.default_rng([SEED, fold]).permutation(np.flatnonzero(fold_N != fold))
        head = train_head(
            FitOptions().kind,
            [lessons[row] for row in sorted(rest[:MOST_LESSONS])],
            columns=None,
            looks=True,
            seed=SEED + fold,
        )
        for row in np.flatnonzero(fold_N == fold):
            logits[row] = head.logits(lessons[row].seen)
    return calibrated(logits, [lesson.met_C for lesson in lessons], fold_N)


def _silent(words: str) -> None:
    """Say nothing."""
