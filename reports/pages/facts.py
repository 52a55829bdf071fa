"""How the runs of a comparison were made, as the rows of its run details."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..comparison.comparison import Comparison
from ..numbers import counted
from ..results.run import Run
from ..results.values import first_of
from .svg import short

MAX_LINES = 6
"""Different values of a fact that are listed; the rest are counted."""
MAX_RUNS = 8
"""Runs of a model that are named."""
MAX_CHARS = 80


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
    seeds = dict.fromkeys(filter(None, map(_seed_words, runs)))
    facts = [
        Fact("Task", (comparison.task,)),
        Fact("Data", _lines(runs, _data_words)),
        Fact("Judge", _lines(runs, _judge_words)),
        Fact("Judge prompt", _lines(runs, lambda run: str(run.judge.get("prompt") or ""))),
        Fact("Judge settings", _lines(runs, lambda run: _pairs(run.judge.get("sampling")))),
        Fact("Judge fingerprint", _lines(runs, lambda run: run.judge_digest or ""), is_code=True),
        Fact("Generation settings", _lines(runs, _generation_words)),
        Fact("Seeds", (", ".join(seeds),) if seeds else ()),
        Fact("Versions", _lines(runs, lambda run: _pairs(run.facts.versions))),
        Fact("Runs", _run_words(comparison)),
        Fact("Command", (command,) if command else (), is_code=True),
    ]
    for n in (1, 2):  # data and judge are missed where they are not stated
        facts[n] = facts[n] if facts[n].lines else Fact(facts[n].name, ("not stated in the files",))
    return [fact for fact in facts if fact.lines]


def _lines(runs: Sequence[Run], words: Callable[[Run], str]) -> tuple[str, ...]:
    """Give each different value once; where they differ, with the models that have it."""
    models_by_value: dict[str, dict[str, None]] = {}
    for run in runs:
        if value := words(run):
            models_by_value.setdefault(value, {})[run.model] = None
    if len(models_by_value) == 1:
        return tuple(models_by_value)
    lines = [f"{value} ({', '.join(names)})" for value, names in models_by_value.items()]
    return _first(lines, MAX_LINES)


def _first(words: Sequence[str], most: int) -> tuple[str, ...]:
    more = len(words) - most
    return (*words[:most], f"and {more} more") if more > 0 else tuple(words)


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
        f"{name} {short(str(entry), MAX_CHARS)}"
        for name, entry in value.items()
        if isinstance(entry, (str, int, float, bool)) and entry != ""
    )


def _run_words(comparison: Comparison) -> tuple[str, ...]:
    lines = []
    for measured in comparison.measured:
        runs = measured.model.runs
        names = _without_shared_folder([run.label or Path(run.path).name for run in runs])
        named = ", ".join(_first(names, MAX_RUNS))
        lines.append(f"{measured.model.name}: {counted(len(runs), 'run')} ({named})")
    return _first(lines, MAX_LINES)


def _without_shared_folder(names: list[str]) -> list[str]:
    """Drop the path that all labels begin with."""
    folders = {name.rpartition("/")[0] for name in names}
    return [name.rpartition("/")[2] for name in names] if len(folders) == 1 else names
