"""Turn verdicts that another program recorded into result files, without judging anything again.

FILES are rows, in any form of docs/data.md, with prompt_id, completion and criteria_met (true,
false or null in the order of the row's rubric); optional explanation, model, system, run, grader,
score. Several runs in one file become several runs. Rows that do not align with --data are named
and excluded. FILES may also be logs of simple-evals, inspect, evalscope, promptfoo or verifiers,
which hold their rubrics: they need no --data; nor do rows with prompt and rubric in them.

Examples:
  rubricbeat import judged.jsonl.gz --data healthbench.jsonl -o results
  rubricbeat import 2026-01-02_healthbench.eval -o results
  rubricbeat import judged.jsonl --data rows.jsonl -o results --task healthbench_hard
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...judges.data.examples import read_examples
from ...judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ...judges.data.recorded import RecordedRun, group_runs, hold_rubrics, read_recorded
from ...judges.data.streams import is_stdin
from ...judges.errors import ConfigError, DataError
from ...judges.judge import JudgeIdentity
from ...judges.scoring.missing_reasons import MissingVerdicts, allowed_share
from ...judges.scoring.run_scores import length_penalty_of
from ...reports.results.evalscope import merged
from ...reports.results.logs import read_log
from ...reports.results.run import Run, RunFacts
from ..flags import add_all, add_allow_missing, add_output_folder, add_seed, require_task_name, told
from ..results.recheck import ItemCheck, check_items
from ..results.writer import GradedRun, WrittenRun, write_run
from ..tables.score import ScoreLine, pooled, runs_below, score_table, show_scores
from ..terminal import print_json, say

DEFAULT_TASK = "imported"
_say = partial(say, command="import")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILES", help="recorded verdicts")
    parser.add_argument("--data", type=Path, help="the rows with the rubrics (docs/data.md)")
    add_rows_arguments(parser)
    add_output_folder(parser, "folder for the result files")
    parser.add_argument(
        "--task", help=f"task name in the results (default: the log's, else {DEFAULT_TASK})"
    )
    parser.add_argument(
        "--model", help="name of the model where the rows name none (default: the file's name)"
    )
    parser.add_argument(
        "--model_from",
        metavar="FIELDS",
        help="comma-separated fields that name the model (default: model,system)",
    )
    parser.add_argument(
        "--run_from", metavar="FIELDS", help="comma-separated fields that name the run (run)"
    )
    add_seed(parser, "seed of bootstrap_std")
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first row that cannot be used"
    )
    add_all(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_allow_missing(parser)


def run(args: argparse.Namespace) -> int:
    """Import, and print one line per run."""
    if args.task is not None:
        require_task_name(args.task)
    allowed = allowed_share(args.allow_missing)
    rows, logs = _sorted(args.files)
    sources = [_of_log(run, args) for run in logs]
    if rows or not logs:
        sources += _of_rows(rows, args)
    graded = [_graded_run(source, args) for source in sources]
    written = [write_run(one, args.output_path) for one in graded]
    if args.json:
        print_json({"runs": [_plain(*each) for each in zip(sources, written, strict=True)]})
    else:
        _show(sources, graded, written, args)
    _say(_check_words([source.check for source in sources]))
    missing = MissingVerdicts.of((one for source in sources for one in source.run.graded), allowed)
    return told(missing, "import", "the results are written")


@dataclass(frozen=True, slots=True)
class _Source:
    """A run to be written, and where it comes from."""

    run: RecordedRun
    task: str
    judge: str
    """Name of the judge: the program that recorded its verdicts."""
    check: ItemCheck
    data: Mapping[str, object] = field(default_factory=dict)


def _sorted(files: Sequence[Path]) -> tuple[list[Path], list[Run]]:
    """Tell files of rows from logs of other programs, and read the logs."""
    found = {file: read_log(file) for file in files if not is_stdin(file) and file.is_file()}
    logs = [run for runs in found.values() for run in runs]
    for note in (note for run in logs for note in run.notes):
        _say(note)
    return [file for file in files if not found.get(file)], merged(logs)


def _of_log(run: Run, args: argparse.Namespace) -> _Source:
    judge = run.judge
    none = (None,) * len(run.graded)
    recorded = RecordedRun(
        run.model, run.label, str(judge.get("model") or ""), run.graded, none, facts={}
    )
    task = re.sub(r"[^\w.-]+", "-", args.task or run.task)
    name = str(judge.get("name") or "recorded")
    return _Source(recorded, task, name, check_items(run.graded, none))


def _of_rows(files: Sequence[Path], args: argparse.Namespace) -> list[_Source]:
    missing = [file for file in files if not (is_stdin(file) or file.exists())]
    if missing:
        raise DataError(f"{missing[0]}: no such file")
    columns = columns_of(args, is_shared=True)
    own = args.data is None or args.data in files  # the rows hold their prompts and rubrics too
    if own and not all(hold_rubrics(file, columns) for file in files):
        raise ConfigError(
            f"{files[0]}: recorded verdicts name their criteria by position only; add --data ROWS, "
            "the file with the rubrics, or put 'prompt' and 'rubric' beside them"
        )
    examples, facts = None, {}
    if not own:
        data = read_examples(args.data, strict=args.strict, columns=columns)
        _say(data.warning())
        examples, facts = {e.prompt_id: e for e in data.examples}, data.facts()
    read = read_recorded(files, examples, strict=args.strict, columns=columns)
    for file in read:
        for words in file.warnings():
            _say(words)
    runs = group_runs(
        [row for file in read for row in file.rows],
        default_model=args.model,
        model_from=_fields(args.model_from),
        run_from=_fields(args.run_from),
    )
    task = args.task or DEFAULT_TASK
    return [
        _Source(run, task, "recorded", check_items(run.graded, run.stored_scores), facts)
        for run in runs
    ]


def _graded_run(source: _Source, args: argparse.Namespace) -> GradedRun:
    run = source.run
    identity = JudgeIdentity(name=source.judge, model=run.grader)
    check = source.check.to_json()
    return GradedRun(
        model=run.model,
        task=source.task,
        graded=run.graded,
        judge={"identity": identity.to_json(), "digest": identity.digest},
        data=source.data,
        run={
            **run.facts,
            "label": run.label,
            "stored_item_scores": check,
            **MissingVerdicts.of(run.graded).facts(),
        },
        config={"model_args": {}, "command": "import", "files": [f.name for f in args.files]},
        seed=args.seed,
        length_penalty=length_penalty_of(source.task),
    )


def _show(
    sources: Sequence[_Source],
    graded: Sequence[GradedRun],
    written: Sequence[WrittenRun],
    args: argparse.Namespace,
) -> None:
    if args.all:
        lines = []
        for source, files in zip(sources, written, strict=True):
            run, n = source.run, source.check.n_compared
            stored = f"{n - source.check.n_different} of {n} agree" if n else ""
            lines.append(ScoreLine(run.model, run.label, source.task, files.metrics, stored))
        print(score_table(lines), end="\n\n")
    runs = [
        Run(one.model, source.run.label, one.task, source.run.graded,
            facts=RunFacts(judge=one.judge, data=one.data))
        for one, source in zip(graded, sources, strict=True)
    ]  # fmt: skip
    show_scores(pooled(runs), [args.output_path], runs_below(args.output_path))


def _plain(source: _Source, files: WrittenRun) -> dict[str, object]:
    return {
        "model": source.run.model,
        "label": source.run.label,
        "task": source.task,
        "results": str(files.results),
        "samples": str(files.samples),
        "stored_item_scores": source.check.to_json(),
        "metrics": dict(files.metrics),
    }


def _check_words(checks: list[ItemCheck]) -> str | None:
    n_compared = sum(check.n_compared for check in checks)
    n_different = sum(check.n_different for check in checks)
    if not n_compared:
        return None
    return (
        f"stored item scores: {n_compared} compared with their verdicts, {n_different} differ "
        "by more than 1e-9"
    )


def _fields(words: str | None) -> tuple[str, ...] | None:
    if words is None:
        return None
    names = tuple(word.strip() for word in words.split(",") if word.strip())
    if not names:
        raise ConfigError("--model_from and --run_from take field names, such as model,system")
    return names
