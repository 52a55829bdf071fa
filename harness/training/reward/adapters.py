"""Our reward for other trainers: verl, verifiers and OpenRLHF, with missing verdicts told.

None of the three can mask an answer as TRL does, so each function says what it makes of a missing
verdict. A wrong 0 trains the policy: where a function offers it and the trainer lets it through,
`on_missing="raise"` stops the run instead. Signatures are those of verl's reward loop
(NaiveRewardManager), verifiers' v1 tasks (0.4) and OpenRLHF's examples/python/reward_func.py as
published by November 2026.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ....judges.data.examples import example_from_row
from ....judges.errors import ConfigError, OutageError
from ....judges.rubric import Example
from .reward import RubricReward

ON_MISSING = ("fallback", "raise")
END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>", "<eos>")
"""Ends of a turn in common chat templates."""


def verl_compute_score(
    reward: RubricReward, *, fallback: float | None = None, on_missing: str = "fallback"
) -> Callable[..., dict[str, float]]:
    """Make verl's `compute_score(data_source, solution_str, ground_truth, extra_info)`.

    `ground_truth` holds the example: a row of ours as a mapping or as JSON. verl calls it from
    several threads at once; `verl_compute_score_async` asks the judge about more answers at a time.

    A missing verdict: verl needs a number and has no mask. The score is `fallback`, by default
    the mean of the scores given so far (0 before the first), and the result carries
    `is_scored: 0.0`, which verl logs and a filter can read. With `on_missing="raise"` it raises
    instead. Prefer batches small enough to see `is_scored` fall.
    """
    score = _verl(reward, fallback, on_missing)

    def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: Mapping[str, Any] | str,
        extra_info: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, float]:
        del data_source, extra_info, more
        batch = reward.score(None, [solution_str], [_example(ground_truth)])
        return score(batch.unmasked[0])

    return compute_score


def verl_compute_score_async(
    reward: RubricReward, *, fallback: float | None = None, on_missing: str = "fallback"
) -> Callable[..., Awaitable[dict[str, float]]]:
    """Make the same as a coroutine function, which verl's reward loop awaits as it is."""
    score = _verl(reward, fallback, on_missing)

    async def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: Mapping[str, Any] | str,
        extra_info: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, float]:
        del data_source, extra_info, more
        batch = await reward.score_async([solution_str], [_example(ground_truth)])
        return score(batch.unmasked[0])

    return compute_score


def verifiers_reward(
    reward: RubricReward, *, fallback: float = 0.0, on_missing: str = "raise"
) -> Callable[..., Awaitable[float]]:
    """Make a reward function for verifiers' v1 tasks: async, of a task and its trace.

    Put it into the task's class, or name it among the `rewards` of its configuration:

        class RubricData(vf.TaskData):
            rubric_row: dict

        class RubricTask(vf.Task[RubricData]):
            rubric = vf.reward(verifiers_reward(reward))

    `rubric_row` or `answer` of the task's data holds the example, as a mapping or as JSON; what is
    judged is `trace.last_reply`.

    A missing verdict: by default we raise, and verifiers records a rollout that failed, whose
    reward is None (its `trace.reward` says 0.0 of it all the same: read `trace.ok`). With
    `on_missing="fallback"` the answer gets `fallback`. Either way `trace.info["rubric_scored"]`
    says whether it was scored.
    """
    _check(on_missing)

    async def rubric_reward(task: Any, trace: Any) -> float:
        # as a method it is given the task, as a configured function the task's data
        row = _row(getattr(task, "data", task))
        batch = await reward.score_async([trace.last_reply], [_example(row)])
        value = batch.unmasked[0]
        trace.info["rubric_scored"] = value is not None
        if value is None:
            _maybe_raise(on_missing)
            return fallback
        return value

    return rubric_reward


