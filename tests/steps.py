"""Counts work instead of timing it: the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable


def n_calls(work: Callable[[], object]) -> int:
    """Count the calls of Python and of C functions that some work makes.

    What one C call does inside is not seen: that a regular expression looks at so much text at most
    is held where the text is cut.
    """
    n = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal n
        n += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return n
