"""Users' own templates: Jinja2 in a sandbox, with a bound on what a template may do and give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import lru_cache, wraps
from itertools import chain

from jinja2 import StrictUndefined, meta, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ...errors import ConfigError

MAX_STEPS = 1_000_000
"""Turns of loops and calls of one prompt."""
MAX_CHARS = 16_000_000
"""Characters of one prompt, or of a text that is made on the way."""
_BUDGET = "_budget"
_WIDENING = ("center", "indent", "format", "replace", "join", "batch", "slice", "tojson", "round")
"""Filters that give as much as a number or a text beside theirs says."""
_FORMATS = {"format", "format_map"}
_WIDTHS = re.compile(
    r"%(?:\([^)]*\))?[-#0 +]*(\*|\d*)(?:\.(\*|\d+))?|\{[^{}]*:[^{}\d]*(\{|\d*)(?:[^{}\d]+(\{|\d+))?"
)
"""Width and precision of `%9.9f` and of `{:9.9f}`; `*` and `{` take them from a value."""


class _Budget:
    """What is left of one prompt's steps."""

    def __init__(self) -> None:
        self.steps = MAX_STEPS

    def take(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise ConfigError(f"a prompt template takes more than {MAX_STEPS:,} steps; a loop?")


def _require_short(chars: int) -> None:
    if chars > MAX_CHARS:
        raise ConfigError(f"a prompt template gives more than {MAX_CHARS:,} characters; a loop?")


def _narrow(name: str, made: Callable[..., object]) -> Callable[..., object]:
    """Give a filter that refuses a width before anything is made of it."""
    n_before = 1 if hasattr(made, "jinja_pass_arg") else 0

    @wraps(made)
    def filtered(*args: object, **kwargs: object) -> object:
        _require_narrow(name, args[n_before], [*args[n_before + 1 :], *kwargs.values()])
        return made(*args, **kwargs)

    return filtered


def _require_narrow(name: str, value: object, others: Sequence[object]) -> None:
    text = value if isinstance(value, str) else ""
    if name in _FORMATS:
        _require_short(sum(map(_width, chain.from_iterable(_WIDTHS.findall(text)))))
    elif name == "join":  # as a filter the text between comes second, as a method first
        if others and isinstance(value, Sized) and isinstance(others[0], Sized):
            _require_short(len(value) * len(others[0]))
    elif (
        name == "replace"
        and len(others) > 1
        and isinstance(old := others[0], str)
        and isinstance(new := others[1], str)
    ):
        _require_short(text.count(old) * len(new))
    else:
        times = len(text.splitlines()) if name == "indent" else text.count("\t")
        widths = [abs(n) if isinstance(n, int) else len(n) for n in others
                  if isinstance(n, int | str)]  # fmt: skip
        _require_short(max(widths, default=0) * max(times, 1))


def _width(written: str) -> int:
    if written in {"*", "{"}:
        raise ConfigError("a prompt template takes a width from a value; write it as a number")
    return int(written[:20] or 0)


@pass_context
def _counted(context: Context, values: Iterable[object]) -> Iterable[object]:
    budget: _Budget = context[_BUDGET]
    if isinstance(values, Sized):
        budget.take(len(values))
        return values
    return _counting(budget, values)


def _counting(budget: _Budget, values: Iterable[object]) -> Iterator[object]:
    for value in values:
        budget.take()
        yield value


def _short(value: object) -> object:
    _require_short(len(value) if isinstance(value, str) else 0)
    return value


class _Bounded(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, which keeps a template from our objects, with a budget."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self) -> None:
        # prompts are plain text for a model, not HTML: escaping would change what the judge reads
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
        self.filters |= {"_counted": _counted, "_short": _short}
        self.filters |= {name: _narrow(name, self.filters[name]) for name in _WIDENING}
        self.globals.pop("lipsum")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = _filtered(loop.iter, "_counted")
        for made in list(tree.find_all(nodes.Assign)):
            made.node = _filtered(made.node, "_short")
        tree.set_environment(self)
        return tree

    def call(__self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:
        __context[_BUDGET].take()
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps `format`
        if isinstance(text := getattr(method, "__self__", None), str):
            name = getattr(method, "__name__", "")
            _require_narrow(name, text, [*args, *kwargs.values()])
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        if operator == "*":
            for text, times in ((left, right), (right, left)):
                if hasattr(text, "__len__") and isinstance(times, int):
                    _require_short(len(text) * times)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            _require_short(len(left) + len(right))
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            _require_short(left.bit_length() * right)
        if operator == "%" and isinstance(left, str):
            _require_narrow("format", left, [])
        return super().call_binop(context, operator, left, right)


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


@lru_cache(maxsize=32)
def names_in(text: str) -> frozenset[str]:
    """Name the variables that a template takes from outside."""
    return frozenset(meta.find_undeclared_variables(_Bounded().parse(text)) - {_BUDGET})


@lru_cache(maxsize=32)
def _compiled(text: str) -> Callable[..., Iterator[str]]:
    return _Bounded().from_string(text).generate


def fill_template(text: str, values: Mapping[str, object]) -> str:
    """Fill a Jinja2 template in.

    Raises:
        ConfigError: It takes more than `MAX_STEPS`, or gives more than `MAX_CHARS`.
        jinja2.TemplateError: It is none.
    """
    parts, n_chars = [], 0
    for part in _compiled(text)(**values, **{_BUDGET: _Budget()}):
        n_chars += len(part)
        _require_short(n_chars)
        parts.append(part)
    return "".join(parts)
