"""Geometry of the interval plots: values become places on a line, in per cent of its width.

The page draws them as SVG inside table cells, so that names and numbers stay text at any width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..judges.estimates import Interval

MARGIN = 4.0
"""Per cent left free at either end."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One estimate on the line; places in per cent."""

    at: float | None
    low: float | None
    high: float | None
    is_sure: bool
    """Of a difference: the interval lies wholly on one side of zero."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One number on the axis."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Forest:
    """Marks over a common axis."""

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    """Place of zero, where the axis reaches it."""


def forest(
    estimates: Sequence[tuple[float | None, Interval]], *, include: float | None = None
) -> Forest:
    """Place estimates with their intervals on one axis.

    Args:
        estimates: Value and interval; None has no mark.
        include: A value the axis must reach, such as 0 for differences.
    """
    ends = [
        end
        for value, interval in estimates
        for end in (value, interval.low, interval.high)
        if end is not None
    ]
    if include is not None:
        ends.append(include)
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    values = tick_values(low, high)
    low, high = min(low, values[0]), max(high, values[-1])

    def place(value: float) -> float:
        return round(MARGIN + (value - low) / (high - low) * (100 - 2 * MARGIN), 3)

    return Forest(
        marks=tuple(
            Mark(
                None if value is None else place(value),
                None if interval.low is None else place(interval.low),
                None if interval.high is None else place(interval.high),
                include == 0.0 and interval.excludes_zero,
            )
            for value, interval in estimates
        ),
        ticks=tuple(Tick(place(value), value) for value in values),
        zero=place(0.0) if low <= 0.0 <= high else None,
    )


def tick_values(low: float, high: float, most: int = 5) -> list[float]:
    """Choose round numbers inside a range: steps of 1, 2 or 5 times a power of ten."""
    step = 10 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= most:
            step *= factor
            break
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]
