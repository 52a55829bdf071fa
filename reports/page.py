"""One self-contained HTML page: what a comparison says, in the order it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ..judges.scoring import LENGTH_CENTRE_CHARS, LENGTH_UNIT_CHARS
from . import numbers
from .audits import FIGURES, SCALARS
from .browser import browser_data
from .comparison import Comparison
from .corrected import TITLES
from .environment import asset, content_security_policy, environment, own_version
from .facts import facts_of
from .forest import forest
from .signal_section import render_signal_section
from .slices import Slice

MAIN_KINDS = {"theme": "By theme", "axis": "By axis", "sign": "By sign of points"}
MAX_WORST_K = 8
RULES = (
    {
        "name": "pass_range50",
        "title": "Range 50",
        "words": "past the middle between the worst and the best sum of points",
    },
    {"name": "pass_hb50", "title": "Score 50", "words": "answer score of at least 0.5"},
    {
        "name": "pass_strict",
        "title": "Strict",
        "words": "every positive criterion met, no negative one triggered",
    },
)


def render_page(comparison: Comparison, *, command: str = "", examples: bool = True) -> str:
    """Give the whole page.

    Args:
        comparison: What it says.
        command: The command line that made it, for the run facts.
        examples: Carry the example browser, with every text.
    """
    script, style = asset("report.js"), asset("report.css")
    signal = _signal(comparison)
    browser = browser_data(comparison) if examples else None
    context: dict[str, Any] = {
        "version": own_version(),
        "policy": content_security_policy(script, style),
        # our own two files, not data: they must stay byte for byte what their hashes are of
        "script": Markup(script),
        "style": Markup(style),
        "task": comparison.task,
        "headline": comparison.headline,
        "problems": comparison.problems,
        "notes": comparison.notes,
        "facts": facts_of(comparison, command),
        "stored_rows": comparison.stored,
        "results": comparison.results,
        "sanity": comparison.sanity,
        "judges": comparison.judges,
        "audits": comparison.audits,
        "audit_figures": FIGURES,
        "audit_scalars": SCALARS,
        "judge_remarks": list(dict.fromkeys(r for j in comparison.judges for r in j.remarks)),
        "corrections": comparison.corrections,
        "corrected_titles": TITLES,
        "rules": RULES,
        "length_note": _length_note(comparison),
        "score_forest": forest(
            [(r.score, r.interval) for r in (*comparison.results, *comparison.sanity)]
        ),
        "pairs": comparison.pairs,
        "n_tested": comparison.n_tested,
        "pair_forest": forest(
            [(p.difference.mean, p.difference.interval) for p in comparison.pairs], include=0.0
        ),
        "two": len(comparison.results) == 2,
        "worst": _worst(comparison),
        "repeat_rows": _repeat_rows(comparison),
        "slices": comparison.slices,
        **_slice_groups(comparison.slices),
        "signal": signal,
        "browser": browser,
        # base64, which holds nothing to escape; megabytes of it need no second look
        "blocks": [Markup(block) for block in browser.blocks] if browser else [],
    }
    context["contents"] = _contents(context)
    return environment().get_template("report.html").render(context)


def _contents(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the sections that are on the page, in its order."""
    sections = [
        ("facts", "Run facts", True),
        ("summary", "Summary", True),
        ("pairs", "Paired differences", context["pairs"]),
        ("slices", "Slices", context["slices"]),
        ("signal", "Reward and signal", context["signal"]),
        ("judges", "Judge", True),
        ("examples", "Examples", context["browser"]),
        ("method", "Method", True),
    ]
    return [(name, title) for name, title, is_there in sections if is_there]


def _signal(comparison: Comparison) -> dict[str, Markup] | None:
    """Give the reward and signal section, where there are repeats to study.

    Its sentences stand on the page; its many tables and figures open on demand.
    """
    if comparison.signal is None:
        return None
    head, mark, tables = render_signal_section(comparison.signal).partition("<h3")
    # escaped by its own template, in this environment
    return {"head": Markup(head), "tables": Markup(mark + tables)}


def _length_note(comparison: Comparison) -> str:
    penalty = comparison.results[0].metrics.get("length_penalty")
    return (
        f"the score less {numbers.score(penalty)} for every {LENGTH_UNIT_CHARS} characters beyond "
        f"{numbers.count(LENGTH_CENTRE_CHARS)}, as HealthBench has it; shown beside the score, "
        "never instead."
    )


def _worst(comparison: Comparison) -> dict[str, Any] | None:
    """Table worst@k, with the prompts that have as many scored answers."""
    tables = [r.metrics["worst_at_k"] for r in comparison.results]
    ks = sorted({int(k) for table in tables for k in table})[:MAX_WORST_K]
    if not ks:
        return None
    rows = []
    for measured, table in zip(comparison.measured, tables, strict=True):
        scored_N = ~np.isnan(measured.items.h)
        counts_P = np.bincount(measured.table.prompt_N[scored_N])
        values = [(table.get(str(k)), int((counts_P >= k).sum())) for k in ks]
        rows.append({"name": measured.model.name, "values": values})
    return {"ks": ks, "rows": rows}


def _repeat_rows(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for result in comparison.results:
        split = result.repeats
        if split.within is None:
            continue
        words = (
            "repeats would still help, though more prompts help more"
            if split.more_repeats_help
            else "more prompts; further repeats would bring little"
        )
        rows.append({"name": result.name, "split": split, "words": words})
    return rows


def _slice_groups(slices: Sequence[Slice]) -> dict[str, Any]:
    by_kind: dict[str, list[Slice]] = {}
    for one in slices:
        by_kind.setdefault(one.kind, []).append(one)
    groups = [
        {"title": MAIN_KINDS.get(kind, f"By {kind.replace('_', ' ')}"), "slices": rows}
        for kind, rows in by_kind.items()
    ]
    titles = set(MAIN_KINDS.values())
    other = [group for group in groups if group["title"] not in titles]
    return {
        "main_groups": [group for group in groups if group["title"] in titles],
        "other_groups": other,
        "other_count": sum(len(group["slices"]) for group in other),
    }
