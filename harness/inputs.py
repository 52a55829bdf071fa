"""Find graded answers for a signal study: result folders, recorded verdicts, or a verdict store.

results/                        our result files, lm-eval's, or another program's logs
judged.jsonl --data rows.jsonl  verdicts that another program recorded
verdicts.sqlite                 a verdict store
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from ..judges.answer import GradedAnswer
from ..judges.data.columns import VERDICT_FIELDS, Columns
from ..judges.data.examples import example_from_row, read_examples
from ..judges.data.json_rows import Field
from ..judges.data.reader import can_name_rows, stream_rows
from ..judges.data.row_shapes import PROMPT_FIELDS
from ..judges.data.streams import is_stdin, names_apart
from ..judges.errors import ConfigError, DataError, StoreError
from ..judges.learned import LearnedShare
from ..judges.rubric import Example, numbered
from ..judges.shares import suited
from ..judges.signal import TaggedAnswer
from ..judges.store.opened import opened
from ..judges.store.statements import EXPORT, read_verdict
from ..judges.verdict import Outcome, Rating, Verdict

SQLITE_MAGIC = b"SQLite format 3\0"
DEFAULT_LABELS = ("model", "system", "task", "judge")
"""Answers that differ in one of these are not one policy's answers to one prompt. `run` is not
among them: runs of one model (seeds) are samples of one policy."""


@dataclass(frozen=True, slots=True)
class SignalInput:
    """Graded answers, and what to group them by when nobody says."""

    answers: tuple[TaggedAnswer, ...]
    by: tuple[str, ...]
    """Those of `DEFAULT_LABELS` that the answers carry."""
    warnings: tuple[str, ...] = ()
    learned: frozenset[str] = frozenset()
    """Prompts, by id, that a fitted judge of these answers has learned from, as results say."""
    judges: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What results say of their judges, by the label `judge` of their answers."""


def read_signal_input(
    paths: Sequence[Path], data: Path | None = None, columns: Columns | None = None
) -> SignalInput:
    """Read graded answers from any mixture of inputs.

    Args:
        paths: Folders or files.
        data: Rows with the rubrics, for verdicts that another program recorded.
        columns: Other names of the fields of such verdicts and rows.

    Raises:
        DataError: A path is missing or holds no verdicts; the rows are missing.
    """
    if data is not None and not can_name_rows(data):
        raise DataError(f"--data {data}: no such file")
    answers: list[TaggedAnswer] = []
    warnings: list[str] = []
    learned: set[str] = set()
    judges: dict[str, Mapping[str, object]] = {}
    seen: set[Path] = set()
    examples: Mapping[str, Example] | None = None
    for path, name in zip(paths, names_apart(paths), strict=True):
        if not (is_stdin(path) or path.exists()):
            raise DataError(f"{path}: no such file or folder")
        place = path if is_stdin(path) else path.resolve()
        if place in seen:
            warnings.append(f"{path} is given twice; its answers count once")
            continue
        seen.add(place)
        if _is_store(path):
            answers += read_store(path)
        elif _is_recorded(path, columns):
            if data is None:
                raise ConfigError(
                    f"{path}: recorded verdicts name their criteria by position only; "
                    "add --data ROWS, the file with the rubrics"
                )
            if examples is None:
                file = read_examples(data, columns=columns)
                if warning := file.warning():
                    warnings.append(warning)
                examples = {example.prompt_id: example for example in file.examples}
            answers += _recorded(path, name, examples, warnings, columns)
        else:
            answers += _runs(path, warnings, learned, judges, seen)
    carried = {name for answer in answers for name in answer.labels}
    by = tuple(name for name in DEFAULT_LABELS if name in carried)
    return SignalInput(tuple(answers), by, tuple(warnings), frozenset(learned), judges)


