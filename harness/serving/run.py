"""A server from its start to its end: it listens, is told to stop, and ends with what was paid."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
from collections.abc import Callable
from dataclasses import dataclass

from ...judges.engine.event_loop import new_loop
from ...judges.errors import ConfigError
from ..terminal import say
from .app import LOOPBACK, App, Bounds
from .service import Service

MIN_TOKEN_CHARS = 16
WANTED_FILES = 8_192
"""Open files that many clients take; the system may allow fewer."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server listens, and what it asks for."""

    host: str = "127.0.0.1"
    port: int = 8300
    """0 for one that is free."""
    token: str | None = None

    def __post_init__(self) -> None:
        """Refuse a server that strangers could spend money at."""
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"--port {self.port}: from 0 to 65535")
        if self.token is None and not self.is_loopback:
            raise ConfigError(
                f"--host {self.host} is reachable from other machines: set a token of "
                f"{MIN_TOKEN_CHARS} characters or more in RUBRICBEAT_TOKEN, or give its "
                "file with --token_file"
            )
        if self.token is not None and len(self.token) < MIN_TOKEN_CHARS:
            raise ConfigError(f"the token is shorter than {MIN_TOKEN_CHARS} characters")

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name, which may stand for any address
            return self.host in LOOPBACK


def serve(
    make: Callable[[], Service],
    place: ServerSettings,
    bounds: Bounds,
    announce: Callable[[str], None],
) -> int:
    """Serve until SIGTERM or SIGINT; a second one ends everything at once.

    The service is made on the loop that it runs on; `announce` is told the address when it listens.

    Returns:
        0 when every request in hand was answered, else 1.

    Raises:
        ConfigError: Nothing can listen there.
        KeyboardInterrupt: At the second signal.
    """
    _raise_file_limit()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_serve(make, place, bounds, announce))


async def _serve(
    make: Callable[[], Service],
    place: ServerSettings,
    bounds: Bounds,
    announce: Callable[[str], None],
) -> int:
    app = App(make(), place.token, bounds)
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[str] = asyncio.Queue()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, signals.put_nowait, each.name)
    announce(await app.start(place.host, place.port))
    name = await signals.get()
    say(
        f"{name}: no new requests; {app.service.n_pending} answers are pending; waiting for the "
        "calls in flight (again to stop at once)",
        "serve",
    )
    stopping = loop.create_task(app.stop("the server is stopping; retry when it is up again"))
    second = loop.create_task(signals.get())
    await asyncio.wait({stopping, second}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping
        raise KeyboardInterrupt
    second.cancel()
    return 0 if stopping.result() else 1


def _raise_file_limit() -> None:
    """Allow this process as many open files as many clients take, where the system lets it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
