"""Tune a judge on recorded verdicts and labels.

  cascade   which cheap judge to ask first, and when to ask the expensive one; no calls
  prompt    search the wording, examples and options that agree most with labels

Examples:
  rubricbeat align cascade results/cheap results/expensive --agreement 0.98
  rubricbeat align cascade results/mine judged.jsonl.gz --data rows.jsonl.gz --usd gpt-4.1=4.2
  rubricbeat align prompt --labels labels.jsonl --judge chat --judge_args model=m -o better.txt
"""

from __future__ import annotations

import argparse

from . import cascade, prompt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be tuned."""
    actions = parser.add_subparsers(dest="action", metavar="WHAT", required=True)
    for name, module in (("cascade", cascade), ("prompt", prompt)):
        one = actions.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(one)
        one.set_defaults(act=module.run)


def run(args: argparse.Namespace) -> int:
    """Tune it."""
    return int(args.act(args))
