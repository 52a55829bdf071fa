"""Intervals of means over prompts.

The unit is the prompt: repeats of a prompt and criteria inside it are not independent (method
sheet, section 6). The draws themselves are `judges/resampling.py`'s, which the scores use too.
"""

from __future__ import annotations

import numpy as np

from ..judges.arrays import Floats
from ..judges.estimates import NO_INTERVAL, Interval
from ..judges.resampling import N_DRAWS, ClusteredColumns, interval_of_draws


def mean_intervals(values_MP: Floats, *, seed: int, n_draws: int = N_DRAWS) -> list[Interval]:
    """Give the percentile bootstrap interval of each row's mean over prompts.

    All rows share the draws. A prompt whose entry is NaN adds nothing to its row; a row with
    fewer than two prompts has no interval, since there is no spread to draw from.

    Args:
        values_MP: One number for each prompt, the mean over its answers.
        seed: Of the bootstrap.
        n_draws: Bootstrap draws.
    """
    n_prompts = values_MP.shape[1]
    if n_prompts == 0:
        return [NO_INTERVAL] * len(values_MP)
    columns = ClusteredColumns.of(values_MP, np.arange(n_prompts, dtype=np.intp), n_prompts)
    ends_M2 = interval_of_draws(columns.draws(seed=seed, n_draws=n_draws))
    return [
        Interval(float(low), float(high)) if n > 1 else NO_INTERVAL
        for (low, high), n in zip(ends_M2, columns.n_prompts_M, strict=True)
    ]
