"""Read verdicts in what a judge wrote. Pure text in, values out; the text is untrusted.

Two ways. Strict: the whole reply, bare or in one fence, is the JSON object asked for. Tolerant: the
object may stand among other words, in single quotes, with "true" as text or a trailing comma, and a
cut-off reply counts when its verdict stands before the cut. Neither way guesses: replies that hold
two different verdicts, or none, have no verdict.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_OBJECTS = 50
MAX_BROKEN = 6
"""Objects, and broken ones, looked at in one reply: ten thousand braces must not take seconds."""

_FENCED = re.compile(r"\A\s*```[A-Za-z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_BARE_VERDICT = re.compile(
    r"(?<!\\)[\"']criteria_met(?<!\\)[\"']\s*:\s*[\"']?(true|false)\b", re.IGNORECASE
)
_EXPLANATION = re.compile(r"(?<!\\)\"explanation\"\s*:\s*\"((?:[^\"\\]|\\.)*)", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_WORDS = {"true": True, "false": False, "yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one reply says of one criterion."""

    met: bool | None
    """None where no verdict can be read."""
    explanation: str = ""
    """The judge's words, or why no verdict can be read."""


def parse_verdict(reply: str, *, strict: bool = False) -> Parsed:
    """Read one verdict.

    Args:
        reply: The judge's text.
        strict: Take only the exact object, bare or in one fence.
    """
    text = after_thinking(reply)
    if strict:
        return _strict_verdict(text)
    found = [_verdict_in(item) for item in _objects(text)]
    verdicts = [parsed for parsed in found if parsed is not None]
    if not verdicts:
        return _bare_verdict(text)
    if len({parsed.met for parsed in verdicts}) > 1:
        return Parsed(None, "the reply holds contradicting verdicts")
    return verdicts[0]


def parse_group(reply: str, n_items: int, *, strict: bool = False) -> list[Parsed]:
    """Read verdicts on items 1 to n, aligned by their index.

    An item without a verdict, or with two, has none. An index that was never asked for casts doubt
    on all of them (a judge that counts from 0 would shift every verdict by one): then no item has
    a verdict.
    """
    text = after_thinking(reply)
    items = _strict_list(text) if strict else _list_in(text)
    if items is None:
        return [Parsed(None, "the reply holds no list of verdicts")] * n_items
    by_index: dict[int, list[Parsed]] = {}
    for item in items:
        index = _whole(item.get("index"), strict) if isinstance(item, dict) else None
        if index is None or not 1 <= index <= n_items:
            shown = item.get("index") if isinstance(item, dict) else None
            why = f"the reply names item {shown!r}, of items 1 to {n_items}; none can be trusted"
            return [Parsed(None, why[:300])] * n_items
        met = _truth(item.get("criteria_met"), strict)
        words = str(item.get("explanation") or "")
        parsed = Parsed(met, words if met is not None else "criteria_met is not true or false")
        by_index.setdefault(index, []).append(parsed)
    return [_only(by_index.get(index, ()), index) for index in range(1, n_items + 1)]


def parse_rating(reply: str, *, strict: bool = False) -> tuple[int | None, str]:
    """Read a rating from 1 to 10 and its explanation; else None and the reason."""
    text = after_thinking(reply)
    ratings = [item for item in _objects(text, strict=strict) if "rating" in item]
    if not ratings:
        return None, "the reply holds no rating"
    values = {_whole(item["rating"], strict) for item in ratings}
    if len(values) > 1:
        return None, "the reply holds contradicting ratings"
    value = values.pop()
    if value is None or not 1 <= value <= 10:
        return None, f"the rating {ratings[0]['rating']!r} is no whole number from 1 to 10"[:300]
    return value, str(ratings[0].get("explanation") or "")


def after_thinking(reply: str) -> str:
    """Give what follows the thinking block; nothing where the block never ends."""
    end = reply.rfind("</think>")
    if end >= 0:
        return reply[end + len("</think>") :]
    return "" if reply.lstrip().startswith("<think>") else reply


def _strict_verdict(text: str) -> Parsed:
    item = _strict_json(text)
    met = item.get("criteria_met") if isinstance(item, dict) else None
    if not isinstance(met, bool):
        return Parsed(None, "the reply is not the JSON object asked for")
    return Parsed(met, str(item.get("explanation") or ""))


