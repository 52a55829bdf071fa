"""Keep keys out of whatever is shown or stored: options, replies that echo them, messages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

from ..errors import ConfigError

MIN_CHARS = 12
"""A shorter value of the environment may be a word that replies use, or a model's name."""
MIN_KEY_CHARS = 8
"""Of an endpoint's own key: `none` and `EMPTY` stand for a server without keys."""
BLOT = "[key]"
_NAMES = re.compile(r"(key|token|secret|password|passwd|passphrase)$", re.IGNORECASE)
_USERS = re.compile(r"(\w:/{1,2})[^\s'\"]*@")
_SETTINGS = re.compile(
    r"((?:^|[?&\s;])(?:password|passwd|pwd|(?:[\w-]*[-_])?(?:key|token|secret))=)"
    r"(?!value\b)[^\s&;'\",]+",  # `key=value` is how options are written
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bBearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_KEY_NAMES = re.compile(
    r"(^|[-_]|(?-i:(?<=[a-z])(?=[A-Z])))"
    r"(api[-_]?key|secret|token|password|passwd|pwd|key|authorization|cookie|credentials?|bearer)$",
    re.IGNORECASE,
)
_KEY_VALUE = re.compile(
    r"(?:^|[/=:,\s])(?:(?:sk|gsk|xai|pk)[-_][A-Za-z0-9_-]{12,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_\w{20,}"
    r"|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?:Bearer|Basic)\s+\S{8,})(?:$|[/?&,\s])"
)
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


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


def refuse_keys(options: Mapping[str, object]) -> None:
    """Refuse secrets among options: they would be written into results.

    Raises:
        ConfigError: An option is named like a key, or holds one. Its value is not shown.
    """
    for name, value in options.items():
        if _KEY_NAMES.search(name):
            raise ConfigError(
                f"keys come from the environment only, not from the option {name!r}: set "
                "OPENAI_API_KEY, or name another variable with api_key_env=NAME"
            )
        named_badly = name == "api_key_env" and not _VARIABLE.match(str(value))
        if named_badly or _holds_key(value):
            raise _key_in(name)
        for inner in value if isinstance(value, list | tuple) else [value]:
            if isinstance(inner, Mapping):
                refuse_keys(inner)
            elif _holds_key(inner):
                raise _key_in(name)


def _holds_key(value: object) -> bool:
    """Say whether a text holds a key, by its form or because the environment has it as one."""
    if not isinstance(value, str):
        return False
    return bool(_KEY_VALUE.search(value)) or any(secret in value for secret in known_secrets())


def _key_in(name: str) -> ConfigError:
    return ConfigError(
        f"option {name!r} holds what looks like a key; put it into an environment "
        "variable and name the variable with api_key_env=NAME"
    )


def options_without_secrets(options: Mapping[str, object]) -> dict[str, object]:
    """Leave out what a result file must not hold, whatever its name promises."""
    kept: dict[str, object] = {}
    for name, value in options.items():
        plain = name.lower()
        if name == "name" or any(word in plain for word in ("secret", "password", "header")):
            continue
        if ("key" in plain or "token" in plain) and not plain.startswith(("max_", "n_")):
            continue
        if value is None or isinstance(value, str | int | float | bool | list | tuple | Mapping):
            kept[name] = _plain(value)
    return kept


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return options_without_secrets(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str) and "://" in value:
        return _plain_address(value)
    return value


def _plain_address(address: str) -> str:
    """Take a user's name, a password and a query out of an address."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
