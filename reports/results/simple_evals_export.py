"""Write a run as simple-evals would have: report, metrics and all results, but escaped.

Its HTML pastes the judge's words into a template's source; ours escapes every text. A missing
verdict, which simple-evals does not know, is null; such an answer's score is over the others.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...judges.errors import ConfigError
from ...judges.files import write_file
from ...judges.scoring.bootstrap import ClusteredColumns
from ...judges.scoring.item_scores import ScoredTable, tag_items
from ...judges.scoring.run_scores import SEED
from ..numbers import displayed
from .run import Run
from .simple_evals import GENERATOR, SUFFIX

N_DRAWS = 1_000
"""As simple-evals draws, but seeded."""


def export_simple_evals(run: Run, folder: Path) -> list[Path]:
    """Write `<stem>.html`, `<stem>.json` and `<stem>_allresults.json`; give their paths.

    Raises:
        ConfigError: A score of the run is no sum over criteria that are met or not met, which is
            all that the format can say. Nothing is written.
    """
    require_met_or_not(run)
    folder.mkdir(parents=True, exist_ok=True)
    stem = stem_of(run)
    scored = ScoredTable.of(run.graded)
    scores = [None if np.isnan(h) else float(h) for h in scored.items.h]
    metrics = _metrics(scored)
    examples = [_example(run, at, score) for at, score in enumerate(scores)]
    htmls = [_html(example) for example in examples]
    whole = {
        "score": metrics.get("overall_score"),
        "metrics": metrics,
        "htmls": htmls,
        "convos": [example["prompt"] + example["completion"] for example in examples],
        "metadata": {"example_level_metadata": examples},
    }
    files = {
        folder / f"{stem}.html": _report(metrics, htmls),
        folder / f"{stem}.json": json.dumps(metrics),
        folder / f"{stem}{SUFFIX}": json.dumps(whole, indent=2),
    }
    for path, text in files.items():
        write_file(path, text)
    return list(files)


def require_met_or_not(run: Run) -> None:
    """See that a run can be said in this format.

    Raises:
        ConfigError: It holds levels, requirements, gates or "not applicable".
    """
    for graded in run.graded:
        criteria = graded.example.rubric.criteria
        for number, (criterion, verdict) in enumerate(zip(criteria, graded.verdicts, strict=True)):
            named = {
                "levels": criterion.levels,
                "a requirement": criterion.requires,
                "a gate": criterion.gate,
                "the verdict 'not applicable'": verdict.is_na,
            }
            if found := next((what for what, there in named.items() if there), None):
                raise ConfigError(
                    f"simple-evals knows only met and not met, but criterion {number} of "
                    f"prompt_id {graded.example.prompt_id} ({run.model}) has {found}; remove "
                    "--simple_evals; the result files have everything"
                )


def stem_of(run: Run) -> str:
    """Give the name that the files of a run begin with."""
    parts = [run.task, run.model, run.label]
    return "_".join(re.sub(r"[^\w.\-]+", "-", part).strip("-") for part in parts if part)


def _metrics(scored: ScoredTable) -> dict[str, float | int | None]:
    """Give each metric's clipped mean, its number of answers and its bootstrap deviation."""
    table = scored.table
    names = ["overall_score", *table.example_tags, *table.criterion_tags.names]
    rows_MN = np.vstack([scored.items.h[None, :], tag_items(scored)])
    columns = ClusteredColumns.of(rows_MN, table.prompt_N, len(table.prompt_ids))
    draws_MB = np.clip(columns.draws(seed=SEED, n_draws=N_DRAWS), 0.0, 1.0)
    metrics: dict[str, float | int | None] = {}
    for at, name in enumerate(names):
        n = int(columns.n_M[at])
        if n == 0:
            continue
        known_B = draws_MB[at][~np.isnan(draws_MB[at])]
        metrics[name] = float(np.clip(columns.means_M[at], 0.0, 1.0))
        metrics[f"{name}:n_samples"] = n
        metrics[f"{name}:bootstrap_std"] = float(known_B.std()) if known_B.size else None
    return metrics


def _example(run: Run, at: int, score: float | None) -> dict[str, Any]:
    graded = run.graded[at]
    example = graded.example
    identity = example.prompt_id + graded.answer
    return {
        "score": score,
        "usage": None,
        "rubric_items": [
            {
                "criterion": criterion.text,
                "points": criterion.points,
                "tags": list(criterion.tags),
                "criteria_met": verdict.met,
                "explanation": verdict.explanation or "No explanation provided",
            }
            for criterion, verdict in zip(example.rubric.criteria, graded.verdicts, strict=True)
        ],
        "prompt": [turn.to_json() for turn in example.prompt],
        "completion": [
            {"content": None if graded.is_absent else graded.answer, "role": "assistant"}
        ],
        "prompt_id": example.prompt_id,
        "example_tags": list(example.tags),
        "completion_id": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest(),
    }


def _html(example: dict[str, Any]) -> str:
    grades = sorted(
        (
            f"[{item['criteria_met']}] [{item['points']:g}] {_escaped(item['criterion'])}<br>"
            f"\tExplanation: {_escaped(item['explanation'])}"
            for item in example["rubric_items"]
        ),
        key=lambda line: not line.startswith("[False]"),
    )
    prompt = "\n".join(_message(m) for m in example["prompt"])
    answer = example["completion"][0]
    return (
        f"<h3>Prompt conversation</h3>\n{prompt}\n<h3>Sampled message</h3>\n{_message(answer)}\n"
        f"<h3>Results</h3>\n<p>Extracted Answer: {_escaped(answer['content'] or '')}</p>\n"
        f"<p>Score: {example['score']}</p>\n"
        f"<p>Rubrics with grades: <br><br>{'<br><br>'.join(grades)}</p>"
    )


def _message(message: dict[str, Any]) -> str:
    role = html.escape(displayed(message["role"]))
    content = html.escape(displayed(message["content"] or ""))
    return (
        f'<div class="message {role}">\n<div class="role">\n{role}\n</div>\n'
        f'<div class="content">\n<pre>{content}</pre>\n</div>\n</div>'
    )


def _escaped(text: str) -> str:
    return html.escape(displayed(text)).replace("\n", "<br>")


def _report(metrics: dict[str, float | int | None], htmls: list[str]) -> str:
    rows = "\n".join(
        f"<tr><td>{_escaped(name)}</td><td>{value}</td></tr>" for name, value in metrics.items()
    )
    examples = "\n".join(f"{one}\n<hr>" for one in htmls)
    return (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n{GENERATOR}\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">\n</head>\n'
        f"<body>\n<h1>Metrics</h1>\n<table>\n{rows}\n</table>\n<h1>Examples</h1>\n{examples}\n"
        "</body>\n</html>\n"
    )
