"""Gather runs into models, and say whether the models may be compared.

Runs of one model name are repeats of each other: seeds, reruns. Models are comparable when they
answered the same data under the same judge; where they did not, comparing them is refused, or done
on request and said in red.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...judges.answer import GradedAnswer
from ...judges.errors import ConfigError, UnknownNameError
from ...judges.rubric import Example
from ..results.run import Run


@dataclass(frozen=True, slots=True)
class Model:
    """A model and all its runs of one task."""

    name: str
    runs: tuple[Run, ...]

    @property
    def graded(self) -> tuple[GradedAnswer, ...]:
        """All its answers, run after run."""
        return tuple(answer for run in self.runs for answer in run.graded)


def pick_task(runs: Sequence[Run], task: str | None, *, allow_different: bool = False) -> list[Run]:
    """Keep the runs of one task; with several tasks and none named, say which there are."""
    tasks = Counter(run.task for run in runs)
    if task is not None:
        if task not in tasks:
            raise UnknownNameError.among("task", task, tasks)
        return [run for run in runs if run.task == task]
    if len(tasks) > 1 and not allow_different:
        listing = ", ".join(f"{name} ({n} runs)" for name, n in sorted(tasks.items()))
        raise ConfigError(
            f"the runs are of several tasks: {listing}; name one with --task, or compare them all "
            "the same with --allow_different"
        )
    return list(runs)


def group_models(runs: Sequence[Run], baseline: str | None = None) -> list[Model]:
    """Put the runs of one model name together; the baseline comes first, the rest by name.

    A run that was given twice (the same answers and verdicts under the same label, as a copied
    folder has) is kept once. A run that a rule stopped is left out beside a whole run of the same
    judge on its answers (`stopped_beside_whole`).

    Raises:
        UnknownNameError: No model is called as the baseline is.
    """
    by_name: dict[str, list[Run]] = {}
    extra = stopped_beside_whole(runs)
    for run in runs:
        if any(run is one for one in extra):
            continue
        kept = by_name.setdefault(run.model, [])
        if not any(run.label == other.label and run.graded == other.graded for other in kept):
            kept.append(run)
    if baseline is not None and baseline not in by_name:
        raise UnknownNameError.among("model for --baseline", baseline, by_name)
    names = sorted(by_name, key=lambda name: (name != baseline, name))
    return [Model(name, tuple(by_name[name])) for name in names]


def stopped_beside_whole(runs: Sequence[Run]) -> list[Run]:
    """Find runs that a rule stopped and that add nothing: another run holds all of their answers.

    It was graded by the same judge, without a rule. Together they would count prompts twice.
    """
    whole = [run for run in runs if not run.until]
    return [run for run in runs if run.until and any(_holds(one, run) for one in whole)]


def _holds(whole: Run, part: Run) -> bool:
    if (whole.model, whole.task, whole.judge_digest) != (part.model, part.task, part.judge_digest):
        return False
    return bool(part.judge_digest) and set(map(_key, part.graded)) <= set(map(_key, whole.graded))


def _key(graded: GradedAnswer) -> tuple[str, str, int]:
    return graded.example.prompt_id, graded.answer, graded.repeat


SANITY_PREFIX = "baseline:"
"""Of the names under which `rubricbeat run --baselines` scores answers that take no model."""


def split_sanity(models: Sequence[Model], baseline: str | None) -> tuple[list[Model], list[Model]]:
    """Tell models from sanity rows; a sanity row that all else is compared with is a model.

    Where there is nothing else to compare, sanity rows are the models.
    """
    stand_ins = [m for m in models if m.name.startswith(SANITY_PREFIX) and m.name != baseline]
    real = [m for m in models if m not in stand_ins]
    if all(m.name == baseline for m in real):
        return list(models), []
    return real, stand_ins


def incomparable(models: Sequence[Model]) -> list[str]:
    """Say, in one sentence each, why these runs cannot be compared; empty where they can."""
    runs = [run for model in models for run in model.runs]
    problems = (
        _differing(runs, "tasks", lambda run: run.task),
        _differing_data(runs),
        _differing(runs, "judges", _judge_words),
        _differing_rubrics(models),
    )
    return [problem for problem in problems if problem]


def require_comparable(models: Sequence[Model], *, allow_different: bool) -> list[str]:
    """Refuse models that cannot be compared, unless told to go on; give the reasons then.

    Raises:
        ConfigError: They cannot, and `allow_different` is not set.
    """
    problems = incomparable(models)
    if problems and not allow_different:
        raise ConfigError(
            f"these runs are not comparable: {'; '.join(problems)}. Compare runs of one kind, or "
            "give --allow_different to compare them anyway, with a warning on the page"
        )
    return problems


def data_names(runs: Sequence[Run]) -> dict[str, str]:
    """Give the hash of each data file that of the first one with the same rows.

    Rows are the same where prompts and rubrics are, whatever answers the files carry beside them.
    One file may have fewer of them than the other. Of runs read without answers no rows are known.
    """
    return {sha: first for first, (shas, _) in _kinds_of_data(runs).items() for sha in shas}


_Rows: TypeAlias = dict[tuple[str, str], Example]
"""Rows of data by task and id."""


def _kinds_of_data(runs: Sequence[Run]) -> dict[str, tuple[list[str], _Rows]]:
    """Put data files with the same rows together, by the hash of the first."""
    files: dict[str, _Rows] = {}
    for run in runs:
        if run.data_sha256:
            rows = files.setdefault(run.data_sha256, {})
            for graded in run.graded:
                rows.setdefault((run.task, graded.example.prompt_id), graded.example)
    kinds: dict[str, tuple[list[str], _Rows]] = {}
    for sha, rows in files.items():
        for shas, known in kinds.values():
            if rows and known and _other_row(known, rows) is None:
                shas.append(sha)
                known |= rows
                break
        else:
            kinds[sha] = ([sha], rows)
    return kinds


def _other_row(one: _Rows, other: _Rows) -> str | None:
    """Say which row differs; None where one holds all rows of the other."""
    for key in sorted(one.keys() & other.keys()):
        for what in ("prompt", "rubric"):
            if getattr(one[key], what) != getattr(other[key], what):
                return f"row {_row_words(one[key])} has another {what}"
    alone = min(one.keys() - other.keys(), default=None)
    if alone is None or one.keys() >= other.keys():
        return None
    asked = {example.prompt for example in other.values()}
    words = "has another rubric or id" if one[alone].prompt in asked else "is in one of them alone"
    return f"row {_row_words(one[alone])} {words}"


def _row_words(example: Example) -> str:
    asked = textwrap.shorten(example.prompt[-1].content if example.prompt else "", 60)
    return f"{example.prompt_id[:64]} ({asked!r})"


def _differing_data(runs: Sequence[Run]) -> str | None:
    """Word which data files differ, and the first row that does."""
    kinds = _kinds_of_data(runs)
    firsts = [next(run for run in runs if run.data_sha256 == sha) for sha in kinds]
    said = _differing(firsts, "data files", lambda run: (run.data_sha256 or "")[:12])
    if said is None:
        return None
    (_, one), (_, other), *_ = kinds.values()
    row = _other_row(one, other)
    return f"{said}; {row}" if row else said


def _judge_words(run: Run) -> str:
    words = [str(run.judge.get(key) or "") for key in ("name", "model", "prompt")]
    return " ".join(filter(None, (*words, (run.judge_digest or "")[:12])))


def _differing(runs: Sequence[Run], what: str, key: Callable[[Run], str]) -> str | None:
    """Word what differs between the runs that say something of it."""
    names: dict[str, str] = {}
    for run in runs:
        value = key(run)
        if value:
            names.setdefault(value, run.name)
    if len(names) < 2:
        return None
    listing = ", ".join(f"{value} ({name})" for value, name in sorted(names.items()))
    return f"they have different {what}: {listing}"


def _differing_rubrics(models: Sequence[Model]) -> str | None:
    """Find prompts whose rubric is not the same everywhere."""
    first: dict[str, Example] = {}
    differing: set[str] = set()
    for model in models:
        for graded in model.graded:
            example = graded.example
            known = first.setdefault(example.prompt_id, example)
            if known is not example and known.rubric != example.rubric:
                differing.add(example.prompt_id)
    if not differing:
        return None
    name = min(differing)
    return (
        f"{len(differing)} prompts have other criteria in one run than in another, such as {name}"
    )
