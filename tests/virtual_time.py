"""An event loop on which time passes only when there is nothing else left to do.

A pause of a minute costs nothing, and what happens before it is over does not depend on how fast
the machine is. Work in an executor's threads takes no time at all: it is waited for.

    virtual_time.run(main())

and with the fixture `virtual_time` the loops that graders open are such loops.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Moves the clock of its loop on, in the place of waiting."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.loop.n_outside:
            if self.loop.n_outside:
                self.loop.is_idle.set()
            return super().select(None)  # somebody else's turn
        self.loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. For tests whose every wait is on it: sockets and other threads wait for nobody."""

    def __init__(self) -> None:
        self.now = 0.0
        self.n_outside = 0
        """Jobs in threads."""
        self.is_idle = threading.Event()
        """Set once nothing is left to do before a job in a thread is over."""
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self.n_outside += 1
        job = super().run_in_executor(executor, func, *args)
        job.add_done_callback(self._back)
        return job

    def _back(self, _: object) -> None:
        self.n_outside -= 1


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
