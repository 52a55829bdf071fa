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


def told(figure: Estimate, *, signed: bool = False) -> str:
    """Write a figure with its interval: `0.412 [0.380, 0.445]`, or a dash where there is none."""
    if figure.value is None:
        return numbers.NONE
    value = numbers.difference(figure.value) if signed else numbers.score(figure.value)
    return f"{value} {interval_words(figure, signed=signed)}"


def told_share(figure: Estimate) -> str:
    """Write a share with its interval as per cent, or a dash where there is none."""
    if figure.value is None:
        return numbers.NONE
    return f"{numbers.share(figure.value)} {share_words(figure)}"
