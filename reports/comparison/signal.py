"""The signal study of a comparison: groups are the answers of one model to one prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...judges.errors import ConfigError
from ...judges.signal.groups import TaggedAnswer, group_answers
from ...judges.signal.measure import study_signal
from ...judges.signal.study import SignalStudy
from .measures import PackedModels
from .models import Model


def signal_of_models(models: Sequence[Model], packed: PackedModels) -> SignalStudy | None:
    """Study the graded answers of some models; None where no prompt has answers enough.

    Args:
        models: The models: answers to one prompt by one of them form a group.
        packed: Their answers, and perhaps those of others.
    """
    labelled = [TaggedAnswer(one, {"model": m.name}) for m in models for one in m.graded]
    places = [np.arange(len(packed.whole))[packed.place[m.name]] for m in models]
    table = packed.whole.table.rows(np.concatenate(places))
    try:
        groups = group_answers(labelled, ("model",), table=table)
    except ConfigError:
        return None
    return study_signal(groups)
