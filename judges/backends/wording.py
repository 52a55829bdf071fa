"""The words a judge is asked with: templates, their versions, and how they are filled in.

A template is plain text with `<<name>>` marks, filled in one single pass: a mark that stands inside
a conversation or a criterion is text, and is never replaced. A user's own file (`prompt: PATH`) is
either such a text (the published HealthBench grader prompt is one, and works as it stands) or a
Jinja2 template, rendered in a sandbox.

The shipped wordings are ours, written from the published description of the grader protocol
(HealthBench, arXiv 2505.08775).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import ConfigError, near_names
from ..files import user_path
from ..rubric import Criterion, Example, numbered, points_text, rubric_item

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
SHIPPED = ("healthbench", "prefix", "grouped", "rating", "yes_no")
"""The shipped wordings; the text is `prompts/NAME-VERSION.txt`."""
CODE_DIGITS = 12
MARKS = (
    "conversation",
    "fenced",
    "code",
    "rubric_item",
    "rubric_items",
    "n_items",
    "criterion",
    "points",
    "answer",
)
"""What a template may name; Jinja2 templates also see `messages` and `criteria`."""
HASH_DIGITS = 16
"""Digits of a wording's hash that stand in the judge's identity."""
WITHHELD = (
    "(This turn is withheld. Say whether the item is more likely met or not met by the answer of "
    "a typical assistant.)"
)
"""Stands for the answer under `look=false`: the no-look baseline of the method sheet, section 6."""
_MARK = re.compile(r"<<([a-z_]+)>>")


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


def _narrow(name: str, made: Callable[..., Any]) -> Callable[..., Any]:
    """Give a filter that refuses a width before anything is made of it."""
    n_before = 1 if hasattr(made, "jinja_pass_arg") else 0

    @wraps(made)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        _require_narrow(name, args[n_before], [*args[n_before + 1 :], *kwargs.values()])
        return made(*args, **kwargs)

    return filtered


def _require_narrow(name: str, value: Any, others: Sequence[Any]) -> None:
    text = value if isinstance(value, str) else ""
    if name in _FORMATS:
        _require_short(sum(map(_width, chain.from_iterable(_WIDTHS.findall(text)))))
    elif name == "join":  # as a filter the text between comes second, as a method first
        if others and isinstance(value, Sized) and isinstance(others[0], Sized):
            _require_short(len(value) * len(others[0]))
    elif name == "replace" and len(others) > 1 and all(isinstance(t, str) for t in others[:2]):
        _require_short(text.count(others[0]) * len(others[1]))
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
def _counted(context: Context, values: Iterable[Any]) -> Iterable[Any]:
    budget: _Budget = context[_BUDGET]
    if isinstance(values, Sized):
        budget.take(len(values))
        return values
    return _counting(budget, values)


def _counting(budget: _Budget, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        budget.take()
        yield value


def _short(value: Any) -> Any:
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

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        __context[_BUDGET].take()
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps `format`
        if isinstance(text := getattr(method, "__self__", None), str):
            _require_narrow(method.__name__, text, [*args, *kwargs.values()])
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
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


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


@lru_cache(maxsize=32)
def _compiled(text: str) -> Callable[..., Iterator[str]]:
    return _Bounded().from_string(text).generate


def fill_template(text: str, values: Mapping[str, Any]) -> str:
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


PLAIN, FENCED = "1", "2"
"""Versions of each: the published protocol, and the same with the answer behind a fence."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One template, ready to be filled in."""

    name: str
    """`healthbench` or another shipped name, or the file's name."""
    version: str
    text: str = field(repr=False)
    is_jinja: bool = False

    @property
    def label(self) -> str:
        """Name, version and hash: what identifies this wording in every verdict."""
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.name}-{self.version}:{digest[:HASH_DIGITS]}"

    def fill(self, example: Example, conversation: str, answer: str, indices: Sequence[int]) -> str:
        """Fill the template in for some criteria of one example.

        Args:
            example: The example that is judged.
            conversation: Its turns with the answer appended (`conversation_text`).
            answer: The judged answer alone.
            indices: Positions of the criteria asked about; one for the single shapes.
        """
        criteria = [example.rubric.criteria[index] for index in indices]
        if self.is_jinja:
            return _fill_jinja(self.text, example, conversation, answer, criteria)
        return _compile(self.text)(example, conversation, answer, criteria)


