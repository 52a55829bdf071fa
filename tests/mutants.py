"""Break one line at a time, and see whether the tests of its room notice: `make mutants`.

    python tests/mutants.py [--mutants 120] [--seed 17] [--room signal] [--timeout 300]

The operators are cosmic-ray's. Its runner is not used: it wants a package in a folder of its own,
and here the root of the repository is the package. A seeded sample of places is drawn, of each room
as many as its share of all places, and for each place one operator; all happens in a copy of the
checkout. A mutant that no test notices survives: it is printed with its line, and the shares last.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "scoring": ("judges/scoring/*.py",),
    "rewards": ("judges/rewards/*.py",),
    "replies": tuple(
        f"judges/replies/{name}.py" for name in ("parsing", "readings", "spelled", "commitment")
    ),
    "signal": ("judges/signal/*.py",),
    "engine": ("judges/engine/*.py",),
    "budget": ("judges/budget/*.py",),
    "audit": ("judges/audit/*.py",),
}
"""What is broken in each room; its tests are those of tests/judges/ROOM."""
MORE_TESTS = {"engine": ("tests/judges/backends/test_composites.py", "tests/judges/test_grader.py")}
NOT_RUN = {"test_kill.py", "test_against_trl.py"}
"""They start programs or load torch: minutes a mutant, and their subject is another."""
NOT_USED = ("Variable", "Eq_Is", "Is_Eq", "IsNot_NotEq", "NotEq_IsNot")
"""Operators that want arguments, and those that change nothing on an enum or None."""
SURVIVED, KILLED, TIMED_OUT = "survived", "killed", "timed out"
NO_PROGRAM = "no program"
"""What the operator made does not compile; it counts as no mutant."""


@dataclass(frozen=True, order=True)
class Place:
    """One place of a file that some operators can change."""

    room: str
    path: str
    line: int
    column: int
    kind: str


@dataclass(frozen=True)
class Change:
    """An operator, and which of its occurrences in the file."""

    operator: str
    occurrence: int


def places_of(room: str, path: Path) -> dict[Place, list[Change]]:
    """List every place of a file that can be broken, with the operators that break it."""
    source = path.read_text(encoding="utf-8")
    nodes, idle = list(ast_nodes(get_ast(source))), lines_that_do_nothing(source)
    found: dict[Place, list[Change]] = defaultdict(list)
    for name in sorted(n for n in operator_names() if not any(part in n for part in NOT_USED)):
        operator, occurrence = get_operator(name)(), 0
        for node in nodes:
            for (line, column), _ in operator.mutation_positions(node):
                if (line, column) not in idle:
                    kind = name.split("/")[1].split("_")[0]
                    place = Place(room, path.relative_to(ROOT).as_posix(), line, column, kind)
                    found[place].append(Change(name, occurrence))
                occurrence += 1
    return found


def lines_that_do_nothing(source: str) -> set[tuple[int, int]]:
    """Give the positions inside type annotations, and in arguments such as `frozen=True`."""
    idle: set[tuple[int, int]] = set()
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr):
                idle.update(_span(part))
        if isinstance(node, ast.ClassDef):
            idle.update(at for part in node.decorator_list for at in _span(part))
    return idle


def _span(part: ast.expr) -> Iterator[tuple[int, int]]:
    for line in range(part.lineno, (part.end_lineno or part.lineno) + 1):
        first = part.col_offset if line == part.lineno else 0
        last = (part.end_col_offset or 0) if line == part.end_lineno else 200
        yield from ((line, column) for column in range(first, last))


def sample(n: int, seed: int, rooms: Sequence[str]) -> list[tuple[Place, Change]]:
    """Draw the places, each with one operator."""
    rng = random.Random(seed)
    by_room = {
        room: {
            place: changes
            for pattern in ROOMS[room]
            for path in sorted(ROOT.glob(pattern))
            for place, changes in places_of(room, path).items()
        }
        for room in rooms
    }
    n_all = sum(map(len, by_room.values()))
    drawn = []
    for found in by_room.values():
        n_here = max(1, round(n * len(found) / n_all))
        chosen = sorted(rng.sample(sorted(found), min(n_here, len(found))))
        drawn += [(place, rng.choice(found[place])) for place in chosen]
    rng.shuffle(drawn)  # so that the beginning of a run is a sample too
    return drawn


def tests_of(room: str, path: str, home: Path) -> list[list[str]]:
    """List the test files of a room: those named like the broken file, then the others."""
    own: list[Path] = []
    others = [home / more for more in MORE_TESTS.get(room, ())]
    for file in sorted((home / "tests/judges" / room).glob("test_*.py")):
        if file.name not in NOT_RUN:
            (own if file.stem.startswith(f"test_{Path(path).stem}") else others).append(file)
    return [[str(file) for file in files] for files in (own, others) if files]


def outcome_of_room(room: str, path: str, home: Path, timeout_s: float) -> str:
    """Run the tests of a room, the nearest ones first: most mutants need no other."""
    for tests in tests_of(room, path, home):
        if (outcome := outcome_of(home, tests, timeout_s)) != SURVIVED:
            return outcome
    return SURVIVED


def outcome_of(home: Path, tests: Sequence[str], timeout_s: float) -> str:
    """Run tests of the copy."""
    paths = os.pathsep.join((str(home.parent), str(home / "tests")))
    data = str(ROOT.parent / "shared" / "data")
    given = {"RUBRICBEAT_SHARED": data, **os.environ, "PYTHONPATH": paths}
    command = (sys.executable, "-m", "pytest", *tests, "-q", "-x", "-p", "no:cacheprovider")
    with log_of(home).open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            cwd=home,
            env={**given, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            return SURVIVED if process.wait(timeout_s) == 0 else KILLED
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        finally:
            # the programs that its tests have started too, which a killed mutant may have left
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def log_of(home: Path) -> Path:
    """Say where the last run of tests wrote."""
    return home.parent / "log.txt"


def copy_of_checkout(folder: Path) -> Path:
    """Copy what git knows or would take, under the package's name."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    home = folder / "rubricbeat"
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / name)
    return home


