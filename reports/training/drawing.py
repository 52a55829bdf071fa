"""Figures of matplotlib as SVG that sits in a page, light and dark.

matplotlib writes style attributes, which the page's security policy forbids: they become plain
attributes here. Text and axes take the page's own colour. The same data gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""Replaced by the page's own text colour."""
WIDTH_IN = 12.5
"""900 px, which is also the width the page gives it: text keeps its 12 px."""
SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    # the page sets all text of a figure to 12 px; laying out for less would let it overlap
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    # names of rewards are anybody's: a dollar sign is a dollar sign
    "text.parse_math": False,
}


def as_svg(draw: Callable[[], Figure | None], prefix: str) -> str | None:
    """Draw a figure, and give it as inline SVG whose ids start with a prefix."""
    import matplotlib

    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": prefix}):
        figure = draw()
        if figure is None:
            return None
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return for_page(file.getvalue(), prefix)


_STYLE = re.compile(r'\sstyle="([^"]*)"')
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(?:xlink:)?href="#([^"]+)"')
_URL = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"(?:(?P<weight>bold|\d{3})\s+)?(?P<size>[\d.]+)px\s+(?P<family>.+)")


def for_page(svg: str, prefix: str) -> str:
    """Make matplotlib's SVG fit a page: no style, own ids, the page's colour for text and axes."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(
        r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", svg, flags=re.S
    )
    svg = _STYLE.sub(lambda match: _attributes(match[1]), svg)
    svg = _ID.sub(lambda match: f'id="{prefix}-{match[1]}"', svg)
    svg = _REFERENCE.sub(lambda match: f'href="#{prefix}-{match[1]}"', svg)
    svg = _URL.sub(lambda match: f"url(#{prefix}-{match[1]})", svg)
    svg = svg.replace(INK, "currentColor")
    head = '<svg stroke-linejoin="round" stroke-linecap="butt" aria-hidden="true" '
    head_end = svg.index(">")
    opening = re.sub(r'\s(?:width|height|xmlns(?::xlink)?)="[^"]*"', "", svg[:head_end])
    opening += f' width="{round(WIDTH_IN * 72)}"'
    return head + opening.removeprefix("<svg").strip() + re.sub(r"\n\s*", "\n", svg[head_end:])


def _attributes(style: str) -> str:
    """Turn `fill: #fff; font: 9px 'DejaVu Sans'` into attributes."""
    found: dict[str, str] = {}
    for declaration in style.split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font" and (font := _FONT.match(value)):
            found["font-size"] = font["size"]
            if font["weight"]:
                found["font-weight"] = font["weight"]
        elif key and not key.startswith("font-"):
            found[key] = value.replace('"', "'")
    return "".join(f' {key}="{value}"' for key, value in found.items())
