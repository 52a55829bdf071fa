"""Results of earlier commands in the output folder: which the new ones replace, which count beside.

The same run is the same model, label, task and judge. Its results are replaced where the new ones
hold all its answers, or come from the same files of rows and answers: those were corrected.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from array import array
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...judges.answer import Answer
from ...judges.data.responses import RunKey
from ...judges.data.streams import is_stdin
from ...judges.errors import DataError
from ...reports.results.run import Run
from ...reports.results.samples import answers_in, described, samples_below, samples_beside
from ...reports.results.values import listed, number_of
from .documents import SpooledDocuments, answer_key
from .writer import WrittenRun

SUPERSEDED = ".superseded"
"""Put behind the name of a result file that a later one has taken the place of."""


def sources_of(data: Path, responses: Sequence[Path], columns: str | None) -> list[str] | None:
    """Tell files of answers, read by the same rows and columns, apart; None for standard input."""
    if any(map(is_stdin, (data, *responses))):
        return None
    return sorted(
        hashlib.sha256(
            f"{data.resolve()}\0{file.resolve()}\0{columns}".encode("utf-8", "surrogatepass")
        ).hexdigest()[:16]
        for file in {*responses}
    )


def foretold(
    folder: Path,
    runs: Collection[RunKey],
    answers: Iterable[tuple[RunKey, Answer]],
    task: str,
    digest: str,
    config: Mapping[str, object],
) -> Iterator[str]:
    """Say before anything is asked which earlier results hold other answers of the same run.

    Args:
        folder: Where results lie.
        runs: Those that will be graded.
        answers: Of them; read only where there are earlier results.
        task: Name of the task.
        digest: Of the judge.
        config: As the new results will have it.
    """
    found = {run: list(_earlier(folder, run, task, digest)) for run in runs}
    if not any(found.values()):
        return
    new = {run: array("Q") for run in runs}
    for run, answer in answers:
        new[run].append(answer_key(answer.example.prompt_id, answer.text or "", answer.repeat))
    for run, each in found.items():
        for samples, earlier in each:
            old = _keys(samples)
            if earlier.until or earlier.sample or old is None or np.isin(old, new[run]).all():
                continue
            what = (
                f"{folder} holds results of {earlier.name if run[1] else run[0]} on other answers"
            )
            if is_corrected(earlier, config):
                yield f"{what} from the same file: the new ones replace them; --run NAME keeps both"
            else:
                yield f"{what}; both will count as repeats; use another -o, or --run NAME"


def repeated(folder: Path, model: str, label: str, tasks: Collection[str]) -> str | None:
    """Say before a model is asked that results of it are there; a run with a label is meant so."""
    if label:
        return None
    for samples in samples_below(folder):
        with contextlib.suppress(DataError, OSError):
            found = described(samples)
            if (found.model, _label(found)) == (model, "") and found.task in tasks:
                return (
                    f"{folder} holds results of {model} on {found.task}; both will count as "
                    "repeats; use another -o, or --run NAME where that is meant"
                )
    return None


def retire(
    folder: Path,
    run: RunKey,
    task: str,
    digest: str,
    written: WrittenRun,
    answers: SpooledDocuments,
    *,
    there: Container[Path] = (),
    config: Mapping[str, object],
) -> int:
    """Set earlier results of the very same run aside, so that it does not count twice.

    They hold no answer that the new ones lack, or come from the same files; unless a rule has
    stopped the run, or both are samples of verdicts; what is graded whole no sample takes the place
    of. Files are renamed, never deleted. Earlier samples are read line by line. Of two commands
    that end at the same moment the later results stay.

    Args:
        folder: Where results lie.
        run: Model and label.
        task: Name of the task.
        digest: Of the judge.
        written: The new results.
        answers: What they hold.
        there: Samples that were there when the command began: earlier, whatever their stamp says.
        config: Of the new results.

    Returns:
        How many results were set aside.
    """
    n_retired = 0
    new = np.array(answers.keys, dtype=np.uint64)
    for samples, earlier in _earlier(folder, run, task, digest):
        is_later = earlier.facts.stamp >= described(written.samples).facts.stamp
        if samples == written.samples or (is_later and samples not in there):
            continue
        if "sample" in config and not earlier.sample:
            continue
        old = _keys(samples)
        if old is None or not len(old):
            continue
        # a run that a rule stopped has its prompts by chance: the later one counts
        by_chance = earlier.until or ("sample" in config and earlier.sample)
        if by_chance or np.isin(old, new).all() or is_corrected(earlier, config):
            _set_aside(samples, samples.with_name(f"results_{earlier.facts.stamp}.json"))
            n_retired += 1
    return n_retired


def _set_aside(samples: Path, results: Path) -> None:
    """Rename the files of a run; results that samples of another task share stay."""
    with contextlib.suppress(FileNotFoundError):
        samples.rename(f"{samples}{SUPERSEDED}")
    try:
        samples_beside(results)
    except DataError:
        with contextlib.suppress(FileNotFoundError):
            results.rename(f"{results}{SUPERSEDED}")


def is_corrected(earlier: Run, config: Mapping[str, object]) -> bool:
    """Say whether new results of the same files cover what earlier ones did, by what was asked."""
    before = earlier.facts.config
    now, then = listed(config.get("sources")), before.get("sources")
    if not now or not isinstance(then, list) or not all(source in now for source in then):
        return False
    limit, limit_before = number_of(config.get("limit")), number_of(before.get("limit"))
    covers = limit is None or (limit_before is not None and limit >= limit_before)
    return covers and "until" not in config and "sample" not in config


def _earlier(folder: Path, run: RunKey, task: str, digest: str) -> Iterator[tuple[Path, Run]]:
    """Find the results of a run; a file that is broken is named."""
    for samples in samples_below(folder):
        try:
            found = described(samples)
        except (DataError, OSError) as error:
            _left(samples, error)
            continue
        key = (found.model, _label(found), found.task)
        if key == (*run, task) and found.judge_digest == digest:
            yield samples, found


def _keys(samples: Path) -> NDArray[np.uint64] | None:
    try:
        return np.fromiter((answer_key(*each) for each in answers_in(samples)), np.uint64)
    except (DataError, OSError) as error:
        _left(samples, error)
        return None


def _left(samples: Path, error: Exception) -> None:
    if samples.exists():  # else another command has just set it aside
        print(f"rubricbeat: left as it is: {error}", file=sys.stderr)


def _label(run: Run) -> str:
    """Give the label the run was given; empty where its stamp stands in for one."""
    return str(run.facts.run.get("label") or "")
