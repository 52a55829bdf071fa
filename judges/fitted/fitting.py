"""Fits a judge to labels, and measures it on prompts that it has not seen.

Prompts are dealt into folds. Every figure of the card is of verdicts on prompts held out from the
head that gave them, and from the calibration they passed through; the head that is kept has
learned from all prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..answer import GradedAnswer, solution_of
from ..audit.baselines import with_probability
from ..audit.judge_audit import Audit, audit_judge, judge_figures
from ..audit.labels import AuditTable, Codes, LabelledAnswer, deal_folds, majority_of
from ..errors import ConfigError
from ..scoring.verdict_table import Bools, Floats
from ..verdict import Verdict
from .features import CRITERION_FEATURES, FEATURES, MATCH_FEATURES, Lesson, Seen, Sight, WordWeights
from .head import labels_of, train_head
from .logistic import fit_logistic
from .saved_model import Calibration, FittedModel

MIN_PROMPTS = 10
MIN_OF_A_CLASS = 20
"""Labels of "met" and of "not met" each, below which nothing can be learned."""
SIMPLE = {"length": ("chars", "sentences"), "lexical overlap": MATCH_FEATURES}
"""Baselines: logistic regression on these features and those of the criterion."""

ALL = tuple(range(len(FEATURES)))
BLIND = ALL[: len(CRITERION_FEATURES)]
"""Columns that do not depend on the answer."""

Say = Callable[[str], None]
Logits = Callable[[Seen], Floats]
"""What a trained head gives for one answer, [C]."""
Train = Callable[[Sequence[Lesson], int], Logits]
"""Trains on lessons, with a seed."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a judge is fitted."""

    n_folds: int = 5
    seed: int = 1234


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted judge and what is known of its worth."""

    model: FittedModel
    options: FitOptions
    audit: Audit
    """Of the verdicts on held-out prompts; its baselines hold those of `fit_judge` too."""
    n_answers: int
    n_prompts: int
    n_labels: int


def fit_judge(
    labelled: Sequence[LabelledAnswer],
    options: FitOptions,
    *,
    say: Say = lambda words: None,
) -> Fit:
    """Fit a judge and audit it.

    Args:
        labelled: Answers with labels.
        options: How.
        say: Told what goes on.

    Raises:
        ConfigError: Too few labels to learn from, or a package is missing.
    """
    lessons, words = lessons_of(labelled, say)
    mets = [lesson.met_C for lesson in lessons]
    fold_N = folds_of([lesson.prompt for lesson in lessons], options.n_folds, options.seed)

    def unseen(train: Train, name: str) -> list[Floats]:
        return held_out(
            lessons, fold_N, train, options.seed, lambda words: say(f"training {name}, {words}")
        )

    logits = unseen(words_head(ALL), "the judge")
    blind = unseen(words_head(BLIND), "no-look baseline")
    say("training the judge on all prompts")
    head = train_head(lessons, ALL, options.seed)
    model = FittedModel(head, calibration_of(logits, mets), words)
    say("auditing the verdicts on held-out prompts")
    table = AuditTable.of(labelled, graded_of(labelled, calibrated(logits, mets, fold_N)))
    others = {"no_look": blind} | {
        name: unseen(logistic_on([*BLIND, *map(FEATURES.index, features)]), name)
        for name, features in SIMPLE.items()
    }
    has = has_label(labelled)
    baselines = {
        name: judge_figures(
            with_probability(table, np.concatenate(calibrated(found, mets, fold_N))[has])
        )
        for name, found in others.items()
    }
    audit = audit_judge(table)
    return Fit(
        model=model,
        options=options,
        audit=replace(audit, baselines={**audit.baselines, **baselines}),
        n_answers=len(labelled),
        n_prompts=table.n_prompts,
        n_labels=len(table.met_L),
    )


def lessons_of(
    labelled: Sequence[LabelledAnswer], say: Say = lambda words: None
) -> tuple[list[Lesson], WordWeights]:
    """Look at labelled answers as a judge does, and weigh their words.

    Raises:
        ConfigError: Too few labels to learn from.
    """
    answers = [(item.example, solution_of(item.text)) for item in labelled]
    criteria = {c.text for example, _ in answers for c in example.rubric.criteria}
    words = WordWeights.of([*(text for _, text in answers), *sorted(criteria)])
    say(f"reading {len(answers)} answers")
    sight = Sight(words)
    prompts = prompts_of(labelled)
    lessons = [
        Lesson(sight.see(*answer), met_of(item), prompt)
        for answer, item, prompt in zip(answers, labelled, prompts, strict=True)
    ]
    require_enough(prompts, [lesson.met_C for lesson in lessons])
    return lessons, words


def prompts_of(labelled: Sequence[LabelledAnswer]) -> list[int]:
    """Number the prompts of answers in the order of first sight."""
    codes: dict[str, int] = {}
    return [codes.setdefault(item.example.prompt_id, len(codes)) for item in labelled]


def has_label(labelled: Sequence[LabelledAnswer]) -> Bools:
    """Say which criteria of all answers, one after another, have a label."""
    return np.array([bool(labels) for item in labelled for labels in item.labels])


def met_of(item: LabelledAnswer) -> Floats:
    """Give what most labels of each criterion say; NaN without a label or where they tie."""
    mets = [majority_of(labels) for labels in item.labels]
    return np.array([np.nan if met is None else float(met) for met in mets])


def require_enough(prompts: Sequence[int], mets: Sequence[Floats]) -> None:
    """Refuse labels that nothing can be learned from.

    Args:
        prompts: Of each answer.
        mets: Labels of the criteria of each answer: 1, 0, or NaN.

    Raises:
        ConfigError: They are too few.
    """
    met = np.concatenate(mets) if mets else np.zeros(0)
    n_prompts = len(set(prompts))
    n_met, n_not = int((met == 1).sum()), int((met == 0).sum())
    if n_prompts < MIN_PROMPTS or min(n_met, n_not) < MIN_OF_A_CLASS:
        raise ConfigError(
            f"too little to learn from: {n_prompts} prompts, {n_met} criteria met and {n_not} not "
            f"met; it takes {MIN_PROMPTS} prompts and {MIN_OF_A_CLASS} of each"
        )


def folds_of(prompts: Sequence[int], n_folds: int, seed: int) -> Codes:
    """Deal prompts into folds at random; the answers of one prompt stay together."""
    n_prompts = max(prompts) + 1
    return deal_folds(n_prompts, min(n_folds, n_prompts), seed)[list(prompts)]


def words_head(columns: Sequence[int]) -> Train:
    """Train the judge's own head on some features."""
    return lambda lessons, seed: train_head(lessons, columns, seed).logits


