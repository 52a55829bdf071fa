"""Parts of a long run of answers: enough of them in hand that the pool never runs dry."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .runs import Sheet

MAX_WAITING = 32
"""Parts that are graded and wait for one before them."""
_TICK_S = 0.2
"""Between two looks at how far the parts are."""

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class GradePart(Generic[A]):
    """Some of the answers, which are graded together."""

    run: concurrent.futures.Future[None]
    filled: list[tuple[A, Sheet]]
    n_questions: int

    @property
    def n_open(self) -> int:
        """Questions without their verdict, a little out of date: the loop goes on meanwhile."""
        if self.run.done():
            return 0
        sheets = [sheet for _, sheet in list(self.filled) if sheet.rows]
        n_done = sum(len(s.rows) * len(s.example.rubric) - s.n_open for s in sheets)
        return self.n_questions - n_done


def in_order(
    start_next: Callable[[], GradePart[A] | None],
    max_in_flight: Callable[[], int],
    tick: Callable[[], None],
    let_finish: Callable[[Sequence[concurrent.futures.Future[None]]], None],
) -> Generator[tuple[A, Sheet], None, None]:
    """Give the answers of all parts in order, as they are graded; at the end, cancel what is left.

    Args:
        start_next: Starts one more part; None where there is none.
        max_in_flight: Most questions that are asked at once.
        tick: Called while one is waited for.
        let_finish: Given the runs in hand at an interrupt, before they are cancelled.
    """
    parts: deque[GradePart[A]] = deque()
    is_read = False
    try:
        while parts or not is_read:
            while not is_read and _has_room(parts, max_in_flight()):
                part = start_next()
                if part is None:
                    is_read = True
                else:
                    parts.append(part)
            if not parts:
                return
            if not parts[0].run.done():
                concurrent.futures.wait([parts[0].run], timeout=_TICK_S)
                tick()
                continue
            part = parts.popleft()
            part.run.result()
            yield from part.filled
    except KeyboardInterrupt:
        let_finish([part.run for part in parts])
        raise
    finally:
        for part in parts:
            part.run.cancel()


def _has_room(parts: deque[GradePart[A]], max_in_flight: int) -> bool:
    """Say whether the pool would soon run dry without more answers.

    A slow answer does not hold up those behind it: they wait in memory, up to a bound.
    """
    if sum(part.run.done() for part in parts) > MAX_WAITING:
        return False
    n_open = sum(part.n_open for part in parts)
    return n_open < 2 * max_in_flight + (parts[-1].n_questions if parts else 1)
