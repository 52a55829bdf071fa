"""Print the folder of the lm-eval tasks, for `lm_eval --include_path`.

Needed only in an editable checkout: the tasks of an installed wheel are found without it.

  lm_eval --include_path "$(rubricbeat tasks-dir)" --tasks healthbench_heart_demo --model dummy
"""

from __future__ import annotations

import argparse

from ....tasks.lm_eval_adapter import tasks_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no flags."""


def run(args: argparse.Namespace) -> int:
    """Print the folder."""
    print(tasks_folder())
    return 0
