"""Read graded runs back from result folders: ours, lm-eval's, and the logs of other programs.

A run is one model's answers to one task under one judge. A file that is broken, or holds no
verdicts on criteria, never makes a folder unreadable: it is excluded, and named with the reason.

Nothing here trusts a stored score: a run carries its verdicts, and what was stored beside them only
to be compared with what they give.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...judges.data.answers import ANSWER_FIELDS
from ...judges.data.reader import stream_rows
from ...judges.data.streams import head_of
from ...judges.errors import DataError, RubricbeatError
from .evalscope import merged
from .logs import read_log
from .run import Run
from .samples import Examples, is_results, is_samples, read_samples, samples_beside

MAX_NAMED = 5
"""Reasons given where nothing can be read."""


def read_runs(
    paths: Sequence[Path | str],
    tell: Callable[[str], None] | None = None,
    may_be_empty: Callable[[Path], bool] = lambda path: False,
) -> list[Run]:
    """Read every run below some folders, or in some files, in a stable order.

    Args:
        paths: Folders (searched recursively), `results_*.json`, `samples_*.jsonl`, or logs of
            another program (docs/data.md).
        tell: Takes a sentence on each file that is excluded; by default it goes to stderr.
        may_be_empty: Says of which paths nothing is expected; none by default.

    Raises:
        DataError: A path holds nothing that can be read; says why not.
    """
    runs: list[Run] = []
    seen: set[Path] = set()
    examples: Examples = {}
    for given in paths:
        path = Path(given)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        n_found, faults = 0, []
        for file in _candidates(path):
            if file.resolve() in seen:
                n_found += 1
                continue
            try:
                fresh = read_samples(file, examples) if is_samples(file) else read_log(file)
            except DataError as error:
                faults.append(_fault(file, error))
                continue
            if fresh:
                seen.add(file.resolve())
                n_found += 1
                runs.extend(fresh)
        if not n_found and not may_be_empty(path):
            raise DataError(_nothing(path, faults))
        for fault in faults:
            (tell or _tell)(f"excluded: {fault}")
    return sorted(merged(runs), key=lambda run: (run.model, run.task, run.label, run.path))


def _candidates(path: Path) -> Iterator[Path]:
    """List the files to look at: those below a folder, or of one results file, or one file."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif is_results(path) and not is_samples(path):
        yield from samples_beside(path)
    else:
        yield path


def _fault(file: Path, error: DataError) -> str:
    """Name the file in a message that may not name it."""
    words = str(error)
    return words if file.name in words else f"{file.name}: {words}"


def _nothing(path: Path, faults: list[str]) -> str:
    if len(faults) == 1:
        return faults[0] if path.name in faults[0] else f"{path}: {faults[0]}"
    if faults:
        more = f"; and {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
        return f"{path}: nothing can be read: {'; '.join(faults[:MAX_NAMED])}{more}"
    if path.is_file() and b"criteria_met" in head_of(path):
        return (
            f"{path}: recorded verdicts; 'rubricbeat import {path} -o results' makes results of "
            "them (--data ROWS where the rubrics are in another file)"
        )
    if _are_answers(path):
        return (
            f"{path}: these are answers, not verdicts; grade each file first: rubricbeat judge "
            f"--data {path} --rubric FILE --judge NAME -o results; then rubricbeat compare results"
        )
    if path.is_dir() and not any(path.iterdir()):
        return (
            f"{path}: the folder is empty; where a command was interrupted, its verdicts are kept, "
            "and it writes results here when it is given again"
        )
    return (
        f"{path}: no run with verdicts; expected samples_*.jsonl beside results_*.json "
        "(lm-eval writes them with --log_samples), or a log of simple-evals, inspect, evalscope, "
        "promptfoo or verifiers (docs/data.md)"
    )


def _are_answers(path: Path) -> bool:
    """Say whether a file holds rows of answers that were not graded, by its first row."""
    try:
        row = next(iter(stream_rows(path)), None) if path.is_file() else None
    except RubricbeatError:
        return False
    return (
        row is not None
        and isinstance(row.value, dict)
        and any(name in row.value for name in ANSWER_FIELDS)
    )


def _tell(words: str) -> None:
    print(f"rubricbeat: note: {words}", file=sys.stderr)
