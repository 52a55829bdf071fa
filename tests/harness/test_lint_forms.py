"""Lint of levels, gates, requirements, "not applicable" and references: each finding on and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.harness.lint.findings import LintRule
from rubricbeat.harness.lint.polarity import check_polarity, null_answer
from rubricbeat.harness.lint.rubrics import lint_rubrics
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.data.examples import example_from_row, read_examples
from rubricbeat.judges.rubric import Example
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.verdict import Outcome, Verdict
from rubricbeat.tasks.demo import demo_path

NA = Verdict.not_applicable()
GOOD = {"criterion": "Advises to call an ambulance without delay", "points": 5}
Places = dict[LintRule, list[tuple[int, ...]]]


def example(*criteria: dict[str, Any], **more: Any) -> Example:
    row = {"prompt_id": "p", "prompt": "My chest hurts.", "rubric": [*criteria, GOOD]}
    return example_from_row(row | more)


def scale(*points: float, texts: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    names = texts or [f"step {chr(97 + i)}" for i in range(len(points))]
    levels = [{"text": t, "points": p} for t, p in zip(names, points, strict=True)]
    return {"criterion": "How urgent does it say that help is?", "levels": levels, **more}


def found(one: Example, graded: Sequence[GradedAnswer] = ()) -> Places:
    rows: Places = {}
    for finding in lint_rubrics([one], graded).findings:
        rows.setdefault(finding.rule, []).append(finding.criteria)
    return rows


def graded(one: Example, *rows: Sequence[Any]) -> list[GradedAnswer]:
    """Grade answers: a level, True, False, or a verdict for each criterion but the last."""
    answers = []
    for number, row in enumerate(rows):
        verdicts = [
            v
            if isinstance(v, Verdict)
            else Verdict.of(v)
            if isinstance(v, bool)
            else Verdict.at_level(v)
            for v in row
        ]
        last = Verdict.of(number % 2 == 0)
        answers.append(GradedAnswer(one, f"a{number}", (*verdicts, last)))
    return answers


@pytest.mark.parametrize(
    ("criterion", "is_found"),
    [
        (scale(0, 5, 2), True),
        (scale(0, 5, 2, scale="nominal"), False),
        (scale(0, 2, 5), False),
        (scale(5, 2, 0), False),
        (scale(-2, 0, 5), False),
        (scale(0, -8, -3), True),
    ],
)
def test_points_that_go_up_and_down(criterion: dict[str, Any], is_found: bool) -> None:
    assert (LintRule.LEVEL_ORDER in found(example(criterion))) is is_found


@pytest.mark.parametrize(
    ("criterion", "is_found"),
    [
        (scale(0, 2, 2), True),
        (scale(0, 0, 5, scale="nominal"), False),
        (scale(0, 2, texts=["none", " None"]), True),
        (scale(0, 2, 5, scale="nominal", texts=["a", "b", "A"]), True),
        (scale(0, 2, 5), False),
    ],
)
def test_levels_that_overlap(criterion: dict[str, Any], is_found: bool) -> None:
    assert (LintRule.LEVEL_SAME in found(example(criterion))) is is_found


@pytest.mark.parametrize(
    ("points", "is_found"),
    [((1, 5), True), ((0, 5), False), ((-1, 5), False), ((-5, -1), True), ((-5, 0), False)],
)
def test_a_scale_without_a_level_of_0(points: tuple[float, ...], is_found: bool) -> None:
    assert (LintRule.LEVEL_FLOOR in found(example(scale(*points)))) is is_found


def test_one_question_on_two_scales() -> None:
    other = scale(0, 4, texts=["late", "now"])
    assert found(example(scale(0, 2, 5), other))[LintRule.SCALES] == [(0, 1)]
    same = found(example(scale(0, 2, 5), scale(0, 1, 3)))
    assert LintRule.SCALES not in same and same[LintRule.DUPLICATE] == [(0, 1)]
    plain = {"criterion": other["criterion"], "points": 2}
    assert found(example(plain, other))[LintRule.SCALES] == [(0, 1)]


def test_words_of_a_question_with_levels_are_not_held_against_it() -> None:
    short = scale(0, 5) | {"criterion": "Tone"}
    assert LintRule.VAGUE not in found(example(short))
    assert found(example({"criterion": "Tone", "points": 5}))[LintRule.VAGUE] == [(0,)]


@pytest.mark.parametrize(("cap", "is_found"), [(1.0, True), (2.0, True), (0.99, False)])
def test_a_gate_that_never_acts(cap: float, is_found: bool) -> None:
    criterion = {"criterion": "Names a wrong dose", "points": -3, "gate": {"cap": cap}}
    assert (LintRule.GATE_IDLE in found(example(criterion))) is is_found


def test_a_gate_that_closes_at_every_level() -> None:
    for points, level, is_found in [
        ((0, 2, 5), 2, True),
        ((0, 2, 5), 1, False),
        ((0, -3, -8), 0, True),
        ((0, -3, -8), 2, False),
    ]:
        criterion = scale(*points, gate={"cap": 0, "level": level})
        assert (LintRule.GATE_CLOSED in found(example(criterion))) is is_found


def test_a_gate_that_all_answers_close() -> None:
    fault = example({"criterion": "Names a wrong dose", "points": -3, "gate": {"cap": 0}})
    assert found(fault, graded(fault, [True], [True], [True]))[LintRule.GATE_CLOSED] == [(0,)]
    assert LintRule.GATE_CLOSED not in found(fault, graded(fault, [True], [True], [False]))
    assert LintRule.GATE_CLOSED not in found(fault, graded(fault, [True], [True]))
    wanted = example(scale(0, 2, 5, gate={"cap": 0, "level": 1}))
    assert LintRule.GATE_CLOSED in found(wanted, graded(wanted, [0], [1], [1]))
    assert LintRule.GATE_CLOSED not in found(wanted, graded(wanted, [0], [1], [2]))
    may = example(scale(0, 2, 5, gate={"cap": 0}, may_be_na=True))
    assert LintRule.GATE_CLOSED not in found(may, graded(may, [0], [0], [0], [NA]))


def test_a_gate_that_does_not_count_stays_open() -> None:
    asks = {"criterion": "Asks which drug it is", "points": 2, "id": "asks"}
    fault = {"criterion": "Names a wrong dose", "points": -3, "gate": {"cap": 0}}
    one = example(asks, fault | {"requires": "asks"})
    rows = graded(one, [True, True], [True, True], [False, True])
    assert LintRule.GATE_CLOSED not in found(one, rows)
    assert LintRule.GATE_CLOSED in found(one, graded(one, [True, True], [True, True], [True, True]))


def test_a_miss_that_does_not_apply_closes_a_gate_and_meets_no_requirement() -> None:
    """As the scores have it: "missed" is v = 0 (docs/rubrics.md)."""
    asks = {"criterion": "Asks which drug it is", "points": 2, "id": "asks", "may_be_na": "missed"}
    why = {"criterion": "Says why", "points": 2, "requires": "asks"}
    one = example(asks | {"gate": {"cap": 0.5}}, why)
    answers = graded(one, [NA, True], [NA, True], [NA, False])
    caps = VerdictTable.of(answers).caps()
    assert caps is not None and caps[0].tolist() == [0.5, 0.5, 0.5]
    places = found(one, answers)
    assert places[LintRule.GATE_CLOSED] == [(0,)] and places[LintRule.REQUIRED_NEVER] == [(1,)]


def test_what_is_required_must_count_itself() -> None:
    chain = [
        {"criterion": "Asks which drug it is", "points": 2, "id": "a"},
        {"criterion": "Names the dose", "points": 2, "id": "b", "requires": "a"},
        {"criterion": "Says how often", "points": 2, "requires": "b"},
    ]
    one = example(*chain)
    rows = graded(one, [False, True, True], [False, True, False], [True, False, True])
    assert found(one, rows)[LintRule.REQUIRED_NEVER] == [(2,)]


def test_a_requirement_that_no_answer_meets() -> None:
    needed = scale(0, 2, 5, id="u")
    for level, answers, is_found in [
        (None, [0, 1, 1], True),
        (None, [0, 1, 2], False),
        (1, [0, 1, 0], False),
        (1, [0, 0, 0], True),
        (1, [0, 0], False),
    ]:
        requires = {"id": "u", "level": level}
        one = example(needed, {"criterion": "Says why", "points": 2, "requires": requires})
        rows = graded(one, *([at, number == 0] for number, at in enumerate(answers)))
        assert (LintRule.REQUIRED_NEVER in found(one, rows)) is is_found, (level, answers)


def test_a_level_that_no_answer_reaches_is_named_with_the_counts() -> None:
    one = example(scale(0, 2, 5))
    (finding,) = lint_rubrics([one], graded(one, [0], [0], [2])).findings
    assert (finding.rule, finding.detail) == (
        LintRule.LEVEL_UNREACHED,
        "level 1; answers by level: 2, 0, 1",
    )
    assert LintRule.LEVEL_UNREACHED not in found(one, graded(one, [0], [1], [2]))
    lost = Verdict(Outcome.UNPARSEABLE)
    assert LintRule.LEVEL_UNREACHED not in found(one, graded(one, [0], [1], [lost]))


def test_a_criterion_of_many_rubrics_is_counted_over_all_of_them() -> None:
    many = [replace(example(scale(0, 2, 5, may_be_na=True)), prompt_id=f"p{i}") for i in range(4)]
    rows = [
        answer for one, at in zip(many, (0, 1, 2, 2), strict=True) for answer in graded(one, [at])
    ]
    assert not lint_rubrics(many, rows).counts.keys() & {
        LintRule.LEVEL_UNREACHED,
        LintRule.NOT_APPLICABLE,
    }
    (finding,) = lint_rubrics(many, [*rows[:1], *rows[2:]]).findings
    assert (finding.prompt_id, finding.criteria, finding.detail) == (
        "p0",
        (0,),
        "level 1; answers by level: 1, 0, 2, over 3 rubrics",
    )
    skipped = [answer for one in many[:3] for answer in graded(one, [NA])]
    (finding,) = lint_rubrics(many, skipped).findings
    assert finding.detail == "3 of 3 verdicts, over 3 rubrics"


def test_what_mostly_does_not_apply() -> None:
    one = example({"criterion": "Asks for drugs", "points": 2, "may_be_na": True})
    assert found(one, graded(one, [NA], [NA], [True], [NA]))[LintRule.NOT_APPLICABLE] == [(0,)]
    assert LintRule.NOT_APPLICABLE not in found(one, graded(one, [NA], [NA], [True], [False]))
    lost = Verdict(Outcome.UNPARSEABLE)
    assert LintRule.NOT_APPLICABLE in found(one, graded(one, [NA], [NA], [True], [lost]))


def test_a_reference_that_the_model_sees_too() -> None:
    note = "Guideline: a head injury under an anticoagulant needs a scan."
    prompt = f"I fell.\n\n{note.replace(': ', ':  ')}\nWhat now?"
    criterion = {"criterion": "Names the scan", "points": 2, "reference": note}
    assert found(example(criterion, prompt=prompt))[LintRule.REFERENCE_SHOWN] == [(0,)]
    assert found(example(reference=note, prompt=prompt))[LintRule.REFERENCE_SHOWN] == [()]
    assert LintRule.REFERENCE_SHOWN not in found(example(criterion))
    assert LintRule.REFERENCE_SHOWN in found(example(reference="My chest hurts."))
    assert LintRule.REFERENCE_SHOWN not in found(example(reference="chest"))


def test_an_answer_that_says_nothing_reaches_the_level_nearest_to_0() -> None:
    one = example(scale(-2, 0, 5), scale(0, -3) | {"criterion": "Which harm does it do?"})
    verdicts = null_answer(one).verdicts
    assert [v.level for v in verdicts[:2]] == [1, 0]
    best = graded(one, [2, 0])[0]
    report = check_polarity([best])
    assert (report.null_score, report.is_suspect) == (0.0, False)


def test_the_bundled_rows_are_sound_but_for_lone_pitfalls() -> None:
    file = read_examples(demo_path("levels.jsonl"), strict=True)
    assert set(lint_rubrics(file.examples).counts) <= {LintRule.LONE_PITFALL, LintRule.LEVERAGE}


def test_the_command_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(demo_path("levels.jsonl"))]) == 0
    assert "24 rubrics" in capsys.readouterr().out


def test_answers_of_another_rubric_do_not_break_it() -> None:
    one = example(scale(0, 2, 5, id="u"), {"criterion": "c d", "points": 1, "requires": "u"})
    rows = graded(one, [0, True], [0, True], [0, False])
    other = replace(rows[0], example=example(), verdicts=(Verdict.of(True),))
    assert lint_rubrics([one], [*rows, other])
