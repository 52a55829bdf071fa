"""What `export`, `replay-train` and `variance` share: the flags of their input, and its reading."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ...labels import add_allow_seen
from ...terminal import say

if TYPE_CHECKING:
    from ...inputs import SignalInput


def add_input(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that name graded answers."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATHS")
    parser.add_argument("--data", type=Path, help="rows with the rubrics of recorded verdicts")
    add_rows_arguments(parser)
    add_allow_seen(parser)


def add_comparison(
    parser: argparse.ArgumentParser, *, rewards: str, gold: str, group_by: str
) -> None:
    """Declare which rewards are compared, and on what.

    Args:
        parser: Of the command.
        rewards: How many there are by default, in words.
        gold: Help of `--gold`.
        group_by: End of the help of `--group_by`: examples, and the default.
    """
    from ....judges.signal.groups import MIN_ANSWERS  # loads scipy, which `export --help` spares

    parser.add_argument(
        "--rewards",
        help="comma-separated names, module:Name, or with options: hybrid(bonus=0) "
        f"(default: {rewards} built-in ones)",
    )
    parser.add_argument("--gold", type=Path, nargs="+", metavar="PATHS", help=gold)
    parser.add_argument(
        "--group_by",
        metavar="LABELS",
        help=f"fields that define a group besides the prompt, such as {group_by}",
    )
    parser.add_argument(
        "--min_group",
        type=int,
        default=MIN_ANSWERS,
        help=f"exclude smaller groups ({MIN_ANSWERS})",
    )


def read_input(
    args: argparse.Namespace, command: str, gold: Sequence[Path] | None = None
) -> SignalInput:
    """Read the answers that the flags name, gold beside them, and say what was excluded."""
    from ...inputs import on_new_prompts, read_signal_input
    from ...labels import with_gold

    columns = columns_of(args, is_shared=True, rows=args.data)
    found = on_new_prompts(
        read_signal_input(args.paths, args.data, columns), allow_seen=args.allow_seen
    )
    if gold:
        found = with_gold(found, gold, args.data, columns)
    for warning in found.warnings:
        say(warning, command)
    return found


def labels_in(asked: str) -> tuple[str, ...]:
    """Read `--group_by`; `prompt_id` may be named, and goes without saying."""
    words = [word.strip() for word in asked.split(",") if word.strip()]
    return tuple(word for word in words if word not in {"prompt", "prompt_id"})