def on_new_prompts(found: SignalInput, *, allow_seen: bool) -> SignalInput:
    """Leave out prompts that a fitted judge has learned from, and say so.

    Args:
        found: The answers to study.
        allow_seen: Keep everything where nothing else would be left.

    Raises:
        ConfigError: The judge has learned from every prompt.
    """
    ids = [answer.graded.example.prompt_id for answer in found.answers]
    flags = tuple(prompt_id in found.learned for prompt_id in ids)
    n_seen = len(found.learned & set(ids))
    seen = LearnedShare(flags, n_seen, len(set(ids)))
    warning = seen.warning()
    if warning is None:
        return found
    if not allow_seen:
        seen.require_new("--allow_seen")
    if seen.is_all:
        return replace(found, warnings=(*found.warnings, warning))
    left = f"{warning}; they are excluded from the study"
    return replace(
        found, answers=tuple(seen.unseen(found.answers)), warnings=(*found.warnings, left)
    )


def _recorded(
    path: Path,
    name: str,
    examples: Mapping[str, Example],
    warnings: list[str],
    columns: Columns | None,
) -> list[TaggedAnswer]:
    from ..judges.data.recorded import read_recorded

    answers = []
    for file in read_recorded([path], examples, columns=columns):
        warnings += file.warnings()
        for row in file.rows:
            labels = {"model": str(row.facts.get("model") or name)}
            labels |= {name: str(value) for name, value in row.facts.items() if name != "model"}
            if "grader" in labels:
                labels["judge"] = labels.pop("grader")
            graded = GradedAnswer(row.example, row.answer, row.verdicts, row.repeat or 0)
            answers.append(TaggedAnswer(graded, labels))
    return answers


def _runs(
    path: Path,
    warnings: list[str],
    learned: set[str],
    judges: dict[str, Mapping[str, object]],
    seen: set[Path],
) -> list[TaggedAnswer]:
    from ..reports.results.reader import read_runs

    found = read_runs([path], warnings.append)
    again = {run.path for run in found if Path(run.path).resolve() in seen - {path.resolve()}}
    seen |= {Path(run.path).resolve() for run in found}
    if again:
        warnings.append(
            f"{path}: {len(again)} of its files are given twice; their answers count once"
        )
    runs = [run for run in found if run.path not in again]
    warnings += [note for run in runs for note in run.notes]
    answers = []
    for run in runs:
        digest = run.judge_digest or ""
        learned |= run.learned_prompts
        judges[digest] = {**run.facts.judge, **run.judge}
        labels = {"model": run.model, "task": run.task, "run": run.label, "judge": digest}
        answers += [TaggedAnswer(graded, labels) for graded in run.graded]
    return answers


def holds_verdicts(path: Path, columns: Columns | None = None) -> bool:
    """Tell what `read_signal_input` reads from other files, such as labelled rows."""
    if path.is_dir() or path.name.startswith(("samples_", "results_")):
        return True
    from ..reports.results.logs import is_log

    return _is_store(path) or _is_recorded(path, columns) or is_log(path)


