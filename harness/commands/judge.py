r"""Grade saved answers with a judge, and write result files.

--data are rows, in any form of docs/data.md: a prompt, its rubric (or --rubric, one for all), and
the answer as 'completion'. Answers may also be in a separate file, --responses, with prompt_id and
completion, optional model and run; or in lm-eval's samples_*.jsonl, or a folder of them.
Verdicts are stored as they arrive: the same command run again asks only for missing ones.

Examples:
  rubricbeat judge --data answers.csv --rubric rubric.txt --judge chat --judge_args model=gpt-4.1 \
      --output_path results
  rubricbeat judge --data rows.jsonl --responses answers.jsonl --judge chat \
      --judge_args model=gpt-4.1,max_concurrency=64 -o results --dry_run
  rubricbeat judge --data rows.jsonl --responses results --judge chat \
      --judge_args model=NAME,base_url=http://127.0.0.1:8000/v1 --shape prefix -o judged
  rubricbeat judge --data rows.jsonl --responses A.csv B.csv --judge chat \
      --judge_args model=gpt-4.1 -o judged --until_decided 0.95 --rope 0.01

--until_decided grades prompts in a random order, all models alike, and stops when it is known which
model is better: docs/least-cost.md.

--engine ray uses many workers, on one machine or a cluster (docs/scale.md).
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

from ...judges.audit.upkeep.families import family_warning
from ...judges.budget.stopping import StopRule
from ...judges.data.examples import ExampleFile, read_examples
from ...judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ...judges.data.responses import Census, Responses
from ...judges.data.streams import name_of
from ...judges.engine.assembly import store_place
from ...judges.engine.cost_estimate import CostEstimate
from ...judges.errors import ConfigError, RubricbeatError
from ...judges.files import require_folder, require_folders_below, require_room
from ...judges.grader import Grader, RuntimeOptions
from ...judges.judge import require_any_askable, require_askable
from ...judges.scoring.missing_reasons import allowed_share
from ...judges.scoring.run_scores import SEED
from ...reports.comparison.stopped import RESUME
from ..asked import AllAnswers
from ..distributed.flags import (
    RAY,
    add_worker_arguments,
    check_worker_arguments,
    opened,
    report_workers,
    run_workers,
)
from ..flags import (
    add_all,
    add_allow_missing,
    add_judge_arguments,
    add_output_folder,
    judge_options_of,
    keys_stand_in,
    needs_no_failed_only,
    require_seed,
    require_task_name,
    told,
)
from ..results.documents import Spool
from ..results.earlier import foretold, sources_of
from ..results.judged_runs import JudgedRun, JudgedRuns
from ..results.writer import sanitized
from ..sampling import SampledAnswers, add_sample_arguments, check_sample_arguments
from ..tables.score import ScoreLine, calls_line, runs_below, score_table, show_scores
from ..terminal import print_json, say
from ..until import GradingOrder, add_until_arguments, stop_rule_of

DEFAULT_TASK = "judged"
VERDICT_BYTES = 1_000
"""Of a verdict on disk with its words, about."""
_WHAT_NOW = "results are written; run the same command again to ask for the rest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--data", type=Path, required=True, help="rows with rubrics (docs/data.md)")
    parser.add_argument(
        "--responses",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="saved answers: files, or folders of samples (default: the rows hold them)",
    )
    add_rows_arguments(parser)
    add_judge_arguments(parser)
    add_output_folder(parser, "folder for the result files")
    parser.add_argument(
        "--dry_run", action="store_true", help="print calls, tokens and cost; send nothing"
    )
    parser.add_argument("--failed_only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, help="only answers to the first N prompts")
    parser.add_argument("--task", default=DEFAULT_TASK, help=f"task name (default {DEFAULT_TASK})")
    parser.add_argument("--model", help="model name; overrides the rows' own")
    parser.add_argument("--run", metavar="LABEL", help="run label; overrides the rows' own")
    parser.add_argument(
        "--seed", type=int, default=SEED, help="seed of bootstrap_std and of the order"
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first bad row of --data")
    add_all(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_allow_missing(parser)
    add_until_arguments(parser)
    add_sample_arguments(parser)
    add_worker_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Grade, write, and print one line per run; 1 where verdicts are still to be had."""
    rule = _check(args)
    check_worker_arguments(args)
    columns = columns_of(args, is_shared=True)
    args.responses = args.responses or [args.data]
    holds_rows = args.responses == [args.data]
    data = read_examples(args.data, strict=args.strict, columns=columns, with_answers=holds_rows)
    say(data.warning())
    options = judge_options_of(args)
    needs_no_failed_only(args, options)
    examples = {example.prompt_id: example for example in data.examples}
    responses = Responses(
        args.responses,
        examples,
        model=args.model,
        label=args.run,
        limit=args.limit,
        columns=columns,
        holds_rows=holds_rows,
    )
    census = responses.census()
    for warning in census.warnings():
        say(warning)
    asked = _asked(args, rule, responses, census)
    say(family_warning(options, [model for model, _ in census.runs]))
    workers = None
    if args.engine == RAY and not args.dry_run:
        if not args.store_only:
            _require_folders(args, census)
        workers = run_workers(args, options, examples, responses)
        if args.store_only:
            return report_workers(workers, args)
    no_key = keys_stand_in(options) if args.dry_run else contextlib.nullcontext()
    with no_key, opened(options, workers) as grader:
        require_askable(grader.judge, examples.values())
        require_any_askable(grader.judge, examples.values())
        for words in asked.told(grader):
            say(words)
        if args.dry_run:
            return _dry_run(grader.estimate([answer for _, answer in asked]), args)
        _require_folders(args, census)
        _require_room(args, grader.options, census)
        if not asked.facts():
            place = (args.task, grader.identity.digest, _config(args, asked))
            for words in foretold(args.output_path, census.runs, responses, *place):
                say(words)
        with Spool(args.output_path) as spool:
            judged = JudgedRuns(spool, args.output_path, allowed_share(args.allow_missing))
            fault = _grade(grader, judged, asked)
            if fault is None and (change := responses.change()) is not None:
                fault = RubricbeatError(change)
            runs = _write(judged, grader, data, args, asked)
        _report(runs, judged, grader, args, asked)
        stopped = asked.stopped(grader.outage or grader.stopped or judged.deadline)
        if stopped:
            say(f"the judge stopped: {stopped}; what was finished is kept, {RESUME}")
        if fault is not None:
            raise fault
        code = told(judged.missing, "judge", _WHAT_NOW)
        return int(code or bool(stopped or census.mostly_empty()))


