"""Read evalscope's reviews: `reviews/<model>/<benchmark>_<subset>.jsonl`, one line per sample.

Verdicts stand in the judge's attempts, one a criterion, or (older) in a readable explanation; the
rubric in the sample's metadata. The subsets of one benchmark are one run.

Source of the format: modelscope/evalscope, `api/evaluator/cache.py` (ReviewResult),
`api/judge/executor.py` and the adapters of HealthBench, PRBench and ResearchRubrics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...judges.errors import DataError
from .criteria import MET_KEYS, JudgedCriterion, find_judged, own_rubric, read_marked, unjudged
from .findings import Findings, number_of, text_of, turns_of
from .run import Run, mapping
from .samples import objects_of, sound

KNOWN = ("health_bench", "healthbench", "prbench", "researchrubrics", "plawbench")
"""Benchmarks with rubrics, for files that have no report beside them to say the name."""
_CASE = re.compile(r"^rubric_(\d+)(?:_synthesis)?$")
_FORMAT = "evalscope"


def is_review(row: Mapping[str, Any]) -> bool:
    """Say whether a line is a review of evalscope."""
    return isinstance(row.get("sample_score"), Mapping)


def read_reviews(path: Path) -> Run:
    """Read the reviews of one subset.

    Raises:
        DataError: The file is broken, or holds no verdicts on criteria.
    """
    findings = Findings(path.name, "reviews")
    task, subset = _names(path)
    judges: dict[str, None] = {}
    outdated = _outdated_lines(path)
    for place, review in objects_of(path):
        if place in outdated:
            continue
        with findings.sample(place):
            _add(findings, sound(review), subset, place, judges)
    if outdated:
        findings.note(
            f"{len(outdated)} of its lines have a later review of the same sample, which is used "
            "(as evalscope does)"
        )
    if len(judges) > 1:
        first, *others = judges
        findings.note(f"the verdicts of {first} are read; {', '.join(others)} judged too")
    return findings.run(
        path,
        _FORMAT,
        model=path.parent.name if path.parent.name not in ("", "reviews") else path.stem,
        label=_label(path),
        task=task,
        otherwise="no reviews",
        judge={"model": next(iter(judges))} if judges else {},
    )


def merged(runs: Iterable[Run]) -> list[Run]:
    """Join the subsets of one benchmark, model and run, which evalscope keeps in files apart."""
    joined: dict[tuple[str, ...], Run] = {}
    for run in runs:
        if mapping(run.facts.get("versions")).get("format") != _FORMAT:
            joined[("", str(len(joined)))] = run
            continue
        key = (str(Path(run.path).parent), run.model, run.label, run.task)
        known = joined.get(key)
        joined[key] = (
            replace(known, graded=known.graded + run.graded, notes=known.notes + run.notes)
            if known
            else run
        )
    return list(joined.values())


def _outdated_lines(path: Path) -> set[str]:
    """Name the lines that a later review of the same sample takes the place of."""
    newest: dict[str, str] = {}
    outdated = set()
    for place, review in objects_of(path):
        numbers = (mapping(review.get("sample_score")).get("sample_id"), review.get("index"))
        sample = json.dumps(next((n for n in numbers if n is not None), ["line", place]))
        if sample in newest:
            outdated.add(newest[sample])
        newest[sample] = place
    return outdated


def _names(path: Path) -> tuple[str, str]:
    """Give benchmark and subset of a file; the reports of the same model know the benchmarks."""
    reports = path.parent.parent.parent / "reports" / path.parent.name
    stem = path.name.partition(".jsonl")[0]
    known = {file.stem for file in reports.glob("*.json")} | set(KNOWN)
    fitting = [name for name in known if stem == name or stem.startswith(f"{name}_")]
    task = max(fitting, key=len, default=stem)
    return task, stem.removeprefix(task).strip("_")


def _label(path: Path) -> str:
    """Give the name of the output folder, which evalscope makes of the time."""
    folder = path.parent.parent
    return folder.parent.name if folder.name == "reviews" else ""


def _add(
    findings: Findings, review: Mapping[str, Any], subset: str, place: str, judges: dict[str, None]
) -> None:
    sample = mapping(review["sample_score"])
    score = mapping(sample.get("score"))
    metadata = mapping(sample.get("sample_metadata"))
    rubric = own_rubric(metadata, mapping(score.get("metadata"))) or _target_rubric(review)
    rounds = _rounds(mapping(score.get("metadata")).get("judge_attempts"), rubric, judges)
    if not rounds:
        found = find_judged(score.get("metadata"), rubric) or read_marked(
            mapping(score.get("metadata")).get("readable_explanation"), rubric
        )
        rounds = [found] if found else []
    if not rubric and not rounds:
        raise DataError("no verdicts on criteria and no rubric; total scores cannot be read")
    judged = rounds[0] if rounds else unjudged(rubric)
    findings.add(
        {
            "prompt_id": _prompt_id(review, sample, metadata, subset),
            "prompt": _prompt(review, metadata),
            "example_tags": metadata.get("example_tags") or [],
        },
        judged,
        _answer(review, score),
        place,
        is_judged=bool(rounds),
        claim=number_of(mapping(score.get("value")).get("overall_score")),
        further=rounds[1:],
    )


def _rounds(
    attempts: Any, rubric: list[Mapping[str, Any]], judges: dict[str, None]
) -> list[list[JudgedCriterion]]:
    """Give the verdicts of the first judge, a list for each time it went through the rubric."""
    if not isinstance(attempts, list) or not rubric:
        return []
    criteria = unjudged(rubric)
    by_round: dict[tuple[str, int], list[JudgedCriterion]] = {}
    for attempt in map(mapping, attempts):
        case = _CASE.match(str(attempt.get("case_id")))
        if not case or int(case[1]) >= len(criteria):
            continue
        judge = str(attempt.get("judge_id") or "")
        judges.setdefault(judge, None)
        key = (judge, int(attempt.get("repeat_id") or 0))
        verdicts = by_round.setdefault(key, list(criteria))
        value = mapping(attempt.get("parsed_value"))
        if attempt.get("status") in (None, "success", "fallback"):
            met = next((value[name] for name in MET_KEYS if value.get(name) is not None), None)
            words = str(value.get("explanation") or value.get("reasoning") or "")
        elif verdicts[int(case[1])].value is None:
            met, words = None, str(attempt.get("error") or attempt["status"])
        else:
            continue
        verdicts[int(case[1])] = JudgedCriterion(criteria[int(case[1])].row, met, words)
    first = next(iter(by_round), ("", 0))[0]
    return [verdicts for (judge, _), verdicts in by_round.items() if judge == first]


def _target_rubric(review: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the rubric that ResearchRubrics keeps as the target, in JSON."""
    target = review.get("target")
    text = target[0] if isinstance(target, list) and target else target
    return own_rubric({"rubrics": text}) if isinstance(text, str) else []


def _prompt_id(
    review: Mapping[str, Any], sample: Mapping[str, Any], metadata: Mapping[str, Any], subset: str
) -> str:
    """Name the prompt: by the data's own id, else by its number within the subset."""
    if metadata.get("prompt_id"):
        return str(metadata["prompt_id"])
    numbers = (sample.get("group_id"), sample.get("sample_id"), review.get("index"))
    number = next((n for n in numbers if n is not None), None)
    if number is None:
        raise DataError("no index and no sample_id")
    return f"{subset}-{number}" if subset else str(number)


def _prompt(review: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[dict[str, str]]:
    given = metadata.get("prompt") or review.get("input") or review.get("messages") or ""
    turns = turns_of(given)
    while turns and turns[-1]["role"] == "assistant":  # the whole exchange, answer and all
        turns.pop()
    return turns


def _answer(review: Mapping[str, Any], score: Mapping[str, Any]) -> str | None:
    if score.get("prediction") is not None:
        return text_of(score["prediction"])
    messages = review.get("messages")
    last = mapping(messages[-1]) if isinstance(messages, list) and messages else {}
    return text_of(last) if last.get("role") == "assistant" else None
