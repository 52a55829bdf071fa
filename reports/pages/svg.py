"""Pictures as SVG that sits in a page: bars, lines and words at places, and panels with axes.

Text and axes take the page's own colour, all text is escaped, no element has a style (the page's
security policy forbids it), and the same calls give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import escape

from ..numbers import displayed

INK = "currentColor"
"""The page's own text colour."""
BLUE, ORANGE, GREY = "#3b86c4", "#cf7430", "#8b929a"
"""At least 3 to 1 against white and against the dark paper."""
COLOURS = (BLUE, ORANGE, "#5b9a68", "#a06ab4", GREY, "#b58900")
"""Of the lines of one figure, in their order."""
WIDTH = 900
"""In px, which is also the width the page gives a figure: text keeps its 12 px."""
LINE = 16
"""Height of a line of text, in px."""
Ticks = Iterable[tuple[float, str]]
"""Values on an axis, and what is written there."""


class Drawing:
    """A picture that grows element by element; x goes right and y goes down, in px."""

    def __init__(self, height: float) -> None:
        """Begin with none."""
        self._height = height
        self._elements: list[str] = []

    def add(self, name: str, content: str = "", /, **attributes: object) -> None:
        """Add an element; `stroke_width` is written `stroke-width`, None is omitted."""
        written = "".join(
            f' {key.replace("_", "-")}="{_number(value)}"'
            for key, value in attributes.items()
            if value is not None
        )
        self._elements.append(f"<{name}{written}>{escape(content)}</{name}>")

    def text(self, x: float, y: float, words: str, anchor: str = "start", turn: int = 0) -> None:
        """Write words whose middle line is at y; `turn` in degrees, against the clock."""
        place = {"x": x, "y": y + 4, "text_anchor": anchor}
        turned = f"rotate(-{turn} {_number(x)} {_number(y)})" if turn else None
        self.add("text", words, **place, fill=INK, transform=turned)

    def bar(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Draw a filled box."""
        self.add("rect", x=x, y=y, width=width, height=height, fill=fill)

    def stripes(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Draw a filled box with slanted lines: nothing is told by colour alone."""
        self.add("rect", x=x, y=y, width=width, height=height, fill=fill, stroke=INK)
        starts = [(float(at), 0.0) for at in range(0, int(width), 6)]
        starts += [(0.0, float(at)) for at in range(6, int(height), 6)]
        for right, down in starts:
            length = min(width - right, height - down)
            ends = [(x + right, y + down), (x + right + length, y + down + length)]
            self.line(ends, INK, width=0.5)

    def line(
        self,
        points: Iterable[Sequence[float]],
        colour: str,
        width: float = 1,
        dash: str = "",
        opacity: float | None = None,
    ) -> None:
        """Draw a line through points."""
        style = {"stroke": colour, "stroke_width": width, "stroke_dasharray": dash or None}
        self.add("polyline", points=_through(points), fill="none", **style, stroke_opacity=opacity)

    def area(self, points: Sequence[Sequence[float]], colour: str, opacity: float = 0.15) -> None:
        """Fill the area that points enclose; nothing without points."""
        if points:
            self.add("polygon", points=_through(points), fill=colour, fill_opacity=opacity)

    def svg(self) -> str:
        """Give the picture."""
        size = f'width="{WIDTH}" viewBox="0 0 {WIDTH} {_number(self._height)}"'
        return f'<svg aria-hidden="true" {size}>' + "\n".join(self._elements) + "</svg>"


@dataclass(frozen=True, slots=True)
class Panel:
    """A box of a drawing with a scale on either side."""

    drawing: Drawing
    left: float
    top: float
    width: float
    height: float
    x_ends: tuple[float, float] = (0.0, 1.0)
    y_ends: tuple[float, float] = (0.0, 1.0)
    is_log: bool = False
    """Whether x is logarithmic."""

    def x(self, value: float) -> float:
        """Place a value; one beyond the ends is put at the end."""
        low, high = self.x_ends
        value = min(max(value, low), high)
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.left + (value - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        """Place a value, higher ones further up."""
        low, high = self.y_ends
        return self.top + (high - value) / (high - low) * self.height

    def title(self, words: str) -> None:
        """Write above the box."""
        self.drawing.text(self.left, self.top - LINE / 2 - 6, words)  # marks reach 4 px above

    def bottom(self, ticks: Ticks, label: str = "") -> None:
        """Draw the axis below, and a label under it."""
        at = self.top + self.height
        self.drawing.line([(self.left, at), (self.left + self.width, at)], INK, width=0.8)
        for value, words in ticks:
            self.drawing.line([(self.x(value), at), (self.x(value), at + 4)], INK, width=0.8)
            self.drawing.text(self.x(value), at + 4 + LINE / 2, words, "middle")
        self.drawing.text(self.left + self.width / 2, at + 4 + 1.5 * LINE, label, "middle")

    def side(self, ticks: Ticks) -> None:
        """Draw the axis at the left."""
        ends = [(self.left, self.top), (self.left, self.top + self.height)]
        self.drawing.line(ends, INK, width=0.8)
        for value, words in ticks:
            at = self.y(value)
            self.drawing.line([(self.left - 4, at), (self.left, at)], INK, width=0.8)
            self.drawing.text(self.left - 7, at, words, "end")


def short(name: str, length: int) -> str:
    """Give anybody's name on one line, cut in its middle: two often differ only at the end."""
    line, tail = " ".join(displayed(name).split()), length // 2
    return line if len(line) <= length else f"{line[: length - 1 - tail]}…{line[-tail:]}"


def _through(points: Iterable[Sequence[float]]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
