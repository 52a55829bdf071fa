"""Levels for a fitted judge: for each level above the lowest, whether an answer reaches it.

Each of these questions is one that the head knows, met or not met, with the words of the level
beside those of the criterion (Frank & Hall 2001, a simple approach to ordinal classification). The
chance of a level is that of reaching it less that of reaching the next one. Two levels are met and
not met. Choices without an order have no such questions, and "does not apply" is not learned: both
are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..audit.labels import Label, LabelledAnswer, as_met, full_level
from ..errors import ConfigError
from ..rubric import Criterion, Example, Rubric
from ..scoring.rubric_arrays import Floats
from ..verdict import Outcome, Verdict


def asked_of(criterion: Criterion) -> list[Criterion]:
    """Give what is asked of an answer in the place of a criterion: itself, where it has no levels.

    Of ordered levels one question for each but the lowest.
    """
    plain = Criterion(criterion.text, criterion.points, criterion.polarity, criterion.tags)
    n_levels = len(criterion.levels)
    if not n_levels:
        return [criterion]
    if n_levels == 2:
        return [plain]
    return [replace(plain, text=f"{criterion.text} {level.text}") for level in criterion.levels[1:]]


def asked_example(example: Example) -> Example:
    """Put what is asked in the place of the criteria; the same example where none has levels."""
    if not any(criterion.levels for criterion in example.rubric.criteria):
        return example
    asked = [one for criterion in example.rubric.criteria for one in asked_of(criterion)]
    return replace(example, rubric=Rubric(tuple(asked)))


def asked_labels(labelled: Sequence[LabelledAnswer]) -> Sequence[LabelledAnswer]:
    """Give labels of what is asked; the same where every criterion is met or not met.

    Raises:
        ConfigError: A label says that a criterion does not apply, or names a choice without order.
        DataError: A label says of a criterion what its rubric does not allow.
    """
    if not any(c.levels or c.na for item in labelled for c in item.example.rubric.criteria):
        return labelled
    n_na = sum(label.on(c).is_na for item in labelled for label, c in _labels_of(item))
    if n_na:
        raise ConfigError(
            f"{n_na:,} labels say that a criterion does not apply, which a fitted judge cannot "
            "learn; remove these rows"
        )
    if any(c.is_nominal and len(c.levels) > 2 for item in labelled for _, c in _labels_of(item)):
        raise ConfigError(
            "labels of choices without an order (scale: nominal), which a fitted judge cannot "
            "learn; remove these rows"
        )
    return [_asked(item) for item in labelled]


def _labels_of(item: LabelledAnswer) -> list[tuple[Label, Criterion]]:
    return [
        (label, criterion)
        for labels, criterion in zip(item.labels, item.example.rubric.criteria, strict=True)
        for label in labels
    ]


def _asked(item: LabelledAnswer) -> LabelledAnswer:
    labels: list[tuple[Label, ...]] = []
    for given, criterion in zip(item.labels, item.example.rubric.criteria, strict=True):
        said = [(label.on(criterion), label.rater) for label in given]
        if len(criterion.levels) <= 2:
            labels.append(tuple(Label(as_met(v, criterion), rater) for v, rater in said))
            continue
        labels += [
            tuple(Label((v.level or 0) >= level, rater) for v, rater in said)
            for level in range(1, len(criterion.levels))
        ]
    return replace(item, example=asked_example(item.example), labels=tuple(labels))


def verdicts_of(rubric: Rubric, chances: Floats) -> tuple[Verdict, ...]:
    """Turn the chances of what was asked into a verdict on each criterion.

    The level is the highest that is reached more likely than not: the median.

    Args:
        rubric: As its rows have it.
        chances: Of `asked_example`, one a question.
    """
    verdicts, start = [], 0
    for criterion in rubric.criteria:
        n_asked = max(1, len(criterion.levels) - 1)
        verdicts.append(_verdict(criterion, chances[start : start + n_asked]))
        start += n_asked
    return tuple(verdicts)


def _verdict(criterion: Criterion, chances: Floats) -> Verdict:
    if not criterion.levels:
        return Verdict.of(bool(chances[0] > 0.5), probability=float(chances[0]))
    if len(criterion.levels) == 2:
        full, p = full_level(criterion), float(chances[0])
        both = (1.0 - p, p) if full == 1 else (p, 1.0 - p)
        return Verdict.at_level(full if p > 0.5 else 1 - full, level_probabilities=both)
    if criterion.is_nominal:
        why = "a fitted judge cannot judge choices without an order"
        return Verdict(Outcome.SKIPPED, explanation=why, attempts=0)
    # a level is reached by whatever reaches a higher one
    reached = np.minimum.accumulate(chances)
    of_levels = -np.diff(np.concatenate([[1.0], reached, [0.0]]))
    return Verdict.at_level(
        int((reached > 0.5).sum()), level_probabilities=tuple(map(float, of_levels))
    )
