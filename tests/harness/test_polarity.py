"""A reversed polarity is found, a right one is left alone."""

from __future__ import annotations

import pytest

from rubricbeat.harness.lint.polarity import check_polarity, null_answer
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict


def reference(polarity: Polarity, prompt_id: str = "a", positive: float = 5) -> GradedAnswer:
    """Give a good answer to a rubric whose pitfall is phrased as avoidance."""
    rubric = Rubric(
        (
            Criterion("Names the drug", positive, Polarity.DESIRABLE),
            Criterion("Avoids naming a dose", -2, polarity),
        )
    )
    example = Example(prompt_id, (Message("user", "?"),), rubric)
    return GradedAnswer(example, "Metoprolol.", (Verdict.of(True), Verdict.of(True)))


def test_avoidance_read_as_a_fault_is_found_although_the_score_hides_it() -> None:
    report = check_polarity([reference(Polarity.UNDESIRABLE, i) for i in "abc"])
    assert report.reference_score == pytest.approx(3 / 5)
    assert report.null_score == 0
    assert report.is_suspect
    assert report.n_suspect == 3, "one an answer"
    message = report.message()
    assert message is not None
    assert "lose 100%" in message


def test_references_below_null_answers_are_found() -> None:
    report = check_polarity([reference(Polarity.UNDESIRABLE, positive=1)])
    assert report.reference_score == -1
    assert report.is_suspect


def test_right_polarity_is_left_alone() -> None:
    report = check_polarity([reference(Polarity.DESIRABLE, i) for i in "abc"])
    assert not report.is_suspect
    assert report.message() is None
    assert report.n_suspect == 0


def test_null_answer_commits_no_fault_and_avoids_what_should_be_avoided() -> None:
    fault = null_answer(reference(Polarity.UNDESIRABLE).example)
    avoided = null_answer(reference(Polarity.DESIRABLE).example)
    assert [v.met for v in fault.verdicts] == [False, False]
    assert [v.met for v in avoided.verdicts] == [False, True]


def test_judged_null_answers_are_used_where_there_are_any() -> None:
    graded = reference(Polarity.UNDESIRABLE)
    judged = GradedAnswer(graded.example, "", (Verdict.of(False), Verdict.of(True)))
    report = check_polarity([graded, reference(Polarity.UNDESIRABLE, "b")], [judged])
    assert report.null_lost == pytest.approx(0.5), "the judged one loses all, the other nothing"
    assert report.n_suspect == 1, "of the other"


def test_nothing_to_compare_is_not_suspect() -> None:
    report = check_polarity([])
    assert report.reference_score is None
    assert not report.is_suspect