def openrlhf_reward(
    reward: RubricReward,
    *,
    on_missing: str = "fallback",
    end_tokens: Sequence[str] = END_TOKENS,
) -> Callable[..., dict[str, Any]]:
    """Make OpenRLHF's `reward_func(queries, prompts, labels)`.

    `labels` hold the examples, as JSON rows; `queries` hold prompt and answer in one text, with
    the special tokens, so `end_tokens` are cut off its end before it is judged. `rewards` are as
    they are; `scores`, which OpenRLHF filters prompts by, are brought to [0, 1].

    A missing verdict: OpenRLHF needs a tensor without NaN. The answer gets the mean of the scored
    answers of its own prompt, so that its advantage is 0 under group baselines, which is what
    masking does; without any, the mean of the batch. `extra_logs.is_scored` tells how many were
    scored. With `on_missing="raise"`, or when nothing of the batch was scored, it raises.
    """
    _check(on_missing)

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str], **more: Any
    ) -> dict[str, Any]:
        import torch

        del more
        answers = [
            _without_end(_after_prompt(query, prompt, place), end_tokens)
            for place, (query, prompt) in enumerate(zip(queries, prompts, strict=True))
        ]
        examples = list(map(_example, labels))
        values = reward.score(None, answers, examples).unmasked
        if None in values:
            _maybe_raise(on_missing)
        filled = _fill_with_group_mean(values, [example.prompt_id for example in examples])
        scored = torch.tensor([float(value is not None) for value in values])
        shares = torch.tensor([_share(value, reward.range) for value in filled])
        return {
            "rewards": torch.tensor(filled),
            "scores": shares,
            "extra_logs": {"is_scored": scored},
        }

    return reward_func


def _verl(
    reward: RubricReward, fallback: float | None, on_missing: str
) -> Callable[[float | None], dict[str, float]]:
    _check(on_missing)
    seen: list[float] = []

    def score(value: float | None) -> dict[str, float]:
        if value is None:
            _maybe_raise(on_missing)
            neutral = _mean(seen) if seen else 0.0
            return {"score": neutral if fallback is None else fallback, "is_scored": 0.0}
        seen.append(value)
        return {"score": value, "is_scored": 1.0}

    return score


def _row(data: Any) -> Mapping[str, Any] | str:
    row = getattr(data, "rubric_row", None) or getattr(data, "answer", None)
    if row is None:
        raise ConfigError("the task's data needs rubric_row, a row of judges/data/examples.py")
    found: Mapping[str, Any] | str = row
    return found


def _after_prompt(query: str, prompt: str, place: int) -> str:
    """Give the answer of a query; a tokenizer may have put a mark before the prompt.

    Raises:
        ConfigError: The prompt is not in it: the judge would read it as part of the answer.
    """
    if prompt not in query:
        raise ConfigError(
            f"query {place} does not hold its prompt, so that its answer cannot be told; give "
            "OpenRLHF prompts that its tokenizer gives back as they are"
        )
    return query[query.index(prompt) + len(prompt) :]


def _without_end(text: str, end_tokens: Sequence[str]) -> str:
    """Cut special tokens off the end: a judge must not read them as part of the answer."""
    while True:
        text = text.rstrip()
        end = next((token for token in end_tokens if text.endswith(token)), None)
        if end is None:
            return text
        text = text.removesuffix(end)


def _share(value: float, ends: tuple[float, float]) -> float:
    """Bring a reward to [0, 1]: by its range where that is finite, else as it is, clipped."""
    low, high = ends
    share = (value - low) / (high - low) if math.isfinite(low) and math.isfinite(high) else value
    return min(1.0, max(0.0, share))


def _fill_with_group_mean(values: Sequence[float | None], prompt_ids: Sequence[str]) -> list[float]:
    known = [value for value in values if value is not None]
    if not known:
        raise OutageError("no answer of the batch got a reward; see the judge's ledger")
    of_prompt: dict[str, list[float]] = {}
    for value, prompt_id in zip(values, prompt_ids, strict=True):
        if value is not None:
            of_prompt.setdefault(prompt_id, []).append(value)
    return [
        value if value is not None else _mean(of_prompt.get(prompt_id, known))
        for value, prompt_id in zip(values, prompt_ids, strict=True)
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _example(row: Mapping[str, Any] | str) -> Example:
    plain = json.loads(row) if isinstance(row, str) else row
    return example_from_row(plain, where="the row given by the trainer")


def _check(on_missing: str) -> None:
    if on_missing not in ON_MISSING:
        raise ConfigError(f"on_missing must be one of {', '.join(ON_MISSING)}, not {on_missing!r}")


def _maybe_raise(on_missing: str) -> None:
    if on_missing == "raise":
        raise OutageError("an answer got no reward: verdicts are missing (on_missing='raise')")
