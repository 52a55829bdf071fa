"""A mix-in for tasks of verifiers (0.4, the v1 API) that asks a `rubricbeat serve`.

    class HeartData(vf.TaskData):
        rubric_row: dict        # the row with its rubric, or a prompt_id of the server's --data

    class HeartTask(ServedRubric, vf.Task[HeartData]):
        rubric_reward = "hybrid"

A missing verdict raises: verifiers records a failed rollout, whose reward is None. `trace.reward`
says 0.0 all the same: read `trace.ok`. `trace.info["rubric_missing"]` says why.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import verifiers.v1 as vf  # type: ignore[import-not-found]  # takes an environment of its own

from rubricbeat import ServingError, fetch_rewards


class ServedRubric:
    """Gives a task the reward `rubric`."""

    rubric_url: ClassVar[str] = "http://127.0.0.1:8300"
    rubric_reward: ClassVar[str] = "healthbench"
    """One of the server's `--rewards`."""

    @vf.reward  # type: ignore[misc]  # untyped here
    async def rubric(self, trace: Any) -> float:
        """Give the reward of what was answered last.

        Raises:
            ServingError: It is missing, or the server cannot be reached.
        """
        data = self.data  # type: ignore[attr-defined]  # of vf.Task, which this is mixed into
        try:
            [value] = await asyncio.to_thread(
                fetch_rewards,
                self.rubric_url,
                [data.rubric_row],
                [trace.last_reply],
                reward=self.rubric_reward,
            )
        except ServingError as error:
            trace.info["rubric_missing"] = str(error)
            raise
        return value
