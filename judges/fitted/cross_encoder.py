"""The cross-encoder head: the encoder itself, tuned to read a criterion and sentences together.

Its upper layers are tuned (`cross_training.py`); embeddings and lower layers are the sentence
encoder's own and are not kept twice. It needs torch to judge, and the encoder it was tuned from:
`bind` brings the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .encoder import MiniLM, batches_of, load_encoder
from .features import Seen
from .pairs import Pair, PairMaker
from .tuned_weights import put_weights, upper_layers

HIDDEN_WIDTH = 128
BATCH_TOKENS = 4_096
"""Tokens of one forward pass, padding included."""
PREFIX = "cross."
"""Of the names of its arrays, beside those of other heads."""

Array = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class CrossEncoder:
    """The tuned weights; silent until it is bound to its encoder."""

    weights: Mapping[str, Array]
    """Tuned parameters by name, as `tuned_names` lists them."""
    n_tokens: int
    looks: bool = True
    reader: Reader | None = field(default=None, repr=False, compare=False)

    def bind(self, encoder: MiniLM) -> CrossEncoder:
        """Give the same head with its encoder, ready to read."""
        import torch

        own = load_encoder(encoder.folder, dtype=encoder.dtype, attn_implementation="eager")
        module = new_module(own, HIDDEN_WIDTH)
        put_weights(module, self.weights)
        reader = Reader(torch, module.eval(), PairMaker(encoder.tokenizer, self.n_tokens))
        return replace(self, reader=reader)

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds that it adds, [C]."""
        assert self.reader is not None, "bind the head to its encoder first"
        return self.reader.logits(self.reader.maker.pairs(seen, looks=self.looks))

    def to_json(self) -> dict[str, Any]:
        """Give the plain form of all but the weights."""
        return {"n_tokens": self.n_tokens, "looks": self.looks}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], arrays: Mapping[str, Any]) -> CrossEncoder:
        """Read the plain form and the weights back.

        Raises:
            KeyError, ValueError: Something is missing or not of this form.
        """
        weights = {
            name.removeprefix(PREFIX): array
            for name, array in arrays.items()
            if name.startswith(PREFIX)
        }
        weights["out.weight"], weights["out.bias"]
        return cls(weights, int(plain["n_tokens"]), bool(plain["looks"]))


@dataclass(frozen=True, slots=True)
class Reader:
    """A module with what it takes to read rows of tokens."""

    torch: Any
    module: Any
    maker: PairMaker

    def logits(
        self, pairs: Sequence[Pair], progress: Callable[[int, int], None] | None = None
    ) -> Floats:
        """Give the log-odds of each row, [N]; rows of similar length share a forward pass."""
        found = np.zeros(len(pairs))
        order = sorted(range(len(pairs)), key=lambda n: len(pairs[n]))
        n_done = 0
        with self.torch.inference_mode():
            for rows in batches_of(order, [len(pair) for pair in pairs], BATCH_TOKENS):
                batch = tensors(self.torch, [pairs[row] for row in rows])
                found[rows] = self.module(*batch).double().numpy()
                n_done += len(rows)
                if progress is not None:
                    progress(n_done, len(pairs))
        return found


def tensors(torch: Any, pairs: Sequence[Pair]) -> tuple[Any, Any, Any]:
    """Pad rows to one width: ids, mask, and which of the two texts a token is of."""
    width = max(len(pair) for pair in pairs)
    ids = np.zeros((len(pairs), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    kinds = np.zeros_like(ids)
    for row, pair in enumerate(pairs):
        ids[row, : len(pair)] = pair.ids
        mask[row, : len(pair)] = 1
        kinds[row, pair.n_criterion : len(pair)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(kinds)


def new_module(encoder: Any, hidden_width: int) -> Any:
    """Put a head that says nothing yet (log-odds 0) on an encoder of transformers."""
    import torch

    width = int(encoder.config.hidden_size)
    has_kinds = int(getattr(encoder.config, "type_vocab_size", 0) or 0) >= 2

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.hidden = torch.nn.Linear(2 * width, hidden_width, dtype=torch.float32)
            self.out = torch.nn.Linear(hidden_width, 1, dtype=torch.float32)
            torch.nn.init.zeros_(self.out.weight)
            torch.nn.init.zeros_(self.out.bias)

        def forward(self, ids: Any, mask: Any, kinds: Any) -> Any:
            given = {"token_type_ids": kinds} if has_kinds else {}
            tokens = self.encoder(input_ids=ids, attention_mask=mask, **given).last_hidden_state
            tokens = tokens.float()
            there = mask[..., None].float()
            mean = (tokens * there).sum(1) / there.sum(1)
            # full precision: the head is small, and its last bit decides ties
            with torch.autocast("cpu", enabled=False):
                both = torch.cat([tokens[:, 0], mean], -1)
                return self.out(torch.nn.functional.gelu(self.hidden(both))).squeeze(-1)

    return Module()


def tuned_names(module: Any) -> list[str]:
    """Name the parameters that are tuned: the upper layers of the encoder, and the head."""
    upper = tuple(f"encoder.{prefix}" for prefix in upper_layers(module.encoder))
    names = [name for name, _ in module.named_parameters()]
    return [name for name in names if name.startswith((*upper, "hidden.", "out."))]
