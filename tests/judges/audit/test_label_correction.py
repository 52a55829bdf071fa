"""A run corrected by labels of some of its own answers: it covers, and refuses what it must."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.label_correction import (
    correct_by_labels,
    match_labels,
)
from rubricbeat.judges.audit.labels import Label, LabelledAnswer, without_begun
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.verdict import Outcome, Verdict

POINTS = (5.0, 4.0, 3.0, 2.0, -3.0)
RUBRIC = Rubric(
    tuple(
        Criterion(f"c{n}", p, Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE)
        for n, p in enumerate(POINTS)
    )
)


def answer(n: int, verdicts: np.ndarray) -> GradedAnswer:
    example = Example(f"p{n}", (Message("user", f"Question {n}?"),), RUBRIC)
    return GradedAnswer(example, f"Answer {n}.", tuple(Verdict.of(bool(v)) for v in verdicts))


def labels_of(graded: GradedAnswer, truth: np.ndarray) -> LabelledAnswer:
    labels = tuple((Label(bool(v)),) for v in truth)
    return LabelledAnswer(graded.example, graded.answer, labels)


def world(rng: np.random.Generator, n: int, n_labelled: int):
    """Answers of varying quality under a judge that is too kind; labels of the first few."""
    quality = rng.uniform(0.1, 0.9, (n, 1))
    truth = rng.random((n, len(POINTS))) < quality
    truth[:, -1] = rng.random(n) < 0.3
    said = np.where(rng.random(truth.shape) < 0.85, truth, rng.random(truth.shape) < 0.8)
    graded = [answer(row, said[row]) for row in range(n)]
    labelled = [labels_of(graded[row], truth[row]) for row in range(n_labelled)]
    return graded, labelled, truth


def test_intervals_cover_the_truth_and_beat_the_labels_alone() -> None:
    rng = np.random.default_rng(21)
    points = np.array(POINTS)
    big = world(rng, 200_000, 0)[2]
    h = big @ points / 14
    truth = {
        "score": h.mean(),
        # (sum + 3) / 17 above a half
        "pass_range50": np.mean((big @ points + 3) / 17 > 0.5),
        "pass_hb50": np.mean(h >= 0.5),
    }
    covered: dict[str, list[bool]] = {name: [] for name in truth}
    narrower, raw = [], []
    for _ in range(150):
        graded, labelled, known = world(rng, 240, 60)
        found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled)).figures()
        for name, value in truth.items():
            covered[name].append(found[name].low <= value <= found[name].high)
        alone = 1.96 * (known[:60] @ points / 14).std(ddof=1) / np.sqrt(60)
        narrower.append((found["score"].high - found["score"].low) / 2 < alone)
        raw.append(found["score"].raw)
    for name, hits in covered.items():
        # 95 % nominal; 150 runs have a standard error of 1.8 points
        assert 0.90 <= np.mean(hits) <= 0.99, name
    assert np.mean(narrower) > 0.95
    assert np.mean(raw) > truth["score"] + 0.03


def test_a_judge_that_is_always_right_changes_nothing_but_the_interval() -> None:
    rng = np.random.default_rng(1)
    _, _, truth = world(rng, 60, 0)
    graded = [answer(row, truth[row]) for row in range(60)]
    labelled = [labels_of(graded[row], truth[row]) for row in range(30)]
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled)).score
    # the weight is 1 / (1 + n / N) at most: between the labels' mean and that of all
    assert found.value == pytest.approx(found.raw, abs=0.02)


def test_labels_of_every_answer_give_their_own_mean() -> None:
    rng = np.random.default_rng(2)
    graded, labelled, truth = world(rng, 40, 40)
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled))
    assert found.score.value == pytest.approx((truth @ np.array(POINTS) / 14).mean())
    assert found.met.value == pytest.approx(truth.mean())


def test_a_prompt_is_found_by_its_words_where_the_labels_have_no_id() -> None:
    from rubricbeat.judges.rubric import digest_of_prompt

    rng = np.random.default_rng(3)
    graded, labelled, _ = world(rng, 30, 30)
    nameless = [
        replace(one, example=replace(one.example, prompt_id=digest_of_prompt(one.example.prompt)))
        for one in labelled
    ]
    assert match_labels(graded, nameless).n_matched == 150


def test_rows_of_one_criterion_each_make_up_whole_answers() -> None:
    rng = np.random.default_rng(4)
    graded, labelled, _ = world(rng, 30, 30)
    single = [
        LabelledAnswer(
            replace(one.example, rubric=Rubric((criterion,))), f" {one.text}\n", (labels,)
        )
        for one in labelled
        for criterion, labels in zip(one.example.rubric.criteria, one.labels, strict=True)
    ]
    matched = match_labels(graded, single)
    assert (matched.n_rows, matched.n_matched, matched.whole_N.all()) == (150, 150, True)


def test_raters_that_tie_leave_a_criterion_without_a_label() -> None:
    rng = np.random.default_rng(5)
    graded, (one, *_), _ = world(rng, 3, 1)
    split = replace(one, labels=((Label(True), Label(False)), *one.labels[1:]))
    matched = match_labels(graded, [split])
    assert (matched.n_matched, matched.whole_N.any()) == (4, False)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (
            lambda labelled: [replace(one, text="another text") for one in labelled],
            "none of the 60 labelled rows is about an answer of this run",
        ),
        (
            lambda labelled: [replace(one, labels=((), *one.labels[1:])) for one in labelled],
            "the labels are of 240 criteria, and no answer of this run has one on each",
        ),
        (lambda labelled: labelled[:12], "12 prompts carry labels; it takes 20"),
    ],
)
def test_labels_that_cannot_correct_are_refused_with_their_reason(spoil, why: str) -> None:
    graded, labelled, _ = world(np.random.default_rng(6), 200, 60)
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, spoil(labelled)))
    for name, figure in found.figures().items():
        assert why in figure.refused, name
        assert figure.value is None
        assert 0 <= figure.raw <= 1


def test_labels_of_the_best_answers_alone_are_refused() -> None:
    graded, _, truth = world(np.random.default_rng(7), 200, 0)
    said = [sum(v.met for v in one.verdicts) for one in graded]
    best = np.argsort(said)[-60:]
    labelled = [labels_of(graded[row], truth[row]) for row in best]
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled)).met
    assert "not a random sample of the run" in found.refused


def test_a_rule_that_hardly_any_answer_passes_is_refused_and_the_score_is_not() -> None:
    graded, labelled, _ = world(np.random.default_rng(8), 200, 60)
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled))
    assert found.score.value is not None
    assert "10 of each are needed" in found.passes["pass_strict"].refused


def test_where_nothing_differs_there_is_no_interval_and_where_nothing_was_judged_no_figure() -> (
    None
):
    rows = np.tile([True, True, True, True, False], (30, 1))
    graded = [answer(n, row) for n, row in enumerate(rows)]
    labelled = [labels_of(one, row) for one, row in zip(graded[:25], rows, strict=False)]
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled))
    assert (found.score.value, found.score.raw) == (None, 1.0)
    # .8 of both parts, which rounding told apart by billions of standard errors
    assert "no interval" in found.met.refused
    lost = [replace(one, verdicts=(Verdict(Outcome.TRANSPORT),) * 5) for one in graded]
    none = correct_by_labels(ScoredTable.of(lost), match_labels(lost, labelled))
    assert {figure.raw for figure in none.figures().values()} == {None}


def drawn_labels(graded, truth, rng, chance, *, whole: bool):
    """Label what is drawn: whole answers, or each criterion on its own."""
    found = []
    for row, one in enumerate(graded):
        size = 1 if whole else len(POINTS)
        hit = np.broadcast_to(rng.random(size) < chance[row, :size], len(POINTS))
        if hit.any():
            labels = tuple(
                (Label(bool(v)),) if h else () for v, h in zip(truth[row], hit, strict=True)
            )
            pi = np.broadcast_to(chance[row, :size], len(POINTS))
            chances = tuple(float(p) if h else None for p, h in zip(pi, hit, strict=True))
            found.append(LabelledAnswer(one.example, one.answer, labels, chances=chances))
    return found


@pytest.mark.parametrize("whole", [True, False])
def test_labels_that_say_their_chance_correct_a_run_that_they_are_no_random_part_of(whole) -> None:
    rng = np.random.default_rng(31)
    quality = rng.uniform(0.1, 0.9, (200_000, 1))
    drawn = rng.random((200_000, 5)) < np.hstack([np.tile(quality, 4), np.full_like(quality, 0.3)])
    h = drawn @ np.array(POINTS) / 14
    hits: dict[str, list[bool]] = {"score": [], "pass_hb50": []}
    truths = {"score": h.mean(), "pass_hb50": np.mean(h >= 0.5)}
    for _ in range(50):
        graded, _, truth = world(rng, 200, 0)
        # good answers are labelled more often
        good = truth.mean(1, keepdims=True)
        chance = np.clip(np.broadcast_to(0.2 + 0.5 * good**2, truth.shape), 0, 1)
        labels = match_labels(graded, drawn_labels(graded, truth, rng, chance, whole=whole))
        found = correct_by_labels(ScoredTable.of(graded), labels).figures()
        assert (found["pass_hb50"].value is None) is not whole
        for name in hits if whole else ["score"]:
            hits[name].append(found[name].low <= truths[name] <= found[name].high)
    for name in hits if whole else ["score"]:
        # 95 % nominal; 50 runs have a standard error of 3.1 points
        assert np.mean(hits[name]) >= 0.88, name


def test_chances_of_another_run_are_refused() -> None:
    rng = np.random.default_rng(7)
    graded, labelled, _ = world(rng, 120, 40)
    sure = [replace(one, chances=(1.0,) * 5) for one in labelled]
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, sure)).score
    assert found.refused == (
        "the probabilities are not those of this run: the sample stands for 40 items, and the run "
        "has 120; draw from all of it, and give every item's own chance"
    )


def test_chances_on_some_labels_alone_or_two_of_one_label_are_refused() -> None:
    rng = np.random.default_rng(8)
    graded, labelled, _ = world(rng, 30, 30)
    sure = [replace(one, chances=(0.5,) * 5) for one in labelled]
    with pytest.raises(DataError, match="labels: 29 of 30 rows have no 'probability'"):
        match_labels(graded, [sure[0], *labelled[1:]])
    with pytest.raises(DataError, match=r"two inclusion probabilities, 0\.5 and 0\.25"):
        match_labels(graded, [*sure, replace(sure[0], chances=(0.25,) * 5)])


def test_labels_of_two_draws_correct_nothing_and_still_say_what_is_true() -> None:
    rng = np.random.default_rng(8)
    graded, labelled, _ = world(rng, 60, 60)
    scored = ScoredTable.of(graded)
    one, other = (
        [replace(item, chances=(0.5,) * 5, draw=("answers", n)) for item in part]
        for n, part in ((30, labelled[:30]), (31, labelled[29:]))
    )
    alone = correct_by_labels(scored, match_labels(graded, one)).score
    assert alone.refused is None
    # of two sizes, or more answers than one draw of that size has
    for mixed in ([*one, *other], [replace(item, draw=("answers", 30)) for item in (*one, *other)]):
        matched = match_labels(graded, mixed)
        assert matched.n_matched == 60 * 5
        with pytest.raises(DataError, match="give the labels of one page"):
            correct_by_labels(scored, matched)


def test_what_was_drawn_and_has_no_label_is_stood_for_by_the_rest_up_to_a_fifth() -> None:
    rng = np.random.default_rng(9)
    graded, labelled, truth = world(rng, 100, 100)
    asked = [replace(one, chances=(1.0,) * 5) for one in labelled]
    for n_lost, is_refused in ((20, False), (21, True)):
        lost = [replace(one, labels=((),) * 5) for one in asked[:n_lost]]
        matched = match_labels(graded, [*lost, *asked[n_lost:]])
        found = correct_by_labels(ScoredTable.of(graded), matched).score
        assert (found.refused is not None) is is_refused
        if not is_refused:
            h = truth @ np.array(POINTS) / 14
            assert found.value == pytest.approx(h.mean(), abs=0.05)


def rows_of(labelled: list[LabelledAnswer], n: int, *, of: int) -> list[LabelledAnswer]:
    """Give the first n rows of a page that drew all these answers whole, a criterion a row."""
    single = [
        replace(
            one,
            example=replace(one.example, rubric=Rubric((criterion,))),
            labels=(labels,),
            chances=(0.5,),
            draw=("answers", of),
        )
        for one in labelled
        for criterion, labels in zip(one.example.rubric.criteria, one.labels, strict=True)
    ]
    return single[:n]


def test_an_answer_on_which_labelling_ended_half_way_changes_nothing() -> None:
    rng = np.random.default_rng(12)
    graded, labelled, _ = world(rng, 120, 60)
    whole = rows_of(labelled, 40 * 5, of=60)
    for n_more in range(1, 5):
        begun = rows_of(labelled, 40 * 5 + n_more, of=60)
        assert without_begun(begun, graded) == (whole, 1)
        np.testing.assert_array_equal(
            match_labels(graded, begun).chances, match_labels(graded, whole).chances
        )
    figures = correct_by_labels(ScoredTable.of(graded), match_labels(graded, begun)).figures()
    # whole answers tell every figure, single criteria would tell no pass rate
    assert figures["pass_hb50"].refused is None
    widths = figures["score"].widths
    assert widths.words().startswith("labels on 40 of 120 answers")
    # a third of the answers is labelled: more labels narrow the interval, and never to a point
    assert 0 < widths.least < 0.95 * widths.half


def test_single_criteria_and_a_cannot_tell_are_nothing_begun() -> None:
    rng = np.random.default_rng(13)
    graded, labelled, _ = world(rng, 60, 60)
    single = [replace(row, draw=("criteria", 300)) for row in rows_of(labelled, 32, of=60)]
    assert without_begun(single, graded) == (single, 0)
    unsure = [replace(row, labels=((),)) for row in rows_of(labelled, 30, of=60)]
    assert without_begun(unsure, graded) == (unsure, 0)


def test_the_share_that_is_refused_is_one_of_verdicts_and_not_of_answers() -> None:
    rng = np.random.default_rng(14)
    graded, labelled, _ = world(rng, 60, 60)
    asked = [replace(one, chances=(1.0,) * 5) for one in labelled]

    def found(n_unsure: int, n_criteria: int):
        none = ((),) * n_criteria
        unsure = [
            replace(one, labels=(*none, *one.labels[n_criteria:])) for one in asked[:n_unsure]
        ]
        matched = match_labels(graded, [*unsure, *asked[n_unsure:]])
        return correct_by_labels(ScoredTable.of(graded), matched).score

    # two of five verdicts on 24 of 60 answers: 48 of 300 verdicts, and 24 answers without a score
    assert found(24, 2).refused is None
    # 62 of 300 verdicts
    assert found(31, 2).refused == (
        "of the verdicts that were drawn 21% are missing, more than a fifth"
    )
    # one verdict, 5 of 17 points, on 31 answers: a tenth of the verdicts, half of the answers
    assert found(31, 1).refused == (
        "31 of 60 drawn answers have no score: verdicts on more than a fifth of their points are "
        "missing"
    )
