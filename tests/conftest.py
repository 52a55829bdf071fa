"""What every test shares: one torch thread, no hub, and the private data where it is there."""

from __future__ import annotations

import os
import signal
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


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test where the suite itself runs in the background.

    A shell has its background jobs ignore the interrupt, and whatever they start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