def _asked(
    args: argparse.Namespace, rule: StopRule | None, responses: Responses, census: Census
) -> AllAnswers:
    if rule is not None:
        return GradingOrder(rule, list(responses), args.seed)
    if args.sample is not None:
        return SampledAnswers(args, responses)
    return AllAnswers(responses, census.n_answers, census.n_criteria)


def _grade(grader: Grader, judged: JudgedRuns, asked: AllAnswers) -> RubricbeatError | None:
    """Grade until all is graded or decided; give the error that is to be said at the end."""
    try:
        for key, graded in asked.grade(grader):
            judged.add(key, graded)
    except RubricbeatError as error:
        if not asked.is_kept(judged):
            raise
        return error
    except KeyboardInterrupt:
        if grader.options.store is not False:
            say(f"results are not written; {RESUME}")
        raise
    return None


def _require_room(args: argparse.Namespace, limits: RuntimeOptions, census: Census) -> None:
    """See that the disks have room for what the run will write, before anything is paid for."""
    n_bytes = census.n_criteria * limits.replicates * VERDICT_BYTES + 2 * census.n_bytes
    # the answers wait in a file of their own until the results are written
    require_room(args.output_path, 2 * n_bytes, "the results")
    place = store_place(limits)
    if isinstance(place, Path):
        require_room(place.parent, n_bytes, "the verdict store")


def _check(args: argparse.Namespace) -> StopRule | None:
    """Refuse what would be found out when everything is graded and paid for; give the stop rule."""
    if args.limit is not None and args.limit < 1:
        raise ConfigError(f"--limit {args.limit}: at least 1")
    require_seed(args.seed)
    allowed_share(args.allow_missing)
    require_task_name(args.task)
    check_sample_arguments(args)
    rule = stop_rule_of(
        args.until_decided, args.until_width, args.rope, args.sequence, "--until_decided"
    )
    if (rule or args.sample) and args.engine == RAY:
        raise ConfigError("--engine ray grades all answers: remove it, or --until... and --sample")
    return rule


def _require_folders(args: argparse.Namespace, census: Census) -> None:
    require_folder(args.output_path)
    require_folders_below(args.output_path, (sanitized(model) for model, _ in census.runs))


def _dry_run(estimate: CostEstimate, args: argparse.Namespace) -> int:
    if args.json:
        print_json(estimate.to_json())
    else:
        print(estimate.line())
        print("nothing was sent")
    return 0


def _write(
    judged: JudgedRuns,
    grader: Grader,
    data: ExampleFile,
    args: argparse.Namespace,
    asked: AllAnswers,
) -> list[JudgedRun]:
    runs = list(
        judged.write(
            args.task,
            judge=_facts(grader, asked),
            data=data.facts(),
            config=_config(args, asked),
            seed=args.seed,
        )
    )
    for run in runs:
        if run.n_retired:
            say(
                f"{run.key[0]}: {run.n_retired} earlier results of the same run were renamed "
                "(*.superseded)"
            )
    return runs


def _config(args: argparse.Namespace, asked: AllAnswers) -> dict[str, object]:
    return {
        "command": "judge",
        "responses": ", ".join(Path(name_of(path)).name for path in args.responses),
        "sources": sources_of(args.data, args.responses, args.columns),
        "limit": args.limit,
        **asked.facts(),
    }


def _facts(grader: Grader, asked: AllAnswers) -> dict[str, object]:
    """Give the judge's facts, without what was lined up and not asked any more."""
    facts = grader.facts()
    return facts | {name: facts[name] - asked.n_unasked for name in ("asked", "missing")}


def _report(
    runs: Sequence[JudgedRun],
    judged: JudgedRuns,
    grader: Grader,
    args: argparse.Namespace,
    asked: AllAnswers,
) -> None:
    facts = _facts(grader, asked)
    if args.json:
        plain = [
            {
                "model": run.key[0],
                "run": run.key[1],
                "task": args.task,
                "metrics": dict(asked.run_metrics(run)),
                "results": str(run.written.results),
                "samples": str(run.written.samples),
            }
            for run in runs
        ]
        found = {"runs": plain, **asked.facts(), "judge": facts}
        print_json(found)
        return
    said = [f"{calls_line(facts)}.", *asked.words()]
    # none where the judge stopped before a prompt was graded
    models = judged.metrics() if asked.has_scores else {}
    if not models:
        print(*said, sep="\n")
        return
    if args.all:
        print(score_table([ScoreLine(*r.key, args.task, asked.run_metrics(r)) for r in runs]))
        print(*(run.written.results for run in runs), sep="\n", end="\n\n")
    lines = [
        ScoreLine(model, "", args.task, asked.model_metrics(model, metrics), n_runs=n_runs)
        for model, (n_runs, metrics) in models.items()
    ]
    show_scores(lines, [args.output_path], runs_below(args.output_path), " ".join(said))
