"""Read the results of verifiers: `results.jsonl` beside `metadata.json`, and v1's `traces.jsonl`.

A reward is a total; verdicts on criteria stand where an environment or a rubric judge put them: in
a column of the row, in its `info`, or (v1) in the recorded calls of the rubric judge.

Source of the formats: PrimeIntellect-ai/verifiers, `utils/save_utils.py` (classic), and
`v1/utils/trace_store.py`, `v1/trace.py`, `v1/judges/rubric.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...judges.data.streams import bytes_of
from ...judges.errors import DataError
from .criteria import find_judged, own_rubric, unjudged
from .findings import Findings, number_of, readable, reason_of, text_of
from .run import ODD_SHAPE, Run, mapping
from .samples import objects_of
from .verifiers_traces import judged_calls, rollout_of

MARKS = ("example_id", "is_completed", "generation_ms", "metrics", "task", "info")
"""Fields of which a row of results has one beside prompt, completion and reward."""
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
        try:
            _add(findings, row, place)
        except ODD_SHAPE as error:
            findings.leave_out(place, reason_of(error))
    if not by_model:
        raise DataError(f"{path.name}: no rollouts")
    return [
        Run(
            model=model,
            label=about["label"],
            task=about["task"],
            graded=tuple(findings.graded),
            facts={
                "judge": {"name": "verifiers", **about["judge"]},
                "versions": {"format": "verifiers", **about["versions"]},
            },
            path=str(path),
            notes=findings.notes(),
        )
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
            yield place, rollout_of(mapping(trace))


def _add(findings: Findings, row: Mapping[str, Any], place: str) -> None:
    if isinstance(row.get("fault"), DataError):
        raise row["fault"]
    info = row.get("info")
    info = mapping(_decoded(info))
    rubric = own_rubric(info, row)
    places = {name: value for name, value in row.items() if name not in _NO_CRITERIA}
    judged = judged_calls(info, row.get("rewards")) or find_judged({**places, "info": info}, rubric)
    answer = _answer(row.get("completion")) if not row.get("error") else None
    if not judged and not rubric:
        if row.get("error"):
            raise DataError(f"ended in an error: {str(row['error'])[:200]}")
        raise DataError(
            "it holds rewards and no verdicts on criteria, so there is nothing but totals to read"
        )
    criteria = judged or unjudged(rubric)
    findings.add(
        {
            "prompt_id": str(info.get("prompt_id") or row.get("example_id") or row.get("id") or 0),
            "prompt": _prompt(row["prompt"]),
            "rubrics": [one.row for one in criteria],
            "example_tags": info.get("example_tags") or [],
        },
        answer,
        [
            findings.verdict(one.value, one.words, f"{place}, criterion {at}")
            for at, one in enumerate(judged)
        ]
        or None,
        place,
        claim=_claim(row),
    )


def _claim(row: Mapping[str, Any]) -> float | None:
    """Give the HealthBench reward that a row states, where its environment has one."""
    return number_of(row.get("reward_healthbench"))


def _prompt(given: Any) -> list[dict[str, str]]:
    given = _decoded(given)
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [
        {"role": str(mapping(m).get("role", "user")), "content": text_of(mapping(m)) or ""}
        for m in given
    ]


def _answer(given: Any) -> str | None:
    given = _decoded(given)
    if not isinstance(given, list):
        return text_of(given)
    turns = [mapping(m) for m in given if mapping(m).get("role") == "assistant"]
    return text_of(turns[-1]) if turns else None


def _decoded(value: Any) -> Any:
    """Give what stands in a row as JSON text; other text as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _about(path: Path) -> dict[str, Any]:
    """Say what the files beside the results say of the run: model, environment, label."""
    metadata = _object_in(path.with_name("metadata.json"))
    config = _object_in(path.parent / "configs" / "resolved" / "eval.json")
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


def _object_in(path: Path) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(bytes_of(path)))
    except (ValueError, RecursionError):  # no such file, or no JSON
        return {}
