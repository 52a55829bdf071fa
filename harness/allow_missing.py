"""The flag `--allow-missing`, and what a command says and returns where verdicts are missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from ..judges.missing import MissingVerdicts
from ..reports.results.run import Run


def add_allow_missing(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Declare the flag."""
    parser.add_argument(
        "--allow-missing",
        "--allow_missing",
        default=0.0,
        metavar="SHARE",
        help="share of the verdicts, 0 to 1, that may be missing without exit code 1 (default 0)",
    )


def told(missing: MissingVerdicts, command: str, hint: str) -> int:
    """Say on stderr what is missing and why; give the exit code.

    Args:
        missing: The account.
        command: For the lines, such as `rubricbeat judge`.
        hint: What to do about it.
    """
    lines = missing.lines()
    for line in lines:
        print(f"{command}: {line}", file=sys.stderr)
    if missing.is_accepted:
        return 0
    print(f"{command}: incomplete: {hint}; --allow-missing SHARE accepts some", file=sys.stderr)
    return 1


def told_of_empty(runs: Iterable[Run], command: str) -> int:
    """Say which runs have no verdict at all, and why; give the exit code.

    Args:
        runs: As they were read; of some missing verdicts tables and pages speak themselves.
        command: For the lines, such as `rubricbeat score`.
    """
    code = 0
    for run in runs:
        missing = MissingVerdicts.of(run.graded)
        if missing.n_asked and missing.n_missing == missing.n_asked:
            code = 1
            for line in missing.lines():
                print(f"{command}: {run.name}: {line}", file=sys.stderr)
    return code
