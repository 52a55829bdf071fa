"""Connections: how many there may be, and that none is held by a head that never ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from aiohttp import web

IDLE_S = 300.0
"""How long a connection is kept for the next request of its client."""
LINGER_S = 5.0
"""How long what a refused client still sends is read and thrown away, so that it sees the reply."""
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class ConnectionLimit:
    """Counts the connections of a server, and bounds them."""

    most: int
    head_s: float
    """Longest that the head of a request may take."""
    n_open: int = 0
    n_refused: int = 0
    n_too_slow: int = 0


class Connection(web.RequestHandler):
    """A connection of aiohttp whose requests must begin in time."""

    def __init__(
        self, server: web.Server, gate: ConnectionLimit, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Wait for a connection, of which the gate counts all."""
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=IDLE_S,
            lingering_time=LINGER_S,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own default server gives None
            auto_decompress=False,
        )
        self._gate = gate
        self._own_loop = loop
        self._wire: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_let_in = False
        self._is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection in, or refuse it where there are too many."""
        self._wire = cast(asyncio.Transport, transport)
        if self._gate.n_open >= self._gate.most:
            self._gate.n_refused += 1
            self._wire.write(_FULL)
            self._wire.close()
            return
        self._is_let_in = True
        self._gate.n_open += 1
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of it."""
        if self._is_let_in:
            self._is_let_in = False
            self._gate.n_open -= 1
            self._forget_head()
            super().connection_lost(exc)
        self._wire = None

    def data_received(self, data: bytes) -> None:
        """Take what came; the head that begins here must end in time."""
        if not self._is_let_in:
            return
        if not self._is_busy:
            self._expect_head()
        super().data_received(data)

    def eof_received(self) -> None:
        """Take note that the client sends no more."""
        if self._is_let_in:
            super().eof_received()

    def drop(self) -> None:
        """End the connection without another word."""
        if self._wire is not None:
            self._wire.abort()

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Count no time while a request is handled."""
        self._is_busy = True
        self._forget_head()
        try:
            yield
        finally:
            self._is_busy = False

    def _expect_head(self) -> None:
        if self._timer is None:
            self._timer = self._own_loop.call_later(self._gate.head_s, self._too_slow)

    def _forget_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._gate.n_too_slow += 1
        self.drop()
