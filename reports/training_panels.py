"""The panels that curves of a training are drawn on: axes over steps, and one legend below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .display import displayed
from .signal_figures import GREY, INK, WIDTH_IN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NAME = 42
LEGEND_ROW_IN = 0.26


def panels(n: int, columns: int, height_in: float = 2.9) -> Any:
    """Give axes for `n` panels, over steps, in rows of some columns."""
    # not pyplot: it keeps every figure it makes, and picks a backend
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = -(-n // columns)
    figure = Figure(figsize=(WIDTH_IN, height_in * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat[n:]:
        panel.set_visible(False)
    for panel in axes.flat[:n]:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no step 2.5
        panel.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
        panel.set_axisbelow(True)
    return axes


def finish(axes: Any, n_lines: int) -> Figure:
    """Put one legend below all panels, where there is more than one line to tell apart."""
    figure: Figure = axes.flat[0].figure
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if n_lines > 1 and handles:
        rows = -(-len(handles) // 3)
        # beside the panels, not out of them
        figure.set_figheight(figure.get_figheight() + LEGEND_ROW_IN * rows)
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=min(3, len(handles)),
            frameon=False,
            labelcolor=INK,
            handlelength=3.2,
        )
    return figure


def log_scale(panel: Axes) -> None:
    """Make the height of a panel logarithmic, where something on it is above 0."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    heights = np.concatenate([np.asarray(curve.get_ydata(), float) for curve in panel.lines])
    if not (heights > 0).any():
        return
    panel.set_yscale("log", nonpositive="mask")
    # plain numbers: matplotlib would write powers as formulas
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def share_limits(axes: Any) -> None:
    """Give both judges one axis: a difference in level must not hide in the scale."""
    limits = [panel.get_ylim() for panel in axes.flat]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    for panel in axes.flat:
        panel.set_ylim(low, high)


def short(name: str, length: int) -> str:
    """Give a name on one line, cut in its middle: what tells two names apart stands last."""
    line = " ".join(displayed(name).split())
    if len(line) <= length:
        return line
    tail = length // 2
    return f"{line[: length - 1 - tail]}…{line[-tail:]}"
