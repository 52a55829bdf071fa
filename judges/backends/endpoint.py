"""One request to an OpenAI-compatible endpoint, and what its failure means.

One attempt: waiting, retrying and limits are the runtime's. Failures are sorted by the question
"would a retry help?" (see `errors.py`).

The client is aiohttp, not the openai package: measured on this project's machines, a request costs
0.16 ms of CPU here against 1.76 ms through AsyncOpenAI, and a grading run makes thousands a minute.
The openai package does the Batch API (`batch.py`), where its file handling earns its place.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import orjson

from ..errors import (
    ConfigError,
    DoubtfulError,
    JudgeError,
    NoApiError,
    OutageError,
    RateLimitError,
    RejectedError,
    TooLongError,
    TransportError,
)
from ..options.secrets import BLOT, known_secrets
from .addresses import checked_address, explained, proxy_words, usable_proxy
from .prompts.asking_options import Portable
from .refusals import SHOWN_CHARS, Said, mend, said_in, said_of

if TYPE_CHECKING:
    import aiohttp

OPENAI_URL = "https://api.openai.com/v1"
CONNECT_TIMEOUT_S = 30.0
_ANY_WINDOW = 47
"""For zlib: the largest window, gzip or zlib told apart by their heads."""
_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""Names of headers: RFC 9110, section 5.6.2."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = {"content-length", "content-encoding", "transfer-encoding"}
"""Headers that say where a request ends and how it is packed: the client's own."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class FilteredError(RejectedError):
    """The endpoint's content filter refused the request."""


class GarbledError(RejectedError):
    """The endpoint checked the model's reply itself, and found it unreadable (HTTP 400)."""


_OTHER_SERVICE = "check base_url, which usually ends in /v1"
"""Where something answers that is no chat endpoint."""


