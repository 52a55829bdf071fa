"""A network head with an encoder tuned for it: criterion and sentences are still read apart.

So an answer is read once for all of its criteria, whose vectors are kept. What the other heads see
comes from the encoder as it was. Trained by `tuned_training.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .encoder import MiniLM
from .features import Seen
from .network import MAX_SENTENCES, Network
from .vectors import KeptVectors

PREFIX = "tuned."
"""Of the names of its arrays, beside those of other heads."""

Array = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class TunedNetwork:
    """The network and the tuned weights; silent until it is bound to its encoder."""

    network: Network
    weights: Mapping[str, Array]
    """Tuned parameters of the encoder by name."""
    encoder: MiniLM | None = field(default=None, repr=False, compare=False)
    criteria: KeptVectors | None = field(default=None, repr=False, compare=False)

    def bind(self, encoder: MiniLM) -> TunedNetwork:
        """Give the same head with its encoder, ready to read."""
        own = encoder.tuned(self.weights)
        return replace(self, encoder=own, criteria=KeptVectors(own))

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        assert self.encoder is not None and self.criteria is not None, "bind the head first"
        criteria = self.criteria.of(seen.criteria)
        # one that does not look is given something, which it leaves alone
        looks = self.network.looks
        sentences = self.encoder.encode(seen.sentences[:MAX_SENTENCES]) if looks else criteria
        return self.network.logits(replace(seen, sentences_LD=sentences, criteria_CD=criteria))

    def to_json(self) -> dict[str, Any]:
        """Give the plain form of all but the weights."""
        return {"network": self.network.to_json()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the weights, of the encoder and of the network."""
        of_encoder = {f"{PREFIX}encoder.{name}": array for name, array in self.weights.items()}
        of_network = {f"{PREFIX}{name}": array for name, array in self.network.weights.items()}
        return {**of_encoder, **of_network}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], arrays: Mapping[str, Any]) -> TunedNetwork:
        """Read the plain form and the weights back.

        Raises:
            KeyError, ValueError: Something is missing or not of this form.
        """
        own = {n.removeprefix(PREFIX): a for n, a in arrays.items() if n.startswith(PREFIX)}
        weights = {
            name.removeprefix("encoder."): array
            for name, array in own.items()
            if name.startswith("encoder.")
        }
        return cls(Network.from_json(plain["network"], own), weights)
