"""One self-contained HTML page of a comparison."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from ...judges.scoring.estimates import TOO_FEW, Estimate
from ...judges.scoring.item_scores import worst_at_k
from ...judges.scoring.run_scores import LENGTH_CENTRE_CHARS, LENGTH_UNIT_CHARS
from .. import numbers
from ..comparison.comparison import Comparison
from ..comparison.corrections import TITLES
from ..comparison.criterion_cells import CRITERION
from ..comparison.judges import FIGURES, SCALARS
from ..comparison.notes import length_gains, length_order
from ..comparison.slices import Slice, WinTable
from ..comparison.truth import TruthTable
from .browser import browser_data
from .facts import facts_of
from .figures import forest
from .html import frame, render
from .signal_page import render_signal_section

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAIN_KINDS = {"theme": "By theme", "axis": "By axis", "sign": "By sign of points"}
CRITERIA_KINDS = {CRITERION: "Single criteria", "tag": "By tag"}
FIRST_ROWS = 8
"""Rows of a group of criteria that are open; the rest are folded."""
MAX_WORST_K = 8
MOST_PAIRS = 8
MOST_MODELS = 12
MOST_THEMES = 10
"""Rows of each table of the first screen; what is beyond them stands below."""
RULES = (
    {
        "name": "pass_range50",
        "title": "Range 50",
        "words": "above the middle between the lowest and the highest possible sum of points",
    },
    {"name": "pass_hb50", "title": "Score 50", "words": "answer score of at least 0.5"},
    {
        "name": "pass_strict",
        "title": "Strict",
        "words": "every positive criterion met, no negative one triggered",
    },
)
SCHEMA_VERSION = 1
"""Of the JSON a report gives."""


def render_page(
    comparison: Comparison,
    *,
    command: str = "",
    examples: bool = True,
    truth: TruthTable | None = None,
) -> str:
    """Render the whole page.

    Args:
        comparison: What it says.
        command: The command line that made it, for the run details.
        examples: Carry the example browser, with every text.
        truth: The true scores of these systems, where they are known.
    """
    browser = browser_data(comparison) if examples else None
    stopped = comparison.stopping.words() if comparison.stopping is not None else []
    notes = (note for note in comparison.notes if note not in stopped)
    context = {
        **frame("text.js", "report.js"),
        **_fields(comparison),
        "notes": [*notes, *length_order(comparison.results)],
        "stopped": stopped,
        "truth": truth,
        "facts": facts_of(comparison, command),
        "audit_figures": FIGURES,
        "audit_scalars": SCALARS,
        "judge_remarks": list(dict.fromkeys(r for j in comparison.judges for r in j.remarks)),
        "corrected_titles": TITLES,
        "rules": RULES,
        "length_note": _length_note(comparison),
        "length_notes": list(length_gains(comparison.results)),
        **first_screen(comparison),
        "two": len(comparison.results) == 2,
        "worst": _worst(comparison),
        "repeated": [r for r in comparison.results if r.repeats.within is not None],
        # without the texts, tags alone
        "criteria": [one for one in comparison.criteria if examples or one.kind != CRITERION],
        "criteria_titles": CRITERIA_KINDS,
        "n_first": FIRST_ROWS,
        "too_few": TOO_FEW,
        "slices_by_kind": _by_kind(comparison.slices),
        "slice_titles": MAIN_KINDS,
        "signal": _signal(comparison),
        "browser": browser,
        # base64, which holds nothing to escape; megabytes of it need no second look
        "blocks": [Markup(block) for block in browser.blocks] if browser else [],
    }
    context["contents"] = _contents(context)
    return render("report.html", context)


def _fields(value: DataclassInstance) -> dict[str, object]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def first_screen(comparison: Comparison) -> dict[str, object]:
    """Give what is shown before anything is scrolled, and where it is drawn.

    The pairs shown are those with the first model: the baseline, or the highest score.
    """
    first = comparison.results[0].name
    with_first = [p for p in comparison.pairs if first in (p.this, p.other)]
    shown = with_first[:MOST_PAIRS]
    rest = [p for p in comparison.pairs if p not in shown]
    rows = [*comparison.results, *comparison.sanity]
    is_alone = len(comparison.results) == 1
    themes = [one for one in comparison.slices if one.kind == "theme"] if is_alone else []
    themes.sort(key=_height)
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


def _height(theme: Slice) -> float:
    unclipped = theme.cells[0].unclipped
    return math.inf if unclipped is None else unclipped


def _largest_first(wins: WinTable | None) -> WinTable | None:
    """Keep all prompts on top, then the themes with most prompts where not all can be shown."""
    if wins is None or len(wins.rows) <= MOST_THEMES:
        return wins
    every, *themes = wins.rows
    themes.sort(key=lambda row: -(row.n_better + row.n_equal + row.n_worse))
    return WinTable(wins.this, wins.other, (every, *themes))


def _contents(context: Mapping[str, object]) -> list[tuple[str, str]]:
    """List the sections that are on the page, in its order."""
    sections = [
        ("summary", "Summary", True),
        ("truth", "Known truth", context["truth"]),
        ("criteria", "Criteria", context["criteria"]),
        ("measures", "More measures", True),
        ("pairs", "Paired differences", context["pairs"]),
        ("slices", "Scores by slice", context["slices"]),
        ("signal", "Reward signal", context["signal"]),
        ("judges", "Judge", True),
        ("examples", "Examples", context["browser"]),
        ("method", "Method", True),
        ("facts", "Run details", True),
    ]
    return [(name, title) for name, title, is_there in sections if is_there]


def _signal(comparison: Comparison) -> dict[str, Markup] | None:
    """Give the section on the reward signal, where it was asked for and there are repeats.

    Its sentences stand on the page; its many tables and figures open on demand.
    """
    if comparison.signal is None:
        return None
    head, mark, tables = render_signal_section(comparison.signal).partition("<h3")
    # escaped by its own template, in this environment
    return {"head": Markup(head), "tables": Markup(mark + tables)}


def _length_note(comparison: Comparison) -> str:
    penalty = comparison.results[0].metrics["length_penalty"]
    empty = penalty * LENGTH_CENTRE_CHARS / LENGTH_UNIT_CHARS
    return (
        f"the score minus {numbers.score(penalty)} for every {LENGTH_UNIT_CHARS} characters above "
        f"{numbers.count(LENGTH_CENTRE_CHARS)}, as HealthBench published it. Shorter answers gain: "
        f"an empty one {numbers.difference(empty)}. Read it beside the score, not instead of it."
    )


def _worst(comparison: Comparison) -> dict[str, object] | None:
    """Table worst@k, with the prompts that have as many scored answers."""
    tables = [worst_at_k(m.items.h, m.table.prompt_N, clips=False) for m in comparison.measured]
    ks = sorted({k for table in tables for k in table})[:MAX_WORST_K]
    if not ks:
        return None
    rows = []
    for measured, table in zip(comparison.measured, tables, strict=True):
        scored_N = ~np.isnan(measured.items.h)
        counts_P = np.bincount(measured.table.prompt_N[scored_N])
        values = [(_clipped(table.get(k)), table.get(k), int((counts_P >= k).sum())) for k in ks]
        rows.append({"name": measured.model.name, "values": values})
    return {"ks": ks, "rows": rows}


def _clipped(value: float | None) -> float | None:
    return None if value is None else min(1.0, max(0.0, value))


def _by_kind(slices: Sequence[Slice]) -> dict[str, list[Slice]]:
    by_kind: dict[str, list[Slice]] = {}
    for one in slices:
        by_kind.setdefault(one.kind, []).append(one)
    return by_kind


def plain(value: object) -> object:
    """Turn a tree of values into what JSON holds; what is not finite becomes null."""
    if isinstance(value, Estimate):
        return {"value": value.value, "interval": value.ends}
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(_ends_of(name, entry)) for name, entry in _fields(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _ends_of(name: str, value: object) -> object:
    """Give the ends alone of what is called an interval: its value stands beside it."""
    return value.ends if isinstance(value, Estimate) and name.endswith("interval") else value


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """Give every number of the report in plain form."""
    told = _fields(comparison)
    del told["measured"], told["signal"]
    return {
        "schema_version": SCHEMA_VERSION,
        "facts": {fact.name: list(fact.lines) for fact in facts_of(comparison, "")},
        **{name: plain(value) for name, value in told.items()},
        "signal": plain(comparison.signal.to_json()) if comparison.signal else None,
    }
