"""What a command leaves on the screen: a short table, one sentence, and the next command."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ...judges.errors import DataError
from ...reports.comparison.models import SANITY_PREFIX, data_names
from ...reports.results.run import Run
from ...reports.results.samples import described, read_samples, samples_below
from ..terminal import command, terminal_width
from .score import ScoreLine, by_height, sentence, short_table

PAGE = "report.html"
"""The page that is proposed to be written."""
SMALL_BYTES = 4_000_000
"""Of result files that are read only to propose a command: about 0.1 s."""


def show_scores(
    lines: Sequence[ScoreLine], paths: Sequence[Path], runs: Sequence[Run], also: str = ""
) -> None:
    """Print what runs come to, and the command that says more.

    Args:
        lines: The runs of each model taken together.
        paths: Where the results lie; none where they were not kept.
        runs: All that is to be found there.
        also: Said beside the result.
    """
    print(short_table(lines))
    show_ending(f"{sentence(lines)} {also}".strip(), next_of(lines, paths, runs) if paths else "")


def show_ending(words: str, next_command: str) -> None:
    """Print the sentence in the width of the terminal, and the command in one line."""
    width = terminal_width()
    print(f"\n{textwrap.fill(words, width) if width else words}")
    if next_command:
        print(f"next: {next_command}")


def runs_below(folder: Path) -> list[Run]:
    """Describe the runs below a folder; what cannot be read is left.

    Their answers are read where all files are small: they tell whether data files hold one data.
    """
    files = samples_below(folder)
    are_small = sum(file.stat().st_size for file in files) < SMALL_BYTES
    return list(_described(files, read_samples if are_small else lambda file: [described(file)]))


def _described(files: Sequence[Path], read: Callable[[Path], list[Run]]) -> Iterator[Run]:
    for file in files:
        try:
            yield from read(file)
        except (DataError, OSError):  # a run that did not end, or was set aside meanwhile
            continue


def next_of(lines: Sequence[ScoreLine], paths: Sequence[Path], runs: Sequence[Run]) -> str:
    """Word the command that shows more of the highest line: `compare`, or `report` of one model.

    It is given what may be compared alone: runs of one task, one judge and the same rows.
    """
    best = by_height(lines)[0]
    of_best = [run for run in runs if (run.model, run.task) == (best.model, best.task)]
    if not of_best:
        return ""
    first = max(of_best, key=lambda run: run.facts.stamp)
    data = data_names(runs)
    same = [run for run in runs if _are_alike(run, first, data)]
    of_task = [run for run in runs if run.task == first.task]
    where = [str(path) for path in paths]
    if len(same) < len(of_task):
        where = [run.path for run in same]
    elif len(of_task) < len(runs):
        where += ["--task", first.task]
    models = {run.model for run in same}
    real = {name for name in models if not name.startswith(SANITY_PREFIX)} or models
    if len(real) > 1:
        return command(["compare", *where])
    return command(["report", *where, "-o", PAGE])


def _are_alike(run: Run, other: Run, data: Mapping[str, str]) -> bool:
    """Say whether two runs may stand in one comparison, as far as their files say."""
    facts = [(one.task, one.judge_digest, data.get(one.data_sha256 or "")) for one in (run, other)]
    return all(a == b or not (a and b) for a, b in zip(*facts, strict=True))
