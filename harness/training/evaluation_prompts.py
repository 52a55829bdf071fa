"""The prompts that a run is evaluated by: whoever trains on them measures what was learnt by heart.

A task of lm-eval names its rows itself, so nobody has to write them into `data.evaluation` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from ...judges.rubric import Example
from ...tasks.folder import tasks_folder


def evaluation_prompts(tasks: Sequence[str]) -> list[Example]:
    """Read what some tasks ask, from where they will read it.

    Tasks in which the policy judges and does not answer are left out.

    Raises:
        ConfigError: The rows of a task are not there: it would fail at the first checkpoint.
    """
    from ...tasks.settings import TaskSettings
    from ...tasks.sources import load_task_data

    asked: list[Example] = []
    for task in tasks:
        subset = _metadata(task).get("subset")
        if subset is not None:
            settings = TaskSettings.from_metadata({"subset": subset})
            asked.extend(load_task_data(task, settings).examples)
    return asked


class _PlainLoader(yaml.SafeLoader):
    """Reads a task's YAML without looking up the Python names in it."""


_PlainLoader.add_multi_constructor("!", lambda loader, suffix, node: None)


def _metadata(task: str) -> dict[str, Any]:
    path = tasks_folder() / f"{task}.yaml"
    plain = yaml.load(path.read_text(encoding="utf-8"), _PlainLoader)
    return dict(plain.get("metadata") or {})
