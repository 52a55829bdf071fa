"""Curves of replayed training, as SVG that sits in a page, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...judges.signal.replay.study import Arm, Replayed
from .curves import DASHES, Curve, Plot, Style, draw_plots
from .svg import COLOURS


def replay_figures(found: Replayed) -> dict[str, str]:
    """Draw curves of gold, of the score that the judge itself sees, and of dead groups."""
    whose = "the gold score" if found.has_gold else "this judge's own score"
    drawn = {"gold": _curves(found, lambda arm: arm.curve, f"gain of {whose}")}
    if found.has_gold:
        judged = _curves(found, lambda arm: arm.judge_curve, "gain that the judge itself sees")
        drawn["judge"] = judged
    drawn["dead"] = _curves(found, lambda arm: arm.dead_curve, "dead groups", is_share=True)
    return drawn


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
) -> str:
    names = list(dict.fromkeys(arm.reward for arm in found.arms))
    n = len(COLOURS)
    # more lines than colours differ in their dashes
    styles = {x: Style.at(i % n, (i + i // n) % len(DASHES)) for i, x in enumerate(names)}
    plots = [
        Plot(
            f"{title}, scale {scale}",
            [
                Curve(styles[arm.reward], list(zip(found.moments, values(arm), strict=True)))
                for arm in found.arms
                if arm.scale is scale
            ],
            has_zero=True,
            is_share=is_share,
        )
        for scale in found.standings
    ]
    drawing = draw_plots(plots, styles, columns=2, is_shared=True)
    return "" if drawing is None else drawing.svg()
