"""The signal study as a section of the report, and as a page of its own.

The section is a fragment of HTML with tables, figures and no script; it stands in any page that
has the report's style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ...judges.signal.advantages import Scale, TermEffect
from ...judges.signal.agreement import FlipEffect
from ...judges.signal.power import PowerPlan
from ...judges.signal.study import SignalStudy
from ...judges.signal.variance import VOTES, shares
from .html import render, section_page
from .signal_figures import signal_figures

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


def _context(study: SignalStudy) -> dict[str, object]:
    terms: dict[tuple[str, str], dict[Scale, TermEffect]] = {}
    for effect in study.terms:
        terms.setdefault((effect.reward, effect.term), {})[effect.scale] = effect
    flips: dict[tuple[str, Scale], list[FlipEffect]] = {}
    for flip in study.flips:
        flips.setdefault((flip.reward, flip.scale), []).append(flip)
    return {
        "study": study,
        # our own drawing, whose text is escaped
        "figures": {name: Markup(svg) for name, svg in signal_figures(study).items()},
        "dead": sorted(study.dead, key=lambda row: -(row.dead.value or 0.0)),
        "terms": terms.values(),
        "reliability": {split.reward: split.icc for split in study.variance},
        "parts": {split.reward: dict(shares(split)) for split in study.variance},
        "votes": VOTES,
        "flips": flips.values(),
        "rates": list(dict.fromkeys(flip.rate for flip in study.flips)),
        "drop": study.drop[:MAX_LISTED],
        "n_more": max(0, len(study.drop) - MAX_LISTED),
    }
