"""What `rubricbeat judge` says about workers: its flags, and what it prints of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...judges.data.responses import Responses
from ...judges.errors import ConfigError
from ...judges.grader import Grader, open_grader
from ...judges.rubric import Example
from ...judges.scoring.missing_reasons import allowed_share
from ..flags import told
from ..terminal import say

if TYPE_CHECKING:
    from .run import WorkersRun

LOCAL, RAY = "local", "ray"
_NEEDS_RAY = ("ray_address", "workers", "endpoints", "chunk", "resume", "store_only")


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument_group("workers (docs/scale.md)").add_argument
    add("--engine", choices=(LOCAL, RAY), default=LOCAL, help="one process, or workers on Ray")
    add("--ray_address", metavar="ADDR", help="address of a running cluster (default: start one)")
    add("--workers", type=int, metavar="N", help="number of workers, which share the limits")
    add("--endpoints", metavar="URL,URL", help="base URLs, assigned to the workers in turn")
    add("--chunk", type=int, help="answers per task of a worker (default: two rounds of calls)")
    add("--resume", action="store_true", help="continue a run; its store must exist")
    add("--store_only", action="store_true", help="only fill the store; write no result files")


def check_worker_arguments(args: argparse.Namespace) -> None:
    """Refuse flags that do not go together.

    Raises:
        ConfigError: A flag of workers without workers.
    """
    if args.engine == LOCAL:
        for name in _NEEDS_RAY:
            if getattr(args, name) not in (None, False):
                raise ConfigError(f"--{name} needs --engine ray")


def run_workers(
    args: argparse.Namespace,
    options: Mapping[str, object],
    examples: Mapping[str, Example],
    responses: Responses,
) -> WorkersRun:
    """Grade on workers, and say on stderr what happened to them."""
    from .run import WorkersRequest, grade_over_workers

    endpoints = tuple(url.strip() for url in (args.endpoints or "").split(",") if url.strip())
    request = WorkersRequest(
        responses, args.workers, args.ray_address, endpoints, args.chunk, args.resume
    )
    run = grade_over_workers(request, options, examples)
    for reason in dict.fromkeys(run.outcome.retired):
        of = " (its share)" if reason.startswith("budget") else ""
        say(f"a worker stopped: {reason}{of}")
    if run.outcome.n_lost_workers:
        say(
            f"{run.outcome.n_lost_workers} workers died; others took over their work; calls and "
            "cost exclude what they spent since their last report"
        )
    return run


def report_workers(run: WorkersRun, args: argparse.Namespace) -> int:
    """Print what `--store_only` did; 1 where something is still to be had."""
    plain = run.to_json()
    if args.json:
        print(json.dumps(plain, indent=2))
    else:
        print(
            f"{plain['answers']:,} answers, {plain['verdicts']:,} verdicts in the store, "
            f"{plain['missing']:,} missing, {plain['calls']:,} calls, {plain['workers']} workers"
        )
    if run.outcome.stopped is not None:
        say(
            f"the workers stopped: {run.outcome.stopped}; what was finished is kept, the same "
            "command again asks only the rest"
        )
    missing = run.missing(allowed_share(args.allow_missing))
    code = told(missing, "judge", "run the same command again to ask for the rest")
    return int(code or run.outcome.stopped is not None)


def opened(options: Mapping[str, object], run: WorkersRun | None) -> Grader:
    """Open the judge: to ask it, or to read what the workers have asked."""
    if run is None:
        return open_grader(options)
    from .run import WorkersGrader

    return WorkersGrader(options, run)
