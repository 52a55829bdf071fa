"""The one reader of `k=v,k=v`: --judge_args, --model_args, --metadata, --gen_kwargs, rewards.

A bare word stays text until the option that receives it says what it takes (`typed`): `none` is
null for an optional number and a word for a text, `007` a number for a seed and a name for a
model. Where nobody says, `plain` reads words as lm-eval's own command line does (0.4.13).
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union

from ..errors import ConfigError

_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "\"'"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
_TRUE, _FALSE = {"true", "yes", "1", "on"}, {"false", "no", "0", "off"}
_NOTHING = {"none", "null"}
_SHOWN_CHARS = 80


class Word(str):
    """A value as it was written, whose type the receiving option says."""

    __slots__ = ()


class WrittenInt(int):
    """A whole number of a YAML file that is written as Python would not, such as 007."""

    written: str


class WrittenFloat(float):
    """The same of a decimal number, such as 1.10."""

    written: str


def settled(value: object) -> object:
    """Give a value of a YAML file with its numbers as plain numbers, at any depth."""
    if isinstance(value, Mapping):
        return {name: settled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [settled(inner) for inner in value]
    if isinstance(value, WrittenInt):
        return int(value)
    return float(value) if isinstance(value, WrittenFloat) else value


def read_options(flag: str, words: str | Sequence[str]) -> dict[str, object]:
    """Read options into words and JSON values.

    Args:
        flag: Where they stand, for messages, such as `--judge_args`.
        words: Texts, each `k=v,k=v` or one JSON object. Commas inside brackets and quotes do not
            split; a value that begins with a bracket or a quote is JSON (or a Python literal).

    Raises:
        ConfigError: A text is neither, a bracket or quote is not closed, or an option comes twice.
    """
    options: dict[str, object] = {}
    for text in [words] if isinstance(words, str) else words:
        if text.lstrip().startswith("{"):
            found = list(_json_object(flag, text).items())
        else:
            found = [_pair(flag, piece) for piece in split_outside(text, flag)]
        for name, value in found:
            if name in options:
                raise ConfigError(f"{flag}: {name} is given twice; give it once")
            options[name] = value
    return options


def split_outside(text: str, where: str) -> Iterator[str]:
    """Split at the commas outside brackets and quotes; empty pieces are omitted.

    A quote counts where a value begins and inside brackets, so that `it's` is a word.

    Raises:
        ConfigError: A bracket or quote is not closed. What follows it is not read as its content:
            the options after it would be lost in silence.
    """
    opened: list[tuple[str, int]] = []
    quote, start, position = "", 0, 0
    while position < len(text):
        char = text[position]
        if quote:
            if char == "\\":
                position += 1
            elif char == quote:
                quote = ""
                opened.pop()
        elif char in _QUOTES and (opened or text[start:position].rstrip()[-1:] in {"=", ""}):
            quote = char
            opened.append((char, position))
        elif char in _OPENING:
            opened.append((char, position))
        elif char in _CLOSING and opened:
            bracket = opened.pop()[0]
            if _OPENING.index(bracket) != _CLOSING.index(char):
                name = text[start:].partition("=")[0].strip()
                raise ConfigError(f"{where}: in {name}, {bracket} is closed by {char}")
        elif char == "," and not opened:
            yield from _full(text[start:position])
            start = position + 1
        position += 1
    if opened:
        name = text[start:].partition("=")[0].strip()
        kind = "quote" if opened[-1][0] in _QUOTES else "bracket"
        raise ConfigError(
            f"{where}: the {kind} {opened[-1][0]} in {name} is not closed; the options after it "
            "would be lost"
        )
    yield from _full(text[start:])


def read_json(text: str) -> object:
    """Read JSON strictly: no key twice, no NaN or Infinity, which JSON does not have.

    Raises:
        ValueError: It is not such JSON.
    """
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)


def plain(value: object) -> object:
    """Give a word the type that lm-eval gives it: true, a number, a literal, else text."""
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if not isinstance(value, Word):
        return value
    text = str(value)
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return _number(text)
    return None if text == "None" else text


def annotations_of(factory: Callable[..., object]) -> dict[str, object]:
    """Give what each option of a class or function takes; by its default where it does not say."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # a class in native code
        return {}
    hints: dict[str, object] = {}
    for holder in (getattr(factory, "__init__", None), factory):
        try:
            hints |= typing.get_type_hints(holder)
        except (TypeError, NameError, AttributeError):  # names that exist for type checkers alone
            hints |= {
                name: _NAMED.get(parameter.annotation, Any)
                for name, parameter in parameters.items()
                if isinstance(parameter.annotation, str)
            }
    return {
        name: hints.get(name, _by_default(parameter.default))
        for name, parameter in parameters.items()
    }


