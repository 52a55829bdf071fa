"""What a sample asks of answers: what is at stake and unsure, the same each time it is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.budget.drawn_answers import DrawnAnswers, needs_whole_answers
from rubricbeat.judges.budget.two_judges import Unit
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.rubric import Criterion, Example, Gate, Message, Polarity, Rubric
from rubricbeat.judges.scoring.missing_reasons import NOT_DRAWN, MissingVerdicts
from rubricbeat.judges.verdict import Verdict

POINTS = (6.0, 1.0, 1.0, -4.0)
RUBRIC = Rubric(
    tuple(
        Criterion(f"c{n}", p, Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE)
        for n, p in enumerate(POINTS)
    )
)
N = 400


def guess(n: int, chance: tuple[float, ...] = (0.5, 0.5, 0.99, 0.5)) -> GradedAnswer:
    example = Example(f"p{n}", (Message("user", f"{n}?"),), RUBRIC)
    verdicts = tuple(Verdict.of(p >= 0.5, probability=p) for p in chance)
    return GradedAnswer(example, f"Answer {n}.", verdicts)


GUESSES = [guess(n) for n in range(N)]
ANSWERS = [Answer(one.example, one.answer) for one in GUESSES]


def drawn(share: float = 0.4, unit: Unit = Unit.CRITERIA, seed: int = 1, guesses=GUESSES):
    return DrawnAnswers(ANSWERS, guesses, share=share, unit=unit, seed=seed)


def asked(sample: DrawnAnswers) -> list[tuple[int, ...] | None]:
    cut = [sample.cut(answer) for answer in ANSWERS]
    return [None if one is None else one.asked for one in cut]


def test_what_weighs_more_and_is_less_sure_is_asked_more_often() -> None:
    found = [one or () for one in asked(drawn())]
    n = np.array([sum(c in one for one in found) for c in range(4)])
    # 1.6 verdicts an answer: k times 6, 1 and 4 by weight, and the sure one at the floor of a
    # quarter of .4, so that 11 k + .1 = 1.6
    k = 1.5 / 11
    assert n / N == pytest.approx([6 * k, k, 0.1, 4 * k], abs=0.06)


def test_the_same_seed_asks_the_same_and_further_answers_share_no_luck() -> None:
    assert asked(drawn()) == asked(drawn())
    assert asked(drawn()) != asked(drawn(seed=2))


def test_whole_answers_are_drawn_together_and_cost_what_they_may() -> None:
    sample = drawn(unit=Unit.ANSWERS)
    assert set(asked(sample)) == {None, (0, 1, 2, 3)}
    # .4 of 400 answers, drawn apart: standard error 10
    assert abs(len(sample) - 160) < 40
    assert sample.n_asked == 4 * len(sample)
    marked = sample.marked(next(g for g, at in zip(GUESSES, asked(sample), strict=True) if at))
    assert marked.chances == pytest.approx((0.4,) * 4)


def test_answers_that_the_free_judge_did_not_grade_are_named() -> None:
    assert drawn(guesses=GUESSES[:-2]).unknown == ["p398", "p399"]
    assert not drawn().holds(guess(N))


def test_equal_answers_to_a_prompt_are_one_question() -> None:
    twice = [Answer(ANSWERS[0].example, f" {ANSWERS[0].text}\n"), *ANSWERS]
    sample = DrawnAnswers(twice, GUESSES, share=0.4, unit=Unit.CRITERIA, seed=1)
    assert sample.n_criteria == 4 * N
    assert sample.cut(twice[0]).asked == sample.cut(ANSWERS[0]).asked


def test_a_grader_asks_what_was_drawn_and_the_rest_is_not_missing() -> None:
    sample = drawn()
    cut = [one for one in map(sample.cut, ANSWERS) if one is not None]
    with open_grader("constant") as grader:
        graded = [sample.marked(one) for one in grader.grade(cut)]
        assert grader.facts()["asked"] == sample.n_asked
    missing = MissingVerdicts.of(graded)
    assert (missing.n_asked, missing.n_missing) == (sample.n_asked, 0)
    for one, answer in zip(graded, cut, strict=True):
        said = tuple(c for c, v in enumerate(one.verdicts) if v.explanation != NOT_DRAWN)
        assert said == answer.asked
        assert GradedAnswer.from_json(one.example, one.to_json()) == one


def test_gates_requirements_and_what_may_not_apply_take_whole_answers() -> None:
    example = GUESSES[0].example
    assert not needs_whole_answers([example])
    for more in ({"gate": Gate(0.5)}, {"na": "excluded"}):
        criteria = (replace(RUBRIC.criteria[0], **more), *RUBRIC.criteria[1:])
        assert needs_whole_answers([replace(example, rubric=Rubric(criteria))])
