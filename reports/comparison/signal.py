"""The signal study of a comparison: groups are the answers of one model to one prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...judges.answer import GradedAnswer
from ...judges.errors import ConfigError
from ...judges.signal.groups import MIN_ANSWERS, LabelledAnswer, group_answers
from ...judges.signal.study import SignalStudy, study_signal


def signal_of_answers(answers: Mapping[str, Iterable[GradedAnswer]]) -> SignalStudy | None:
    """Study the graded answers of some models; None where no prompt has answers enough.

    Args:
        answers: Graded answers by model: answers to one prompt by one model form a group.
    """
    labelled = [
        LabelledAnswer(graded, {"model": model})
        for model, rows in answers.items()
        for graded in rows
    ]
    try:
        groups = group_answers(labelled, ("model",), min_answers=MIN_ANSWERS)
    except ConfigError:
        return None
    return study_signal(groups)
