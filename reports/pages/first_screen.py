"""What a comparison page shows before anything is scrolled: its values and where they are drawn."""

from __future__ import annotations

import math
from typing import Any

from ..comparison.comparison import Comparison
from ..comparison.slices import WinTable
from .figures import forest

MOST_PAIRS = 8
MOST_MODELS = 12
MOST_THEMES = 10
"""Rows of each table of the first screen; what is beyond them stands below."""


def first_screen(comparison: Comparison) -> dict[str, Any]:
    """Give what the summary's template draws.

    The pairs shown are those with the first model: the baseline, or the highest score.
    """
    first = comparison.results[0].name
    with_first = [p for p in comparison.pairs if first in (p.this, p.other)]
    shown = with_first[:MOST_PAIRS]
    rest = [p for p in comparison.pairs if p not in shown]
    rows = [*comparison.results, *comparison.sanity]
    themes = _themes(comparison)
    return {
        "first_pairs": shown,
        "first_forest": forest([p.difference.interval for p in shown], include=0.0),
        "rest_pairs": rest,
        "rest_forest": forest([p.difference.interval for p in rest], include=0.0),
        "score_forest": forest([row.interval for row in rows]),
        "most_models": MOST_MODELS,
        "wins": _largest_first(comparison.wins),
        "themes": themes,
        "theme_forest": forest([one.cells[0].interval for one in themes[:MOST_THEMES]]),
        "most_themes": MOST_THEMES,
    }


def _largest_first(wins: WinTable | None) -> WinTable | None:
    """Keep all prompts on top, then the themes with most prompts where not all can be shown."""
    if wins is None or len(wins.rows) <= MOST_THEMES:
        return wins
    every, *themes = wins.rows
    themes.sort(key=lambda row: -(row.n_better + row.n_equal + row.n_worse))
    return WinTable(wins.this, wins.other, (every, *themes))


def _themes(comparison: Comparison) -> list[Any]:
    """Give one model's themes, the lowest score first."""
    if len(comparison.results) > 1:
        return []
    themes = [one for one in comparison.slices if one.kind == "theme"]

    def height(score: float | None) -> float:
        return math.inf if score is None else score

    return sorted(themes, key=lambda one: height(one.cells[0].unclipped))
