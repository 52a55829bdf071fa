"""List judges, tasks, rewards and models by name, or the options of one.

Examples:
  rubricbeat list
  rubricbeat list judges
  rubricbeat list judges chat
  rubricbeat list rewards hybrid --json
"""

from __future__ import annotations

import argparse
import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, is_dataclass
from itertools import pairwise

from ....judges.errors import RubricbeatError, UnknownNameError
from ....judges.registry import Registry
from ...terminal import aligned, print_json

KINDS = {
    "judges": "what --judge takes",
    "tasks": "what `rubricbeat run --tasks` takes, besides lm-eval's own tasks",
    "rewards": "what --reward and --rewards take",
    "models": "what `rubricbeat run --model` takes",
}

_SOURCE = re.compile(r" \([A-Z](?:,[^)]*)?\)(?=[.;])")
"""A paper by its letter, as the docstrings of rewards name theirs."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a judge or a reward."""

    name: str
    type: str
    default: str | None
    """As Python writes it; None where the option is required."""
    about: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that can be asked for."""

    name: str
    about: str
    options: list[Option] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "kind", nargs="?", choices=list(KINDS), metavar="KIND", help=", ".join(KINDS)
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a judge or reward: its options")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """List."""
    if args.kind is None:
        _print([Entry(name, about) for name, about in KINDS.items()], args)
    elif args.name is None:
        _print(_entries(args.kind), args)
    else:
        _print_one(args.kind, _one(args.kind, args.name), args)
    return 0


def _entries(kind: str) -> list[Entry]:
    if kind == "tasks":
        from ....tasks.lm_eval_adapter import task_abouts

        return [Entry(name, about) for name, about in task_abouts().items()]
    if kind == "models":
        return list(_models())
    registry = _registry(kind)
    return [_entry(registry, name) for name in registry.names()]


def _one(kind: str, name: str) -> Entry:
    if kind not in {"judges", "rewards"}:
        known = {entry.name: entry for entry in _entries(kind)}
        if name not in known:
            raise UnknownNameError.among(kind.removesuffix("s"), name, known)
        return known[name]
    factory = _registry(kind).find(name)
    return Entry(name, _about(factory), list(_options(factory)))


def _print(entries: list[Entry], args: argparse.Namespace) -> None:
    if args.json:
        print_json([{"name": e.name, "about": e.about} for e in entries])
    else:
        print(aligned([(entry.name, entry.about) for entry in entries]))


def _print_one(kind: str, entry: Entry, args: argparse.Namespace) -> None:
    from ....judges.engine.options import RuntimeOptions

    shared = list(_options(RuntimeOptions)) if kind == "judges" else []
    if args.json:
        plain = asdict(entry)
        if kind == "judges":
            plain["options_of_every_judge"] = [asdict(option) for option in shared]
        print_json(plain)
        return
    print(f"{entry.name}: {entry.about}")
    for title, options in (("options", entry.options), ("options of every judge", shared)):
        if options:
            rows = [
                (f"  {o.name}", "required" if o.default is None else o.default, o.about)
                for o in options
            ]
            print(f"\n{title}:\n{aligned(rows)}")
    if kind in {"judges", "rewards"} and not entry.options:
        print(f"\nno options of its own{'; options of every judge above' if shared else ''}")


def _registry(kind: str) -> Registry:
    from ....judges.registry import JUDGES, REWARDS
    from ....judges.rewards import reward_names  # noqa: F401  # the room registers ours

    return JUDGES if kind == "judges" else REWARDS


def _entry(registry: Registry, name: str) -> Entry:
    try:
        return Entry(name, _about(registry.find(name)))
    except RubricbeatError as error:  # a plug-in, or a package that is not installed
        return Entry(name, f"does not load: {' '.join(str(error).split())}")


def _about(factory: Callable[..., object]) -> str:
    """Give the first sentence of a factory's docstring, and what a variant sets."""
    bare = factory.func if isinstance(factory, functools.partial) else factory
    said = inspect.cleandoc(bare.__doc__ or "").split("\n\n")[0]
    about = _SOURCE.sub("", " ".join(said.split()))
    if isinstance(factory, functools.partial):
        preset = {name: value for name, value in factory.keywords.items() if name != "name"}
        words = ", ".join(f"{name}={_written(value)}" for name, value in preset.items())
        about = f"{about.rstrip('.')}; with {words}." if words else about
    return about


def _written(value: object) -> str:
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else repr(value)


def _options(factory: Callable[..., object]) -> Iterator[Option]:
    said = _said_of_options(factory)
    for name, parameter in inspect.signature(factory).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if name == "name" or (isinstance(factory, functools.partial) and name in factory.keywords):
            continue
        is_required = parameter.default is parameter.empty
        default = None if is_required else _written(parameter.default)
        annotation = "" if parameter.annotation is parameter.empty else parameter.annotation
        kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if default is not None and default.startswith("<"):  # a dataclass makes it anew each time
            default = ""
        yield Option(name, kind, default, said.get(name, ""))


def _said_of_options(factory: Callable[..., object]) -> dict[str, str]:
    """Give what stands below each field of a dataclass, or beside each argument in `Args:`."""
    bare = factory.func if isinstance(factory, functools.partial) else factory
    said: dict[str, str] = {}
    if inspect.isclass(bare) and is_dataclass(bare):
        for kind in reversed(bare.__mro__[:-1]):
            said |= _said_below(kind)
        return said
    holder = bare.__init__ if inspect.isclass(bare) else bare
    _, _, section = inspect.cleandoc(holder.__doc__ or "").partition("Args:\n")
    name = ""
    for line in textwrap.dedent(section.partition("\n\n")[0]).splitlines():
        if not line.startswith(" "):
            name, _, line = line.partition(":")
        said[name] = f"{said.get(name, '')} {line.strip()}".strip()
    return said


def _said_below(kind: type) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError, SyntaxError):  # no source beside it
        return {}
    return {
        one.target.id: " ".join(str(below.value.value).split())
        for one, below in pairwise(getattr(body, "body", []))
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def _models() -> Iterator[Entry]:
    from ....tasks.models import BASELINE_ABOUTS

    for kind, about in BASELINE_ABOUTS.items():
        yield Entry(f"baseline:{kind.value}", about)
    from lm_eval.models import MODEL_MAPPING

    for name in sorted(MODEL_MAPPING):
        yield Entry(name, f"lm-eval: {str(MODEL_MAPPING[name]).rpartition(':')[2]}")
