"""Tell lm-eval which metrics a task has, and that their values come from us.

lm-eval computes a metric from a value of each document. Ours are made of all documents at once (a
bootstrap, an audit), so one key of the documents carries what they hold, its "aggregation" takes
them in, and every metric then only asks for its value.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from ..judges.data.conversations import chat_turns
from ..judges.rubric import Example, Message
from .metrics import Metric

T = TypeVar("T")
ROLE_NAMES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def register_metrics(
    task: Any,
    metrics: Sequence[Metric],
    *,
    documents_key: str,
    take_documents: Callable[[Sequence[Any]], Any],
    value_of: Callable[[str, Sequence[Any]], Any],
) -> None:
    """Register metrics with a task whose own `__init__` has run.

    Args:
        task: A `ConfigurableTask`.
        metrics: In the order of the table.
        documents_key: Key of `process_results` that carries what a document holds.
        take_documents: Called once with what all documents hold, before any value is asked for.
        value_of: Gives a metric's value by its name; what the documents hold of it is ignored.
    """
    # the names are lm-eval's (0.4.13)
    task._config.metric_list = [
        {"metric": m.name, "aggregation": "rubricbeat", "higher_is_better": m.higher_is_better}
        for m in metrics
    ]
    for metric in metrics:
        task._metric_fn_list[metric.name] = None
        task._metric_fn_kwargs[metric.name] = {}
        task._aggregation_list[metric.name] = partial(value_of, metric.name)
        task._higher_is_better[metric.name] = metric.higher_is_better
    task._aggregation_list[documents_key] = take_documents
    task._higher_is_better[documents_key] = None


def call_options() -> dict[str, Any]:
    """Give the arguments of the `simple_evaluate` that is running; empty outside of one.

    lm-eval tells a task neither which model answers nor whether samples are written (0.4.13).
    """
    frame = inspect.currentframe()
    while frame is not None:
        here = frame.f_globals.get("__name__"), frame.f_code.co_name
        if here == ("lm_eval.evaluator", "simple_evaluate"):
            return dict(frame.f_locals)
        frame = frame.f_back
    return {}


def is_spare(world_size: int) -> bool:
    """Say whether this process repeats the work of another one, and its results are dropped.

    Under tensor parallelism (`torchrun`), and under `accelerate launch` without GPUs, every
    process has every document; lm-eval keeps what the first of a machine says (0.4.13). Only that
    one may ask the judge, or each verdict would be paid for once a process.
    """
    return world_size < 2 and os.environ.get("LOCAL_RANK", "0") != "0"


def gathered(value: T, world_size: int) -> list[T]:
    """Give the values of all ranks, in their order; every rank must call it.

    Args:
        value: Of this rank; it must pickle.
        world_size: As lm-eval says it.
    """
    if world_size < 2:
        return [value]
    import torch.distributed as dist

    # a model of several ranks without a process group gathers in its own way: each for itself then
    if not dist.is_available() or not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def with_instruction(example: Example, instruction: str | None) -> Example:
    """Put a run's system instruction before the document's own system turn.

    One system turn results: many chat templates refuse two. The judge sees the same conversation
    as the model did (method sheet, section 7).
    """
    if not instruction:
        return example
    turns = example.prompt
    if turns and turns[0].role == "system":
        merged = Message("system", f"{instruction}\n\n{turns[0].content}")
        return dataclasses.replace(example, prompt=(merged, *turns[1:]))
    return dataclasses.replace(example, prompt=(Message("system", instruction), *turns))


def render(turns: Sequence[Message], chat_template: Callable[..., Any] | None) -> Any:
    """Give what is sent: the template's own form, or plain text for a model without one."""
    if chat_template is not None:
        return chat_template(chat_turns(turns), add_generation_prompt=True)
    shown = [f"{ROLE_NAMES.get(turn.role, turn.role)}: {turn.content}" for turn in turns]
    return "\n\n".join([*shown, "Assistant:"])


def tasks_folder() -> Path:
    """Give the folder that lm-eval's `--include_path` takes."""
    return Path(__file__).resolve().parent / "definitions"


def task_names() -> list[str]:
    """List the tasks of this package: each has a file of its name."""
    return sorted(path.stem for path in tasks_folder().glob("*.yaml"))


def task_abouts() -> dict[str, str]:
    """Say of each task what it is: the first sentence of the comment that opens its file."""
    abouts = {}
    for name in task_names():
        lines = (tasks_folder() / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        comment = " ".join(line.lstrip("# ") for line in takewhile(_is_comment, lines))
        abouts[name] = f"{comment} ".partition(". ")[0].rstrip()
    return abouts


def _is_comment(line: str) -> bool:
    return line.startswith("#")
