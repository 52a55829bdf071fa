"""What an endpoint says when it fails, and what that means.

Pure: a status and the bytes of a reply in, an error out. The forms are those of public reports;
what fits none of them is doubtful, and other questions tell (`engine/retries.py`).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import orjson

SHOWN_CHARS = 300
"""Most characters of an endpoint's words in a message of ours."""

_WORDS = (
    "message", "msg", "detail", "details", "error_description", "error_message", "errorMessage",
    "reason", "description", "title", "error", "errors",
)  # fmt: skip
"""Where the words stand, the best place first."""
_CODES = ("code", "type", "status", "reason", "error_code", "blockReason", "block_reason")
_INSIDE = (
    "error", "errors", "detail", "innererror", "metadata", "promptFeedback", "response", "message",
    "raw",
)  # fmt: skip
_DEEPEST = 8
"""An error within an error, as text, within an error."""
_BROKEN_ACCOUNT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_FILTER_CODES = re.compile(
    r"content_?filter|content_?policy|responsibleaipolicy|moderation|data_?inspection|"
    r"prohibited_?content|blocklist|safety|sensitive|usage_?polic|guardrail|content_?blocked|"
    r"flagged|unsafe",
    re.IGNORECASE,
)
_FILTER_WORDS = re.compile(
    r"content[ _](management )?(polic|filter|moderation)|usage (guideline|polic)|moderation|"
    r"\bflagged\b|safety (system|guideline|filter|polic|check|setting|reason)|inappropriate|"
    r"(content|prompt|input|output|message|request|text)s?\b.{0,60}(\b|_)(flagged|violat|"
    r"prohibited|unsafe|harmful|sensitive|blocked|risk\b)|violat\w* .{0,40}(guideline|polic|terms)|"
    r"prohibited (content|use)|block_?reason|data.?inspection|guardrail|敏感|不安全|违规|涉敏|违禁|"
    r"审核|审查",
    re.IGNORECASE,
)
_OF_THE_ACCOUNT = re.compile(
    r"\b(account|organi[sz]ation|api[ _-]?key|billing|your (key|ip|country|region)|subscription)\b",
    re.IGNORECASE,
)
_LONG_CODES = re.compile(
    r"context_(length|window|size)|exceed_context|string_above_max|prompt_too_long|"
    r"input_too_long|request_too_large|content_too_long|tokens_limit",
    re.IGNORECASE,
)
_LONG_WORDS = re.compile(
    r"context[ _](length|window|size)|(prompt|input|request|messages?|conversation|content)s?\b"
    r".{0,60}\b((?<!took )too (long|large)|exceed|longer than|over the limit)|"
    r"too many (input |prompt )?tokens|"
    r"exceed\w* .{0,50}\b(token|context|length)|maximum (input|prompt|number of (input )?tokens)|"
    r"reduce the length|max_model_len|n_ctx|string too long|entity too large|payload too large|"
    r"body too large|token (count|limit).{0,40}exceed|range of input length",
    re.IGNORECASE,
)
_LIMIT_OF_REPLY = re.compile(
    r"max_(completion_|output_|new_)?tokens.{0,60}(too (large|high|big)|at most|exceed|less than|"
    r"must be|maximum)",
    re.IGNORECASE,
)
_WRONG_KEY = re.compile(
    r"api[ _-]?key|\bkey\b|credential|unauthori[sz]ed|authenticat|access token|bearer|"
    r"\bforbidden\b|permission",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model.{0,80}(not found|not exist|no such|unknown|invalid|not available|not supported|"
    r"unsupported|not allowed|no access|not served|deprecated)|(unknown|invalid|no such|"
    r"unsupported) model|no endpoints found",
    re.IGNORECASE,
)
_SETTINGS = {
    "unsupported_parameter", "unsupported_value", "unknown_parameter", "model_not_found",
    "invalid_api_key", "invalid_model", "extra_forbidden",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """An endpoint's words about a failure."""

    words: str
    """One line, whole."""
    codes: frozenset[str] = frozenset()
    """Its codes and types, in lower case."""
    names: tuple[str, ...] = ()
    """The fields of the request that it names apart from its words."""

    @property
    def is_broken_account(self) -> bool:
        """Whether there is nothing left to pay with."""
        return bool(self.codes & _BROKEN_ACCOUNT)

    @property
    def is_filter(self) -> bool:
        """Whether the content of this question is refused."""
        if any(map(_FILTER_CODES.search, self.codes)):
            return True
        return bool(_FILTER_WORDS.search(self.words)) and not _OF_THE_ACCOUNT.search(self.words)

    @property
    def is_too_long(self) -> bool:
        """Whether this question is longer than the judge's context."""
        if any(map(_LONG_CODES.search, self.codes)):
            return True
        return bool(_LONG_WORDS.search(self.words))

    @property
    def is_rate_limit(self) -> bool:
        """Whether too much was asked in too short a time."""
        return bool(re.search(r"rate.?limit|per minute", " ".join((self.words, *self.codes)), re.I))

    @property
    def is_out_of_context(self) -> bool:
        """Whether the context is named, as a fault of a server must do to be taken for this."""
        named = ("context_length", "context_window", "exceed_context", "context length")
        return any(name in text for name in named for text in (*self.codes, self.words.lower()))

    @property
    def is_limit_of_reply(self) -> bool:
        """Whether `max_tokens` is too much, for the model or for what this question leaves."""
        return is_limit_of_reply(self.words)

    @property
    def is_setting(self) -> bool:
        """Whether a code says that a setting is refused, whatever is asked."""
        return bool(self.codes & _SETTINGS)


def is_limit_of_reply(words: str) -> bool:
    """Say whether words about `max_tokens` are about its size, and not about its name."""
    return bool(_LIMIT_OF_REPLY.search(words))


def said_in(content: bytes, clean: Callable[[str], str]) -> Said:
    """Read an error's body: JSON in whatever form, HTML, plain text.

    Args:
        content: The body.
        clean: Blots out the key.
    """
    try:
        reply = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Said(clean(_readable(content.decode("utf-8", "replace"))))
    return said_of(reply, clean)


def said_of(reply: object, clean: Callable[[str], str]) -> Said:
    """Read an error that was decoded."""
    codes = frozenset(
        str(code).lower()
        for inner in _mappings(reply)
        for name in _CODES
        if isinstance(code := inner.get(name), str | int) and not isinstance(code, bool)
    )
    names = tuple(dict.fromkeys(_names(reply)))
    words = " ".join(dict.fromkeys(part for part in _words(reply) if part))
    if not words:
        words = orjson.dumps(reply).decode() if reply else ""
    return Said(clean(words), codes, names)


def mend(status: int, said: Said, sent: Mapping[str, object], key_name: str) -> str:
    """Name the option that mends a refusal.

    Args:
        status: Of HTTP.
        said: The endpoint's words.
        sent: The request; empty where it is not known.
        key_name: The variable that holds the key.
    """
    if status == 401 or (status == 403 and not said.names):
        return f"the key comes from {key_name}; api_key_env=NAME names another variable"
    for name in said.names:
        for pattern, option in _MENDS:
            if pattern.search(name):
                return option(said.words)
    for pattern, option in _MENDS:
        if pattern.search(said.words):
            return option(said.words)
    for name in (*said.names, *(re.findall(r"[a-z]+(?:_[a-z]+)+", said.words))):
        if name in sent:
            return f"take {name} out of extra_body"
    if _NO_MODEL.search(said.words) or "model_not_found" in said.codes:
        return "check model=NAME: the endpoint lists what it serves at base_url/models"
    if _WRONG_KEY.search(said.words):
        return f"the key comes from {key_name}; api_key_env=NAME names another variable"
    if status in {404, 405} or 300 <= status < 400:
        return "check base_url, which usually ends in /v1, and model"
    return "check the options of the judge: model, base_url, extra_body"


def _tokens_mend(words: str) -> str:
    if re.search(r"max_completion_tokens", words) and not _LIMIT_OF_REPLY.search(words):
        return "max_tokens_name=max_completion_tokens, or max_tokens=none"
    if _LIMIT_OF_REPLY.search(words):
        return "give a smaller max_tokens=N"
    return "max_tokens=none omits it, max_tokens_name=max_completion_tokens renames it"


_MENDS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), option)
    for pattern, option in (
        (r"\bmax_(completion_|output_|new_)?tokens\b", _tokens_mend),
        (r"temperature", lambda _: "temperature=none leaves it to the endpoint"),
        (r"top_p\b|nucleus", lambda _: "remove top_p (top_p=none)"),
        (
            r"enable_thinking|chat_template_kwargs|thinking",
            lambda _: 'extra_body={"enable_thinking": false} sets it; or take it out of extra_body',
        ),
        (
            r"reasoning[_.]?effort|\breasoning\b",
            lambda _: "reasoning_effort=null omits it; or give a supported value",
        ),
        (
            r"response_format|json_schema|json_object|structured|guided_|grammar",
            lambda _: "structured=none asks for it in the prompt only",
        ),
        (r"logprobs", lambda _: "logprobs=false omits them"),
        (r"\bseed\b", lambda _: "remove request_seed (request_seed=none)"),
        (r"api-version|api_version", lambda _: "check api_version=..."),
        (r"HTTPS port|plain HTTP request", lambda _: "base_url begins with https://"),
    )
)


