"""Read the results of verifiers: `results.jsonl` beside `metadata.json`, and v1's `traces.jsonl`.

A reward is a total; verdicts on criteria stand where an environment or a rubric judge put them: in
a column of the row, in its `info`, or (v1) in the recorded calls of the rubric judge.

A trace keeps the judge's request, in which each criterion stands with its name and choices, and its
reply, in which each name has a verdict; more than two choices are levels, worst to best. Weights
are in no trace: criteria count alike, and only where the recorded reward is the mean of the
verdicts, as it then must be.

Source of the formats: PrimeIntellect-ai/verifiers, `utils/save_utils.py` (classic), and
`v1/utils/trace_store.py`, `v1/trace.py`, `v1/judges/rubric.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...judges.data.json_rows import object_in
from ...judges.errors import DataError
from .criteria import JudgedCriterion, find_judged, own_rubric, unjudged
from .findings import Findings, number_of, readable, text_of, turns_of
from .run import Run, decoded, mapping
from .samples import objects_of, sound

MARKS = ("example_id", "is_completed", "generation_ms", "metrics", "task", "info")
"""Fields of which a row of results has one beside prompt, completion and reward."""
TOLERANCE = 1e-9
_CRITERION = re.compile(
    r"^- (?P<name>[^:\n]+): (?P<text>.*?) "
    r"\(answer one of, worst to best: (?P<choices>[^\n]+?)\)$",
    re.MULTILINE | re.DOTALL,
)
_NO_CRITERIA = {"prompt", "completion", "answer", "tool_defs", "trajectory", "timing"}


def is_rollout(row: Mapping[str, Any]) -> bool:
    """Say whether a line is a rollout of verifiers, of either kind."""
    if isinstance(row.get("traces"), list) and "task" in row:
        return True
    return {"prompt", "completion", "reward"} <= row.keys() and any(m in row for m in MARKS)


def read_results(path: Path) -> list[Run]:
    """Read one file of rollouts; the rollouts of one example are repeats.

    Raises:
        DataError: No rollout holds verdicts on criteria.
    """
    about = _about(path)
    by_model: dict[str, Findings] = {}
    for place, row in _rows(path):
        model = str(row.get("model") or about["model"])
        findings = by_model.setdefault(model, Findings(path.name, "rollouts"))
        with findings.sample(place):
            _add(findings, sound(row), place)
    if not by_model:
        raise DataError(f"{path.name}: no rollouts")
    return [
        findings.run(path, "verifiers", **{**about, "model": model})
        for model, findings in readable(by_model).items()
    ]


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the rollouts in one form; a v1 episode has one trace for each of its agents."""
    for place, row in objects_of(path):
        traces = row.get("traces")
        if not isinstance(traces, list):
            yield place, row
            continue
        for trace in traces:
            yield place, _rollout_of(mapping(trace))


def _add(findings: Findings, row: Mapping[str, Any], place: str) -> None:
    info = mapping(decoded(row.get("info")))
    rubric = own_rubric(info, row)
    places = {name: value for name, value in row.items() if name not in _NO_CRITERIA}
    judged = _judged_calls(info, row.get("rewards")) or find_judged(
        {**places, "info": info}, rubric
    )
    answer = _answer(row.get("completion")) if not row.get("error") else None
    if not judged and not rubric:
        if row.get("error"):
            raise DataError(f"ended in an error: {str(row['error'])[:200]}")
        raise DataError("it holds rewards and no verdicts on criteria, so there are only totals")
    findings.add(
        {
            "prompt_id": str(info.get("prompt_id") or row.get("example_id") or row.get("id") or 0),
            "prompt": turns_of(decoded(row["prompt"])),
            "example_tags": info.get("example_tags") or [],
        },
        judged or unjudged(rubric),
        answer,
        place,
        is_judged=bool(judged),
        # the HealthBench reward that a row states, where its environment has one
        claim=number_of(row.get("reward_healthbench")),
    )


def _answer(given: Any) -> str | None:
    given = decoded(given)
    if not isinstance(given, list):
        return text_of(given)
    turns = [mapping(m) for m in given if mapping(m).get("role") == "assistant"]
    return text_of(turns[-1]) if turns else None


def _about(path: Path) -> dict[str, Any]:
    """Say what the files beside the results say of the run: model, environment, label."""
    metadata = object_in(path.with_name("metadata.json"))
    config = object_in(path.parent / "configs" / "resolved" / "eval.json")
    folder, _, named = path.parent.parent.name.partition("--")
    model = (
        metadata.get("model") or config.get("model") or mapping(config.get("client")).get("model")
    )
    arguments = mapping(metadata.get("env_args"))
    version = mapping(metadata.get("version_info")).get("vf_version")
    judge = arguments.get("judge_model")
    return {
        "model": str(model or named.replace("--", "/") or path.parent.name or "unnamed model"),
        "task": str(metadata.get("env_id") or (folder if named else "") or "verifiers"),
        "label": str(metadata.get("date") or path.parent.name),
        "judge": {"model": str(judge)} if judge else {},
        "versions": {"verifiers": str(version)} if version else {},
    }


def _rollout_of(trace: Mapping[str, Any]) -> dict[str, Any]:
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


def _judged_calls(info: Mapping[str, Any], rewards: Any) -> list[JudgedCriterion]:
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
            if len(choices) > 2:
                met = word
                row["levels"] = [
                    {"text": choice, "points": at / (len(choices) - 1)}
                    for at, choice in enumerate(choices)
                ]
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
