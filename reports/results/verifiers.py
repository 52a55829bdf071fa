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

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...judges.data.json_rows import object_in
from ...judges.errors import DataError
from .criteria import JudgedCriterion, find_judged, own_rubric, unjudged
from .findings import TOLERANCE, About, LogAnswer, LogFindings, read_rows
from .run import Run
from .samples import objects_of
from .values import at, decoded, first_of, listed, mapping, number_of, text_of, turns_of

MARKS = ("example_id", "is_completed", "generation_ms", "metrics", "task", "info")
"""Fields of which a row of results has one beside prompt, completion and reward."""
_CRITERION = re.compile(
    r"^- (?P<name>[^:\n]+): (?P<text>.*?) "
    r"\(answer one of, worst to best: (?P<choices>[^\n]+?)\)$",
    re.MULTILINE | re.DOTALL,
)
_NO_CRITERIA = {"prompt", "completion", "answer", "tool_defs", "trajectory", "timing"}


def is_rollout(row: Mapping[str, object]) -> bool:
    """Say whether a line is a rollout of verifiers, of either kind."""
    if isinstance(row.get("traces"), list) and "task" in row:
        return True
    return {"prompt", "completion", "reward"} <= row.keys() and any(m in row for m in MARKS)


def read_results(path: Path) -> list[Run]:
    """Read one file of rollouts; the rollouts of one example are repeats.

    Raises:
        DataError: No rollout holds verdicts on criteria.
    """
    metadata = object_in(path.with_name("metadata.json"))
    config = object_in(path.parent / "configs" / "resolved" / "eval.json")
    folder, _, named = path.parent.parent.name.partition("--")
    model = metadata.get("model") or config.get("model") or at(config, "client", "model")
    version = at(metadata, "version_info", "vf_version")
    judge = at(metadata, "env_args", "judge_model")
    about = About(
        "verifiers",
        str(metadata.get("env_id") or (folder if named else "") or "verifiers"),
        str(metadata.get("date") or path.parent.name),
        judge={"model": str(judge)} if judge else {},
        versions={"verifiers": str(version)} if version else {},
    )
    model = str(model or named.replace("--", "/") or path.parent.name or "unnamed model")
    read = read_rows(
        _rows(path),
        LogFindings(path.name, "rollouts"),
        _answer,
        lambda row: str(row.get("model") or model),
    )
    return [findings.run(path, name, about) for name, findings in read.items()]


def _rows(path: Path) -> Iterator[tuple[str, object]]:
    """Give the rollouts in one form; a v1 episode has one trace for each of its agents."""
    for place, row in objects_of(path):
        traces = at(row, "traces")
        if isinstance(traces, list):
            yield from ((place, _rollout_of(mapping(trace))) for trace in traces)
        else:
            yield place, row


def _answer(row: Mapping[str, object]) -> LogAnswer:
    info = mapping(decoded(row.get("info")))
    rubric = own_rubric(info, row)
    places = {name: value for name, value in row.items() if name not in _NO_CRITERIA}
    judged = _judged_calls(info, row.get("rewards")) or find_judged(
        {**places, "info": info}, rubric
    )
    if not judged and not rubric:
        if row.get("error"):
            raise DataError(f"ended in an error: {str(row['error'])[:200]}")
        raise DataError("it holds rewards and no verdicts on criteria, so there are only totals")
    return LogAnswer(
        str(info.get("prompt_id") or row.get("example_id") or row.get("id") or 0),
        turns_of(decoded(row["prompt"])),
        judged or unjudged(rubric),
        None if row.get("error") else _text(decoded(row.get("completion"))),
        info.get("example_tags") or [],
        is_judged=bool(judged),
        # the HealthBench reward that a row states, where its environment has one
        claim=number_of(row.get("reward_healthbench")),
    )


def _text(given: object) -> str | None:
    if not isinstance(given, list):
        return text_of(given)
    turns = [m for m in map(mapping, given) if m.get("role") == "assistant"]
    return text_of(turns[-1]) if turns else None


