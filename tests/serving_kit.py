"""A real server of `rubricbeat serve` in the tests' own process, and small things to ask it.

with Served(CountingJudge()) as served:
    served.post("/v1/score", {"items": [item()]})
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from engine_kit import UNREADABLE, CountingJudge, example
from waiting import HANG_S

from rubricbeat.harness.serving.app import App, Bounds
from rubricbeat.harness.serving.run import ServerSettings
from rubricbeat.harness.serving.service import Service
from rubricbeat.harness.serving.wire import Offer
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.engine.event_loop import new_loop
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.judge import Judge, Question
from rubricbeat.judges.rewards import parse_rewards
from rubricbeat.judges.verdict import Verdict

TOKEN = "a-token-of-the-tests"


def row(number: int = 0) -> dict[str, Any]:
    """Give a row: two wanted criteria with 1 and 2 points, and a fault with -2."""
    return example_to_row(example(number))


def item(number: int = 0, *texts: str | None) -> dict[str, Any]:
    """Give an item of a request."""
    return {"row": row(number), "answers": list(texts) or [f"Answer {number}: less coffee."]}


class LackingJudge(CountingJudge):
    """Says nothing usable of one criterion; "met" of every other even one."""

    def __init__(self, lacks: int) -> None:
        super().__init__()
        self.lacks = lacks

    def verdict(self, question: Question) -> Verdict:
        return UNREADABLE if question.index == self.lacks else super().verdict(question)


class Served:
    """A server on a free port of loopback, on a thread of its own."""

    def __init__(
        self,
        judge: Judge,
        options: RuntimeOptions | None = None,
        *,
        rewards: str = "healthbench,hybrid",
        token: str | None = None,
        bounds: Bounds | None = None,
        max_answers: int = 100,
        max_pending: int = 1_000,
    ) -> None:
        self.grader = Grader(judge, options or RuntimeOptions(store=False))
        named = {reward.name: reward for reward in parse_rewards(rewards)}
        self._offer = Offer(named, {f"made-up-{i}": example(i) for i in range(50)}, max_answers)
        self._place = ServerSettings(port=0, token=token)
        self._bounds = bounds or Bounds()
        self._max_pending = max_pending
        self.loop = new_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def run(self, work: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(HANG_S)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self.run(self._start())
        host = self.url.removeprefix("http://").rpartition(":")
        self.host, self.port = host[0], int(host[2])
        return self

    async def _start(self) -> str:
        self.service = Service(self.grader, self._offer, max_pending=self._max_pending)
        self.app = App(self.service, self._place.token, self._bounds)
        return await self.app.start(self._place.host, self._place.port)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self.app.stop("the test is over"))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(HANG_S)
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.grader.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request as it is; give status, what the reply's JSON holds, and its headers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=HANG_S)
        try:
            connection.putrequest(method, path, skip_host="Host" in (headers or {}))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None and "Transfer-Encoding" not in (headers or {}):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, json.loads(response.read()), dict(response.getheaders())
        finally:
            connection.close()

    def post(self, path: str, plain: Any, **headers: str) -> tuple[int, Any]:
        """Send JSON; give status and reply."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
        status, reply, _ = self.ask(
            "POST", path, body, {"Content-Type": "application/json", **named}
        )
        return status, reply

    def connect(self) -> socket.socket:
        """Open a connection by hand."""
        return socket.create_connection((self.host, self.port), timeout=HANG_S)
