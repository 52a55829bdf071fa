"""What answers in an evaluation: one of lm-eval's models, or a stand-in that asks nobody."""

from __future__ import annotations

import contextlib
import difflib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...judges.errors import ConfigError, UnknownNameError
from ...judges.options.reader import Word, annotations_of, plain, typed
from ...tasks.lm_eval_adapter import task_names, tasks_folder
from ...tasks.models import BASELINE_PREFIX, Baseline
from ...tasks.settings import TaskSettings
from .request import RunRequest, baseline_of


def is_stand_in(request: RunRequest) -> bool:
    """Say whether nobody is asked: a baseline, or answers that were recorded."""
    return not request.model or baseline_of(request.model) is not None


def model_of(request: RunRequest) -> tuple[Any, dict[str, object]]:
    """Give what `simple_evaluate` takes: a name with arguments, or a stand-in.

    Raises:
        UnknownNameError: lm-eval has no such model, and we no such baseline.
    """
    from ...tasks.models import BaselineModel, StandIn

    kind = baseline_of(request.model)
    if kind is not None:
        return BaselineModel(kind), {"model": request.model}
    if not request.model:
        name = str(request.model_args.get("model") or _recorded_model(request))
        return StandIn(), {"model": name}
    from lm_eval.models import MODEL_MAPPING

    if request.model not in MODEL_MAPPING:
        from lm_eval.api.registry import model_registry

        if request.model not in model_registry:
            baselines = [f"{BASELINE_PREFIX}{kind.value}" for kind in Baseline]
            raise UnknownNameError.among("model", request.model, [*MODEL_MAPPING, *baselines])
    return request.model, dict(request.model_args)


def typed_arguments(model: str, arguments: Mapping[str, object]) -> dict[str, object]:
    """Give each argument the type that lm-eval's model takes, which is then imported.

    Where the model does not say, or the word is none of it, lm-eval's own reading stands.
    """
    from lm_eval.api.registry import get_model

    try:
        kinds = get_model(model).__mro__
    except ImportError:  # a package is not installed: lm-eval says which
        kinds = ()
    taken: dict[str, object] = {}
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
    from ...judges.data.answers import read_earlier_answers

    settings = TaskSettings.from_metadata(request.metadata)
    path = str(settings.responses)
    recorded = read_earlier_answers(path, request.tasks[0], settings.columns)
    return recorded.model or Path(path).name


def task_manager(request: RunRequest) -> Any:
    """Index our tasks, and lm-eval's own only when another task is asked for: that takes 5 s.

    Raises:
        UnknownNameError: No task of a name that was asked for.
    """
    from lm_eval.tasks import TaskManager

    paths = [str(tasks_folder()), *([request.include_path] if request.include_path else [])]
    metadata = {**request.model_args, **request.metadata}
    manager = TaskManager(include_path=paths, include_defaults=False, metadata=metadata)
    missing = [name for name in request.tasks if not manager.match_tasks([name])]
    if not missing:
        return manager
    for name in missing:  # no task of lm-eval is spelt nearly as one of ours
        if difflib.get_close_matches(name, task_names(), n=1, cutoff=0.85):
            raise UnknownNameError.among("task", name, task_names())
    more = [path for path in paths if path != str(tasks_folder()) or not _is_indexed()]
    manager = TaskManager(include_path=more or None, metadata=metadata)
    for name in request.tasks:
        if not manager.match_tasks([name]):
            raise UnknownNameError.among("task", name, _near_tasks(name, manager.all_tasks))
    return manager


def load_tasks(manager: Any, request: RunRequest) -> list[Any]:
    """Read the rows of the tasks and open their judges.

    Raises:
        ConfigError: Data or judge are not there, or not as asked for.
    """
    names = [found for name in request.tasks for found in manager.match_tasks([name])]
    with _said_already(request):
        loaded = manager.load(list(dict.fromkeys(names)))
    if loaded.get("groups"):
        return names
    tasks = list(loaded["tasks"].values())
    _require_samples(request, tasks)
    if not request.predict_only:
        for task in tasks:
            if hasattr(task, "open_judge"):
                task.set_fewshot_seed(request.seeds[-1])
                task.open_judge()
    return tasks


def _require_samples(request: RunRequest, tasks: list[Any]) -> None:
    """Refuse rows that are not there, and tasks that are not run: lm-eval takes every row then."""
    if not request.samples:
        return
    n_rows = {str(task.config.task): len(task.eval_docs) for task in tasks}
    for name, rows in request.samples.items():
        if name not in n_rows:
            raise UnknownNameError.among("task in --samples", name, n_rows)
        if max(rows) >= n_rows[name]:
            raise ConfigError(
                f"--samples: {name} has no row {max(rows)}; the last of its {n_rows[name]} rows "
                f"is {n_rows[name] - 1}"
            )


@contextlib.contextmanager
def _said_already(request: RunRequest) -> Iterator[None]:
    """Keep the baselines from repeating what the model's own run said of the data."""
    ours = logging.getLogger("rubricbeat")
    level = ours.level
    if request.with_baselines and baseline_of(request.model):
        ours.setLevel(logging.ERROR)
    try:
        yield
    finally:
        ours.setLevel(level)


def _is_indexed() -> bool:
    """Say whether lm-eval's own folder holds our stubs, as it does beside an installed wheel."""
    import lm_eval.tasks

    return (Path(lm_eval.tasks.__file__).parent / "rubricbeat").is_dir()


def _near_tasks(name: str, known: list[str]) -> list[str]:
    """Offer ours where nothing is near: lm-eval's own list has 14,000 names."""
    return difflib.get_close_matches(name, known, n=3, cutoff=0.6) or task_names()
