"""Heads of a fitted judge: from what is seen of an answer to the log-odds that a criterion is met.

* linear: ridge logistic regression on the features;
* trees: gradient-boosted trees on the features;
* network: attention of the criterion over the answer's sentences (needs an encoder);
* blend: the mean of the log-odds of trees and network;
* tuned: trees, network, and a network whose encoder is tuned with it, weighed;
* cross_encoder: trees, network, and an encoder tuned to read criterion and sentences together.

The last two are trained by `tuned_fitting.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .cross_encoder import PREFIX, CrossEncoder
from .encoder import MiniLM
from .features import Seen
from .logistic import Logistic, fit_logistic
from .network import Network
from .trees import Trees, grow
from .tuned_network import TunedNetwork

STACK = "stack"
"""A stack in the plain form; no head of its own to ask for."""


class HeadKind(StrEnum):
    """The heads there are."""

    LINEAR = "linear"
    TREES = "trees"
    NETWORK = "network"
    BLEND = "blend"
    TUNED = "tuned"
    CROSS_ENCODER = "cross_encoder"

    @property
    def needs_vectors(self) -> bool:
        """Whether it looks at sentences as vectors."""
        return self not in (HeadKind.LINEAR, HeadKind.TREES)

    @property
    def is_tuned(self) -> bool:
        """Whether an encoder is tuned for it."""
        return self in (HeadKind.TUNED, HeadKind.CROSS_ENCODER)


class Head(Protocol):
    """Gives the log-odds of met for every criterion of one answer."""

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """One answer to learn from."""

    seen: Seen
    met_C: Floats
    """1 met, 0 not met, NaN no label."""
    prompt: int
    """Code of its prompt: answers to one prompt are never on both sides of a split."""


@dataclass(frozen=True, slots=True)
class TabularHead:
    """A model of chosen features."""

    model: Trees | Logistic
    columns: tuple[int, ...]

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        return self.model.logits(seen.features_CF[:, self.columns])


@dataclass(frozen=True, slots=True)
class BlendHead:
    """The mean of several heads' log-odds."""

    parts: tuple[Head, ...]

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        total: Floats = np.mean([part.logits(seen) for part in self.parts], axis=0)
        return total


@dataclass(frozen=True, slots=True)
class StackHead:
    """Several heads' log-odds, each with a weight."""

    parts: tuple[Head, ...]
    weights: tuple[float, ...]
    bias: float

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        each = [w * part.logits(seen) for w, part in zip(self.weights, self.parts, strict=True)]
        total: Floats = np.sum(each, axis=0) + self.bias
        return total


def bind(head: Head, encoder: MiniLM | None) -> Head:
    """Give the same head, with the encoder where it reads tokens itself.

    Raises:
        ValueError: Its weights are of another encoder.
    """
    if encoder is None:
        return head
    if isinstance(head, CrossEncoder | TunedNetwork):
        return head.bind(encoder)
    if isinstance(head, StackHead):
        return replace(head, parts=tuple(bind(part, encoder) for part in head.parts))
    return head


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
    if kind.is_tuned:
        raise ValueError("tuning takes validation prompts: fit_tuned trains it")
    if kind is HeadKind.NETWORK:
        from .network_training import train_network

        return train_network(lessons, columns=kept, looks=looks, seed=seed)
    features = np.concatenate([lesson.seen.features_CF[:, kept] for lesson in lessons])
    met = np.concatenate([lesson.met_C for lesson in lessons])
    has = ~np.isnan(met)
    features, met_N = features[has], met[has] == 1
    if kind is HeadKind.LINEAR:
        return TabularHead(fit_logistic(features, met_N), kept)
    return TabularHead(grow(features, met_N, seed=seed), kept)


def head_to_json(head: Head) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Give the plain form of a head, and apart from it the arrays of its network."""
    if isinstance(head, CrossEncoder):
        named = {PREFIX + name: array for name, array in head.weights.items()}
        return {"kind": HeadKind.CROSS_ENCODER.value, **head.to_json()}, named
    if isinstance(head, TunedNetwork):
        return {"kind": HeadKind.TUNED.value, **head.to_json()}, head.arrays()
    if isinstance(head, BlendHead | StackHead):
        parts: list[dict[str, Any]] = []
        arrays: dict[str, NDArray[Any]] = {}
        for part in head.parts:
            plain, own = head_to_json(part)
            parts.append(plain)
            arrays |= own
        if isinstance(head, StackHead):
            weighed = {"weights": list(head.weights), "bias": head.bias}
            return {"kind": STACK, "parts": parts, **weighed}, arrays
        return {"kind": HeadKind.BLEND.value, "parts": parts}, arrays
    if isinstance(head, Network):
        return {"kind": HeadKind.NETWORK.value, **head.to_json()}, dict(head.weights)
    if not isinstance(head, TabularHead):
        raise TypeError(f"{type(head).__name__} has no plain form")
    kind = HeadKind.TREES if isinstance(head.model, Trees) else HeadKind.LINEAR
    model = head.model.to_json()
    return {"kind": kind.value, "columns": list(head.columns), "model": model}, {}


def head_from_json(plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Head:
    """Read a head back.

    Raises:
        KeyError, TypeError, ValueError: It is none of ours.
    """
    if plain["kind"] == STACK:
        stacked = tuple(head_from_json(part, arrays) for part in plain["parts"])
        weights = tuple(float(weight) for weight in plain["weights"])
        if len(weights) != len(stacked):
            raise ValueError("a stack has one weight a part")
        return StackHead(stacked, weights, float(plain["bias"]))
    kind = HeadKind(plain["kind"])
    if kind is HeadKind.CROSS_ENCODER:
        return CrossEncoder.from_json(plain, arrays)
    if kind is HeadKind.TUNED:
        return TunedNetwork.from_json(plain, arrays)
    if kind is HeadKind.BLEND:
        return BlendHead(tuple(head_from_json(part, arrays) for part in plain["parts"]))
    if kind is HeadKind.NETWORK:
        return Network.from_json(plain, arrays)
    kinds: dict[HeadKind, type[Trees] | type[Logistic]] = {
        HeadKind.TREES: Trees,
        HeadKind.LINEAR: Logistic,
    }
    columns = tuple(int(column) for column in plain["columns"])
    return TabularHead(kinds[kind].from_json(plain["model"]), columns)
