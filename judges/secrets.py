"""Keep keys out of whatever is shown or stored: replies that echo them, messages, addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

MIN_CHARS = 12
"""A shorter value of the environment may be a word that replies use, or a model's name."""
MIN_KEY_CHARS = 8
"""Of an endpoint's own key: `none` and `EMPTY` stand for a server without keys."""
BLOT = "[key]"
_NAMES = re.compile(r"(key|token|secret|password|passwd|passphrase)$", re.IGNORECASE)
_USERS = re.compile(r"(\w:/{1,2})[^\s'\"]*@")
_SETTINGS = re.compile(
    r"((?:^|[?&\s;])(?:password|passwd|pwd|(?:[\w-]*[-_])?(?:key|token|secret))=)[^\s&;'\",]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bBearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)


def known_secrets(further: Iterable[str] = ()) -> list[str]:
    """Give the values of the environment that are named like keys, the longest first.

    Args:
        further: An endpoint's own keys.
    """
    named = (value.strip() for name, value in os.environ.items() if _NAMES.search(name))
    found = {value for value in named if len(value) >= MIN_CHARS}
    found.update(key for key in further if len(key) >= MIN_KEY_CHARS)
    return sorted(found, key=lambda value: (-len(value), value))


def without_secrets(text: str) -> str:
    """Blot known secrets out of a text, which is otherwise as it was: fit for results."""
    for secret in known_secrets():
        text = text.replace(secret, BLOT)
    return text


def without_credentials(text: str) -> str:
    """Blot known secrets, and what stands where addresses and settings carry some: for messages."""
    text = _USERS.sub(r"\1...@", without_secrets(text))
    return _BEARER.sub(rf"\1{BLOT}", _SETTINGS.sub(rf"\1{BLOT}", text))
