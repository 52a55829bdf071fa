"""Fits a judge that reads: a cross-encoder on top of the heads that see sentences as vectors.

Tuning takes long, so it is done once. Prompts fall in three parts: those the heads learn from,
validation prompts that choose the weights of the tuning and of the heads among each other, and
held-out prompts of which every figure of the card is. The judge that is kept is the one that was
measured: it has learned from the first part alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..audit.labelled import AuditTable, LabelledAnswer
from ..audit.study import audit_judge, judge_figures, with_probability
from ..errors import ConfigError
from .card import WITHOUT
from .cross_checkpoint import Checkpoint
from .cross_training import Rows, Tuning, tune
from .encoder import MiniLM
from .features import criterion_columns, names_of
from .fitting import SIMPLE, Fit, FitOptions, Progress, Say, folds_of, graded_of, lessons_of
from .folder import Calibration, FittedModel
from .heads import Head, HeadKind, Lesson, StackHead, bind, train_head
from .logistic import fit_logistic
from .pairs import N_TOKENS, Pair, PairMaker
from .vectors import VectorShelf

N_EPOCHS = 2.0
N_CHECK_PARTS = 8
"""One part in so many of the prompts to learn from is for validation."""


@dataclass(frozen=True, slots=True)
class CrossOptions:
    """How the tuning is done."""

    n_tokens: int = N_TOKENS
    epochs: float = N_EPOCHS


@dataclass(frozen=True, slots=True)
class _Parts:
    """The labelled answers, by what they are for."""

    learn: list[int]
    check: list[int]
    test: list[int]

    @classmethod
    def of(cls, lessons: Sequence[Lesson], options: FitOptions) -> _Parts:
        """Part the prompts: the first fold of the other heads is held out."""
        prompts = [lesson.prompt for lesson in lessons]
        fold_N = folds_of(prompts, options.n_folds, options.seed)
        inner_N = folds_of(prompts, N_CHECK_PARTS, options.seed + 1)
        parts = cls(
            learn=[n for n in range(len(prompts)) if fold_N[n] != 0 and inner_N[n] != 0],
            check=[n for n in range(len(prompts)) if fold_N[n] != 0 and inner_N[n] == 0],
            test=[n for n in range(len(prompts)) if fold_N[n] == 0],
        )
        if not (parts.learn and parts.check and parts.test):
            raise ConfigError(
                f"{max(prompts) + 1} prompts are too few to learn from, validate on and hold out; "
                "another head (--head blend) takes fewer"
            )
        return parts


def fit_cross_encoder(
    labelled: Sequence[LabelledAnswer],
    options: FitOptions,
    cross: CrossOptions,
    *,
    encoder: MiniLM,
    shelf: VectorShelf,
    folder: Path | None = None,
    say: Say = lambda words: None,
    progress: Progress | None = None,
) -> Fit:
    """Fit a judge with a cross-encoder and audit it on held-out prompts.

    Args:
        labelled: Answers with labels.
        options: Seed, folds (one of them is held out) and bootstrap draws.
        cross: How the tuning is done.
        encoder: To start from; it also gives the vectors.
        shelf: Vectors of that encoder.
        folder: Where a checkpoint is kept while it runs; None keeps none.
        say: Told what goes on.
        progress: Called with texts encoded and texts to encode.

    Raises:
        ConfigError: Too few labels to learn from, or a package is missing.
    """
    lessons, words = lessons_of(labelled, encoder, shelf, say, progress)
    parts = _Parts.of(lessons, options)
    names = names_of(has_vectors=True)
    blind_columns = criterion_columns(names)
    work = _Work(lessons, parts, options, cross, encoder, say)
    judge = work.stack(None, looks=True, folder=folder)
    blind = work.stack(blind_columns, looks=False, folder=None)
    say("auditing the verdicts on held-out prompts")
    found = {
        "no_look": blind.test_logits(),
        WITHOUT: judge.test_logits(2),
        **{
            name: work.simple([*blind_columns, *(names.index(feature) for feature in features)])
            for name, features in SIMPLE.items()
        },
    }
    held_out = [labelled[row] for row in parts.test]
    certain = Calibration()
    chances = [certain.probability(logits) for logits in judge.test_logits()]
    table = AuditTable.of(held_out, graded_of(held_out, chances))
    audit = audit_judge(table, seed=options.seed, n_draws=options.n_draws)
    has = np.concatenate([[bool(labels) for labels in item.labels] for item in held_out])
    baselines = {
        name: judge_figures(
            with_probability(table, certain.probability(np.concatenate(logits))[has]),
            seed=options.seed,
            n_draws=options.n_draws,
        )
        for name, logits in found.items()
    }
    return Fit(
        model=FittedModel(
            head=judge.head(), calibration=certain, words=words, encoder=encoder.digest
        ),
        options=replace(options, kind=HeadKind.CROSS_ENCODER),
        audit=replace(audit, baselines={**audit.baselines, **baselines}),
        n_answers=len(labelled),
        n_prompts=len({lesson.prompt for lesson in lessons}),
        n_labels=sum(int((~np.isnan(lesson.met_C)).sum()) for lesson in lessons),
    )


@dataclass(frozen=True, slots=True)
class _Stack:
    """Heads that learned from one part of the prompts, and what they say of the other two."""

    heads: tuple[Head, ...]
    check: list[Floats]
    """Of each validation answer, the log-odds by head: [C, heads]."""
    met: list[Floats]
    """Of the same answers, the labels: [C]."""
    test: list[Floats]

    def head(self, n_heads: int | None = None) -> StackHead:
        """Weigh the first heads, all where None, by logistic regression on the validation part.

        It calibrates them, too.
        """
        logits, met = np.concatenate(self.check)[:, :n_heads], np.concatenate(self.met)
        has = ~np.isnan(met)
        curve = fit_logistic(logits[has], met[has] == 1)
        weight = curve.weight_F / curve.scale_F
        bias = float(curve.bias - weight @ curve.mean_F)
        return StackHead(self.heads[:n_heads], tuple(map(float, weight)), bias)

    def test_logits(self, n_heads: int | None = None) -> list[Floats]:
        """Give the log-odds of the held-out answers, [C] each."""
        head = self.head(n_heads)
        return [logits[:, :n_heads] @ np.array(head.weights) + head.bias for logits in self.test]


class _Work:
    """The parts of the data, and the heads that are fitted to them."""

    def __init__(
        self,
        lessons: Sequence[Lesson],
        parts: _Parts,
        options: FitOptions,
        cross: CrossOptions,
        encoder: MiniLM,
        say: Say,
    ) -> None:
        self.lessons = lessons
        self.parts = parts
        self.options = options
        self.cross = cross
        self.encoder = encoder
        self.say = say
        self.maker = PairMaker(encoder.tokenizer, cross.n_tokens)

    def stack(self, columns: Sequence[int] | None, *, looks: bool, folder: Path | None) -> _Stack:
        """Train trees, network and cross-encoder."""
        name = "the judge" if looks else "the no-look baseline"
        learn = [self.lessons[row] for row in self.parts.learn]
        heads: list[Head] = []
        for kind in (HeadKind.TREES, HeadKind.NETWORK):
            self.say(f"{name}: training {kind}")
            seed = self.options.seed
            heads.append(train_head(kind, learn, columns=columns, looks=looks, seed=seed))
        rows = self._rows(self.parts.learn, looks)
        check = self._rows(self.parts.check, looks)
        self.say(f"{name}: tuning the encoder on {len(rows)} criteria of answers")
        tuning = Tuning(self.cross.n_tokens, self.cross.epochs, self.options.seed, looks)
        kept = Checkpoint(folder, _digest(rows, self.encoder)) if folder is not None else None
        tuned = tune(rows, check, self.encoder, tuning, say=self.say, checkpoint=kept)
        heads.append(tuned)
        self.say(f"{name}: reading the validation and the held-out prompts")
        bound = [bind(head, self.encoder) for head in heads]

        def by_head(wanted: list[int]) -> list[Floats]:
            return [
                np.stack([head.logits(self.lessons[row].seen) for head in bound], axis=1)
                for row in wanted
            ]

        return _Stack(
            heads=tuple(heads),
            check=by_head(self.parts.check),
            met=[self.lessons[row].met_C for row in self.parts.check],
            test=by_head(self.parts.test),
        )

    def simple(self, columns: Sequence[int]) -> list[Floats]:
        """Give the log-odds of a logistic regression on some features, for held-out answers."""
        learn = [self.lessons[row] for row in self.parts.learn + self.parts.check]
        head = train_head(HeadKind.LINEAR, learn, columns=columns)
        return [head.logits(self.lessons[row].seen) for row in self.parts.test]

    def _rows(self, wanted: list[int], looks: bool) -> Rows:
        """Lay out criteria of answers; without a look each criterion once, with its mean label."""
        pairs: list[Pair] = []
        met: list[list[float]] = []
        groups: list[int] = []
        codes: dict[tuple[int, str], int] = {}
        for row in wanted:
            lesson = self.lessons[row]
            labelled = ~np.isnan(lesson.met_C)
            made = self.maker.pairs(lesson.seen, looks=looks)
            for place in map(int, np.flatnonzero(labelled)):
                key = (lesson.prompt, lesson.seen.criteria[place])
                is_new = key not in codes
                code = codes.setdefault(key, len(codes))
                label = float(lesson.met_C[place])
                if looks or is_new:
                    pairs.append(made[place])
                    met.append([label])
                    groups.append(code)
                else:
                    met[code].append(label)
        return Rows(
            pairs=pairs,
            met_N=np.array([np.mean(labels) for labels in met]),
            group_N=np.array(groups, dtype=np.intp),
        )


def _digest(rows: Rows, encoder: MiniLM) -> str:
    """Hash what is tuned on what."""
    digest = hashlib.sha256(encoder.digest.encode())
    for pair in rows.pairs:
        digest.update(pair.ids.tobytes())
    for array in (rows.met_N, rows.group_N):
        digest.update(array.tobytes())
    return digest.hexdigest()
