"""The table of scores that `import` and `score` print: one line a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...judges.engine.assembly import FREE
from ...judges.scoring.estimates import estimate_of
from ...reports import numbers
from ...reports.interval_words import interval_words
from ..terminal import aligned

_HEAD = (
    "model",
    "run",
    "task",
    "score",
    "95 % interval",
    "scored",
    "missing",
    "all asked between",
    "stored",
)
_RIGHT = {"score", "scored", "missing"}


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One run in the table."""

    model: str
    label: str
    task: str
    metrics: Mapping[str, Any]
    """What `Summary.to_json()` gives."""
    stored: str
    """How the stored scores compare, in a few words; empty where none are stored."""


def score_table(lines: Sequence[ScoreLine]) -> str:
    """Lay out the runs; a missing number is a dash, never 0; a column that is blank is left out."""
    cells = [_cells(line) for line in lines]
    filled = [column for column in range(len(_HEAD)) if any(row[column] for row in cells)]
    rows = [tuple(row[column] for column in filled) for row in (_HEAD, *cells)]
    return aligned(rows, {place for place, name in enumerate(rows[0]) if name in _RIGHT})


def _cells(line: ScoreLine) -> tuple[str, ...]:
    m = line.metrics
    n_prompts = min(m["n_prompts"], m["n_scored"])
    interval = estimate_of(m["score"], m["interval"], n_prompts, is_clipped=True)
    return (
        _one_line(line.model),
        _one_line(line.label),
        _one_line(line.task),
        numbers.score(m["score"]),
        numbers.NONE if m["score"] is None else interval_words(interval),
        f"{m['n_scored']} of {m['n_asked']}",
        numbers.share(m["missing_points"]),
        numbers.interval(m["score_low"], m["score_high"]) if m["n_missing_verdicts"] else "",
        line.stored,
    )


def _one_line(text: str) -> str:
    """Show a name from a file without what could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def calls_line(facts: Mapping[str, Any]) -> str:
    """Say what a judge was asked, and what it cost; from `Grader.facts`."""
    cost = facts.get("cost_usd")
    money = "cost unknown" if cost is None else f"${cost:.4f}"
    if not facts["calls"] or facts["name"] in FREE:
        money = "$0"
    missing = f"{facts['missing']:,} without verdict" if facts["missing"] else "none missing"
    return (
        f"{facts['asked']:,} criteria asked ({missing}), {facts['store_hits']:,} from the store, "
        f"{facts['calls']:,} calls, {money}"
    )
