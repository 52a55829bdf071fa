"""Curves of replayed training, as SVG that sits in a page, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...judges.signal.advantages import Scale
from ...judges.signal.replay.study import Arm, Replayed
from ..numbers import MINUS
from .figures import tick_values
from .svg import COLOURS, LINE, WIDTH, Drawing, Panel, short

DASHES = ("", "7 3", "2 3", "9 3 2 3")
HEIGHT = 210
SIDE = 50
GAP = 24
MAX_NAME = 34
RIGHT = 14
"""Beside a panel, for half of its last number."""


def replay_figures(found: Replayed) -> dict[str, str]:
    """Draw curves of gold, of the score that the judge itself sees, and of dead groups."""
    whose = "the gold score" if found.has_gold else "this judge's own score"
    drawn = {"gold": _curves(found, lambda arm: arm.curve, f"gain of {whose}")}
    if found.has_gold:
        judged = _curves(found, lambda arm: arm.judge_curve, "gain that the judge itself sees")
        drawn["judge"] = judged
    drawn["dead"] = _curves(found, lambda arm: arm.dead_curve, "dead groups", is_share=True)
    return {name: drawing.svg() for name, drawing in drawn.items()}


def captions() -> Mapping[str, str]:
    """Say what each figure shows, for its caption."""
    return {
        "gold": "Exact mean score of the policy less that before training, over seeds and prompts, "
        "by steps; one panel per scaling, one line per reward, by colour and dashes.",
        "judge": "The same gain in the score of the training judge. Where it rises and the gold "
        "score falls, the policy games the judge (reward hacking).",
        "dead": "Share of the groups drawn whose rewards are all equal, without a learning signal. "
        "It rises as the policy settles on one answer.",
    }


def _curves(
    found: Replayed,
    values: Callable[[Arm], Sequence[float]],
    title: str,
    *,
    is_share: bool = False,
) -> Drawing:
    scales = list(found.standings)
    names = list(dict.fromkeys(arm.reward for arm in found.arms))
    columns = min(2, len(scales))
    n_rows = -(-len(scales) // columns)
    width = (WIDTH - columns * (SIDE + RIGHT) - (columns - 1) * GAP) / columns
    row = HEIGHT + 4.5 * LINE
    drawing = Drawing(row * n_rows + LINE * (len(names) + 0.5))
    low, high = _ends([value for arm in found.arms for value in values(arm)], is_share)
    for place, scale in enumerate(scales):
        left = SIDE + place % columns * (width + SIDE + RIGHT + GAP)
        top = place // columns * row + 1.5 * LINE
        ends = (0.0, float(found.moments[-1]))
        panel = Panel(drawing, left, top, width, HEIGHT, ends, (low, high))
        panel.title(f"{title}, scale {scale}")
        _lines(panel, found, scale, names, values)
        panel.bottom(((v, f"{v:g}") for v in tick_values(*ends)), "steps")
        panel.side((v, _tick(v, is_share)) for v in tick_values(low, high))
    # one below the other: a phone shows the left part of a figure first
    for place, name in enumerate(names):
        y = row * n_rows + (place + 0.5) * LINE
        drawing.line([(SIDE, y), (SIDE + 28, y)], *_style(place))
        drawing.text(SIDE + 34, y, short(name, MAX_NAME))
    return drawing


def _lines(
    panel: Panel,
    found: Replayed,
    scale: Scale,
    names: Sequence[str],
    values: Callable[[Arm], Sequence[float]],
) -> None:
    for arm in found.arms:
        if arm.scale is scale:
            points = [
                (panel.x(step), panel.y(value))
                for step, value in zip(found.moments, values(arm), strict=True)
            ]
            panel.drawing.line(points, *_style(names.index(arm.reward)))


def _style(place: int) -> tuple[str, float, str]:
    """Give colour, width and dashes: more lines than colours differ in their dashes."""
    dash = DASHES[(place + place // len(COLOURS)) % len(DASHES)]
    return COLOURS[place % len(COLOURS)], 1.8, dash


def _ends(values: Sequence[float], is_share: bool) -> tuple[float, float]:
    if is_share:
        return 0.0, 1.0
    low, high = min(0.0, *values), max(0.0, *values)
    # no curve at all: a reward without a learning signal
    return (low, high) if high - low > 1e-6 else (-0.01, 0.01)


def _tick(value: float, is_share: bool) -> str:
    return f"{100 * value:g} %" if is_share else f"{value:g}".replace("-", MINUS)
