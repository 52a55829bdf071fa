"""The list of commands, and their parsers.

A command is a module of `commands/` with `add_arguments(parser)` and `run(args) -> int`. It is
imported only when it is called, so that `--help` stays light.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

from ...parser import CommandParser


class Command(NamedTuple):
    """A subcommand: its module in `commands/`, and one line of help."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "run": Command("run", "score a model on a task (runs lm-eval)"),
    "demo": Command(
        "demo", "compare measured with true scores: four made systems and a small model"
    ),
    "plan": Command("plan", "estimate calls, tokens, time and cost; nothing is sent"),
    "judge": Command("judge", "grade saved answers with a judge"),
    "import": Command("import_verdicts", "turn recorded verdicts into result files"),
    "score": Command("score", "recompute every metric of result files from their verdicts"),
    "label": Command("label", "write an offline page on which people label answers"),
    "audit": Command("audit", "measure how far a judge can be trusted, against labels"),
    "fit-judge": Command("fit_judge", "fit a free judge of your own to verdicts or labels"),
    "align": Command("align.command", "tune a cascade or a judge's wording on verdicts and labels"),
    "bench-reward": Command("bench_reward", "measure whether a reward ranks answers correctly"),
    "verdicts": Command("verdicts", "inspect, export, import, merge or prune a verdict store"),
    "variance": Command("training.variance", "check whether a reward has a learning signal"),
    "replay-train": Command(
        "training.replay_train", "simulate training on recorded answers: which reward gains most"
    ),
    "lint": Command("lint", "check rubrics before spending anything"),
    "compare": Command("pages.compare", "compare models, in the terminal or in one HTML page"),
    "report": Command("pages.report", "report one run, in the terminal or in one HTML page"),
    "view": Command("pages.view", "browse all runs of a folder on a local page, and compare them"),
    "train": Command("training.train", "train a policy with a rubric judge (SFT, GRPO)"),
    "export": Command("training.export", "write DPO, KTO or RFT training sets from graded answers"),
    "serve": Command("training.serve", "serve a judge and its rewards to trainers over HTTP"),
    "list": Command("setup.listing", "list judges, tasks, rewards and models, with their options"),
    "doctor": Command("setup.doctor", "check versions, extras, keys, endpoint, GPU, store, data"),
    "completion": Command("setup.completion", "print the shell completion script"),
    "tasks-dir": Command("setup.tasks_dir", "print the folder for lm_eval --include_path"),
}
EPILOG = """examples:
  rubricbeat run --tasks healthbench_heart_demo --model local-chat-completions \\
      --model_args model=NAME,base_url=http://127.0.0.1:8000/v1/chat/completions \\
      --judge keyword -o results
  rubricbeat compare results -o report.html

'rubricbeat COMMAND --help' explains a command."""


def parser_of(name: str) -> tuple[Any, CommandParser]:
    """Give the module of a command, and its parser."""
    module = _module(name)
    parser = CommandParser(prog=f"rubricbeat {name}", description=module.__doc__)
    module.add_arguments(parser)
    parser.add_config()
    return module, parser


def front_page(*, with_flags: bool = False) -> CommandParser:
    """Give the parser of `rubricbeat --help`.

    Args:
        with_flags: Give each command its flags too, which imports all of them.
    """
    parser = CommandParser(
        prog="rubricbeat",
        description="Grade answers by rubric, study the reward, train with it, compare models.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    listing = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, command in COMMANDS.items():
        made = listing.add_parser(name, help=command.help)
        if with_flags:
            _module(name).add_arguments(made)
            made.add_config()
    return parser


def _module(name: str) -> Any:
    return importlib.import_module(f"..{COMMANDS[name].module}", package=__package__)