def _strict_json(text: str) -> Any:
    fenced = _FENCED.match(text)
    try:
        return json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        return None


def _strict_list(text: str) -> list[Any] | None:
    item = _strict_json(text)
    items = item.get("verdicts") if isinstance(item, dict) else None
    return items if isinstance(items, list) else None


def _list_in(text: str) -> list[Any] | None:
    """Find the list of verdicts, complete or cut off."""
    whole = _strict_json(text)
    if isinstance(whole, list):
        return whole
    for item in _objects(text):
        verdicts = item.get("verdicts")
        if isinstance(verdicts, list):
            return verdicts
    # a cut-off list: the outer object never closes, the complete entries inside it do
    entries = [item for item in _objects(text) if "index" in item and "criteria_met" in item]
    return entries or None


def _objects(text: str, *, strict: bool = False) -> Iterator[dict[str, Any]]:
    """Give the outermost JSON objects of a text, in order."""
    if strict:
        whole = _strict_json(text)
        if isinstance(whole, dict):
            yield whole
        return
    decoder = json.JSONDecoder(strict=False)  # line breaks inside strings are common
    position = text.find("{")
    n_broken = 0
    for _ in range(MAX_OBJECTS):
        if position < 0 or n_broken >= MAX_BROKEN:
            return
        item, end = _decode(decoder, text, position)
        if isinstance(item, dict):
            yield item
        else:
            n_broken += 1
        position = text.find("{", end)


def _decode(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Any, int]:
    """Decode the object at a brace; give None and the next place to look where it is none."""
    try:
        return decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    end = _closing_brace(text, start)
    if end is None:
        return None, start + 1
    piece = _TRAILING_COMMA.sub(r"\1", text[start:end])
    try:
        return decoder.decode(piece), end
    except (ValueError, RecursionError):
        pass
    try:
        # single quotes, True and False: a Python literal; literal_eval runs no code
        return ast.literal_eval(_python_words(piece)), end
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None, start + 1


def _python_words(piece: str) -> str:
    """Write JSON's bare true, false and null as Python does, outside of strings."""
    words = {"true": "True", "false": "False", "null": "None"}
    pattern = r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|\b(true|false|null)\b"
    return re.sub(pattern, lambda m: m.group(1) or words[m.group(2)], piece)


def _closing_brace(text: str, start: int) -> int | None:
    """Find the end of the object that opens at `start`, minding strings of either quote."""
    depth, quote, position = 0, "", start
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character == '"' or (character == "'" and _opens_string(text, position)):
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return None


def _opens_string(text: str, position: int) -> bool:
    """Tell a quoting ' from an apostrophe: the first stands after `{`, `:`, `,`, `[` or space."""
    return text[position - 1] in "{[:, \n\t"


def _verdict_in(item: dict[str, Any], depth: int = 0) -> Parsed | None:
    """Find a verdict in an object, or in one nested in it."""
    if "criteria_met" in item:
        met = _truth(item["criteria_met"], strict=False)
        return None if met is None else Parsed(met, str(item.get("explanation") or ""))
    if depth < 3:
        for value in item.values():
            if isinstance(value, dict) and (inner := _verdict_in(value, depth + 1)):
                return inner
    return None


def _bare_verdict(text: str) -> Parsed:
    """Read a verdict in a reply that was cut off, or whose object does not parse."""
    words = {match.lower() for match in _BARE_VERDICT.findall(text)}
    if len(words) != 1:
        why = "the reply holds contradicting verdicts" if words else "the reply holds no verdict"
        return Parsed(None, why)
    explanation = _EXPLANATION.search(text)
    return Parsed(words == {"true"}, explanation.group(1) if explanation else "")


def _truth(value: Any, strict: bool) -> bool | None:
    if isinstance(value, bool):
        return value
    if not strict and isinstance(value, str):
        return _WORDS.get(value.strip().lower())
    return None


def _whole(value: Any, strict: bool) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not strict and isinstance(value, str) and re.fullmatch(r"\s*\d{1,3}\s*", value):
        return int(value)
    return None


def _only(found: list[Parsed] | tuple[Parsed, ...], index: int) -> Parsed:
    if not found:
        return Parsed(None, f"the reply holds no verdict on item {index}")
    if len(found) > 1:
        return Parsed(None, f"the reply holds {len(found)} verdicts on item {index}")
    return found[0]
