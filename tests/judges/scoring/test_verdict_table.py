"""Packing graded answers."""

from __future__ import annotations

import numpy as np

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import item_scores, score_items
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.verdict import Outcome, Verdict

YES, NO, NONE = Verdict.of(True), Verdict.of(False), Verdict(Outcome.REFUSED)


def example(prompt_id: str, points: list[float], *tags: str) -> Example:
    criteria = tuple(
        Criterion(
            f"c{i}", p, Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE, (f"axis:{i % 2}",)
        )
        for i, p in enumerate(points)
    )
    return Example(prompt_id, (Message("user", "?"),), Rubric(criteria), tags)


def test_ragged_rubrics_are_padded_with_nan_verdicts_and_zero_points() -> None:
    table = VerdictTable.of(
        [
            GradedAnswer(example("a", [1, 2, 3]), "x", (YES, NO, NONE)),
            GradedAnswer(example("b", [4]), "yy", (NO,)),
        ]
    )
    nan = np.nan
    np.testing.assert_array_equal(table.verdicts_NC, [[1, 0, nan], [0, nan, nan]])
    np.testing.assert_array_equal(table.rubrics.points, [[1, 2, 3], [4, 0, 0]])
    assert table.chars_N.tolist() == [1, 2]
    assert len(table) == 2


def test_repeats_share_a_prompt_whether_or_not_they_share_an_object() -> None:
    one, again, other = example("a", [1]), example("a", [1]), example("b", [1])
    answers = [GradedAnswer(e, "x", (YES,), r) for r, e in enumerate([one, other, again])]
    table = VerdictTable.of(answers)
    assert table.prompt_ids == ("a", "b")
    assert table.prompt_N.tolist() == [0, 1, 0]
    assert table.repeat_N.tolist() == [0, 1, 2]


def test_tags_point_at_their_answers_and_criteria() -> None:
    table = VerdictTable.of(
        [
            GradedAnswer(example("a", [1, 2], "theme:x"), "", (YES, YES)),
            GradedAnswer(example("b", [3], "theme:x", "theme:y"), "", (YES,)),
        ]
    )
    assert table.example_tags == ("theme:x", "theme:y")
    assert table.tagged_TN.tolist() == [[True, True], [False, True]]
    tags = table.criterion_tags
    entries = zip(tags.answer_K, tags.criterion_K, tags.tag_K, strict=True)
    assert sorted(entries) == [(0, 0, 0), (0, 1, 1), (1, 0, 0)]
    assert tags.names == ("axis:0", "axis:1")


def test_a_table_keeps_what_was_judged_again() -> None:
    table = VerdictTable.of(
        [
            GradedAnswer(example("a", [1, 2]), "x", (YES, NO), replicates=((NO, NONE),)),
            GradedAnswer(example("b", [1, 2]), "x", (YES, YES)),
        ]
    )
    nan = np.nan
    np.testing.assert_array_equal(table.verdicts(0), [[1, 0], [1, 1]])
    np.testing.assert_array_equal(table.verdicts(1), [[0, nan], [nan, nan]])
    np.testing.assert_array_equal(table.verdicts(2), np.full((2, 2), nan))


def test_nothing_packs_to_nothing() -> None:
    table = VerdictTable.of([])
    assert len(table) == 0
    assert score_items(table).h.shape == (0,)


def test_every_criterion_counts_the_forty_eighth_too() -> None:
    # a rubric cut to its first criteria, or verdicts taken for all true, would not see this
    graded = example("a", [1.0] * 48)
    last_met = GradedAnswer(graded, "x", (NO,) * 47 + (YES,))
    none_met = GradedAnswer(graded, "x", (NO,) * 48)
    h = item_scores([last_met, none_met])
    np.testing.assert_allclose(h, [1 / 48, 0], atol=1e-15)
