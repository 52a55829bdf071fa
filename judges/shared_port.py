"""One address on loopback for several servers: each connection goes to the one that has fewest."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence

from .loop_thread import LoopThread

CHUNK_BYTES = 65_536


@contextlib.contextmanager
def shared_port(ports: Sequence[int]) -> Iterator[int]:
    """Open a port that passes its connections on, for as long as the `with` block lasts.

    Args:
        ports: Of the servers, on loopback.
    """
    n_open = Counter(dict.fromkeys(ports, 0))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = min(n_open, key=n_open.__getitem__)
        n_open[port] += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        except OSError:  # the server is gone, which its caller finds out
            writer.close()
        finally:
            n_open[port] -= 1

    thread = LoopThread()
    try:
        server = thread.submit(asyncio.start_server(serve, "127.0.0.1", 0)).result()
        yield int(server.sockets[0].getsockname()[1])
        thread.loop.call_soon_threadsafe(server.close)
    finally:
        thread.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy what comes until it ends, and end the other side too."""
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
