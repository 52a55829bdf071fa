"""What `rubricbeat judge` asks about: all answers here; a stopping rule or a sample asks less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..judges.answer import Answer, GradedAnswer
from ..judges.data.responses import RunKey
from ..judges.grader import Grader
from .results.judged_runs import JudgedRun, JudgedRuns, graded_by_run


class AllAnswers:
    """All answers, in the order of their files."""

    n_unasked = 0
    """Verdicts that were lined up and then not asked, because nothing hangs on them."""
    has_scores = True
    """Whether the verdicts of a run are a score by themselves."""

    def __init__(
        self, answers: Iterable[tuple[RunKey, Answer]], n_answers: int, n_criteria: int
    ) -> None:
        """Take answers, which are read again each time, and how many they and their criteria are.

        Criteria of absent answers do not count.
        """
        self._answers, self._n_answers, self.n_criteria = answers, n_answers, n_criteria

    def __iter__(self) -> Iterator[tuple[RunKey, Answer]]:
        """Give what may be asked about, each answer with its run."""
        return iter(self._answers)

    def told(self, grader: Grader) -> Iterator[str]:
        """Give the lines that are said before the first question."""
        return iter(())

    def grade(self, grader: Grader) -> Iterator[tuple[RunKey, GradedAnswer]]:
        """Grade, and give the answers whose verdicts count.

        Raises:
            RubricbeatError: The grading ended with it.
        """
        n_questions = self.n_criteria * grader.options.replicates
        return graded_by_run(grader, self, n_questions=n_questions)

    def is_kept(self, judged: JudgedRuns) -> bool:
        """Say whether results are written of what was taken in before an error."""
        return judged.is_complete(self._n_answers)

    def facts(self) -> Mapping[str, Mapping[str, object]]:
        """Give what results say of the choice of what was asked: nothing, or under one name."""
        return {}

    def stopped(self, reason: str | None) -> str | None:
        """Say why grading ended early, if that is for the user to know.

        Args:
            reason: What the judge says; None where it did not stop.
        """
        return reason

    def run_metrics(self, run: JudgedRun) -> Mapping[str, object]:
        """Give the metrics of a run that is written."""
        return run.written.metrics

    def model_metrics(self, model: str, metrics: Mapping[str, object]) -> Mapping[str, object]:
        """Give the metrics of all runs of a model, from those for a fixed number of prompts."""
        return metrics

    def words(self) -> Sequence[str]:
        """Give the sentences that are said at the end."""
        return ()
