"""The requests of trainers that speak a form of their own, as published by November 2026.

OpenRLHF's `--reward.remote_url` and slime's `--rm-type remote_rm` post what they have and read
numbers. Their forms have no place for a missing verdict: it is an error of HTTP there, which both
try again and then stop at. The judge's store makes that cheap: only what is missing is asked again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...judges.answer import Answer
from ...judges.rewards import Reward
from .service import Service
from .wire import RequestError, ScoreRequest, example_of, require_few

END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>", "<eos>")
"""Ends of a turn in common chat templates: they are no part of an answer."""
NO_PROMPT = (
    "does not contain its prompt, so the answer cannot be separated; give OpenRLHF prompts that "
    "its tokenizer reproduces exactly"
)
"""What is said of a query whose answer cannot be told from its prompt."""


async def score_openrlhf(plain: object, service: Service) -> dict[str, object]:
    """Answer OpenRLHF: `query` and `prompts` are texts, `labels` rows or prompt_ids.

    `rewards` are as they are; `scores`, which it filters prompts by, are brought to [0, 1].

    Raises:
        RequestError: The lists do not fit, a query does not hold its prompt, or a reward is
            missing.
    """
    fields = _fields(plain, ("query", "prompts", "labels"))
    queries, prompts, labels = (fields[name] for name in ("query", "prompts", "labels"))
    if not len(queries) == len(prompts) == len(labels):
        raise RequestError(
            f"query, prompts and labels differ in length: {len(queries)}, {len(prompts)}, "
            f"{len(labels)}"
        )
    require_few(len(queries), service.offer)
    answers = [
        Answer(example_of(label, f"labels[{place}]", service.offer), _asked(query, prompt, place))
        for place, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True))
    ]
    reward = service.offer.first
    values = await _rewards(answers, reward, service)
    return {
        "rewards": values,
        "scores": [unit_share(value, reward.range) for value in values],
        "extra_logs": {"is_scored": [1.0] * len(values)},
    }


async def score_slime(plain: object, service: Service) -> float:
    """Answer slime: one `response`, whose `label` is a row or a prompt_id; a number comes back.

    Raises:
        RequestError: A field is missing or wrong, or the reward is missing.
    """
    if not isinstance(plain, Mapping) or "label" not in plain:
        raise RequestError("give an object with prompt, response and label")
    text = plain.get("response")
    if not isinstance(text, str):
        raise RequestError("response: give the text of the answer")
    example = example_of(plain["label"], "label", service.offer)
    answer = Answer(example, without_end(text))
    return (await _rewards([answer], service.offer.first, service))[0]


async def _rewards(answers: Sequence[Answer], reward: Reward, service: Service) -> list[float]:
    request = ScoreRequest(tuple(answers), (1,) * len(answers), (reward,))
    scored = await service.score(request)
    values = scored.rewards[reward.name]
    known = [value for value in values if value is not None]
    if not scored.is_complete or len(known) < len(values):
        code = "missing_verdicts" if scored.ended is None else "judge_stopped"
        raise RequestError(scored.why_incomplete(), code)
    return known


def _fields(plain: object, names: Sequence[str]) -> Mapping[str, list[object]]:
    if not isinstance(plain, Mapping):
        raise RequestError(f"give an object with {', '.join(names)}")
    for name in names:
        if not isinstance(plain.get(name), list) or not plain[name]:
            raise RequestError(f"{name}: give a list with at least one element")
    return plain


def _asked(query: object, prompt: object, place: int) -> str:
    if not isinstance(query, str) or not isinstance(prompt, str):
        raise RequestError(f"query[{place}], prompts[{place}]: give texts")
    answer = answer_in(query, prompt)
    if answer is None:
        raise RequestError(f"query[{place}] {NO_PROMPT}")
    return answer


def answer_in(query: str, prompt: str, end_tokens: Sequence[str] = END_TOKENS) -> str | None:
    """Give the answer of a query: neither its prompt nor special tokens are to be judged.

    A tokenizer may have put a mark before the prompt. None where the prompt is not in it: the judge
    would read it as part of the answer.
    """
    _, found, text = query.partition(prompt) if prompt else ("", True, query)
    return without_end(text, end_tokens) if found else None


def without_end(text: str, end_tokens: Sequence[str] = END_TOKENS) -> str:
    """Cut the special tokens off the end of a text."""
    text = text.rstrip()
    while end := next((token for token in end_tokens if text.endswith(token)), None):
        text = text.removesuffix(end).rstrip()
    return text


def unit_share(value: float, ends: tuple[float, float]) -> float:
    """Bring a reward to [0, 1]: by its range where that is finite, else as it is, clipped."""
    low, high = ends
    share = (value - low) / (high - low) if math.isfinite(low) and math.isfinite(high) else value
    return min(1.0, max(0.0, share))
