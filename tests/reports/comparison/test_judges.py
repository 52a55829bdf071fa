from __future__ import annotations

from dataclasses import replace

import pytest
from report_kit import example, graded, judge, run

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.verdict import Source
from rubricbeat.reports.comparison.comparison import compare_runs

POINTS = (5, 3, -2)


def facts_of(answers, **stated):
    made = run("m", answers, facts={"judge": {**judge(), **stated}})
    [facts] = compare_runs([made], n_draws=50).judges
    return facts


def test_missing_verdicts_are_counted_by_reason():
    facts = facts_of([graded("1un", example("p", POINTS)), graded("1u0", example("q", POINTS))])
    assert (facts.n_verdicts, facts.n_missing) == (6, 3)
    assert facts.missing_by_reason == {"transport": 1, "unparseable": 2}
    # three came: 1, 1 and 0
    assert facts.share_met == pytest.approx(2 / 3)


def test_disagreement_counts_criteria_and_leaves_missing_ones_out():
    first = graded("110", example("p", POINTS))
    again = graded("1u1", example("p", POINTS)).verdicts
    both = GradedAnswer(first.example, first.answer, first.verdicts, 0, (again,))
    facts = facts_of([both])
    # criterion 0 agrees, 1 has no second verdict, 2 differs
    assert (facts.n_judged_again, facts.disagreement) == (2, 0.5)
    assert facts_of([first]).disagreement is None


def test_retries_store_hits_and_tokens_add_up():
    one = graded("110", example("p", POINTS))
    verdicts = tuple(
        replace(v, attempts=n + 1, prompt_tokens=10, completion_tokens=2, source=source)
        for n, (v, source) in enumerate(
            zip(one.verdicts, (Source.FRESH, Source.STORE, Source.REPLAY), strict=True)
        )
    )
    facts = facts_of([replace(one, verdicts=verdicts)], cost_usd=0.5, latency_s={"p50": 1.5})
    assert (facts.n_retried, facts.n_stored) == (2, 2)
    assert (facts.prompt_tokens, facts.completion_tokens) == (30, 6)
    assert (facts.cost, facts.latency_s) == (0.5, {"p50": 1.5})


def test_an_unknown_cost_of_one_run_makes_the_sum_unknown():
    answers = [graded("110", example("p", POINTS))]
    priced = run("m", answers, label="a", facts={"judge": {**judge(), "cost_usd": 1.0}})
    free = run("m", answers, label="b", facts={"judge": {**judge(), "cost_usd": None}})
    assert compare_runs([priced, free], n_draws=50).judges[0].cost is None


def test_what_a_judge_says_of_itself_is_passed_on():
    facts = facts_of([graded("110", example("p", POINTS))], notes="weak", outage="refused")
    assert facts.remarks == ("weak", "the judge went down: refused")


def test_length_correlation_is_by_rank():
    answers = [
        graded(v, example(f"p{n}", POINTS), answer="x" * size)
        for n, (v, size) in enumerate((("000", 10), ("100", 20), ("110", 4000)))
    ]
    assert facts_of(answers).length_correlation == pytest.approx(1.0)
    assert facts_of(answers[:2]).length_correlation is None


def test_ties_of_length_share_the_mean_of_their_ranks():
    answers = [
        graded(v, example(f"p{n}", POINTS), answer="x" * size)
        for n, (v, size) in enumerate((("000", 10), ("010", 10), ("100", 20), ("110", 30)))
    ]
    # ranks of length 1.5 1.5 3 4 against 1 2 3 4: 4.5 / sqrt(4.5 * 5)
    assert facts_of(answers).length_correlation == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
