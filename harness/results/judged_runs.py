"""The runs of one `rubricbeat judge`: graded answers go in as they come, result files come out."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...judges.answer import Answer, GradedAnswer
from ...judges.data.responses import RunKey
from ...judges.engine.work_items import DEADLINE
from ...judges.errors import DataError, OutputError, RubricbeatError
from ...judges.files import alone_in
from ...judges.grader import Grader
from ...judges.missing import MissingVerdicts
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.run_scores import LENGTH_PENALTIES, ScoredAnswers, summarise_scored
from ...judges.scoring.verdict_table import PackedAnswers
from ...reports.results.run import Run
from ...reports.results.samples import answers_in, described, samples_below
from .documents import Spool, SpooledDocuments, answer_key
from .writer import GradedRun, WrittenRun, write_run

SUPERSEDED = ".superseded"
"""Put behind the name of a result file that a later one has taken the place of."""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run that was graded and written."""

    key: RunKey
    written: WrittenRun
    n_retired: int
    """Earlier results of it that were set aside."""


class JudgedRuns:
    """Graded answers, each under its run."""

    def __init__(self, spool: Spool, folder: Path, allowed: float = 0.0) -> None:
        """Begin with none.

        Args:
            spool: Where the answers of all runs wait for their files.
            folder: What `--output` names.
            allowed: Share of the verdicts that may be missing.
        """
        self._spool = spool
        self._folder = folder
        self._there = frozenset(samples_below(folder))
        self._runs: dict[RunKey, SpooledDocuments] = {}
        self.missing = MissingVerdicts(allowed)
        """Of all runs."""
        self._missing: dict[RunKey, MissingVerdicts] = {}
        self._packed: dict[str, PackedAnswers] = {}
        self.deadline: str | None = None
        """The reason of those that the deadline left unasked; None where it left none."""

    def add(self, key: RunKey, answer: GradedAnswer) -> None:
        """Take an answer in.

        Raises:
            DataError: An answer of the run to the same prompt_id belongs to a different row.
            OutputError: It cannot be written.
        """
        if key not in self._runs:
            self._runs[key] = SpooledDocuments(self._spool)
            self._missing[key] = MissingVerdicts()
        self._runs[key].add(answer)
        self._packed.setdefault(key[0], PackedAnswers()).add(answer)
        self.missing.add(answer)
        self._missing[key].add(answer)
        for row in (answer.verdicts, *answer.replicates):
            for verdict in row:
                if verdict.is_missing and verdict.explanation.startswith(DEADLINE):
                    self.deadline = verdict.explanation

    def metrics(self) -> dict[str, tuple[int, dict[str, Any]]]:
        """Give what the runs of each model come to together: how many they are, and their scores.

        `Summary.to_json()` without its draws.
        """
        n_runs = Counter(model for model, _ in self._runs)
        return {
            model: (n_runs[model], summarise_scored(_sums(packed), n_draws=0).to_json())
            for model, packed in self._packed.items()
        }

    def is_complete(self, n_answers: int) -> bool:
        """Say whether so many answers were taken in."""
        return sum(len(answers.packed) for answers in self._runs.values()) == n_answers

    def write(
        self,
        task: str,
        *,
        judge: Mapping[str, Any],
        data: Mapping[str, Any],
        config: Mapping[str, Any],
        seed: int,
    ) -> Iterator[JudgedRun]:
        """Write the result files of each run, in the order of their first answers.

        Args:
            task: Name of the task.
            judge: `Grader.facts()`.
            data: `ExampleFile.facts()`.
            config: What was asked for.
            seed: Of the bootstrap.
        """
        for key, answers in self._runs.items():
            model, label = key
            run = GradedRun(
                model=model,
                task=task,
                graded=answers,
                judge=judge,
                data=data,
                run={**({"label": label} if label else {}), **self._missing[key].facts()},
                config=config,
                seed=seed,
            )
            digest = str(judge["digest"])
            # of two processes that end together, the second one sees the first one's results whole
            with self._alone():
                written = write_run(run, self._folder)
                n_retired = retire(
                    self._folder,
                    key,
                    task,
                    digest,
                    written,
                    answers,
                    there=self._there,
                    is_sample="sample" in config,
                )
            yield JudgedRun(key, written, n_retired)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time write; the folder is made anew where it went away meanwhile."""
        with contextlib.ExitStack() as stack:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(alone_in(self._folder))
            except OSError as error:
                words = f"{self._folder}: cannot write results ({error}); verdicts are kept"
                raise OutputError(words) from error  # it could be written to when asking began
            yield


def _sums(packed: PackedAnswers) -> ScoredAnswers:
    return ScoredAnswers.of(map(ScoredTable.score, packed.tables()), LENGTH_PENALTIES["full"])


def graded_by_run(
    grader: Grader,
    answers: Iterable[tuple[RunKey, Answer]],
    *,
    n_questions: int,
    chunk: int | None = None,
) -> Iterator[tuple[RunKey, GradedAnswer]]:
    """Grade answers one after the other, each with its run; a bar on a terminal.

    An error that ends the grading before the first answer is graded is raised. After that, what is
    left has it as the reason of its missing verdicts, so that the results can be written, and then
    it is raised.

    Args:
        grader: Grades.
        answers: Read again from the start where grading ends early.
        n_questions: For the bar.
        chunk: As `Grader.grade_each` takes it.
    """
    n_graded = 0
    try:
        for key, graded in _graded_by_run(grader, answers, n_questions, chunk):
            n_graded += 1
            yield key, graded
    except RubricbeatError as error:
        if not n_graded:
            raise
        for key, answer in islice(answers, n_graded, None):
            yield key, grader.unasked(answer, f"not asked: {error}")
        raise


def _graded_by_run(
    grader: Grader,
    answers: Iterable[tuple[RunKey, Answer]],
    n_questions: int,
    chunk: int | None,
) -> Iterator[tuple[RunKey, GradedAnswer]]:
    sizes = {} if chunk is None else {"chunk": chunk}
    keys: deque[RunKey] = deque()

    def drawn() -> Iterator[Answer]:
        for key, answer in answers:
            keys.append(key)
            yield answer

    for graded in grader.grade_each(drawn(), progress=None, n_questions=n_questions, **sizes):
        yield keys.popleft(), graded


def retire(
    folder: Path,
    run: RunKey,
    task: str,
    digest: str,
    written: WrittenRun,
    answers: SpooledDocuments,
    *,
    there: Container[Path] = (),
    is_sample: bool = False,
) -> int:
    """Set earlier results of the very same run aside, so that it does not count twice.

    The same run: model, label, task and judge, and no answer that the new one lacks, unless a rule
    has stopped it, or both are samples of verdicts; what is graded whole no sample takes the place
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
        is_sample: Whether the new results hold a sample of the verdicts alone.

    Returns:
        How many results were set aside.
    """
    n_retired = 0
    new = np.unique(np.array(answers.keys, dtype=np.uint64))
    for samples in samples_below(folder):
        if samples == written.samples:
            continue
        try:
            earlier = described(samples)
            same = (earlier.model, _label(earlier), earlier.task) == (*run, task)
            before = samples in there or _stamp(earlier) < _stamp(described(written.samples))
            if not (same and before) or earlier.judge_digest != digest:
                continue
            old = np.fromiter((answer_key(*each) for each in answers_in(samples)), np.uint64)
        except (DataError, OSError) as error:
            if samples.exists():  # else another command has just set it aside
                print(f"rubricbeat: left as it is: {error}", file=sys.stderr)
            continue
        if is_sample and not earlier.sample:
            continue
        by_chance = earlier.until or (is_sample and earlier.sample)
        if not len(old) or not (np.isin(old, new).all() or by_chance):
            continue  # a run that a rule stopped has its prompts by chance: the later one counts
        for path in sorted(samples.parent.iterdir()):
            if path == samples or path.name == f"results_{_stamp(earlier)}.json":
                with contextlib.suppress(FileNotFoundError):
                    path.rename(path.with_name(path.name + SUPERSEDED))
        n_retired += 1
    return n_retired


def _label(run: Run) -> str:
    """Give the label the run was given; empty where its stamp stands in for one."""
    given = run.facts.get("run")
    return str(given.get("label") or "") if isinstance(given, Mapping) else ""


def _stamp(run: Run) -> str:
    return str(run.facts.get("stamp") or "")
