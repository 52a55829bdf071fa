"""Read the results of simple-evals' HealthBench: `*_allresults.json`, or its HTML report.

The JSON holds everything. The HTML holds no prompt_id and no tags, and the judge's words stand in
it unescaped, because the program pastes them into a template's source; they are cut out as text and
never parsed as markup.

Source of the formats: openai/simple-evals, `healthbench_eval.py` and `common.py`.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...judges.data.examples import example_from_row
from ...judges.errors import DataError, RubricbeatError
from ...judges.graded import GradedAnswer
from ...judges.verdict import Outcome, Verdict
from .run import Run, parse_object

SUFFIX = "_allresults.json"
_NAME = re.compile(
    r"^(?P<task>healthbench(?:_hard|_consensus|_meta|_professional)?)_(?P<model>.+?)"
    r"(?:_DEBUG)?_(?P<date>\d{8}_\d{4,6})$"
)
_MARK = "<h3>Prompt conversation</h3>"
GENERATOR = '<meta name="generator" content="rubricbeat">'
"""In the reports we write ourselves, whose judge's words are escaped."""


def is_all_results(path: Path) -> bool:
    """Say whether a file is an `*_allresults.json`, by its name."""
    return path.name.endswith(SUFFIX)


def is_html_report(path: Path) -> bool:
    """Say whether a file is an HTML report with graded rubrics."""
    if path.suffix.lower() not in {".html", ".htm"}:
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return _MARK in text and "<p>Rubrics with grades:" in text


def all_results_of(report: Path) -> Path:
    """Name the JSON that the same run writes beside its HTML report."""
    return report.with_name(report.stem + SUFFIX)


def read_all_results(path: Path) -> Run:
    """Read an `*_allresults.json`.

    Raises:
        DataError: It holds no graded examples, as those of other evaluations do not.
    """
    whole = parse_object(path.read_bytes(), path.name)
    metadata = whole.get("metadata")
    items = metadata.get("example_level_metadata") if isinstance(metadata, Mapping) else None
    if not isinstance(items, list) or not items:
        raise DataError(
            f"{path.name}: no metadata.example_level_metadata, so it holds no graded rubrics; only "
            "HealthBench results of simple-evals can be read"
        )
    n_seen: dict[str, int] = {}
    graded = []
    for number, item in enumerate(items):
        where = f"{path.name}, example {number}"
        try:
            answer = _graded_item(item, n_seen, where)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            if isinstance(error, RubricbeatError):
                raise
            kind = type(error).__name__
            raise DataError(f"{where}: not as simple-evals writes it ({kind}: {error})") from error
        graded.append(answer)
    return _run(path, path.name.removesuffix(SUFFIX), graded, whole.get("score"))


def _graded_item(item: Mapping[str, Any], n_seen: dict[str, int], where: str) -> GradedAnswer:
    rubric = item["rubric_items"]
    prompt_id = str(item["prompt_id"])
    row = {
        "prompt_id": prompt_id,
        "prompt": item["prompt"],
        "rubrics": rubric,
        "example_tags": item.get("example_tags") or [],
    }
    repeat = n_seen.get(prompt_id, 0)
    n_seen[prompt_id] = repeat + 1
    return GradedAnswer(
        example=example_from_row(row, where=where),
        answer=str(item["completion"][-1]["content"]),
        verdicts=tuple(
            verdict_of(entry.get("criteria_met"), str(entry.get("explanation") or ""))
            for entry in rubric
        ),
        repeat=repeat,
    )


def verdict_of(met: object, words: str) -> Verdict:
    """Give another program's verdict as ours; what is neither true nor false is no verdict."""
    if met is True or met is False:
        return Verdict.of(met, explanation=words, attempts=0)
    return Verdict(Outcome.UNPARSEABLE, explanation=words, attempts=0)


