"""How far a verdict passes its criterion: levels, faults, and what does not apply."""

from __future__ import annotations

import pytest
from report_kit import run

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Level, Message, NaRule, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.criterion_cells import tags_of


def levelled(prompt_id, *verdicts):
    three = (Level("none", -1), Level("one", 2), Level("both", 5))
    faults = (Level("none", 0), Level("some", -1), Level("many", -4))
    rubric = Rubric(
        (
            Criterion("Names the signs", 5, Polarity.DESIRABLE, levels=three, category="Essential"),
            Criterion("Has faults", -4, Polarity.UNDESIRABLE, levels=faults),
            Criterion("Asks", 2, Polarity.DESIRABLE, na=NaRule.MISSED),
        )
    )
    return GradedAnswer(Example(prompt_id, (Message("user", "?"),), rubric), "yes", verdicts)


def test_a_level_counts_by_its_place_and_what_does_not_apply_is_counted_beside():
    at, na = Verdict.at_level, Verdict.not_applicable()
    a = run("a", [levelled("p1", at(1), at(1), na), levelled("p2", at(2), at(0), na)])
    b = run("b", [levelled("p1", at(0), at(2), Verdict.of(True)), levelled("p2", at(0), at(2), na)])
    groups = {group.kind: group for group in compare_runs([a, b], n_draws=0).criteria}
    rows = {row.name: row for row in groups["criterion"].rows}
    # (2 + 1) / (5 + 1) and 1; from -4 to 0 a level of -1 lies at 3/4
    assert rows["Names the signs"].cells[0].rate.value == pytest.approx((0.5 + 1) / 2)
    assert rows["Has faults"].cells[0].rate.value == pytest.approx((0.75 + 1) / 2)
    assert [c.rate.value for c in rows["Has faults"].cells][1] == 0.0
    assert [(c.rate.value, c.n, c.n_na, c.n_missing) for c in rows["Asks"].cells] == [
        (None, 0, 2, 0),
        (1.0, 1, 1, 0),
    ]
    assert rows["Asks"].change is None
    assert [row.name for row in groups["category"].rows] == ["category:Essential"]


def test_a_category_is_a_tag_beside_the_others():
    wanted = Polarity.DESIRABLE
    assert tags_of(Criterion("x", 1, wanted, tags=("axis:a",), category="Pitfall")) == (
        "axis:a",
        "category:Pitfall",
    )
    assert tags_of(Criterion("x", 1, wanted)) == ()