def _mappings(value: object, depth: int = 0) -> Iterator[Mapping[str, object]]:
    """Give the mappings of an error that say what it is, the outer ones first."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield from _mappings(_json_in(value)[1], depth + 1)
    elif isinstance(value, list):
        for inner in value[:3]:
            yield from _mappings(inner, depth + 1)
    elif isinstance(value, Mapping):
        yield value
        for name in _INSIDE:
            yield from _mappings(value.get(name), depth + 1)


def _words(value: object, depth: int = 0) -> Iterator[str]:
    """Give the words of an error, from the best places in it."""
    if depth > _DEEPEST or value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        before, inside = _json_in(value)
        words = " ".join(dict.fromkeys(_words(inside, depth + 1)))
        yield " ".join((f"{before}{words}" if words else _readable(value)).split())
    elif isinstance(value, list):
        for inner in value[:3]:
            yield from _words(inner, depth + 1)
    elif isinstance(value, Mapping):
        error = value.get("error")
        if isinstance(error, Mapping | list) and error:
            yield from _words(error, depth + 1)
            return
        found = [part for name in _WORDS for part in _words(value.get(name), depth + 1)]
        yield from found[:1] if isinstance(value.get("message"), str) else found
        place = value.get("loc")
        if isinstance(place, list):
            yield f"({'.'.join(map(str, place))})"
        more = value.get("metadata")
        if isinstance(more, Mapping):  # a router's: what the provider behind it said
            for name in ("raw", "reasons", "flagged_input"):
                yield from _words(more.get(name), depth + 1)
        feedback = value.get("promptFeedback")
        if isinstance(feedback, Mapping):
            yield f"blockReason {feedback.get('blockReason')}"


def _json_in(text: str) -> tuple[str, object]:
    """Split words that end in JSON, as a router's that quotes the endpoint behind it.

    Returns:
        The words before it, and its value; None where there is none.
    """
    start = text.find("{")
    if start < 0:
        return text, None
    try:
        return text[:start], json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return text, None


def _names(reply: object) -> Iterator[str]:
    for inner in _mappings(reply):
        param = inner.get("param")
        if isinstance(param, str) and param:
            yield param
        place = inner.get("loc")
        if isinstance(place, list) and place and isinstance(place[-1], str):
            yield place[-1]


def _readable(text: str) -> str:
    """Give the words of a page instead of its marks."""
    if not text.lstrip()[:200].lower().startswith(("<!doctype", "<html", "<?xml", "<head", "<h1")):
        return text
    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text[:20_000])
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
    return f"HTML: {words}"
