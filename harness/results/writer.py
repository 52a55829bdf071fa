"""Write graded runs in lm-eval's own layout, so that every reader of its results reads ours.

    OUT/<model>/results_<stamp>.json            scores, configuration, judge, data
    OUT/<model>/samples_<task>_<stamp>.jsonl    one line a document, with its verdicts

The reader is `reports/results/reader.py`. Files appear whole or not at all, are never overwritten,
and are readable by their owner alone: answers and rows may be private.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from ...judges.answer import SCHEMA_VERSION, GradedAnswer
from ...judges.data.examples import example_to_row
from ...judges.errors import unwritable
from ...judges.files import write_file
from ...judges.registry import installed_version
from ...judges.rubric import Example
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.run_scores import LENGTH_PENALTIES, SEED, ScoredAnswers, summarise_scored
from ...tasks.metrics import (
    NA_SHARE,
    SCORE_METRICS,
    distinct_share,
    may_be_na,
    mean_share,
    na_share,
    prompt_scores,
)
from .documents import Document, HeldDocuments, RunDocuments, dump

TASK_VERSION = 1
MAX_NAME_BYTES = 200
_TABLES = ("tags", "worst_at_k", "missing_by_reason")
"""Metrics that are no single number; the tasks put them in the same place."""
_NUMBERS_INSIDE = {"check", "na_check", "levels", "gate"}
"""Fields of a criterion that hold numbers of their own."""
_SETTINGS = {"seed", "n_draws"}
"""Said elsewhere in the results, and no metrics."""


@dataclass(frozen=True, slots=True)
class GradedRun:
    """One model's graded answers to one task, with all that is known of how they came about."""

    model: str
    """As reports show it; runs of one name are repeats of each other."""
    task: str
    graded: Sequence[GradedAnswer] | RunDocuments
    """In any order; answers to one prompt stand in one document."""
    judge: Mapping[str, object] = field(default_factory=dict)
    """`Grader.facts()`, or what a recorded file says of its judge."""
    data: Mapping[str, object] = field(default_factory=dict)
    """File name, sha256 and counts of the rows: `ExampleFile.facts()`."""
    run: Mapping[str, object] = field(default_factory=dict)
    """`label`, and whatever else tells this run from another."""
    config: Mapping[str, object] = field(default_factory=dict)
    """What was asked for, lm-eval's `config`: model, model_args, limit, command."""
    seed: int = SEED
    length_penalty: float | None = None
    version: int | str = TASK_VERSION


@dataclass(frozen=True, slots=True)
class WrittenRun:
    """Where a run lies, and its scores."""

    results: Path
    samples: Path
    metrics: Mapping[str, object]
    """What `Summary.to_json()` gives, with the tasks' own additions."""


