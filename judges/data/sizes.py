"""How much of a file is taken in at most: a file may come from anywhere and unpack to any size.

The bounds are far above what real data has. Whoever has more sets the variable that the message
names; docs/data.md lists them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NoReturn

from ..errors import ConfigError, DataError

_MB = 1_000_000
PACKED_TIMES = 200
"""How many times its size a compressed file may unpack to once it is over `FILE`; rows of text
pack to a fifth or a twentieth, a file made to fill the memory to a thousandth."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound, and the environment variable that moves it."""

    option: str
    default: float
    """In `unit` units."""
    unit: int
    """1 for things that are counted, else the bytes of a megabyte."""

    @property
    def value(self) -> int:
        """The bound now, in bytes or things.

        Raises:
            ConfigError: The variable is no positive number.
        """
        given = os.environ.get(self.option, "").strip()
        try:
            number = float(given) if given else self.default
        except ValueError:
            number = -1.0
        if not 0 < number < float("inf"):
            what = "a number of megabytes" if self.unit > 1 else "a count"
            raise ConfigError(f"{self.option}={given[:40]!r}: expected {what} above 0")
        return max(1, int(number * self.unit))

    def check(self, name: str, what: str, size: int) -> None:
        """Refuse what is over the bound.

        Raises:
            DataError: It is.
        """
        if size > self.value:
            self.refuse(name, f"{what} has {self._words(size)}")

    def refuse(self, name: str, what: str) -> NoReturn:
        """Word what is over the bound, and the way to have it read all the same.

        Raises:
            DataError: Always.
        """
        raise DataError(
            f"{name}: {what}, and at most {self._words(self.value)} are read; if this is intended, "
            f"set the environment variable {self.option} to more"
        )

    def _words(self, size: int) -> str:
        if self.unit == 1:
            return f"{size:,}"
        return f"{size / self.unit:,.1f}".removesuffix(".0") + " MB"


LINE = Bound("RUBRICBEAT_MAX_LINE_MB", 64, _MB)
"""One line, or one row of CSV."""
FILE = Bound("RUBRICBEAT_MAX_FILE_MB", 1_000, _MB)
"""What is read as a whole: a JSON array, a log, an entry of an archive, all of it unpacked."""
ROWS = Bound("RUBRICBEAT_MAX_ROWS", 10_000_000, 1)
"""Rows that are kept in memory together."""


UNLIKELY = f"it unpacks to more than {PACKED_TIMES} times its size"


def most_of(n_packed: int, floor: Bound = FILE) -> float:
    """Give the bytes that a file may unpack to.

    Args:
        n_packed: Its size on disk; 0 where that is not known, and then there is no bound.
        floor: What any file may unpack to.
    """
    return max(floor.value, PACKED_TIMES * n_packed) if n_packed else float("inf")
