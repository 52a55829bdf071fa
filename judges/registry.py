"""Names for judges and rewards: decorator, entry point, or `module:Name`.

One registry of each kind serves lm-eval tasks, the command line, reports and training.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .errors import ConfigError, RubricbeatError, UnknownNameError

T = TypeVar("T")

WITH_PATH = frozenset({"fitted"})
"""Names that may carry their option `path` after a colon: `fitted:FOLDER`."""


def installed_version(package: str) -> str | None:
    """Give the version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Taken:
    """The options that a factory takes."""

    defaults: Mapping[str, object]
    """By option; `Taken.NEEDED` where it has none."""
    is_open: bool
    """Whether it takes any other as well."""
    NEEDED: ClassVar[object] = inspect.Parameter.empty

    @classmethod
    def of(cls, factory: Callable[..., object]) -> Taken:
        """Look at a signature; native code has none, and is taken to be open."""
        try:
            parameters = inspect.signature(factory).parameters.values()
        except (TypeError, ValueError):
            return cls({}, is_open=True)
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return cls(
            {p.name: p.default for p in parameters if p.kind in named},
            is_open=any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters),
        )

    def unknown(self, options: Iterable[str]) -> list[str]:
        """List the options that it does not take."""
        return [] if self.is_open else [name for name in options if name not in self.defaults]

    def missing(self, options: Container[str]) -> list[str]:
        """List the options that it needs and that are not given."""
        return [
            name
            for name, default in self.defaults.items()
            if default is self.NEEDED and name not in options
        ]


class Registry:
    """Named factories of one kind.

    In-tree modules are imported only when one of their names is asked for, so that listing the
    names costs nothing. Names that are not in-tree are looked up in an entry point group.
    """

    def __init__(self, kind: str, group: str, in_tree: Mapping[str, str] | None = None) -> None:
        """Open a registry.

        Args:
            kind: What it names, for messages: "judge", "reward".
            group: Entry point group others publish under, such as `rubricbeat.judges`.
            in_tree: Module of each name this package ships, relative to `rubricbeat.judges`; None
                where a catalogue registers them.
        """
        self.kind = kind
        self.group = group
        self._in_tree = dict(in_tree or {})
        self._factories: dict[str, Callable[..., object]] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Register the decorated class or function under a name."""

        def decorate(factory: T) -> T:
            known = self._factories.get(name)
            if known is not None and _origin(known) != _origin(factory):
                raise ConfigError(
                    f"{self.kind} {name!r} is registered twice: by {_origin(known)} and "
                    f"by {_origin(factory)}; rename one of them"
                )
            self._factories[name] = factory  # type: ignore[assignment]  # T is callable here
            return factory

        return decorate

    def names(self) -> list[str]:
        """List every name that can be asked for, sorted."""
        published = entry_points(group=self.group).names
        return sorted({*self._in_tree, *self._factories, *published})

    def find(self, name: str) -> Callable[..., Any]:
        """Find a factory by registered name, entry point or dotted path `module:Name`.

        `fitted:FOLDER` gives the factory of `fitted` with its path.

        Raises:
            UnknownNameError: No such name.
            ConfigError: The name is there, but what it names cannot be loaded.
        """
        if name not in self._factories and name in self._in_tree:
            importlib.import_module(self._in_tree[name], package=__package__)
        if name in self._factories:
            return self._factories[name]
        kind, colon, path = name.partition(":")
        if colon and kind in WITH_PATH:
            return functools.partial(self.find(kind), path=path)
        if ":" in name:
            return self._from_path(name)
        for point in entry_points(group=self.group):
            if point.name == name:
                return self._load(name, point)
        error = UnknownNameError.among(self.kind, name, self.names())
        if "did you mean" in str(error):
            raise error
        path = _path_meant(name)
        hint = f"a {self.kind} of your own is written {path or 'module:Class'}"
        if self.kind == "judge" and not path:
            hint += ", and an endpoint's model is asked by 'chat' with model=NAME"
        raise UnknownNameError(f"{error}; {hint}")

    def _load(self, name: str, point: EntryPoint) -> Callable[..., object]:
        try:
            factory: Callable[..., object] = point.load()
        except (Exception, SystemExit) as error:  # a plug-in fails in any way; not as ours
            raise ConfigError(
                f"{self.kind} {name!r} is published as {point.value} and does not load: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not callable(factory):
            raise ConfigError(f"{self.kind} {name!r} ({point.value}) is not a class or function")
        self._factories.setdefault(name, factory)
        return factory

    def _from_path(self, path: str) -> Callable[..., object]:
        module_name, _, attribute = path.partition(":")
        if (meant := _path_meant(path)) and meant != path:
            raise ConfigError(f"{self.kind} {path!r}: give module:Class; write {meant}")
        try:
            found: object = importlib.import_module(module_name)
            for part in attribute.split("."):
                found = getattr(found, part)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{self.kind} {path!r}: no module named {error.name!r} on the Python path; "
                "put its folder on PYTHONPATH"
                + (", here: export PYTHONPATH=." if Path(f"{module_name}.py").is_file() else "")
            ) from error
        except AttributeError as error:
            raise ConfigError(f"{self.kind} {path!r}: {error}") from error
        except RubricbeatError:
            raise
        except (Exception, SystemExit) as error:  # a module of the user's may fail in any way
            raise ConfigError(
                f"{self.kind} {path!r} does not load: {type(error).__name__}: {error} "
                "(--debug shows where)"
            ) from error
        if not callable(found):
            raise ConfigError(f"{self.kind} {path!r} is not a class or function")
        return found


def _path_meant(name: str) -> str:
    """Write a path to a class, such as `my_judge.Class` or `./my_judge.py:Class`, as module:Class.

    Empty where it is none.
    """
    module, colon, attribute = name.partition(":")
    if not colon and not name.endswith(".py"):
        module, _, attribute = name.rpartition(".")
    module = module.removeprefix("./").removesuffix(".py").replace("/", ".")
    attribute = attribute or "Class"
    if "/" in name and ".py" not in name:
        return ""
    is_path = all(map(str.isidentifier, (*module.split("."), *attribute.split("."))))
    return f"{module}:{attribute}" if is_path else ""


def _origin(factory: object) -> str:
    return f"{getattr(factory, '__module__', '?')}.{getattr(factory, '__qualname__', factory)}"


JUDGES = Registry(
    "judge",
    "rubricbeat.judges",
    {
        "chat": ".backends.chat",
        "vllm": ".backends.vllm",
        "local": ".backends.local",
        "batch": ".backends.batch",
        "jury": ".backends.jury",
        "cascade": ".backends.jury",
        "fitted": ".fitted.judge",
        "replicate": ".backends.jury",
        "replay": ".backends.replay",
        "scripted": ".backends.scripted",
        "keyword": ".keyword.judge",
        "constant": ".backends.scripted",
    },
)
"""Factories of judges, called with the judge's own options as keywords."""

REWARDS = Registry("reward", "rubricbeat.rewards")
"""Rewards by name; `rewards/__init__.py` lists ours."""

register_judge = JUDGES.register
