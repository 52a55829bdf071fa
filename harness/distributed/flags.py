"""What `rubricbeat judge` says about workers: its flags, and what it prints of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...judges.data.responses import Responses
from ...judges.errors import ConfigError
from ...judges.grading import Grader, open_grader
from ...judges.missing import allowed_share
from ...judges.rubric import Example
from ..allow_missing import told

if TYPE_CHECKING:
    from .judge_run import WorkersRun

LOCAL, RAY = "local", "ray"
_NEEDS_RAY = {
    "ray_address": "--ray-address",
    "workers": "--workers",
    "endpoints": "--endpoints",
    "resume": "--resume",
    "store_only": "--store-only",
    "chunk": "--chunk",
    "worker_stores": "--worker-stores",
}


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    group = parser.add_argument_group("workers (docs/scale.md)")
    group.add_argument(
        "--engine", choices=(LOCAL, RAY), default=LOCAL, help="one process, or workers on Ray"
    )
    group.add_argument(
        "--ray-address", metavar="ADDR", help="a cluster that runs; default: one of its own"
    )
    group.add_argument("--workers", type=int, metavar="N", help="workers that share the limits")
    group.add_argument(
        "--endpoints", metavar="URL,URL", help="base URLs dealt out to the workers in turn"
    )
    group.add_argument(
        "--chunk",
        type=int,
        help="answers a worker gets at a time (default: two rounds of its calls)",
    )
    group.add_argument(
        "--resume", action="store_true", help="go on with a run; its store must be there"
    )
    group.add_argument(
        "--store-only",
        action="store_true",
        help="fill the store and write no result files",
    )
    group.add_argument(
        "--worker-stores",
        nargs="?",
        const=True,
        metavar="FOLDER",
        help="each worker writes a store on its own machine, which is merged into --store and "
        "deleted (default folder: in the user's cache); needs no shared files and no server",
    )


def check_worker_arguments(args: argparse.Namespace) -> None:
    """Refuse flags that do not go together.

    Raises:
        ConfigError: A flag of workers without workers.
    """
    if args.engine == LOCAL:
        for name, flag in _NEEDS_RAY.items():
            if getattr(args, name) not in (None, False):
                raise ConfigError(f"{flag} needs --engine ray")


def run_workers(
    args: argparse.Namespace,
    options: Mapping[str, Any],
    examples: Mapping[str, Example],
    responses: Responses,
) -> WorkersRun:
    """Grade on workers, and say on stderr what happened to them."""
    from .judge_run import WorkersRequest, grade_over_workers

    endpoints = tuple(url.strip() for url in (args.endpoints or "").split(",") if url.strip())
    request = WorkersRequest(
        responses,
        workers=args.workers,
        address=args.ray_address,
        endpoints=endpoints,
        chunk=args.chunk,
        resume=args.resume,
        worker_stores=args.worker_stores or False,
    )
    run = grade_over_workers(request, options, examples)
    for reason in dict.fromkeys(run.outcome.retired):
        of = " (its share)" if reason.startswith("budget") else ""
        print(f"rubricbeat: a worker stopped: {reason}{of}", file=sys.stderr)
    if run.outcome.n_lost_workers:
        print(
            f"rubricbeat: {run.outcome.n_lost_workers} workers died; others took over their work",
            file=sys.stderr,
        )
    for store in run.left:
        print(
            f"rubricbeat: not merged: {store}; --resume takes it in when it is reached",
            file=sys.stderr,
        )
    return run


def report_workers(run: WorkersRun, args: argparse.Namespace) -> int:
    """Print what `--store-only` did; 1 where something is still to be had."""
    plain = run.to_json()
    if args.json:
        print(json.dumps(plain, indent=2))
    else:
        print(
            f"{plain['answers']:,} answers, {plain['verdicts']:,} verdicts in the store, "
            f"{plain['missing']:,} missing, {plain['calls']:,} calls, {plain['workers']} workers"
        )
    if run.outcome.stopped is not None:
        print(
            f"rubricbeat: the workers stopped: {run.outcome.stopped}; what was finished is kept, "
            "the same command again asks only the rest",
            file=sys.stderr,
        )
    missing = run.missing(allowed_share(args.allow_missing))
    code = told(missing, "rubricbeat judge", "the same command again asks what is missing")
    return int(code or run.outcome.stopped is not None)


def opened(options: Mapping[str, Any], run: WorkersRun | None) -> Grader:
    """Open the judge: to ask it, or to read what the workers have asked."""
    if run is None:
        return open_grader(options)
    from .judge_run import WorkersGrader

    return WorkersGrader(options, run)
