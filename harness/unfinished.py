"""Complete an earlier run: find what has no verdict, and put new verdicts in its place."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..judges.data.responses import RunKey
from ..judges.errors import ConfigError, DataError
from ..judges.graded import GradedAnswer
from ..judges.grading import Answer
from ..judges.rubric import Rubric
from ..judges.verdict import Verdict
from ..reports.results.reader import read_runs
from ..reports.results.run import Run
from ..reports.results.samples import answers_in, described, samples_below
from .result_files import WrittenRun
from .run_documents import SpooledDocuments, answer_key

SUPERSEDED = ".superseded"
"""Put behind the name of a result file that a later one has taken the place of."""


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run in a folder of which some verdicts are missing."""

    key: RunKey
    before: tuple[GradedAnswer, ...]
    asked: tuple[Answer, ...]
    """Its answers with missing verdicts, with those criteria alone."""


def failed_runs(folder: Path, task: str, digest: str, runs: Iterable[RunKey]) -> list[FailedRun]:
    """Find what has no verdict in the results of some runs; a run that has all is left out.

    Raises:
        DataError: The folder holds no runs.
        ConfigError: It does not hold one of them, or another judge graded it.
    """
    earlier = earlier_runs(folder, task, digest)
    failed = []
    for key in runs:
        before = earlier.get(key)
        if before is None:
            known = ", ".join(sorted({model for model, _ in earlier})) or "none"
            raise ConfigError(
                f"--failed-only: {folder} holds no run of {key[0]!r} for the task {task!r}; "
                f"it holds: {known}"
            )
        asked = tuple(questions_left(before.graded))
        if asked:
            failed.append(FailedRun(key, before.graded, asked))
    return failed


def earlier_runs(folder: Path, task: str, digest: str) -> dict[tuple[str, str], Run]:
    """Read the newest run of each model and label for one task.

    Raises:
        DataError: The folder holds no runs.
        ConfigError: One of them was graded by another judge.
    """
    newest: dict[tuple[str, str], Run] = {}
    for run in read_runs([folder]):
        if run.task != task:
            continue
        key = (run.model, _label(run))
        if key not in newest or _stamp(run) > _stamp(newest[key]):
            newest[key] = run
    for run in newest.values():
        if run.judge_digest not in (None, digest):
            raise ConfigError(
                f"--failed-only: {run.name} was graded by another judge "
                f"({run.judge.get('name')} {run.judge.get('model', '')}, {run.judge_digest[:12]}); "
                "verdicts of two judges in one run cannot be compared. Give the same judge and "
                "options, or another --output_path"
            )
    return newest


def questions_left(graded: Sequence[GradedAnswer]) -> Iterator[Answer]:
    """Give, for each answer with missing verdicts, the answer with those criteria alone.

    A judge reads one criterion at a time, so that a rubric with fewer of them asks the very same
    questions, and nothing that has its verdict is asked, stored or not.
    """
    for answer in graded:
        left = _missing(answer)
        if left and not answer.is_absent:
            criteria = answer.example.rubric.criteria
            example = replace(answer.example, rubric=Rubric(tuple(criteria[i] for i in left)))
            yield Answer(example, answer.answer, answer.repeat)


def merge(before: Sequence[GradedAnswer], fresh: Sequence[GradedAnswer]) -> list[GradedAnswer]:
    """Put fresh verdicts into the places that `questions_left` took them from."""
    rest = iter(fresh)
    merged = []
    for answer in before:
        left = _missing(answer)
        if not left or answer.is_absent:
            merged.append(answer)
            continue
        new = next(rest)
        rows = [answer.verdicts, *answer.replicates]
        new_rows = [new.verdicts, *new.replicates]
        filled = [
            _filled(row, new_row, left) for row, new_row in zip(rows, new_rows, strict=False)
        ] + rows[len(new_rows) :]
        merged.append(
            replace(answer, verdicts=filled[0], replicates=tuple(tuple(row) for row in filled[1:]))
        )
    return merged


def retire(
    folder: Path,
    run: RunKey,
    task: str,
    digest: str,
    written: WrittenRun,
    answers: SpooledDocuments,
    *,
    there: Container[Path] = (),
) -> int:
    """Set earlier results of the very same run aside, so that it does not count twice.

    The same run: model, label, task and judge, and no answer that the new one lacks. Files are
    renamed, never deleted. Earlier samples are read line by line. Of two commands that end at the
    same moment the later results stay.

    Args:
        folder: Where results lie.
        run: Model and label.
        task: Name of the task.
        digest: Of the judge.
        written: The new results.
        answers: What they hold.
        there: Samples that were there when the command began: earlier, whatever their stamp says.

    Returns:
        How many results were set aside.
    """
    n_retired = 0
    new = np.unique(np.array(answers.keys, dtype=np.uint64))
    for samples in samples_below(folder):
        if samples == written.samples:
            continue
        try:
            earlier = described(samples)
            same = (earlier.model, _label(earlier), earlier.task) == (*run, task)
            before = samples in there or _stamp(earlier) < _stamp(described(written.samples))
            if not (same and before) or earlier.judge_digest != digest:
                continue
            old = np.fromiter((answer_key(*each) for each in answers_in(samples)), np.uint64)
        except (DataError, OSError) as error:
            if samples.exists():  # else another command has just set it aside
                print(f"rubricbeat: left as it is: {error}", file=sys.stderr)
            continue
        if not len(old) or not np.isin(old, new).all():
            continue
        for path in sorted(samples.parent.iterdir()):
            if path == samples or path.name == f"results_{_stamp(earlier)}.json":
                with contextlib.suppress(FileNotFoundError):
                    path.rename(path.with_name(path.name + SUPERSEDED))
        n_retired += 1
    return n_retired


def _missing(answer: GradedAnswer) -> list[int]:
    rows = [answer.verdicts, *answer.replicates]
    n_criteria = len(answer.verdicts)
    return [i for i in range(n_criteria) if any(row[i].met is None for row in rows)]


def _filled(
    row: Sequence[Verdict], new_row: Sequence[Verdict], left: Sequence[int]
) -> tuple[Verdict, ...]:
    filled = list(row)
    for index, verdict in zip(left, new_row, strict=True):
        if filled[index].met is None:
            filled[index] = verdict
    return tuple(filled)


def _label(run: Run) -> str:
    """Give the label the run was given; empty where its stamp stands in for one."""
    given = run.facts.get("run")
    return str(given.get("label") or "") if isinstance(given, Mapping) else ""


def _stamp(run: Run) -> str:
    return str(run.facts.get("stamp") or "")
