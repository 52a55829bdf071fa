"""Panels of curves over steps with one legend below, as SVG that sits in a page, light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..numbers import plain
from .figures import tick_values
from .svg import COLOURS, GREY, LINE, WIDTH, Drawing, Panel, short

DASHES = ("", "7 3", "2 3", "9 3 2 3")
MARKS = (
    ((-3, -1), (-1, -3), (1, -3), (3, -1), (3, 1), (1, 3), (-1, 3), (-3, 1)),
    ((-3, -3), (3, -3), (3, 3), (-3, 3)),
    ((0, -4), (4, 0), (0, 4), (-4, 0)),
    ((0, -4), (4, 3), (-4, 3)),
    ((0, 4), (4, -3), (-4, -3)),
    ((-4, -1.5), (4, -1.5), (4, 1.5), (-4, 1.5)),
)
"""Corners of a mark around its place, in px: round, square, and so on."""
SIDE, GAP = 50, 24
"""Left of a panel for its numbers, and between panels, in px."""
RIGHT = 14
"""Beside a panel, for half of its last number."""
MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Style:
    """How a curve is told from others: nothing is told by colour alone."""

    colour: str
    dash: str = ""
    mark: Sequence[tuple[float, float]] = MARKS[0]

    @classmethod
    def at(cls, colour: int, dash: int) -> Style:
        """Give the style at two places in the lists."""
        return cls(COLOURS[colour], DASHES[dash], MARKS[colour])


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a panel."""

    style: Style
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    """Step, lowest and highest value."""
    is_thin: bool = False
    has_line: bool = True
    has_marks: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """What one panel shows."""

    title: str
    curves: Sequence[Curve]
    has_zero: bool = False
    """Whether 0 stands on the axis wherever the values lie."""
    is_share: bool = False
    """Whether the axis goes from 0 to 100 %."""
    is_log: bool = False
    """Whether y is logarithmic, where something is above 0; what is not is then not drawn."""


def draw_plots(
    plots: Sequence[Plot],
    legend: Sequence[tuple[str, Style]],
    *,
    columns: int,
    height: float = 210,
    is_shared: bool = False,
) -> Drawing | None:
    """Draw panels in rows over the same steps; None without panels.

    Args:
        plots: In their order.
        legend: Names, which may be equal, and their styles; empty for none.
        columns: Most panels in a row.
        height: Of a panel, in px.
        is_shared: Give all panels one axis: a difference in level must not hide in the scale.
    """
    if not plots:
        return None
    columns = min(columns, len(plots))
    width = (WIDTH - columns * (SIDE + RIGHT) - (columns - 1) * GAP) / columns
    row, n_rows = height + 4.5 * LINE, -(-len(plots) // columns)
    drawing = Drawing(row * n_rows + LINE * (len(legend) + 0.5))
    steps = _wide([step for plot in plots for curve in plot.curves for step, _ in curve.points])
    for place, plot in enumerate(plots):
        left = SIDE + place % columns * (width + SIDE + RIGHT + GAP)
        top = place // columns * row + 1.5 * LINE
        ends = _ends(plots if is_shared else [plot])
        panel = Panel(drawing, left, top, width, height, steps, ends)
        panel.title(plot.title)
        _axes(panel, plot)
        for curve in plot.curves:
            _draw(panel, curve, _is_log(plot))
    # one below the other: a phone shows the left part of a figure first
    for place, (name, style) in enumerate(legend):
        y = row * n_rows + (place + 0.5) * LINE
        drawing.line([(SIDE, y), (SIDE + 28, y)], style.colour, 1.8, style.dash)
        drawing.text(SIDE + 34, y, short(name, MAX_NAME))
    return drawing


def _is_log(plot: Plot) -> bool:
    return plot.is_log and any(y > 0 for curve in plot.curves for _, y in curve.points)


def _heights(plot: Plot) -> Iterable[float]:
    for curve in plot.curves:
        values = [y for _, y in curve.points] + [end for _, *ends in curve.band for end in ends]
        yield from (math.log10(y) for y in values if y > 0) if _is_log(plot) else values


def _ends(plots: Iterable[Plot]) -> tuple[float, float]:
    if all(plot.is_share for plot in plots):
        return 0.0, 1.0
    zero = [0.0 for plot in plots if plot.has_zero]
    return _wide([*zero, *(y for plot in plots for y in _heights(plot))])


def _wide(values: Sequence[float]) -> tuple[float, float]:
    """Give the range of some values, never an empty one."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    room = 0.01 * max(1.0, abs(high)) if high - low <= 1e-6 * max(1.0, abs(high)) else 0.0
    return low - room, high + room


def _axes(panel: Panel, plot: Plot) -> None:
    ticks = [(value, _tick(value, plot.is_share)) for value in tick_values(*panel.y_ends)]
    if _is_log(plot):
        low, high = panel.y_ends
        powers = range(math.floor(low), math.ceil(high) + 1)
        factors = (1, 2, 5) if high - low < 2 else (1,)
        marked = [(math.log10(m * 10.0**k), f"{m * 10.0**k:g}") for k in powers for m in factors]
        ticks = [tick for tick in marked if low <= tick[0] <= high]
    for value, _ in ticks:
        ends = [(panel.left, panel.y(value)), (panel.left + panel.width, panel.y(value))]
        is_zero = plot.has_zero and value == 0
        panel.drawing.line(ends, GREY, 0.8, opacity=0.9 if is_zero else 0.3)
    # there is no step 2.5
    whole = [value for value in tick_values(*panel.x_ends) if value == round(value)]
    panel.bottom(((value, f"{value:g}") for value in whole), "steps")
    panel.side(ticks)


def _tick(value: float, is_share: bool) -> str:
    return f"{100 * value:g} %" if is_share else plain(value)


def _draw(panel: Panel, curve: Curve, is_log: bool) -> None:
    drawing, style = panel.drawing, curve.style

    def placed(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        shown = [(x, math.log10(y) if is_log else y) for x, y in points if y > 0 or not is_log]
        return [(panel.x(x), panel.y(y)) for x, y in shown]

    there = placed((x, low) for x, low, _ in curve.band)
    back = placed((x, high) for x, _, high in curve.band)
    drawing.area([*there, *reversed(back)], style.colour)
    points = placed(curve.points)
    if curve.has_line:
        width, opacity = (0.7, 0.45) if curve.is_thin else (1.8, None)
        drawing.line(points, style.colour, width, style.dash, opacity)
    for x, y in points if curve.has_marks else ():
        drawing.area([(x + right, y + down) for right, down in style.mark], style.colour, 1)
