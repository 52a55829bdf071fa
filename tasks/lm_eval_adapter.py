"""What tasks need of lm-eval without importing it: the call, the ranks, a prompt's form, names."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from ..judges.data.conversations import chat_turns
from ..judges.rubric import Example, Message

T = TypeVar("T")
ROLE_NAMES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def call_options() -> dict[str, object]:
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
    values = [value] * dist.get_world_size()
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
        instruction, turns = f"{instruction}\n\n{turns[0].content}", turns[1:]
    return dataclasses.replace(example, prompt=(Message("system", instruction), *turns))


def render(turns: Sequence[Message], chat_template: Callable[..., object] | None) -> object:
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
        comments = takewhile(lambda line: line.startswith("#"), lines)
        comment = " ".join(line.lstrip("# ") for line in comments)
        abouts[name] = f"{comment} ".partition(". ")[0].rstrip()
    return abouts
