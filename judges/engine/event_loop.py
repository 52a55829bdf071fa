"""One event loop on a thread of its own.

Judging must work from a script, a notebook whose loop is running, several threads and TRL's own
loop. A loop that belongs to none of them serves all.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Closer = Callable[[], Coroutine[Any, Any, None]]
CLOSE_S = 10.0
"""Longest that an end is waited for."""


class LoopThread:
    """A running event loop; ends with the interpreter if nobody closes it."""

    def __init__(self) -> None:
        """Start the thread."""
        self.loop = new_loop()
        self._thread = threading.Thread(
            target=self._serve,
            args=(self.loop, is_over := threading.Event()),
            name="rubricbeat-judging",
            daemon=True,
        )
        self._thread.start()
        self.closers: list[Closer] = []
        """Awaited on the loop before it stops, also when nobody closes it."""
        self._end = weakref.finalize(self, _stop, self.loop, is_over, self._thread, self.closers)

    @property
    def is_current(self) -> bool:
        """Whether the caller stands on this very thread, where waiting would lock up."""
        return threading.current_thread() is self._thread

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop, from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """Stop the loop and end the thread; what still runs on it is cancelled."""
        self._end()

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop, is_over: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        while not is_over.is_set():
            # a task that a judge started may stop the loop: everybody else's must go on
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a loop; uvloop's where it is installed, for a third less CPU a call."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _stop(
    loop: asyncio.AbstractEventLoop,
    is_over: threading.Event,
    thread: threading.Thread,
    closers: list[Closer],
) -> None:
    if not thread.is_alive() or loop.is_closed():
        return  # ended, or the parent's: threads do not survive a fork
    if threading.current_thread() is thread:  # collected on the loop itself: no waiting here
        is_over.set()
        loop.call_soon(loop.stop)
        return
    for closer in closers:
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(closer(), loop).result(CLOSE_S)
    is_over.set()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(CLOSE_S)