def typed(name: str, value: object, annotation: object, where: str = "") -> Any:
    """Give a value the type its option takes.

    Args:
        name: Of the option, for messages.
        value: A word, text, or what YAML or JSON holds.
        annotation: Of the option, resolved; `Any` where it is not known.
        where: Put before the name in messages, such as `judge 'chat': `.

    Raises:
        ConfigError: The value is no such thing.
    """
    refuse_infinite(f"{where}{name}", value)
    kinds = _kinds(annotation)
    if not kinds:
        return plain(value)
    if isinstance(value, str):
        if any(not issubclass(kind, _KNOWN) for kind in kinds):  # a class that its judge knows
            return plain(value)
        return _from_text(f"{where}{name}", str(value), kinds)
    if isinstance(value, bool):
        if bool in kinds or not kinds <= {str, int, float, type(None)}:
            return value
        hint = "; YAML reads yes, no, on and off so: put it into quotes" if str in kinds else ""
        raise ConfigError(f"{where}{name} must be {_wanted(kinds)}, not {str(value).lower()}{hint}")
    if isinstance(value, int | float) and kinds <= {str, type(None)}:
        return getattr(value, "written", str(value))
    if isinstance(value, Mapping) and str in _kinds_of_values(annotation):
        return {str(key): _header(f"{where}{name}.{key}", one) for key, one in value.items()}
    if isinstance(value, WrittenInt | WrittenFloat):
        value = settled(value)
    if not isinstance(value, Enum) and isinstance(value, Real):
        value = int(value) if isinstance(value, Integral) else float(value)  # also of numpy
    if isinstance(value, float) and value.is_integer() and float not in kinds and int in kinds:
        return int(value)
    is_other = isinstance(value, list | tuple | Mapping) or (
        isinstance(value, float) and float not in kinds
    )
    is_other = is_other and not isinstance(annotation, _LikeDefault)
    if is_other and all(issubclass(kind, _SCALARS) for kind in kinds):
        raise ConfigError(f"{where}{name} must be {_wanted(kinds)}, not {value!r:.{_SHOWN_CHARS}}")
    return value


def refuse_infinite(name: str, value: object) -> None:
    """Refuse NaN and infinities, at any depth: no request and no result file can carry them.

    Raises:
        ConfigError: There is one.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value}: JSON has no such number")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            refuse_infinite(f"{name}.{key}", inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_infinite(name, inner)


def _from_text(name: str, text: str, kinds: set[type]) -> object:
    """Read text as the first of the kinds that it can be; text itself comes last."""
    lower = text.strip().lower()
    if type(None) in kinds and lower in ({"null"} if str in kinds else _NOTHING):
        return None
    if not lower:
        raise ConfigError(f"{name} is empty; give a value, or leave it out")
    if bool in kinds and lower in ({"true", "false"} if len(kinds) > 1 else _TRUE | _FALSE):
        return lower in _TRUE
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum) and text in {m.value for m in kind}:
            return kind(text)
    if {int, float} & kinds and _NUMBER.fullmatch(text.strip()):
        number = _number(text.strip())
        if float in kinds or isinstance(number, int) or number.is_integer():
            refuse_infinite(name, number)
            return number if float in kinds else int(number)
    if str in kinds:
        return text
    if Path in kinds:
        return Path(text)
    raise ConfigError(f"{name} must be {_wanted(kinds)}, not {_cut(text)}")


def _kinds(annotation: object) -> set[type]:
    """Give the types an annotation allows; none where it allows whatever comes."""
    if isinstance(annotation, str):
        annotation = _NAMED.get(annotation, Any)
    if isinstance(annotation, _LikeDefault):
        return {annotation.kind}
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        each = [_kinds(one) for one in typing.get_args(annotation)]
        return set().union(*each) if all(each) else set()
    if origin is Literal:
        return {type(one) for one in typing.get_args(annotation)}
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0])
    annotation = origin or annotation
    if annotation is None:
        return {type(None)}
    return {annotation} if isinstance(annotation, type) and annotation is not object else set()


def _kinds_of_values(annotation: object) -> set[type]:
    """Give the types of a mapping's values, where its annotation says them."""
    takes = typing.get_args(annotation)
    is_mapping = typing.get_origin(annotation) in (Mapping, dict)
    return _kinds(takes[1]) if is_mapping and len(takes) == 2 else set()


