"""Read the configuration of a run from presets, YAML and flags; later sources win.

A key that is not known is refused with the nearest known one, before anything is loaded. What
stands in `grpo` and `sft` and is not ours is TRL's, and is held against its own fields.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ...judges.errors import ConfigError, near_names
from ...judges.judge_options import plain_spec
from ...judges.options.files import parse_yaml, read_yaml
from ...judges.options.reader import settled
from .config import TrainConfig

Kind = TypeVar("Kind")
SET_ELSEWHERE: Mapping[str, str] = {
    "output_dir": "run.output_dir",
    "seed": "run.seed",
    "save_steps": "run.save_steps",
    "save_strategy": "run.save_steps",
    "report_to": "run.report_to",
    "per_device_train_batch_size": "micro_batch",
    "gradient_accumulation_steps": "micro_batch, and prompts_per_step or batch_size",
    "generation_batch_size": "grpo.prompts_per_step",
    "shuffle_dataset": "nothing: the order is made here, so that a resumed run keeps it",
    "reward_weights": "nothing: there is one reward",
    "logging_steps": "nothing: every step is a line of metrics.jsonl",
    "logging_strategy": "nothing: every step is a line of metrics.jsonl",
    "bf16": "model.dtype",
    "fp16": "model.dtype",
    "use_cpu": "run.use_cpu",
    "ignore_data_skip": "nothing: a resumed run would ask the same prompts again",
    "save_only_model": "nothing: such a run could not be resumed",
    "resume_from_checkpoint": "nothing: --resume goes on from the last checkpoint",
    "eval_strategy": "gold, or eval.tasks",
    "eval_on_start": "gold, whose judge looks before the first step,",
    "do_eval": "gold, or eval.tasks",
    "grpo.remove_unused_columns": "nothing: the reward finds each rubric by a column",
    "grpo.warmup_steps": "grpo.warmup_ratio, a share of the steps,",
    "sft.num_train_epochs": "sft.max_steps",
}
"""Fields of TRL that the run fills itself or has no use for, and what to set for each."""
NAME_FILES = {"accelerator_config", "deepspeed", "fsdp_config"}
"""Fields that take the path of a file in the place of its mapping."""


def preset_names() -> list[str]:
    """List the presets this package ships."""
    folder = files(__package__).joinpath("presets")
    return sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith("yaml"))


def load_config(
    path: Path | str | None = None,
    *,
    preset: str | None = None,
    settings: Sequence[str] = (),
    overrides: Mapping[str, object] | None = None,
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
    sources: list[tuple[str, Mapping[str, object]]] = [
        (str(path), _read_file(Path(path)) if path is not None else {}),
        *((f"--set {setting}", _parse_setting(setting)) for setting in settings),
        ("the flags", _flat(overrides or {})),
    ]
    named = [source["preset"] for _, source in sources if source.get("preset")]
    start = preset or (named[-1] if named else None)
    merged: dict[str, object] = _read_preset(str(start)) if start else {}
    for where, source in sources:
        # each on its own first: a message names the place where the mistake stands
        _build(source, where)
        _merge(merged, source)
    if start:
        merged["preset"] = str(start)
    return _build(merged, "the configuration")


def _read_preset(name: str) -> dict[str, object]:
    if name not in preset_names():
        raise ConfigError(f"unknown preset {name!r}; {near_names(name, preset_names())}")
    text = files(__package__).joinpath("presets", f"{name}.yaml").read_text(encoding="utf-8")
    plain = dict(yaml.safe_load(text))
    merged = _read_preset(plain["preset"]) if "preset" in plain else {}
    _merge(merged, plain)
    return merged


def _read_file(path: Path) -> dict[str, object]:
    plain = read_yaml(path)
    if not isinstance(plain, dict | None):
        raise ConfigError(f"{path} must hold a mapping of sections, not a {type(plain).__name__}")
    return _flat(_settled(plain or {}))


def _settled(value: Any) -> Any:
    """Give plain numbers, and in a judge the texts that numbers stand for."""
    if not isinstance(value, Mapping):
        return settled(value)
    return {
        key: plain_spec(inner) if key == "judge" else _settled(inner)
        for key, inner in value.items()
    }


def _parse_setting(setting: str) -> dict[str, object]:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"cannot read --set {setting!r}; write section.key=value")
    value: object = parse_yaml(text, f"--set {setting!r}: the value") if text else None
    parts = key.split(".")
    if "judge" in parts:  # whose name may stand elsewhere: the option itself says what it takes
        value = getattr(value, "written", value)
    for part in reversed(parts):
        value = {part: value}
    return _flat(_settled(value))


def _flat(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Lay TRL's fields beside ours: `grpo.trl.epsilon` is `grpo.epsilon`."""
    flat = dict(plain)
    for key in {"grpo", "sft"} & set(flat):
        inner = flat[key].get("trl") if isinstance(flat[key], Mapping) else None
        if isinstance(inner, Mapping):
            flat[key] = {name: x for name, x in flat[key].items() if name != "trl"} | {**inner}
    return flat


