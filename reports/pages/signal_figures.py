"""Figures of a signal study as SVG that sits in a page: four small pictures, light and dark.

Text and axes take the page's own colour; the few other colours have contrast on both papers, and
nothing is told by colour alone. matplotlib writes style attributes, which the page's security
policy forbids: they become plain attributes here. The same study gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...judges.scoring.verdict_table import Floats
from ...judges.signal.advantages import Scale, equal_in_group, spread_of
from ...judges.signal.study import SignalStudy
from ..numbers import MINUS, NONE, displayed, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""Replaced by the page's own text colour."""
BLUE, ORANGE, GREY = "#3b86c4", "#cf7430", "#8b929a"
"""At least 3 to 1 against white and against the dark paper."""
WIDTH_IN = 12.5
"""900 px, which is also the width the page gives it: text keeps its 12 px."""
BINS = 24
MAX_NAME = 30
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


def signal_figures(study: SignalStudy) -> dict[str, str]:
    """Draw every figure, as inline SVG by name."""
    drawn: dict[str, Callable[[SignalStudy], Figure | None]] = {
        "distributions": distributions,
        "spread": within_group_spread,
        "agreement": advantage_agreement,
        "contrast": criterion_contrast,
    }
    figures = {}
    for name, draw in drawn.items():
        svg = as_svg(lambda draw=draw: draw(study), f"signal-{name}")  # type: ignore[misc]  # bound early
        if svg is not None:
            figures[name] = svg
    return figures


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


def distributions(study: SignalStudy) -> Figure:
    """Draw how each reward spreads over all answers."""
    names = list(study.arrays.rewards)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = _figure(1.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    for panel, name in zip(panels.flat, names, strict=False):
        values = study.arrays.rewards[name]
        values = values[~np.isnan(values)]
        _title(panel, name)
        panel.set_yticks([])
        panel.spines["left"].set_visible(False)
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        if high <= low:
            low, high = low - 0.5, high + 0.5
        counts, edges = np.histogram(values, bins=BINS, range=(low, high))
        panel.bar(edges[:-1], counts, width=np.diff(edges) * 0.92, align="edge", color=BLUE)
        mode, share = _most_common(values)
        if share >= 0.1:
            panel.annotate(
                f"{_per_cent(share)} at {score(mode)}",
                xy=(0.98, 0.97),
                xycoords="axes fraction",
                ha="right",
                va="top",
            )
    return figure


def within_group_spread(study: SignalStudy) -> Figure:
    """Draw the groups that are dead, and the spread inside those that are not."""
    names = [row.reward for row in sorted(study.dead, key=lambda d: d.dead.value or 0.0)]
    dead = {row.reward: row for row in study.dead}
    figure = _figure(1.1 + 0.42 * len(names))
    left, right = figure.subplots(1, 2, sharey=True)
    for at, name in enumerate(names):
        row = dead[name]
        left.barh(at, row.identical, color=GREY, height=0.62)
        left.barh(
            at,
            row.lost,
            left=row.identical,
            color=ORANGE,
            height=0.62,
            hatch="///",
            edgecolor=INK,
            linewidth=0.4,
        )
        left.annotate(
            _per_cent(row.identical + row.lost),
            xy=(row.identical + row.lost, at),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
        _box(right, at, _relative_spread(study.arrays.rewards[name]))
    left.set_yticks(range(len(names)), [_short(name) for name in names])
    left.set_ylim(len(names) - 0.4, -0.6)
    left.set_xlim(0, 1.12)
    left.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    left.set_title("dead groups")
    right.set_title("spread in live groups")
    right.set_xscale("log")
    right.set_xlim(0.04, 12)
    right.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    right.minorticks_off()
    for panel in (left, right):
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
    return figure


def advantage_agreement(study: SignalStudy) -> Figure | None:
    """Draw the correlation of the advantages of every two rewards."""
    names = list(study.arrays.rewards)
    if len(names) < 2:
        return None
    scale = Scale.GROUP if Scale.GROUP in study.scales else study.scales[0]
    values = {(p.first, p.second): p.correlation[scale].value for p in study.pairs}
    figure = _figure(1.3 + 0.45 * len(names))
    axes = figure.add_subplot()
    for row, first in enumerate(names):
        for column, second in enumerate(names[:row]):
            value = values.get((second, first))
            axes.add_patch(_square(column, row, abs(value or 0.0)))
            text = NONE if value is None else f"{value:.2f}".replace("-", MINUS)
            axes.text(column, row, text, ha="center", va="center")
    axes.set_xlim(-0.5, len(names) - 1.5)
    axes.set_ylim(len(names) - 0.5, 0.5)
    axes.set_yticks(range(1, len(names)), [_short(name) for name in names[1:]])
    axes.set_xticks(
        range(len(names) - 1), [_short(name, 20) for name in names[:-1]], rotation=25, ha="right"
    )
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(f"correlation of advantages, scale {scale}")
    return figure


def criterion_contrast(study: SignalStudy) -> Figure | None:
    """Draw how often criteria are met, and how well they tell answers apart."""
    criteria = study.arrays.criteria
    present_PC = study.arrays.groups.rubric_PC.present & ~np.isnan(criteria.pass_rate_PC)
    kinds = [
        ("positive", present_PC & ~criteria.negative_PC, BLUE, "-"),
        ("negative", present_PC & criteria.negative_PC, ORANGE, "--"),
    ]
    kinds = [kind for kind in kinds if kind[1].any()]
    if not kinds:
        return None
    figure = _figure(3.4)
    left, right = figure.subplots(1, 2)
    edges = np.linspace(0, 1, 11)
    width = 0.1 / (len(kinds) + 0.4)
    for at, (name, mask, color, style) in enumerate(kinds):
        rates = criteria.pass_rate_PC[mask]
        counts, _ = np.histogram(rates, bins=edges)
        left.bar(
            edges[:-1] + width * (at + 0.2),
            counts / len(rates),
            width=width,
            align="edge",
            color=color,
            hatch=None if at == 0 else "///",
            edgecolor=color if at == 0 else INK,
            linewidth=0.4,
            label=f"{name} points",
        )
        contrast = np.sort(criteria.contrast_PC[mask])[::-1]
        at_share = (np.arange(len(contrast)) + 0.5) / len(contrast)
        keep = np.unique(np.linspace(0, len(contrast) - 1, 200).astype(int))
        right.plot(
            at_share[keep], contrast[keep], color=color, linestyle=style, label=f"{name} points"
        )
    left.set_title("criteria by the share of answers that meet them")
    left.set_xticks([0, 0.5, 1], ["none", "half", "all"])
    left.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.set_title(f"contrast q(1 {MINUS} q), criteria sorted")
    right.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    right.set_xlabel("of the criteria")
    right.set_ylim(0, 0.26)
    right.legend(frameon=False, loc="upper right")
    return figure


def _figure(height: float) -> Figure:
    # not pyplot: it keeps every figure it makes, and picks a backend
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_IN, height), layout="constrained")


