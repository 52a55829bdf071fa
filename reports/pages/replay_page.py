"""Replayed training as a page: what each reward gains, arm against arm, and curves."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from ...judges.signal.replay.study import Replayed
from ...judges.signal.replay.words import facts, headline, sentences
from ..numbers import MINUS
from .html import render, section_page
from .replay_figures import captions, replay_figures

_MINUS = re.compile(r"(?<![\w.])-(?=[.\d])")


def render_replay_section(found: Replayed) -> str:
    """Give the section's inner HTML, without its heading; every value is escaped."""
    first = {arm.reward: None for arm in found.arms}
    context: dict[str, Any] = {
        "found": found,
        "facts": _signed(facts(found)),
        "sentences": [_signed(text) for text in sentences(found)],
        "names": list(first),
        "by_scale": [
            (scale, rows, {arm.reward: arm for arm in found.arms if arm.scale is scale})
            for scale, rows in found.standings.items()
        ],
        # our own drawing, whose text is escaped
        "figures": {name: Markup(svg) for name, svg in replay_figures(found).items()},
        "captions": captions(),
    }
    return render("replay.html", context)


def replay_page(found: Replayed) -> str:
    """Give a page of its own: one file, no request."""
    section, said = render_replay_section(found), _signed(headline(found))
    return section_page("replay", "Replayed training", said, section, "docs/signal.md")


def _signed(text: str) -> str:
    """Put a real minus sign before numbers."""
    return _MINUS.sub(MINUS, text)