def logistic_on(columns: Sequence[int]) -> Train:
    """Train logistic regression on some features."""

    def train(lessons: Sequence[Lesson], seed: int) -> Logits:
        features, met, _ = labels_of(lessons, columns)
        model = fit_logistic(features, met)
        return lambda seen: model.logits(seen.features_CF[:, columns])

    return train


def held_out(
    lessons: Sequence[Lesson], fold_N: Codes, train: Train, seed: int, say: Say = lambda words: None
) -> list[Floats]:
    """Give each answer the log-odds of a head that has not seen its prompt.

    Args:
        lessons: The answers.
        fold_N: Of each answer.
        train: Trains a head.
        seed: Of the first fold's head.
        say: Told of each fold.
    """
    found: dict[int, Floats] = {}
    n_folds = int(fold_N.max()) + 1
    for fold in range(n_folds):
        say(f"fold {fold + 1} of {n_folds}")
        rest = [lesson for lesson, f in zip(lessons, fold_N, strict=True) if f != fold]
        logits = train(rest, seed + fold)
        for row in np.flatnonzero(fold_N == fold).tolist():
            found[row] = logits(lessons[row].seen)
    return [found[row] for row in range(len(lessons))]


def calibrated(logits: Sequence[Floats], mets: Sequence[Floats], fold_N: Codes) -> list[Floats]:
    """Turn log-odds into probabilities by a curve fitted on the other folds."""
    found: dict[int, Floats] = {}
    for fold in range(int(fold_N.max()) + 1):
        rest = np.flatnonzero(fold_N != fold).tolist()
        curve = calibration_of([logits[row] for row in rest], [mets[row] for row in rest])
        for row in map(int, np.flatnonzero(fold_N == fold)):
            found[row] = curve.probability(logits[row])
    return [found[row] for row in range(len(logits))]


def calibration_of(logits: Sequence[Floats], mets: Sequence[Floats]) -> Calibration:
    """Fit the curve from log-odds to probabilities (Platt 1999)."""
    x, met = np.concatenate(logits), np.concatenate(mets)
    has = ~np.isnan(met)
    curve = fit_logistic(x[has][:, None], met[has] == 1)
    slope = float(curve.weight_F[0] / curve.scale_F[0])
    return Calibration(slope, float(curve.bias - slope * curve.mean_F[0]))


def graded_of(labelled: Sequence[LabelledAnswer], chance: Sequence[Floats]) -> list[GradedAnswer]:
    """Put P(met) of every criterion into verdicts."""
    return [
        GradedAnswer(
            item.example,
            item.text,
            tuple(Verdict.of(bool(p > 0.5), probability=float(p)) for p in chances),
        )
        for item, chances in zip(labelled, chance, strict=True)
    ]
