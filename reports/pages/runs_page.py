"""One page that lists runs: what they scored, and which may be compared with each other."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...judges.scoring.estimates import estimate_of
from ...judges.scoring.run_scores import length_penalty_of, summarise
from .. import numbers
from ..comparison.models import SANITY_PREFIX, data_names
from ..comparison.stopped import score_interval
from ..interval_words import interval_words
from ..results.run import Run
from .html import render, section_page

_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d)-(\d\d))?")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, as the page shows it."""

    id: int
    """Its place among the runs that were read."""
    model: str
    label: str
    score: str
    interval: str
    n_scored: int
    n_asked: int
    n_missing: int
    date: str
    """Day and time as its files say; empty where they do not."""
    path: str
    """Folder of its file, below the folder of all."""
    height: float
    """The mean before clipping; -inf without a score."""


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs of one task, under one judge, on the same data."""

    task: str
    judge: str
    data: str
    rows: tuple[RunRow, ...]
    """The highest score first; answers that took no model last."""


def group_runs(runs: Sequence[Run]) -> list[RunGroup]:
    """Score runs, and put together what may be compared."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    same_rows = data_names(runs)
    for id, run in enumerate(runs):
        data = same_rows.get(run.data_sha256 or "", "")
        key = (run.task, run.judge_digest or _judge(run), data)
        groups.setdefault(key, []).append(id)
    return [
        RunGroup(task, _judge(runs[ids[0]]), _data(runs[ids[0]]), _rows(runs, ids))
        for (task, _, _), ids in sorted(groups.items())
    ]


def runs_page(
    groups: Sequence[RunGroup],
    notes: Sequence[str],
    *,
    links: Sequence[str] = (),
    trainings: Sequence[Mapping[str, Any]] = (),
    all_trainings: str = "",
) -> str:
    """Give the page.

    Args:
        groups: What is listed.
        notes: What is to be said beside the runs.
        links: Address of the comparison of each group, empty for none; without links runs are
            ticked, and a server answers `compare?run=ID&run=ID`.
        trainings: Training runs, a row each as `run_facts` gives it, with its `folder` and the
            `link` to its page.
        all_trainings: Address of the page of all of them beside each other; empty for none.
    """
    n_runs = sum(len(group.rows) for group in groups)
    n_models = len({row.model for group in groups for row in group.rows})
    headline = f"{numbers.counted(n_runs, 'run')} of {numbers.counted(n_models, 'model')}"
    if trainings:
        more = numbers.counted(len(trainings), "training run")
        headline = f"{headline} and {more}" if n_runs else more
    has_form = bool(groups) and not links
    context = {
        "groups": groups,
        "notes": list(dict.fromkeys(notes)),
        "picks": has_form,
        "trainings": trainings,
        "all_trainings": all_trainings,
        "links": list(links) or [""] * len(groups),
    }
    return section_page(
        "runs",
        "Runs",
        headline,
        render("runs.html", context),
        "docs/reports.md",
        has_form=has_form,
    )


def told_apart(runs: Sequence[Run]) -> list[Run]:
    """Make models of runs that are all of one model: one run is then compared with another."""
    if len(runs) < 2 or len({run.model for run in runs}) > 1:
        return list(runs)
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        root = _common_folder([run.path for run in runs])
        names = [f"{run.name} ({os.path.relpath(run.path or root, root)})" for run in runs]
    if len(set(names)) < len(names):
        return list(runs)
    return [dataclasses.replace(run, model=name) for run, name in zip(runs, names, strict=True)]


def _rows(runs: Sequence[Run], ids: Sequence[int]) -> tuple[RunRow, ...]:
    root = _common_folder([run.path for run in runs])
    rows = [_row(id, runs[id], root) for id in ids]
    return tuple(
        sorted(rows, key=lambda r: (r.model.startswith(SANITY_PREFIX), -r.height, r.model, r.label))
    )


def _row(id: int, run: Run, root: str) -> RunRow:
    m = summarise(run.graded, n_draws=0, length_penalty=length_penalty_of(run.task)).to_json()
    interval = numbers.NONE
    if m["score"] is not None:
        n_prompts = min(m["n_prompts"], m["n_scored"])
        fixed = estimate_of(m["score"], m["interval"], n_prompts, is_clipped=True)
        interval = interval_words(score_interval([run]) or fixed)
    unclipped = m["score_unclipped"]
    return RunRow(
        id=id,
        model=run.model,
        label=run.label,
        score=numbers.clipped_score(m["score"], unclipped),
        interval=interval,
        n_scored=m["n_scored"],
        n_asked=m["n_asked"],
        n_missing=m["n_missing_verdicts"],
        date=_date(run),
        path=os.path.relpath(Path(run.path).parent, root) if run.path else "",
        height=-float("inf") if unclipped is None else float(unclipped),
    )


def _common_folder(paths: Sequence[str]) -> str:
    try:
        return os.path.commonpath([Path(path).parent.resolve() for path in paths if path])
    except ValueError:  # none, or on several drives
        return os.curdir


def _date(run: Run) -> str:
    """Give the day of a run: of its file names, of its own date, or of its label."""
    for said in (run.facts.stamp, run.label):
        if found := _DAY.search(said):
            return found[1] + (f" {found[2]}:{found[3]}" if found[2] else "")
    date = run.facts.date
    if isinstance(date, int | float):
        try:
            return datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%d %H:%M")
        except (ValueError, OverflowError, OSError):
            return ""
    return ""


def _judge(run: Run) -> str:
    words = [run.judge.get(key) for key in ("name", "model", "prompt")]
    return " ".join(str(word) for word in (*words, (run.judge_digest or "")[:12]) if word)


def _data(run: Run) -> str:
    path = run.facts.data.get("path")
    digest = (run.data_sha256 or "")[:12]
    return " ".join(filter(None, (str(path) if path else "", digest)))