def _header(name: str, value: object) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(getattr(value, "written", value))
    raise ConfigError(f"{name} must be text; put it into quotes")


def _wanted(kinds: set[type]) -> str:
    words = []
    for kind in sorted(kinds, key=lambda kind: (kind is type(None), str(kind))):
        if issubclass(kind, Enum):
            words.append("one of " + ", ".join(str(member.value) for member in kind))
        elif issubclass(kind, Mapping):
            words.append('a JSON object such as {"key": 1}')
        elif kind is not str and issubclass(kind, Sequence):
            words.append('a JSON list such as ["a", "b"]')
        else:
            words.append(_KIND_WORDS.get(kind, kind.__name__))
    return " or ".join(words)


_KIND_WORDS = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false",
    type(None): "none",
}  # fmt: skip
_SCALARS = (str, int, float, bool, type(None), Enum, Path)
_KNOWN = (*_SCALARS, Mapping, Sequence)
_NAMED: dict[str, object] = {
    text: kind
    for name, one in {"str": str, "int": int, "float": float, "bool": bool}.items()
    for text, kind in (
        (name, one),
        (f"{name} | None", one | None),
        (f"Optional[{name}]", one | None),
    )
}
"""Annotations that are text, and cannot be resolved because others beside them cannot."""


class _LikeDefault(NamedTuple):
    """What an option without an annotation takes: words as its default's type, the rest as is."""

    kind: type


def _by_default(default: object) -> object:
    return _LikeDefault(type(default)) if isinstance(default, bool | int | float | str) else Any


def _pair(flag: str, piece: str) -> tuple[str, object]:
    name, equals, text = piece.partition("=")
    name, text = name.strip(), text.strip()
    if not equals or not name:
        raise ConfigError(
            f"{flag}: {_cut(piece.strip())} is not key=value; a value that holds a comma goes into "
            "quotes"
        )
    if text[:1] in {"{", "["} or text[:1] in set(_QUOTES):
        return name, _literal(flag, name, text)
    return name, Word(text)


def _literal(flag: str, name: str, text: str) -> object:
    try:
        return read_json(text)
    except ValueError as error:
        # the text itself is not shown: headers are where people put keys
        fault = ConfigError(f"{flag}: what follows {name}= is not JSON ({error})")
        if not isinstance(error, json.JSONDecodeError):  # JSON, with a key twice or a NaN
            raise fault from None
    try:
        value = ast.literal_eval(text)  # as lm-eval reads ['a', 'b']; runs no code
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise fault from None
    return list(value) if isinstance(value, tuple | set) else value


def _json_object(flag: str, text: str) -> dict[str, object]:
    try:
        found = read_json(text)
    except ValueError as error:
        raise ConfigError(f"{flag}: not a JSON object ({error}): {_cut(text)}") from None
    assert isinstance(found, dict)  # it begins with a brace
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} is given twice")
        found[name] = value
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number that JSON can carry")


def _number(text: str) -> int | float:
    # Python refuses to read whole numbers of more than 4,300 digits
    return int(text) if _WHOLE.fullmatch(text) and len(text) < 400 else float(text)


def _full(piece: str) -> Iterator[str]:
    if piece.strip():
        yield piece


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "...")
