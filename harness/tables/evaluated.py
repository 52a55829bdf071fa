"""What `rubricbeat run` leaves on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..evaluation.request import RunRequest
from ..evaluation.run import Evaluated
from ..terminal import command
from .ending import runs_below, show_scores
from .score import ScoreLine


def show_evaluated(
    runs: Sequence[Evaluated], request: RunRequest, words: Sequence[str], *, is_whole: bool
) -> None:
    """Print the scores of rubric tasks, and lm-eval's own table of all others.

    Args:
        runs: The model's, and those of baselines.
        request: What was asked for.
        words: The same in the words of the command line.
        is_whole: Print lm-eval's table of everything, and the path of every file.
    """
    lines = [
        ScoreLine(run.model, "", task, metrics)
        for run in runs
        for task, metrics in run.scores.items()
    ]
    for run in runs:
        if request.show_config and run.results:
            print(json.dumps(run.results["configs"], indent=2, default=str, ensure_ascii=False))
        if run.results and not request.predict_only and (is_whole or _has_others(run)):
            print(run.model, *_tables(run), sep="\n")
        if is_whole or not lines:
            print(*run.files, sep="\n")
    if lines and request.output_path:
        folder = Path(request.output_path)
        show_scores(lines, [folder], runs_below(folder))
    elif lines:
        show_scores(lines, [], [])
        print(f"next: {command([*words, '-o', 'results'])}")
    elif request.predict_only and runs and runs[0].files:
        print(f"\nnext: {_judging(runs[0], request)}")


def _judging(run: Evaluated, request: RunRequest) -> str:
    """Word the command that judges answers which were only given."""
    words = ["run", "--tasks", *request.tasks]
    for name in ("data", "columns", "rubric", "selector"):
        if (value := request.metadata.get(name)) is not None:
            words += [f"--{name}", str(value)]
    if request.limit is not None:
        words += ["--limit", f"{request.limit:g}"]
    words += ["--responses", str(run.files[0].parent), "--judge", "chat"]
    return command([*words, "--judge_args", "model=gpt-4.1-2025-04-14", "-o", "judged"])


def _has_others(run: Evaluated) -> bool:
    """Say whether a task was run that has no rubric score."""
    return bool(run.results["results"].keys() - run.scores.keys())


def _tables(run: Evaluated) -> Iterator[str]:
    from lm_eval.utils import make_table

    yield make_table(run.results)
    if "groups" in run.results:
        yield make_table(run.results, "groups")
