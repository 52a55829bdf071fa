"""Read a criterion's `check`: an object of operators becomes a predicate, or is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import DataError, near_names
from .checks import (
    COUNTERS,
    Negators,
    Phrases,
    Predicate,
    combined,
    count,
    expression,
    in_order,
    in_script,
)
from .patterns import Pattern, compile_expression, compile_pattern, split_alternatives

MAX_DEPTH = 8


def parse_check(check: Mapping[str, object], *, where: str = "check") -> Predicate:
    """Parse a check.

    Args:
        check: The JSON object.
        where: What to call it in messages.

    Raises:
        DataError: An operator is unknown (names the near ones), or has an unusable value.
    """
    return _Parser(None)(check, where, 0)


_PHRASES = ("says", "mentions", "against", "asks")
_PHRASE_MODIFIERS = ("within_words", "times", "firm", "without")
_MODIFIERS = (*_PHRASE_MODIFIERS, "of", "negation")
_NEGATED = ("says", "against", "asks", "order", "any", "all", "not", "at_least")
_KNOWN = {*_PHRASES, *_NEGATED, "lacks", *COUNTERS, "script", "regex", *_MODIFIERS}


@dataclass(frozen=True, slots=True)
class _Parser:
    """Reads checks; `negation` of an object holds for all that stands in it."""

    negators: Negators

    def __call__(self, check: object, where: str, depth: int) -> Predicate:
        """Read one object."""
        if not isinstance(check, Mapping) or not set(check) - {"negation"}:
            example = "{'says': 'aspirin'}"
            raise DataError(f"{where} must be an object with an operator, such as {example}")
        if depth > MAX_DEPTH:
            raise DataError(f"{where} is nested more than {MAX_DEPTH} deep")
        for key in check:
            if key not in _KNOWN:
                is_gone = key == "language"
                hint = "use 'script' or 'mentions'" if is_gone else near_names(str(key), _KNOWN)
                raise DataError(f"{where}: unknown operator {key!r}; {hint}")
        _refuse_idle_modifiers(check, where)
        inner = self
        if "negation" in check:
            inner = _Parser(_negators(check["negation"], f"{where}.negation"))
        parts = tuple(
            inner._operator(key, value, check, f"{where}.{key}", depth)
            for key, value in check.items()
            if key not in _MODIFIERS
        )
        return parts[0] if len(parts) == 1 else combined(parts, len(parts), len(parts))

    def _operator(
        self, key: str, value: object, check: Mapping[str, object], where: str, depth: int
    ) -> Predicate:
        if key in _PHRASES:
            return self._phrases(key, value, check, where)
        if key == "lacks":
            return combined((Phrases("lacks", _patterns(value, where)),), 0, 0)
        if key == "not":
            return combined((self(value, where, depth + 1),), 0, 0)
        if key in {"any", "all"}:
            parts = tuple(self._members(value, where, depth))
            return combined(parts, 1 if key == "any" else len(parts), len(parts))
        if key == "at_least":
            of = where.removesuffix("at_least") + "of"
            parts = tuple(self._members(check.get("of"), of, depth))
            if (least := _whole(value, where)) > len(parts):
                raise DataError(f"{where} is {least}, but 'of' has {len(parts)} members")
            return combined(parts, least, len(parts))
        if key == "order":
            return in_order(_patterns(value, where), self.negators)
        if key in COUNTERS:
            return count(key, value, where)
        if key == "regex":
            return expression(compile_expression(value, where))
        return in_script(_names(value, where), where)

    def _phrases(
        self, key: str, value: object, check: Mapping[str, object], where: str
    ) -> Predicate:
        firm = check.get("firm", False)
        if not isinstance(firm, bool):
            raise DataError(f"{where}.firm must be true or false, not {firm!r}")
        if firm and self.negators is not None:
            raise DataError(f"{where}.firm reads English; write conditions out under 'without'")
        if key == "against" and self.negators == ():
            raise DataError(f"{where} needs words that negate; 'negation' is 'none'")
        within = check.get("within_words")
        return Phrases(
            key,
            _patterns(value, where),
            self.negators,
            math.inf if within is None else _whole(within, f"{where}.within_words"),
            _whole(check.get("times", 1), f"{where}.times"),
            firm,
            _patterns(check["without"], f"{where}.without") if "without" in check else (),
        )

    def _members(self, value: object, where: str, depth: int) -> Iterator[Predicate]:
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise DataError(f"{where} must be a list of objects or patterns")
        for index, member in enumerate(value):
            # a bare pattern is short for saying it
            whole = {"says": member} if isinstance(member, str) else member
            yield self(whole, f"{where}[{index}]", depth + 1)


def _refuse_idle_modifiers(check: Mapping[str, object], where: str) -> None:
    owners = {**dict.fromkeys(_PHRASE_MODIFIERS, _PHRASES), "negation": _NEGATED}
    for name, operators in owners.items():
        if name in check and not any(key in check for key in operators):
            raise DataError(f"{where}.{name} goes with {', '.join(operators)}")
    if ("of" in check) != ("at_least" in check):
        raise DataError(f"{where}: 'at_least' (a number) and 'of' (a list) go together")


def _negators(value: object, where: str) -> Negators:
    if value == "english":
        return None
    return () if value == "none" else _patterns(value, where)


def _patterns(value: object, where: str) -> tuple[Pattern, ...]:
    try:
        return tuple(
            compile_pattern(option)
            for source in _names(value, where)
            for option in split_alternatives(source)
        )
    except DataError as error:
        said = str(error)
        raise DataError(said if said.startswith(where) else f"{where}: {said}") from None


def _names(value: object, where: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not names or not all(isinstance(n, str) for n in names):
        raise DataError(f"{where} must be a text or a list of texts, not {value!r}")
    return tuple(names)


def _whole(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DataError(f"{where} must be a whole number of 1 or more, not {value!r}")
    return value
