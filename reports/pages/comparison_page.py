"""One self-contained HTML page of a comparison; its first screen is `first_screen.py`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

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
from ..comparison.slices import Slice
from ..comparison.truth import TruthTable
from ..results.run import Run
from ..results.values import first_of
from .browser import browser_data
from .first_screen import first_screen
from .html import frame, render
from .signal_page import render_signal_section

MAX_LINES = 6
"""Different values of a fact that are listed; the rest are counted."""
MAIN_KINDS = {"theme": "By theme", "axis": "By axis", "sign": "By sign of points"}
CRITERIA_KINDS = {CRITERION: "Single criteria", "tag": "By tag"}
FIRST_ROWS = 8
"""Rows of a group of criteria that are open; the rest are folded."""
MAX_WORST_K = 8
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


@dataclass(frozen=True, slots=True)
class Fact:
    """One run detail, with a line for each value it takes over the runs."""

    name: str
    lines: tuple[str, ...]
    is_code: bool = False


def facts_of(comparison: Comparison, command: str) -> list[Fact]:
    """List how the runs were made; what is not known is said to be so.

    Args:
        comparison: The report.
        command: The command line that made the report, or empty.
    """
    runs = [run for m in comparison.measured for run in m.model.runs]
    facts = [
        Fact("Task", (comparison.task,)),
        Fact("Data", _lines(runs, _data_words)),
        Fact("Judge", _lines(runs, _judge_words)),
        Fact("Judge prompt", _lines(runs, lambda run: str(run.judge.get("prompt") or ""))),
        Fact("Judge settings", _lines(runs, lambda run: _pairs(run.judge.get("sampling")))),
        Fact("Judge fingerprint", _lines(runs, lambda run: run.judge_digest or ""), is_code=True),
        Fact("Generation settings", _lines(runs, _generation_words)),
        Fact("Seeds", _lines(runs, lambda run: _seed_words(run), joined=True)),
        Fact("Versions", _lines(runs, lambda run: _pairs(run.facts.versions))),
        Fact("Runs", _run_words(comparison)),
        Fact("Command", (command,) if command else (), is_code=True),
    ]
    always = {"Data", "Judge"}
    return [
        fact if fact.lines else Fact(fact.name, ("not stated in the files",))
        for fact in facts
        if fact.lines or fact.name in always
    ]


def _lines(
    runs: Sequence[Run], words: Callable[[Run], str], *, joined: bool = False
) -> tuple[str, ...]:
    """Give each different value once; where they differ, with the models that have it."""
    models_by_value: dict[str, list[str]] = {}
    for run in runs:
        value = words(run)
        if value:
            names = models_by_value.setdefault(value, [])
            if run.model not in names:
                names.append(run.model)
    if joined:
        return (", ".join(models_by_value),) if models_by_value else ()
    if len(models_by_value) == 1:
        return tuple(models_by_value)
    lines = [f"{value} ({', '.join(names)})" for value, names in models_by_value.items()]
    return _shortened(lines)


def _shortened(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= MAX_LINES:
        return tuple(lines)
    return (*lines[:MAX_LINES], f"and {len(lines) - MAX_LINES} more")


def _data_words(run: Run) -> str:
    data = run.facts.data
    parts = [str(data["path"])] if data.get("path") else []
    if data.get("n_rows"):
        parts.append(f"{data['n_rows']} rows")
    if data.get("sha256"):
        parts.append(f"sha256 {data['sha256']}")
    return ", ".join(parts)


def _judge_words(run: Run) -> str:
    judge = run.judge
    words = [str(judge[key]) for key in ("name", "model") if judge.get(key)]
    if words and judge.get("version"):
        words.append(f"(version {judge['version']})")
    return " ".join(words)


def _seed_words(run: Run) -> str:
    facts = run.facts
    seed = first_of((facts.run.get("seed"), facts.seed, facts.config.get("random_seed")))
    return "" if seed is None else str(seed)


def _generation_words(run: Run) -> str:
    source = str(run.facts.config.get("model") or "")
    source = "" if source == run.model else source  # an import has no other name for it
    settings = _pairs(run.facts.generation)
    return "; ".join(part for part in (source, settings) if part)


def _pairs(value: object) -> str:
    """Write a small mapping as `name value, name value`, without nested values."""
    if not isinstance(value, Mapping):
        return ""
    return ", ".join(
        f"{name} {_short(entry)}"
        for name, entry in value.items()
        if isinstance(entry, (str, int, float, bool)) and _short(entry)
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _run_words(comparison: Comparison) -> tuple[str, ...]:
    lines = []
    for measured in comparison.measured:
        runs = measured.model.runs
        names = _without_shared_folder([run.label or Path(run.path).name for run in runs])
        label = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
        lines.append(f"{measured.model.name}: {label} ({', '.join(_first(names))})")
    return _shortened(lines)


def _without_shared_folder(names: list[str]) -> list[str]:
    """Drop the path that all labels begin with."""
    folders = {name.rpartition("/")[0] for name in names}
    return [name.rpartition("/")[2] for name in names] if len(folders) == 1 else names


def _first(names: Iterable[str], most: int = 8) -> list[str]:
    listed = list(names)
    return listed if len(listed) <= most else [*listed[:most], f"and {len(listed) - most} more"]


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
    signal = _signal(comparison)
    browser = browser_data(comparison) if examples else None
    stopped = comparison.stopping.words() if comparison.stopping is not None else []
    context: dict[str, Any] = {
        **frame("text.js", "report.js"),
        "task": comparison.task,
        "headline": comparison.headline,
        "problems": comparison.problems,
        "notes": [
            *(note for note in comparison.notes if note not in stopped),
            *length_order(comparison.results),
        ],
        "stopped": stopped,
        "truth": truth,
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
        "corrected_pairs": comparison.corrected_pairs,
        "corrected_titles": TITLES,
        "rules": RULES,
        "length_note": _length_note(comparison),
        "length_notes": list(length_gains(comparison.results)),
        **first_screen(comparison),
        "pairs": comparison.pairs,
        "n_tested": comparison.n_tested,
        "two": len(comparison.results) == 2,
        "worst": _worst(comparison),
        "repeat_rows": _repeat_rows(comparison),
        "criteria_groups": _criteria_groups(comparison, with_texts=examples),
        "n_first": FIRST_ROWS,
        "slices": comparison.slices,
        "too_few": TOO_FEW,
        **_slice_groups(comparison.slices),
        "signal": signal,
        "browser": browser,
        # base64, which holds nothing to escape; megabytes of it need no second look
        "blocks": [Markup(block) for block in browser.blocks] if browser else [],
    }
    context["contents"] = _contents(context)
    return render("report.html", context)


def _contents(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the sections that are on the page, in its order."""
    sections = [
        ("summary", "Summary", True),
        ("truth", "Known truth", context["truth"]),
        ("criteria", "Criteria", context["criteria_groups"]),
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


def _worst(comparison: Comparison) -> dict[str, Any] | None:
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


def _repeat_rows(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for result in comparison.results:
        split = result.repeats
        if split.within is None:
            continue
        words = (
            "more repeats help; more prompts help more"
            if split.more_repeats_help
            else "add prompts; more repeats help little"
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


def _criteria_groups(comparison: Comparison, *, with_texts: bool) -> list[dict[str, Any]]:
    """Title the groups of criteria; without the texts, tags alone."""
    return [
        {
            "title": CRITERIA_KINDS.get(group.kind) or f"By {group.kind.replace('_', ' ')}",
            "kind": group.kind,
            "rows": group.rows,
            "n_rows": group.n_rows,
        }
        for group in comparison.criteria
        if with_texts or group.kind != CRITERION
    ]


def plain(value: Any) -> Any:
    """Turn a tree of values into what JSON holds; what is not finite becomes null."""
    if isinstance(value, Estimate):
        return {"value": value.value, "interval": value.ends}
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: plain(_ends_of(name, entry)) for name, entry in fields.items()}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _ends_of(name: str, value: Any) -> Any:
    """Give the ends alone of what is called an interval: its value stands beside it."""
    return value.ends if isinstance(value, Estimate) and name.endswith("interval") else value


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Give every number of the report in plain form."""
    fields = {f.name: getattr(comparison, f.name) for f in dataclasses.fields(comparison)}
    del fields["measured"]
    fields["signal"] = comparison.signal.to_json() if comparison.signal else None
    facts = {fact.name: list(fact.lines) for fact in facts_of(comparison, "")}
    told = {name: plain(value) for name, value in fields.items()}
    return {"schema_version": SCHEMA_VERSION, "facts": facts, **told}
