"""The rooms of the reports stand on floors: an import goes down, and files stand in no circle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import rubricbeat.reports

HOUSE = Path(rubricbeat.reports.__file__).parent
FLOORS = {
    "numbers": 0,
    "interval_words": 0,
    "results": 1,
    "comparison": 2,
    "pages": 3,
    "training": 4,
}


def arrows() -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """Give the files of the house that each file imports, by their parts."""
    files = {p.relative_to(HOUSE).with_suffix("").parts: p for p in HOUSE.rglob("*.py")}
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for parts, path in files.items():
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        below = found.setdefault(parts, set())
        for node in nodes:
            if not isinstance(node, ast.ImportFrom) or not 0 < node.level <= len(parts):
                continue
            base = (*parts[: len(parts) - node.level], *(node.module or "").split("."))
            base = tuple(filter(None, base))
            named = {(*base, alias.name) for alias in node.names} & files.keys()
            below |= named or ({base} & files.keys())
    return found


def test_an_import_goes_to_the_same_floor_or_down() -> None:
    upward = [
        f"{'/'.join(this)} -> {'/'.join(other)}"
        for this, below in arrows().items()
        for other in below
        if this != ("__init__",) and FLOORS[other[0]] > FLOORS[this[0]]
    ]
    assert upward == []


def test_no_files_stand_in_a_circle() -> None:
    try:
        order = list(TopologicalSorter(arrows()).static_order())
    except CycleError as error:
        raise AssertionError(f"a circle: {error.args[1]}") from None
    assert ("comparison", "comparison") in order


def test_the_arrows_are_really_seen() -> None:
    seen = arrows()
    assert ("numbers",) in seen["pages", "signal_figures"]
    assert ("comparison", "measures") in seen["comparison", "comparison"]