def _title(axes: Axes, name: str) -> None:
    axes.set_title(_short(name))


def _short(name: str, length: int = MAX_NAME) -> str:
    line = " ".join(displayed(name).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _per_cent(value: float) -> str:
    """Write a share without rounding it to all or nothing."""
    return f"{value:.1%}" if 0.99 < value < 1 or 0 < value < 0.01 else f"{value:.0%}"


def _most_common(values: Floats) -> tuple[float, float]:
    found, counts = np.unique(np.round(values, 9), return_counts=True)
    top = int(np.argmax(counts))
    return float(found[top]), float(counts[top]) / len(values)


def _relative_spread(rewards_PG: Floats) -> Floats:
    known = rewards_PG[~np.isnan(rewards_PG)]
    whole = float(known.std()) if len(known) else 0.0
    spread_P = spread_of(rewards_PG)[~equal_in_group(rewards_PG)]
    spread_P = spread_P[~np.isnan(spread_P)]
    return spread_P / whole if whole > 0 else np.zeros(0)


def _box(axes: Axes, at: int, values: Floats) -> None:
    """Draw the middle half as a bar, 5 to 95 % as a line, the median as a mark."""
    if not len(values):
        return
    low, first, middle, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([low, high], [at, at], color=BLUE, linewidth=1.2)
    axes.barh(at, third - first, left=first, color=BLUE, height=0.5)
    axes.plot([middle, middle], [at - 0.32, at + 0.32], color=INK, linewidth=1.6)


def _square(column: int, row: int, strength: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (column - 0.47, row - 0.46),
        0.94,
        0.92,
        color=BLUE,
        alpha=0.08 + 0.42 * strength,
        linewidth=0,
    )


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


def captions() -> Mapping[str, str]:
    """Say what each figure shows, for its caption."""
    return {
        "distributions": "Rewards over all answers; a large share at one value is said in words.",
        "spread": "Left: groups that teach nothing; plain grey: identical verdicts, striped "
        "orange: lost by the reward. Right: the standard deviation within live groups over that "
        "of all answers; bar 25 to 75 %, line 5 to 95 %, mark the median.",
        "agreement": "1 means that two rewards teach the same.",
        "contrast": "Plain blue and line: positive points; striped orange and dashes: negative. "
        "Criteria that none or all of a group's answers meet tell no answers apart.",
    }