def write_run(
    run: GradedRun, output_path: Path | str, *, now: datetime | None = None
) -> WrittenRun:
    """Write one run below a folder.

    Args:
        run: The run.
        output_path: The folder that `--output` names; made when missing.
        now: Time of the stamp; else the present one. A stamp that is taken moves on by a
            microsecond.

    Raises:
        ConfigError: The folder cannot be written.
        OutputError: The disk is full.
        DataError: Answers to one prompt_id belong to different rows.
    """
    answers = run.graded
    held: RunDocuments = HeldDocuments(answers) if isinstance(answers, Sequence) else answers
    penalty = LENGTH_PENALTIES["full"] if run.length_penalty is None else run.length_penalty
    scored = ScoredAnswers.of(map(ScoredTable.score, held.packed.tables()), penalty)
    lines = _Lines(held.documents(), prompt_scores(scored))
    folder = Path(output_path) / sanitized(run.model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        moment, stamp = _free_stamp(folder, now or datetime.now())
        samples = folder / f"samples_{run.task}_{stamp}.jsonl"
        results = folder / f"results_{stamp}.json"
        write_file(samples, lines, replaces=False)
        metrics = summarise_scored(scored, seed=run.seed).to_json()
        metrics["distinct_answers"] = mean_share(lines.shares)
        if lines.may_be_na:
            metrics[NA_SHARE.name] = na_share(lines.outcomes.elements())
        # the results file comes last: where it is, the samples are whole
        text = dump(_results(run, metrics, lines, moment), indent=2)
        write_file(results, [text, b"\n"], replaces=False)
    except OSError as error:
        raise unwritable(f"{folder}: cannot write results ({error})", error) from error
    return WrittenRun(results, samples, metrics)


def sanitized(model: str) -> str:
    """Give the folder name of a model, as lm-eval makes it (0.4.13), and never `.` or `..`."""
    name = re.sub(r"[\"<>:/|\\?*\[\]\x00-\x1f]+", "__", model).strip()
    encoded = name.encode("utf-8", "replace")[:MAX_NAME_BYTES]  # file systems stop at 255 bytes
    name = encoded.decode("utf-8", "ignore")
    return name if name.strip(".") else "unnamed"


class _Lines:
    """The lines of a samples file, once through; what the results say of all of them is left."""

    def __init__(
        self, documents: Iterator[Document], values: Iterator[Mapping[str, object]]
    ) -> None:
        self._documents = documents
        self._values = values
        self._hash = hashlib.sha256()
        self.n = 0
        self.shares: list[float | None] = []
        """How far the answers of each document differ."""
        self.outcomes: Counter[str] = Counter()
        """Of the first verdicts."""
        self.may_be_na = False
        """Whether any criterion may be called not applicable."""

    def __iter__(self) -> Iterator[bytes]:
        for (example, answers), values in zip(self._documents, self._values, strict=True):
            share = distinct_share([answer["answer"] for answer in answers])
            values = {**values, "distinct_answers": share}
            outcomes = [v["outcome"] for answer in answers for v in answer["verdicts"]]
            self.outcomes.update(outcomes)
            if may_be_na([example]):
                self.may_be_na = True
                values[NA_SHARE.name] = na_share(outcomes)
            line = _sample(self.n, example, answers, values)
            self.shares.append(share)
            for name in ("doc_hash", "prompt_hash", "target_hash"):
                self._hash.update(str(line[name]).encode())
            self.n += 1
            yield dump(line) + b"\n"

    @property
    def hash(self) -> str:
        """Hash of all documents, as lm-eval makes it."""
        return self._hash.hexdigest()


def _sample(
    doc_id: int,
    example: Example,
    answers: Sequence[Mapping[str, Any]],
    values: Mapping[str, object],
) -> dict[str, object]:
    doc = example_to_row(example)
    target = next(iter(example.references), "")
    texts = [answer["answer"] for answer in answers]
    prompt = json.dumps(doc["prompt"], ensure_ascii=False)
    return {
        "doc_id": doc_id,
        "doc": doc,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": prompt}},
        "resps": [texts],
        "filtered_resps": texts,
        "filter": "none",
        "metrics": [*values, "rubric"],
        # lm-eval's own recipe, so that --predict_only answers and imported ones match
        "doc_hash": _hash(_indented(doc)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(target),
        **values,
        "rubric": {
            "schema_version": SCHEMA_VERSION,
            "prompt_id": example.prompt_id,
            "answers": list(answers),
        },
    }


def _indented(doc: Mapping[str, Any]) -> str:
    """Give what `json.dumps` gives with an indent of two, which is written in Python and slow.

    orjson writes the same bytes but for numbers with an exponent, and takes no half surrogates.
    """
    numbers = [criterion["points"] for criterion in doc["rubrics"]]
    has_more = any(not _NUMBERS_INSIDE.isdisjoint(criterion) for criterion in doc["rubrics"])
    if not has_more and not any("e" in repr(number) for number in numbers):
        with contextlib.suppress(orjson.JSONEncodeError):
            return orjson.dumps(doc, option=orjson.OPT_INDENT_2).decode("utf-8")
    return json.dumps(doc, indent=2, ensure_ascii=False)


def _results(
    run: GradedRun,
    metrics: Mapping[str, object],
    lines: _Lines,
    moment: datetime,
) -> dict[str, object]:
    numbers = {
        # lm-eval's own table takes a missing standard error in these words only (0.4.13)
        f"{name},none": "N/A" if value is None and name.endswith("_stderr") else value
        for name, value in metrics.items()
        if name not in _SETTINGS and (value is None or isinstance(value, int | float))
    }
    n_listed = run.data.get("n_listed", run.data.get("n_rows", lines.n))
    return {
        "results": {run.task: {"alias": run.task, **numbers}},
        "group_subtasks": {run.task: []},
        "configs": {
            run.task: {
                "task": run.task,
                "metadata": {
                    "version": run.version,
                    "rubricbeat": installed_version("rubricbeat") or "unknown",
                    "judge": dict(run.judge),
                    "data": dict(run.data),
                    "run": dict(run.run),
                    "seed": run.seed,
                    **{name: metrics[name] for name in _TABLES if metrics.get(name)},
                },
            }
        },
        "versions": {run.task: run.version},
        "n-shot": {run.task: 0},
        "higher_is_better": {run.task: {m.name: m.higher_is_better for m in SCORE_METRICS}},
        "n-samples": {run.task: {"original": n_listed, "effective": lines.n}},
        "config": {"model": run.model, **run.config},
        "date": moment.timestamp(),
        "model_name": run.model,
        "model_name_sanitized": sanitized(run.model),
        "task_hashes": {run.task: lines.hash},
    }


def _free_stamp(folder: Path, moment: datetime) -> tuple[datetime, str]:
    """Find a stamp that no file of the folder bears."""
    taken = {path.name for path in folder.iterdir()}
    while True:
        stamp = moment.isoformat(timespec="microseconds").replace(":", "-")
        if not any(stamp in name for name in taken):
            return moment, stamp
        moment += timedelta(microseconds=1)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
