"""A NeMo-Gym resources server whose `verify` asks a `rubricbeat serve`.

Rows of the data carry `rubric_row`, the row with its rubric or a prompt_id of the server's
`--data`, beside `responses_create_params`. What is missing is NeMo-Gym's own `JudgeError`: the
rollout goes to the failures file, counts in no metric, and is tried again on resume.
"""

from __future__ import annotations

import asyncio
from typing import Any

from nemo_gym.base_resources_server import (  # type: ignore[import-not-found]  # not ours
    BaseResourcesServerConfig,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)
from nemo_gym.judge import JudgeError  # type: ignore[import-not-found]  # not ours

from rubricbeat import fetch_rewards


class RubricConfig(BaseResourcesServerConfig):
    """Where to ask, and for what."""

    url: str = "http://127.0.0.1:8300"
    reward: str = "healthbench"


class RubricVerifyRequest(BaseVerifyRequest):
    """A rollout with its rubric."""

    rubric_row: dict[str, Any] | str


class RubricServer(SimpleResourcesServer):
    """Gives each rollout the reward of its rubric."""

    config: RubricConfig

    async def verify(self, body: RubricVerifyRequest) -> BaseVerifyResponse:
        """Give the reward of one rollout.

        Raises:
            JudgeError: It is missing, or the server cannot be reached.
        """
        try:
            [value] = await asyncio.to_thread(
                fetch_rewards,
                self.config.url,
                [body.rubric_row],
                [answer_of(body.model_dump()["response"])],
                reward=self.config.reward,
            )
        except Exception as error:
            raise JudgeError(f"{type(error).__name__}: {error}") from error
        return BaseVerifyResponse(**body.model_dump(), reward=value)


def answer_of(response: dict[str, Any]) -> str | None:
    """Give the text of the last message of a response; None where there is none."""
    messages = [one for one in response.get("output", []) if one.get("type") == "message"]
    if not messages:
        return None
    parts = messages[-1]["content"]
    return "".join(part["text"] for part in parts if part.get("type") == "output_text")


if __name__ == "__main__":
    RubricServer.run_webserver()
