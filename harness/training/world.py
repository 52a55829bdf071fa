"""How many processes train together, and each one's share of the judge.

An endpoint's limits are the user's, not a process's: eight processes with 64 calls in flight each
would be 512.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...judges.runtime_options import RuntimeOptions
from ...judges.sharing import shares_of


def world_size() -> int:
    """Give the number of processes, as accelerate and torchrun announce it."""
    return max(1, int(os.environ.get("WORLD_SIZE", "1")))


def rank() -> int:
    """Give this process's number, 0 for the one that writes."""
    return int(os.environ.get("RANK", "0"))


def gather(value: Any) -> list[Any]:
    """Give the value of every process; a collective call, in the same order everywhere."""
    if world_size() == 1:
        return [value]
    from accelerate.utils import gather_object  # type: ignore[import-untyped]  # it has none

    gathered: list[Any] = gather_object([value])
    return gathered


def share_limits(options: RuntimeOptions, n_processes: int, number: int) -> RuntimeOptions:
    """Give one process its part of a judge's limits.

    Each may have one call in flight and make one call, however little there is to share: a run
    that has its weights loaded must not end for want of it.

    Args:
        options: Those of the judge, for all processes together.
        n_processes: The world size.
        number: Of this process, from 0.
    """
    if n_processes == 1:
        return options
    calls = options.max_calls
    whole = replace(
        options,
        max_concurrency=max(options.max_concurrency, n_processes),
        max_calls=None if calls is None else max(calls, n_processes),
    )
    return replace(whole, **shares_of(whole, n_processes)[number])


def accelerate_folder() -> Path:
    """Give the folder of the accelerate configurations this package ships."""
    return Path(str(files(__package__).joinpath("accelerate")))
