"""The HTTP side: who may ask, how much may be sent, and how long a sender may take.

aiohttp's low-level server, because everything but the exact paths below is refused. A handler goes
on when its client has gone: what it asked for is paid, and a second try finds it in the store.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from ...judges.errors import RubricbeatError, in_words
from .connections import Connection, Gate
from .forms import score_openrlhf, score_slime
from .service import Service
from .wire import RequestError, parsed, score_request

LARGE_BYTES = 64_000
"""A body beyond this is read in a thread, so that other clients do not wait for it."""
LARGE_ANSWERS = 32
"""The same for replies."""
SEND_S = 60.0
"""Longest that a client may take to read its reply."""
RETRY_AFTER_S = 2
"""What a client is told to wait where trying again may help."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Reply = tuple[int, Any]
"""Status and what becomes JSON."""
Work = Callable[[Any], Awaitable[Reply]]
"""Takes what the body holds."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much, and how long, a sender may."""

    body_bytes: int = 16_000_000
    """Largest body."""
    in_hand_bytes: int = 256_000_000
    """Bodies of all requests in hand together."""
    connections: int = 2_000
    head_s: float = 20.0
    """Longest that the head of a request may take to arrive."""
    body_s: float = 60.0
    """Longest that a body may take to arrive."""


class App:
    """Answers requests; all of it runs on one event loop."""

    def __init__(self, service: Service, token: str | None, bounds: Bounds) -> None:
        """Wire the routes.

        Args:
            service: Grades.
            token: What clients must show; None for a server on loopback that asks for none.
            bounds: Of sizes and times.
        """
        self.service = service
        self._token = token.encode() if token is not None else None
        self._bounds = bounds
        self._bytes_in_hand = 0
        self.n_gone = 0
        """Clients that were not there any more when their reply was."""
        self._began = time.monotonic()
        self._statuses: Counter[int] = Counter()
        self._works: Mapping[str, Work] = {
            "/v1/score": self._score,
            "/v1/openrlhf": self._openrlhf,
            "/v1/slime": self._slime,
        }
        self.gate = Gate(bounds.connections, bounds.head_s)
        self._server = web.Server(self._handle, access_log=None)

    def protocol(self) -> Connection:
        """Make the protocol of a new connection; for `create_server`."""
        return Connection(self._server, self.gate, asyncio.get_running_loop())

    async def close(self, within_s: float) -> None:
        """Close the connections, when their replies are sent or so many seconds are over."""
        await self._server.shutdown(within_s)

    # -- a request ------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        with connection.busy():
            status, plain, headers = await self._answered(request)
            self._statuses[status] += 1
            response = web.Response(
                status=status,
                body=orjson.dumps(plain),
                content_type="application/json",
                headers={
                    "X-Content-Type-Options": "nosniff",
                    "Cache-Control": "no-store",
                    **headers,
                },
            )
            if status >= 400 and not request.content.at_eof():
                response.force_close()  # what is left of the body is not read
            try:
                async with asyncio.timeout(SEND_S):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                connection.drop()
            except ConnectionError:
                self.n_gone += 1
            return response

    async def _answered(self, request: web.BaseRequest) -> tuple[int, Any, dict[str, str]]:
        try:
            status, plain = await self._routed(request)
            return status, plain, {}
        except RequestError as error:
            headers = {"Retry-After": str(RETRY_AFTER_S)} if error.retry else {}
            if error.status == 401:
                headers["WWW-Authenticate"] = "Bearer"
            return error.status, error.to_json(), headers
        except RubricbeatError as error:  # such as a reward of the user's own that fails
            said = RequestError(str(error), status=500, code="fault")
        except ConnectionError:
            said = RequestError("the client has disconnected", status=499, code="gone")
        except Exception as error:
            print(f"rubricbeat serve: a bug in rubricbeat: {in_words(error)}", file=sys.stderr)
            said = RequestError("internal error; see the server's log", status=500, code="fault")
        return said.status, said.to_json(), {}

    async def _routed(self, request: web.BaseRequest) -> Reply:
        path = request.rel_url.raw_path
        if path == "/health":
            return self._health(request.method)
        self._check_sender(request)
        if path == "/v1/stats":
            _require_method(request.method, "GET")
            return 200, self.stats()
        if path not in self._works:
            known = ", ".join(["/health", "/v1/stats", *self._works])
            raise RequestError(
                f"no such path; known paths: {known}", status=404, code="no_such_path"
            )
        _require_method(request.method, "POST")
        self.service.require_open()
        _require_json(request)
        body = await self._body(request)
        try:
            big = len(body) > LARGE_BYTES
            plain = await asyncio.to_thread(parsed, body) if big else parsed(body)
            return await self._works[path](plain)
        finally:
            self._bytes_in_hand -= len(body)

    def _check_sender(self, request: web.BaseRequest) -> None:
        """Refuse who does not show the token; without one, who does not name this very machine.

        A page in a browser can make its own name point to 127.0.0.1; it cannot hide that name.

        Raises:
            RequestError: It is refused.
        """
        if self._token is None:
            host = request.headers.get("Host", "").rpartition(":")
            name = host[0] if host[1] and host[2].isdigit() else "".join(host)
            if name.strip("[]").lower() not in LOOPBACK:
                raise RequestError("the Host is not this machine", status=403, code="wrong_host")
            return
        given = _token_of(request.headers.get("Authorization", ""))
        if not hmac.compare_digest(given, self._token):
            raise RequestError(
                "give the server's token: 'Authorization: Bearer TOKEN'",
                status=401,
                code="wrong_token",
            )

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Read a body; what it takes of the memory is given back by the caller.

        Raises:
            RequestError: It is too large, too slow, or too much is in hand.
        """
        bounds, body = self._bounds, bytearray()
        too_large = RequestError(
            f"the body is larger than {bounds.body_bytes:,} bytes (--max_body_mb); send several",
            status=413,
            code="too_large",
        )
        if (request.content_length or 0) > bounds.body_bytes:
            raise too_large
        try:
            async with asyncio.timeout(bounds.body_s):
                if request.headers.get("Expect", "").lower() == "100-continue":
                    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                while chunk := await request.content.readany():
                    body += chunk
                    self._bytes_in_hand += len(chunk)
                    if len(body) > bounds.body_bytes:
                        raise too_large
                    if self._bytes_in_hand > bounds.in_hand_bytes:
                        raise RequestError(
                            "too many pending requests; retry in a moment",
                            status=429,
                            code="busy",
                            retry=True,
                        )
        except BaseException as error:
            self._bytes_in_hand -= len(body)
            if isinstance(error, TimeoutError):
                raise RequestError("the body did not arrive", status=408, code="slow") from None
            raise
        return bytes(body)

    # -- what is asked for ----------------------------------------------------------------

    def _health(self, method: str) -> Reply:
        _require_method(method, "GET")
        is_open = self.service.stopping is None
        return (200 if is_open else 503), {"status": "ok" if is_open else "stopping"}

    async def _score(self, plain: Any) -> Reply:
        request = score_request(plain, self.service.offer)
        scored = await self.service.score(request)
        facts = self.service.judge_facts()
        big = len(scored.graded) > LARGE_ANSWERS
        reply = (
            await asyncio.to_thread(scored.to_json, request, facts)
            if big
            else scored.to_json(request, facts)
        )
        if scored.fault is None and scored.stopped is None:
            return 200, reply
        # what came is given all the same: it was paid for
        error = RequestError(scored.why_incomplete(), code="judge_stopped")
        return 503, {**error.to_json(), **reply}

    async def _openrlhf(self, plain: Any) -> Reply:
        return 200, await score_openrlhf(plain, self.service)

    async def _slime(self, plain: Any) -> Reply:
        return 200, await score_slime(plain, self.service)

    def stats(self) -> dict[str, Any]:
        """Tell what was asked and answered so far, and what the judge cost."""
        service = self.service
        return {
            "server": {
                "seconds": round(time.monotonic() - self._began, 3),
                "stopping": service.stopping,
                "replies": {str(status): n for status, n in sorted(self._statuses.items())},
                "answers_in_hand": service.n_pending,
                "answers_graded": service.n_graded,
                "incomplete_requests": service.n_incomplete,
                "clients_gone": self.n_gone,
                "bytes_in_hand": self._bytes_in_hand,
                "connections": self.gate.n_open,
                "connections_refused": self.gate.n_refused,
                "connections_too_slow": self.gate.n_too_slow,
            },
            "rewards": list(service.offer.rewards),
            "rows": len(service.offer.examples),
            "judge": service.grader.facts(),
        }


def _require_method(method: str, wanted: str) -> None:
    if method != wanted:
        raise RequestError(f"this path takes {wanted}", status=405, code="wrong_method")


def _require_json(request: web.BaseRequest) -> None:
    """Take JSON alone, as it is: a page in a browser may not send that type without being asked.

    Raises:
        RequestError: It is something else, or compressed.
    """
    if request.content_type != "application/json":
        raise RequestError("send 'Content-Type: application/json'", status=415, code="not_json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RequestError("send the body uncompressed", status=415, code="compressed")


def _token_of(header: str) -> bytes:
    """Give the token of a header; the password of Basic too, for trainers that know but a URL."""
    kind, _, value = header.partition(" ")
    value = value.strip()
    if kind.lower() == "bearer":
        return value.encode("utf-8", "surrogateescape")
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
