"""Read inspect's `.eval` logs: a zip of JSON, one entry a sample.

Scorers of rubrics keep their verdicts in the score's metadata under names of their own. Any list
there whose entries carry a criterion and a verdict is taken; points and tags come from the entries,
or from the sample's own rubric in the same order.

Source of the format: UKGovernmentBEIS/inspect_ai, `log/_recorders/eval.py`: `header.json` (or
`_journal/start.json`, or `start.json` of older logs), `samples/<id>_epoch_<n>.json`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...judges.data.examples import example_from_row
from ...judges.errors import DataError, RubricbeatError
from ...judges.graded import GradedAnswer
from .run import Run
from .simple_evals import verdict_of

MAX_ENTRY_BYTES = 256 * 1024 * 1024
"""Of one unpacked entry: a log may come from anywhere, and a zip can promise any size."""
HEADERS = ("header.json", "_journal/start.json", "start.json")
TEXT_KEYS = ("criterion", "criteria", "rubric", "text", "description")
MET_KEYS = ("criteria_met", "met", "verdict", "passed")
WORD_KEYS = ("explanation", "reason", "reasoning", "justification")
POINT_KEYS = ("points", "weight")


def is_log(path: Path) -> bool:
    """Say whether a file is an inspect log, by its name."""
    return path.suffix == ".eval"


def read_log(path: Path) -> Run:
    """Read one log.

    Raises:
        DataError: It is no inspect log, or its scores hold no verdicts on criteria.
    """
    try:
        with zipfile.ZipFile(path) as log:
            header = _header(log, path)
            samples = [
                (name, _entry(log, name, path))
                for name in sorted(log.namelist())
                if name.startswith("samples/") and name.endswith(".json")
            ]
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            f"{path.name}: cannot be unpacked ({error}); 'inspect log convert --to eval' writes it "
            "anew"
        ) from error
    graded = [
        answer
        for name, sample in samples
        if (answer := _graded_sample(sample, f"{path.name}, {name}")) is not None
    ]
    if not graded:
        raise DataError(
            f"{path.name}: none of its {len(samples)} samples has verdicts on criteria in the "
            f"metadata of a score (a list with one of {', '.join(TEXT_KEYS)} and one of "
            f"{', '.join(MET_KEYS)})"
        )
    spec = _mapping(header.get("eval"))
    return Run(
        model=str(spec.get("model") or path.stem),
        label=str(spec.get("created") or spec.get("run_id") or ""),
        task=str(spec.get("task") or "inspect").rpartition("/")[2],
        graded=tuple(graded),
        facts={
            "judge": {"name": "inspect", **_judge(spec)},
            "versions": {"format": "inspect", **_packages(spec)},
            "config": {"model": spec.get("model")},
        },
        path=str(path),
    )


def _header(log: zipfile.ZipFile, path: Path) -> Mapping[str, Any]:
    names = set(log.namelist())
    for name in HEADERS:
        if name in names:
            return _entry(log, name, path)
    raise DataError(f"{path.name}: neither of {', '.join(HEADERS)} is in it; is it an inspect log?")


def _entry(log: zipfile.ZipFile, name: str, path: Path) -> Mapping[str, Any]:
    size = log.getinfo(name).file_size
    if size > MAX_ENTRY_BYTES:
        raise DataError(f"{path.name}: its entry {name} unpacks to {size} bytes; too large to read")
    try:
        value = json.loads(log.read(name))
    except ValueError as error:
        raise DataError(f"{path.name}, {name}: not valid JSON ({error})") from error
    if not isinstance(value, Mapping):
        raise DataError(f"{path.name}, {name}: expected a JSON object")
    return value


def _graded_sample(sample: Mapping[str, Any], where: str) -> GradedAnswer | None:
    """Give the graded answer of a sample; None where its scores hold no verdicts."""
    metadata = _mapping(sample.get("metadata"))
    scores = _mapping(sample.get("scores"))
    for score in scores.values():
        entries = next(_verdict_lists(_mapping(score).get("metadata")), None)
        if entries is None:
            continue
        own = metadata.get("rubrics") or metadata.get("rubric") or []
        row = {
            "prompt_id": str(metadata.get("prompt_id") or sample.get("id")),
            "prompt": _messages(sample.get("input")),
            "rubrics": [_criterion(e, own, at, where) for at, e in enumerate(entries)],
            "example_tags": metadata.get("example_tags") or [],
        }
        try:
            return GradedAnswer(
                example=example_from_row(row, where=where),
                answer=_answer(sample, _mapping(score)),
                verdicts=tuple(
                    verdict_of(_first(e, MET_KEYS), str(_first(e, WORD_KEYS) or ""))
                    for e in entries
                ),
                repeat=int(sample.get("epoch") or 1) - 1,
            )
        except RubricbeatError:
            raise
        except (TypeError, ValueError) as error:
            raise DataError(f"{where}: {error}") from error
    return None


def _verdict_lists(value: object, depth: int = 3) -> Iterator[list[Mapping[str, Any]]]:
    """Find lists of verdicts in a score's metadata, the nearest first."""
    if isinstance(value, list) and value and all(_is_verdict(entry) for entry in value):
        yield value
    elif isinstance(value, Mapping) and depth:
        for inner in value.values():
            yield from _verdict_lists(inner, depth - 1)


def _is_verdict(entry: object) -> bool:
    return isinstance(entry, Mapping) and any(key in entry for key in MET_KEYS)


def _criterion(entry: Mapping[str, Any], own: object, at: int, where: str) -> dict[str, Any]:
    """Make a rubric row of a verdict, with what the sample's own rubric says of it."""
    known = own[at] if isinstance(own, list) and at < len(own) else {}
    known = known if isinstance(known, Mapping) else {}
    text = _first(entry, TEXT_KEYS) or _first(known, TEXT_KEYS)
    if isinstance(text, Mapping):  # the whole criterion may stand there
        entry, text = {**text, **entry}, _first(text, TEXT_KEYS)
    points = _first(entry, POINT_KEYS)
    points = _first(known, POINT_KEYS) if points is None else points
    if not isinstance(text, str) or points is None:
        raise DataError(f"{where}: criterion {at} has no text or no points")
    return {"criterion": text, "points": points, "tags": entry.get("tags") or known.get("tags")}


def _messages(value: object) -> list[dict[str, str]]:
    if isinstance(value, list):
        return [
            {"role": str(_mapping(m).get("role", "user")), "content": _text(_mapping(m))}
            for m in value
        ]
    return [{"role": "user", "content": str(value or "")}]


def _answer(sample: Mapping[str, Any], score: Mapping[str, Any]) -> str:
    output = _mapping(sample.get("output"))
    choices = output.get("choices")
    if isinstance(choices, list) and choices:
        return _text(_mapping(_mapping(choices[0]).get("message")))
    return str(output.get("completion") or score.get("answer") or "")


def _text(message: Mapping[str, Any]) -> str:
    """Join the text parts of a message; reasoning and images are no part of the answer."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [_mapping(part) for part in content]
        return "\n".join(str(part.get("text") or "") for part in parts if part.get("text"))
    return str(content or "")


def _judge(spec: Mapping[str, Any]) -> dict[str, Any]:
    roles = _mapping(spec.get("model_roles"))
    arguments = _mapping(spec.get("task_args"))
    grader = _mapping(roles.get("grader")).get("model") or arguments.get("judge_model")
    return {"model": str(grader)} if grader else {}


def _packages(spec: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in _mapping(spec.get("packages")).items()}


def _first(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
