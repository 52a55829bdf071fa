"""The HTTP side: who may ask, how much may be sent, and how long a sender may take.

aiohttp's low-level server, because everything but the exact paths below is refused. A handler goes
on when its client has gone: what it asked for is paid, and a second try finds it in the store.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import socket
import time
from collections import Counter
from dataclasses import dataclass

import orjson
from aiohttp import web

from ...judges.errors import ConfigError, RubricbeatError, in_words
from ..terminal import say
from .connections import Connection, ConnectionLimit
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
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
SCORE, STATS, HEALTH = "/v1/score", "/v1/stats", "/health"
FORMS = {"/v1/openrlhf": score_openrlhf, "/v1/slime": score_slime}
FLUSH_S = 10.0
"""Beyond the judge's own time-out: longest that replies may take to be worded and sent."""

Reply = tuple[int, object]
"""Status and what becomes JSON."""


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
        """Serve to clients that show the token; None on loopback, where none is asked for."""
        self.service = service
        self._token = token.encode() if token is not None else None
        self._bounds = bounds
        self._bytes_in_hand = 0
        self.n_gone = 0
        """Clients that were not there any more when their reply was."""
        self._began = time.monotonic()
        self._statuses: Counter[int] = Counter()
        self.gate = ConnectionLimit(bounds.connections, bounds.head_s)
        self._server = web.Server(self._handle, access_log=None)
        self._listening: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and give the address.

        Raises:
            ConfigError: Nothing can listen there.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(
                lambda: Connection(self._server, self.gate, loop), host, port, backlog=1_024
            )
        except (OSError, UnicodeError) as error:
            raise ConfigError(
                f"cannot listen at {host} port {port}: {error}; name another --port"
            ) from error
        first = self._listening.sockets[0]
        host, port = first.getsockname()[:2]
        shown = f"[{host}]" if first.family == socket.AF_INET6 else host
        return f"http://{shown}:{port}"

    async def stop(self, reason: str) -> bool:
        """Refuse new work, let what is paid for end, answer whoever waits, and close.

        Returns:
            Whether every request in hand was answered.
        """
        within_s = self.service.grader.options.timeout_s + FLUSH_S
        is_done = await self.service.stop(reason, within_s)
        if self._listening is not None:
            self._listening.close()
        await self._server.shutdown(FLUSH_S)
        return is_done

    # -- a request ------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        with connection.busy():
            status, plain, headers = await self._answered(request)
            self._statuses[status] += 1
            response = web.Response(
                status=status,
                body=_dumped(plain),
                content_type="application/json",
                headers={**HEADERS, **headers},
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

    async def _answered(self, request: web.BaseRequest) -> tuple[int, object, dict[str, str]]:
        try:
            return *await self._routed(request), {}
        except RequestError as error:
            said = error
        except RubricbeatError as error:  # such as a reward of the user's own that fails
            said = RequestError(str(error), "fault")
        except ConnectionError:
            said = RequestError("the client has disconnected", "gone")
        except Exception as error:
            say(f"a bug in rubricbeat: {in_words(error)}", "serve")
            said = RequestError("internal error; see the server's log", "fault")
        headers = {"Retry-After": str(RETRY_AFTER_S)} if said.retry else {}
        if said.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return said.status, said.to_json(), headers

    async def _routed(self, request: web.BaseRequest) -> Reply:
        path, service = request.rel_url.raw_path, self.service
        if path == HEALTH:
            _require_method(request, "GET")
            is_open = service.stopping is None
            return (200 if is_open else 503), {"status": "ok" if is_open else "stopping"}
        self._check_sender(request)
        if path == STATS:
            _require_method(request, "GET")
            return 200, self.stats()
        if path != SCORE and path not in FORMS:
            known = ", ".join([HEALTH, STATS, SCORE, *FORMS])
            raise RequestError(f"no such path; known paths: {known}", "no_such_path")
        _require_method(request, "POST")
        service.require_open()
        _require_json(request)
        body = await self._body(request)
        try:
            big = len(body) > LARGE_BYTES
            plain = await asyncio.to_thread(parsed, body) if big else parsed(body)
            if path == SCORE:
                return await self._score(plain)
            return 200, await FORMS[path](plain, service)
        finally:
            self._bytes_in_hand -= len(body)

    def _check_sender(self, request: web.BaseRequest) -> None:
        """Refuse who does not show the token; without one, who does not name this very machine.

        A page in a browser can make its own name point to 127.0.0.1; it cannot hide that name.
        """
        if self._token is None:
            host = request.headers.get("Host", "").rpartition(":")
            name = host[0] if host[1] and host[2].isdigit() else "".join(host)
            if name.strip("[]").lower() not in LOOPBACK:
                raise RequestError("the Host is not this machine", "wrong_host")
            return
        given = _token_of(request.headers.get("Authorization", ""))
        if not hmac.compare_digest(given, self._token):
            words = "give the server's token: 'Authorization: Bearer TOKEN'"
            raise RequestError(words, "wrong_token")

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Read a body; what it takes of the memory is given back by the caller."""
        bounds, body = self._bounds, bytearray()
        too_large = RequestError(
            f"the body is larger than {bounds.body_bytes:,} bytes (--max_body_mb); send several",
            "too_large",
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
                        raise RequestError("too many pending requests; retry in a moment", "busy")
        except BaseException as error:
            self._bytes_in_hand -= len(body)
            if isinstance(error, TimeoutError):
                raise RequestError("the body did not arrive", "slow") from None
            raise
        return bytes(body)

    # -- what is asked for ----------------------------------------------------------------

    async def _score(self, plain: object) -> Reply:
        scored = await self.service.score(score_request(plain, self.service.offer))
        facts = self.service.judge_facts()
        big = len(scored.graded) > LARGE_ANSWERS
        reply = await asyncio.to_thread(scored.to_json, facts) if big else scored.to_json(facts)
        if scored.ended is None:
            return 200, reply
        # what came is given all the same: it was paid for
        error = RequestError(scored.why_incomplete(), "judge_stopped")
        return error.status, {**error.to_json(), **reply}

    def stats(self) -> dict[str, object]:
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


def _dumped(plain: object) -> bytes:
    """Write JSON; half a surrogate pair, as a reply that was cut off holds one, becomes "?"."""
    try:
        return orjson.dumps(plain)
    except orjson.JSONEncodeError:
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")


def _require_method(request: web.BaseRequest, wanted: str) -> None:
    if request.method != wanted:
        raise RequestError(f"this path takes {wanted}", "wrong_method")


def _require_json(request: web.BaseRequest) -> None:
    """Take JSON alone, as it is: a page in a browser may not send that type without being asked."""
    if request.content_type != "application/json":
        raise RequestError("send 'Content-Type: application/json'", "not_json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RequestError("send the body uncompressed", "compressed")


def _token_of(header: str) -> bytes:
    """Give the token of a header; the password of Basic too, for trainers that know but a URL."""
    kind, _, value = header.partition(" ")
    value = value.strip()
    if kind.lower() == "bearer":
        return value.encode("utf-8", "surrogateescape")
    with contextlib.suppress(ValueError):  # no base64
        if kind.lower() == "basic":
            return base64.b64decode(value, validate=True).partition(b":")[2]
    return b""
