"""Flags that several commands have, and what those say and return where verdicts are missing."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..judges.errors import ConfigError
from ..judges.files import require_file, require_folder, write_file
from ..judges.grader import RuntimeOptions
from ..judges.judge_options import parse_judge_args
from ..judges.scoring.missing_reasons import MissingVerdicts
from ..judges.scoring.run_scores import SEED
from ..reports.results.run import Run
from .parser import keep_spellings
from .terminal import print_json, say


def add_seed(parser: argparse.ArgumentParser, of: str) -> None:
    """Declare the flag `--seed`, whose help ends with its default."""
    parser.add_argument("--seed", type=int, default=SEED, help=f"{of} ({SEED})")


def add_all(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Declare the flag `--all`."""
    parser.add_argument(
        "--all", action="store_true", help="print every run and every number, not a short table"
    )


def require_seed(seed: int) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        ConfigError: It is negative.
    """
    if seed < 0:
        raise ConfigError(f"--seed {seed}: must not be negative")


def require_task_name(name: str, flag: str = "--task") -> None:
    """Refuse a name of a task that cannot become part of file names.

    Raises:
        ConfigError: It cannot.
    """
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise ConfigError(
            f"{flag} {name[:40]!r}: the name becomes part of file names; give 1 to 100 letters, "
            "digits, '.', '_' or '-'"
        )


def add_output(parser: argparse._ActionsContainer, help: str, *former: str, **options: Any) -> None:
    """Declare `-o/--output`, a path: a file or a folder, as the command needs.

    Args:
        parser: Where.
        help: What is written there.
        former: Spellings that are understood too, and not listed.
        options: As argparse takes them.
    """
    options = {"type": Path, "metavar": "FILE", **options}
    keep_spellings(parser, parser.add_argument("-o", "--output", help=help, **options), *former)


def add_output_folder(parser: argparse.ArgumentParser, help: str) -> None:
    """Declare the folder that a command cannot do without; `--output_path` to lm-eval."""
    add_output(parser, help, "--output_path", dest="output_path", metavar="DIR", required=True)


def require_output(args: argparse.Namespace) -> None:
    """Refuse an `--output` that cannot be written, before a judge is paid.

    Raises:
        ConfigError: Its folder cannot be made, or it cannot be opened.
    """
    if args.output is not None:
        require_folder(args.output.parent, "--output")
        require_file(args.output, "--output")


def put_out(args: argparse.Namespace, plain: Mapping[str, object], text: Callable[[], str]) -> None:
    """Keep what was found where `--output` says; print it as JSON for `--json`, else as text."""
    if args.output is not None:
        write_file(args.output, json.dumps(plain, indent=1, allow_nan=False))
    if args.json:
        print_json(plain)
    else:
        print(text())


def add_judge_choice(parser: argparse._ActionsContainer, *, is_required: bool = True) -> None:
    """Declare which judge is asked."""
    parser.add_argument(
        "--judge",
        required=is_required,
        metavar="NAME",
        help="a judge from `rubricbeat list judges`, fitted:DIR, or module:Class",
    )
    parser.add_argument(
        "--judge_args", metavar="K=V,...|FILE", help="its options: k=v,k=v or a YAML file"
    )


def add_judge_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which judge is asked, how, and what it may cost."""
    add_judge_choice(parser)
    parser.add_argument(
        "--prompt", metavar="PATH", help="judge prompt: a built-in name or your own file"
    )
    parser.add_argument(
        "--shape", help="healthbench, prefix, yes_no, or grouped (all criteria in one call)"
    )
    parser.add_argument("--store", metavar="PATH", help="verdict store; 'none' for no store")
    parser.add_argument("--max_calls", type=int, help="maximum number of calls")
    parser.add_argument("--max_cost", type=float, help="maximum cost in US dollars")
    parser.add_argument(
        "--keep_asking",
        action="store_true",
        default=None,
        help="continue even if none of the first 36 questions got a verdict",
    )


def judge_options_of(args: argparse.Namespace) -> dict[str, object]:
    """Put the flags over --judge_args: what is said twice must agree."""
    options = parse_judge_args(args.judge, args.judge_args)
    names = ("prompt", "shape", "store", "max_calls", "max_cost", "keep_asking")
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    limits, wording = RuntimeOptions.split(given)
    for name, value in {**wording, **RuntimeOptions.typed(limits)}.items():
        if name in options and options[name] != value:
            raise ConfigError(
                f"--{name} {value} and --judge_args {name}={options[name]} "
                "disagree; give one of them"
            )
        options[name] = value
    return options


@contextlib.contextmanager
def keys_stand_in(options: Mapping[str, object]) -> Iterator[None]:
    """Let judges be built whose keys are not set, where nothing is sent."""
    names = {name for name in _key_names(options) if not os.environ.get(name)}
    os.environ.update(dict.fromkeys(names, "none"))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


def _key_names(value: object) -> Iterator[str]:
    yield "OPENAI_API_KEY"
    if isinstance(value, Mapping):
        if isinstance(value.get("api_key_env"), str):
            yield value["api_key_env"]
        for inner in value.values():
            yield from _key_names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _key_names(inner)


def add_allow_missing(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Declare the flag."""
    parser.add_argument(
        "--allow_missing",
        default=0.0,
        metavar="SHARE",
        help="share of the verdicts, 0 to 1, that may be missing without exit code 1 (default 0)",
    )


def told(missing: MissingVerdicts, command: str, hint: str, stopped: str | None = None) -> int:
    """Say on stderr what is missing and why; give the exit code.

    Args:
        missing: The account.
        command: For the lines, such as `judge`.
        hint: What to do about it.
        stopped: Why the judging ended early, which is incomplete whatever is accepted; or None.
    """
    for line in missing.lines():
        say(line, command)
    if not missing.is_accepted:
        say(f"incomplete: {hint}; --allow_missing SHARE accepts some", command)
    if stopped is not None:
        say(f"incomplete: {stopped}; run it again", command)
    return int(not missing.is_accepted or stopped is not None)


def told_of_empty(runs: Iterable[Run], command: str) -> int:
    """Say which runs have no verdict at all, and why; give the exit code.

    Args:
        runs: As they were read; of some missing verdicts tables and pages speak themselves.
        command: For the lines, such as `score`.
    """
    code = 0
    for run in runs:
        missing = MissingVerdicts.of(run.graded)
        if missing.n_asked and missing.n_missing == missing.n_asked:
            code = 1
            for line in missing.lines():
                say(f"{run.name}: {line}", command)
    return code


def needs_no_failed_only(args: argparse.Namespace, options: Mapping[str, object]) -> None:
    """Say of `--failed_only` that every command asks only what is missing, as its store knows.

    Raises:
        ConfigError: No store is kept, so that everything would be paid for again.
    """
    if not args.failed_only:
        return
    if RuntimeOptions.from_mapping(RuntimeOptions.split(options)[0]).store is False:
        raise ConfigError(
            "--failed_only without a store: nothing records which verdicts exist, and all would be "
            "asked again; remove --failed_only, or give --store the path of the first run"
        )
    say("--failed_only is not needed: only missing verdicts are asked for anyway")
