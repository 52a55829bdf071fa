from __future__ import annotations

import pytest
from report_kit import example, graded, run

from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.pages.comparison_page import (
    MOST_MODELS,
    MOST_PAIRS,
    MOST_THEMES,
    first_screen,
    render_page,
)

pytestmark = pytest.mark.border


def answers(verdicts, theme="x"):
    return [graded(v, example(f"p{n}", (5, 3), theme=theme)) for n, v in enumerate(verdicts)]


def test_the_first_pairs_are_those_with_the_baseline_or_the_highest_score():
    runs = [
        run(name, answers([said] * 3)) for name, said in (("a", "11"), ("b", "10"), ("c", "00"))
    ]
    shown = first_screen(compare_runs(runs, n_draws=0))
    assert [(p.this, p.other) for p in shown["first_pairs"]] == [("a", "b"), ("a", "c")]
    assert [(p.this, p.other) for p in shown["rest_pairs"]] == [("b", "c")]
    shown = first_screen(compare_runs(runs, n_draws=0, baseline="b"))
    assert [(p.this, p.other) for p in shown["first_pairs"]] == [("a", "b"), ("c", "b")]
    assert shown["rest_pairs"] == []


def test_many_models_are_cut_and_the_rest_is_told():
    runs = [run(f"m{n:02}", answers(["11"] * n + ["00"] * (14 - n))) for n in range(14)]
    comparison = compare_runs(runs, n_draws=0)
    shown = first_screen(comparison)
    assert len(shown["first_pairs"]) == MOST_PAIRS
    assert len(shown["first_pairs"]) + len(shown["rest_pairs"]) == 91  # 14 x 13 / 2
    page = render_page(comparison)
    assert f"{14 - MOST_MODELS} more models" in page and "83 more pairs" in page


def test_of_many_themes_the_largest_stand_on_the_first_screen():
    told = [
        graded(v, example(f"{theme}-{n}", (5, 3), theme=f"t{theme:02}"))
        for theme in range(12)
        for n, v in enumerate(["11"] * (1 + theme))
    ]
    lower = [graded("10", one.example) for one in told]
    comparison = compare_runs([run("a", told), run("b", lower)], n_draws=0)
    rows = first_screen(comparison)["wins"].rows
    assert [row.name for row in rows[:MOST_THEMES]] == [
        "All prompts",
        *(f"t{theme:02}" for theme in range(11, 2, -1)),
    ]
    assert "3 more themes" in render_page(comparison)


def test_one_model_has_its_themes_lowest_first_and_no_pairs():
    of = [("p0", "high", "11"), ("p1", "low", "00"), ("p2", "middle", "10")]
    told = [graded(v, example(name, (5, 3), theme=theme)) for name, theme, v in of]
    shown = first_screen(compare_runs([run("a", told)], n_draws=0))
    assert [one.name for one in shown["themes"]] == ["low", "middle", "high"]
    assert shown["wins"] is None and shown["first_pairs"] == []
