"""Heads of a fitted judge: from what is seen of an answer to the log-odds that a criterion is met.

* words: gradient-boosted trees on the features, and on the log-odds of the criterion's wording;
* linear: ridge logistic regression on the features;
* trees: gradient-boosted trees on the features;
* network: attention of the criterion over the answer's sentences (needs an encoder);
* blend: the mean of the log-odds of trees and network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from ..errors import ConfigError
from ..scoring.rubric_arrays import Floats
from .features import Lesson, Seen
from .network import Array, Network
from .trees import Logistic, Trees, fit_logistic, grow
from .wording import WordingOdds, held_out_logits, learn_wording


class HeadKind(StrEnum):
    """The heads there are."""

    WORDS = "words"
    LINEAR = "linear"
    TREES = "trees"
    NETWORK = "network"
    BLEND = "blend"

    @property
    def needs_vectors(self) -> bool:
        """Whether it looks at sentences as vectors."""
        return self in (HeadKind.NETWORK, HeadKind.BLEND)


class Head(Protocol):
    """Gives the log-odds of met for every criterion of one answer."""

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        ...


@dataclass(frozen=True, slots=True)
class TabularHead:
    """A model of chosen features, and of what the criterion's wording says."""

    model: Trees | Logistic
    columns: tuple[int, ...]
    wording: WordingOdds | None = None
    """None where it is not among the features."""

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        features_CF = seen.features_CF[:, self.columns]
        if self.wording is not None:
            features_CF = np.column_stack([features_CF, self.wording.logits(seen.criteria)])
        return self.model.logits(features_CF)


@dataclass(frozen=True, slots=True)
class BlendHead:
    """The mean of several heads' log-odds."""

    parts: tuple[Head, ...]

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        return np.asarray(np.mean([part.logits(seen) for part in self.parts], axis=0))


def train_head(
    kind: HeadKind,
    lessons: Sequence[Lesson],
    *,
    columns: Sequence[int] | None = None,
    looks: bool = True,
    seed: int = 0,
) -> Head:
    """Train a head.

    Args:
        kind: Which.
        lessons: To learn from.
        columns: Features it may use; all where None.
        looks: False hides the answer's sentences from a network; the caller leaves out the
            answer's features by `columns`.
        seed: Of whatever is drawn.

    Raises:
        ConfigError: A package that it takes is missing.
    """
    if kind is HeadKind.BLEND:
        parts = (HeadKind.TREES, HeadKind.NETWORK)
        return BlendHead(
            tuple(
                train_head(part, lessons, columns=columns, looks=looks, seed=seed) for part in parts
            )
        )
    n_features = lessons[0].seen.features_CF.shape[1]
    kept = tuple(range(n_features) if columns is None else columns)
    if kind is HeadKind.NETWORK:
        try:
            from .network_training import train_network
        except ImportError as error:
            raise ConfigError(
                f"the network head needs torch ({error}); pip install 'rubricbeat[fit]', or fit "
                "with --head trees"
            ) from error
        return train_network(lessons, columns=kept, looks=looks, seed=seed)
    features = np.concatenate([lesson.seen.features_CF[:, kept] for lesson in lessons])
    met = np.concatenate([lesson.met_C for lesson in lessons])
    has = ~np.isnan(met)
    features, met_N = features[has], met[has] == 1
    if kind is HeadKind.LINEAR:
        return TabularHead(fit_logistic(features, met_N), kept)
    if kind is HeadKind.TREES:
        return TabularHead(grow(features, met_N, seed=seed), kept)
    criteria = [text for lesson in lessons for text in lesson.seen.criteria]
    prompt = np.concatenate([np.full(len(lesson.met_C), lesson.prompt) for lesson in lessons])
    said = held_out_logits(criteria, met, prompt, seed)[has]
    trees = grow(np.column_stack([features, said]), met_N, seed=seed)
    return TabularHead(trees, kept, learn_wording(criteria, met))


def head_to_json(head: Head) -> tuple[dict[str, object], dict[str, Array]]:
    """Give the plain form of a head, and apart from it the arrays of its network."""
    if isinstance(head, BlendHead):
        parts: list[dict[str, object]] = []
        arrays: dict[str, Array] = {}
        for part in head.parts:
            plain, own = head_to_json(part)
            parts.append(plain)
            arrays |= own
        return {"kind": "blend", "parts": parts}, arrays
    if isinstance(head, Network):
        return {"kind": "network", **head.to_json()}, dict(head.weights)
    if not isinstance(head, TabularHead):
        raise TypeError(f"{type(head).__name__} has no plain form")
    model, columns = head.model.to_json(), list(head.columns)
    if head.wording is not None:
        said = head.wording.to_json()
        return {"kind": "words", "model": model, "columns": columns, "wording": said}, {}
    kind = "trees" if isinstance(head.model, Trees) else "linear"
    return {"kind": kind, "columns": columns, "model": model}, {}


def head_from_json(plain: Mapping[str, Any], arrays: Mapping[str, Array]) -> Head:
    """Read a head back.

    Raises:
        KeyError, TypeError, ValueError: It is none of ours.
    """
    kind = HeadKind(plain["kind"])
    if kind is HeadKind.BLEND:
        return BlendHead(tuple(head_from_json(part, arrays) for part in plain["parts"]))
    if kind is HeadKind.NETWORK:
        return Network.from_json(plain, arrays)
    is_words = kind is HeadKind.WORDS
    return TabularHead(
        model=(Logistic if kind is HeadKind.LINEAR else Trees).from_json(plain["model"]),
        columns=tuple(int(column) for column in plain["columns"]),
        wording=WordingOdds.from_json(plain["wording"]) if is_words else None,
    )
