"""Fits a judge whose encoder is tuned, on top of the heads that see sentences as vectors.

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
from .cross_training import Tuning, rows_of, tune
from .encoder import MiniLM
from .features import criterion_columns, names_of
from .fitting import SIMPLE, Fit, FitOptions, Progress, Say, folds_of, graded_of, lessons_of
from .folder import Calibration, FittedModel
from .heads import Head, HeadKind, Lesson, StackHead, bind, train_head
from .logistic import fit_logistic
from .network import Network
from .pairs import N_TOKENS, PairMaker
from .tuned_training import tune_network
from .tuning_checkpoint import Checkpoint
from .vectors import VectorShelf

N_EPOCHS = 2.0
N_CHECK_PARTS = 8
"""One part in so many of the prompts to learn from is for validation."""


@dataclass(frozen=True, slots=True)
class TuningOptions:
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


def fit_tuned(
    labelled: Sequence[LabelledAnswer],
    options: FitOptions,
    tuning: TuningOptions,
    *,
    encoder: MiniLM,
    shelf: VectorShelf,
    folder: Path | None = None,
    say: Say = lambda words: None,
    progress: Progress | None = None,
) -> Fit:
    """Fit a judge whose encoder is tuned, and audit it on held-out prompts.

    Args:
        labelled: Answers with labels.
        options: Which of the tuned heads; folds, of which one is held out; seed.
        tuning: How the tuning is done.
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
    work = _Work(lessons, parts, options, tuning, encoder, say)
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
    audit = audit_judge(table)
    has = np.concatenate([[bool(labels) for labels in item.labels] for item in held_out])
    baselines = {
        name: judge_figures(
            with_probability(table, certain.probability(np.concatenate(logits))[has]),
        )
        for name, logits in found.items()
    }
    return Fit(
        model=FittedModel(
            head=judge.head(), calibration=certain, words=words, encoder=encoder.digest
        ),
        options=options,
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
        tuning: TuningOptions,
        encoder: MiniLM,
        say: Say,
    ) -> None:
        self.lessons = lessons
        self.parts = parts
        self.options = options
        self.tuning = tuning
        self.encoder = encoder
        self.say = say

    def stack(self, columns: Sequence[int] | None, *, looks: bool, folder: Path | None) -> _Stack:
        """Train trees and network, and tune an encoder beside them."""
        name = "the judge" if looks else "the no-look baseline"
        learn = [self.lessons[row] for row in self.parts.learn]
        heads: list[Head] = []
        for kind in (HeadKind.TREES, HeadKind.NETWORK):
            self.say(f"{name}: training {kind}")
            seed = self.options.seed
            heads.append(train_head(kind, learn, columns=columns, looks=looks, seed=seed))
        self.say(f"{name}: tuning the encoder on {len(learn)} answers")
        heads.append(self._tuned(learn, heads[-1], looks, folder))
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

    def _tuned(
        self, learn: Sequence[Lesson], network: Head, looks: bool, folder: Path | None
    ) -> Head:
        """Tune an encoder, to read both texts together or for the network."""
        kind, tuning, seed = self.options.kind, self.tuning, self.options.seed
        check = [self.lessons[row] for row in self.parts.check]
        kept = None
        if folder is not None:
            kept = Checkpoint(folder, _digest(kind, learn, self.encoder, tuning.n_tokens))
        if kind is HeadKind.TUNED:
            assert isinstance(network, Network)
            return tune_network(
                learn,
                check,
                network,
                self.encoder,
                epochs=tuning.epochs,
                seed=seed,
                say=self.say,
                checkpoint=kept,
            )
        maker = PairMaker(self.encoder.tokenizer, tuning.n_tokens)
        rows, check_rows = (rows_of(part, maker, looks=looks) for part in (learn, check))
        how = Tuning(tuning.n_tokens, tuning.epochs, seed, looks)
        return tune(rows, check_rows, self.encoder, how, say=self.say, checkpoint=kept)

    def simple(self, columns: Sequence[int]) -> list[Floats]:
        """Give the log-odds of a logistic regression on some features, for held-out answers."""
        learn = [self.lessons[row] for row in self.parts.learn + self.parts.check]
        head = train_head(HeadKind.LINEAR, learn, columns=columns)
        return [head.logits(self.lessons[row].seen) for row in self.parts.test]


def _digest(kind: HeadKind, lessons: Sequence[Lesson], encoder: MiniLM, n_tokens: int) -> str:
    """Hash what is tuned on what."""
    digest = hashlib.sha256(f"{kind} {encoder.digest} {n_tokens}".encode())
    for lesson in lessons:
        texts = (*lesson.seen.sentences, *lesson.seen.criteria)
        digest.update("\0".join(texts).encode("utf-8", "surrogatepass"))
        digest.update(lesson.met_C.tobytes())
    return digest.hexdigest()
