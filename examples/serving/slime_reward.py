"""slime's custom reward, asked of a `rubricbeat serve`; or no file at all.

Without a file, slime posts prompt, response and label to the server by itself, ten times where one
is missing, and raises after that:

    --rm-type remote_rm --rm-url http://127.0.0.1:8300/v1/slime

With this file the answers of a group are asked about in one request, with their row once:

    --custom-rm-path examples.serving.slime_reward.reward_func --group-rm
    --rm-url http://127.0.0.1:8300

`label` is the row with its rubric as JSON text, or a prompt_id of the server's `--data`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from rubricbeat import fetch_rewards

REWARD = "healthbench"


async def reward_func(args: Any, samples: Any, **more: Any) -> Any:
    """Give the reward of a sample, or of each of a group (`--group-rm`).

    Raises:
        ServingError: One is missing, or the server cannot be reached.
    """
    del more
    group: Sequence[Any] = samples if isinstance(samples, list | tuple) else [samples]
    rows = [sample.label for sample in group]
    texts = [sample.response for sample in group]
    values = await asyncio.to_thread(fetch_rewards, args.rm_url, rows, texts, reward=REWARD)
    return values if isinstance(samples, list | tuple) else values[0]
