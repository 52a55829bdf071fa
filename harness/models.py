"""What answers in an evaluation: one of lm-eval's models, or a stand-in that asks nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..judges.errors import ConfigError, UnknownNameError
from ..judges.option_reader import Word, annotations_of, plain, typed
from ..tasks.baselines import Baseline
from .request import BASELINE_PREFIX, RunRequest, baseline_of


def is_stand_in(request: RunRequest) -> bool:
    """Say whether nobody is asked: a baseline, or answers that were recorded."""
    return not request.model or baseline_of(request.model) is not None


def model_of(request: RunRequest) -> tuple[Any, dict[str, Any]]:
    """Give what `simple_evaluate` takes: a name with arguments, or a stand-in.

    Raises:
        UnknownNameError: lm-eval has no such model, and we no such baseline.
    """
    from ..tasks.stand_ins import BaselineModel, RecordedModel

    kind = baseline_of(request.model)
    if kind is not None:
        return BaselineModel(kind), {"model": request.model}
    if not request.model:
        name = str(request.model_args.get("model") or _recorded_model(request))
        return RecordedModel(), {"model": name}
    from lm_eval.models import MODEL_MAPPING

    if request.model not in MODEL_MAPPING:
        from lm_eval.api.registry import model_registry

        if request.model not in model_registry:
            baselines = [f"{BASELINE_PREFIX}{kind.value}" for kind in Baseline]
            raise UnknownNameError.among("model", request.model, [*MODEL_MAPPING, *baselines])
    return request.model, dict(request.model_args)


def typed_arguments(model: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give each argument the type that lm-eval's model takes, which is then imported.

    Where the model does not say, or the word is none of it, lm-eval's own reading stands.
    """
    from lm_eval.api.registry import get_model

    try:
        kinds = get_model(model).__mro__
    except ImportError:  # a package is not installed: lm-eval says which
        kinds = ()
    taken: dict[str, Any] = {}
    for kind in reversed(kinds):
        taken |= annotations_of(kind)
    found = {}
    for name, value in arguments.items():
        found[name] = plain(value)
        if isinstance(value, Word) and value and found[name] is not None:
            with contextlib.suppress(ConfigError):
                found[name] = typed(name, value, taken.get(name, Any))
    return found


def device_of(request: RunRequest) -> str | None:
    """Give the device asked for; "cpu" for transformers' models where nothing else is there.

    Without one lm-eval takes "cuda" even where there is none (0.4.13), and transformers fails.
    """
    if request.device is not None or not request.model.startswith(("hf", "huggingface")):
        return request.device
    try:
        import torch
    except ImportError:  # lm-eval says what is missing
        return None
    return None if torch.accelerator.is_available() else "cpu"


def _recorded_model(request: RunRequest) -> str:
    from ..judges.data.answers import read_earlier_answers
    from ..judges.data.columns import Columns

    columns = Columns.read(request.metadata.get("columns"), is_shared=True)
    path = str(request.metadata["responses"])
    recorded = read_earlier_answers(path, request.tasks[0], columns)
    return recorded.model or Path(str(request.metadata["responses"])).name
