"""Print the script for shell completion of commands, flags and names.

Completion runs in the shell and starts no program. Print the script again after an update.

  bash  rubricbeat completion bash > ~/.local/share/bash-completion/completions/rubricbeat
  zsh   rubricbeat completion zsh > ~/.zfunc/_rubricbeat   (a folder in fpath, before compinit)
  fish  rubricbeat completion fish > ~/.config/fish/completions/rubricbeat.fish
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .catalogue import front_page

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("shell", choices=SHELLS, help=", ".join(SHELLS))


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from ....judges.registry import JUDGES
    from ....judges.rewards.registry import reward_names
    from ....tasks.lm_eval_adapter import task_names

    parser = front_page(with_flags=True)
    rewards = reward_names()
    names = {"judge": JUDGES.names(), "reward": rewards, "rewards": rewards, "tasks": task_names()}
    for action in _actions(parser):
        if action.choices is None and action.dest in names:
            action.choices = names[action.dest]
        elif action.type is Path and action.choices is None:
            is_folder = action.metavar == "DIR"
            action.complete = shtab.DIRECTORY if is_folder else shtab.FILE
    print(shtab.complete(parser, args.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[Any]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)
