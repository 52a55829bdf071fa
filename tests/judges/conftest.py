"""A PostgreSQL server for the tests of the shared store, and loops in virtual time for graders."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from postgres_server import PostgresServer, postgres_server
from virtual_time import VirtualLoop


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        if running is None:
            pytest.skip("no PostgreSQL programs here (apt-get install postgresql)")
        yield running


@pytest.fixture
def address(server: PostgresServer) -> str:
    return server.database()


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> list[VirtualLoop]:
    """Let graders live in virtual time; gives their loops, in the order they open."""
    loops: list[VirtualLoop] = []

    def new_loop() -> VirtualLoop:
        loops.append(VirtualLoop())
        return loops[-1]

    clock = SimpleNamespace(monotonic=lambda: loops[-1].now if loops else 0.0)
    monkeypatch.setattr("rubricbeat.judges.engine.event_loop.new_loop", new_loop)
    monkeypatch.setattr("rubricbeat.judges.grader.time", clock)
    return loops
