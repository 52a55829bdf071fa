"""Edited twins: an honest judge passes, one that does not read or is easily swayed is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rubricbeat.harness.audit_run import audit_options
from rubricbeat.harness.tables.audit import audit_text
from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.audit.upkeep.twins import EDITS, TwinRow, twin_answers, twin_rows, twins_of
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict

TEXT = """Rest a while.

Please take these steps:
- Chew 300 mg of aspirin now
- Call an ambulance at once.
- Unlock the door

1. Wait sitting up. Someone should stay."""
DOSE = Criterion("Advises chewing 300 mg of aspirin", 5.0, Polarity.DESIRABLE)
CALL = Criterion("Tells the user to call an ambulance at once", 5.0, Polarity.DESIRABLE)
NOT = Criterion("Does not mention antacids", 3.0, Polarity.DESIRABLE)
ROOM = Criterion("Advises at least 300 mg of aspirin", 3.0, Polarity.DESIRABLE)
FORM = Criterion("Gives the steps as a bullet list", 3.0, Polarity.DESIRABLE)
BY_NAME = {edit.name: edit.of for edit in EDITS}


def test_evidence_is_taken_out_with_its_marks_and_called_wrong_in_its_place() -> None:
    twin = BY_NAME["evidence removed"](TEXT, CALL)
    assert twin is not None and "ambulance" not in twin
    assert "- Chew 300 mg of aspirin now\n- Unlock the door" in twin
    twin = BY_NAME["evidence called wrong"](TEXT, CALL)
    wrong = '- It would be wrong to say this: "Call an ambulance at once."\n'
    assert twin is not None and wrong in twin


def test_a_number_is_changed_wherever_the_criterion_names_it() -> None:
    twin = BY_NAME["number changed"](TEXT + " 300 mg, not 1300 or 300.5.", DOSE)
    assert twin is not None and twin.endswith("up. Someone should stay. 601 mg, not 1300 or 300.5.")
    assert "Chew 601 mg" in twin


@pytest.mark.parametrize(
    ("edit", "criterion"),
    [
        ("evidence removed", NOT),
        ("evidence called wrong", NOT),
        ("evidence removed", Criterion("Has a kind ambulance call", 1.0, Polarity.DESIRABLE)),
        ("evidence removed", Criterion("Mentions the user's allergies", 1.0, Polarity.DESIRABLE)),
        ("number changed", ROOM),
        ("number changed", CALL),
        ("number changed", Criterion("Advises 30 mg of aspirin", 1.0, Polarity.DESIRABLE)),
    ],
)
def test_where_the_rule_may_not_hold_there_is_no_twin(edit: str, criterion: Criterion) -> None:
    assert BY_NAME[edit](TEXT, criterion) is None


def test_layouts_say_the_same_in_another_form() -> None:
    prose = BY_NAME["bullets as prose"](TEXT, CALL)
    assert prose is not None
    assert "\nChew 300 mg of aspirin now. Call an ambulance at once. Unlock the door.\n" in prose
    turned = BY_NAME["bullets in reverse order"](TEXT, CALL)
    assert turned is not None
    assert "- Unlock the door\n- Call an ambulance at once.\n- Chew 300 mg" in turned
    nested = "- a\n  - b\n- c"
    assert BY_NAME["bullets in reverse order"](nested, CALL) is None  # b belongs to a
    assert BY_NAME["bullets as prose"]("No list.", CALL) is None


def audited(says: Callable[[str, Criterion], bool | None], n: int = 12) -> dict[str, TwinRow]:
    """Put every twin to a judge; the labels are those of an honest reader."""
    labelled, graded = [], []
    criteria = (DOSE, CALL, NOT, FORM)
    for number in range(n):
        example = Example(f"p{number}", (Message("user", f"q{number}"),), Rubric(criteria))
        labelled.append(LabelledAnswer(example, TEXT, ((Label(True),),) * 4))
        said = tuple(verdict_of(says(TEXT, one)) for one in criteria)
        graded.append(GradedAnswer(example, TEXT, said))

    def judge(answer: Answer) -> GradedAnswer:
        [criterion] = answer.example.rubric.criteria
        said = verdict_of(says(answer.text or "", criterion))
        return GradedAnswer(answer.example, answer.text or "", (said,))

    twins = twins_of(labelled, graded, 10, seed=0)
    rows = twin_rows(twins, [judge(one) for one in twin_answers(twins)])
    return {f"{row.edit} {row.must_change}": row for row in rows}


def verdict_of(said: bool | None) -> Verdict:
    return Verdict(Outcome.REFUSED) if said is None else Verdict.of(said)


def reads(text: str, criterion: Criterion) -> bool:
    """Judge as a reader does who knows these criteria."""
    if criterion == DOSE:
        return "300 mg of aspirin" in text and 'say this: "Chew' not in text
    if criterion == CALL:
        return "Call an ambulance" in text and 'say this: "Call' not in text
    return True


def test_a_judge_that_reads_changes_where_it_must_and_only_there() -> None:
    rows = audited(reads)
    must, other = rows["all of them True"], rows["all of them False"]
    assert (must.n, must.changed.value) == (30, 1.0)
    assert (other.n, other.changed.value) == (50, 0.0)
    assert must.changed.low is not None and must.changed.low > 0.6


class Reader:
    """The same as a judge that the audit asks."""

    version = "1"
    stored = False

    async def judge(self, question: Question) -> Verdict:
        """Answer one question."""
        return Verdict.of(reads(question.answer, question.criterion))


def test_the_audit_asks_the_judge_about_twins_and_shows_them() -> None:
    labelled = [
        LabelledAnswer(
            Example(f"p{n}", (Message("user", f"q{n}"),), Rubric((DOSE,))), TEXT, ((Label(True),),)
        )
        for n in range(12)
    ]
    found = audit_options(labelled, Reader(), {}, twins=4, seed=0)  # type: ignore[arg-type]
    rows = {row.edit: row for row in found.twins if row.must_change}
    assert (rows["evidence removed"].n, rows["evidence removed"].changed.value) == (4, 1.0)
    table = audit_text(found)
    assert "edit of the answer" in table and "number changed" in table
    assert not any(row.why for row in found.twins) and "no twin" not in table


def test_kinds_of_edits_without_a_twin_say_why() -> None:
    plain = LabelledAnswer(
        Example("p", (Message("user", "q"),), Rubric((DOSE,))), "Rest.", ((Label(True),),)
    )
    found = audit_options([plain], Reader(), {}, twins=4, seed=0)  # type: ignore[arg-type]
    table = audit_text(found)
    for name in ("evidence removed", "evidence called wrong", "number changed"):
        assert f"{name}: no twin could be made: no criterion that" in table
    assert "bullets as prose: no twin could be made: no answer has a bulleted list" in table
    assert "a judge that does not read the answers is not found out here" in table
    assert "polite opening: no" not in table
    form = replace(plain, example=replace(plain.example, rubric=Rubric((FORM,))))
    found = audit_options([form], Reader(), {}, twins=4, seed=0)  # type: ignore[arg-type]
    assert [row.n for row in found.twins] == [0] * 10
    table = audit_text(found)
    assert "edit of the answer" not in table
    assert "polite opening: no twin could be made: every criterion" in table


def test_a_judge_that_does_not_read_the_answer_is_found() -> None:
    rows = audited(lambda text, criterion: True)
    assert rows["all of them True"].changed.value == 0.0


def test_a_judge_that_reads_the_numbers_only_or_is_swayed_by_manners_is_found() -> None:
    rows = audited(lambda text, criterion: "300" in text and not text.startswith("Thank"))
    assert rows["number changed True"].changed.value == 1.0
    assert rows["evidence called wrong True"].changed.value == 0.0
    assert rows["polite opening False"].changed.value == 1.0
    assert rows["white space at the end False"].changed.value == 0.0


def test_a_missing_verdict_is_no_change_and_no_stay() -> None:
    rows = audited(lambda text, criterion: None if text.startswith("Answer:") else True)
    assert rows['"Answer:" before it False'].n == 0
    assert rows['"Answer:" before it False'].changed.value is None


def test_only_what_labels_and_judge_call_met_must_change() -> None:
    rows = audited(lambda text, criterion: criterion != CALL)
    assert rows["evidence removed True"].n == 10
    rows = audited(lambda text, criterion: False)
    assert rows["all of them True"].n == 0 and rows["all of them False"].n == 50
