from __future__ import annotations

from report_kit import example, graded, run

from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.pages.comparison_page import facts_of

ANSWERS = [graded("110", example("p", (5, 3, -2)))]


def facts(*runs, command=""):
    made = compare_runs(list(runs), n_draws=50, allow_different=True)
    return {fact.name: fact.lines for fact in facts_of(made, command)}


def test_a_fact_all_runs_share_is_said_once():
    told = facts(run("a", ANSWERS), run("b", ANSWERS), command="rubricbeat compare x")
    assert told["Data"] == (f"rows.jsonl, sha256 {'d' * 64}",)
    assert told["Judge"] == ("chat some-judge",)
    assert told["Judge prompt"] == ("healthbench-1:abc",)
    assert told["Command"] == ("rubricbeat compare x",)


def test_a_fact_that_differs_names_the_models_that_have_it():
    other = {"judge": {"name": "keyword", "version": "2", "digest": "b"}}
    told = facts(run("a", ANSWERS), run("b", ANSWERS, facts=other))
    assert set(told["Judge"]) == {"chat some-judge (a)", "keyword (version 2) (b)"}


def test_what_the_files_do_not_say_is_not_made_up():
    told = facts(run("a", ANSWERS, facts={"data": {}, "judge": {}}))
    assert told["Data"] == told["Judge"] == ("not stated in the files",)
    assert "Seeds" not in told
    assert "Command" not in told


def test_labels_lose_the_folder_they_share_and_long_lists_are_cut():
    runs = [
        run("a", [graded("110", example(f"p{n}", (5, 3, -2)))], label=f"sweep/seed{n}")
        for n in range(11)
    ]
    [line] = facts(*runs)["Runs"]
    assert line.startswith("a: 11 runs (seed0, seed1, seed2, seed3")
    assert line.endswith("and 3 more)")
