"""What tells two judges of a user's own apart where they declare no identity: code and settings.

A stored verdict is only reused for the same judge. Of a class with the same name in another folder,
or the same class after an edit, the name says nothing; its bytecode does. Comments and the place of
lines are no part of it.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import sys
from collections.abc import Iterator, Mapping
from types import CellType, CodeType, FunctionType, ModuleType

from .secrets import known_secrets

DIGITS = 12
_SCALARS = (str, bytes, int, float, bool, complex, type(None))
_FIRST = "_first_seen_settings"
"""Attribute that keeps the settings that may grow in use, as they were at first."""


def code_digest(kind: type) -> str:
    """Give a digest of a class's code and of what of the user's own modules it uses.

    It differs between versions of Python. Installed packages are no part of it.
    """
    return _digest(_Walk().parts_of(kind))


def settings_digest(judge: object) -> str:
    """Give a digest of an object's attributes that are plain values; empty where there are none.

    Numbers, texts and tuples count as they are now, but not those that a method other than
    `__init__` assigns: counters. Lists, sets and mappings count as they were when the object was
    first seen, empty ones not at all: they may be records of what was asked. Keys from the
    environment do not count.
    """
    state: dict[str, object] = getattr(judge, "__dict__", {})
    assigned = _assigned(type(judge))
    secrets = set(known_secrets())
    now: list[tuple[str, str]] = []
    grown: list[tuple[str, str]] = []
    for name in sorted(set(state) - assigned - {_FIRST}):
        value = state[name]
        if _is_plain(value) and not (isinstance(value, str) and value in secrets):
            if not isinstance(value, list | dict | set):
                now.append((name, _words(value)))
            elif value:
                grown.append((name, _words(value)))
    first = str(state.setdefault(_FIRST, repr(grown)))
    return _digest(iter([repr(now), first])) if now or first != "[]" else ""


def _digest(parts: Iterator[str]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return whole.hexdigest()[:DIGITS]


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    return isinstance(value, _SCALARS)


def _words(value: object) -> str:
    """Write a plain value; sets in an order of their own, since theirs changes by process."""
    if isinstance(value, set | frozenset):
        return f"{{{sorted(map(_words, value))}}}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}{[_words(one) for one in value]}"
    if isinstance(value, dict):
        return f"dict{[(_words(key), _words(one)) for key, one in value.items()]}"
    return repr(value)


def _assigned(kind: type) -> set[str]:
    """Name the attributes that methods other than `__init__` assign."""
    codes = [
        code
        for base in kind.__mro__
        for name, value in vars(base).items()
        if name not in ("__init__", "__post_init__")
        for code in _codes(getattr(_unwrapped(value), "__code__", None))
    ]
    return {
        step.argval for code in codes for step in dis.get_instructions(code)
        if step.opname == "STORE_ATTR"
    }  # fmt: skip


def _codes(code: object) -> Iterator[CodeType]:
    """Give a code and those of the functions inside it."""
    if isinstance(code, CodeType):
        yield code
        for inner in code.co_consts:
            yield from _codes(inner)


def _unwrapped(value: object) -> object:
    """Give the function behind a decorator, a property or a partial."""
    while True:
        inner = getattr(value, "__wrapped__", None) or getattr(value, "__func__", None)
        if isinstance(value, property):
            inner = value.fget
        elif isinstance(value, functools.partial | functools.cached_property):
            inner = value.func
        if inner is None or inner is value:
            return value
        value = inner


def _is_users(module: str) -> bool:
    """Say whether a module is the user's own: of no installed package and not Python's."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return top != __name__.partition(".")[0] and "-packages" not in file


class _Walk:
    """Follows code from a class through the names it uses, each once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def parts_of(self, value: object, name: str = "") -> Iterator[str]:
        """Give what tells a value apart; nothing for what is not the user's."""
        value = _unwrapped(value)
        if _is_plain(value):
            yield f"{name}={_words(value)}"
        elif id(value) in self._seen or not _is_users(getattr(value, "__module__", "") or ""):
            return
        elif isinstance(value, type):
            self._seen.add(id(value))
            yield f"class {value.__qualname__}"
            for base in value.__mro__[1:]:
                yield from self.parts_of(base)
            for key, one in sorted(vars(value).items()):
                if not key.startswith("__") or isinstance(_unwrapped(one), FunctionType):
                    yield from self.parts_of(one, key)
        elif isinstance(value, FunctionType):
            self._seen.add(id(value))
            yield f"def {value.__qualname__}"
            yield from self._of_function(value)

    def _of_function(self, function: FunctionType) -> Iterator[str]:
        defaults = (function.__defaults__ or (), function.__kwdefaults__ or {})
        closed = (cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell))
        for place, value in enumerate((*defaults[0], *defaults[1].values(), *closed)):
            yield from self.parts_of(value, str(place))
        for code in _codes(function.__code__):
            yield code.co_code.hex()
            yield repr(code.co_names)
            for constant in code.co_consts:
                if not isinstance(constant, CodeType):
                    yield _words(constant)
            for name in code.co_names:
                yield from self._of_name(function.__globals__, name, code.co_names)

    def _of_name(
        self, known: Mapping[str, object], name: str, names: tuple[str, ...]
    ) -> Iterator[str]:
        value = known.get(name)
        if name not in known or name.startswith("__"):
            return
        if isinstance(value, ModuleType):
            if _is_users(value.__name__):
                inner = vars(value)
                for one in names:
                    if one in inner and not isinstance(inner[one], ModuleType):
                        yield from self.parts_of(inner[one], one)
            return
        yield from self.parts_of(value, name)


def _is_filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # an empty cell raises
    except ValueError:
        return False
    return True
