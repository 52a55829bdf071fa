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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...judges.data.streams import bytes_of
from ...judges.errors import DataError
from .criteria import JudgedCriterion
from .findings import About, LogAnswer, LogFindings, read_rows
from .run import Run
from .values import at, mapping, number_of, text_of

SUFFIX = "_allresults.json"
_NAME = re.compile(
    r"^(?P<task>healthbench(?:_hard|_consensus|_meta|_professional)?)_(?P<model>.+?)"
    r"(?:_DEBUG)?_(?P<date>\d{8}_\d{4,6})$"
)
_MARK = "<h3>Prompt conversation</h3>"
GENERATOR = '<meta name="generator" content="rubricbeat">'
"""In the reports we write ourselves, whose judge's words are escaped."""


def is_all_results(path: Path, whole: Mapping[str, object]) -> bool:
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


def read_all_results(path: Path, whole: Mapping[str, object]) -> Run:
    """Read an `*_allresults.json`.

    Raises:
        DataError: It holds no graded examples, as those of other evaluations do not.
    """
    items = at(whole, "metadata", "example_level_metadata")
    if not isinstance(items, list) or not any(isinstance(item, Mapping) for item in items):
        raise DataError(
            f"{path.name}: no graded rubrics in metadata.example_level_metadata; only HealthBench "
            "results of simple-evals can be read"
        )
    stem = path.name.removesuffix(SUFFIX).removesuffix(".json")
    findings = LogFindings(path.name, "examples", "simple-evals writes it")
    return _run(path, stem, items, findings, _answer, number_of(whole.get("score")))


def _answer(item: Mapping[str, object]) -> LogAnswer:
    entries, completion = item["rubric_items"], item["completion"]
    if not isinstance(entries, list):
        raise DataError(f"its rubric_items are {type(entries).__name__}, no list")
    if isinstance(completion, list):
        completion = mapping(completion[-1])["content"] if completion else None
    return LogAnswer(
        str(item["prompt_id"]),
        item["prompt"],
        [_judged(mapping(entry)) for entry in entries],
        text_of(completion),
        item.get("example_tags") or [],
        claim=number_of(item.get("score")),
    )


def _judged(entry: Mapping[str, object]) -> JudgedCriterion:
    row = {name: entry[name] for name in ("criterion", "points")}
    row["tags"] = entry.get("tags") or []
    return JudgedCriterion(row, entry.get("criteria_met"), str(entry.get("explanation") or ""))


def read_html_report(path: Path) -> Run:
    """Read an HTML report: conversations, answers, graded criteria.

    The prompt_id is made from the conversation, so that two reports over the same prompts can be
    compared with each other.
    """
    text = bytes_of(path).decode("utf-8", "replace")
    is_escaped = GENERATOR in text
    head, *parts = text.split(_MARK)
    # the exact score; the one in bold is rounded to three digits
    score = _METRIC.search(head)
    return _run(
        path,
        path.stem,
        [{"html": part} for part in parts],
        LogFindings(path.name, "examples"),
        lambda part: _answer_in(str(part["html"]), is_escaped),
        float(score["value"]) if score else None,
    )


_METRIC = re.compile(r"<td>overall_score</td>\s*<td>(?P<value>[-\d.eE+]+)</td>")
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


def _answer_in(part: str, is_escaped: bool) -> LogAnswer:
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
    entries.sort(key=lambda entry: (str(entry.row["criterion"]), number_of(entry.row["points"])))
    return LogAnswer(f"html-{digest[:16]}", prompt, entries, answer["content"])


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


def _run(
    path: Path,
    stem: str,
    entries: Sequence[object],
    begun: LogFindings,
    read: Callable[[Mapping[str, object]], LogAnswer],
    score: float | None,
) -> Run:
    match = _NAME.match(stem)
    model = match["model"] if match else stem
    rows = ((f"example {n}", entry) for n, entry in enumerate(entries))
    about = About(
        "simple-evals",
        match["task"] if match else "healthbench",
        match["date"] if match else "",
        stored={} if score is None else {"score": score},
    )
    return read_rows(rows, begun, read, lambda _: model)[model].run(path, model, about)