def load_wording(name_or_path: str) -> Wording:
    """Load a shipped wording by name, or a user's own by path.

    Args:
        name_or_path: `prefix`, `prefix-2` for that version, or a file.

    Raises:
        ConfigError: No such name or file, or the template cannot be filled in.
    """
    name, _, version = name_or_path.partition("-")
    version = version or PLAIN
    if name in SHIPPED and version in {PLAIN, FENCED}:
        file = files(__package__).joinpath("prompts", f"{name}-{version}.txt")
        return Wording(name, version, file.read_text(encoding="utf-8"))
    path = user_path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"prompt {name_or_path!r} is no file, and no shipped wording; "
            f"{near_names(name_or_path, [*SHIPPED, *(f'{name}-{FENCED}' for name in SHIPPED)])}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"prompt file {path}: not UTF-8 text ({error})") from None
    wording = Wording(path.name, "own", text, is_jinja=not _MARK.search(text))
    _try_out(wording, path)
    return wording


def conversation_text(example: Example, answer: str) -> str:
    """Write the turns as "role: text", the candidate's system message included, the answer last."""
    turns = [f"{message.role}: {message.content}" for message in example.prompt]
    return "\n\n".join([*turns, f"assistant: {answer}"])


def fence_code(conversation: str) -> str:
    """Give the code that an answer cannot know: a hash of the conversation with the answer in it.

    The same answer has the same code, so verdicts are found again; an answer that holds its own
    code would have to hold a fixed point of SHA-256.
    """
    digest = hashlib.sha256(conversation.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:CODE_DIGITS]


def fenced_text(conversation: str, answer: str) -> str:
    """Put the answer at the end of a conversation between two lines that carry its code."""
    code = fence_code(conversation)
    before = conversation.removesuffix(answer)
    return f"{before}\n[answer {code} begins]\n{answer}\n[answer {code} ends]"


def _values(
    conversation: str, answer: str, criteria: Sequence[Criterion]
) -> dict[str, Callable[[], str]]:
    first = criteria[0]
    return {
        "conversation": lambda: conversation,
        "fenced": lambda: fenced_text(conversation, answer),
        "code": lambda: fence_code(conversation),
        "answer": lambda: answer,
        "rubric_item": lambda: rubric_item(first),
        "criterion": lambda: first.text,
        "points": lambda: points_text(first.points),
        "n_items": lambda: str(len(criteria)),
        "rubric_items": lambda: numbered(criteria),
    }


@lru_cache(maxsize=32)
def _compile(text: str) -> Callable[[Example, str, str, Sequence[Criterion]], str]:
    """Cut a template at its marks, once; filling in is then one join."""
    pieces = _MARK.split(text)
    literal, names = pieces[::2], pieces[1::2]

    def fill(
        example: Example, conversation: str, answer: str, criteria: Sequence[Criterion]
    ) -> str:
        values = _values(conversation, answer, criteria)
        filled = [literal[0]]
        for name, after in zip(names, literal[1:], strict=True):
            filled += (values[name](), after)
        return "".join(filled)

    return fill


def _fill_jinja(
    text: str, example: Example, conversation: str, answer: str, criteria: Sequence[Criterion]
) -> str:
    # plain dicts and strings only: a template must not reach our objects
    plain = {name: value() for name, value in _values(conversation, answer, criteria).items()}
    return fill_template(
        text,
        {
            **plain,
            "messages": [{"role": m.role, "content": m.content} for m in example.prompt],
            "criteria": [{"text": c.text, "points": points_text(c.points)} for c in criteria],
        },
    )


def _try_out(wording: Wording, path: Path) -> None:
    """Fill a user's template in with made-up text, so that it fails before anything is paid."""
    from ..rubric import Message, Polarity, Rubric

    unknown = sorted(set(_MARK.findall(wording.text)) - set(MARKS))
    if unknown and not wording.is_jinja:
        raise ConfigError(
            f"prompt file {path}: unknown mark <<{unknown[0]}>>; {near_names(unknown[0], MARKS)}"
        )
    marked = Criterion("CRITERION-HERE", 5, Polarity.DESIRABLE)
    example = Example("try", (Message("user", "QUESTION-HERE"),), Rubric((marked,)))
    try:
        filled = wording.fill(
            example, conversation_text(example, "ANSWER-HERE"), "ANSWER-HERE", [0]
        )
    except Exception as error:  # Jinja2 raises many kinds; each is a fault of the user's file
        raise ConfigError(
            f"prompt file {path} cannot be filled in: {type(error).__name__}: {error}; "
            f"it may use {', '.join(MARKS)}, messages, criteria"
        ) from error
    if "CRITERION-HERE" not in filled:
        raise ConfigError(
            f"prompt file {path} never shows the criterion; put <<rubric_item>> or "
            "{{ rubric_item }} where it belongs"
        )
