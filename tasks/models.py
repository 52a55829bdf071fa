"""Models that need no model: the baselines, and the recorded answers of an earlier run.

lm-eval knows models by name only within itself; `rubricbeat run` hands these over as objects.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from ..judges.errors import ConfigError

CONSTANT_ANSWER = (
    "Thank you for your question. Everyone's health is different, so please speak with a doctor "
    "or another qualified health professional about your situation, and seek emergency care at "
    "once if your symptoms are severe or get worse. Eat well, stay active, sleep enough and take "
    "your medicines as prescribed. I hope this helps; let me know if you have more questions."
)
CONNECT_TIMEOUT_S = 5.0
KEY_VARIABLES = {
    "openai-completions": "OPENAI_API_KEY",
    "openai-chat-completions": "OPENAI_API_KEY",
    "anthropic-chat": "ANTHROPIC_API_KEY",
    "anthropic-chat-completions": "ANTHROPIC_API_KEY",
}
"""Where lm-eval's own model types look for their key."""
BASELINE_PREFIX = "baseline:"
NEEDS_ADDRESS = ("local-completions", "local-chat-completions")


class Baseline(StrEnum):
    """The ways of answering without thought."""

    EMPTY = "empty"
    CONSTANT = "constant"
    STUFFED = "stuffed"
    """The text of every criterion that is worth points, one after the other."""
    REFERENCE = "reference"
    """The data set's own answer; a row without one stays unscored."""


BASELINE_ABOUTS = {
    Baseline.EMPTY: "an empty answer",
    Baseline.CONSTANT: "the same harmless answer to every prompt",
    Baseline.STUFFED: "the text of every criterion that is worth points",
    Baseline.REFERENCE: "the data set's own reference answer",
}


class BaselineText(str):
    """An answer that is meant to be as it is, even where it is empty."""

    __slots__ = ()


class NoAnswer(BaselineText):
    """An answer that does not exist, which is not the same as an empty one."""

    __slots__ = ()
    reason = "the row has no reference answer"


def baseline_answer(kind: Baseline, document: Mapping[str, Any]) -> BaselineText:
    """Answer a canonical row."""
    if kind is Baseline.EMPTY:
        return BaselineText("")
    if kind is Baseline.CONSTANT:
        return BaselineText(CONSTANT_ANSWER)
    if kind is Baseline.STUFFED:
        worth = [c["criterion"] for c in document["rubrics"] if c["points"] > 0]
        return BaselineText("\n".join(worth))
    references: Sequence[str] = document.get("references") or ()
    return BaselineText(references[0]) if references else NoAnswer("")


class StandIn(LM):  # type: ignore[misc]  # lm-eval carries no types
    """Answers without a model; takes a conversation in any form."""

    tokenizer_name = "none"

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Give one text for each request."""
        return [self.answer(request.doc) for request in requests]

    def answer(self, document: Mapping[str, object]) -> str:
        """Give nothing: the task puts a recorded answer in its place."""
        return ""

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Join the turns; nobody reads them but the samples file."""
        return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in chat_history)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refuse: there are no probabilities without a model."""
        raise NotImplementedError(f"{type(self).__name__} only answers; it has no probabilities")

    loglikelihood_rolling = loglikelihood


class BaselineModel(StandIn):
    """Answers as one of the baselines does."""

    def __init__(self, kind: Baseline) -> None:
        """Choose the baseline."""
        super().__init__()
        self.kind = kind

    def answer(self, document: Mapping[str, object]) -> str:
        """Answer a canonical row."""
        return baseline_answer(self.kind, document)


def check_model(model: str, model_args: Mapping[str, object]) -> None:
    """Check the key and the address of an API model.

    Raises:
        ConfigError: A key is missing, the address is, or nothing answers there.
    """
    variable = KEY_VARIABLES.get(model)
    if variable and not os.environ.get(variable):
        raise ConfigError(f"--model {model}: no key; set {variable} in the environment")
    address = model_args.get("base_url")
    if address is None:
        if model in NEEDS_ADDRESS:
            raise ConfigError(
                f"--model {model}: no address; add base_url to --model_args, such as "
                "base_url=http://127.0.0.1:8000/v1/chat/completions"
            )
        return
    check_address(str(address), f"--model {model}: base_url")


def odd_address(model: object, model_args: object) -> str | None:
    """Say of an OpenAI-style chat model that its address is not one for chats; None where it is.

    lm-eval posts to `base_url` as it stands (0.4.13), where the judge's is the part before.

    Args:
        model: lm-eval's name of the type.
        model_args: A mapping, or the words of the command line.
    """
    if model not in {"local-chat-completions", "openai-chat-completions"}:
        return None
    if isinstance(model_args, str):
        model_args = dict(word.partition("=")[::2] for word in model_args.split(","))
    address = str((model_args if isinstance(model_args, Mapping) else {}).get("base_url") or "")
    if not address or urlsplit(address).path.rstrip("/").endswith("/chat/completions"):
        return None
    return (
        f"--model {model}: base_url={address} does not end in /chat/completions, and lm-eval posts "
        "to it unchanged; OpenAI-compatible servers answer at .../v1/chat/completions"
    )


def check_address(address: str, label: str) -> None:
    """Check that something listens at an http address; nothing is sent.

    Args:
        address: Such as `http://127.0.0.1:8000/v1`.
        label: Whose address it is, for messages.

    Raises:
        ConfigError: It is no address, or nothing listens there.
    """
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # a port beyond 65535
        is_address = False
    if not is_address:
        raise ConfigError(f"{label} {address!r} is not an http address")
    if os.environ.get(f"{parts.scheme}_proxy") or os.environ.get(f"{parts.scheme.upper()}_PROXY"):
        return  # the way there is the proxy's
    try:
        socket.create_connection((parts.hostname, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ConfigError(
            f"{label}: nothing answers at {parts.hostname}:{port} ({error.strerror or error}); "
            "is the server up?"
        ) from None
