"""Which answers a person labels next: the chances, and what they are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_kit import example, graded

from rubricbeat.judges.audit.label_correction import correct_by_labels, match_labels
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.budget.next_label import (
    DrawRule,
    draw_labels,
    met_chances,
    pooled,
    unit_errors,
)
from rubricbeat.judges.budget.two_judges import Unit
from rubricbeat.judges.rubric import Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.verdict import Verdict

N_DRAWS = 120


def stated(of, *chances, answer="Rest."):
    """An answer whose judge states P(met)."""
    verdicts = tuple(Verdict.of(p >= 0.5, probability=p) for p in chances)
    return replace(graded("0" * len(chances), of, answer=answer), verdicts=verdicts)


def world(n, seed=1):
    """Answers of a judge that states P(met), with the truth; it is too kind where it doubts."""
    rng = np.random.default_rng(seed)
    answers, truth = [], {}
    for at in range(n):
        points = rng.choice([1, 2, 5, 10, -5], 3)
        points[0] = abs(points[0])
        chances = np.round(rng.beta(0.5, 0.5, 3), 2)
        one = stated(example(f"p{at}", points), *chances, answer=f"Answer {at}.")
        answers.append(one)
        truth[one.answer] = rng.random(3) < np.where(abs(chances - 0.5) < 0.4, 0.2, chances)
    return answers, truth


def labels_of(drawn, truth, unit):
    n = len({id(d.answer) for d in drawn}) if unit is Unit.ANSWERS else len(drawn)
    return [
        LabelledAnswer(
            example=replace(d.answer.example, rubric=Rubric((d.criterion,))),
            text=d.answer.text,
            labels=((Label(bool(truth[d.answer.text][d.place])),),),
            chances=() if d.probability is None else (d.probability,),
            draw=None if d.probability is None else (unit.value, n),
        )
        for d in drawn
    ]


def test_the_error_of_a_unit_is_its_weight_times_the_judge_s_doubt():
    [answer] = pooled([stated(example("p", [6, 4, -5]), 0.5, 0.9, 0.2)])
    # of 10 points: .6 sqrt(.5 .5), .4 sqrt(.9 .1), .5 sqrt(.2 .8)
    by_hand = [0.3, 0.12, 0.2]
    units = [(0, (0,)), (0, (1,)), (0, (2,)), (0, (0, 1, 2))]
    found = unit_errors([answer], units, DrawRule.SCORE)
    assert found == pytest.approx([*by_hand, (sum(x**2 for x in by_hand) / 3) ** 0.5])
    doubt = unit_errors([answer], units[:3], DrawRule.DISAGREEMENT)
    assert doubt == pytest.approx([0.5, 0.3, 0.4])


def test_votes_tell_doubt_and_one_vote_tells_nothing():
    of = example("p", [5, 5, 5])
    one = graded("110", of)
    two = graded("1u0", of)
    three = replace(graded("010", of), replicates=(graded("110", of).verdicts,))
    table = VerdictTable.of([one, two, three])
    votes = met_chances(table, np.array([0, 0, 0]))
    # met 3 of 4, 3 of 3 (one is missing), 0 of 4: (k + 1/2) / (n + 1)
    assert votes[0] == pytest.approx([3.5 / 5, 3.5 / 4, 0.5 / 5])
    assert np.isnan(met_chances(VerdictTable.of([one]), np.array([0]))).all()
    # a judge that states a chance counts by it
    assert met_chances(VerdictTable.of([stated(of, 0.2, 0.7, 1.0)]), np.array([0]))[
        0
    ] == pytest.approx([0.2, 0.7, 1.0])


@pytest.mark.parametrize("rule", list(DrawRule))
@pytest.mark.parametrize("unit", list(Unit))
def test_more_labels_keep_those_that_were_drawn(unit, rule):
    answers, _ = world(60)
    pool = pooled(answers)
    few, many = (
        {(d.answer.key(), d.place) for d in draw_labels(pool, n, unit, rule, 5)} for n in (15, 40)
    )
    assert few < many
    every = draw_labels(pool, 10_000, unit, rule, 5)
    assert len(every) == 180
    assert {d.probability for d in every} <= {None, 1.0}


def test_chances_do_not_tell_what_the_judge_said():
    sides = []
    for flip in (False, True):
        answers = [
            stated(example(f"p{n}", [5, 2]), *(1 - p if flip else p for p in (n / 30, 0.5)))
            for n in range(30)
        ]
        drawn = draw_labels(pooled(answers), 20, Unit.CRITERIA, DrawRule.SCORE, 0)
        sides.append({(d.answer.key(), d.place): d.probability for d in drawn})
    assert sides[0] == pytest.approx(sides[1])


def test_a_statement_that_stands_twice_is_asked_once_and_the_same_text_too():
    of = example("p", [5, 3, -2], texts=["says so", "is kind", "says so"])
    pool = pooled([graded("110", of), graded("000", of), graded("", example("q", []))])
    [one] = pool
    assert len(one.graded) == 2
    drawn = draw_labels(pool, 9, Unit.CRITERIA, DrawRule.SCORE, 0)
    assert [d.place for d in drawn] == [0, 1]


@pytest.mark.parametrize("unit", list(Unit))
def test_the_corrected_score_is_right_on_average_also_when_the_rest_is_not_done(unit):
    """Counting every label alike, or forgetting what was not done, is found out."""
    answers, truth = world(100)
    pool, scored = pooled(answers), ScoredTable.of(answers)
    exact = [replace(a, verdicts=tuple(map(Verdict.of, truth[a.answer].tolist()))) for a in answers]
    value = float(np.nanmean(ScoredTable.of(exact).items.h))
    n = {Unit.ANSWERS: 60, Unit.CRITERIA: 180}[unit]
    found, alike, hits = [], [], 0
    for seed in range(N_DRAWS):
        drawn = draw_labels(pool, n, unit, DrawRule.SCORE, seed)
        rows = labels_of(drawn, truth, unit)
        done = rows[: len(rows) // 9 * 6]  # two thirds, of answers as a whole
        corrected = correct_by_labels(scored, match_labels(answers, done)).score
        assert corrected.value is not None
        found.append(corrected.value)
        hits += corrected.low <= value <= corrected.high
        wrong = [replace(row, chances=(0.6,)) for row in done]
        alike.append(correct_by_labels(scored, match_labels(answers, wrong)).score.value)
    error = np.std(found, ddof=1) / N_DRAWS**0.5
    assert abs(np.mean(found) - value) < 3.5 * error
    assert abs(np.mean(alike) - value) > 4 * error
    assert hits >= 0.93 * N_DRAWS
    # without `draw` the sample does not stand for the run, and is refused
    alone = [replace(row, draw=None) for row in done]
    refused = correct_by_labels(scored, match_labels(answers, alone)).score.refused
    assert refused is not None and "not those of this run" in refused
