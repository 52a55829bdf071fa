"""The OpenAI Batch API as a judge: all open criteria of all answers in one batch, at half price.

The same judge as `chat`, asked another way: model, wording and settings are the identity, so what
one has paid for the other finds in the store. A batch takes up to a day; its id is on disk before
anybody waits for it, and the same command finds it again after whatever ended the first one.

The openai package is used here and not in `chat`: uploads, downloads, typed batch objects and the
retries of those few slow calls are its, and at a handful of calls its cost a call does not matter.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from ..errors import (
    ConfigError,
    DoubtfulError,
    JudgeError,
    OutageError,
    RateLimitError,
    RefusedSettingsError,
    TransportError,
)
from ..files import user_path
from ..judge import JudgeIdentity, Question
from ..options.secrets import without_secrets
from ..registry import register_judge
from ..verdict import Verdict
from .batch_files import Job, JobFolder, custom_id, result_of
from .chat import ChatJudge, ChatOptions
from .prompting import Asking, AsksInWords
from .prompts.reply_forms import IN_WORDS, ReplyForm
from .replies import Completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_REQUESTS = 50_000
"""Requests in one batch, by OpenAI's limit."""
MAX_BYTES = 190_000_000
"""Bytes of one input file; OpenAI's limit is 200 MB."""
QUIET_ROUNDS = 5
"""Rounds of the event loop without a new question that end a gathering, once it has lingered."""
_OVER = {"completed", "expired", "cancelled", "failed"}
ENDPOINT: Final = "/v1/chat/completions"


@dataclass(slots=True)
class _Request:
    """One request that waits for its batch."""

    body: Mapping[str, object]
    reply: asyncio.Future[Mapping[str, object]]


