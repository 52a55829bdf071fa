"""How tests wait for other threads and processes: for what happens, never for a time.

A test says what it waits for. The only number of seconds here is a guard against a hang; it is so
large that no slow or busy machine meets it, and nothing is measured by it.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable

HANG_S = 900.0
"""A wait that takes longer than this will not end."""


def until(is_so: Callable[[], bool], what: str, run: subprocess.Popen[str] | None = None) -> None:
    """Wait for something to become true.

    Args:
        is_so: Asked again and again.
        what: Named when it is waited for in vain.
        run: A program that must go on meanwhile; when it ends, the wait is in vain.
    """
    give_up = time.monotonic() + HANG_S
    while not is_so():
        is_over = run is not None and run.poll() is not None and not is_so()
        if is_over or time.monotonic() > give_up:
            said = ""
            if run is not None:
                run.kill()
                said = f": {run.communicate()}"
            raise AssertionError(f"waited in vain for {what}{said}")
        time.sleep(0.002)


def join(*threads: threading.Thread) -> None:
    """Wait for the end of threads."""
    for thread in threads:
        thread.join(HANG_S)
        assert not thread.is_alive(), f"{thread} does not end"
