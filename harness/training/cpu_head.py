"""On a CPU, TRL's language-model head scores the answers and leaves the prompts out.

TRL 1.16 scores the answer's positions alone where Triton runs. Elsewhere it scores every position
of prompt and answer and masks the prompt's afterwards, so that a compiler sees the same shapes in
every batch. Nothing compiles on a CPU: a vocabulary of 49,152 over prompts twice as long as the
answers was a third of a step. The values are those of TRL either way.
"""

from __future__ import annotations

from typing import Any


def score_answers_alone() -> None:
    """Tell TRL to leave the prompts out on a CPU; does nothing where TRL asks no such question."""
    from trl.trainer import utils

    asks = getattr(utils, "_use_triton", None)
    if asks is None or hasattr(asks, "asks"):
        return

    def use_compact(device: Any) -> bool:
        return device.type == "cpu" or bool(asks(device))

    use_compact.asks = asks  # type: ignore[attr-defined]  # TRL's own; marks that ours is set
    utils._use_triton = use_compact  # type: ignore[attr-defined]  # private to TRL 1.16
