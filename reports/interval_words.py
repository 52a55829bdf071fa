"""Write an interval for a reader, or why there is none."""

from __future__ import annotations

from ..judges.scoring.estimates import Estimate
from . import numbers


def interval_words(interval: Estimate, *, signed: bool = False) -> str:
    """Write an interval: `[0.380, 0.445]`, or `n < 10: no interval`."""
    return interval.why or numbers.interval(interval.low, interval.high, signed=signed)


def share_words(interval: Estimate) -> str:
    """Write an interval of shares as per cent."""
    return interval.why or numbers.shares(interval.low, interval.high)