def _is_store(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _is_recorded(path: Path, columns: Columns | None) -> bool:
    """Tell recorded verdicts from a samples file: `criteria_met` beside a `prompt_id` or prompt."""
    if not is_stdin(path) and (path.is_dir() or path.name.startswith("samples_")):
        return False
    try:
        rows = stream_rows(path, columns, VERDICT_FIELDS)
        first = next((row.value for row in rows if isinstance(row.value, Mapping)), None)
    except ConfigError:
        return False
    if first is None:
        return False
    row = Field(first)
    inside = row["rubrics"].value
    in_rubrics = isinstance(inside, list) and any(
        isinstance(each, Mapping) and "criteria_met" in each for each in inside
    )
    has_place = any(row.has(name) for name in ("prompt_id", *PROMPT_FIELDS))
    return has_place and (row.has("criteria_met") or in_rubrics)


def read_store(path: Path) -> list[TaggedAnswer]:
    """Read every answer of a verdict store, with its replicates, one entry per judge.

    A store does not know which model gave an answer: all answers to a prompt under one judge form
    one group. Criteria without a verdict are missing. Ratings of whole answers, which the reward
    `rar_implicit` needs, go to the verdicts of the same judge on the same answer by the same
    rubric; those without any are entries of their own.

    Raises:
        ConfigError: The file is empty.
        StoreError: It is no verdict store, is of a newer layout, or cannot be read.
    """
    with opened(path) as store:
        rows = store.execute(f"{EXPORT} ORDER BY v.{store.dialect.order}").fetchall()
    if not rows:
        raise DataError(f"{path}: the store holds no verdicts")
    examples: dict[bytes, Example] = {}
    judges: dict[bytes, _StoredJudge] = {}
    sheets: dict[tuple[bytes, bytes, str], dict[tuple[int, int], Verdict]] = {}
    for key, judge, example, criterion, replicate, *kept in rows:
        *words, latency_s, _, _, crc, row, answer, identity = kept
        if example not in examples:
            examples[example] = example_from_row(
                json.loads(row), where=f"{path.name}, a stored row"
            )
        if judge not in judges:
            judges[judge] = _StoredJudge.of(identity)
        verdict = read_verdict((key, *words, latency_s, crc), path)
        if verdict.is_missing:
            raise StoreError(f"{path}: {verdict.explanation}")
        sheets.setdefault((judge, example, answer), {})[replicate, criterion] = verdict
    rated: dict[_RatedAnswer, tuple[_StoredJudge, Example, tuple[Rating, ...]]] = {}
    graded = []
    for (digest, example, answer), verdicts in sheets.items():
        judge, one = judges[digest], examples[example]
        if judge.is_rating:
            # its example is the whole rubric as one criterion, whose text says which rubric
            place = (judge.who, one.prompt_id, one.rubric.criteria[0].text, answer)
            given = tuple(Rating.from_verdict(verdicts[at]) for at in sorted(verdicts))
            rated[place] = (judge, one, given)
        else:
            place = (judge.who, one.prompt_id, numbered(one.rubric.criteria), answer)
            graded.append((place, judge, _graded(one, answer, verdicts)))
    answers = [
        TaggedAnswer(
            replace(one, ratings=rated[place][2] if place in rated else ()), {"judge": judge.name}
        )
        for place, judge, one in graded
    ]
    paired = {place for place, _, _ in graded}
    return answers + [
        TaggedAnswer(
            GradedAnswer(one, place[-1], (_NOT_STORED,), ratings=given),
            {"judge": judge.name},
        )
        for place, (judge, one, given) in rated.items()
        if place not in paired
    ]


_NOT_STORED = Verdict(Outcome.SKIPPED, explanation="not in the store", attempts=0)
_RatedAnswer: TypeAlias = tuple[tuple[str, str], str, str, str]
"""Name and model of the judge, prompt_id, the rubric in words, and the answer."""


def _graded(
    example: Example, text: str, verdicts: Mapping[tuple[int, int], Verdict]
) -> GradedAnswer:
    """Lay out an answer's verdicts by replicate and criterion."""
    first, *others = (
        tuple(
            suited(verdicts.get((replicate, c), _NOT_STORED), criterion)
            for c, criterion in enumerate(example.rubric.criteria)
        )
        for replicate in range(1 + max(replicate for replicate, _ in verdicts))
    )
    return GradedAnswer(example, text, first, replicates=tuple(others))


@dataclass(frozen=True, slots=True)
class _StoredJudge:
    name: str
    """Its whole identity, so that two judges never share a group."""
    who: tuple[str, str]
    """Name and model: what it has in common when it rates and when it judges."""
    is_rating: bool
    """Whether it rates whole rubrics (`judges/verdict.py`), by its call shape."""

    @classmethod
    def of(cls, identity: str) -> _StoredJudge:
        try:
            plain = json.loads(identity)
        except ValueError:
            plain = None
        if not isinstance(plain, dict):
            return cls(identity, (identity, ""), False)
        sampling = plain.get("sampling")
        return cls(
            json.dumps(plain, sort_keys=True),
            (str(plain.get("name")), str(plain.get("model"))),
            isinstance(sampling, dict) and sampling.get("shape") == "rating",
        )
