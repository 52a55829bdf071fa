"""Turns of a conversation, and the text of an answer, out of the forms that files give them in.

Text, messages, parts of a message, and any of these as JSON text. Calls of tools and their results
become text (`forms/tools.py`). What a judge of text cannot be shown (an image, a file) is refused
by name: it is never graded without.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import DataError
from ..rubric import Message
from .forms.tools import (
    CALL_PARTS,
    RESULT_PARTS,
    ToolLog,
    escaped,
    is_written_result,
    text_of_value,
)
from .json_rows import Field, kind_of

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Roles of a prompt's turns; what newer endpoints call developer is the system turn."""
TEXT_PARTS = ("text", "input_text", "output_text")
_REASONING_PARTS = ("thinking", "redacted_thinking", "reasoning", "reasoning_text")
"""What a model thought before it spoke, as some endpoints give it: no part of what it said."""
_UNSEEN = {"image": "an image", "audio": "audio", "video": "video", "file": "a file"}
_TOOL = "tool"
_TOOL_ROLES = (_TOOL, "function", "ipython")
_PYTHON_MESSAGES = re.compile(r"\s*\[?\s*\{\s*'(?:role|content)'\s*:")


def prompt_of(field: Field) -> tuple[Message, ...]:
    """Read a prompt: a user's text, or turns of which the last is the user's or a tool's.

    A text that is JSON of messages is read as these messages.
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
    log = ToolLog()
    messages = tuple(
        message
        for number, item in enumerate(field.items(), start=1)
        for message in _turns(item, f"turn {number} of the prompt", log)
    )
    if messages[-1].role not in ("user", _TOOL):
        raise field.fault(f"ends with a turn of {messages[-1].role!r}; the last must be the user's")
    return messages


def chat_turns(prompt: Sequence[Message]) -> list[dict[str, str]]:
    """Give a prompt as a model's chat template or endpoint takes it that answers it.

    A tool's turn is sent as the user's, and joined to one that follows: endpoints take the role
    `tool` only behind calls in their own form, and templates want the roles in turn.
    """
    turns: list[dict[str, str]] = []
    before = ""
    for message in prompt:
        role = "user" if message.role == _TOOL else message.role
        if turns and role == turns[-1]["role"] == "user" and _TOOL in (before, message.role):
            turns[-1]["content"] += f"\n\n{message.content}"
        else:
            turns.append({**message.to_json(), "role": role})
        before = message.role
    return turns


def _messages_in(text: str) -> list[Mapping[str, object]] | None:
    """Give the messages that a text is JSON of, else None: the text is a user's words."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, Mapping):
        value = value.get("messages", [value])
    is_chat = isinstance(value, list) and bool(value) and all(map(_is_message, value))
    return value if is_chat else None


def _is_message(value: object) -> bool:
    return isinstance(value, Mapping) and "role" in value and ("content" in value or _calls(value))


def _turns(item: Field, where: str, log: ToolLog) -> Iterator[Message]:
    """Read a turn of a prompt: one, or with results of tools inside it those before it."""
    if isinstance(item.value, Mapping) and "from" in item.value and "role" not in item.value:
        raise item.fault("has 'from' and 'value'; give 'role' and 'content'")
    if item["role"].value is None and item["type"].value in (*CALL_PARTS, *RESULT_PARTS):
        block = _block(item, where, log)
        yield Message(_TOOL if item["type"].value in RESULT_PARTS else "assistant", block)
        return
    role = item["role"].text()
    content = item["content"]
    if role in _TOOL_ROLES:
        is_written = is_written_result(item)
        yield Message(_TOOL, content.any_text() if is_written else _result(item, where, log))
        return
    if role not in ROLES:
        raise item["role"].unknown([*ROLES, _TOOL])
    results = _results(content)
    for part in results:
        yield Message(_TOOL, _block(part, where, log))
    if results and isinstance(content.value, list) and len(results) == len(content.value):
        return
    if _has_tools(item.value):
        yield Message(ROLES[role], "\n".join(_said(item, where, log)))
    elif isinstance(content.value, list):  # the parts form of the chat API
        yield Message(ROLES[role], "\n".join(_texts(content.items(), where)))
    else:
        yield Message(ROLES[role], content.any_text())


def _results(content: Field) -> list[Field]:
    """Give the parts of a content that are results of tools."""
    if not isinstance(content.value, list) or not content.value:
        return []
    objects = (part for part in content.items() if isinstance(part.value, Mapping))
    return [part for part in objects if part["type"].value in RESULT_PARTS]


