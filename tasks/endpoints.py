"""Find out whether an endpoint can be reached, before anything is loaded or paid."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..judges.errors import ConfigError

CONNECT_TIMEOUT_S = 5.0
KEY_VARIABLES = {
    "openai-completions": "OPENAI_API_KEY",
    "openai-chat-completions": "OPENAI_API_KEY",
    "anthropic-chat": "ANTHROPIC_API_KEY",
    "anthropic-chat-completions": "ANTHROPIC_API_KEY",
}
"""Where lm-eval's own model types look for their key."""
NEEDS_ADDRESS = ("local-completions", "local-chat-completions")


def check_model(model: str, model_args: Mapping[str, Any]) -> None:
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
        raise ConfigError(f"{label} {address!r} is no http address")
    if os.environ.get(f"{parts.scheme}_proxy") or os.environ.get(f"{parts.scheme.upper()}_PROXY"):
        return  # the way there is the proxy's
    try:
        socket.create_connection((parts.hostname, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ConfigError(
            f"{label}: nothing answers at {parts.hostname}:{port} ({error.strerror or error}); "
            "is the server up?"
        ) from None
