"""Where a report's numbers come from: data, judges, prompts, versions, seeds, command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .comparison import Comparison
from .results.run import Run

MAX_LINES = 6
"""Different values of a fact that are listed; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the list, with a line for each value it takes over the runs."""

    name: str
    lines: tuple[str, ...]
    is_code: bool = False


def facts_of(comparison: Comparison, command: str) -> list[Fact]:
    """List what is known of how the runs came about; unknown facts say so.

    Args:
        comparison: The report.
        command: The command line that made the report, or empty.
    """
    runs = [run for m in comparison.measured for run in m.model.runs]
    facts = [
        Fact("Task", (comparison.task,)),
        Fact("Data", _lines(runs, _data_words)),
        Fact("Judge", _lines(runs, _judge_words)),
        Fact("Prompt of the judge", _lines(runs, lambda run: str(run.judge.get("prompt") or ""))),
        Fact("Settings of the judge", _lines(runs, lambda run: _pairs(run.judge.get("sampling")))),
        Fact("Digest of the judge", _lines(runs, lambda run: run.judge_digest or ""), is_code=True),
        Fact("Answers made with", _lines(runs, _generation_words)),
        Fact("Seeds", _lines(runs, lambda run: _seed_words(run), joined=True)),
        Fact("Versions", _lines(runs, lambda run: _pairs(run.facts.get("versions")))),
        Fact("Runs", _run_words(comparison)),
        Fact("Made by", (command,) if command else (), is_code=True),
    ]
    always = {"Data", "Judge"}
    return [
        fact if fact.lines else Fact(fact.name, ("not stated by the files",))
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
    data = run.facts.get("data")
    if not isinstance(data, Mapping):
        return ""
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
    config, own = run.facts.get("config"), run.facts.get("run")
    for seed in (
        own.get("seed") if isinstance(own, Mapping) else None,
        run.facts.get("seed"),
        config.get("random_seed") if isinstance(config, Mapping) else None,
    ):
        if seed is not None:
            return str(seed)
    return ""


def _generation_words(run: Run) -> str:
    config = run.facts.get("config")
    source = str(config.get("model") or "") if isinstance(config, Mapping) else ""
    source = "" if source == run.model else source  # an import has no other name for it
    settings = _pairs(run.facts.get("generation"))
    return "; ".join(part for part in (source, settings) if part)


def _pairs(value: object) -> str:
    """Write a small mapping as `name value, name value`; nested values are left out."""
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
    """Leave out the path all labels begin with: it says nothing about any of them."""
    folders = {name.rpartition("/")[0] for name in names}
    return [name.rpartition("/")[2] for name in names] if len(folders) == 1 else names


def _first(names: Iterable[str], most: int = 8) -> list[str]:
    listed = list(names)
    return listed if len(listed) <= most else [*listed[:most], f"and {len(listed) - most} more"]
