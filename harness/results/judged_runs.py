"""The runs of one `rubricbeat judge`: graded answers go in as they come, result files come out."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...judges.answer import Answer, GradedAnswer
from ...judges.data.responses import RunKey
from ...judges.engine.work_items import DEADLINE
from ...judges.errors import OutputError, RubricbeatError
from ...judges.files import alone_in
from ...judges.grader import Grader
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.missing_reasons import MissingVerdicts
from ...judges.scoring.run_scores import LENGTH_PENALTIES, ScoredAnswers, summarise_scored
from ...judges.scoring.verdict_table import PackedAnswers
from ...reports.results.samples import samples_below
from .documents import Spool, SpooledDocuments
from .earlier import retire
from .writer import GradedRun, WrittenRun, write_run


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

    def metrics(self) -> dict[str, tuple[int, dict[str, object]]]:
        """Give what the runs of each model come to together: how many they are, and their scores.

        `Summary.to_json()` without its draws.
        """
        n_runs = Counter(model for model, _ in self._runs)
        found = {}
        for model, packed in self._packed.items():
            tables = map(ScoredTable.score, packed.tables())
            scored = ScoredAnswers.of(tables, LENGTH_PENALTIES["full"])
            found[model] = (n_runs[model], summarise_scored(scored, n_draws=0).to_json())
        return found

    def is_complete(self, n_answers: int) -> bool:
        """Say whether so many answers were taken in."""
        return sum(len(answers.packed) for answers in self._runs.values()) == n_answers

    def write(
        self,
        task: str,
        *,
        judge: Mapping[str, object],
        data: Mapping[str, object],
        config: Mapping[str, object],
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
                    config=config,
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
