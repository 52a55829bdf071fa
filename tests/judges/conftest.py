"""A PostgreSQL server for the tests of the shared store; they skip where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        if running is None:
            pytest.skip("no PostgreSQL programs here (apt-get install postgresql)")
        yield running


@pytest.fixture
def address(server: PostgresServer) -> str:
    return server.database()
