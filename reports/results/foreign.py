"""Tell the result files of other programs apart, and read them as runs.

Each format has its module: `simple_evals.py`, `inspect_logs.py`. lm-eval samples of any task that
writes our verdict schema need none; `reader.py` reads them as they are.
"""

from __future__ import annotations

from pathlib import Path

from . import inspect_logs, simple_evals
from .run import Run


def is_foreign(path: Path) -> bool:
    """Say whether a file is one that another program left and that we can read."""
    return (
        simple_evals.is_all_results(path)
        or simple_evals.is_html_report(path)
        or inspect_logs.is_log(path)
    )


def read_foreign(path: Path) -> list[Run]:
    """Read the run of another program's file.

    An HTML report is left alone where the `*_allresults.json` of the same run lies beside it, which
    holds all of it and more.

    Raises:
        DataError: The file is broken, or holds no verdict on any criterion.
    """
    if inspect_logs.is_log(path):
        return [inspect_logs.read_log(path)]
    if simple_evals.is_all_results(path):
        return [simple_evals.read_all_results(path)]
    if simple_evals.all_results_of(path).exists():
        return []
    return [simple_evals.read_html_report(path)]
