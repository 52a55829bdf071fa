"""Figures of a signal study: four small pictures as SVG that sits in a page, light and dark."""

from __future__ import annotations

import numpy as np

from ...judges.scoring.rubric_arrays import Floats
from ...judges.signal.advantages import Scale, spread_of
from ...judges.signal.dead_groups import equal_in_group
from ...judges.signal.study import SignalStudy
from ..numbers import MINUS, NONE, plain, score
from .figures import tick_values
from .svg import BLUE, GREY, INK, LINE, ORANGE, WIDTH, Drawing, Panel, short

BINS = 24
MAX_NAME = 30
NAMES = 215
"""Width of a column of names, in px."""
ROW = 30
GAP = 24
"""Between panels, in px."""
HALVES = ((0, "0"), (0.5, "50 %"), (1, "100 %"))


def signal_figures(study: SignalStudy) -> dict[str, str]:
    """Draw every figure there is data for, as inline SVG by name."""
    drawn = {
        "distributions": distributions(study),
        "spread": within_group_spread(study),
        "agreement": advantage_agreement(study),
        "contrast": criterion_contrast(study),
    }
    return {name: drawing.svg() for name, drawing in drawn.items() if drawing is not None}


def distributions(study: SignalStudy) -> Drawing:
    """Draw how each reward spreads over all answers."""
    names = list(study.arrays.rewards)
    columns = min(4, len(names))
    width, height = WIDTH / columns, 140
    drawing = Drawing(float(height * -(-len(names) // columns)))
    for place, name in enumerate(names):
        left, top = place % columns * width + 8, place // columns * height + 1.5 * LINE
        values = study.arrays.rewards[name]
        values = values[~np.isnan(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        if high <= low:
            low, high = low - 0.5, high + 0.5
        counts, edges = np.histogram(values, bins=BINS, range=(low, high))
        ends = (0.0, float(max(counts.max(), 1)) * 1.05)
        panel = Panel(drawing, left, top, width - GAP, 80, (low, high), ends)
        panel.title(short(name, MAX_NAME))
        for count, edge in zip(counts.tolist(), edges.tolist(), strict=False):
            drawing.bar(
                panel.x(edge),
                panel.y(count),
                panel.width / BINS * 0.92,
                panel.y(0) - panel.y(count),
                BLUE,
            )
        if len(values):
            panel.bottom((v, plain(v)) for v in tick_values(low, high, 4))
            mode, share = _most_common(values)
            if share >= 0.1:
                words = f"{_per_cent(share)} at {score(mode)}"
                drawing.text(left + panel.width, top + LINE / 2, words, "end")
    return drawing


def within_group_spread(study: SignalStudy) -> Drawing:
    """Draw the groups that are dead, and the spread inside those that are not."""
    rows = sorted(study.dead, key=lambda row: row.dead.value or 0.0)
    height, width = ROW * len(rows), (WIDTH - NAMES - 2 * GAP) / 2
    drawing = Drawing(height + 4.0 * LINE)
    left = Panel(drawing, NAMES, 1.5 * LINE, width, height, (0, 1.12))
    right = Panel(drawing, NAMES + width + GAP, 1.5 * LINE, width, height, (0.04, 12), is_log=True)
    left.title("dead groups")
    right.title("spread in live groups")
    for place, row in enumerate(rows):
        top = left.top + place * ROW + 5
        middle, tall = left.top + (place + 0.5) * ROW, ROW - 10
        drawing.text(NAMES - 8, middle, short(row.reward, MAX_NAME), "end")
        same, dead = left.x(row.identical), left.x(row.identical + row.lost)
        drawing.bar(left.left, top, same - left.left, tall, GREY)
        if dead > same:
            drawing.stripes(same, top, dead - same, tall, ORANGE)
        drawing.text(dead + 5, middle, _per_cent(row.identical + row.lost))
        _box(right, middle, _relative_spread(study.arrays.rewards[row.reward]))
    left.bottom(HALVES)
    right.bottom((value, f"{value:g}") for value in (0.1, 0.3, 1, 3, 10))
    return drawing


def advantage_agreement(study: SignalStudy) -> Drawing | None:
    """Draw the correlation of the advantages of every two rewards."""
    names = list(study.arrays.rewards)
    if len(names) < 2:
        return None
    scale = Scale.GROUP if Scale.GROUP in study.scales else study.scales[0]
    values = {(p.first, p.second): p.correlation[scale].value for p in study.pairs}
    top, width = 1.5 * LINE, min(110.0, (WIDTH - NAMES) / (len(names) - 1))
    bottom = top + ROW * (len(names) - 1)
    drawing = Drawing(bottom + 80)
    drawing.text(NAMES, LINE / 2, f"correlation of advantages, scale {scale}")
    for row, second in enumerate(names[1:]):
        middle = top + (row + 0.5) * ROW
        drawing.text(NAMES - 8, middle, short(second, MAX_NAME), "end")
        for column, first in enumerate(names[: row + 1]):
            value = values.get((first, second))
            left = NAMES + column * width
            drawing.add(
                "rect",
                x=left + 1,
                y=top + row * ROW + 1.0,
                width=width - 2,
                height=ROW - 2,
                fill=BLUE,
                fill_opacity=0.08 + 0.42 * abs(value or 0.0),
            )
            words = NONE if value is None else f"{value:.2f}".replace("-", MINUS)
            drawing.text(left + width / 2, middle, words, "middle")
    for column, name in enumerate(names[:-1]):
        at = NAMES + (column + 0.5) * width
        drawing.text(at + 10, bottom + LINE / 2, short(name, 20), "end", turn=25)
    return drawing


def criterion_contrast(study: SignalStudy) -> Drawing | None:
    """Draw how often criteria are met, and how well they discriminate between answers."""
    criteria = study.arrays.criteria
    present_PC = study.arrays.groups.rubric_PC.present & ~np.isnan(criteria.pass_rate_PC)
    kinds = [
        ("positive", present_PC & ~criteria.negative_PC, BLUE, ""),
        ("negative", present_PC & criteria.negative_PC, ORANGE, "6 4"),
    ]
    kinds = [kind for kind in kinds if kind[1].any()]
    if not kinds:
        return None
    drawing = Drawing(245)
    rates = [criteria.pass_rate_PC[mask] for _, mask, _, _ in kinds]
    shares = [np.histogram(rate, np.linspace(0, 1, 11))[0] / len(rate) for rate in rates]
    most = max(float(share.max()) for share in shares)
    width = (WIDTH - 160) / 2
    left = Panel(drawing, 50, 1.5 * LINE, width, 165, (0, 1), (0, most * 1.05))
    right = Panel(drawing, 130 + width, 1.5 * LINE, width, 165, (0, 1), (0, 0.26))
    left.title("criteria by the share of answers that meet them")
    right.title(f"contrast q(1 {MINUS} q), criteria sorted")
    step = 0.1 / (len(kinds) + 0.4)
    for place, (name, mask, colour, dash) in enumerate(kinds):
        fill = drawing.stripes if dash else drawing.bar
        for bin_, share in enumerate(shares[place].tolist()):
            x, y = left.x(bin_ / 10 + step * (place + 0.2)), left.y(share)
            if share:
                fill(x, y, step * width, left.y(0) - y, colour)
        contrast = np.sort(criteria.contrast_PC[mask])[::-1]
        keep = np.unique(np.linspace(0, len(contrast) - 1, 200).astype(int))
        points = [
            (right.x((at + 0.5) / len(contrast)), right.y(float(contrast[at]))) for at in keep
        ]
        drawing.line(points, colour, 1.5, dash)
        key, at = right.left + width - 130, right.top + LINE * (place + 0.5)
        drawing.line([(key, at), (key + 28, at)], colour, 1.5, dash)
        drawing.text(key + 34, at, f"{name} points")
    left.bottom([(0, "none"), (0.5, "half"), (1, "all")])
    left.side((v, f"{100 * v:g} %") for v in tick_values(0, most))
    right.bottom(HALVES, "of the criteria")
    right.side((v, f"{v:g}") for v in tick_values(0, 0.26))
    return drawing


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


def _box(panel: Panel, middle: float, values: Floats) -> None:
    """Draw the middle half as a bar, 5 to 95 % as a line, the median as a mark."""
    if not len(values):
        return
    found = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    low, first, half, third, high = (panel.x(float(value)) for value in found)
    panel.drawing.line([(low, middle), (high, middle)], BLUE, 1.2)
    panel.drawing.bar(first, middle - 8, third - first, 16, BLUE)
    panel.drawing.line([(half, middle - 10), (half, middle + 10)], INK, 1.6)
