"""A judge whose calls hold the criteria in another order: another judge to the store.

The store keeps a verdict under its question alone, so the same question in another order of the
call would be read back instead of asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..answer import GradedAnswer
from ..judge import JudgeIdentity, identity_of
from ..rubric import Rubric
from .labels import LabelledAnswer, as_met


class Reordered:
    """Stands for a judge in all but its identity."""

    def __init__(self, judge: Any, seed: int) -> None:
        """Wrap a judge of grouped calls.

        Args:
            judge: Who answers.
            seed: Of the order, as `reorder` takes it.
        """
        self._judge = judge
        known = identity_of(judge)
        self.identity: JudgeIdentity = replace(
            known, sampling={**known.sampling, "reordered": seed}
        )

    def __getattr__(self, name: str) -> Any:
        """Give what the judge itself has."""
        if name == "_judge":  # while it is being unpickled
            raise AttributeError(name)
        return getattr(self._judge, name)


def reorder(item: LabelledAnswer, seed: int) -> tuple[LabelledAnswer, tuple[int, ...]]:
    """Put the criteria of an answer's rubric in another order, the same for each of its answers.

    Returns:
        The answer with its rubric reordered, and the old place of each new one.
    """
    n_criteria = len(item.example.rubric)
    rng = np.random.default_rng([seed, *item.example.prompt_id.encode()])
    order = tuple(rng.permutation(n_criteria).tolist())
    criteria = item.example.rubric.criteria
    rubric = Rubric(tuple(criteria[place] for place in order))
    return (
        replace(
            item,
            example=replace(item.example, rubric=rubric),
            labels=tuple(item.labels[place] for place in order),
        ),
        order,
    )


def in_order(answer: GradedAnswer, order: tuple[int, ...]) -> list[float]:
    """Give verdicts on a reordered answer in the rubric's own order; NaN but for met or not met."""
    said = [np.nan] * len(order)
    for new, old in enumerate(order):
        met = as_met(answer.verdicts[new], answer.example.rubric.criteria[new])
        said[old] = np.nan if met is None else float(met)
    return said
