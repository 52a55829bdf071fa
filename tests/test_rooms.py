"""The house: who may import whom, how many files a room holds, how long a file is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = (
    ("judges/errors",),
    ("judges/rubric",),
    ("judges/files", "judges/options", "judges/replies", "judges/registry", "judges/verdict"),
    ("judges/judge", "judges/learned", "judges/shares"),
    ("judges/answer",),
    ("judges/scoring", "judges/keyword"),
    ("judges/data", "judges/rewards"),
    ("judges/store", "judges/signal", "judges/audit"),
    ("judges/engine", "judges/fitted", "judges/budget"),
    ("judges/judge_options", "judges/grader_facts"),
    ("judges/backends", "judges/grader"),
    ("tasks/demo", "tasks/heart", "tasks/models", "tasks/metrics", "tasks/settings"),
    ("tasks/data", "tasks/lm_eval_adapter"),
    ("tasks/whole_task",),
    ("tasks/rubric_task", "tasks/judge_meta"),
    ("tasks/reward_variance",),
    ("tasks/rubric_preference",),
    ("reports/numbers",),
    ("reports/interval_words", "reports/results"),
    ("reports/comparison",),
    ("reports/pages",),
    ("reports/training",),
    ("harness/terminal", "harness/lint", "harness/parser"),
    ("harness/flags",),
    ("harness/results",),
    ("harness/evaluation", "harness/costs", "harness/inputs"),
    ("harness/audit_since", "harness/asked"),
    (
        "harness/labels",
        "harness/audit_run",
        "harness/audit_noise",
        "harness/until",
        "harness/sampling",
    ),
    ("harness/align",),
    ("harness/tables", "harness/distributed"),
    ("harness/training", "harness/serving"),
    ("harness/api",),
    ("harness/commands",),
    ("harness/cli",),
)
"""Rooms, the ground first: each may import what stands below it, and itself."""
FOLDERS_BELOW = {
    "judges": {"judges"},
    "tasks": {"tasks", "judges"},
    "reports": {"reports", "judges"},
    "harness": {"harness", "tasks", "reports", "judges"},
}
MAX_FILES = 15
CROWDED: dict[str, str] = {}
MAX_LINES = 400
LONG = {"tasks/rubric_task.py": "lm-eval calls its hooks on one class"}
"""Files past the limit, with the reason."""


def files_of(root: Path) -> list[Path]:
    return sorted(path for folder in FOLDERS_BELOW for path in (root / folder).rglob("*.py"))


def name_of(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def imports_of(path: Path, root: Path) -> Iterator[str]:
    """Give the files of the package that a file imports, also late and for types alone."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = path.parent
        for _ in range(node.level - 1):
            base = base.parent
        base = base.joinpath(*(node.module or "").split("."))
        for alias in node.names:
            for found in (base / f"{alias.name}.py", base.with_suffix(".py"), base / "__init__.py"):
                if found.is_file():
                    yield name_of(found, root)
                    break


def floor_of(name: str) -> int:
    """Give the floor of a file: that of its room, or its own."""
    found = [
        number
        for number, rooms in enumerate(FLOORS)
        for room in rooms
        if name == room or name.startswith(f"{room}/")
    ]
    assert found, f"{name} stands on no floor: give its room a place in FLOORS"
    return found[-1]


@pytest.fixture(scope="module")
def imports(root: Path) -> dict[str, list[str]]:
    """Every file of the package, and what it imports; the faces of folders aside."""
    return {
        name_of(path, root): sorted(set(imports_of(path, root)))
        for path in files_of(root)
        if path.name != "__init__.py"
    }


def test_the_four_folders_import_downwards(imports: dict[str, list[str]]) -> None:
    upward = [
        f"{name} -> {other}"
        for name, others in imports.items()
        for other in others
        if other.split("/")[0] not in FOLDERS_BELOW[name.split("/")[0]]
    ]
    assert upward == []


def test_no_room_imports_one_above_it_or_beside_it(imports: dict[str, list[str]]) -> None:
    def room(name: str) -> str:
        parts = name.split("/")
        return "/".join(parts[:2])

    upward = [
        f"{name} -> {other}"
        for name, others in imports.items()
        for other in others
        if room(name) != room(other) and floor_of(other) >= floor_of(name)
    ]
    assert upward == []


def test_no_files_import_each_other_in_a_circle(imports: dict[str, list[str]]) -> None:
    left = {name: set(others) & set(imports) for name, others in imports.items()}
    while ready := {name for name, others in left.items() if not others & set(left)}:
        for name in ready:
            del left[name]
    assert left == {}, "these import each other"


def test_no_two_classes_have_one_name(root: Path) -> None:
    """A name that stands twice is two things under one noun (docs/glossary.md)."""
    places: dict[str, list[str]] = {}
    for path in files_of(root):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name_of(path, root))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_room_is_crowded(root: Path, imports: dict[str, list[str]]) -> None:
    rooms: dict[str, int] = {}
    for name in imports:
        room = name.rpartition("/")[0]
        rooms[room] = rooms.get(room, 0) + 1
    crowded = {room: n for room, n in rooms.items() if n > MAX_FILES and room not in CROWDED}
    assert crowded == {}
    assert [room for room in CROWDED if rooms[room] <= MAX_FILES] == [], "no exception any more"


def test_no_file_is_long(root: Path) -> None:
    lines = {
        path.relative_to(root).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in files_of(root)
    }
    too_long = {name: n for name, n in lines.items() if n > MAX_LINES and name not in LONG}
    assert too_long == {}
    assert [name for name in LONG if lines.get(name, 0) <= MAX_LINES] == [], "no exception any more"
