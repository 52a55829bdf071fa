"""OpenRLHF's `reward_func`, asked of a `rubricbeat serve`; or no file at all.

Without a file, OpenRLHF posts to the server by itself (older versions: --remote_rm_url):

    --reward.remote_url http://127.0.0.1:8300/v1/openrlhf

A token goes into the address, which OpenRLHF sends as Basic: http://any:TOKEN@host:8300/v1/openrlhf.
It tries five times and then stops, so that a missing verdict ends the run and is never a number.
With this file the tries, the waits and the time are the client's:

    --reward.remote_url examples/serving/openrlhf_reward.py

`labels` are rows with rubrics as JSON text, or prompt_ids of the server's `--data`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rubricbeat.harness.serving.client import ServingError, post

URL = os.environ.get("RUBRICBEAT_URL", "http://127.0.0.1:8300")


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str], **more: Any
) -> dict[str, Any]:
    """Give the server's first reward of each answer.

    Raises:
        ServingError: One is missing, or the server cannot be reached.
    """
    import torch

    del more
    body = {"query": list(queries), "prompts": list(prompts), "labels": list(labels)}
    status, reply = post(URL, "/v1/openrlhf", body)
    if status != 200:
        raise ServingError(str(reply["error"]["message"]), status, reply["error"]["code"])
    return {
        "rewards": torch.tensor(reply["rewards"]),
        "scores": torch.tensor(reply["scores"]),
        "extra_logs": {name: torch.tensor(v) for name, v in reply["extra_logs"].items()},
    }
