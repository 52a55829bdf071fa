"""Rewards by name: registered, published by an entry point, a dotted path, or with options.

get_reward("hybrid")
get_reward("hybrid", bonus=0)           the same as get_reward("hybrid(bonus=0)")
get_reward("my_module:my_reward")       a class, a factory, or a plain f(verdicts, rubric)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from ..errors import ConfigError, RubricbeatError, UnknownNameError
from ..options.reader import annotations_of, plain, read_options, split_outside, typed
from ..registry import REWARDS, Taken
from ..scoring.rubric_arrays import Floats
from .base import FunctionReward, Needs, Reward

F = TypeVar("F", bound=Callable[..., Floats])
_DECLARED: dict[object, Callable[..., FunctionReward]] = {}
"""Functions that were registered, for whoever asks for one as `module:name`."""


def get_reward(name_or_path: str, **options: object) -> Reward:
    """Find a reward by name and set its options.

    Args:
        name_or_path: A name, `module:Name`, or either with options: `hybrid(bonus=0)`.
        options: Options of the reward; they win over those in the string.

    Raises:
        UnknownNameError: No such reward.
        ConfigError: The options are not the reward's, or what was found is not a reward.
    """
    name, written = _split_options(name_or_path)
    options = {**written, **options}
    factory = REWARDS.find(name)
    if _is_reward_function(factory):
        plain = _function_factory(factory, name.rpartition(":")[2] or name)
        factory = _DECLARED.get(factory, plain)
    taken = annotations_of(factory)
    options = {key: _typed(key, value, taken.get(key, Any)) for key, value in options.items()}
    _check_options(name, factory, options)
    label = options.get("name")
    try:
        reward: Reward = factory(**options)
    except RubricbeatError:
        raise
    except (Exception, SystemExit) as error:  # a reward of the user's may fail in any way
        raise ConfigError(
            f"reward {name!r} cannot be made: {type(error).__name__}: {error}"
        ) from error
    if isinstance(reward, type) or not _is_reward(reward):
        raise ConfigError(
            f"reward {name!r} gave {type(reward).__name__}, which is not a reward: it must be "
            "callable as f(verdicts, rubric) and have name, range, needs and constant_terms"
        )
    if options and label is None:
        return _renamed(reward, _written(name, options))
    return reward


def parse_rewards(text: str | Iterable[str]) -> list[Reward]:
    """Read `hybrid,healthbench(clip=true)` into rewards; a name given twice counts once."""
    specs = split_specs(text) if isinstance(text, str) else list(text)
    if not specs:
        raise ConfigError(f"no reward named; known: {', '.join(reward_names())}")
    rewards: dict[str, Reward] = {}
    for spec in specs:
        reward = get_reward(spec)
        rewards.setdefault(reward.name, reward)
    return list(rewards.values())


def reward_names() -> list[str]:
    """List the rewards that can be asked for by name, sorted."""
    return REWARDS.names()


def register_reward(
    name: str,
    *,
    range: tuple[float, float] = (-np.inf, np.inf),
    needs: Needs | str = Needs.VERDICTS,
    constant_terms: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Register a class, a factory, or a plain function of (verdicts, rubric), by decorator.

    The declarations are for a plain function; a class declares its own.

    Args:
        name: What to ask for it by.
        range: Lowest and highest value.
        needs: What its first argument holds.
        constant_terms: Its terms that are constant in a group.
    """

    def decorate(thing: F) -> F:
        factory: Callable[..., object] = thing
        if _is_reward_function(thing):
            factory = _function_factory(thing, name, range, Needs(needs), constant_terms)
            _DECLARED[thing] = factory
        REWARDS.register(name)(factory)
        return thing

    return decorate


def split_specs(text: str) -> list[str]:
    """Split at the commas outside brackets and quotes."""
    return [part.strip() for part in split_outside(text, "rewards")]


def _split_options(spec: str) -> tuple[str, dict[str, object]]:
    name, paren, rest = spec.partition("(")
    if not paren:
        return name.strip(), {}
    if not rest.rstrip().endswith(")"):
        raise ConfigError(f"reward {spec!r}: the parenthesis is not closed")
    return name.strip(), read_options(f"reward {name.strip()!r}", rest.rstrip()[:-1])


def _typed(key: str, value: object, annotation: object) -> object:
    """Type a word; one that its option does not take is left to the checks, which word it."""
    try:
        return typed(key, value, annotation)
    except ConfigError:
        return plain(value)


def _written(name: str, options: dict[str, object]) -> str:
    """Write a reward as it can be asked for again; what it goes around comes first."""
    ordered = sorted(options.items(), key=lambda item: (item[0] != "of", item[0]))
    return f"{name}({','.join(f'{key}={_option_text(value)}' for key, value in ordered)})"


def _option_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if _is_reward(value):
        return str(value.name)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _renamed(reward: Reward, name: str) -> Reward:
    try:
        object.__setattr__(reward, "name", name)  # ours are frozen, and made a line ago
    except AttributeError:
        return reward  # another's reward whose name cannot be set keeps its own
    return reward


def _is_reward(thing: object) -> bool:
    declared = ("name", "range", "needs", "constant_terms")
    return callable(thing) and all(hasattr(thing, attribute) for attribute in declared)


def _is_reward_function(thing: object) -> bool:
    """Tell f(verdicts, rubric) from a factory: it asks for two arguments, a factory for none.

    A third one named `chars` is what a reward of lengths is given.
    """
    if isinstance(thing, type) or not callable(thing):
        return False
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [
        p for p in parameters if p.kind in positional and p.default is p.empty and p.name != "chars"
    ]
    return len(required) == 2


def _function_factory(
    function: Callable[..., Floats],
    name: str,
    range: tuple[float, float] = (-np.inf, np.inf),
    needs: Needs = Needs.VERDICTS,
    constant_terms: tuple[str, ...] = (),
) -> Callable[..., FunctionReward]:
    """Wrap a plain function; its further parameters become the reward's options."""
    own = list(inspect.signature(function).parameters.values())[2:]

    @functools.wraps(function)
    def factory(**options: object) -> FunctionReward:
        bound = functools.partial(function, **options) if options else function
        return FunctionReward(bound, name, range, needs, constant_terms)

    given = {"chars"} if needs is Needs.VERDICTS_AND_LENGTH else set()
    keywords = [
        p.replace(kind=p.KEYWORD_ONLY)
        for p in own
        if p.kind is not p.VAR_KEYWORD and p.name not in given
    ]
    factory.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]  # for checks
    return factory


def _check_options(name: str, factory: Callable[..., object], options: dict[str, object]) -> None:
    taken = Taken.of(factory)
    if unknown := taken.unknown(options):
        raise UnknownNameError.among(f"option of reward {name!r}:", unknown[0], taken.defaults)
    for key, value in options.items():
        if key in taken.defaults:
            _check_type(name, key, value, taken.defaults[key])
    missing = taken.missing(options)
    if missing:
        raise ConfigError(
            f"reward {name!r} needs {', '.join(missing)}; write {name}({missing[0]}=...)"
        )


def _check_type(name: str, key: str, value: object, default: object) -> None:
    """Refuse a word where the default is a number or a flag; other types check themselves."""
    is_flag, is_number = isinstance(default, bool), isinstance(default, int | float)
    if is_flag and not isinstance(value, bool):
        raise ConfigError(f"reward {name!r}: {key} is {value!r}; give true or false")
    if is_number and not is_flag and (isinstance(value, bool) or not _is_number(value)):
        raise ConfigError(f"reward {name!r}: {key} is {value!r}; give a number")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and value == value
