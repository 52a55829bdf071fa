"""Write files for the user alone: answers and verdicts may be private."""

from __future__ import annotations

import os
from pathlib import Path

MODE = 0o600


def write_private(path: Path, text: str, *, newline: str | None = None) -> None:
    """Write a text as UTF-8 to a file that only its owner can read; an older one is replaced.

    Args:
        path: The file.
        text: Its content.
        newline: As `open` takes it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline=newline) as file:
        os.fchmod(file.fileno(), MODE)  # one that was there keeps its mode otherwise
        file.write(text)
