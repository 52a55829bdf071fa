"""What one `rubricbeat run` was asked for, read and checked before anything is loaded."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...judges.errors import ConfigError, UnknownNameError
from ...judges.judge_options import parse_judge_args
from ...judges.options.reader import plain, read_options
from ...judges.scoring.missing_reasons import allowed_share
from ...tasks.models import BASELINE_PREFIX, Baseline
from ...tasks.settings import TaskSettings

DEFAULT_SEEDS = (0, 1234, 1234, 1234)
"""lm-eval's own, for python, numpy, torch and few-shot sampling."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One evaluation: tasks, model, data, judge, output."""

    tasks: tuple[str, ...]
    model: str
    """lm-eval's model type, or `baseline:KIND`, or empty where recorded answers are judged."""
    model_args: Mapping[str, object] = field(default_factory=dict)
    """Words of the command line among them; the model that takes them says what they are."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """For the tasks: data, judge, repeats and what else `TaskSettings` takes."""
    gen_kwargs: Mapping[str, object] = field(default_factory=dict)
    apply_chat_template: bool | str = False
    system_instruction: str | None = None
    name: str | None = None
    """Of the system in results, where it is more than a model: a model and its prompt, say."""
    limit: int | float | None = None
    samples: Mapping[str, Sequence[int]] | None = None
    batch_size: int | str = 1
    max_batch_size: int | None = None
    device: str | None = None
    seeds: tuple[int | None, ...] = DEFAULT_SEEDS
    include_path: str | None = None
    predict_only: bool = False
    with_baselines: bool = False
    output_path: str | None = None
    use_cache: str | None = None
    confirm_run_unsafe_code: bool = False
    show_config: bool = False
    write_out: bool = False
    verbosity: str = "WARNING"

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> RunRequest:
        """Read the command line.

        Raises:
            ConfigError: Two flags contradict each other, or one cannot be read.
        """
        if args.cache_requests:
            raise ConfigError(
                "--cache_requests is not safe with these tasks: lm-eval finds cached requests by "
                "task name alone and could send another file's conversations; remove it"
            )
        if args.predict_only and not args.output_path:
            raise ConfigError("--predict_only writes answers only: give --output_path")
        if args.predict_only and (args.responses or args.baselines):
            raise ConfigError("--predict_only does not judge: remove --responses and --baselines")
        if args.limit is not None and args.samples:
            raise ConfigError("--limit and --samples exclude each other")
        if not args.model and not args.responses:
            raise ConfigError(
                "no model: name its type by --model, such as hf, vllm, local-chat-completions or "
                "baseline:constant; --responses judges recorded answers without one"
            )
        if args.include_path and not Path(args.include_path).is_dir():
            raise ConfigError(f"--include_path {args.include_path}: no such folder")
        model = args.model or ""
        require_name(args.name, model)
        model_args = read_options("--model_args", args.model_args)
        for name in _SECRETS & set(model_args):
            raise ConfigError(
                f"--model_args {name}: keys come from the environment (OPENAI_API_KEY, HF_TOKEN); "
                "model arguments are written into the results"
            )
        if args.trust_remote_code:
            model_args["trust_remote_code"] = True
        return cls(
            tasks=tuple(name for word in args.tasks for name in word.split(",") if name),
            model=model,
            model_args=model_args,
            metadata=_metadata(args),
            gen_kwargs={
                name: plain(value)
                for name, value in read_options("--gen_kwargs", args.gen_kwargs).items()
            },
            apply_chat_template=_chat_template(args.apply_chat_template, model),
            limit=_limit(args.limit),
            samples=_samples(args.samples),
            seeds=_seeds(args.seed),
            with_baselines=args.baselines,
            **{name: getattr(args, name) for name in _AS_GIVEN},
        )


_SECRETS = frozenset({"api_key", "auth_token", "token", "hf_token", "password", "header"})
_AS_GIVEN = (
    "system_instruction", "name", "batch_size", "max_batch_size", "device", "include_path",
    "predict_only", "output_path", "use_cache", "confirm_run_unsafe_code",
    "show_config", "write_out", "verbosity",
)  # fmt: skip


def require_name(name: str | None, model: str) -> None:
    """Refuse a name that results cannot have.

    Raises:
        ConfigError: It is empty, a baseline's, or for answers that have a name already.
    """
    if name is None:
        return
    if not name.strip() or name.startswith(BASELINE_PREFIX):
        raise ConfigError(
            f"--name {name!r}: it needs a letter, and may not be the name of a baseline"
        )
    if not model or baseline_of(model):
        raise ConfigError("--name is for a model that answers: remove it here")


def baseline_of(model: str) -> Baseline | None:
    """Give the baseline that a model name stands for, None for a real model.

    Raises:
        UnknownNameError: The name begins as a baseline's does and names none.
    """
    if not model.startswith(BASELINE_PREFIX):
        return None
    kind = model.removeprefix(BASELINE_PREFIX)
    try:
        return Baseline(kind)
    except ValueError:
        raise UnknownNameError.among(
            "baseline", kind, [known.value for known in Baseline]
        ) from None


def _metadata(args: argparse.Namespace) -> dict[str, object]:
    metadata = TaskSettings.typed(read_options("--metadata", args.metadata))
    if args.judge:
        metadata["judge"] = parse_judge_args(args.judge, args.judge_args)
    elif args.judge_args:
        raise ConfigError("--judge_args needs --judge")
    for name in ("data", "columns", "rubric", "repeats", "selector", "responses", "run"):
        if getattr(args, name) is not None:
            metadata[name] = getattr(args, name)
    if args.strict:
        metadata["strict"] = True
    if allowed := allowed_share(args.allow_missing):
        metadata["allow_missing"] = allowed
    TaskSettings.from_metadata(metadata)
    return metadata


def _chat_template(given: bool | str | None, model: str) -> bool | str:
    if isinstance(given, str) and given.lower() in {"true", "false"}:
        given = given.lower() == "true"
    if given is False and model.endswith("chat-completions"):
        raise ConfigError(f"--model {model} takes messages: remove --apply_chat_template false")
    if given is not None:
        return given
    # a chat endpoint takes messages only: without a template lm-eval sends it text and fails
    return "chat" in model


def _limit(given: float | None) -> int | float | None:
    if given is None:
        return None
    if not (math.isfinite(given) and given > 0):
        raise ConfigError(f"--limit is {given}; give a number of rows, or a share below 1")
    return given if given < 1 else int(given)


def _samples(given: str | None) -> Mapping[str, Sequence[int]] | None:
    if given is None:
        return None
    try:
        found = json.loads(given)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--samples: not a JSON object ({error}): {given!r}") from None
    if not isinstance(found, dict) or not found:
        raise ConfigError('--samples: give a JSON object such as {"healthbench": [0, 1]}')
    for task, rows in found.items():
        are_numbers = isinstance(rows, list) and all(type(n) is int and n >= 0 for n in rows)
        if not rows or not are_numbers:
            raise ConfigError(f"--samples: {task} is {rows!r}; give rows by number, such as [0, 1]")
    return found


def _seeds(given: str) -> tuple[int | None, ...]:
    words = str(given).split(",")
    try:
        seeds = tuple(None if w.strip().lower() == "none" else int(w) for w in words)
    except ValueError:
        raise ConfigError(f"--seed is {given!r}; give one whole number, or four") from None
    if len(seeds) == 1:
        return seeds * len(DEFAULT_SEEDS)
    if len(seeds) != len(DEFAULT_SEEDS):
        raise ConfigError(f"--seed is {given!r}; give one whole number, or four")
    return seeds
