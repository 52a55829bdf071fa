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

from ...judges.data.streams import bytes_of
from ...judges.errors import DataError
from .criteria import JudgedCriterion
from .findings import Findings, number_of, text_of
from .run import Run, mapping

SUFFIX = "_allresults.json"
_NAME = re.compile(
    r"^(?P<task>healthbench(?:_hard|_consensus|_meta|_professional)?)_(?P<model>.+?)"
    r"(?:_DEBUG)?_(?P<date>\d{8}_\d{4,6})$"
)
_MARK = "<h3>Prompt conversation</h3>"
GENERATOR = '<meta name="generator" content="rubricbeat">'
"""In the reports we write ourselves, whose judge's words are escaped."""


def is_all_results(path: Path, whole: Mapping[str, Any]) -> bool:
    """Say whether a JSON object is what simple-evals writes as `*_allresults.json`."""
    return path.name.endswith(SUFFIX) or {"score", "metadata", "htmls", "convos"} <= whole.keys()


def is_html_report(path: Path) -> bool:
    """Say whether a file is an HTML report with graded rubrics."""
    if path.suffix.lower() not in {".html", ".htm"}:
        return False
    text = bytes_of(path).decode("utf-8", "replace")
    return _MARK in text and "<p>Rubrics with grades:" in text


def all_results_of(report: Path) -> Path:
    """Name the JSON that the same run writes beside its HTML report."""
    return report.with_name(report.stem + SUFFIX)


def read_all_results(path: Path, whole: Mapping[str, Any]) -> Run:
    """Read an `*_allresults.json`.

    Raises:
        DataError: It holds no graded examples, as those of other evaluations do not.
    """
    items = mapping(whole.get("metadata")).get("example_level_metadata")
    if not isinstance(items, list) or not any(isinstance(item, Mapping) for item in items):
        raise DataError(
            f"{path.name}: no graded rubrics in metadata.example_level_metadata; only HealthBench "
            "results of simple-evals can be read"
        )
    findings = Findings(path.name, "examples", "simple-evals writes it")
    for number, item in enumerate(items):
        place = f"example {number}"
        with findings.sample(place):
            _add_item(findings, item, place)
    return _run(
        path, path.name.removesuffix(SUFFIX).removesuffix(".json"), findings, whole.get("score")
    )


def _add_item(findings: Findings, item: Mapping[str, Any], place: str) -> None:
    findings.add(
        {
            "prompt_id": str(item["prompt_id"]),
            "prompt": item["prompt"],
            "example_tags": item.get("example_tags") or [],
        },
        [_judged(entry) for entry in item["rubric_items"]],
        _answer(item["completion"]),
        place,
        claim=number_of(item.get("score")),
    )


def _judged(entry: Mapping[str, Any]) -> JudgedCriterion:
    row = {name: entry[name] for name in ("criterion", "points")}
    row["tags"] = entry.get("tags") or []
    return JudgedCriterion(row, entry.get("criteria_met"), str(entry.get("explanation") or ""))


def _answer(completion: Any) -> str | None:
    if isinstance(completion, list):
        return text_of(completion[-1]["content"]) if completion else None
    return text_of(completion)


def read_html_report(path: Path) -> Run:
    """Read an HTML report: conversations, answers, graded criteria.

    The prompt_id is made from the conversation, so that two reports over the same prompts can be
    compared with each other.
    """
    text = bytes_of(path).decode("utf-8", "replace")
    is_escaped = GENERATOR in text
    head, *parts = text.split(_MARK)
    findings = Findings(path.name, "examples")
    for number, part in enumerate(parts):
        place = f"example {number}"
        with findings.sample(place):
            _add_part(findings, part, is_escaped, place)
    return _run(path, path.stem, findings, _stored_score(head))


_MESSAGE = re.compile(
    r'<div class="message [^"]*">\s*<div class="role">\s*(?P<role>.*?)\s*</div>\s*'
    r'<div class="content">\s*<pre>(?P<content>.*?)</pre>',
    re.DOTALL,
)
_GRADES = re.compile(r"<p>Rubrics with grades:(?P<grades>.*)</p>", re.DOTALL)
_GRADE = re.compile(
    r"(?:^|<br><br>)\[(?P<met>(?i:true|false|none|null|yes|no))\] \[(?P<points>-?\d+(?:\.\d+)?)\] ",
    re.DOTALL,
)
_EXPLANATION = "<br>\tExplanation: "


def _add_part(findings: Findings, part: str, is_escaped: bool, place: str) -> None:
    grades = _GRADES.search(part)
    # what stands before the grades is escaped, so that no text in it can look like markup
    before = part[: grades.start()] if grades else part
    turns = [
        {"role": html.unescape(m["role"]).strip(), "content": html.unescape(m["content"])}
        for m in _MESSAGE.finditer(before)
    ]
    entries = _grades_of(grades["grades"], is_escaped) if grades else []
    if len(turns) < 2 or not entries:
        raise DataError("no conversation with graded criteria could be read in it")
    *prompt, answer = turns
    digest = hashlib.sha256(json.dumps(prompt, sort_keys=True).encode()).hexdigest()
    # the report sorts its criteria by verdict: a fixed order makes rubrics comparable
    entries.sort(key=lambda entry: (entry.row["criterion"], entry.row["points"]))
    findings.add(
        {"prompt_id": f"html-{digest[:16]}", "prompt": prompt},
        entries,
        answer["content"],
        place,
    )


def _grades_of(text: str, is_escaped: bool) -> list[JudgedCriterion]:
    """Cut `[True] [5] criterion, Explanation: words` blocks apart."""
    text = text.strip()
    while text.startswith("<br>"):
        text = text.removeprefix("<br>").lstrip(" ")
    found = list(_GRADE.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    entries = []
    for match, end in zip(found, ends, strict=True):
        criterion, _, words = text[match.end() : end].partition(_EXPLANATION)
        row = {"criterion": _plain(criterion, is_escaped), "points": float(match["points"])}
        entries.append(JudgedCriterion(row, match["met"], _plain(words, is_escaped)))
    return entries


def _plain(text: str, is_escaped: bool) -> str:
    text = text.replace("<br>", "\n").strip()
    return html.unescape(text) if is_escaped else text


_METRIC = re.compile(r"<td>overall_score</td>\s*<td>(?P<value>[-\d.eE+]+)</td>")


def _stored_score(head: str) -> float | None:
    """Find the exact score among the metrics; the one in bold is rounded to three digits."""
    match = _METRIC.search(head)
    return float(match["value"]) if match else None


def _run(path: Path, stem: str, findings: Findings, score: object) -> Run:
    match = _NAME.match(stem)
    claim = number_of(score)
    return findings.run(
        path,
        "simple-evals",
        model=match["model"] if match else stem,
        label=match["date"] if match else "",
        task=match["task"] if match else "healthbench",
        otherwise="no graded examples could be read in it",
        stored={} if claim is None else {"score": claim},
    )
