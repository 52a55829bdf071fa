from __future__ import annotations

import pytest
from report_kit import example, graded, run

from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.pages.figures import write_figures

pytestmark = pytest.mark.border


@pytest.fixture(scope="module")
def comparison():
    def answers(verdicts):
        return [graded(v, example(f"p{n}", (5, 3, -2))) for n, v in enumerate(verdicts)]

    runs = [run("<b>$a_1$</b>", answers(["110", "100"])), run("b\udc80", answers(["100", "000"]))]
    return compare_runs(runs, n_draws=100)


def test_every_figure_is_written_twice_and_the_same_bytes_come_again(comparison, tmp_path):
    first = write_figures(comparison, tmp_path / "one")
    again = write_figures(comparison, tmp_path / "two")
    names = ["scores", "differences", "slices"]
    assert [p.name for p in first] == [f"{n}{s}" for n in names for s in (".svg", ".png")]
    for one, two in zip(first, again, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_names_stay_text_and_mean_nothing(comparison, tmp_path):
    path = next(p for p in write_figures(comparison, tmp_path) if p.name == "scores.svg")
    svg = path.read_text(encoding="utf-8")
    assert "&lt;b&gt;$a_1$&lt;/b&gt;" in svg
    assert "<b>" not in svg
