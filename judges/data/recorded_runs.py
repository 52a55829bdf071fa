"""Sort recorded answers into runs: whose answers, in which run, judged by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError, near_names
from ..graded import GradedAnswer
from .recorded import Recorded


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The answers of one model in one run under one grader."""

    model: str
    label: str
    grader: str
    graded: tuple[GradedAnswer, ...]
    stored_scores: tuple[float | None, ...]
    """The item score stored beside each answer."""
    facts: Mapping[str, Any]
    """Fields that every row of the run agrees on."""


def group_runs(
    rows: Sequence[Recorded],
    *,
    default_model: str | None = None,
    model_from: Sequence[str] | None = None,
    run_from: Sequence[str] | None = None,
) -> list[RecordedRun]:
    """Sort recorded answers into runs: one for each model, run label and grader.

    Args:
        rows: The answers.
        default_model: For rows that name no model; else the name of their file.
        model_from: Fields whose values, joined by "/", name the model; by default `model` and,
            where there is one, `system`: a model behind another system is another contestant.
        run_from: Fields whose values name the run; by default `run`.

    Raises:
        DataError: No row carries a field asked for.
    """
    wanted = tuple(model_from) if model_from else ("model", "system")
    known = {key for row in rows for key in row.facts}
    for name in (*(model_from or ()), *(run_from or ())):
        if name not in known:
            raise DataError(
                f"no row has a field {name!r} to name models or runs by; {near_names(name, known)}"
            )
    groups: dict[tuple[str, str, str], list[Recorded]] = {}
    for row in rows:
        model = _joined(row.facts, wanted) or default_model or row.source
        key = (model, _joined(row.facts, run_from or ("run",)), str(row.facts.get("grader", "")))
        groups.setdefault(key, []).append(row)
    return [_run(*key, members) for key, members in groups.items()]


def _run(model: str, label: str, grader: str, rows: Sequence[Recorded]) -> RecordedRun:
    shared = dict(rows[0].facts)
    for row in rows:
        shared = {k: v for k, v in shared.items() if row.facts.get(k) == v}
    repeats = _repeats(rows)
    return RecordedRun(
        model=model,
        label=label,
        grader=grader,
        graded=tuple(
            GradedAnswer(row.example, row.answer, row.verdicts, repeat)
            for row, repeat in zip(rows, repeats, strict=True)
        ),
        stored_scores=tuple(row.score for row in rows),
        facts=shared,
    )


def _repeats(rows: Sequence[Recorded]) -> Iterator[int]:
    """Number the answers to one prompt within a run, unless the rows do."""
    seen: dict[str, int] = {}
    for row in rows:
        count = seen.get(row.example.prompt_id, 0)
        seen[row.example.prompt_id] = count + 1
        yield count if row.repeat is None else row.repeat


def _joined(facts: Mapping[str, Any], names: Sequence[str]) -> str:
    return "/".join(str(facts[name]) for name in names if facts.get(name) not in (None, ""))
