from __future__ import annotations

from report_kit import example, graded

from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.truth import truth_table
from rubricbeat.reports.results.run import Run

ROWS = [example(f"p{n}", (5, 3, -2)) for n in range(2)]
DONE = {"good": "everything", "poor": "a fault", "other": "runs here"}


def run(name: str, *verdicts: str) -> Run:
    return Run(name, "", "demo", tuple(map(graded, verdicts, ROWS)))


def true(*verdicts: str) -> list:
    return [graded(said, row) for said, row in zip(verdicts, ROWS, strict=True)]


def test_true_scores_errors_and_the_unknown_stand_apart() -> None:
    runs = [run("good", "110", "100"), run("poor", "101", "101"), run("other", "110", "110")]
    truth = {"poor": true("101", "001")[::-1], "good": true("110", "110")}
    # matched by prompt, whatever the order
    table = truth_table(compare_runs(runs), DONE, truth)
    good, poor, other = table.rows
    assert (good.name, good.true_score, good.n_missed, good.n_false) == ("good", 1.0, 1, 0)
    # (5 - 2) / 8 and -2 / 8, halved
    assert (poor.name, poor.true_score, poor.n_missed, poor.n_false) == ("poor", 1 / 16, 0, 1)
    assert (other.true_score, other.n_missed, other.n_false, other.n_wrong) == (None,) * 4
    assert table.is_in_order and table.known == (good, poor)


def test_a_judge_that_turns_the_order_or_ties_does_not_find_it() -> None:
    truth = {"good": true("110", "110"), "poor": true("100", "100")}
    for said in ("110", "111"):  # a tie at 1; then good at 8/8 - 2/8 below poor
        runs = [run("good", said, said), run("poor", "110", "110")]
        assert not truth_table(compare_runs(runs), DONE, truth).is_in_order


def test_a_missing_verdict_is_neither_missed_nor_false() -> None:
    truth = {"good": true("110", "110"), "poor": true("100", "100")}
    runs = [run("good", "1n0", "110"), run("poor", "1n0", "100")]
    good, poor = truth_table(compare_runs(runs), DONE, truth).rows
    assert (good.n_wrong, poor.n_wrong) == (0, 0)
    assert (good.n_verdicts, poor.n_verdicts) == (5, 5), "of those there are"


def test_a_true_score_is_clipped_as_the_measured_one_beside_it() -> None:
    truth = {"good": true("110", "110"), "poor": true("001", "001")}
    poor = truth_table(
        compare_runs([run("good", "110", "110"), run("poor", "001", "001")]), DONE, truth
    ).rows[1]
    assert (poor.true_score, poor.score) == (0.0, 0.0)
