"""Ours are errors, other packages' deprecations are shown; in the gates without pins all are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = "from seen_warnings import pytest_terminal_summary, pytest_warning_recorded\n"
ELSEWHERE = """
import warnings

def old(category, level):
    warnings.warn(f"old() goes away at level {level}", category, stacklevel=level)
"""
# level 1 blames the other package, level 2 its caller
CALLS = """
import elsewhere
import pytest

CALL = "import elsewhere; elsewhere.old({category}, {level})"

def call(module, category, level):
    exec(CALL.format(category=category, level=level), {"__name__": module})

@pytest.mark.parametrize("category", CATEGORIES)
def test_theirs(category):
    call("rubricbeat.judges.made_up", category, 1)

@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("module", ["rubricbeat.judges.made_up", "rubricbeat", "tests.made_up"])
def test_ours(module, category):
    call(module, category, 2)

def test_a_third_packages(category="DeprecationWarning"):
    call("rubricbeat_like", category, 2)

def test_no_deprecation():
    call("rubricbeat_like", "RuntimeWarning", 1)
"""
CATEGORIES = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


def run(root: Path, folder: Path, *options: str) -> tuple[dict[str, int], str]:
    """Run the made-up calls under our settings; give counts by outcome, and what was printed."""
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    package = folder / "site-packages" / "elsewhere"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(ELSEWHERE, "utf-8")
    calls = folder / "test_calls.py"
    calls.write_text(CALLS.replace("CATEGORIES", repr(CATEGORIES)), "utf-8")
    paths = f"pythonpath={root / 'tests'} {package.parent}"
    ours = ("-c", root / "pyproject.toml", "--rootdir", folder, "-o", paths)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *ours, "-p", "no:cacheprovider", "-rA", *options, calls],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = [line.split(" ")[:2] for line in done.stdout.splitlines() if "::test_" in line]
    counts: dict[str, int] = {}
    for outcome, test in outcomes:
        name = f"{outcome} {test.split('::')[-1].split('[')[0]}"
        if outcome in {"PASSED", "FAILED"}:
            counts[name] = counts.get(name, 0) + 1
    return counts, done.stdout


def test_what_blames_our_line_fails_and_what_blames_theirs_is_shown(
    root: Path, tmp_path: Path
) -> None:
    counts, printed = run(root, tmp_path)
    assert counts == {
        "PASSED test_theirs": 3,
        "FAILED test_ours": 9,
        "PASSED test_a_third_packages": 1,
        "FAILED test_no_deprecation": 1,
    }
    for category in CATEGORIES:
        assert f"elsewhere: {category}: old() goes away at level 1" in printed


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_the_gates_without_pins_show_everything_and_fail_nothing(
    root: Path, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    counts, printed = run(root, tmp_path, "-W", "default", *workers)
    assert not [name for name in counts if name.startswith("FAILED")]
    assert sum(counts.values()) == 14
    assert "level 2" in printed
    assert "elsewhere: RuntimeWarning: old() goes away at level 1" in printed
