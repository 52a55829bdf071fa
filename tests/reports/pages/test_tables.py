from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from report_kit import example, graded, run

from rubricbeat.judges.errors import ConfigError
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.numbers import csv_cell
from rubricbeat.reports.pages.tables import render_table

POINTS = (5, 3, -2)
NAME = "[a_b] & 50% $x$ | <i>*c*</i> \\end"


@pytest.fixture(scope="module")
def comparison():
    def answers(verdicts):
        return [graded(v, example(f"p{n}", POINTS)) for n, v in enumerate(verdicts)]

    runs = [run(NAME, answers(["110", "100"])), run("=SUM(A1)", answers(["100", "000"]))]
    return compare_runs(runs, n_draws=100)


def test_csv_carries_whole_numbers_and_no_formula(comparison):
    rows = list(csv.DictReader(io.StringIO(render_table(comparison, Path("t.csv")))))
    assert [row["row"] for row in rows] == ["model", "model", "difference"]
    assert float(rows[0]["value"]) == pytest.approx(13 / 16)
    # (1 - 5/8 + 5/8 - 0) / 2
    assert float(rows[2]["value"]) == pytest.approx(0.5)
    assert rows[1]["name"] == "'=SUM(A1)"
    assert rows[0]["correlation"] == ""
    assert rows[2]["pass_range50"] == ""
    assert rows[2]["p_range50"] == "", "two prompts are no test"


def test_markdown_keeps_its_columns_whatever_a_name_holds(comparison):
    text = render_table(comparison, Path("t.md"))
    summary = [line for line in text.splitlines() if line.startswith("| ")][2]
    cells = summary.replace(r"\|", "").split("|")
    assert len(cells) == 9
    assert r"\<i\>\*c\*\</i\>" in cells[1]
    assert cells[2].strip() == "0.812"


def test_latex_escapes_what_would_act(comparison):
    text = render_table(comparison, Path("t.tex"))
    row = next(line for line in text.splitlines() if "a\\_b" in line)
    # a bracket at the start of a row would be taken for an option of the line break before it
    assert row.startswith(r"{}[a\_b] \& 50\% \$x\$")
    assert r"\textbackslash{}end" in row
    assert row.count(" & ") == 6
    assert r"15.4\,\%" not in row
    assert r"\," in row


def test_another_suffix_is_refused(comparison):
    with pytest.raises(ConfigError, match=r"must end in \.tex, \.md or \.csv"):
        render_table(comparison, Path("t.xlsx"))


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(1)",
        " =1",
        "\t=1",
        "\r=1",
        "\n=1",
        "\u3000=1",
        "\uff1d1+1",
        "\uff0b1",
    ],
)
def test_a_cell_of_untrusted_text_is_no_formula(name):
    assert csv_cell(name).startswith("'")


def test_a_cell_that_is_no_formula_stays_as_it_is():
    assert csv_cell("gpt-4.1 [a=b]") == "gpt-4.1 [a=b]"


# what GFM makes of it: links and images by markup, raw addresses, e-mail, mentions, HTML
@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("[x](http://a.example)", "[x]("),
        ("![x](//a.example)", "![x]("),
        ("[x](javascript:1)", "[x]("),
        ("http://a.example", "http://"),
        ("https://a.example", "https://"),
        ("WWW.a.example", "WWW."),
        ("a@b.example", "@b"),
        ("mailto:a@b.example", "mailto:"),
        ("@somebody", "@somebody"),
        ("<img src=x>", "<img"),
        ("<https://a.example>", "<https"),
        ("&lt;b&gt;", "&lt;"),
        ("[1, 2](http://a.example)", "2]("),
    ],
)
def test_a_name_is_no_link_in_markdown(name, live):
    made = compare_runs([run(name, [graded("110", example("p", POINTS))])], n_draws=100)
    text = render_table(made, Path("t.md"))
    unescaped = re.sub(r"\\.", "", text)  # what an escape leaves is text
    assert live not in unescaped
    assert name.partition("://")[2] in re.sub(r"\\|\u2060", "", text)
