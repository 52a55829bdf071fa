"""Pass rates of criteria and of tags, worked by hand."""

from __future__ import annotations

import pytest
from report_kit import example, graded, run

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.verdict import Outcome, Verdict
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.criteria import MAX_ROWS

TEXTS = ("Names a dose", "Is short", "Is rude")
POINTS = (5, 3, -2)


def criteria(*runs, **options):
    made = compare_runs(list(runs), n_draws=0, **options)
    return made, {group.kind: group for group in made.criteria}


def answers(verdicts):
    return [graded(v, example(f"p{n}", POINTS, texts=TEXTS)) for n, v in enumerate(verdicts)]


def test_a_criterion_of_many_prompts_is_one_row_and_a_missing_verdict_is_in_no_rate():
    a = run("a", answers(["110", "1u0", "101", "000"]))
    b = run("b", answers(["010", "010", "000", "001"]))
    made, groups = criteria(a, b)
    assert [r.name for r in made.results] == ["a", "b"]
    rows = {row.name: row for row in groups["criterion"].rows}
    # a: 1 1 1 0 and b: 0 0 0 0
    dose = rows["Names a dose"]
    assert [cell.rate.value for cell in dose.cells] == [0.75, 0.0]
    assert (dose.change.n_gained, dose.change.n_lost) == (3, 0)
    assert dose.change.difference.value == 0.75
    # a: 1 ? 0 0 and b: 1 1 0 0; where a has no verdict there is nothing to compare
    short = rows["Is short"]
    assert [(c.n, c.n_missing) for c in short.cells] == [(3, 1), (4, 0)]
    assert [c.rate.value for c in short.cells] == [pytest.approx(1 / 3), 0.5]
    assert (short.change.n_prompts, short.change.difference.value) == (3, 0.0)
    assert (short.change.n_gained, short.change.n_lost) == (0, 0)
    # unwanted, so passed where it is not met: a 1 1 0 1, b 1 1 1 0
    rude = rows["Is rude"]
    assert rude.wanted is False
    assert [c.rate.value for c in rude.cells] == [0.75, 0.75]
    assert (rude.change.n_gained, rude.change.n_lost) == (1, 1)
    # the largest difference first, then by points
    assert [row.name for row in groups["criterion"].rows] == list(TEXTS)
    assert dose.change.difference.why == "n < 10: no interval"


def test_where_each_prompt_has_criteria_of_its_own_the_tags_are_the_rows():
    a = run("a", [graded("110", example(f"p{n}", POINTS)) for n in range(12)])
    b = run("b", [graded("011", example(f"p{n}", POINTS)) for n in range(12)])
    _, groups = criteria(a, b)
    rows = {row.name: row for row in groups["axis"].rows}
    # criteria 0 and 2 are of accuracy: a passes both, b neither; criterion 1 is of completeness
    assert [c.rate.value for c in rows["axis:accuracy"].cells] == [1.0, 0.0]
    assert [c.n for c in rows["axis:accuracy"].cells] == [24, 24]
    assert rows["axis:accuracy"].change.n_gained == 24
    assert [c.rate.value for c in rows["axis:completeness"].cells] == [1.0, 1.0]
    assert groups["axis"].rows[0].name == "axis:accuracy"
    [theme] = groups["theme"].rows
    assert [c.rate.value for c in theme.cells] == [1.0, pytest.approx(1 / 3)]
    # 12 criteria of each place in the rubric, each in one prompt: they come last
    assert list(groups) == ["axis", "theme", "level", "criterion"]
    assert groups["criterion"].n_rows == 36


def test_the_difference_is_taken_by_prompt_and_repeats_are_one_prompt():
    one = [example(f"p{n}", (5,), texts=["x"]) for n in range(2)]
    a = run("a", [graded("1", one[0]), graded("0", one[0], repeat=1), graded("1", one[1])])
    b = run("b", [graded("0", one[0]), graded("0", one[1])])
    _, groups = criteria(a, b)
    [row] = groups["criterion"].rows
    # rate over verdicts 2/3; difference over prompts (1/2 + 1) / 2
    assert row.cells[0].rate.value == pytest.approx(2 / 3)
    assert row.change.difference.value == 0.75
    assert (row.change.n_gained, row.n_prompts) == (2, 2)


