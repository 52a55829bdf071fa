"""From what a user writes to a judge: `--judge_args`, YAML, nested judges of a jury.

Shared by `rubricbeat judge` and `run`, by the tasks' metadata and by training. The text
itself is read by `options/reader.py`.
"""

from __future__ import annotations

import difflib
import inspect
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeGuard

from .engine.options import RuntimeOptions
from .errors import ConfigError, RubricbeatError, near_names
from .files import user_path
from .judge import Judge, JudgeIdentity, version_of
from .options.files import read_yaml
from .options.reader import WrittenFloat, WrittenInt, annotations_of, read_options, settled, typed
from .options.secrets import refuse_keys
from .registry import JUDGES, Taken

_STARTS_PAIR = re.compile(r"^(\{|[\w-]+\s*=)")


def parse_judge_args(name: str, text_or_path: str | None = None) -> dict[str, object]:
    """Read a judge's name and `--judge_args` into options for `open_grader`.

    Args:
        name: Judge by registered name, `module:Class` or entry point.
        text_or_path: `k=v,k=v` as lm-eval spells `--model_args` (values may be JSON), or the path
            of a YAML or JSON file that holds a mapping.

    Raises:
        ConfigError: The text cannot be read, or holds a key.
    """
    text = (text_or_path or "").strip()
    if not text:
        options: dict[str, object] = {}
    elif _STARTS_PAIR.match(text) and not _is_file(text):
        options = read_options("--judge_args", text)
    else:
        options = _from_file(text)
    stated = options.pop("name", name)
    if stated != name:
        raise ConfigError(f"--judge says {name!r}, --judge_args name={stated!r}; give one of them")
    refuse_keys(options)
    mine, rest = RuntimeOptions.split(options)
    return {"name": name, **RuntimeOptions.typed(mine), **typed_options(name, rest)}


def build_judge(options: dict[str, object], seed: int) -> Judge:
    """Build a judge; one that takes a seed gets it.

    Raises:
        ConfigError: An option is unknown, or near to one of the runtime's.
    """
    name = options.get("name")
    if isinstance(name, str) and "seed" in Taken.of(JUDGES.find(name)).defaults:
        options = {"seed": seed, **options}
    return make_judge(options, further=RuntimeOptions.names())


def make_judge(spec: object, *, label: str = "judge", further: Collection[str] = ()) -> Judge:
    """Build a judge from a name, a mapping with `name`, or a judge.

    Args:
        spec: What to build; a judge is given back as it is.
        label: How messages call it, such as "member 2 of the jury".
        further: Options that are read elsewhere, of which one may be mistyped.

    Raises:
        UnknownNameError: No judge of this name.
        ConfigError: An option is unknown, missing or wrong.
    """
    if isinstance(spec, str):
        spec = {"name": spec}
    if isinstance(spec, Mapping):
        options = {str(key): value for key, value in spec.items()}
        name = options.pop("name", None)
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{label}: no name; give one like {{'name': 'chat', 'model': ...}}")
        refuse_keys(options)
        return _built(name, options, further)
    if _is_judge(spec):
        return spec
    raise ConfigError(f"{label}: {type(spec).__name__} is no judge; a judge has `async judge`")


def typed_options(name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Give each option of a judge the type that the judge takes.

    Raises:
        UnknownNameError: No judge of this name.
        ConfigError: A value is none that its option takes.
    """
    taken = annotations_of(JUDGES.find(name))
    where = f"judge {name!r}: "
    return {
        option: typed(option, value, taken.get(option, Any), where)
        for option, value in options.items()
    }


def plain_spec(spec: object) -> object:
    """Give a judge as a YAML file describes it in types that any file can hold.

    A number becomes the text that was written where its option takes text (`model: 007`), in the
    members of a jury too.
    """
    if isinstance(spec, list):
        return [plain_spec(each) for each in spec]
    if not isinstance(spec, Mapping):
        return settled(spec)
    name = spec.get("name")
    taken = annotations_of(JUDGES.find(name)) if name in JUDGES.names() else {}
    return {
        option: typed(option, value, taken[option])
        if isinstance(value, WrittenInt | WrittenFloat) and option in taken
        else plain_spec(value)
        for option, value in spec.items()
    }


def _built(name: str, options: dict[str, object], further: Collection[str]) -> Judge:
    factory = JUDGES.find(name)
    bound = _bind(name, factory, options, further)
    try:
        judge = factory(**bound)
    except RubricbeatError:
        raise
    except (TypeError, ValueError) as error:  # a judge of the user's, which words it its own way
        raise ConfigError(f"judge {name!r}: {error}") from error
    except (Exception, SystemExit) as error:
        words = " ".join(str(error).split())
        raise ConfigError(
            f"judge {name!r} cannot be made: {type(error).__name__}: {words} (--debug shows where)"
        ) from error
    if not _is_judge(judge):
        raise ConfigError(f"judge {name!r} has no method `async judge(self, question)`")
    if not isinstance(getattr(judge, "identity", None), JudgeIdentity):
        _identify(judge, name, options)
    return judge


def _is_judge(found: object) -> TypeGuard[Judge]:
    """Tell a judge from what has a plain `def judge`, which nothing could await."""
    return isinstance(found, Judge) and inspect.iscoroutinefunction(found.judge)


def _identify(judge: Judge, name: str, options: Mapping[str, object]) -> None:
    """Name a judge that does not name itself by its options: they could change its verdicts."""
    plain = json.loads(json.dumps(dict(options), default=str, sort_keys=True))
    try:
        judge.identity = JudgeIdentity(name, version_of(judge), sampling=plain)  # type: ignore[attr-defined]
    except AttributeError:
        if options:  # slots or a frozen class; without options its name says all
            raise ConfigError(
                f"judge {name!r} takes options and declares no `identity`; add one, so that "
                "verdicts with other options are kept apart"
            ) from None


def _bind(
    name: str, factory: Callable[..., object], options: dict[str, object], further: Collection[str]
) -> dict[str, object]:
    taken = Taken.of(factory)
    for option in taken.unknown(options):
        if near := difflib.get_close_matches(option, further, n=1, cutoff=0.8):
            raise ConfigError(f"unknown option {option!r}; did you mean {near[0]!r}?")
        known = near_names(option, {*taken.defaults, *further})
        raise ConfigError(f"judge {name!r} has no option {option!r}; {known}")
    missing = taken.missing(options)
    if missing:
        is_function = inspect.isfunction(factory)
        if is_function and (missing == ["question"] or inspect.iscoroutinefunction(factory)):
            raise ConfigError(
                f"judge {name!r} is a plain function; a judge is a class with the method 'async "
                "def judge(self, question)' that returns Verdict.of(True) or Verdict.of(False) "
                "(docs/judges.md)"
            )
        hint = "; a function returns a judge: an object with async def judge" if is_function else ""
        raise ConfigError(
            f"judge {name!r} needs {missing[0]}: --judge_args {missing[0]}=VALUE{hint}"
        )
    return typed_options(name, options)


def _from_file(text: str) -> dict[str, object]:
    path = user_path(text)
    if not _is_file(text):
        raise ConfigError(f"--judge_args {text!r}: neither key=value,key=value nor a file")
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"{path}: holds no mapping of option names to values")
    return content


def _is_file(text: str) -> bool:
    try:
        return user_path(text).is_file()
    except (OSError, ValueError, RuntimeError):  # too long for a name, or no home folder
        return False
