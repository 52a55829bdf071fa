"""Calls of tools and their results, as the text that a judge reads.

A call is one line, `[tool call] name {"argument": 1}`. A result is a block:

    [tool result] name
    ... what came back, whole
    [end of tool result]

From the second call of one name on, the name is followed by `#2`, `#3`, in the call as in its
result. Where other text beside them has a line that begins with one of these marks, a backslash is
put before it, so that no text can pass for a call or a result.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

from ..json_rows import Field

CALL = "[tool call]"
RESULT = "[tool result]"
END = "[end of tool result]"
CALL_PARTS = ("tool_use", "function_call", "custom_tool_call", "mcp_call")
RESULT_PARTS = ("tool_result", "function_call_output", "custom_tool_call_output")
_MARK = re.compile(
    r"(^|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])([ \t]*)(\\*)"
    r"(\[(?:tool call|tool result|end of tool result)\])",
    re.IGNORECASE,
)
_NAME = re.compile(r"[\w.:/@-]+")


def escaped(text: str) -> str:
    """Put a backslash before what begins a line as a call, a result or its end does."""
    return _MARK.sub(r"\1\2\\\3\4", text)


def is_written_result(item: Field) -> bool:
    """Say whether a turn is a result as it is written here: a canonical row, read again."""
    text = item["content"].value
    is_named = any(item.has(name) for name in ("tool_call_id", "name"))
    return (
        isinstance(text, str)
        and not is_named
        and text.startswith(RESULT)
        and text.endswith(f"\n{END}")
    )


class ToolLog:
    """Writes the calls of one conversation and their results, each result with its call's name."""

    def __init__(self) -> None:
        """Begin with no calls."""
        self._counts: Counter[str] = Counter()
        self._name_by_id: dict[str, str] = {}
        self._open: list[str] = []
        """Calls that no result has come to."""

    def call(self, item: Field) -> str:
        """Write a call."""
        inner = item.first("function", "custom") if _is_wrapped(item) else item
        name = _one_line(inner["name"].text())
        self._counts[name] += 1
        if self._counts[name] > 1:
            name = f"{name} #{self._counts[name]}"
        self._open.append(name)
        for called in (item["id"].value, item["call_id"].value):
            if isinstance(called, str):
                self._name_by_id[called] = name
        return f"{CALL} {name} {_arguments(inner)}"

    def result(self, item: Field, text: str) -> str:
        """Write a result, with the name of the call that it answers where it can be told."""
        asked = item.first("tool_call_id", "tool_use_id", "call_id").value
        name = self._name_by_id.get(asked) if isinstance(asked, str) else None
        if name is None and item.has("name"):
            plain = _one_line(item["name"].any_text())
            waiting = (one for one in self._open if one == plain or one.startswith(f"{plain} #"))
            name = next(waiting, plain)
        if name is None and asked is None and len(self._open) == 1:
            name = self._open[0]
        if name in self._open:
            self._open.remove(name)
        head = f"{RESULT} {name}" if name else RESULT
        return f"{head}\n{escaped(text)}\n{END}"


def _is_wrapped(item: Field) -> bool:
    return any(isinstance(item[name].value, Mapping) for name in ("function", "custom"))


def _one_line(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _arguments(call: Field) -> str:
    given = call.first("arguments", "args", "input", "parameters")
    if not isinstance(given.value, str):
        return _dumped(Field({}) if given.value is None else given)
    words = given.any_text()
    try:
        value = json.loads(words or "{}")
    except (ValueError, RecursionError):
        return f"not JSON: {json.dumps(words, ensure_ascii=False)}"
    # as the model wrote it where that is one line: a repeated name would be lost
    return words if words and len(words.splitlines()) == 1 else _dumped(Field(value))


def _dumped(field: Field) -> str:
    try:
        return json.dumps(field.value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise field.fault("cannot be written as JSON") from None


def text_of_value(field: Field) -> str:
    """Write what a tool gave that is no text: nothing, or JSON."""
    return "" if field.value is None else _dumped(field)
