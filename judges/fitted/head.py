"""The head of a fitted judge: from what it sees to the log-odds that a criterion is met.

Gradient-boosted trees on the features, and on the log-odds of the criterion's wording. Other heads
were measured and are gone, for none was better (docs/trust.md): logistic regression and trees on
the features alone, attention over sentences as vectors, and the mean of the last two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scoring.verdict_table import Bools, Floats
from .features import Lesson, Seen
from .trees import Trees, grow
from .wording import Wording, held_out_logits, learn_wording

KIND = "words"
"""Its name in a saved judge."""


@dataclass(frozen=True, slots=True)
class Head:
    """Trees on chosen features and on what the criterion's wording says."""

    trees: Trees
    columns: tuple[int, ...]
    wording: Wording

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds of met for every criterion of one answer, [C]."""
        said_C = self.wording.logits(seen.criteria)
        return self.trees.logits(np.column_stack([seen.features_CF[:, self.columns], said_C]))

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        words = {"columns": list(self.columns), "wording": self.wording.to_json()}
        return {"kind": KIND, "model": self.trees.to_json(), **words}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Head:
        """Read the plain form back.

        Raises:
            KeyError, TypeError, ValueError: It is not of this form.
        """
        return cls(
            Trees.from_json(plain["model"]),
            tuple(int(column) for column in plain["columns"]),
            Wording.from_json(plain["wording"]),
        )


def train_head(lessons: Sequence[Lesson], columns: Sequence[int], seed: int) -> Head:
    """Train a head.

    Args:
        lessons: To learn from.
        columns: Features it may use.
        seed: Of whatever is drawn.

    Raises:
        ConfigError: A package that it takes is missing.
    """
    features, met_N, has = labels_of(lessons, columns)
    met = np.concatenate([lesson.met_C for lesson in lessons])
    criteria = [text for lesson in lessons for text in lesson.seen.criteria]
    prompt = np.concatenate([np.full(len(lesson.met_C), lesson.prompt) for lesson in lessons])
    said = held_out_logits(criteria, met, prompt, seed)[has]
    trees = grow(np.column_stack([features, said]), met_N, seed=seed)
    return Head(trees, tuple(columns), learn_wording(criteria, met))


def labels_of(
    lessons: Sequence[Lesson], columns: Sequence[int]
) -> tuple[Floats, Bools, NDArray[np.bool_]]:
    """Give features and labels of the criteria that have one, and which of all these are."""
    features = np.concatenate([lesson.seen.features_CF[:, columns] for lesson in lessons])
    met = np.concatenate([lesson.met_C for lesson in lessons])
    has = ~np.isnan(met)
    return features[has], met[has] == 1, has
