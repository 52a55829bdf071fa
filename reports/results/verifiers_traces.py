"""Read a trace of verifiers v1 as a rollout, and the verdicts its rubric judge gave.

The trace keeps the judge's request, in which each criterion stands with its name and choices, and
its reply, in which each name has a verdict. Weights are in no trace: criteria count alike, and only
where the recorded reward is the mean of the verdicts, as it then must be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...judges.errors import DataError
from .criteria import JudgedCriterion
from .findings import number_of, text_of
from .run import mapping

TOLERANCE = 1e-9
_CRITERION = re.compile(
    r"^- (?P<name>[^:\n]+): (?P<text>.*?) "
    r"\(answer one of, worst to best: (?P<choices>[^\n]+?)\)$",
    re.MULTILINE | re.DOTALL,
)


def rollout_of(trace: Mapping[str, Any]) -> dict[str, Any]:
    """Give a trace in the form of a row of results: prompt, completion, info, rewards."""
    task = mapping(trace.get("task"))
    data = mapping(task.get("data"))
    replies = [
        message
        for node in trace.get("nodes") or ()
        if (message := mapping(mapping(node).get("message"))).get("role") == "assistant"
    ]
    reply = trace.get("root_reply")
    if reply is None and replies:
        reply = text_of(replies[-1])
    system = data.get("system_prompt")
    prompt = data.get("prompt") or ""
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    config = mapping(mapping(trace.get("agent")).get("config"))
    model = config.get("model")
    identity = (data.get("id"), data.get("idx"), task.get("key"), task.get("hash"))
    return {
        "example_id": str(next((one for one in identity if one is not None), "0")),
        "prompt": ([{"role": "system", "content": system}] if system else []) + turns,
        "completion": reply,
        "info": {**data, **mapping(trace.get("info"))},
        "rewards": trace.get("rewards"),
        "metrics": trace.get("metrics"),
        "model": mapping(model).get("name") if isinstance(model, Mapping) else model,
        "error": trace.get("errors") or None if not trace.get("ok", True) else None,
    }


def judged_calls(info: Mapping[str, Any], rewards: Any) -> list[JudgedCriterion]:
    """Give the verdicts of the rubric judge's recorded calls; empty where there are none.

    Raises:
        DataError: The recorded reward is not the mean of the verdicts, so the criteria have
            weights, which the trace does not hold.
    """
    judged: list[JudgedCriterion] = []
    values: list[float] = []
    name = ""
    calls = info.get("judge_calls")
    for call in map(mapping, calls if isinstance(calls, list) else ()):
        verdicts = _verdicts(call)
        for criterion in _criteria(call):
            if criterion["name"] not in verdicts:
                continue
            name = str(call.get("name") or "")
            verdict = mapping(verdicts[criterion["name"]])
            word, choices = verdict.get("verdict"), criterion["choices"]
            values.append(choices.index(word) / (len(choices) - 1) if word in choices else 0.0)
            met = {choices[0]: False, choices[-1]: True}.get(word, word)
            row = {"criterion": criterion["text"], "points": 1.0, "tags": []}
            judged.append(JudgedCriterion(row, met, str(verdict.get("reason") or "")))
    if judged:
        _require_equal_weights(values, mapping(mapping(rewards).get(name)).get("score"))
    return judged


def _require_equal_weights(values: list[float], score: Any) -> None:
    claim = number_of(score)
    if claim is not None and abs(sum(values) / len(values) - claim) > TOLERANCE:
        raise DataError(
            f"its criteria have weights, which the trace does not hold (their mean is "
            f"{sum(values) / len(values):.4g}, the recorded reward {claim:.4g})"
        )


def _criteria(call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    messages = mapping(call.get("request")).get("messages")
    for message in messages if isinstance(messages, list) else ():
        text = text_of(mapping(message).get("content")) or ""
        start = text.rfind("\nCriteria:\n")
        for found in _CRITERION.finditer(text, max(start, 0)):
            yield {
                "name": found["name"],
                "text": found["text"],
                "choices": [choice.strip() for choice in found["choices"].split(", ")],
            }


def _verdicts(call: Mapping[str, Any]) -> dict[str, Any]:
    """Give the reply's verdicts by name; the first object with `verdicts` is what was scored."""
    response = mapping(call.get("response"))
    parsed = mapping(response.get("parsed")).get("verdicts")
    if not isinstance(parsed, list):
        parsed = _in_text(text_of(mapping(response.get("message")).get("content")) or "")
    return {str(mapping(v).get("name")): v for v in parsed}


def _in_text(text: str) -> list[Any]:
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            value = decoder.raw_decode(text, at)[0]
        except (ValueError, RecursionError):
            value = None
        found = value.get("verdicts") if isinstance(value, dict) else None
        if isinstance(found, list):
            return found
        at = text.find("{", at + 1)
    return []