@register_judge("batch")
@dataclass(slots=True, kw_only=True)
class BatchJudge(ChatOptions, AsksInWords):
    """Collects what is asked, sends it as one batch, and waits."""

    runtime_defaults: ClassVar[Mapping[str, object]] = {
        # everything must be open at once to meet in one batch, and a batch may take a day
        "max_concurrency": MAX_REQUESTS,
        "timeout_s": 26 * 3600.0,
        "max_retries": 2,
    }
    collects: ClassVar[bool] = True
    folder: str | None = None
    """Where the ids of open batches are kept; default: beside the verdict store."""
    poll_s: float = 30.0
    """Seconds between two looks at a batch."""
    linger_s: float = 2.0
    """Seconds without a further question before the batch is sent."""
    identity: JudgeIdentity = field(init=False)
    _chat: ChatJudge = field(init=False, repr=False)
    _asking: Asking = field(init=False, repr=False)
    _jobs: JobFolder = field(init=False, repr=False)
    _waiting: dict[str, _Request] = field(default_factory=dict, init=False, repr=False)
    """Requests not yet in a batch, by custom id."""
    _answered: set[str] = field(default_factory=set, init=False, repr=False)
    """Ids whose reply was given: asked again, they need a new batch."""
    _readings: set[str] = field(default_factory=set, init=False, repr=False)
    """Ids of what the judge was asked to state before its verdict: no verdict on disk holds it."""
    _n_begun: int = field(default=0, init=False, repr=False)
    """Questions that have not got what they asked for."""
    _last_asked: float = field(default=0.0, init=False, repr=False)
    _collector: asyncio.Task[None] | None = field(default=None, init=False, repr=False)
    _open: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)
    _client: AsyncOpenAI | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every setting before anything is sent."""
        if self.poll_s <= 0 or self.linger_s < 0:
            raise ConfigError("batch: poll_s must be above 0, linger_s at least 0")
        self._chat = ChatJudge(**{s.name: getattr(self, s.name) for s in fields(ChatOptions)})
        self._asking = self._chat.asking
        self.identity = self._chat.identity
        self.group_size = self._chat.group_size
        from ..store.sqlite import default_store_path

        folder = user_path(self.folder) if self.folder else None
        self._jobs = JobFolder(folder or default_store_path().parent / "batches")

    async def judge_group(self, questions: Sequence[Question]) -> list[Verdict]:
        """Ask about several criteria of one answer, in the next batch."""
        self._n_begun += 1
        # explicit: a class with slots is made anew, and a bare super() would name the old one
        verdicts = await AsksInWords.judge_group(self, questions)
        self._n_begun -= 1  # not where it ended early: then a reading may have had no verdict
        return verdicts

    async def _complete(
        self, messages: list[dict[str, str]], form: ReplyForm, replicate: int
    ) -> Completion | Verdict:
        body = self._chat.body(messages, form, replicate)
        name = custom_id(self.identity.digest, body, replicate)
        if form is IN_WORDS:
            self._readings.add(name)
        line = await self._reply(name, body)
        status, content = result_of(line)
        if status == 200 and isinstance(content, Mapping):
            return self._chat.completion_in(content)
        return self._failed(line, status, content)

    async def aclose(self) -> None:
        """Stop waiting; a batch that is open goes on, and is found again by its id."""
        tasks = [task for task in (self._collector, *self._open) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._collector, self._open = None, set()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        kept = self._readings if self._n_begun else set()
        for job in self._jobs.jobs():
            # every reply of it has been given to the runtime, which has it on disk by now
            if self._answered.issuperset(job.custom_ids) and kept.isdisjoint(job.custom_ids):
                self._jobs.forget(job)

    # -- collecting -----------------------------------------------------------------------

    async def _reply(self, name: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Wait for the result line of a request."""
        loop = asyncio.get_running_loop()
        known = self._waiting.get(name)
        if known is None:
            known = self._waiting[name] = _Request(body, loop.create_future())
        self._last_asked = loop.time()
        if self._collector is None or self._collector.done():
            self._collector = loop.create_task(self._collect())
        # shielded: one asker that goes away must not take the reply from another
        return await asyncio.shield(known.reply)

    async def _collect(self) -> None:
        """Send what has gathered once nothing more comes in."""
        await self._gathered()
        requests, self._waiting = self._waiting, {}
        try:
            for job, part in self._found_again(requests):
                self._watch(job, part)
            for part in _parts(requests):
                self._watch(await self._send(part), part)
        except Exception as error:  # whatever it is, each asker must hear of it
            for request in requests.values():
                _fail(request, error)

    async def _gathered(self) -> None:
        """Wait until nothing has come in for `linger_s`, nor does in a few rounds of the loop.

        The clock alone would send half a batch where the machine stood still for a moment.
        """
        loop = asyncio.get_running_loop()
        n_seen, n_quiet = 0, 0
        while n_quiet < QUIET_ROUNDS:
            rest = self._last_asked + self.linger_s - loop.time()
            await asyncio.sleep(max(0.0, rest))
            n_quiet = n_quiet + 1 if len(self._waiting) == n_seen else 0
            n_seen = len(self._waiting)

    def _found_again(self, requests: dict[str, _Request]) -> list[tuple[Job, dict[str, _Request]]]:
        """Take out the requests that an earlier process has sent already."""
        found = []
        for job in self._jobs.jobs():
            names = (set(job.custom_ids) & set(requests)) - self._answered
            if names:
                log.warning("batch %s: resumed, %d requests", job.batch_id, len(names))
                found.append((job, {name: requests.pop(name) for name in names}))
        return found

    async def _send(self, part: Mapping[str, _Request]) -> Job:
        lines = [
            json.dumps(
                {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": request.body},
                ensure_ascii=False,
            )
            for name, request in part.items()
        ]
        client = self._open_client()
        content = "\n".join(lines).encode("utf-8")
        uploaded = await _call(
            client.files.create(file=("rubricbeat.jsonl", content), purpose="batch")
        )
        batch = await _call(
            client.batches.create(
                input_file_id=uploaded.id, endpoint=ENDPOINT, completion_window="24h"
            )
        )
        job = Job(batch.id, uploaded.id, tuple(part))
        self._jobs.keep(job)
        log.warning("batch %s: %d requests sent; it may take a day", job.batch_id, len(part))
        return job

    # -- waiting --------------------------------------------------------------------------

    def _watch(self, job: Job, part: dict[str, _Request]) -> None:
        task = asyncio.get_running_loop().create_task(self._await(job, part))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _await(self, job: Job, part: dict[str, _Request]) -> None:
        try:
            batch = await self._finished(job)
            lines = await self._lines(batch)
            if batch.status == "failed":
                raise ConfigError(f"batch {job.batch_id} was refused: {_words(batch)}")
            if batch.status == "cancelled" and not lines:
                raise OutageError(f"batch {job.batch_id} was cancelled; it is sent again next time")
            self._check_settings(lines, part)
        except Exception as error:  # whatever it is, each asker must hear of it
            if isinstance(error, ConfigError | OutageError):
                self._jobs.forget(job)
            for request in part.values():
                _fail(request, error)
            return
        for name, request in part.items():
            self._answered.add(name)
            lost = {"error": {"message": f"batch {batch.status} without this request"}}
            if not request.reply.done():
                request.reply.set_result(lines.get(name, lost))

    async def _finished(self, job: Job) -> Batch:
        client = self._open_client()
        while True:
            batch = await _call(client.batches.retrieve(job.batch_id))
            if batch.status in _OVER:
                return batch
            counts = batch.request_counts
            if counts is not None:
                log.info("batch %s: %s of %s", job.batch_id, counts.completed, counts.total)
            await asyncio.sleep(self.poll_s)

    async def _lines(self, batch: Batch) -> dict[str, Mapping[str, object]]:
        """Read the results and the failures, by custom id; they come in any order."""
        lines: dict[str, Mapping[str, object]] = {}
        for file_id in (batch.error_file_id, batch.output_file_id):
            if not file_id:
                continue
            content = await _call(self._open_client().files.content(file_id))
            for number, text in enumerate(without_secrets(content.text).split("\n"), start=1):
                if not text.strip():
                    continue
                try:
                    line = json.loads(text)
                    lines[str(line["custom_id"])] = line
                except (ValueError, KeyError, TypeError):
                    log.warning("batch %s: line %d of its results is broken", batch.id, number)
        return lines

    def _check_settings(
        self, lines: Mapping[str, Mapping[str, object]], part: Mapping[str, _Request]
    ) -> None:
        """Refuse a batch whose every request was refused: it was the settings, and no question.

        Raises:
            ConfigError: As the last of them was worded.
        """
        refused: object = None
        for name, line in lines.items():
            status, content = result_of(line)
            if status == 200 or name not in part:
                return
            refused = self._failure(status, content, part[name].body)
            if not isinstance(refused, DoubtfulError | RefusedSettingsError):
                return
        if isinstance(refused, DoubtfulError) and len(lines) > 1:
            refused = refused.as_settings()
        if isinstance(refused, ConfigError):
            raise ConfigError(str(refused))

    def _failure(
        self, status: object, content: object, sent: Mapping[str, object]
    ) -> Verdict | Exception | None:
        if not isinstance(status, int):
            return None
        body = json.dumps(content if isinstance(content, Mapping | list) else {}).encode()
        return self._chat.failure(status, body, sent)

    def _failed(self, line: Mapping[str, object], status: object, content: object) -> Verdict:
        """Word the failure of one request as what a retry can do about it."""
        error = self._failure(status, content, {})
        if isinstance(error, Verdict):
            return error
        if error is not None:
            raise error
        said = line.get("error")
        words = said.get("message") or said.get("code") if isinstance(said, Mapping) else said
        raise TransportError(f"batch: no reply to this request ({words})")

    def _open_client(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                api_key=self._chat.endpoint.key() or "none",
                base_url=self._chat.endpoint.base_url,
                max_retries=5,
            )
        return self._client


def _parts(requests: Mapping[str, _Request]) -> list[dict[str, _Request]]:
    """Cut what is to be sent at the limits of one batch."""
    parts: list[dict[str, _Request]] = []
    n_bytes = 0
    for name, request in requests.items():
        size = len(json.dumps(request.body, ensure_ascii=False).encode("utf-8")) + 150
        if not parts or len(parts[-1]) >= MAX_REQUESTS or n_bytes + size > MAX_BYTES:
            parts.append({})
            n_bytes = 0
        parts[-1][name] = request
        n_bytes += size
    return parts


async def _call(awaitable: Awaitable[T]) -> T:
    """Await a call of the openai package, and word its failure as ours."""
    import openai

    try:
        return await awaitable
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ConfigError(
            f"batch: the endpoint refuses the key (HTTP {error.status_code})"
        ) from None
    except openai.NotFoundError as error:
        raise ConfigError(
            f"batch: HTTP 404 from {error.request.url}: has this endpoint a Batch API?"
        ) from None
    except openai.RateLimitError as error:
        raise RateLimitError(f"batch: {error.message}") from None
    except openai.APIStatusError as error:
        kind: type[Exception] = TransportError if error.status_code >= 500 else ConfigError
        raise kind(f"batch: HTTP {error.status_code}: {error.message}") from None
    except openai.APIConnectionError as error:
        raise TransportError(f"batch: {error}") from None


def _words(batch: Batch) -> str:
    data = (batch.errors and batch.errors.data) or []
    return "; ".join(str(one.message) for one in data[:3]) or "no reason given"


def _fail(request: _Request, error: Exception) -> None:
    if not request.reply.done():
        known = isinstance(error, JudgeError | ConfigError)
        request.reply.set_exception(error if known else TransportError(f"batch: {error!r}"))
        request.reply.exception()  # looked at: an asker that went away leaves no warning
