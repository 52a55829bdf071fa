"""Read the samples of lm-eval that hold our verdicts, and the results file beside them.

lm-eval and our own writers leave a run as a `results_<stamp>.json` with a
`samples_<task>_<stamp>.jsonl` beside it, somewhere below the folder that `--output_path` named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...judges.answer import SCHEMA_VERSION, USUAL, GradedAnswer, Reading
from ...judges.data.examples import example_from_row
from ...judges.data.json_rows import numbered_lines
from ...judges.data.streams import bytes_of
from ...judges.errors import ConfigError, DataError, RubricbeatError
from ...judges.rubric import Example
from .run import Run, RunFacts
from .values import ODD_SHAPE, at, listed, mapping, number_of, parse_object, whole_of

_STAMP = r"\d{4}-\d{2}-\d{2}T\d{2}[-:]\d{2}[-:]\d{2}(?:[.,]\d+)?(?:[+-]\d{2}[-:]?\d{2}|Z)?"
_SAMPLES = re.compile(rf"^samples_(?P<task>.+)_(?P<stamp>{_STAMP})\.jsonl(?:\.gz)?$")
_RESULTS = re.compile(rf"^(?P<stem>.+)_(?P<stamp>{_STAMP})\.json$")
"""lm-eval names results `<stem>_<stamp>.json` where --output_path ends in .json."""


def is_samples(path: Path) -> bool:
    """Say whether a file holds samples of lm-eval, by its name."""
    return _SAMPLES.match(path.name) is not None


def is_results(path: Path) -> bool:
    """Say whether a file is one that lm-eval writes beside its samples, by its name."""
    return _RESULTS.match(path.name) is not None


def samples_beside(path: Path) -> list[Path]:
    """List the samples of the stamp that a results file has.

    Raises:
        DataError: There are none.
    """
    stamp = match["stamp"] if (match := _RESULTS.match(path.name)) else ""
    beside = [
        file
        for file in sorted(path.parent.iterdir())
        if (found := _SAMPLES.match(file.name)) and found["stamp"] == stamp
    ]
    if not beside:
        raise DataError(
            f"{path}: no samples_*_{stamp}.jsonl is beside it, so there are no verdicts; run "
            "lm-eval with --log_samples"
        )
    return beside


Examples = dict[str, Example]
"""Examples read so far, by the text of their row: runs of the same data share them."""


def read_samples(path: Path, examples: Examples | None = None) -> list[Run]:
    """Read one `samples_<task>_<stamp>.jsonl`, with the results file of the same stamp.

    Gives no run where the samples hold no verdicts (another task of the same lm-eval call).

    Args:
        path: The samples.
        examples: Examples of the other runs, which this one shares and adds to.
    """
    examples = {} if examples is None else examples
    graded: list[GradedAnswer] = []
    for where, sample, rubric in _samples(path):
        graded.extend(_answers_of(where, sample.get("doc"), rubric, examples))
    if not graded:
        return []
    run = described(path)
    # older files say so only once, in their facts, and not with each answer
    if run.includes_reasoning:
        whole = Reading(include_reasoning=True)
        graded = [replace(g, reading=whole) if g.reading == USUAL else g for g in graded]
    notes = (f"{run.name}: {SAMPLE_WORDS}",) if run.sample else ()
    return [replace(run, graded=tuple(graded), notes=(*run.notes, *notes))]


SAMPLE_WORDS = (
    "a sample of the verdicts, drawn with unequal chances, which is no score by itself; "
    "'rubricbeat score ALL --labels THIS' gives one, with ALL the results it was drawn by"
)


def without_samples(
    runs: Sequence[Run], paths: Sequence[Path], tell: Callable[[str], None]
) -> list[Run]:
    """Leave out samples, which are no score: all of their verdicts that were not drawn are absent.

    Raises:
        ConfigError: There is nothing else; says what gives a score.
    """
    kept = [run for run in runs if not run.sample]
    left = [run for run in runs if run.sample]
    if not left:
        return kept
    by = str(left[0].sample.get("by") or "ALL")
    judge = " ".join(str(one) for name in ("name", "model") if (one := left[0].judge.get(name)))
    labels = " ".join(map(str, paths)) if not kept else Path(left[0].path).parent
    words = (
        f"{labels}: a sample of the verdicts of {judge or 'a judge'}, which is no score by itself; "
        f"use 'rubricbeat score {by} --labels {labels}', with {by} the results it was drawn by"
    )
    if not kept:
        raise ConfigError(words)
    tell(f"excluded: {words}")
    return kept


def described(path: Path) -> Run:
    """Say what the results file beside some samples says of their run; no verdict is read."""
    match = _SAMPLES.match(path.name)
    task, stamp = (match["task"], match["stamp"]) if match else (path.stem, "")
    results = _results_beside(path, stamp)
    metadata = mapping(results, "configs", task, "metadata")
    run = mapping(metadata.get("run")) or {"label": metadata.get("run")}
    model = results.get("model_name") or at(results, "config", "model")
    versions = {
        "rubricbeat": metadata.get("rubricbeat"),
        "task": metadata.get("version"),
        "lm_eval": results.get("lm_eval_version"),
        "transformers": results.get("transformers_version"),
        "git": results.get("git_hash"),
    }
    facts = RunFacts(
        judge=mapping(metadata.get("judge")),
        data=mapping(metadata.get("data")),
        run=run,
        config=mapping(results.get("config")),
        generation=mapping(results, "configs", task, "generation_kwargs"),
        versions={k: str(v) for k, v in versions.items() if v not in (None, "", "N/A")},
        stamp=stamp,
        date=results.get("date"),
        seed=metadata.get("seed"),
        system_instruction_sha=results.get("system_instruction_sha"),
        chat_template_sha=results.get("chat_template_sha"),
    )
    return Run(
        model=str(model or path.parent.name or "unnamed model"),
        label=str(run.get("label") or stamp),
        task=task,
        graded=(),
        stored=stored_metrics(at(results, "results", task)),
        facts=facts,
        path=str(path),
    )


def samples_below(folder: Path) -> list[Path]:
    """List the samples files below a folder, in a stable order."""
    return sorted(file for file in folder.rglob("samples_*") if _SAMPLES.match(file.name))


def answers_in(path: Path) -> Iterator[tuple[str, str, int]]:
    """Give prompt_id, text and repeat of each graded answer, one line of samples in memory.

    Raises:
        DataError: The file is broken.
    """
    for where, sample, rubric in _samples(path):
        try:
            prompt_id = str(rubric.get("prompt_id") or mapping(sample["doc"])["prompt_id"])
            for answer in map(mapping, listed(rubric.get("answers"))):
                yield prompt_id, str(answer["answer"]), whole_of(answer.get("repeat"), 0)
        except ODD_SHAPE as error:
            raise DataError(
                f"{where}: unreadable answers ({type(error).__name__}: {error})"
            ) from error


def _samples(path: Path) -> Iterator[tuple[str, Mapping[str, object], Mapping[str, object]]]:
    """Give the samples that hold verdicts, with where each stands before it and those behind."""
    for place, sample in objects_of(path):
        if isinstance(sample, DataError):
            raise sample
        rubric = sample.get("rubric")
        if isinstance(rubric, Mapping):
            yield f"{path.name}, {place}", sample, rubric


def _answers_of(
    where: str, doc: object, rubric: Mapping[str, object], examples: Examples
) -> list[GradedAnswer]:
    version = rubric.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{where}: verdicts of schema version {version!r}, this program reads "
            f"{SCHEMA_VERSION}; use the rubricbeat that wrote them"
        )
    if not isinstance(doc, Mapping):
        raise DataError(f"{where}: 'doc' is missing, so the verdicts have no criteria")
    try:
        key = json.dumps(doc, sort_keys=True)
        example = examples.get(key) or example_from_row(doc, where=where)
        examples[key] = example
        answers = rubric.get("answers", [])
        if not isinstance(answers, list):
            raise DataError("answers is no list")
        return [GradedAnswer.from_json(example, answer) for answer in answers]
    except RubricbeatError as error:
        message = str(error)
        raise DataError(message if where in message else f"{where}: {message}") from error
    except ODD_SHAPE as error:
        raise DataError(
            f"{where}: unreadable verdicts ({type(error).__name__}: {error})"
        ) from error


def _results_beside(path: Path, stamp: str) -> Mapping[str, object]:
    """Read the results file that shares the stamp.

    Raises:
        DataError: There is none. It is written last, so the run did not end; and without it nobody
            knows which judge gave the verdicts.
    """
    for file in sorted(path.parent.iterdir()):
        match = _RESULTS.match(file.name)
        if match and stamp and match["stamp"] == stamp:
            return parse_object(bytes_of(file), file.name)
    raise DataError(
        f"{path.name}: there is no results file with its time stamp, so its run did not finish; "
        "run the same command again, or put its results_*.json here"
    )


def stored_metrics(entry: object) -> dict[str, float]:
    """Give lm-eval's `score,none` style entries by plain metric name, numbers only."""
    metrics: dict[str, float] = {}
    for key, value in mapping(entry).items():
        name = str(key).partition(",")[0]
        number = number_of(value)
        if number is not None:
            metrics[name] = number
    return metrics


def objects_of(path: Path) -> Iterator[tuple[str, Mapping[str, object] | DataError]]:
    """Give each object of a file of lines with its place, or why it cannot be read."""
    # lone surrogates stand in the answers of some programs
    for row in numbered_lines(path, "surrogatepass"):
        place = f"line {row.number}"
        if row.fault is None and isinstance(row.value, dict):
            yield place, row.value
        else:
            fault = row.fault or f"expected a JSON object, got {type(row.value).__name__}"
            yield place, DataError(f"{path.name}, {place}: {fault}")
