"""The signal study as a section of the report, and as a page of its own.

The section is a fragment of HTML with tables, figures and no script; it stands in any page that
has the report's style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from ...judges.signal.power import PowerPlan
from ...judges.signal.study import SignalStudy
from ...judges.signal.variance import VOTES, shares
from .html import render, section_page
from .signal_figures import captions, signal_figures

MAX_LISTED = 60
"""Prompts to drop that are listed by id; the command's --json has all."""


def render_signal_section(
    study: SignalStudy, plans: Sequence[PowerPlan] = (), headline: str = ""
) -> str:
    """Give the section's inner HTML, without its heading; every value is escaped.

    Args:
        study: What it says.
        plans: Studies to come, if any.
        headline: A sentence that stands above it already.
    """
    return render("signal.html", {**_context(study), "plans": plans, "headline": headline})


def signal_page(study: SignalStudy, plans: Sequence[PowerPlan] = ()) -> str:
    """Give a page of its own: one file, no request."""
    headline = next((s.text for s in study.words if s.topic == "reward"), study.words[0].text)
    section = render_signal_section(study, plans, headline)
    return section_page("signal", "Reward signal", headline, section, "docs/signal.md")


def _context(study: SignalStudy) -> dict[str, Any]:
    # our own drawing, whose text is escaped
    figures = {name: Markup(svg) for name, svg in signal_figures(study).items()}
    variance = [
        {"split": split, "parts": dict(shares(split)), "votes": _votes(split)}
        for split in study.variance
    ]
    return {
        "study": study,
        "figures": figures,
        "captions": captions(),
        "dead": sorted(study.dead, key=lambda row: -(row.dead.value or 0.0)),
        "terms": _by_term(study),
        "reliability": {split.reward: split.icc for split in study.variance},
        "variance": variance,
        "votes": VOTES,
        "flips": _flips(study),
        "rates": list(dict.fromkeys(flip.rate for flip in study.flips)),
        "drop": study.drop[:MAX_LISTED],
        "n_more": max(0, len(study.drop) - MAX_LISTED),
    }


def _votes(split: Any) -> Sequence[float | None]:
    return [split.fidelity_of_votes(k).value for k in VOTES]


def _by_term(study: SignalStudy) -> list[dict[str, Any]]:
    """Put the scales of a term side by side."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for effect in study.terms:
        row = rows.setdefault(
            (effect.reward, effect.term),
            {
                "reward": effect.reward,
                "term": effect.term,
                "changed": effect.changed,
                "constant": effect.constant_in_groups,
                "effects": {},
            },
        )
        row["effects"][effect.scale] = effect
    return list(rows.values())


def _flips(study: SignalStudy) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for flip in study.flips:
        key = (flip.reward, str(flip.scale))
        row = rows.setdefault(key, {"reward": flip.reward, "scale": flip.scale, "cells": []})
        row["cells"].append(flip)
    return list(rows.values())
