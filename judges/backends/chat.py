"""The judge behind any OpenAI-compatible chat endpoint: OpenAI, Azure, vLLM, Groq, llama.cpp.

Renders one question, or a group of them, sends it once, and reads the reply. Which failure is
worth a retry is said by the kind of error; the retry itself is the runtime's.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import ClassVar

import orjson

from ..errors import ConfigError, DoubtfulError, RefusedSettingsError
from ..judge import JudgeIdentity
from ..registry import register_judge
from ..rubric import Example
from ..verdict import Outcome, Rating, Verdict
from .endpoint import OPENAI_URL, Endpoint, GarbledError
from .prompting import Asking, AsksInWords, worth_of
from .prompts.asking_options import AskingOptions, member_of
from .prompts.reply_forms import IN_WORDS, RATING, VERDICT, VERDICTS, ReplyForm, response_format
from .refusals import is_limit_of_reply
from .replies import YES_NO_MASS, Completion

log = logging.getLogger(__name__)


MOST_ALTERNATIVES = 20
"""Most that OpenAI and vLLM send: Yes and No have many spellings."""
_OURS = {"messages", "stream"}
"""Fields of a request that are not the user's: replies come whole."""
_OF_TWO = (VERDICT, VERDICTS, RATING)
"""Forms in which two words are weighed, if any."""


class Structured(StrEnum):
    """How the endpoint is asked for JSON."""

    AUTO = "auto"
    """A schema where it is known to be taken and the shape gains by it; else words alone."""
    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    NONE = "none"


@dataclass(slots=True, kw_only=True)
class ChatOptions(AskingOptions):
    """What the same questions take to a chat endpoint, one by one or in a batch."""

    model: str = ""
    """Name of the judge model; there is no default, because it is part of every number."""
    base_url: str | None = None
    """Default: OPENAI_BASE_URL of the environment, else OpenAI's."""
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = 0.5
    """0.5 as published for HealthBench; None (`temperature=none`) leaves it to the endpoint."""
    max_tokens: int | None = 2048
    """2,048 as published for HealthBench; per call, whatever the shape."""
    max_tokens_name: str = "auto"
    """`max_tokens`, `max_completion_tokens`, or `auto`: the first until the endpoint objects."""
    top_p: float | None = None
    request_seed: int | None = None
    """Sent as `seed`, plus the number of the replicate so that repeated verdicts stay independent.
    Not called `seed`: the seed of a run must not make another judge of the same one."""
    reasoning_effort: str | None = None
    structured: str = "auto"
    logprobs: bool = False
    """Ask for log-probabilities and read P(met) from the verdict's token."""
    min_mass: float = YES_NO_MASS
    """`yes_no` with `logprobs` only: probability that Yes and No must hold together."""
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """Further fields of the request, as the endpoint names them."""

    @property
    def gives_probabilities(self) -> bool:
        """Whether a verdict may carry P(met)."""
        return self.logprobs


