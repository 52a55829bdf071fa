"""A chat-completions server on loopback for tests: real sockets, any fault on demand.

    with Loopback() as server:
        server.script = faults.first(1, faults.rate_limited(retry_after="0.05"))
        open_grader({"name": "chat", "model": "fake", "base_url": server.url})

Raw asyncio on a thread of its own, so that it costs little beside what is tested. The verdict is a
function of the prompt alone (`met_of`), so that two programs that ask the same get the same. Also
usable as a process: `python tests/loopback.py --port N`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import NormalDist
from types import TracebackType
from typing import Any, Self

from waiting import until

_N_ITEMS = re.compile(r"# The rubric items, (\d+) in number")
EXPLANATION = "The answer was compared with the item. " * 5


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as a script sees it."""

    prompt: str
    """All messages, as `role: content` lines."""
    body: dict[str, Any] = field(repr=False)
    number: int
    """1 for the first request to the server."""
    attempt: int
    """1 the first time this very prompt is asked."""
    headers: dict[str, str] = field(repr=False, default_factory=dict)
    path: str = ""

    @property
    def share(self) -> float:
        """A number in [0, 1) fixed by the prompt: to make so many of all prompts misbehave."""
        return _share("fault", self.prompt)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send back, and how."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    """Before the first byte, beside the server's latency."""
    drop_after: int | None = None
    """Send so many bytes of the body, then cut the connection; -1 cuts it before any byte."""
    hangs: bool = False
    """Never answer."""
    pieces: int = 1
    """Send the body in so many pieces, `gap_s` apart."""
    gap_s: float = 0.01


Script = Callable[[Seen], Reply | None]
"""Gives the reply to a request, or None for the usual one."""


