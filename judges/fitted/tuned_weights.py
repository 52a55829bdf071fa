"""Which weights of an encoder are tuned, and how they get back into it.

Embeddings and lower layers stay the encoder's own: they hold most of the weights and least of what
a judge has to learn, and are not kept twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_FROZEN = 2
"""Lower layers that stay as they are."""


def upper_layers(encoder: Any) -> tuple[str, ...]:
    """Give what the names of an encoder's tuned parameters begin with."""
    import torch

    stacks = [
        (name, layers)
        for name, layers in encoder.named_modules()
        if isinstance(layers, torch.nn.ModuleList)
    ]
    name, layers = max(stacks, key=lambda stack: len(stack[1]))
    # of a shallow encoder one layer at least
    n_frozen = min(N_FROZEN, len(layers) - 1)
    return tuple(f"{name}.{place}." for place in range(n_frozen, len(layers)))


def only_tuned(module: Any, names: Sequence[str]) -> dict[str, Any]:
    """Give the named parameters, and leave no other one to be tuned."""
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in names)
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def put_weights(module: Any, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put tuned weights into a module.

    Raises:
        ValueError: They are of another encoder.
    """
    import torch

    known = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            if name not in known or tuple(known[name].shape) != value.shape:
                raise ValueError(f"weights of {name} do not fit the encoder")
            known[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))