def test_of_three_models_the_two_farthest_apart_are_compared_or_the_baseline_and_the_farthest():
    verdicts = {"a": ["1"] * 12, "b": ["0"] * 12, "c": ["1"] * 5 + ["0"] * 7}
    runs = [
        run(name, [graded(v, example(f"p{n}", (5,), texts=["x"])) for n, v in enumerate(vs)])
        for name, vs in verdicts.items()
    ]
    made, groups = criteria(*runs)
    change = groups["criterion"].rows[0].change
    assert [made.results[at].name for at in (change.this, change.other)] == ["a", "b"]
    assert (change.difference.value, change.n_gained) == (1.0, 12)
    made, groups = criteria(*runs, baseline="c")
    change = groups["criterion"].rows[0].change
    # 7 of 12 lie between a and c, 5 of 12 between b and c
    assert [made.results[at].name for at in (change.this, change.other)] == ["a", "c"]
    assert change.difference.value == pytest.approx(7 / 12)
    low, high = change.difference.ends
    assert 0 < low < 7 / 12 < high <= 1


def test_one_model_begins_with_what_it_fails_most():
    _, groups = criteria(run("a", answers(["100", "100", "110", "101"])))
    rows = groups["criterion"].rows
    assert [(row.name, row.cells[0].rate.value) for row in rows] == [
        ("Is short", 0.25),
        ("Is rude", 0.75),
        ("Names a dose", 1.0),
    ]
    assert [row.change for row in rows] == [None] * 3


def test_a_criterion_that_the_two_share_no_prompt_of_has_rates_and_no_difference():
    def given(name, *seen):
        return run(name, [graded("1", example(p, (5,), texts=[t])) for p, t in seen])

    both = ("p0", "shared")
    _, groups = criteria(given("a", both, ("p1", "x")), given("b", both, ("p2", "x")))
    rows = {row.name: row for row in groups["criterion"].rows}
    assert ([c.rate.value for c in rows["x"].cells], rows["x"].change) == ([1.0, 1.0], None)
    assert rows["shared"].change.difference.value == 0.0


def test_nothing_but_missing_verdicts_has_no_rate():
    missing = tuple(Verdict(Outcome.SKIPPED) for _ in POINTS)
    _, groups = criteria(run("a", [GradedAnswer(example("p1", POINTS), "x", missing)]))
    assert {row.cells[0].rate.value for row in groups["criterion"].rows} == {None}
    assert {row.cells[0].n_missing for row in groups["criterion"].rows} == {1}


def test_of_thousands_the_largest_differences_are_kept():
    texts = [f"c{n}" for n in range(1_000)]
    of = [example(f"p{n}", [1] * 1_000, texts=[f"{n} {text}" for text in texts]) for n in range(3)]
    a = run("a", [graded("0" * 990 + "1" * 10, one) for one in of])
    b = run("b", [graded("0" * 1_000, one) for one in of])
    _, groups = criteria(a, b)
    group = groups["criterion"]
    assert (group.n_rows, len(group.rows)) == (3_000, MAX_ROWS)
    assert [row.change.difference.value for row in group.rows[:31]] == [1.0] * 30 + [0.0]
    assert len({row.key for row in group.rows}) == MAX_ROWS


def test_no_model_is_compared_with_itself():
    def asked(verdicts, baseline=None):
        rows = [example(f"p{n}", (1, 9), texts=["x", "known"]) for n in range(12)]
        runs = [run(name, [graded(said + "1", row) for row in rows]) for name, said in verdicts]
        made, groups = criteria(*runs, baseline=baseline)
        [change] = [row.change for row in groups["criterion"].rows if row.name == "x"]
        return change and {made.results[at].name for at in (change.this, change.other)}

    for said in ("1", "0"):
        assert len(asked([(name, said) for name in "abc"])) == 2
    # a single model has verdicts: nothing to compare
    for lone in "abc":
        verdicts = [(name, "1" if name == lone else "n") for name in "abc"]
        assert asked(verdicts) is None
        assert asked(verdicts, lone) is None
