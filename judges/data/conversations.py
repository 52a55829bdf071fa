"""Turns of a conversation, and the text of an answer, out of the forms that files give them in.

Text, messages, parts of a message, and any of these as JSON text. What a judge of text cannot be
shown (an image, a tool call) is refused by name: it is never graded without.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ..errors import DataError, near_names
from ..rubric import Message
from .json_rows import Field, kind_of

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Roles of a prompt's turns; what newer endpoints call developer is the system turn."""
TEXT_PARTS = ("text", "input_text", "output_text")
_UNSEEN = {"image": "an image", "audio": "audio", "video": "video", "file": "a file"}
_TOOL_ROLES = ("tool", "function", "ipython")
_PYTHON_MESSAGES = re.compile(r"\s*\[?\s*\{\s*'(?:role|content)'\s*:")


def prompt_of(field: Field) -> tuple[Message, ...]:
    """Read a prompt: a user's text, or turns of which the last is the user's.

    A text that is JSON of messages is read as these messages.

    Raises:
        DataError: It is neither, or holds what cannot be shown to a judge of text.
    """
    turns = field.value if not isinstance(field.value, str) else _messages_in(field.value)
    if isinstance(turns, Mapping) and "messages" in turns:
        turns = turns["messages"]
    if turns is None and isinstance(field.value, str):
        if _PYTHON_MESSAGES.match(field.value):
            raise field.fault(
                "is messages as Python prints them, not as JSON; write them by json.dumps"
            )
        return (Message("user", field.text()),)
    field = Field(turns, field.parent, field.key)
    messages = tuple(_message(item, number) for number, item in enumerate(field.items(), start=1))
    if messages[-1].role != "user":
        raise field.fault(f"ends with a turn of {messages[-1].role!r}; the last must be the user's")
    return messages


def _messages_in(text: str) -> Any:
    """Give the messages that a text is JSON of, else None: the text is a user's words."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, Mapping):
        if "messages" not in value:
            return [value] if _is_message(value) else None
        value = value["messages"]
    is_chat = isinstance(value, list) and bool(value) and all(map(_is_message, value))
    return value if is_chat else None


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" in value and "content" in value


def _message(item: Field, number: int) -> Message:
    if isinstance(item.value, Mapping) and "from" in item.value and "role" not in item.value:
        raise item.fault("has 'from' and 'value'; give 'role' and 'content'")
    role = item["role"].text()
    if role in _TOOL_ROLES or item.value.get("tool_calls") or item.value.get("function_call"):
        raise DataError(
            f"turn {number} of the prompt is a tool call or its result, which a judge cannot be "
            "shown; the row cannot be judged fairly"
        )
    if role not in ROLES:
        raise item["role"].fault(f"is unknown; {near_names(role[:24], ROLES)}")
    content = item["content"]
    if isinstance(content.value, list):  # the parts form of the chat API
        parts = [_part(part, f"turn {number} of the prompt") for part in content.items()]
        return Message(ROLES[role], "\n".join(parts))
    return Message(ROLES[role], content.any_text())


def _part(part: Field, where: str) -> str:
    """Give the text of a part of a message."""
    if isinstance(part.value, str):
        return part.any_text()
    kind = part["type"].value
    text = part["text"]
    if isinstance(text.value, str) and (kind is None or kind in TEXT_PARTS):
        return text.any_text()
    if isinstance(kind, str):
        unseen = next((words for name, words in _UNSEEN.items() if name in kind), None)
        if unseen or "tool" in kind or "function" in kind:
            raise DataError(
                f"{where} holds {unseen or 'a tool call'}, which a judge of text cannot be shown; "
                "the row cannot be judged fairly"
            )
    raise part.fault("is a part of a message without text")


def is_missing(value: Any) -> bool:
    """Say whether a field holds no value: null, or the NaN that tables write for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def text_of_answer(value: Any) -> str | None:
    """Give the text of an answer; None where the model gave none.

    Takes text, parts of a message, one message, messages (their assistant turns, in order), a chat
    completion as the endpoint gave it, and JSON text of messages. An empty text is an answer.

    Raises:
        DataError: It is none of these, or holds what a judge of text cannot be shown.
    """
    if is_missing(value):
        return None
    if isinstance(value, str):
        turns = _messages_in(value)
        if turns is not None and all(turn.get("role") in ("assistant", *ROLES) for turn in turns):
            return text_of_answer(turns)
        if _PYTHON_MESSAGES.match(value):
            raise DataError("the answer is messages as Python prints them; write JSON")
        return str(value)
    if isinstance(value, Mapping):
        return _text_of_object(value)
    if isinstance(value, list | tuple):
        return _text_of_list(value)
    raise DataError(f"the answer is {kind_of(value)}, not text")


def _text_of_object(value: Mapping[str, Any]) -> str | None:
    choices = value.get("choices")
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], Mapping):
        choice = choices[0]
        return text_of_answer(choice.get("message", choice.get("text")))
    if "content" in value or value.get("type") in TEXT_PARTS:
        return _text_of_list([value])
    raise DataError("the answer is an object that is neither a message nor a chat completion")


def _text_of_list(items: list[Any] | tuple[Any, ...]) -> str | None:
    if not items:
        return None
    turns = [item for item in items if isinstance(item, Mapping) and "content" in item]
    if len(turns) == len(items):
        said = [turn for turn in turns if turn.get("role", "assistant") == "assistant"]
        texts = [text_of_answer(turn["content"]) for turn in said]
        given = [text for text in texts if text is not None]
        return "\n".join(given) if given else None
    parts = [_part(Field(item, None, "a part of the answer"), "the answer") for item in items]
    return "\n".join(parts)