def _calls(message: Mapping[str, object]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _has_tools(message: object) -> bool:
    """Say whether a message calls a tool, or is or holds a result of one."""
    if not isinstance(message, Mapping):
        return False
    kinds = (*CALL_PARTS, *RESULT_PARTS)
    content = message.get("content")
    inner = content if isinstance(content, list) else []
    return (
        _calls(message)
        or message.get("role") in _TOOL_ROLES
        or message.get("type") in kinds
        or any(isinstance(part, Mapping) and part.get("type") in kinds for part in inner)
    )


def _said(item: Field, where: str, log: ToolLog) -> Iterator[str]:
    """Give what the assistant says and calls in one message, in order."""
    content = item["content"]
    if isinstance(content.value, list):
        for part in content.items() if content.value else ():
            kind = part["type"].value if isinstance(part.value, Mapping) else None
            if kind in CALL_PARTS:
                yield log.call(part)
            elif kind not in RESULT_PARTS:
                yield from map(escaped, _texts([part], where))
    elif not is_missing(content.value) and content.value != "":
        yield escaped(content.any_text())
    elif item.has("refusal"):
        yield escaped(item["refusal"].any_text())
    calls = item["tool_calls"].decoded()
    if calls.value:
        yield from map(log.call, calls.items())
    if item.has("function_call"):
        yield log.call(item["function_call"])


def _block(item: Field, where: str, log: ToolLog) -> str:
    """Write a call or a result that is an item or a part by itself."""
    return log.call(item) if item["type"].value in CALL_PARTS else _result(item, where, log)


def _result(item: Field, where: str, log: ToolLog) -> str:
    given = item.first("content", "output")
    if isinstance(given.value, str):
        text = given.any_text()
    elif (
        isinstance(given.value, list)
        and given.value
        and all(isinstance(value, Mapping) and "type" in value for value in given.value)
    ):
        text = "\n".join(_texts(given.items(), where))
    else:
        text = text_of_value(given)
    return log.result(item, text)


def _texts(parts: Iterable[Field], where: str) -> list[str]:
    """Give the texts of the parts of a message, without those that hold its reasoning."""
    return [_part(part, where) for part in parts if not _is_reasoning(part.value)]


def _is_reasoning(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") in _REASONING_PARTS


def _part(part: Field, where: str) -> str:
    """Give the text of a part of a message."""
    if isinstance(part.value, str):
        return part.any_text()
    kind = part["type"].value
    if kind == "refusal":
        return part["refusal"].any_text()
    text = part["text"]
    if isinstance(text.value, str) and (kind is None or kind in TEXT_PARTS):
        return text.any_text()
    if isinstance(kind, str):
        unseen = next((words for name, words in _UNSEEN.items() if name in kind), None)
        if unseen:
            raise DataError(
                f"{where} holds {unseen}, which a judge of text cannot be shown; "
                "the row cannot be judged fairly"
            )
    raise part.fault("is a part of a message without text")


def is_missing(value: object) -> bool:
    """Say whether a field holds no value: null, or the NaN that tables write for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def text_of_answer(value: object) -> str | None:
    """Give the text of an answer; None where the model gave none.

    Takes text, parts of a message, one message, messages (their assistant turns, in order, with
    calls of tools and their results between), a chat completion as the endpoint gave it, and JSON
    text of messages. An empty text is an answer.
    """
    if is_missing(value):
        return None
    if isinstance(value, str):
        turns = _messages_in(value)
        roles = ("assistant", *ROLES, *_TOOL_ROLES)
        if turns is not None and all(turn.get("role") in roles for turn in turns):
            return text_of_answer(turns)
        if _PYTHON_MESSAGES.match(value):
            raise DataError("the answer is messages as Python prints them; write JSON")
        return str(value)
    if isinstance(value, Mapping):
        return _text_of_object(value)
    if isinstance(value, list | tuple):
        return _text_of_list(value)
    raise DataError(f"the answer is {kind_of(value)}, not text")


def _text_of_object(value: Mapping[str, object]) -> str | None:
    choices = value.get("choices")
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], Mapping):
        choice = choices[0]
        return text_of_answer(choice.get("message", choice.get("text")))
    if value.get("object") == "response" and isinstance(value.get("output"), list):
        return text_of_answer(value["output"])
    if "content" in value or value.get("type") in TEXT_PARTS or _has_tools(value):
        return _text_of_list([value])
    raise DataError("the answer is an object that is neither a message nor a chat completion")


def _text_of_list(items: Sequence[object]) -> str | None:
    if not items:
        return None
    items = [item for item in items if not _is_reasoning(item)]
    if any(map(_has_tools, items)):
        return _trajectory(items)
    turns = [item for item in items if isinstance(item, Mapping) and "content" in item]
    if turns and len(turns) == len(items):
        said = [turn for turn in turns if turn.get("role", "assistant") == "assistant"]
        # a model that refuses says so beside an empty content
        given_in = ("refusal" if is_missing(turn["content"]) else "content" for turn in said)
        texts = [text_of_answer(turn.get(name)) for turn, name in zip(said, given_in, strict=True)]
        given = [text for text in texts if text is not None]
        return "\n".join(given) if given else None
    parts = (Field(item, None, "a part of the answer") for item in items)
    return "\n".join(_texts(parts, "the answer"))


def _trajectory(items: Sequence[object]) -> str | None:
    """Write what an agent said, called and was given, in order; None where it did neither."""
    log, blocks = ToolLog(), list[str]()
    is_answer = False
    for number, value in enumerate(items):
        item = Field(value, None, f"message {number + 1} of the answer")
        if not isinstance(value, Mapping):
            blocks.append(escaped(_part(item, "the answer")))
            continue
        kind, role = item["type"].value, item.first("role").value or "assistant"
        if kind in (*CALL_PARTS, *RESULT_PARTS):
            blocks.append(_block(item, "the answer", log))
            is_answer = is_answer or kind in CALL_PARTS
        elif role in _TOOL_ROLES:
            blocks.append(_result(item, "the answer", log))
        elif role == "assistant" and kind in TEXT_PARTS:
            blocks.append(escaped(_part(item, "the answer")))
            is_answer = True
        else:
            blocks += [_block(part, "the answer", log) for part in _results(item["content"])]
            if role == "assistant":
                said = list(_said(item, "the answer", log))
                blocks += said
                is_answer = is_answer or bool(said) or item["content"].value == ""
    return "\n".join(blocks) if is_answer else None
