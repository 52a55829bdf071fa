"""One line on stderr while a judge works; silent where nobody looks.

Drawn by the thread that waits, so that the loop that judges pays nothing for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn, TextIO

from ..files import Closing
from .ledger import Ledger

if TYPE_CHECKING:
    from tqdm import tqdm

_FORMAT = "judging {percentage:3.0f}% |{bar:16}| {n_fmt}/{total_fmt}, {rate_noinv_fmt}"
_FORMAT += ", {remaining} left{postfix}"


class Bar(Closing):
    """The line of one run; counts from where the ledger stood at its start."""

    def __init__(self, ledger: Ledger, n_all: int, stream: TextIO | None) -> None:
        """Open a bar on a stream; None draws nothing, and so does a run without a question."""
        self._ledger = ledger
        self._before = (ledger.n_settled, ledger.n_hits, ledger.n_missing)
        self._bar: tqdm[NoReturn] | None = None
        if stream is not None and n_all:
            from tqdm import tqdm  # not before it is drawn

            self._bar = tqdm(
                total=n_all, file=stream, bar_format=_FORMAT, ascii="-#", unit="",
                mininterval=0, miniters=1, dynamic_ncols=True,
            )  # fmt: skip

    @classmethod
    def open(cls, progress: bool | None, ledger: Ledger, n_all: int) -> Bar:
        """Open a bar if asked to, or, for None, if stderr is a terminal."""
        stream = sys.stderr
        is_on = progress if progress is not None else bool(stream and stream.isatty())
        return cls(ledger, n_all, stream if is_on else None)

    @property
    def is_on(self) -> bool:
        """Whether anything is drawn."""
        return self._bar is not None

    def draw(self, n_in_flight: int) -> None:
        """Draw the line anew."""
        if self._bar is None:
            return
        settled, hits, missing = self._before
        said = [
            f"{n_in_flight} in flight",
            f"{self._ledger.n_hits - hits} from store",
            f"{self._ledger.n_missing - missing} missing",
        ]
        if self._ledger.cost is not None:
            said.append(f"${self._ledger.cost:.2f}")
        self._bar.set_postfix_str(", ".join(said), refresh=False)
        if not self._bar.update(self._ledger.n_settled - settled - self._bar.n):
            self._bar.refresh()

    def close(self) -> None:
        """Draw the last state and end the line."""
        if self._bar is not None:
            self.draw(0)
            self._bar.close()
            self._bar = None
