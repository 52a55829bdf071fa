"""JSON objects in untrusted text: decoded exactly, or mended where only their spelling is wrong."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

MAX_OBJECTS = 60
MAX_BROKEN = 8
"""Objects, and broken ones, looked at in one text: ten thousand braces must not take seconds."""
CONTRADICTED = object()
"""The value of a name that one object gives two different values."""
_OPENING = r"(```|~~~)[ \t]*(?:json\w?|javascript|js|python|py|text|txt|plaintext)?[ \t]*"
_FENCE = re.compile(rf"^[ \t]*{_OPENING}$", re.MULTILINE | re.IGNORECASE)
OPEN_FENCE = re.compile(rf"{_OPENING}\Z", re.IGNORECASE)
"""A fence that opens at the end of a text, for data and not for a draft."""
_ONE_LINE_FENCE = re.compile(r"\A```(?:json)?\s*([\[{].*[\]}])\s*```\Z", re.DOTALL)
_BLANK = " \t\r\n\f\v\ufeff\u200b\u2060\xa0"
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_PYTHON_WORD = re.compile(
    r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|\b(true|false|null)\b", re.DOTALL
)
_WORDS = {"true": "True", "false": "False", "null": "None"}


@dataclass(frozen=True, slots=True)
class Piece:
    """An object found in a text."""

    value: object
    start: int
    end: int


def exact(text: str) -> object:
    """Decode a text that is one JSON object or array, bare or in one fence; else give None."""
    body = unfenced(text)
    if body[:1] not in {"{", "["}:
        return None
    try:
        return _decoder().decode(body)
    except (ValueError, RecursionError):
        return None


def unfenced(text: str) -> str:
    """Take the fence off a text that is one fenced block; the opening line alone counts too."""
    body = text.strip(_BLANK)
    one_line = _ONE_LINE_FENCE.match(body)
    if one_line is not None:
        return one_line.group(1)
    opening = _FENCE.match(body)
    if opening is None:
        return body
    body = body[opening.end() :].strip()
    return body.removesuffix(opening.group(1)).rstrip()


def fenced_blocks(text: str) -> list[tuple[str, int, int]]:
    """Give the content of each fenced block of a text, and where the block begins and ends."""
    marks = list(_FENCE.finditer(text))
    return [
        (text[opening.end() : closing.start()], opening.start(), closing.end())
        for opening, closing in zip(marks[::2], marks[1::2], strict=False)
    ]


def decode_at(text: str, start: int) -> Piece | None:
    """Decode the JSON object or array that begins at a place, exactly as it stands."""
    try:
        value, end = _decoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return Piece(value, start, end)


def mended(text: str) -> object:
    """Decode an object with a trailing comma, or in Python's spelling; else give None."""
    try:
        return _decoder().decode(_TRAILING_COMMA.sub(r"\1", text))
    except (ValueError, RecursionError):
        pass
    if "'" not in text and "True" not in text and "False" not in text:
        return None
    words = _PYTHON_WORD.sub(lambda m: m.group(1) or _WORDS[m.group(2)], text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            value = ast.literal_eval(words)  # runs no code
        # Python leaves out a comment, which may take back what the object says
        return None if _has_comment(words) else value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError):
        return None


def _has_comment(python: str) -> bool:
    tokens = tokenize.generate_tokens(io.StringIO(python).readline)
    return "#" in python and any(token.type == tokenize.COMMENT for token in tokens)


def objects_in(text: str, word: str) -> Iterator[Piece]:
    """Give the outermost objects of a text that hold a word, in order.

    Raises:
        ValueError: There are too many, or too many broken ones, to be sure of the last.
    """
    last = text.lower().rfind(word)
    position, n_broken, n_found = text.find("{"), 0, 0
    while 0 <= position < last:
        piece = decode_at(text, position) or _mended_at(text, position)
        if piece is None:
            n_broken += 1
            position = text.find("{", position + 1)
        else:
            n_found += 1
            if word in text[piece.start : piece.end].lower():
                yield piece
            position = text.find("{", piece.end)
        if n_broken > MAX_BROKEN or n_found > MAX_OBJECTS:
            raise ValueError("too many objects")


@lru_cache(maxsize=1)
def _decoder() -> json.JSONDecoder:
    # line breaks inside strings are common, and say nothing else
    return json.JSONDecoder(strict=False, object_pairs_hook=_without_doubt)


def _mended_at(text: str, start: int) -> Piece | None:
    end = _closing_brace(text, start)
    value = mended(text[start:end]) if end is not None else None
    return Piece(value, start, end) if end is not None and value is not None else None


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


def _without_doubt(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its pairs; a name that comes twice with two values has neither."""
    found: dict[str, object] = {}
    for name, value in pairs:
        is_other = name in found and (found[name] != value or type(found[name]) is not type(value))
        found[name] = CONTRADICTED if is_other else value
    return found
