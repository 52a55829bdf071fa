"""Our reward for other trainers: verl, verifiers and OpenRLHF, with missing verdicts told.

None of the three can mask an answer as TRL does, and a wrong 0 trains the policy: each function
says what it makes of a missing verdict, and `on_missing="raise"` stops the run instead. Copy this
file beside your own and import it. Signatures are those of verl's reward loop (NaiveRewardManager),
verifiers' v1 tasks (0.4) and OpenRLHF's examples/python/reward_func.py as published by November
2026.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from rubricbeat.harness.serving.forms import END_TOKENS, NO_PROMPT, answer_in, unit_share
from rubricbeat.harness.training.reward.batch import mean_of
from rubricbeat.harness.training.reward.graders import share_limits
from rubricbeat.harness.training.reward.reward import RubricReward, finished
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.engine.options import RuntimeOptions
from rubricbeat.judges.errors import ConfigError, OutageError
from rubricbeat.judges.rubric import Example

Row = Mapping[str, Any] | str
"""An example as a row of judges/data/examples.py, as a mapping or as JSON."""


class NoRewardError(BaseException):
    """An answer has no reward; no `Exception`: verl's rate-limited manager makes 0.0 of those."""


def for_worker(judge: str | Mapping[str, Any], n_workers: int) -> dict[str, Any]:
    """Give a judge's options with the share of its limits that one of so many workers may use.

    verl starts `reward.num_workers` processes, and each builds a judge of its own: calls in flight,
    rates, `max_calls` and `max_cost` are for all of them together.
    """
    mine, rest = RuntimeOptions.split({"name": judge} if isinstance(judge, str) else judge)
    # the last one's share: what does not divide goes to the first ones
    own = share_limits(RuntimeOptions.from_mapping(mine), n_workers, n_workers - 1)
    limits = ("max_concurrency", "requests_per_minute", "tokens_per_minute", "max_calls")
    shared = {name: getattr(own, name) for name in (*limits, "max_cost")}
    return {**rest, **mine, **{name: value for name, value in shared.items() if value is not None}}


def verl_compute_score(
    reward: RubricReward, *, fallback: float | None = None, on_missing: str = "fallback"
) -> Callable[..., dict[str, float]]:
    """Make verl's `compute_score(data_source, solution_str, ground_truth, extra_info)`.

    `ground_truth` holds the example. verl calls it from several threads at once; the coroutine
    function of `verl_compute_score_async` has the judge asked about more answers at a time. A
    missing verdict gives `fallback`, by default the mean of the scores given so far, and
    `is_scored: 0.0`, which verl logs and a filter can read; before the first score, and for every
    fault, it raises `NoRewardError`, which ends the run. The judge of each reward worker takes its
    options from `for_worker`.
    """
    score = verl_compute_score_async(reward, fallback=fallback, on_missing=on_missing)

    def compute_score(*values: Any, **named: Any) -> dict[str, float]:
        return finished(score(*values, **named))

    return compute_score


def verl_compute_score_async(
    reward: RubricReward, *, fallback: float | None = None, on_missing: str = "fallback"
) -> Callable[..., Coroutine[Any, Any, dict[str, float]]]:
    """Make the same as a coroutine function, which verl's reward loop awaits as it is."""
    _check(on_missing)
    seen: list[float] = []

    async def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: Row,
        extra_info: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, float]:
        del data_source, extra_info, more
        try:
            [value] = (await reward.score_async([solution_str], [_example(ground_truth)])).unmasked
            if value is not None:
                seen.append(value)
                return {"score": value, "is_scored": 1.0}
            _maybe_raise(on_missing)
        except Exception as error:
            raise NoRewardError(f"{type(error).__name__}: {error}") from error
        neutral = mean_of(seen) if fallback is None else fallback
        if neutral is None:
            raise NoRewardError("the first answer has no reward: verdicts are missing")
        return {"score": neutral, "is_scored": 0.0}

    return compute_score


