"""Figures for papers: scores, paired differences and slices, as SVG and PNG.

The page draws its own; these are matplotlib's. The same data gives the same bytes: a fixed salt
for ids, no date, text as text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...judges.files import writing
from ...judges.scoring.estimates import Estimate
from ..comparison.comparison import Comparison
from ..comparison.slices import Slice
from .svg import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PNG_DPI = 200
WIDTH_IN = 6.5
"""Text width of a page."""
INK, ACCENT = "#1b2127", "#1d5c87"
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rubricbeat",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.unicode_minus": True,
    # names of models are untrusted: a dollar sign is a dollar sign
    "text.parse_math": False,
}
SLICE_KINDS = ("theme", "axis", "sign")
MAX_NAME = 48
MARGIN = 4.0
"""Per cent left free at either end."""


def write_figures(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every figure there is data for, each as .svg and .png; give their paths."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with matplotlib.rc_context(SETTINGS):
        for name, figure in _figures(comparison):
            svg, png = folder / f"{name}.svg", folder / f"{name}.png"
            with writing(svg, is_private=False) as file:
                figure.savefig(file, format="svg", metadata={"Date": None})
            with writing(png, is_private=False) as file:
                figure.savefig(file, format="png", dpi=PNG_DPI)
            written += [svg, png]
    return written


def _figures(comparison: Comparison) -> list[tuple[str, Figure]]:
    scores = [(r.name, r.interval) for r in comparison.results]
    figures = [("scores", _forest(scores, "Score, 95 % interval", zero=False))]
    if comparison.pairs:
        pairs = [(f"{p.this} minus {p.other}", p.difference.interval) for p in comparison.pairs]
        label = "Paired difference in score, 95 % interval"
        figures.append(("differences", _forest(pairs, label, zero=True)))
    slices = [s for s in comparison.slices if s.kind in SLICE_KINDS]
    if slices:
        figures.append(("slices", _heat(slices, [r.name for r in comparison.results])))
    return figures


def _new_figure(height: float) -> tuple[Figure, Axes]:
    # not pyplot: it keeps every figure it makes, and picks a backend
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    return figure, figure.add_subplot()


def _forest(rows: Sequence[tuple[str, Estimate]], label: str, *, zero: bool) -> Figure:
    figure, axes = _new_figure(0.8 + 0.32 * len(rows))
    if zero:
        axes.axvline(0, color="0.5", linewidth=0.8, linestyle=(0, (3, 3)))
    for row, (_, found) in enumerate(rows):
        color = ACCENT if zero and found.excludes_zero else INK
        inside = "white" if zero and not found.excludes_zero else color
        if found.ends is not None:
            axes.plot(found.ends, [row, row], color=color, linewidth=1.5)
        if found.value is not None:
            axes.plot([found.value], [row], "o", markersize=5, color=color, markerfacecolor=inside)
    axes.set_yticks(range(len(rows)), [short(name, MAX_NAME) for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


def _heat(slices: Sequence[Slice], names: Sequence[str]) -> Figure:
    figure, axes = _new_figure(1.0 + 0.27 * len(slices))
    scores = np.array([[c.score for c in s.cells] for s in slices], dtype=float)
    lower = np.array([[s.lower_is_better] for s in slices])
    shades = np.where(lower, 1 - scores, scores)
    axes.imshow(shades, aspect="auto", cmap="Blues", vmin=0, vmax=1.4)
    for row, values in enumerate(scores):
        for column, value in enumerate(values):
            text = "" if np.isnan(value) else f"{value:.2f}"
            axes.text(column, row, text, ha="center", va="center", color=INK)
    labels = [
        f"{s.kind}: {s.name}{' (lower is better)' if s.lower_is_better else ''}" for s in slices
    ]
    axes.set_yticks(range(len(slices)), [short(label, MAX_NAME) for label in labels])
    axes.set_xticks(range(len(names)), [short(name, 24) for name in names])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    if len(names) > 3:
        axes.tick_params(axis="x", labelrotation=25)
    axes.spines["bottom"].set_visible(False)
    return figure


@dataclass(frozen=True, slots=True)
class Mark:
    """One estimate on the line; places in per cent."""

    at: float | None
    low: float | None
    high: float | None
    is_sure: bool | None
    """Of a difference: the interval lies wholly on one side of zero; None of another number."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One number on the axis."""

    at: float | None
    value: float


@dataclass(frozen=True, slots=True)
class Forest:
    """Marks over a common axis."""

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    """Place of zero, where the axis reaches it."""


def forest(estimates: Sequence[Estimate], *, include: float | None = None) -> Forest:
    """Place estimates with their intervals on one axis.

    Args:
        estimates: One without a value has no mark.
        include: A value the axis must reach, such as 0 for differences.
    """
    every = [end for one in estimates for end in (one.value, one.low, one.high)] + [include]
    ends = [end for end in every if end is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    values = tick_values(low, high)
    low, high = min(low, values[0]), max(high, values[-1])

    def place(value: float | None) -> float | None:
        if value is None:
            return None
        return round(MARGIN + (value - low) / (high - low) * (100 - 2 * MARGIN), 3)

    return Forest(
        marks=tuple(
            Mark(
                place(one.value),
                place(one.low),
                place(one.high),
                one.excludes_zero if include == 0.0 else None,
            )
            for one in estimates
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
