"""The `rubricbeat` command: finds the subcommand, words its errors, sets the exit code.

A subcommand is a module of `commands/` with `add_arguments(parser)` and `run(args) -> int`. It is
imported only when it is called, so that `--help` stays light.

Exit codes: 0 done, 1 failed or incomplete (kept, resumable), 2 wrong usage or configuration,
130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..judges.errors import ConfigError, RubricbeatError, UnknownNameError
from .parser import CommandParser, near_flags
from .terminal import harmless_output


class Command(NamedTuple):
    """A subcommand: its module in `commands/` (empty: here), and one line of help."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "run": Command("run", "score a model on a task (lm-eval, with our tasks on its path)"),
    "demo": Command(
        "demo", "see measured scores beside true ones: four built systems and a small model"
    ),
    "plan": Command("plan", "plan calls, tokens, time and money before anything is sent"),
    "judge": Command("judge", "grade saved answers with a judge"),
    "import": Command("import_verdicts", "turn recorded verdicts into result files"),
    "score": Command("score", "recompute every metric of result files from their verdicts"),
    "audit": Command("audit", "measure how far a judge can be trusted, against labels"),
    "fit-judge": Command("fit_judge", "fit a free judge of your own to verdicts or labels"),
    "bench-reward": Command("bench_reward", "find out whether a reward orders answers rightly"),
    "verdicts": Command("verdicts", "look into, export, import, merge or prune a verdict store"),
    "variance": Command("training.variance", "find out whether a reward carries signal"),
    "replay-train": Command(
        "training.replay_train", "train on recorded answers, in seconds: which reward gains most"
    ),
    "lint": Command("lint", "check rubrics before spending anything"),
    "compare": Command("compare", "compare models in one HTML report"),
    "report": Command("report", "report one run in one HTML file"),
    "view": Command("pages.view", "list all runs of a folder on a local page, pick some, compare"),
    "train": Command("training.train", "train a policy with the judge that evaluates (SFT, GRPO)"),
    "export": Command("training.export", "write DPO, KTO or RFT training sets from graded answers"),
    "serve": Command(
        "training.serve", "give trainers a judge over HTTP, with its store and budget"
    ),
    "list": Command("setup.listing", "list judges, tasks, rewards and models, with their options"),
    "doctor": Command("setup.doctor", "check versions, extras, keys, endpoint, GPU, store, data"),
    "tasks-dir": Command("", "print the folder to give to lm_eval --include_path"),
}

TASKS_DIR = """Print the folder of our lm-eval tasks, for `lm_eval --include_path`.

Needed in an editable checkout only: an installed wheel's tasks are found without it.

  lm_eval --include_path "$(rubricbeat tasks-dir)" --tasks healthbench_heart_demo --model dummy
"""
EPILOG = """examples:
  rubricbeat run --tasks healthbench_heart_demo --model local-chat-completions \\
      --model_args model=NAME,base_url=http://127.0.0.1:8000/v1/chat/completions \\
      --judge keyword --output_path results
  rubricbeat compare results -o report.html

'rubricbeat COMMAND --help' explains a command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and give its exit code."""
    with harmless_output():
        return _main(list(sys.argv[1:] if argv is None else argv))


def _main(words: list[str]) -> int:
    debug = "--debug" in words
    with contextlib.suppress(ValueError):  # not the main thread, which alone gets signals
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # a scheduler's stop ends as Ctrl-C does: what is in flight may end and is kept
            signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = _dispatch([word for word in words if word != "--debug"])
        sys.stdout.flush()  # a full disk is known here, not when the interpreter has gone
        return code
    except KeyboardInterrupt:
        print("rubricbeat: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output has gone (`| head`): not our fault, and nothing to report
        _let_go_of_stdout()
        return 1
    except RubricbeatError as error:
        if debug:
            raise
        print(f"rubricbeat: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except Exception as error:
        # a full disk, a file that went away meanwhile: no traceback helps the user
        if debug:
            raise
        said = " ".join(str(error).split())
        if not isinstance(error, OSError):
            said = f"a fault of this program, or of what it read: {type(error).__name__}: {said}"
        print(f"rubricbeat: {said} (--debug shows where)", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _let_go_of_stdout()
        return 1


def _let_go_of_stdout() -> None:
    """Keep the interpreter from complaining once more when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help"}:
        _front_page().print_help(sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("rubricbeat"))
        return 0
    name = words[0]
    if name.startswith("-"):
        near = near_flags(name, ["--help", "--version", "--debug"])
        raise ConfigError(
            f"unknown flag {name!r}; {near}" if near else f"{name}: flags come after the command"
        )
    if name not in COMMANDS:
        raise UnknownNameError.among("command", name, COMMANDS)
    module, parser = parser_of(name)
    try:
        args = parser.parse_args(words[1:])
    except SystemExit as stop:  # argparse has printed its help or its one line
        return int(stop.code or 0)
    require_one_stdin(vars(args))
    args.words = words
    return int(module.run(args)) if module else _tasks_dir()


def parser_of(name: str) -> tuple[Any, CommandParser]:
    """Give the module of a command, or None where it has none of its own, and its parser."""
    module = None
    if COMMANDS[name].module:
        module = importlib.import_module(f".commands.{COMMANDS[name].module}", package=__package__)
    about = module.__doc__ if module else TASKS_DIR
    parser = CommandParser(prog=f"rubricbeat {name}", description=about)
    if module:
        module.add_arguments(parser)
        parser.add_config()
    return module, parser


def _tasks_dir() -> int:
    from ..tasks.lm_eval_adapter import tasks_folder

    print(tasks_folder())
    return 0


def require_one_stdin(given: Mapping[str, Any]) -> None:
    """Refuse two inputs that are both standard input: the second one would find it empty.

    Raises:
        ConfigError: They are.
    """
    named = [
        name
        for name, value in given.items()
        for one in (value if isinstance(value, list) else [value])
        if str(one) == "-"
    ]
    if len(named) > 1:
        raise ConfigError(
            f"{' and '.join(dict.fromkeys(named))} are both '-': standard input can be one file"
        )


def _front_page() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="rubricbeat",
        description="Grade answers by rubric, study the reward, train with it, compare models.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    listing = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, command in COMMANDS.items():
        listing.add_parser(name, help=command.help)
    return parser