def verifiers_reward(
    reward: RubricReward, *, fallback: float = 0.0, on_missing: str = "raise"
) -> Callable[..., Awaitable[float]]:
    """Make a reward function for verifiers' v1 tasks: async, of a task and its trace.

    Put it into the task's class, `rubric = vf.reward(verifiers_reward(reward))`, or name it among
    the `rewards` of its configuration. `rubric_row` or `answer` of the task's data holds the
    example; what is judged is `trace.last_reply`. A missing verdict raises, and verifiers records
    a failed rollout, whose reward is None (`trace.reward` says 0.0 all the same: read `trace.ok`),
    or gives `fallback`. Either way `trace.info["rubric_scored"]` says whether it was scored.
    """
    _check(on_missing)

    async def rubric_reward(task: Any, trace: Any) -> float:
        # as a method it is given the task, as a configured function the task's data
        data = getattr(task, "data", task)
        row = getattr(data, "rubric_row", None) or getattr(data, "answer", None)
        if row is None:
            raise ConfigError("the task's data needs rubric_row, a row of judges/data/examples.py")
        [value] = (await reward.score_async([trace.last_reply], [_example(row)])).unmasked
        trace.info["rubric_scored"] = value is not None
        if value is None:
            _maybe_raise(on_missing)
        return fallback if value is None else value

    return rubric_reward


def openrlhf_reward(
    reward: RubricReward,
    *,
    on_missing: str = "fallback",
    end_tokens: Sequence[str] = END_TOKENS,
) -> Callable[..., dict[str, Any]]:
    """Make OpenRLHF's `reward_func(queries, prompts, labels)`.

    `labels` hold the examples; `queries` hold prompt and answer in one text, with the special
    tokens, so `end_tokens` are cut off its end before it is judged. `rewards` are as they are;
    `scores`, which OpenRLHF filters prompts by, are brought to [0, 1]. An answer with a missing
    verdict gets the mean of the scored answers of its own prompt, so that its advantage is 0 under
    group baselines, which is what masking does; without any, the mean of the batch.
    `extra_logs.is_scored` tells how many were scored. When none was, it raises.
    """
    _check(on_missing)

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str], **more: Any
    ) -> dict[str, Any]:
        import torch

        del more
        answers = [
            _answer(query, prompt, place, end_tokens)
            for place, (query, prompt) in enumerate(zip(queries, prompts, strict=True))
        ]
        examples = list(map(_example, labels))
        values = reward.score(None, answers, examples).unmasked
        if None in values:
            _maybe_raise(on_missing)
        filled = _fill_with_group_mean(values, [example.prompt_id for example in examples])
        return {
            "rewards": torch.tensor(filled),
            "scores": torch.tensor([unit_share(value, reward.range) for value in filled]),
            "extra_logs": {
                "is_scored": torch.tensor([float(value is not None) for value in values])
            },
        }

    return reward_func


def _answer(query: str, prompt: str, place: int, end_tokens: Sequence[str]) -> str:
    answer = answer_in(query, prompt, end_tokens)
    if answer is None:
        raise ConfigError(f"query {place} {NO_PROMPT}")
    return answer


def _fill_with_group_mean(values: Sequence[float | None], prompt_ids: Sequence[str]) -> list[float]:
    everyone = mean_of(values)
    if everyone is None:
        raise OutageError("no answer of the batch got a reward; see the judge's ledger")
    pairs = list(zip(values, prompt_ids, strict=True))
    means = {of: mean_of(value for value, one in pairs if one == of) for of in set(prompt_ids)}
    filled = [(value, means[of], everyone) for value, of in pairs]
    return [next(one for one in tried if one is not None) for tried in filled]


def _example(row: Row) -> Example:
    plain = json.loads(row) if isinstance(row, str) else row
    return example_from_row(plain, where="the row given by the trainer")


def _check(on_missing: str) -> None:
    if on_missing not in {"fallback", "raise"}:
        raise ConfigError(f"on_missing must be one of fallback, raise, not {on_missing!r}")


def _maybe_raise(on_missing: str) -> None:
    if on_missing == "raise":
        raise OutageError("an answer got no reward: verdicts are missing (on_missing='raise')")