def _share(salt: str, text: str) -> float:
    digest = hashlib.sha1((salt + text).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def met_of(prompt: str, item: int = 0, p_met: float = 0.5) -> bool:
    """Say what the server's verdict on a prompt is (on an item of it, counted from 1)."""
    return _share(f"met{item or ''}", prompt) < p_met


def prompt_of(body: dict[str, Any]) -> str:
    """Give the words of a request."""
    return "\n".join(f"{m['role']}: {m['content']}" for m in body.get("messages", []))


def completion(
    content: str | None,
    *,
    finish_reason: str = "stop",
    prompt_tokens: int = 0,
    completion_tokens: int | None = None,
    **message: Any,
) -> Reply:
    """Word a well-formed chat completion."""
    n_out = len(content or "") // 4 if completion_tokens is None else completion_tokens
    reply = {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": n_out,
            "total_tokens": prompt_tokens + n_out,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
    return Reply(body=json.dumps(reply).encode())


def usual(seen: Seen) -> Reply:
    """Answer as a good judge does, in the shape that was asked for."""
    found = _N_ITEMS.findall(seen.prompt)
    if found:
        items = [
            {"index": i, "explanation": EXPLANATION, "criteria_met": met_of(seen.prompt, i)}
            for i in range(1, int(found[-1]) + 1)
        ]
        content = json.dumps({"verdicts": items})
    elif '"rating"' in seen.prompt:
        content = json.dumps({"explanation": EXPLANATION, "rating": 7})
    else:
        verdict = {"explanation": EXPLANATION, "criteria_met": met_of(seen.prompt)}
        content = f"```json\n{json.dumps(verdict)}\n```"
    return completion(content, prompt_tokens=len(seen.prompt) // 4)


class faults:  # read as a module: faults.refused()
    """Replies that go wrong, and scripts that say when."""

    @staticmethod
    def error(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
        """Word an error as OpenAI does."""
        body = {"error": {"message": message, "type": code, "code": code}}
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return Reply(status, json.dumps(body).encode(), named)

    @staticmethod
    def rate_limited(retry_after: str | None = None) -> Reply:
        """429, with a Retry-After (seconds or an HTTP date) or without."""
        headers = {"Retry_After": retry_after} if retry_after is not None else {}
        return faults.error(429, "rate limit", "rate_limit_exceeded", **headers)

    @staticmethod
    def server_error() -> Reply:
        """500."""
        return faults.error(500, "boom", "server_error")

    @staticmethod
    def unauthorized() -> Reply:
        """401."""
        return faults.error(401, "Incorrect API key provided", "invalid_api_key")

    @staticmethod
    def no_such_model() -> Reply:
        """404."""
        return faults.error(404, "The model does not exist", "model_not_found")

    @staticmethod
    def content_filter() -> Reply:
        """400 of a content filter."""
        return faults.error(400, "The response was filtered", "content_filter")

    @staticmethod
    def drop(after: int = 20) -> Reply:
        """A connection that ends inside the body."""
        return Reply(body=b'{"choices": [{"message": {"content": "x' * 4, drop_after=after)

    @staticmethod
    def hang() -> Reply:
        """No answer, ever."""
        return Reply(hangs=True)

    @staticmethod
    def trickle(seen: Seen, pieces: int = 8, gap_s: float = 0.01) -> Reply:
        """The usual answer, in small pieces."""
        return Reply(body=usual(seen).body, pieces=pieces, gap_s=gap_s)

    @staticmethod
    def html() -> Reply:
        """A page of a proxy, with status 200."""
        page = b"<!doctype html><html><body>Service is waking up</body></html>"
        return Reply(body=page, headers=(("Content-Type", "text/html"),))

    @staticmethod
    def says(content: str | None, finish_reason: str = "stop", **message: Any) -> Reply:
        """Any content."""
        return completion(content, finish_reason=finish_reason, **message)

    @staticmethod
    def no_verdict() -> Reply:
        """Words without a verdict."""
        return completion("I think that the item is met.")

    @staticmethod
    def truncated() -> Reply:
        """A reply that the token limit cut off."""
        return completion('{"explanation": "The answer na', finish_reason="length")

    @staticmethod
    def refusal() -> Reply:
        """A refusal, in the field for it."""
        return completion(None, refusal="I can't help with that.")

    @staticmethod
    def fenced(met: bool) -> Reply:
        """JSON in a fence, with words around it."""
        return completion(f'Here:\n```json\n{{"criteria_met": {str(met).lower()}}}\n```\nDone.')

    @staticmethod
    def double(met: bool) -> Reply:
        """The same object twice."""
        one = json.dumps({"explanation": "x", "criteria_met": met})
        return completion(one + "\n" + one)

    @staticmethod
    def nested(met: bool) -> Reply:
        """The object inside another one."""
        return completion(json.dumps({"result": {"explanation": "x", "criteria_met": met}}))

    @staticmethod
    def single_quoted(met: bool) -> Reply:
        """A Python literal."""
        return completion(f"{{'explanation': 'x', 'criteria_met': {met}}}")

    @staticmethod
    def as_text(met: bool) -> Reply:
        """The truth value in quotation marks."""
        return completion(json.dumps({"explanation": "x", "criteria_met": str(met).lower()}))

    @staticmethod
    def first(n: int, reply: Reply) -> Script:
        """Misbehave on the first n requests to the server."""
        return lambda seen: reply if seen.number <= n else None

    @staticmethod
    def on_first_attempts(n: int, reply: Reply, share: float = 1.0) -> Script:
        """Misbehave on the first n attempts of so many of all prompts; n = 0 is for ever."""
        return lambda seen: reply if seen.share < share and (n == 0 or seen.attempt <= n) else None

    @staticmethod
    def always(reply: Reply) -> Script:
        """Misbehave for ever."""
        return lambda seen: reply


@dataclass
class Loopback:
    """The server; a context manager. Counts what it is asked."""

    latency_s: float = 0.0
    cap: int | None = None
    """Most requests in service; the rest queue."""
    jitter: float = 0.0
    """Sigma of a lognormal latency whose mean is `latency_s`, fixed by the prompt."""
    script: Script | None = None
    port: int = 0
    """0 takes a free one."""
    n_requests: int = 0
    n_connections: int = 0
    n_open: int = 0
    """Connections that are open now."""
    n_in_service: int = 0
    max_in_service: int = 0
    by_prompt: Counter[str] = field(default_factory=Counter)
    keeps_prompts: bool = True
    """False counts only, for runs so long that the counts themselves would weigh."""
    seen: list[Seen] = field(default_factory=list)
    """Every request, where `keeps_requests`."""
    keeps_requests: bool = False
    n_held: int = 0
    """Requests that wait for `release`."""
    _gate: tuple[int, asyncio.Event] | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        """Serve, from a thread."""
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, up to and including `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def n_repeated(self) -> int:
        """Requests beyond the first one of each prompt."""
        return sum(self.by_prompt.values()) - len(self.by_prompt)

    def reset(self) -> None:
        """Forget what was asked."""
        self.n_requests = self.max_in_service = 0
        self.by_prompt.clear()
        self.seen.clear()

    def hold_after(self, n_requests: int) -> None:
        """Answer requests up to this number; those beyond wait until `release`.

        So a test stops a program at a place that it knows: so many replies, and no more.
        """
        self._gate = (n_requests, asyncio.Event())

    def release(self) -> None:
        """Answer what is held, and hold nothing any more."""
        if self._gate is not None:
            (_, opened), self._gate = self._gate, None
            self._loop.call_soon_threadsafe(opened.set)

    def settle(self) -> None:
        """Wait until all is read that programs had sent before they ended; none may live."""
        # connections are taken up in order: behind this one nothing of theirs is left to come
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"GET /stats HTTP/1.1\r\n\r\n")
            last.recv(1)
        until(lambda: self.n_open == 0, "the end of connections that nobody holds")

    async def _hold(self, number: int) -> None:
        gate = self._gate
        if gate is None or number <= gate[0]:
            return
        self.n_held += 1
        try:
            await gate[1].wait()
        finally:
            self.n_held -= 1

    async def start(self) -> asyncio.Server:
        """Start serving on the running loop."""
        loop = asyncio.get_running_loop()
        self._free = asyncio.Semaphore(self.cap) if self.cap else None
        server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, backlog=1024
        )
        self.port = server.sockets[0].getsockname()[1]
        return server

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self.start())
        ready.set()
        self._loop.run_forever()
        # what was just taken up has no protocol yet, and gets none from a server that is closed
        for listening in server.sockets:
            self._loop.remove_reader(listening.fileno())
        mine = [c for c in _Connection.open if c.server is self]
        taken_up = asyncio.all_tasks(self._loop).difference(*(c._tasks for c in mine))
        if taken_up:
            self._loop.run_until_complete(asyncio.wait(taken_up))
        server.close()
        for connection in [c for c in _Connection.open if c.server is self]:
            if connection.transport is not None:
                connection.transport.abort()
        while self.n_open or asyncio.all_tasks(self._loop):
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def answer(self, seen: Seen) -> Reply:
        """Give the reply to a request."""
        reply = self.script(seen) if self.script is not None else None
        return reply if reply is not None else usual(seen)


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it are answered in order."""

    open: set[_Connection] = set()  # noqa: RUF012  # shared on purpose

    def __init__(self, server: Loopback) -> None:
        self.server = server
        self.transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.n_connections += 1
        self.server.n_open += 1
        _Connection.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.server.n_open -= 1
        _Connection.open.discard(self)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._data += data
        for head, body in self._requests():
            task = asyncio.get_running_loop().create_task(self._handle(head, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _requests(self) -> Iterator[tuple[list[str], bytes]]:
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].decode("latin1").split("\r\n")
            length = 0
            for line in head[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            if len(self._data) < end + 4 + length:
                return
            body = bytes(self._data[end + 4 : end + 4 + length])
            del self._data[: end + 4 + length]
            yield head, body

    async def _handle(self, head: list[str], body: bytes) -> None:
        server = self.server
        method, path, _ = head[0].split(" ", 2)
        if method == "GET":
            plain = self._stats() if path.startswith("/stats") else {"data": [{"id": "fake"}]}
            await self._send(Reply(body=json.dumps(plain).encode()))
            return
        request = json.loads(body)
        prompt = prompt_of(request)
        server.n_requests += 1
        if server.keeps_prompts:
            server.by_prompt[prompt] += 1
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        number, attempt = server.n_requests, server.by_prompt[prompt] or 1
        seen = Seen(prompt, request, number, attempt, headers, path)
        if server.keeps_requests:
            server.seen.append(seen)
        if server._free is not None:
            await server._free.acquire()
        server.n_in_service += 1
        server.max_in_service = max(server.max_in_service, server.n_in_service)
        try:
            await server._hold(number)
            reply = server.answer(seen)
            latency = server.latency_s
            if server.jitter:
                normal = NormalDist().inv_cdf(min(max(_share("wait", prompt), 1e-9), 1 - 1e-9))
                latency *= math.exp(server.jitter * normal - server.jitter**2 / 2)
            if latency + reply.delay_s:
                await asyncio.sleep(latency + reply.delay_s)
            await self._send(reply)
        finally:
            server.n_in_service -= 1
            if server._free is not None:
                server._free.release()

    def _stats(self) -> dict[str, Any]:
        server = self.server
        return {
            "requests": server.n_requests,
            "unique_prompts": len(server.by_prompt),
            "repeat_requests": server.n_repeated,
            "max_in_service": server.max_in_service,
            "connections_opened": server.n_connections,
        }

    async def _send(self, reply: Reply) -> None:
        if reply.hangs:
            await asyncio.Event().wait()
        transport = self.transport
        if transport is None:
            return
        if reply.drop_after is not None and reply.drop_after < 0:
            transport.abort()
            return
        names = {name.lower() for name, _ in reply.headers}
        lines = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(reply.body)}"]
        if "content-type" not in names:
            lines.append("Content-Type: application/json")
        lines += [f"{name}: {value}" for name, value in reply.headers]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")
        if reply.drop_after is not None:
            transport.write(head + reply.body[: reply.drop_after])
            await asyncio.sleep(0)
            transport.close()
            return
        if reply.pieces <= 1:
            transport.write(head + reply.body)
            return
        transport.write(head)
        size = max(1, len(reply.body) // reply.pieces)
        for start in range(0, len(reply.body), size):
            await asyncio.sleep(reply.gap_s)
            if self.transport is None:
                return
            transport.write(reply.body[start : start + size])


async def _main() -> None:
    parser = argparse.ArgumentParser(description="a fake chat-completions server on loopback")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--cap", type=int, default=None)
    parser.add_argument("--jitter", type=float, default=0.0)
    args = parser.parse_args()
    server = Loopback(args.latency, args.cap, args.jitter, port=args.port, keeps_prompts=False)
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
