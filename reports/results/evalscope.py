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

from ...judges.errors import DataError
from .criteria import (
    MET_KEYS,
    Entry,
    JudgedCriterion,
    find_judged,
    own_rubric,
    read_marked,
    unjudged,
)
from .findings import About, LogAnswer, LogFindings, read_rows
from .run import Run
from .samples import objects_of
from .values import at, first_of, listed, mapping, number_of, text_of, turns_of, whole_of

KNOWN = ("health_bench", "healthbench", "prbench", "researchrubrics", "plawbench")
"""Benchmarks with rubrics, for files that have no report beside them to say the name."""
_CASE = re.compile(r"^rubric_(\d+)(?:_synthesis)?$")
_FORMAT = "evalscope"


def is_review(row: Mapping[str, object]) -> bool:
    """Say whether a line is a review of evalscope."""
    return isinstance(row.get("sample_score"), Mapping)


def read_reviews(path: Path) -> Run:
    """Read the reviews of one subset.

    Raises:
        DataError: The file is broken, or holds no verdicts on criteria.
    """
    task, subset = _names(path)
    judges: dict[str, None] = {}
    outdated = _outdated_lines(path)
    rows = (row for row in objects_of(path) if row[0] not in outdated)
    model = path.parent.name if path.parent.name not in ("", "reviews") else path.stem
    findings = read_rows(
        rows,
        LogFindings(path.name, "reviews"),
        lambda review: _answer(review, subset, judges),
        lambda review: model,
    )[model]
    if outdated:
        findings.note(
            f"{len(outdated)} of its lines have a later review of the same sample, which is used "
            "(as evalscope does)"
        )
    first, *others = judges or [""]
    if others:
        findings.note(f"the verdicts of {first} are read; {', '.join(others)} judged too")
    folder = path.parent.parent  # its parent is the output folder, which is named after the time
    label = folder.parent.name if folder.name == "reviews" else ""
    judge = {"model": first} if judges else {}
    return findings.run(path, model, About(_FORMAT, task, label, judge))


def merged(runs: Iterable[Run]) -> list[Run]:
    """Join the subsets of one benchmark, model and run, which evalscope keeps in files apart."""
    joined: dict[tuple[str, ...], Run] = {}
    for run in runs:
        if run.facts.versions.get("format") != _FORMAT:
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
        numbers = (at(review, "sample_score", "sample_id"), at(review, "index"), ["line", place])
        sample = json.dumps(first_of(numbers))
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


def _answer(review: Mapping[str, object], subset: str, judges: dict[str, None]) -> LogAnswer:
    sample = mapping(review["sample_score"])
    score, about = mapping(sample.get("score")), mapping(sample.get("sample_metadata"))
    metadata = mapping(score.get("metadata"))
    target = review.get("target")  # where ResearchRubrics keeps the rubric, in JSON
    text = target[0] if isinstance(target, list) and target else target
    rubric = own_rubric(about, metadata, {"rubrics": text if isinstance(text, str) else None})
    rounds = _rounds(metadata.get("judge_attempts"), rubric, judges)
    if not rounds:
        found = find_judged(score.get("metadata"), rubric) or read_marked(
            metadata.get("readable_explanation"), rubric
        )
        rounds = [found] if found else []
    if not rubric and not rounds:
        raise DataError("no verdicts on criteria and no rubric; total scores cannot be read")
    return LogAnswer(
        _prompt_id(review, sample, about, subset),
        _prompt(about.get("prompt") or review.get("input") or review.get("messages") or ""),
        rounds[0] if rounds else unjudged(rubric),
        _text(review, score),
        about.get("example_tags") or [],
        is_judged=bool(rounds),
        claim=number_of(at(score, "value", "overall_score")),
        further=rounds[1:],
    )


def _rounds(
    attempts: object, rubric: list[Entry], judges: dict[str, None]
) -> list[list[JudgedCriterion]]:
    """Give the verdicts of the first judge, a list for each time it went through the rubric."""
    if not isinstance(attempts, list) or not rubric:
        return []
    criteria = unjudged(rubric)
    by_round: dict[tuple[str, int], list[JudgedCriterion]] = {}
    for attempt in map(mapping, attempts):
        case = _CASE.match(str(attempt.get("case_id")))
        number = int(case[1]) if case else len(criteria)
        if number >= len(criteria):
            continue
        judge = str(attempt.get("judge_id") or "")
        judges.setdefault(judge, None)
        key = (judge, whole_of(attempt.get("repeat_id"), 0))
        verdicts = by_round.setdefault(key, list(criteria))
        value = mapping(attempt.get("parsed_value"))
        if attempt.get("status") in (None, "success", "fallback"):
            met = first_of(map(value.get, MET_KEYS))
            words = str(value.get("explanation") or value.get("reasoning") or "")
        elif verdicts[number].value is None:
            met, words = None, str(attempt.get("error") or attempt["status"])
        else:
            continue
        verdicts[number] = JudgedCriterion(criteria[number].row, met, words)
    first = next(iter(by_round), ("", 0))[0]
    return [verdicts for (judge, _), verdicts in by_round.items() if judge == first]


def _prompt_id(
    review: Mapping[str, object],
    sample: Mapping[str, object],
    about: Mapping[str, object],
    subset: str,
) -> str:
    """Name the prompt: by the data's own id, else by its number within the subset."""
    if about.get("prompt_id"):
        return str(about["prompt_id"])
    number = first_of((sample.get("group_id"), sample.get("sample_id"), review.get("index")))
    if number is None:
        raise DataError("no index and no sample_id")
    return f"{subset}-{number}" if subset else str(number)


def _prompt(given: object) -> list[dict[str, str]]:
    turns = turns_of(given)
    while turns and turns[-1]["role"] == "assistant":  # the whole exchange, answer and all
        turns.pop()
    return turns


def _text(review: Mapping[str, object], score: Mapping[str, object]) -> str | None:
    if score.get("prediction") is not None:
        return text_of(score["prediction"])
    messages = listed(review.get("messages"))
    last = mapping(messages[-1]) if messages else {}
    return text_of(last) if last.get("role") == "assistant" else None