@register_judge("chat")
@dataclass(slots=True, kw_only=True)
class ChatJudge(ChatOptions, AsksInWords):
    """Grades through `POST base_url/chat/completions`."""

    is_probed: ClassVar[bool] = True
    auth_header: str = "Authorization"
    api_version: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    max_reply_mb: float = 16.0
    """Largest reply that is read, in MB of 2^20 bytes, unpacked."""
    identity: JudgeIdentity = field(init=False)
    rating_identity: JudgeIdentity = field(init=False)
    notes: str = field(init=False)
    """What is known of this judge's worth, for the results; empty where nothing is said."""
    endpoint: Endpoint = field(init=False, repr=False)
    _asking: Asking = field(init=False, repr=False)
    _tokens_name: str = field(init=False, repr=False)
    _format: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every setting before the first call."""
        if not self.model:
            raise ConfigError("the chat judge needs a model: --judge_args model=NAME")
        if self.base_url is not None and not self.base_url.strip():
            # else an answer would be sent to where nobody meant it to go
            raise ConfigError("base_url is empty; give an address, or remove it")
        given = self.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI_URL
        self.base_url = given
        self.endpoint = Endpoint(
            given,
            self.api_key_env,
            self.auth_header,
            self.api_version,
            self.headers,
            max_reply_mb=self.max_reply_mb,
        )
        self._asking = Asking.of(self, min_mass=self.min_mass, weighs=self.logprobs)
        self.group_size = self._asking.n_group
        self.notes = worth_of(self.model) if self._asking.is_yes_no else ""
        if self.notes:
            log.warning("judge chat: %s", self.notes)
        self.structured = member_of(Structured, "structured", self.structured)
        if self.max_tokens_name not in {"auto", "max_tokens", "max_completion_tokens"}:
            raise ConfigError(
                f"max_tokens_name={self.max_tokens_name!r}: auto, max_tokens or "
                "max_completion_tokens"
            )
        self._tokens_name = "max_tokens" if self.max_tokens_name == "auto" else self.max_tokens_name
        self._format = self._chosen_format()
        self._require_sendable()
        self.identity = self._identity(None, self._asking.wording.label)
        self.rating_identity = self._identity("rating", self._asking.rating_wording.label)

    def _require_sendable(self) -> None:
        """See that the settings make a request whose reply can be read."""
        for name in _OURS & self.extra_body.keys():
            if self.extra_body[name]:
                raise ConfigError(f"extra_body cannot set {name!r}; remove it")
        try:
            orjson.dumps(self.body([], VERDICT, 0))
        except TypeError as error:  # a number of more than 64 bits, half of a surrogate pair
            raise ConfigError(f"judge 'chat': no request can hold its options: {error}") from None

    async def rate(self, example: Example, answer: str) -> Rating:
        """Rate an answer by the whole rubric, 1 to 10, in one call."""
        messages = self._asking.rating_messages(example, answer)
        completion = await self._complete(messages, RATING, 0)
        if isinstance(completion, Verdict):
            return Rating(None, completion.outcome, completion.explanation)
        return self._asking.rating_in(completion)

    async def _complete(
        self, messages: list[dict[str, str]], form: ReplyForm, replicate: int
    ) -> Completion | Verdict:
        return await self._ask(partial(self.body, messages, form, replicate))

    def failure(
        self, status: int, content: bytes, sent: Mapping[str, object] | None = None
    ) -> Verdict | Exception:
        """Sort an HTTP failure: a verdict without an answer, or the error to raise."""
        error = self.endpoint.failure(status, {}, content, sent)
        if isinstance(error, GarbledError):
            return Verdict(Outcome.UNPARSEABLE, explanation=str(error))
        return error

    def completion_in(self, reply: Mapping[str, object]) -> Completion | Verdict:
        """Read a reply with status 200 that came in another way.

        Raises:
            JudgeError, ConfigError: It tells of a failure.
        """
        try:
            self.endpoint.require_answer(reply, {}, {})
        except GarbledError as error:
            return Verdict(Outcome.UNPARSEABLE, explanation=str(error))
        return Completion.from_reply(reply)

    @property
    def asking(self) -> Asking:
        """How it asks and reads, for a judge that sends the same in another way."""
        return self._asking

    async def aclose(self) -> None:
        """Close the connections."""
        await self.endpoint.aclose()

    async def _ask(self, write_body: Callable[[], dict[str, object]]) -> Completion | Verdict:
        """Send one request; again at once where only a setting's name was wrong, once each."""
        for _ in range(3):
            body = write_body()
            try:
                reply = await self.endpoint.post("chat/completions", body)
            except GarbledError as error:
                return Verdict(Outcome.UNPARSEABLE, explanation=str(error))
            except (RefusedSettingsError, DoubtfulError) as error:
                if not self._adapt(body, str(error)):
                    raise
            else:
                return Completion.from_reply(reply)
        raise ConfigError(f"{self.base_url} refuses several settings, one after the other")

    def body(
        self, messages: list[dict[str, str]], form: ReplyForm, replicate: int
    ) -> dict[str, object]:
        """Write a request."""
        body: dict[str, object] = {"model": self.model, "messages": messages}
        if self.temperature is not None:
            body["temperature"] = self.temperature
        # of a reply in one word the first token is the one that is weighed
        max_tokens = 1 if self.logprobs and form.is_one_word else self.max_tokens
        if max_tokens is not None:
            body[self._tokens_name] = max_tokens
        if self.top_p is not None:
            body["top_p"] = self.top_p
        if self.request_seed is not None:
            body["seed"] = self.request_seed + replicate
        if self.reasoning_effort is not None:
            body["reasoning_effort"] = self.reasoning_effort
        if self.logprobs and form is not IN_WORDS:
            body["logprobs"] = True
            body["top_logprobs"] = 5 if form in _OF_TWO else MOST_ALTERNATIVES
        if form.schema is not None and self._format != Structured.NONE:
            body["response_format"] = response_format(self._format, form)
        body.update(self.extra_body)
        return body

    def _adapt(self, body: Mapping[str, object], said: str) -> bool:
        """Change the one setting the endpoint objects to, and say whether a new try is worth it."""
        switched = "max_completion_tokens"
        is_name = switched in said and not is_limit_of_reply(said)
        if is_name and self.max_tokens_name == "auto" and "max_tokens" in body:
            if self._tokens_name != switched:
                log.info("%s takes %s instead of max_tokens", self.base_url, switched)
                self._tokens_name = switched
            return True
        if "response_format" in said and "response_format" in body:
            if self._format != Structured.NONE:
                log.warning(
                    "%s does not take response_format=%s; verdicts are read from plain text",
                    self.base_url,
                    self._format,
                )
                self._format = Structured.NONE
            return True
        return False

    def _chosen_format(self) -> str:
        if self.structured != Structured.AUTO:
            return self.structured
        # the published protocol sends words alone; several verdicts gain most by a schema
        known = self.endpoint.base_url.startswith(OPENAI_URL)
        return Structured.JSON_SCHEMA if known and self._asking.is_grouped else Structured.NONE

    def _identity(self, shape: str | None, label: str) -> JudgeIdentity:
        """Name every setting that could change a verdict; those left alone are omitted."""
        settings: dict[str, object] = {
            **self._asking.settings(shape),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }
        optional = {
            "top_p": self.top_p,
            "request_seed": self.request_seed,
            "reasoning_effort": self.reasoning_effort,
            "structured": None if self._format == Structured.NONE else self._format,
            "logprobs": self.logprobs or None,
            "extra_body": dict(self.extra_body) or None,
        }
        settings |= {name: value for name, value in optional.items() if value is not None}
        return JudgeIdentity("chat", model=self.model, prompt=label, sampling=settings)
