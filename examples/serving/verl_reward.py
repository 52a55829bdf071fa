"""verl's `compute_score`, asked of a `rubricbeat serve`.

    custom_reward_function.path=examples/serving/verl_reward.py
    custom_reward_function.name=compute_score
    +custom_reward_function.reward_kwargs.url=http://127.0.0.1:8300
    +custom_reward_function.reward_kwargs.reward=hybrid

`ground_truth` is the row with its rubric, as JSON text or a mapping, or a prompt_id of the server's
`--data`. All reward workers ask one server: its limits and its budget are for all of them, and
nothing is divided by their number.

verl's rate-limited reward manager gives 0.0 for whatever `Exception` a score raises, and after its
time-out, and trains on it. So what is missing here is no `Exception`: `NoRewardError` derives from
`BaseException`, passes every `except Exception`, and ends the run. The time allowed here must be
shorter than verl's `timeout` (300 s), which gives 0.0 too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rubricbeat import fetch_rewards

URL = "http://127.0.0.1:8300"
REWARD = "healthbench"
TIMEOUT_S = 240.0
"""Below the 300 s after which verl's rate-limited manager gives 0.0."""
_THREADS = ThreadPoolExecutor(256, "rubricbeat-client")
"""A request waits in one; the answers of a batch are to be asked about together."""


class NoRewardError(BaseException):
    """An answer has no reward; not an `Exception`, which verl may turn into 0.0."""


def compute_score_sync(
    data_source: str,
    solution_str: str,
    ground_truth: Mapping[str, Any] | str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    url: str = URL,
    reward: str = REWARD,
    timeout_s: float = TIMEOUT_S,
    **more: Any,
) -> dict[str, float]:
    """Give the reward of one answer.

    Raises:
        NoRewardError: It has none, for whatever reason.
    """
    del data_source, extra_info, more
    try:
        [value] = fetch_rewards(
            url, [ground_truth], [solution_str], reward=reward, timeout_s=timeout_s
        )
    except Exception as error:
        raise NoRewardError(f"{type(error).__name__}: {error}") from error
    return {"score": value}


async def compute_score(*values: Any, **named: Any) -> dict[str, float]:
    """Give the same to verl's reward loop, which awaits coroutine functions as they are."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREADS, lambda: compute_score_sync(*values, **named))
