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
    counter = mmap.mmap(-1, ctypes.sizeof(ctypes.c_long))
    n_calls = ctypes.c_long.from_buffer(counter)
    for line in sys.stdin:
        trial: dict[str, Any] = json.loads(line)
        n_calls.value = 0
        child = os.fork()
        if child == 0:
            _run(command, trial, shim, n_calls)
        _, status = os.waitpid(child, 0)
        answer = {"code": os.waitstatus_to_exitcode(status), "n_calls": n_calls.value}
        print(json.dumps(answer), flush=True)


def _run(command: Any, trial: dict[str, Any], shim: Any, n_calls: ctypes.c_long) -> None:
    """Run one command in this copy, and end it."""
    code = 70
    try:
        signal.alarm(HANG_S)
        for number, path in ((0, os.devnull), (1, trial["stdout"]), (2, trial["stderr"])):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags, 0o600), number)
        os.environ["RUBRICBEAT_STORE"] = trial["store"]
        if trial["action"] >= 0:
            below = str(Path(trial["below"]).resolve()).encode()
            shim.arm(below, ctypes.c_long(trial["at"]), trial["action"], ctypes.byref(n_calls))
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
