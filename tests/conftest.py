"""What every test shares: one torch thread, no hub, and the private data where it is there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from seen_warnings import pytest_terminal_summary, pytest_warning_recorded

__all__ = ["pytest_terminal_summary", "pytest_warning_recorded"]

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

# no law of ours is about time: a busy machine is not to break one
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


HEAVY = (
    # Ray, real processes, hundreds of faults
    "faults/test_writes.py",
    "harness/distributed/test_ray.py",
    "harness/training/test_launch.py",
    "tasks/test_ranks.py",
    "faults/test_damage.py",
    # torch, a browser, statistics on many draws, real data
    "harness/training/",
    "reports/pages/test_browser.py",
    "docs/test_site.py",
    "docs/test_tutorials.py",
    "reports/training/",
    "harness/test_compare.py",
    "harness/commands/test_export.py",
    "harness/commands/test_fit_judge.py",
    "harness/commands/test_train.py",
    "harness/commands/test_trust.py",
    "harness/commands/test_import_verdicts.py",
    "judges/audit/test_label_correction.py",
    "judges/audit/test_run_correction.py",
    "judges/audit/test_passes.py",
    "judges/fitted/",
    "judges/signal/test_against_trl.py",
    "judges/signal/test_study.py",
    "judges/signal/test_gold.py",
    "reports/comparison/test_comparison.py",
    "reports/pages/test_signal_page.py",
    "reports/pages/test_figures.py",
    "judges/engine/test_kill.py",
    "judges/store/test_postgres",
    "judges/backends/test_llama_server.py",
    "judges/engine/test_claims.py",
    "judges/backends/test_local.py",
    "judges/rewards/test_rewards.py",
    "harness/results/test_judged_runs.py",
    "harness/test_run.py",
    "harness/test_run_name.py",
    "harness/results/test_writer.py",
    "harness/serving/test_serve_command.py",
    # lm-eval and its index, the built package
    "tasks/",
    "examples/",
    "benchmarks/",
    "test_packaging.py",
)
"""Beginnings of the tests that take long, the longest first: the whole suite begins with them, so
that none is left alone at the end, and `--quick` leaves them out."""
NOT_QUICK = {"torch", "ray", "playwright", "lm_eval", "xllamacpp"}
"""What no quick test may load."""


def _weight(path: Path) -> int:
    """Give the place of a file among the heavy ones; their number for all others."""
    name = path.relative_to(ROOT / "tests").as_posix()
    return next((n for n, start in enumerate(HEAVY) if name.startswith(start)), len(HEAVY))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`."""
    parser.addoption("--quick", action="store_true", help="leave out what takes long (HEAVY)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import, with `--quick`, the tests that take long."""
    is_test = collection_path.name.startswith("test_")
    if config.getoption("--quick") and is_test and _weight(collection_path) < len(HEAVY):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest."""
    items.sort(key=lambda item: _weight(item.path))


def pytest_xdist_auto_num_workers() -> int:
    """Give each core a test, and one more: some of the tests wait for other programs."""
    return min(8, (os.cpu_count() or 1) + 1)


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test where the suite itself runs in the background.

    A shell has its background jobs ignore the interrupt, and whatever they start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def _quick_tests_load_little(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold the tests of `--quick` to their word."""
    before = NOT_QUICK & sys.modules.keys()
    yield
    if request.config.getoption("--quick"):
        loaded = sorted(NOT_QUICK & sys.modules.keys() - before)
        assert loaded == [], "a quick test loaded this: add its file to HEAVY"


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the repository root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of private real data, or skip the test where it is missing."""
    folder = Path(os.environ.get("RUBRICBEAT_SHARED", ROOT.parent / "shared" / "data"))
    if not (folder / "healthbench_rows.jsonl.gz").is_file():
        pytest.skip("the private data folder is not here")
    return folder


@pytest.fixture(autouse=True)
def _own_verdict_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep verdicts of a test in its own folder, never in the user's cache."""
    monkeypatch.setenv("RUBRICBEAT_STORE", str(tmp_path / "verdicts.sqlite"))
