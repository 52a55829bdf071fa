"""Made-up runs in memory and on disk, for the tests of the reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict
from rubricbeat.reports.results.run import Run, RunFacts

LETTERS = {
    "1": Outcome.MET,
    "0": Outcome.NOT_MET,
    "u": Outcome.UNPARSEABLE,
    "r": Outcome.REFUSED,
    "n": Outcome.TRANSPORT,
}


def example(
    prompt_id: str = "p1",
    points: Sequence[float] = (5, 3, -2),
    *,
    prompt: str = "May I run with a cold?",
    theme: str = "hedging",
    texts: Sequence[str] | None = None,
) -> Example:
    names = texts or [f"criterion {n} of {prompt_id}" for n in range(len(points))]
    axes = ("accuracy", "completeness")
    return Example(
        prompt_id=prompt_id,
        prompt=(Message("user", prompt),),
        rubric=Rubric(
            tuple(
                Criterion(
                    text=name,
                    points=float(p),
                    polarity=Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE,
                    tags=(f"axis:{axes[n % 2]}", "level:example"),
                )
                for n, (name, p) in enumerate(zip(names, points, strict=True))
            )
        ),
        tags=(f"theme:{theme}",),
    )


def graded(
    verdicts: str,
    of: Example | None = None,
    *,
    answer: str = "Rest first.",
    repeat: int = 0,
    reasons: Sequence[str] | None = None,
) -> GradedAnswer:
    of = of or example(points=[5] * len(verdicts))
    words = reasons or ["" for _ in verdicts]
    return GradedAnswer(
        example=of,
        answer=answer,
        verdicts=tuple(
            Verdict(LETTERS[v], explanation=w) for v, w in zip(verdicts, words, strict=True)
        ),
        repeat=repeat,
    )


def run(
    model: str,
    answers: Sequence[GradedAnswer],
    *,
    label: str = "one",
    task: str = "made_up",
    facts: Mapping[str, Any] | None = None,
    stored: Mapping[str, float] | None = None,
) -> Run:
    known = {"data": {"sha256": "d" * 64, "path": "rows.jsonl"}, "judge": judge()}
    return Run(
        model=model,
        label=label,
        task=task,
        graded=tuple(answers),
        stored=stored or {},
        facts=RunFacts(**{**known, **(facts or {})}),
        path=f"{model}/samples.jsonl",
    )


def judge(digest: str = "a" * 64) -> dict[str, Any]:
    return {"name": "chat", "model": "some-judge", "prompt": "healthbench-1:abc", "digest": digest}


def write_run(folder: Path, made: Run, stamp: str = "2026-01-02T03-04-05.678901") -> Path:
    """Write a run as lm-eval lays it out; give the samples file."""
    place = folder / re.sub(r"[^\w.-]+", "__", made.model, flags=re.ASCII)
    place.mkdir(parents=True, exist_ok=True)
    results = {
        "results": {
            made.task: {"alias": made.task, **{f"{k},none": v for k, v in made.stored.items()}}
        },
        "configs": {
            made.task: {
                "task": made.task,
                "metadata": {
                    "version": 1,
                    "rubricbeat": "0.1.0",
                    "judge": made.facts.judge,
                    "data": made.facts.data,
                    "run": made.label,
                },
            }
        },
        "config": {"model": "dummy", "model_args": ""},
        "model_name": made.model,
        "lm_eval_version": "0.4.13",
    }
    (place / f"results_{stamp}.json").write_text(json.dumps(results), encoding="utf-8")
    samples = place / f"samples_{made.task}_{stamp}.jsonl"
    with samples.open("w", encoding="utf-8") as file:
        for number, answer in enumerate(made.graded):
            rubric = {
                "schema_version": 1,
                "prompt_id": answer.example.prompt_id,
                "answers": [answer.to_json()],
            }
            row = {"doc_id": number, "doc": example_to_row(answer.example), "rubric": rubric}
            file.write(json.dumps(row) + "\n")
    return samples
