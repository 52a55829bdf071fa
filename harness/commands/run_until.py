"""`rubricbeat run --until_width`: the model answers all rows, and `judge` grades what it takes.

lm-eval judges and sums up all documents of a task or none: one that was not graded would count as
missing in its table. So lm-eval only writes the answers, and the same command grades them as for
answers that are there already.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...judges.budget.stopping import Method
from ...judges.data.examples import example_from_row, example_to_row
from ...judges.errors import ConfigError
from ...judges.files import write_file
from ..flags import require_task_name
from ..terminal import command, say
from ..until import stop_rule_of
from .setup.catalogue import parser_of

if TYPE_CHECKING:
    from ..evaluation.request import RunRequest

ANSWERS = "answers"
"""Folder below the results."""


def check_until(args: argparse.Namespace) -> None:
    """Refuse what cannot go with the rule.

    Raises:
        ConfigError: Such a flag, or one that is lacking.
    """
    stop_rule_of(None, args.until_width, 0.0, Method.ASYMPTOTIC, "--until_width")
    for name in ("predict_only", "responses", "baselines"):
        if getattr(args, name):
            raise ConfigError(
                f"--until_width grades the model's new answers: remove --{name}; answers that are "
                "there already are graded by `rubricbeat judge --responses DIR --until_width W`"
            )
    for name, of in (("judge", "NAME"), ("output_path", "DIR")):
        if not getattr(args, name):
            raise ConfigError(f"--until_width needs --{name} {of}")


def run_until(args: argparse.Namespace, request: RunRequest) -> int:
    """Let the model answer, then grade until the score is known; give the exit code."""
    from ..evaluation.run import Evaluated, evaluate

    tasks = _tasks(request)
    answers = Path(args.output_path) / ANSWERS
    for name in tasks:
        _judge(_words(args, request, name, answers / "ROWS", answers / "SAMPLES"))
    runs: list[Evaluated] = []
    code = evaluate(replace(request, predict_only=True, output_path=str(answers)), runs)
    if code:
        return code
    for done in runs:
        for name in tasks if done.files else ():  # another rank writes and judges
            named = re.compile(rf"samples_{re.escape(name)}_[\dT.:-]+\.jsonl")
            samples = next(path for path in done.files if named.fullmatch(path.name))
            rows = samples.with_name(samples.name.replace("samples_", "rows_", 1))
            _write_rows(samples, rows, request.system_instruction)
            words = _words(args, request, name, rows, samples)
            say(f"the answers are written; they are graded by: {command(words)}")
            module, given = _judge(words)
            code = int(module.run(given)) or code
    return code


def _judge(words: Sequence[str]) -> tuple[Any, argparse.Namespace]:
    module, parser = parser_of(words[0])
    given = parser.parse_args(words[1:])
    given.words = list(words)
    return module, given


def _tasks(request: RunRequest) -> list[str]:
    """Name the tasks, after their rows are read and their judges can be opened."""
    from ...tasks.rubric_task import RubricTask
    from ..evaluation.models import load_tasks, task_manager
    from ..evaluation.run import quiet

    quiet(request.verbosity)
    names = []
    for task in load_tasks(task_manager(request), request):
        name = task if isinstance(task, str) else str(task.config.task)
        if not isinstance(task, RubricTask) or type(task).summarise is not RubricTask.summarise:
            raise ConfigError(f"--until_width: {name} has no score by rubrics; run it without")
        task.close_judge()
        require_task_name(name, "--until_width, task")
        names.append(name)
    return names


def _words(
    args: argparse.Namespace, request: RunRequest, task: str, rows: Path, samples: Path
) -> list[str]:
    """Word the command that grades the answers to one task."""
    words = ["judge", "--data", str(rows), "--responses", str(samples), "--task", task]
    words += ["--judge", args.judge, "--until_width", repr(args.until_width)]
    given = {
        "judge_args": args.judge_args,
        "seed": request.seeds[-1],
        "run": request.metadata.get("run"),
        "allow_missing": request.metadata.get("allow_missing") or None,
    }
    for name, value in given.items():
        words += [f"--{name}", str(value)] if value is not None else []
    return [*words, *(["--all"] if args.all else []), "-o", str(args.output_path)]


def _write_rows(samples: Path, rows: Path, instruction: str | None) -> None:
    """Write the rows that were answered, as the model was sent them, with their rubrics."""
    from ...tasks.lm_eval_adapter import with_instruction

    lines = []
    with samples.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)["doc"]
            example = with_instruction(example_from_row(row, where=str(samples)), instruction)
            lines.append(json.dumps(example_to_row(example), ensure_ascii=False) + "\n")
    write_file(rows, "".join(lines))