def broken(place: Place, change: Change, home: Path, timeout_s: float) -> tuple[str, str]:
    """Break a place, run the tests, mend it. Gives the outcome and the line as it was broken."""
    source = (home / place.path).read_text(encoding="utf-8")
    mutant = mutate_code(source, get_operator(change.operator)(), change.occurrence)
    assert mutant is not None and mutant != source, (place, change)
    pairs = zip(source.splitlines(), mutant.splitlines(), strict=False)
    was, now = next(pair for pair in pairs if pair[0] != pair[1])
    if not _compiles(mutant):
        return NO_PROGRAM, now.strip()
    try:
        (home / place.path).write_text(mutant, encoding="utf-8")
        outcome = outcome_of_room(place.room, place.path, home, timeout_s)
    finally:
        (home / place.path).write_text(source, encoding="utf-8")
    return outcome, f"{was.strip()}  ->  {now.strip()}"


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sample and print its survivors."""
    parser = argparse.ArgumentParser(description="Break lines; see whether tests notice.")
    parser.add_argument("--mutants", type=int, default=120)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--room", choices=ROOMS, help="this room alone")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a mutant")
    args = parser.parse_args(argv)
    rooms = [args.room] if args.room else list(ROOMS)
    drawn = sample(args.mutants, args.seed, rooms)
    counts: dict[str, dict[str, int]] = {room: defaultdict(int) for room in rooms}
    with tempfile.TemporaryDirectory() as folder:
        home = copy_of_checkout(Path(folder))
        for room in rooms:
            if outcome_of_room(room, "", home, 4 * args.timeout) != SURVIVED:
                print(log_of(home).read_text(encoding="utf-8")[-3000:])
                print(f"the tests of {room} fail as they are: mend them first")
                return 2
        for number, (place, change) in enumerate(drawn, start=1):
            outcome, shown = broken(place, change, home, args.timeout)
            counts[place.room][outcome] += 1
            told = f"{number}/{len(drawn)} {outcome}: {place.path}:{place.line} {shown}"
            print(told, flush=True)
    print_shares(counts)
    return 0


def print_shares(counts: dict[str, dict[str, int]]) -> None:
    """Print how many mutants of each room survived."""
    total: dict[str, int] = defaultdict(int)
    for room, found in counts.items():
        for outcome, n in found.items():
            total[outcome] += n
        print(_share(room, found))
    print(_share("all", total))


def _share(name: str, found: dict[str, int]) -> str:
    n = sum(found.values()) - found[NO_PROGRAM]
    return (
        f"{name:8} {found[SURVIVED]:4} of {n:4} survive, {100 * found[SURVIVED] / max(n, 1):3.0f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
