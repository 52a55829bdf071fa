"""Set a judge by verdicts and labels that are there.

  cascade   which cheap judge to ask first, and when to ask the dear one: no call is made

Examples:
  rubricbeat align cascade results/cheap results/dear --agreement 0.98
  rubricbeat align cascade results/mine judged.jsonl.gz --data rows.jsonl.gz --usd gpt-4.1=4.2
"""

from __future__ import annotations

import argparse

from . import cascade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be set."""
    actions = parser.add_subparsers(dest="action", metavar="WHAT", required=True)
    for name, module in (("cascade", cascade),):
        one = actions.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(one)
        one.set_defaults(act=module.run)


def run(args: argparse.Namespace) -> int:
    """Set it."""
    return int(args.act(args))