def _rollout_of(trace: Mapping[str, object]) -> dict[str, object]:
    """Give a trace in the form of a row of results: prompt, completion, info, rewards."""
    task = mapping(trace.get("task"))
    data = mapping(task.get("data"))
    messages = [at(node, "message") for node in listed(trace.get("nodes"))]
    replies = [message for message in messages if at(message, "role") == "assistant"]
    reply = trace.get("root_reply")
    if reply is None and replies:
        reply = text_of(replies[-1])
    system = data.get("system_prompt")
    prompt = data.get("prompt") or ""
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else listed(prompt)
    model = at(trace, "agent", "config", "model")
    identity = (data.get("id"), data.get("idx"), task.get("key"), task.get("hash"), "0")
    return {
        "example_id": str(first_of(identity)),
        "prompt": [*([{"role": "system", "content": system}] if system else []), *turns],
        "completion": reply,
        "info": {**data, **mapping(trace.get("info"))},
        "rewards": trace.get("rewards"),
        "metrics": trace.get("metrics"),
        "model": at(model, "name") if isinstance(model, Mapping) else model,
        "error": trace.get("errors") or None if not trace.get("ok", True) else None,
    }


def _judged_calls(info: Mapping[str, object], rewards: object) -> list[JudgedCriterion]:
    """Give the verdicts of the rubric judge's recorded calls; empty where there are none.

    Raises:
        DataError: The recorded reward is not the mean of the verdicts, so the criteria have
            weights, which the trace does not hold.
    """
    judged: list[JudgedCriterion] = []
    values: list[float] = []
    name = ""
    for call in map(mapping, listed(info.get("judge_calls"))):
        verdicts = _verdicts(call)
        for criterion, text, choices in _criteria(call):
            if criterion not in verdicts:
                continue
            name = str(call.get("name") or "")
            verdict = verdicts[criterion]
            word = verdict.get("verdict")
            # a lone choice is also the best one
            last = len(choices) - 1
            worth = {choice: n / last if last else 1.0 for n, choice in enumerate(choices)}
            value = worth.get(word, 0.0) if isinstance(word, str) else 0.0
            values.append(value)
            row: dict[str, object] = {"criterion": text, "points": 1.0, "tags": []}
            met: object = word
            if len(choices) > 2:
                row["levels"] = [{"text": c, "points": points} for c, points in worth.items()]
            elif word in choices:
                met = value == 1.0
            judged.append(JudgedCriterion(row, met, str(verdict.get("reason") or "")))
    if judged:
        _require_equal_weights(values, at(rewards, name, "score"))
    return judged


def _require_equal_weights(values: list[float], score: object) -> None:
    claim = number_of(score)
    if claim is not None and abs(sum(values) / len(values) - claim) > TOLERANCE:
        raise DataError(
            f"its criteria have weights, which the trace does not hold (their mean is "
            f"{sum(values) / len(values):.4g}, the recorded reward {claim:.4g})"
        )


def _criteria(call: Mapping[str, object]) -> Iterator[tuple[str, str, list[str]]]:
    """Give name, text and choices of each criterion that a call asked about."""
    for message in listed(at(call, "request", "messages")):
        text = text_of(at(message, "content")) or ""
        start = text.rfind("\nCriteria:\n")
        for found in _CRITERION.finditer(text, max(start, 0)):
            choices = [choice.strip() for choice in found["choices"].split(", ")]
            yield found["name"], found["text"], choices


def _verdicts(call: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Give the reply's verdicts by name; the first object with `verdicts` is what was scored."""
    parsed = at(call, "response", "parsed", "verdicts")
    if not isinstance(parsed, list):
        parsed = _in_text(text_of(at(call, "response", "message", "content")) or "")
    return {str(verdict.get("name")): verdict for verdict in map(mapping, parsed)}


def _in_text(text: str) -> list[object]:
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        with contextlib.suppress(ValueError, RecursionError):
            found = at(decoder.raw_decode(text, place)[0], "verdicts")
            if isinstance(found, list):
                return found
        place = text.find("{", place + 1)
    return []
