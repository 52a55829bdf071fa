"""Print at the end of a run what other packages warn of, a line for each kind.

A deprecation is a break with a date: it is to be seen before it comes.
"""

from __future__ import annotations

import warnings
from collections import Counter
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import NamedTuple

import pytest

MAX_CHARS = 300


class Seen(NamedTuple):
    """A kind of warning, and what gave it."""

    package: str
    category: str
    message: str
    place: str


_seen: Counter[Seen] = Counter()
_first_test: dict[Seen, str] = {}


def pytest_warning_recorded(warning_message: warnings.WarningMessage, nodeid: str) -> None:
    """Count a warning; with xdist the workers' come here too."""
    path = Path(warning_message.filename)
    seen = Seen(
        _package(path),
        warning_message.category.__name__,
        " ".join(str(warning_message.message).split())[:MAX_CHARS],
        f"{path.name}:{warning_message.lineno}",
    )
    _seen[seen] += 1
    _first_test.setdefault(seen, nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each kind once, by package."""
    if not _seen:
        return
    terminalreporter.section("warnings")
    for seen, count in sorted(_seen.items()):
        terminalreporter.line(f"{_with_version(seen.package)}: {seen.category}: {seen.message}")
        first = _first_test[seen] or "when collected"
        terminalreporter.line(f"    {seen.place}, {count} times, first in {first}")


def _package(path: Path) -> str:
    """Give the package a file is of: what follows the last site-packages, else this checkout."""
    parts = path.parts
    if "site-packages" in parts:
        after = len(parts) - parts[::-1].index("site-packages")
        return Path(parts[after]).stem
    return "here" if Path(__file__).parent.parent in path.parents else "Python"


def _with_version(package: str) -> str:
    for name in packages_distributions().get(package, ()):
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return package
