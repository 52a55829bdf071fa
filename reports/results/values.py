"""What stands at a place of a file that anybody may have written: an object, a number, a text."""

from __future__ import annotations

import json
import math
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping

from ...judges.errors import DataError

ODD_SHAPE = (AttributeError, LookupError, OverflowError, TypeError, ValueError)
"""What reading raises where a file holds something else than its format has."""


def parse_object(text: bytes, where: str) -> dict[str, object]:
    """Parse one JSON object, lone surrogates included, or say where it is broken."""
    try:
        value = json.loads(text.removeprefix(BOM_UTF8).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:  # broken JSON, broken UTF-8, endless nesting
        raise DataError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value


def decoded(value: object) -> object:
    """Give the list or object that stands in a log as JSON text; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            parsed: object = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return parsed
    return value


def at(value: object, *names: str) -> object:
    """Give what stands inside objects under these names; None where one of them is not there."""
    for name in names:
        value = mapping(value).get(name)
    return value


def mapping(value: object, *names: str) -> Mapping[str, object]:
    """Give the object that stands there, as `at` does; an empty one for whatever else does."""
    value = at(value, *names) if names else value
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> list[object]:
    """Give a list as it is, and an empty one for whatever else stands there."""
    return value if isinstance(value, list) else []


def first_of(values: Iterable[object]) -> object:
    """Give the first value that is not None; None where there is none."""
    return next((value for value in values if value is not None), None)


def number_of(value: object) -> float | None:
    """Give a finite number of a log, or None for whatever else stands there."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer too long for a float
        return None


def whole_of(value: object, otherwise: int) -> int:
    """Give a whole number of a log, however it is written; `otherwise` where none is.

    Raises:
        ValueError: Something else stands there.
    """
    if not value:
        return otherwise
    if not isinstance(value, (int, float, str)):
        raise ValueError(f"{type(value).__name__} is no whole number")
    return int(value)


def text_of(content: object) -> str | None:
    """Give the text of a message's content; reasoning, images and tool calls are no part of it.

    None where there is no content at all, as where no answer came.
    """
    if content is None:
        return None
    if isinstance(content, Mapping):
        return text_of(content.get("content", content.get("text")))
    if not isinstance(content, list):
        return str(content)
    texts = [part if isinstance(part, str) else at(part, "text") for part in content]
    found = [text for text in texts if isinstance(text, str) and text]
    return "\n".join(found) if found or not content else None


def turns_of(given: object) -> list[dict[str, str]]:
    """Give the turns of a prompt: those of messages, or a text as the user's."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, Iterable):
        raise DataError(f"its prompt is {type(given).__name__}, neither text nor messages")
    return [
        {"role": str(m.get("role", "user")), "content": text_of(m) or ""}
        for m in map(mapping, given)
    ]
