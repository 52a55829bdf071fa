"""Replayed training as a page: what each reward gains, arm against arm, and curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from markupsafe import Markup

from ...judges.signal.replay.study import Replayed, ReplayedArm
from ...judges.signal.replay.words import facts, headline, sentences
from ..numbers import MINUS
from .curves import DASHES, Curve, Plot, Style, draw_plots
from .html import render, section_page
from .svg import COLOURS

_MINUS = re.compile(r"(?<![\w.])-(?=[.\d])")


def render_replay_section(found: Replayed) -> str:
    """Give the section's inner HTML, without its heading; every value is escaped."""
    context = {
        "found": found,
        "facts": _signed(facts(found)),
        "sentences": map(_signed, sentences(found)),
        "names": list(dict.fromkeys(arm.reward for arm in found.arms)),
        "by_scale": [
            (scale, rows, {arm.reward: arm for arm in found.arms if arm.scale is scale})
            for scale, rows in found.standings.items()
        ],
        # our own drawing, whose text is escaped
        "figures": {name: Markup(svg) for name, svg in replay_figures(found).items()},
    }
    return render("replay.html", context)


def replay_page(found: Replayed) -> str:
    """Give a page of its own: one file, no request."""
    section, said = render_replay_section(found), _signed(headline(found))
    return section_page("replay", "Replayed training", said, section, "docs/signal.md")


def _signed(text: str) -> str:
    """Put a real minus sign before numbers."""
    return _MINUS.sub(MINUS, text)


def replay_figures(found: Replayed) -> dict[str, str]:
    """Draw curves of gold, of the score that the judge itself sees, and of dead groups."""
    whose = "the gold score" if found.has_gold else "this judge's own score"
    drawn = {"gold": _curves(found, lambda arm: arm.curve, f"gain of {whose}")}
    if found.has_gold:
        judged = _curves(found, lambda arm: arm.judge_curve, "gain that the judge itself sees")
        drawn["judge"] = judged
    drawn["dead"] = _curves(found, lambda arm: arm.dead_curve, "dead groups", is_share=True)
    return drawn


def _curves(
    found: Replayed,
    values: Callable[[ReplayedArm], Sequence[float]],
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
    drawing = draw_plots(plots, [*styles.items()], columns=2, is_shared=True)
    return "" if drawing is None else drawing.svg()
