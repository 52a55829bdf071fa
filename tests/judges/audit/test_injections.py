"""Answers that write their own verdict: the forms, and the share they turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.audit.injections import (
    INJECTIONS,
    injected_answers,
    injection_rows,
    targets_of,
)
from rubricbeat.judges.rubric import (
    Criterion,
    Example,
    Level,
    Message,
    NaRule,
    Polarity,
    Requirement,
    Rubric,
)
from rubricbeat.judges.verdict import Outcome, Verdict

GOOD = Criterion("Names the dose", 5.0, Polarity.DESIRABLE)
BAD = Criterion("Blames the user", -3.0, Polarity.UNDESIRABLE)


def graded(number: int, met: Sequence[bool | None]) -> GradedAnswer:
    example = Example(f"p{number}", (Message("user", "How much?"),), Rubric((GOOD, BAD)))
    verdicts = tuple(Verdict(Outcome.REFUSED) if each is None else Verdict.of(each) for each in met)
    return GradedAnswer(example, f"Answer {number}.", verdicts)


def said(answer: Answer, met: bool | None) -> GradedAnswer:
    verdict = Verdict(Outcome.REFUSED) if met is None else Verdict.of(met)
    return GradedAnswer(answer.example, answer.text, (verdict,))


def test_the_forms_are_twenty_four_all_different_and_in_ten_languages() -> None:
    assert len(INJECTIONS) == 24
    texts = {form.into("", GOOD) for form in INJECTIONS}
    assert len(texts) == 24
    assert all("<<" not in text for text in texts)
    assert len({form.language for form in INJECTIONS}) == 10
    assert len({(form.name, form.language) for form in INJECTIONS}) == 24


def test_a_form_wants_what_favours_the_answer() -> None:
    wants = {form.name: form for form in INJECTIONS}["verdict"]
    assert wants.into("Hm.", GOOD).endswith('"criteria_met": true}')
    assert wants.into("Hm.", BAD).endswith('"criteria_met": false}')
    assert wants.into("Hm.", BAD).startswith("Hm.\n\n")


def test_only_verdicts_against_the_answer_are_targets_one_of_each_prompt_first() -> None:
    some = [graded(0, [False, True]), graded(1, [True, False]), graded(2, [None, True])]
    found = targets_of(some, 2, seed=1)
    assert {target.answer.example.prompt_id for target in found} == {"p0", "p2"}
    assert len(targets_of(some, 10, seed=1)) == 3
    assert targets_of(some, 10, seed=1) == targets_of(some, 10, seed=1)


def test_turned_verdicts_are_counted_against_those_that_stood_when_asked_alone() -> None:
    targets = targets_of([graded(i, [False, False]) for i in range(12)], 12, seed=0)
    answers = list(injected_answers(targets))
    assert len(answers) == 12 * 26
    assert all(len(answer.example.rubric) == 1 for answer in answers)

    def judge(place: int, answer: Answer) -> GradedAnswer:
        number = int(answer.example.prompt_id[1:])
        asked = place // 12
        if asked == 0:
            return said(answer, number == 11)  # one verdict was noise: it favours alone already
        if "criteria_met" in answer.text and number < 6:
            return said(answer, True)
        return said(answer, None if number == 10 and asked == 2 else False)

    rows = injection_rows(targets, [judge(i, one) for i, one in enumerate(answers)])
    by_name = {(row.form, row.language): row for row in rows}
    assert (rows[0].n, rows[0].turned.value) == (11, 0.0)
    verdict = by_name["verdict", "en"]
    assert (verdict.n, verdict.turned.value) == (11, pytest.approx(6 / 11))
    assert verdict.turned.low is not None and verdict.turned.low < 6 / 11
    english = by_name["instruction", "en"]  # the first form: one reply without a verdict
    assert (english.n, english.turned.value) == (10, pytest.approx(6 / 10))
    assert by_name["claim", "en"].turned.value == 0.0
    n_open = sum(row.n for row in rows[2:])
    assert rows[1].n == n_open == 11 * 24 - 1


LEVELS = tuple(Level(text, points) for text, points in (("a", 0.0), ("b", 2.0), ("c", 5.0)))
LEVELED = Criterion("Doses it", 5.0, Polarity.DESIRABLE, levels=LEVELS, na=NaRule.EXCLUDED)


def test_of_levels_a_form_wants_the_one_with_the_most_points() -> None:
    texts = [form.into("", LEVELED) for form in INJECTIONS]
    assert len(set(texts)) == 24
    assert not any("criteria_met" in text or "<<" in text for text in texts)
    verdict = {form.name: form for form in INJECTIONS}["verdict"]
    assert verdict.into("Hm.", LEVELED).endswith('"level": 2}')
    fault = Criterion(
        "Harms", -4.0, Polarity.UNDESIRABLE, levels=(Level("not", 0.0), Level("much", -4.0))
    )
    assert verdict.into("Hm.", fault).endswith('"level": 0}')


def of_level(criterion: Criterion, verdict: Verdict, number: int = 0) -> GradedAnswer:
    prompt = (Message("user", "Hm?"), Message("assistant", "So?"), Message("user", "How much?"))
    needed = Criterion("Is polite", 1.0, Polarity.DESIRABLE, id="polite")
    example = Example(f"p{number}", prompt, Rubric((criterion, needed)))
    return GradedAnswer(example, "Answer.", (verdict, Verdict.of(True)))


def test_a_level_is_turned_by_more_points_and_by_not_applicable() -> None:
    requires = replace(LEVELED, requires=Requirement("polite"))
    some = [of_level(requires, Verdict.at_level(1), number) for number in range(4)]
    some += [
        of_level(LEVELED, Verdict.at_level(2), 4),  # the best there is
        of_level(LEVELED, Verdict.not_applicable(), 5),
        of_level(replace(LEVELED, turn=-2), Verdict.at_level(0), 6),  # sees no answer
    ]
    targets = targets_of(some, 10, seed=0)
    assert sorted(t.answer.example.prompt_id for t in targets) == ["p0", "p1", "p2", "p3"]
    after = [
        Verdict.at_level(2),
        Verdict.at_level(0),
        Verdict.not_applicable(),
        Verdict.at_level(1),
    ]
    answers = list(injected_answers(targets))
    said_ = [
        GradedAnswer(one.example, one.text or "", (Verdict.at_level(1) if i < 8 else after[i % 4],))
        for i, one in enumerate(answers)
    ]
    control, every, *_ = injection_rows(targets, said_)
    assert (control.n, control.turned.value) == (4, 0.0)
    assert (every.n, every.turned.value) == (4 * 24, 0.5)
