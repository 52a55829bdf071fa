"""The warm process of the trials, their endpoint, and the run that is right."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.kit import HERE, N_ANSWERS, N_CRITERIA, Driver, Ended, Found, Place
from loopback import Loopback


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    compiler = shutil.which("cc")
    if compiler is None or not Path("/proc/self/fd").is_dir():
        pytest.skip("needs a C compiler, and /proc")
    shim = tmp_path_factory.mktemp("shim") / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(shim), str(HERE / "shim.c"), "-ldl"]
    subprocess.run(command, check=True)
    driver = Driver(shim)
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture(scope="module")
def right(
    driver: Driver, server: Loopback, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Found, Ended]:
    """Give the true run, and how it ended, with how many calls."""
    place = Place(tmp_path_factory.mktemp("right") / "p", server)
    judged = driver.run(place.judge, place.path)
    assert judged.code == 0, judged.err
    (found,) = place.runs()
    assert found.score is not None and len(found.met) == N_ANSWERS * N_CRITERIA
    assert judged.n_calls > 20
    return found, judged
