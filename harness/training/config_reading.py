"""Read the configuration of a run from presets, YAML and flags; later sources win.

A key that is not known is refused with the nearest known one, before anything is loaded.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ...judges.errors import ConfigError, near_names
from ...judges.judge_options import plain_spec
from ...judges.options.files import parse_yaml, read_yaml
from ...judges.options.reader import settled
from .config import TrainConfig


def preset_names() -> list[str]:
    """List the presets this package ships."""
    folder = files(__package__).joinpath("presets")
    return sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith("yaml"))


def load_config(
    path: Path | str | None = None,
    *,
    preset: str | None = None,
    settings: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Merge a preset, a YAML file, `section.key=value` settings and overrides, later wins.

    Args:
        path: A YAML file; its own `preset:` key names what it starts from.
        preset: A preset of this package; wins over the file's `preset:`.
        settings: Such as `grpo.max_steps=100`; values are read as YAML.
        overrides: Nested mapping of the same shape as the file.

    Raises:
        ConfigError: A key or preset is not known, or a value has the wrong type.
    """
    sources: list[tuple[str, Mapping[str, Any]]] = [
        (str(path), _read_file(Path(path)) if path is not None else {}),
        *((f"--set {setting}", _parse_setting(setting)) for setting in settings),
        ("the flags", overrides or {}),
    ]
    named = [source["preset"] for _, source in sources if source.get("preset")]
    start = preset or (named[-1] if named else None)
    merged: dict[str, Any] = _read_preset(str(start)) if start else {}
    for where, source in sources:
        # each on its own first: a message names the place where the mistake stands
        _build(TrainConfig, source, where)
        _merge(merged, source)
    if start:
        merged["preset"] = str(start)
    config = _build(TrainConfig, merged, "the configuration")
    assert isinstance(config, TrainConfig)
    return config


def _read_preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        raise ConfigError(f"unknown preset {name!r}; {near_names(name, preset_names())}")
    text = files(__package__).joinpath("presets", f"{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def _read_file(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: It cannot be read, or holds something else.
    """
    plain = read_yaml(path)
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise ConfigError(f"{path} must hold a mapping of sections, not a {type(plain).__name__}")
    return dict(_settled(plain))


def _settled(value: Any) -> Any:
    """Give plain numbers, and in a judge the texts that numbers stand for."""
    if not isinstance(value, Mapping):
        return settled(value)
    return {
        key: plain_spec(inner) if key == "judge" else _settled(inner)
        for key, inner in value.items()
    }


def _parse_setting(setting: str) -> dict[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"cannot read --set {setting!r}; write section.key=value")
    value: Any = parse_yaml(text, f"--set {setting!r}: the value") if text else None
    parts = key.split(".")
    if "judge" in parts:  # whose name may stand elsewhere: the option itself says what it takes
        value = getattr(value, "written", value)
    for part in reversed(parts):
        value = {part: value}
    return dict(_settled(value))


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        known = base.get(key)
        if key == "judge" and isinstance(known, str) and isinstance(value, Mapping):
            known = base[key] = {"name": known}  # the same judge, named in one word
        # a judge written as a mapping replaces another judge; its options do not mix
        nested = isinstance(known, dict) and isinstance(value, Mapping)
        if nested and not ("name" in value and key in {"judge"}):
            _merge(typing.cast(dict[str, Any], known), value)
        else:
            base[str(key)] = dict(value) if isinstance(value, Mapping) else value


def _build(section: type, plain: Mapping[str, Any], where: str, prefix: str = "") -> Any:
    hints = typing.get_type_hints(section)
    values: dict[str, Any] = {}
    for key, value in plain.items():
        name = f"{prefix}{key}"
        if key not in hints:
            raise ConfigError(f"{where}: unknown key {name!r}; {near_names(str(key), hints)}")
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}: {name} must be a section of keys, not {value!r}")
            values[key] = _build(typing.cast(type, hint), value, where, f"{name}.")
        else:
            values[key] = _value(hint, value, f"{where}: {name}")
    return section(**values)


def _value(hint: Any, value: Any, name: str) -> Any:
    """Check one value against the type of its field; whole numbers pass as decimals."""
    if isinstance(hint, types.UnionType):
        options: tuple[Any, ...] = typing.get_args(hint)
    else:
        options = (hint,)
    for option in options:
        base = typing.get_origin(option) or option
        if base is tuple and isinstance(value, (list, tuple, str)):
            listed = (value,) if isinstance(value, str) else tuple(value)
            if not all(isinstance(one, str) for one in listed):
                raise ConfigError(f"{name} must be a list of text, not {value!r}")
            return listed
        if base is float and isinstance(value, str):  # YAML 1.1 reads 5e-6 as text
            try:
                return float(value)
            except ValueError:
                continue
        if base is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if base is Mapping and isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, bool) and base is not bool:
            continue
        if base is not Mapping and isinstance(value, base):
            return value
    wanted = " or ".join(_type_name(option) for option in options)
    raise ConfigError(f"{name} must be {wanted}, not {value!r}")


def _type_name(option: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if option is type(None):
        return "empty"
    return names.get(option, "a list" if typing.get_origin(option) is tuple else "a mapping")
