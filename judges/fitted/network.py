"""The network head, read by numpy: a criterion attends to the sentences of an answer.

Each attention head weighs sentences by learned likeness to the criterion, starting from the plain
cosine; what it gathers is compared with the criterion, and joined with the features.
`network_training.py` holds the same sums in torch.

Axes: L sentences, C criteria, H attention heads, D width of the encoder, F features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scoring.rubric_arrays import Floats
from .features import Seen

Array = NDArray[np.float32]

N_HEADS = 4
KEY_WIDTH = 64
VALUE_WIDTH = 32
TOPIC_WIDTH = 48
FEATURE_WIDTH = 64
HIDDEN_WIDTH = 96
MAX_SENTENCES = 60
"""Sentences a network attends to."""
CLIP = 4.0
"""Bound of a standardised feature."""
TOTAL_SCALE = 0.2
COSINE_SCALE = 3.0
"""Bring the summed attention and the cosine to the size of the other inputs."""
LAYERS = ("query", "key", "value", "compare", "topic", "feature", "hidden", "out")


@dataclass(frozen=True, slots=True)
class Network:
    """The weights of a network head."""

    weights: Mapping[str, Array]
    """`LAYER.weight` [out, in] and `LAYER.bias`, as torch names them; `cosine` [H]."""
    columns: tuple[int, ...]
    mean_F: Floats
    scale_F: Floats
    looks: bool = True

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        assert seen.sentences_LD is not None and seen.criteria_CD is not None
        sentences = seen.sentences_LD[:MAX_SENTENCES]
        criteria = seen.criteria_CD
        features = (seen.features_CF[:, self.columns] - self.mean_F) / self.scale_F
        gathered = self._gathered(sentences, criteria) if self.looks else []
        parts = [
            _gelu(self._layer("topic", criteria)),
            *gathered,
            np.maximum(self._layer("feature", np.clip(features, -CLIP, CLIP)), 0.0),
        ]
        hidden = _gelu(self._layer("hidden", np.concatenate(parts, axis=1)))
        return np.asarray(self._layer("out", hidden)[:, 0], dtype=np.float64)

    def to_json(self) -> dict[str, object]:
        """Give the plain form of all but the weights."""
        return {
            "columns": list(self.columns),
            "mean": self.mean_F.tolist(),
            "scale": self.scale_F.tolist(),
            "looks": self.looks,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], arrays: Mapping[str, Array]) -> Network:
        """Read the plain form and the weights back.

        Raises:
            KeyError, ValueError: Something is missing or not of this form.
        """
        names = ["cosine", *(f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias"))]
        return cls(
            weights={name: arrays[name] for name in names},
            columns=tuple(int(column) for column in plain["columns"]),
            mean_F=np.array(plain["mean"], dtype=np.float64),
            scale_F=np.array(plain["scale"], dtype=np.float64),
            looks=bool(plain["looks"]),
        )

    def _gathered(self, sentences: Array, criteria: Array) -> list[Array]:
        n_criteria, n_sentences = len(criteria), len(sentences)
        cosine_CL = criteria @ sentences.T
        query = self._layer("query", criteria).reshape(n_criteria, N_HEADS, KEY_WIDTH)
        key = self._layer("key", sentences).reshape(n_sentences, N_HEADS, KEY_WIDTH)
        value = self._layer("value", sentences).reshape(n_sentences, N_HEADS, VALUE_WIDTH)
        score_CHL = np.einsum("chk,lhk->chl", query, key) / math.sqrt(KEY_WIDTH)
        score_CHL += self.weights["cosine"][:, None] * cosine_CL[:, None, :]
        top_CH1 = score_CHL.max(axis=2, keepdims=True)
        weight_CHL = np.exp(score_CHL - top_CH1)
        sum_CH1 = weight_CHL.sum(axis=2, keepdims=True)
        total_CH = (top_CH1 + np.log(sum_CH1))[:, :, 0] - math.log(n_sentences)
        weight_CHL /= sum_CH1
        found = np.einsum("chl,lhv->chv", weight_CHL, value)
        compared = self._layer("compare", criteria).reshape(found.shape) * found
        seen_cosine = (weight_CHL * cosine_CL[:, None, :]).sum(axis=2)
        return [
            found.reshape(n_criteria, -1),
            compared.reshape(n_criteria, -1),
            total_CH * TOTAL_SCALE,
            seen_cosine * COSINE_SCALE,
        ]

    def _layer(self, name: str, x: Array | Floats) -> Array:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return np.asarray(x.astype(np.float32) @ weight.T + bias)


def _gelu(x: Array) -> Array:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1.0 + erf(x / math.sqrt(2.0))), dtype=np.float32)
