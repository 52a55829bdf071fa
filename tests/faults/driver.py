"""Runs commands of rubricbeat in forked copies of one warm process, each with a fault of its own.

Started with the compiled `shim.c` preloaded. Reads a trial a line from stdin, as JSON, and answers
with how it ended. A copy costs tenths of a second where a fresh interpreter costs seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import signal
import sys
from pathlib import Path
from typing import Any

HANG_S = 600
"""A command that takes longer hangs; far beyond what a slow machine needs."""


def main() -> None:
    """Serve trials until stdin ends."""
    import rubricbeat.reports.pages.comparison_page  # noqa: F401  # imported once, for all copies
    from rubricbeat.harness.cli import main as command

    shim = ctypes.CDLL(None)
    counts = (ctypes.c_long * 3).from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
    for line in sys.stdin:
        trial: dict[str, Any] = json.loads(line)
        counts[:] = 0, 0, 0
        child = os.fork()
        if child == 0:
            _run(command, trial, shim, counts)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        n_calls, n_steps, n_before = counts
        answer = {"code": code, "n_calls": n_calls, "n_steps": n_steps, "n_before": n_before}
        print(json.dumps(answer), flush=True)


def _run(command: Any, trial: dict[str, Any], shim: Any, counts: Any) -> None:
    """Run one command in this copy, and end it."""
    code = 70
    try:
        signal.alarm(HANG_S)
        for number, path in ((0, os.devnull), (1, trial["stdout"]), (2, trial["stderr"])):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags, 0o600), number)
        os.environ["RUBRICBEAT_STORE"] = trial["store"]
        below = str(Path(trial["below"]).resolve()).encode()
        shim.arm(below, ctypes.c_long(trial["at"]), trial["action"], counts)
        try:
            code = command(trial["args"])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
            code = 70
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
