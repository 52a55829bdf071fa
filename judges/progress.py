"""One line on stderr while a judge works; silent where nobody looks.

Drawn by the thread that waits, so that the loop that judges pays nothing for it.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from typing import TextIO

from .files import Closing
from .ledger import Ledger

_RATE_WINDOW_S = 5.0
_BAR_CELLS = 16


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a run is."""

    n_done: int
    n_all: int
    rate: float
    """Verdicts a second, lately."""
    n_in_flight: int
    n_hits: int
    n_missing: int
    cost: float | None
    """US dollars so far, or None where the price is unknown."""


def line_of(snapshot: Snapshot, width: int) -> str:
    """Word a snapshot in at most `width` characters."""
    share = snapshot.n_done / snapshot.n_all if snapshot.n_all else 1.0
    n_cells = min(_BAR_CELLS, round(share * _BAR_CELLS))
    parts = [
        f"judging {share:4.0%} |{'#' * n_cells}{'-' * (_BAR_CELLS - n_cells)}| "
        f"{snapshot.n_done}/{snapshot.n_all}"
    ]
    if snapshot.rate > 0:
        left = (snapshot.n_all - snapshot.n_done) / snapshot.rate
        parts += [f"{snapshot.rate:.0f}/s", f"{_clock(left)} left"]
    parts += [f"{snapshot.n_in_flight} in flight", f"{snapshot.n_hits} from store"]
    parts.append(f"{snapshot.n_missing} missing")
    if snapshot.cost is not None:
        parts.append(f"${snapshot.cost:.2f}")
    return ", ".join(parts)[: max(0, width)]


class Bar(Closing):
    """The line of one run; counts from where the ledger stood at its start."""

    def __init__(self, ledger: Ledger, n_all: int, stream: TextIO | None) -> None:
        """Open a bar on a stream; None draws nothing."""
        self._ledger = ledger
        self._n_all = n_all
        self._stream = stream
        self._before = (ledger.n_settled, ledger.n_hits, ledger.n_missing)
        self._marks = [(time.monotonic(), 0)]

    @classmethod
    def open(cls, progress: bool | None, ledger: Ledger, n_all: int) -> Bar:
        """Open a bar if asked to, or, for None, if stderr is a terminal."""
        stream = sys.stderr
        is_on = progress if progress is not None else bool(stream and stream.isatty())
        return cls(ledger, n_all, stream if is_on else None)

    @property
    def is_on(self) -> bool:
        """Whether anything is drawn."""
        return self._stream is not None

    def draw(self, n_in_flight: int) -> None:
        """Draw the line anew."""
        if self._stream is None:
            return
        width = shutil.get_terminal_size((120, 24)).columns - 1
        self._stream.write("\r" + line_of(self._snapshot(n_in_flight), width).ljust(width))
        self._stream.flush()

    def close(self) -> None:
        """Draw the last state and end the line."""
        if self._stream is not None:
            self.draw(0)
            self._stream.write("\n")
            self._stream.flush()
            self._stream = None

    def _snapshot(self, n_in_flight: int) -> Snapshot:
        settled, hits, missing = self._before
        now, n_done = time.monotonic(), self._ledger.n_settled - settled
        self._marks.append((now, n_done))
        while len(self._marks) > 2 and self._marks[0][0] < now - _RATE_WINDOW_S:
            self._marks.pop(0)
        since, n_then = self._marks[0]
        return Snapshot(
            n_done,
            self._n_all,
            (n_done - n_then) / (now - since) if now > since else 0.0,
            n_in_flight,
            self._ledger.n_hits - hits,
            self._ledger.n_missing - missing,
            self._ledger.cost,
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
