"""The agreement of people, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_kit import example

from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.budget.rater_agreement import Agreement, rater_agreement


def said(question, **labels):
    """One question, and whether each rater says met; 2 and more are levels, None does not apply."""
    given = tuple(
        Label(met, rater) if isinstance(met, bool) else Label(None, rater, met)
        for rater, met in labels.items()
    )
    of = example(f"p{question}", [5])
    return LabelledAnswer(of, f"Answer {question}.", (given,))


def test_two_raters_by_hand():
    rows = [
        said(1, ann=True, bo=True),
        said(2, ann=True, bo=False),
        said(3, ann=False, bo=False),
        said(4, ann=False, bo=False),
        said(5, ann=True, bo=True),
        said(6, ann=True),
    ]
    found = rater_agreement(rows)
    assert dict(found.raters) == {"ann": 6, "bo": 5}
    # 4 of 5 equal; ann says met 3 times of 5, bo 2: by chance .48; kappa (.8 - .48) / .52
    [pair] = found.pairs
    assert (pair.n_questions, pair.same) == (5, 0.8)
    assert pair.kappa == pytest.approx(0.32 / 0.52)
    # 10 labels, 5 of each kind: 1 - 9 * 2 / 50
    assert found.overall.alpha == pytest.approx(0.64)
    assert [one.prompt_id for one in found.differing] == ["p2"]
    assert dict(found.differing[0].labels) == {"ann": "met", "bo": "not met"}
    assert list(found.by_category) == ["axis:accuracy"]


def test_levels_and_what_does_not_apply_are_categories():
    found = rater_agreement([said(1, ann=None, bo=None, cy=2), said(2, ann=1, bo=1)])
    # of 3 + 1 pairs of labels 2 are equal
    assert found.overall.same == 0.5
    assert dict(found.differing[0].labels) == {
        "ann": "does not apply",
        "bo": "does not apply",
        "cy": "level 2",
    }


def test_what_cannot_be_told_is_none():
    assert rater_agreement([said(1, ann=True)]).overall == Agreement(0, None, None)
    alike = rater_agreement([said(n, ann=True, bo=True) for n in range(3)])
    assert (alike.overall.same, alike.overall.alpha) == (1.0, None)
    [pair] = alike.pairs
    assert (pair.same, pair.kappa) == (1.0, None)
    apart = rater_agreement([said(1, ann=True), said(2, bo=True)])
    assert (apart.pairs[0].n_questions, apart.pairs[0].same) == (0, None)
    # of one rater's labels on one question the last counts; a question without a label is none
    again = [said(1, ann=True), said(1, ann=False), replace(said(2), labels=((),))]
    assert rater_agreement(again).n_questions == 1
