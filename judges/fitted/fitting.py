"""Fits a judge to labels, and measures it on prompts that it has not seen.

Prompts are dealt into folds. Every figure of the card is of verdicts on prompts held out from the
head that gave them, and from the calibration they passed through; the head that is kept has
learned from all prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer, solution_of
from ..audit.baselines import with_probability
from ..audit.judge_audit import Audit, JudgeFigures, audit_judge, judge_figures
from ..audit.labels import AuditTable, LabelledAnswer, deal_folds
from ..audit.levels import LevelAudit, level_audit
from ..errors import ConfigError
from ..scoring.rubric_arrays import Floats
from ..verdict import Verdict
from .encoder import SentenceEncoder, VectorShelf
from .features import MATCH_FEATURES, Lesson, Sight, WordWeights, criterion_columns, names_of
from .heads import Head, HeadKind, train_head
from .ordered import asked_labels, verdicts_of
from .saved_model import FittedModel, PlattScaling
from .trees import fit_logistic

MIN_PROMPTS = 10
MIN_OF_A_CLASS = 20
"""Labels of "met" and of "not met" each, below which nothing can be learned."""
SIMPLE = {"length": ("chars", "sentences"), "lexical overlap": MATCH_FEATURES}
"""Baselines: logistic regression on these features and those of the criterion."""

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a judge is fitted."""

    kind: HeadKind = HeadKind.WORDS
    n_folds: int = 5
    seed: int = 1234


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted judge and what is known of its worth."""

    model: FittedModel
    options: FitOptions
    audit: Audit
    """Of the verdicts on held-out prompts; its baselines hold those of `fit_judge` too. Of criteria
    with levels its figures are of "reaches this level", and `levels` of the levels themselves."""
    n_answers: int
    n_prompts: int
    n_labels: int


def fit_judge(
    labelled: Sequence[LabelledAnswer],
    options: FitOptions,
    *,
    encoder: SentenceEncoder | None,
    shelf: VectorShelf | None,
    say: Say = lambda words: None,
    progress: Progress | None = None,
) -> Fit:
    """Fit a judge and audit it.

    Args:
        labelled: Answers with labels.
        options: How.
        encoder: Sentence encoder; None for a judge that sees words only.
        shelf: Vectors of that encoder; None without one.
        say: Told what goes on.
        progress: Called with texts encoded and texts to encode.

    Raises:
        ConfigError: Too few labels to learn from, or of what cannot be learned; or a package is
            missing.
    """
    if options.kind.needs_vectors and encoder is None:
        raise ConfigError(f"--head {options.kind} needs an encoder; without one: --head words")
    whole, labelled = labelled, asked_labels(labelled)
    lessons, words = lessons_of(labelled, encoder, shelf, say, progress)
    mets = [lesson.met_C for lesson in lessons]
    fold_N = folds_of([lesson.prompt for lesson in lessons], options.n_folds, options.seed)
    names = names_of(has_vectors=encoder is not None)
    blind = criterion_columns(names)
    seen_by_none = held_out(lessons, fold_N, options, None, True, say, options.kind.value)
    seen_by_none_blind = held_out(lessons, fold_N, options, blind, False, say, "no-look baseline")
    say("training the judge on all prompts")
    head = train_head(options.kind, lessons, seed=options.seed)
    model = FittedModel(
        head=head,
        calibration=calibration_of(seen_by_none, mets),
        words=words,
        encoder=encoder.digest if encoder is not None else None,
    )
    say("auditing the verdicts on held-out prompts")
    chance = calibrated(seen_by_none, mets, fold_N)
    table = AuditTable.of(labelled, graded_of(labelled, chance))
    audit = audit_judge(table, levels=_level_audit(whole, labelled, chance))
    others = {"no_look": calibrated(seen_by_none_blind, mets, fold_N)}
    simple = replace(options, kind=HeadKind.LINEAR)
    for name, features in SIMPLE.items():
        kept = [*blind, *(names.index(feature) for feature in features)]
        logits = held_out(lessons, fold_N, simple, kept, True, lambda words: None, name)
        others[name] = calibrated(logits, mets, fold_N)
    baselines = {name: figures_of(table, labelled, one) for name, one in others.items()}
    return Fit(
        model=model,
        options=options,
        audit=replace(audit, baselines={**audit.baselines, **baselines}),
        n_answers=len(labelled),
        n_prompts=table.n_prompts,
        n_labels=len(table.met_L),
    )


def figures_of(
    table: AuditTable, labelled: Sequence[LabelledAnswer], chances: Sequence[Floats]
) -> JudgeFigures:
    """Give the figures of P(met) of every criterion, on those that have labels.

    Args:
        table: Of the labels.
        labelled: The same.
        chances: By answer and criterion.
    """
    has = np.concatenate([[bool(labels) for labels in item.labels] for item in labelled])
    return judge_figures(with_probability(table, np.concatenate(chances)[has]))


def _level_audit(
    whole: Sequence[LabelledAnswer], asked: Sequence[LabelledAnswer], chance: Sequence[Floats]
) -> LevelAudit | None:
    """Audit the levels that the chances of what was asked make; None where none has any."""
    if whole is asked:
        return None
    return level_audit(
        whole,
        [
            GradedAnswer(item.example, item.text, verdicts_of(item.example.rubric, chances))
            for item, chances in zip(whole, chance, strict=True)
        ],
    )


def lessons_of(
    labelled: Sequence[LabelledAnswer],
    encoder: SentenceEncoder | None,
    shelf: VectorShelf | None,
    say: Say,
    progress: Progress | None,
) -> tuple[list[Lesson], WordWeights]:
    """Look at labelled answers as a judge does, and weigh their words.

    Raises:
        ConfigError: Too few labels to learn from.
    """
    answers = [(item.example, solution_of(item.text)) for item in labelled]
    criteria = {c.text for example, _ in answers for c in example.rubric.criteria}
    words = WordWeights.of([*(text for _, text in answers), *sorted(criteria)])
    say(f"reading {len(answers)} answers")
    seen = Sight(words, encoder).see_all(answers, shelf, progress)
    lessons = [
        Lesson(one, met_of(item), prompt)
        for one, item, prompt in zip(seen, labelled, prompts_of(labelled), strict=True)
    ]
    require_enough([lesson.prompt for lesson in lessons], [lesson.met_C for lesson in lessons])
    return lessons, words


def met_of(item: LabelledAnswer) -> Floats:
    """Give what most labels of each criterion say; NaN without a label or where they tie."""
    shares = [
        np.mean([label.met is True for label in labels]) if labels else np.nan
        for labels in item.labels
    ]
    return np.array([np.nan if share == 0.5 else np.round(share) for share in shares])


def prompts_of(labelled: Sequence[LabelledAnswer]) -> list[int]:
    """Number the prompt of each answer, in the order of first sight."""
    codes: dict[str, int] = {}
    return [codes.setdefault(item.example.prompt_id, len(codes)) for item in labelled]


def require_enough(prompts: Sequence[int], mets: Sequence[Floats]) -> None:
    """Refuse labels that nothing can be learned from.

    Args:
        prompts: Of each answer.
        mets: Labels of the criteria of each answer: 1, 0, or NaN.

    Raises:
        ConfigError: They are too few.
    """
    met = np.concatenate(mets) if mets else np.zeros(0)
    n_met, n_not = int((met == 1).sum()), int((met == 0).sum())
    n_prompts = len(set(prompts))
    if n_prompts < MIN_PROMPTS or min(n_met, n_not) < MIN_OF_A_CLASS:
        raise ConfigError(
            f"too little to learn from: {n_prompts} prompts, {n_met} criteria met and {n_not} not "
            f"met; needed: {MIN_PROMPTS} prompts and {MIN_OF_A_CLASS} of each"
        )


def folds_of(prompts: Sequence[int], n_folds: int, seed: int) -> NDArray[np.intp]:
    """Deal prompts into folds at random; the answers of one prompt stay together."""
    n_prompts = max(prompts) + 1
    return np.asarray(deal_folds(n_prompts, min(n_folds, n_prompts), seed)[list(prompts)])


def held_out(
    lessons: Sequence[Lesson],
    fold_N: NDArray[np.intp],
    options: FitOptions,
    columns: Sequence[int] | None,
    looks: bool,
    say: Say,
    name: str,
) -> list[Floats]:
    """Give each answer the log-odds of a head that has not seen its prompt.

    Args:
        lessons: The answers.
        fold_N: Of each answer.
        options: How heads are trained.
        columns: Features they may use; all where None.
        looks: As `train_head` has it.
        say: Told of each fold.
        name: Of what is trained, in that word.
    """
    found: dict[int, Floats] = {}
    n_folds = int(fold_N.max()) + 1
    for fold in range(n_folds):
        say(f"training {name}, fold {fold + 1} of {n_folds}")
        rest = [lesson for lesson, f in zip(lessons, fold_N, strict=True) if f != fold]
        head: Head = train_head(
            options.kind, rest, columns=columns, looks=looks, seed=options.seed + fold
        )
        for row in map(int, np.flatnonzero(fold_N == fold)):
            found[row] = head.logits(lessons[row].seen)
    return [found[row] for row in range(len(lessons))]


def calibrated(
    logits: Sequence[Floats], mets: Sequence[Floats], fold_N: NDArray[np.intp]
) -> list[Floats]:
    """Turn log-odds into probabilities by a curve fitted on the other folds."""
    found: dict[int, Floats] = {}
    for fold in range(int(fold_N.max()) + 1):
        rest = np.flatnonzero(fold_N != fold).tolist()
        curve = calibration_of([logits[row] for row in rest], [mets[row] for row in rest])
        for row in map(int, np.flatnonzero(fold_N == fold)):
            found[row] = curve.probability(logits[row])
    return [found[row] for row in range(len(logits))]


def calibration_of(logits: Sequence[Floats], mets: Sequence[Floats]) -> PlattScaling:
    """Fit the curve from log-odds to probabilities (Platt 1999)."""
    x, met = np.concatenate(logits), np.concatenate(mets)
    has = ~np.isnan(met)
    curve = fit_logistic(x[has][:, None], met[has] == 1)
    slope = float(curve.weight_F[0] / curve.scale_F[0])
    return PlattScaling(slope, float(curve.bias - slope * curve.mean_F[0]))


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