def read_html_report(path: Path) -> Run:
    """Read an HTML report: conversations, answers, graded criteria.

    The prompt_id is made from the conversation, so that two reports over the same prompts can be
    compared with each other.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    is_escaped = GENERATOR in text
    head, *parts = text.split(_MARK)
    n_seen: dict[str, int] = {}
    graded = []
    for number, part in enumerate(parts):
        where = f"{path.name}, example {number}"
        graded.append(_graded_part(part, is_escaped, n_seen, where))
    return _run(path, path.stem, graded, _stored_score(head))


_MESSAGE = re.compile(
    r'<div class="message [^"]*">\s*<div class="role">\s*(?P<role>.*?)\s*</div>\s*'
    r'<div class="content">\s*<pre>(?P<content>.*?)</pre>',
    re.DOTALL,
)
_GRADES = re.compile(r"<p>Rubrics with grades:(?P<grades>.*)</p>", re.DOTALL)
_GRADE = re.compile(
    r"(?:^|<br><br>)\[(?P<met>True|False|None)\] \[(?P<points>-?\d+(?:\.\d+)?)\] ", re.DOTALL
)
_EXPLANATION = "<br>\tExplanation: "


def _graded_part(part: str, is_escaped: bool, n_seen: dict[str, int], where: str) -> GradedAnswer:
    grades = _GRADES.search(part)
    # what stands before the grades is escaped, so that no text in it can look like markup
    before = part[: grades.start()] if grades else part
    turns = [
        {"role": html.unescape(m["role"]).strip(), "content": html.unescape(m["content"])}
        for m in _MESSAGE.finditer(before)
    ]
    entries = _grades_of(grades["grades"], is_escaped) if grades else []
    if len(turns) < 2 or not entries:
        raise DataError(f"{where}: no conversation with graded criteria could be read in it")
    *prompt, answer = turns
    digest = hashlib.sha256(json.dumps(prompt, sort_keys=True).encode()).hexdigest()
    # the report sorts its criteria by verdict: a fixed order makes rubrics comparable
    entries.sort(key=lambda entry: (str(entry["criterion"]), float(entry["points"])))
    prompt_id = f"html-{digest[:16]}"
    row = {"prompt_id": prompt_id, "prompt": prompt, "rubrics": entries}
    repeat = n_seen.get(prompt_id, 0)
    n_seen[prompt_id] = repeat + 1
    return GradedAnswer(
        example=example_from_row(row, where=where),
        answer=answer["content"],
        verdicts=tuple(verdict_of(e["criteria_met"], str(e["explanation"])) for e in entries),
        repeat=repeat,
    )


def _grades_of(text: str, is_escaped: bool) -> list[dict[str, Any]]:
    """Cut `[True] [5] criterion, Explanation: words` blocks apart."""
    text = text.strip()
    while text.startswith("<br>"):
        text = text.removeprefix("<br>").lstrip(" ")
    found = list(_GRADE.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    entries: list[dict[str, Any]] = []
    for match, end in zip(found, ends, strict=True):
        criterion, _, words = text[match.end() : end].partition(_EXPLANATION)
        points = float(match["points"])
        entries.append(
            {
                "criterion": _plain(criterion, is_escaped),
                "points": int(points) if points.is_integer() else points,
                "tags": [],
                "criteria_met": {"True": True, "False": False}.get(match["met"]),
                "explanation": _plain(words, is_escaped),
            }
        )
    return entries


def _plain(text: str, is_escaped: bool) -> str:
    text = text.replace("<br>", "\n").strip()
    return html.unescape(text) if is_escaped else text


_METRIC = re.compile(r"<td>overall_score</td>\s*<td>(?P<value>[-\d.eE+]+)</td>")


def _stored_score(head: str) -> float | None:
    """Find the exact score among the metrics; the one in bold is rounded to three digits."""
    match = _METRIC.search(head)
    return float(match["value"]) if match else None


def _run(path: Path, stem: str, graded: list[GradedAnswer], score: object) -> Run:
    match = _NAME.match(stem)
    is_number = isinstance(score, (int, float)) and not isinstance(score, bool)
    return Run(
        model=match["model"] if match else stem,
        label=match["date"] if match else "",
        task=match["task"] if match else "healthbench",
        graded=tuple(graded),
        stored={"score": float(score)} if is_number else {},  # type: ignore[arg-type]  # a number
        facts={"judge": {"name": "simple-evals"}, "versions": {"format": "simple-evals"}},
        path=str(path),
    )