def _merge(base: dict[str, object], over: Mapping[str, object]) -> None:
    for key, value in over.items():
        known = base.get(key)
        if key == "judge" and isinstance(known, str) and isinstance(value, Mapping):
            known = base[key] = {"name": known}  # the same judge, named in one word
        # a judge written as a mapping replaces another judge; its options do not mix
        is_new = key == "judge" and isinstance(value, Mapping) and "name" in value
        if isinstance(known, dict) and isinstance(value, Mapping) and not is_new:
            _merge(known, value)
        else:
            base[str(key)] = dict(value) if isinstance(value, Mapping) else value


def _build(plain: Mapping[str, object], where: str) -> TrainConfig:
    values = dict(plain)
    for section, kind in typing.get_type_hints(TrainConfig).items():
        if section not in values or not dataclasses.is_dataclass(kind):
            continue
        value = values[section]
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {section} must be a section of keys, not {value!r}")
        if section in {"grpo", "sft"}:
            ours = {spec.name for spec in dataclasses.fields(kind)}
            theirs = {key: inner for key, inner in value.items() if key not in ours}
            value = {key: inner for key, inner in value.items() if key in ours}
            if theirs:
                value["trl"] = _of_trl(section, theirs, ours, where)
        values[section] = _checked(typing.cast(Any, kind), value, f"{where}: ", f"{section}.")
    return _checked(TrainConfig, values, f"{where}: ", "")


def _checked(kind: type[Kind], values: Mapping[str, object], where: str, prefix: str) -> Kind:
    known = [spec.name for spec in dataclasses.fields(typing.cast(Any, kind))]
    for key in values:
        if key not in known:
            near = near_names(key, known)
            raise ConfigError(f"{where}unknown key {prefix + str(key)!r}; {near}")
    try:
        return kind(**values)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise _refused(error, where + prefix + key, values[key]) from None


def _of_trl(
    section: str, values: Mapping[str, object], ours: Iterable[str], where: str
) -> dict[str, object]:
    """Hold values against TRL's own fields, by their names and types."""
    hints = _trl_hints(section, where)
    read = {}
    for key, value in values.items():
        name = f"{where}: {section}.{key}"
        if instead := SET_ELSEWHERE.get(key) or SET_ELSEWHERE.get(f"{section}.{key}"):
            raise ConfigError(f"{name}: set {instead} instead")
        if key not in hints:
            near = near_names(str(key), {*ours, *hints})
            raise ConfigError(f"{where}: unknown key '{section}.{key}'; {near}")
        hint = hints[key]
        if isinstance(value, str) and "dict" in str(hint):
            value = _settled(parse_yaml(value, name))  # TRL takes it as JSON text too
            if isinstance(value, str) and key not in NAME_FILES:
                raise ConfigError(f"{name} must be a mapping, not {value!r}")
        loose = None if dataclasses.is_dataclass(hint) else ConfigDict(arbitrary_types_allowed=True)
        try:
            read[str(key)] = TypeAdapter(hint, config=loose).validate_python(value)
        except ValidationError as error:
            raise _refused(error, name, value) from None
    return read


def _trl_hints(section: str, where: str) -> dict[str, Any]:
    try:
        from trl.trainer.grpo_config import GRPOConfig
        from trl.trainer.sft_config import SFTConfig
    except ImportError:
        raise ConfigError(
            f"{where}: {section} holds keys that are not rubricbeat's, and TRL, which may know "
            "them, is not installed: pip install 'rubricbeat[train]'"
        ) from None
    kind = GRPOConfig if section == "grpo" else SFTConfig
    known = {spec.name for spec in dataclasses.fields(kind) if spec.init}
    return {name: hint for name, hint in typing.get_type_hints(kind).items() if name in known}


def _refused(error: ValidationError, name: str, value: object) -> ConfigError:
    return ConfigError(f"{error.errors()[0]['msg'].replace('Input', name, 1)}, not {value!r}")
