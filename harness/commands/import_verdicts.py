"""Turn verdicts that another program recorded into result files, without judging anything again.

FILES are JSON Lines (or .gz) with prompt_id, completion and criteria_met (true, false or null in
the order of the row's rubric); optional explanation, model, system, run, grader, score. Several
runs in one file become several runs. Rows that do not align with --data are named and left out.

Examples:
  rubricbeat import judged.jsonl.gz --data healthbench.jsonl --output_path results
  rubricbeat import judged.jsonl --data rows.jsonl --output_path results --task healthbench_hard
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from ...judges.data.columns import Columns, add_columns_argument
from ...judges.data.examples import ExampleFile, read_examples
from ...judges.data.recorded import RecordedRun, group_runs, read_recorded
from ...judges.errors import ConfigError
from ...judges.judge import JudgeIdentity
from ...judges.scoring import SEED, length_penalty_of
from ..result_files import GradedRun, WrittenRun, write_run
from ..score_table import ScoreLine, score_table
from ..stored import ItemCheck, check_items

DEFAULT_TASK = "imported"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILES", help="recorded verdicts")
    parser.add_argument(
        "--data", type=Path, required=True, help="the rows with the rubrics (docs/data.md)"
    )
    add_columns_argument(parser)
    parser.add_argument(
        "--output_path", type=Path, required=True, help="folder for the result files"
    )
    parser.add_argument(
        "--task", default=DEFAULT_TASK, help=f"task name in the results (default {DEFAULT_TASK})"
    )
    parser.add_argument(
        "--model", help="name of the model where the rows name none (default: the file's name)"
    )
    parser.add_argument(
        "--model-from",
        metavar="FIELDS",
        help="comma-separated fields that name the model (default: model,system)",
    )
    parser.add_argument(
        "--run-from", metavar="FIELDS", help="comma-separated fields that name the run (run)"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the bootstrap ({SEED})")
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first row that cannot be used"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Import, and print one line a run."""
    if not re.fullmatch(r"[\w.-]+", args.task):
        raise ConfigError(f"--task {args.task!r}: letters, digits, '_', '-' and '.' only")
    columns = Columns.read(args.columns)
    data = read_examples(args.data, strict=args.strict, columns=columns)
    _say(data.warning())
    examples = {example.prompt_id: example for example in data.examples}
    files = read_recorded(args.files, examples, strict=args.strict, columns=columns)
    for file in files:
        for words in file.warnings():
            _say(words)
    runs = group_runs(
        [row for file in files for row in file.rows],
        default_model=args.model,
        model_from=_fields(args.model_from),
        run_from=_fields(args.run_from),
    )
    checks = [check_items(run.graded, run.stored_scores) for run in runs]
    written = [
        write_run(_graded_run(run, data, check, args), args.output_path)
        for run, check in zip(runs, checks, strict=True)
    ]
    print(_shown(runs, checks, written, args))
    _say(_check_words(checks))
    return 0


def _graded_run(
    run: RecordedRun, data: ExampleFile, check: ItemCheck, args: argparse.Namespace
) -> GradedRun:
    identity = JudgeIdentity(name="recorded", model=run.grader)
    return GradedRun(
        model=run.model,
        task=args.task,
        graded=run.graded,
        judge={"identity": identity.to_json(), "digest": identity.digest},
        data=data.facts(),
        run={**run.facts, "label": run.label, "stored_item_scores": check.to_json()},
        config={"model_args": {}, "command": "import", "files": [f.name for f in args.files]},
        seed=args.seed,
        length_penalty=length_penalty_of(args.task),
    )


def _shown(
    runs: list[RecordedRun],
    checks: list[ItemCheck],
    written: list[WrittenRun],
    args: argparse.Namespace,
) -> str:
    together = list(zip(runs, checks, written, strict=True))
    if args.json:
        plain = [_plain(run, check, files, args.task) for run, check, files in together]
        return json.dumps({"runs": plain}, indent=2)
    lines = [
        ScoreLine(run.model, run.label, args.task, files.metrics, _stored_words(check))
        for run, check, files in together
    ]
    where = "1 run is" if len(lines) == 1 else f"{len(lines)} runs are"
    return f"{score_table(lines)}\n{where} in {args.output_path}"


def _plain(run: RecordedRun, check: ItemCheck, files: WrittenRun, task: str) -> dict[str, Any]:
    return {
        "model": run.model,
        "label": run.label,
        "task": task,
        "results": str(files.results),
        "samples": str(files.samples),
        "stored_item_scores": check.to_json(),
        "metrics": dict(files.metrics),
    }


def _stored_words(check: ItemCheck) -> str:
    if not check.n_compared:
        return ""
    same = check.n_compared - check.n_different
    return f"{same} of {check.n_compared} agree"


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
        raise ConfigError("--model-from and --run-from take field names, such as model,system")
    return names


def _say(words: str | None) -> None:
    if words:
        print(f"rubricbeat import: {words}", file=sys.stderr)