@dataclass(slots=True)
class Endpoint(Portable):
    """An address, and the way to show one's key to it. Holds no key: keys are read when used."""

    base_url: str
    """Up to and including `/v1`; a trailing `/chat/completions` is taken off."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""
    auth_header: str = "Authorization"
    """`Authorization` sends `Bearer KEY`; any other name (`api-key` on Azure) the bare key."""
    api_version: str | None = None
    """Azure's `api-version` query."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further headers, such as a routing hint; never a key."""
    max_reply_mb: float = 16.0
    """Largest reply that is read, in MB of 2^20 bytes, unpacked."""
    _proxy: str | None = field(default=None, init=False, repr=False)
    """The proxy of the environment, with its user and password; None without one."""
    _secrets: tuple[str, ...] = field(default=(), init=False, repr=False)
    """What no reply may carry into the store."""
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse an address or a missing key before anything is sent."""
        if not 0 < self.max_reply_mb < math.inf:
            raise ConfigError(f"max_reply_mb must be above 0 and finite, not {self.max_reply_mb}")
        self.base_url = checked_address(self.base_url)
        for name in (self.auth_header, *self.headers):
            if not _HEADER.fullmatch(name) or name.lower() in _FRAMING:
                raise ConfigError(f"headers, auth_header: {name!r} cannot be sent; remove it")
        for name, value in self.headers.items():
            if _CONTROL.search(value):  # not shown: it may be a key
                raise ConfigError(f"headers: the value of {name!r} has a control character")
        self.key()

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine, where no key is needed."""
        return urlsplit(self.base_url).hostname in _LOOPBACK

    def key(self) -> str:
        """Read the key from the environment; empty for an endpoint on this machine without one.

        Raises:
            ConfigError: The variable is not set, and the endpoint is on another machine.
        """
        key = os.environ.get(self.api_key_env, "").strip()
        if not key and not self.is_loopback:
            raise ConfigError(
                f"no key for {self.base_url}: set the environment variable {self.api_key_env}, "
                "or name another with api_key_env=NAME (a server without keys takes any value)"
            )
        return key

    def url(self, path: str) -> str:
        """Give the full address of a path such as `chat/completions`."""
        query = f"?{urlencode({'api-version': self.api_version})}" if self.api_version else ""
        return f"{self.base_url}/{path}{query}"

    async def post(self, path: str, body: Mapping[str, object]) -> dict[str, object]:
        """Send one request, once, and give the decoded reply.

        Raises:
            JudgeError: As `failure` sorts them.
            ConfigError: The address, the key, the model or a setting is wrong.
        """
        import aiohttp

        session = self._open()
        try:
            async with session.post(
                self.url(path), data=orjson.dumps(body), allow_redirects=False, proxy=self._proxy
            ) as response:
                status, headers = response.status, response.headers
                unread, content = await self._told(response)
        except aiohttp.InvalidURL as error:
            raise ConfigError(f"base_url {self.base_url}: {error} is no address") from error
        except (TimeoutError, ValueError, aiohttp.ClientError, OSError) as error:
            raise explained(error, self.base_url, is_local=self.is_loopback) from error
        if unread is not None and not 200 <= status < 300:
            # the status says what happened, whatever is wrong with the words beside it
            words = str(unread).removeprefix(f"{self.base_url}: ")
            raise self._sorted(status, headers, Said(words), body) from unread
        if unread is not None:
            raise unread
        if 200 <= status < 300 and not content.strip():
            raise TransportError(f"{self.base_url}: HTTP {status} without a reply")
        if not 200 <= status < 300:
            raise self.failure(status, headers, content, body)
        return self._decoded(content, headers, body)

    async def _told(self, response: aiohttp.ClientResponse) -> tuple[JudgeError | None, bytes]:
        """Read a body: what is wrong with it, or None, and its bytes without keys."""
        try:
            return None, self._blotted(await self._content(response))
        except (RejectedError, TransportError) as error:
            return error, b""

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a body, packed or not, up to the size that a judge's reply may have.

        Raises:
            RejectedError: It is larger.
            TransportError: It is packed in a way that was not asked for, or broken.
        """
        most = int(self.max_reply_mb * 2**20)
        packing = response.headers.get("Content-Encoding", "identity").lower()
        if packing not in {"identity", "gzip", "deflate", "x-gzip"}:
            raise TransportError(f"{self.base_url}: the reply is packed as {packing[:20]!r}")
        unpacker = None if packing == "identity" else zlib.decompressobj(_ANY_WINDOW)
        content = bytearray()
        async for piece in response.content.iter_any():
            try:
                content += piece if unpacker is None else unpacker.decompress(piece, most + 1)
            except zlib.error as error:
                raise TransportError(f"{self.base_url}: the packed reply is broken") from error
            if len(content) > most or (unpacker is not None and unpacker.unconsumed_tail):
                raise RejectedError(
                    f"{self.base_url}: the reply is larger than {self.max_reply_mb:g} MB "
                    "(max_reply_mb)"
                )
        return bytes(content)

    def _blotted(self, content: bytes) -> bytes:
        """Blot out keys: a reply that echoes one would carry it into the store and every result."""
        for secret in self._secrets:
            for form in (secret, orjson.dumps(secret)[1:-1].decode(), secret.replace("/", "\\/")):
                content = content.replace(form.encode(), BLOT.encode())
        return content

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is not None and self._loop is loop and not self._session.closed:
            return self._session
        self._proxy = None if self.is_loopback else usable_proxy(self.base_url)
        # limit=0: how many run at a time is the runtime's to say, and only there
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip", **self.headers}
        if key := self.key():
            bearer = self.auth_header.lower() == "authorization"
            headers[self.auth_header] = f"Bearer {key}" if bearer else key
        self._secrets = tuple(known_secrets([self.key()]))
        self._loop = loop
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            # proxies come from the environment (`_proxy`); a password of ~/.netrc never does
            trust_env=False,
            # packed bodies are unpacked here, where their size is watched
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session

    def _decoded(
        self, content: bytes, headers: Mapping[str, str], sent: Mapping[str, object]
    ) -> dict[str, object]:
        try:
            reply = orjson.loads(content.removeprefix(BOM_UTF8))
        except orjson.JSONDecodeError:
            words = said_in(content, self._clean).words or "empty"
            told = f"{self.base_url}: the reply is not JSON but {words[:SHOWN_CHARS]!r}"
            if content.lstrip().startswith(b"{"):  # half an object: a reply cut short
                raise TransportError(told) from None
            raise NoApiError(told, _OTHER_SERVICE) from None
        if not isinstance(reply, dict):
            raise NoApiError(f"{self.base_url}: the reply is no JSON object", _OTHER_SERVICE)
        self.require_answer(reply, headers, sent)
        return reply

    def require_answer(
        self, reply: Mapping[str, object], headers: Mapping[str, str], sent: Mapping[str, object]
    ) -> None:
        """See that a reply with status 200 is an answer: routers put failures into such ones.

        Raises:
            JudgeError: As `failure` sorts them.
            ConfigError: A setting is wrong.
        """
        fault = fault_in(reply)
        if fault is None:
            return
        code = fault.get("code") if isinstance(fault, Mapping) else None
        said = said_of(fault, self._clean)
        if isinstance(code, str) and code.isdigit():
            code = int(code)
        if isinstance(code, int) and 400 <= code < 600:
            raise self._sorted(code, headers, said, sent)
        if said.is_filter or said.is_too_long or said.is_broken_account or said.is_setting:
            raise self._sorted(400, headers, said, sent)
        if "choices" not in reply and "error" not in reply:
            raise DoubtfulError(
                f"{self.base_url}: the reply is not a chat completion: "
                f"{said.words[:SHOWN_CHARS] or 'empty'}",
                200,
                _OTHER_SERVICE,
            )
        raise TransportError(f"{self.base_url}: {said.words[:SHOWN_CHARS] or 'an empty reply'}")

    def failure(
        self,
        status: int,
        headers: Mapping[str, str],
        content: bytes,
        sent: Mapping[str, object] | None = None,
    ) -> ConfigError | RateLimitError | TransportError | RejectedError | OutageError:
        """Sort an HTTP failure by whether a retry would help, without showing the key.

        Args:
            status: Of HTTP.
            headers: Of the reply.
            content: Its body.
            sent: The request, to tell which of its settings is refused.
        """
        return self._sorted(status, headers, said_in(content, self._clean), sent or {})

    def _sorted(
        self, status: int, headers: Mapping[str, str], said: Said, sent: Mapping[str, object]
    ) -> ConfigError | RateLimitError | TransportError | RejectedError | OutageError:
        words = said.words[:SHOWN_CHARS]
        told = f"{self.base_url}: HTTP {status}" + (f": {words}" if words else "")
        if status == 407:
            return ConfigError(f"{told}; {proxy_words(self.base_url)}")
        if status == 402 or said.is_broken_account:
            return OutageError(f"{told} (the account is out of credit; a retry cannot help)")
        asks_for_pause = "retry-after" in {name.lower() for name in headers}
        is_paced = status in {400, 403} and said.is_rate_limit
        if status == 429 or is_paced or (status in {503, 529} and asks_for_pause):
            return RateLimitError(told, retry_after_s(headers))
        is_fault = status in {408, 409, 425} or (status >= 500 and status not in {501, 505})
        is_long = said.is_out_of_context if is_fault else said.is_too_long
        if status == 413 or (is_long and not said.is_limit_of_reply):
            return TooLongError(f"{told} (the question is longer than the judge's context)")
        if is_fault:
            return TransportError(told)
        if status != 401 and said.is_filter:
            return FilteredError(told)
        if "json_validate_failed" in said.codes:
            return GarbledError(told)
        way = mend(status, said, sent, self.api_key_env)
        doubt = DoubtfulError(told, status, way, said.is_limit_of_reply)
        if status in {401, 404, 405, 410} or 300 <= status < 400 or said.is_setting:
            return doubt.as_settings()
        return doubt

    def _clean(self, words: str) -> str:
        """Blot out the key; before a text is cut, or half of the key would stay."""
        key = os.environ.get(self.api_key_env, "").strip()
        one_line = " ".join(words.split())
        return one_line.replace(key, BLOT) if key else one_line


def fault_in(reply: Mapping[str, object]) -> object:
    """Give what a reply with status 200 says of a failure, or None where it is an answer."""
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, Mapping):
        if error := choice.get("error"):
            return error if isinstance(error, Mapping | list) else {"message": str(error)}
        if str(choice.get("finish_reason")).lower() == "error":
            message = choice.get("message")
            words = message.get("content") if isinstance(message, Mapping) else None
            return {"message": f"the endpoint ended the reply with an error: {words or 'no words'}"}
        return None
    error = reply.get("error")
    if error:
        return error if isinstance(error, Mapping | list) else reply
    if "choices" not in reply or _is_filtered(reply):
        return reply
    return {"message": "the reply has no choices"}


def _is_filtered(reply: Mapping[str, object]) -> bool:
    """Say whether a reply without choices tells of a filter, as Gemini and Azure do."""
    feedback = reply.get("promptFeedback") or reply.get("prompt_feedback")
    found = reply.get("prompt_filter_results")
    return bool(feedback) or '"filtered":true' in orjson.dumps(found, default=str).decode()


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read the pause an endpoint asks for: `retry-after-ms`, or Retry-After as seconds or date."""
    lower = {name.lower(): value for name, value in headers.items()}
    if "retry-after-ms" in lower:
        return _seconds(lower["retry-after-ms"], 1000.0)
    value = lower.get("retry-after")
    if value is None:
        return None
    seconds = _seconds(value, 1.0)
    if seconds is not None:
        return seconds
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _seconds(value: str, per: float) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    # NaN and infinity are numbers to float(), and no pause to keep
    return number / per if 0 <= number < 1e9 else None
