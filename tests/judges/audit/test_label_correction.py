"""A run corrected by labels of some of its own answers: it covers, and refuses what it must."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.label_correction import correct_by_labels, match_labels
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
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
    assert "no random part of the run" in found.refused


def test_a_rule_that_hardly_any_answer_passes_is_refused_and_the_score_is_not() -> None:
    graded, labelled, _ = world(np.random.default_rng(8), 200, 60)
    found = correct_by_labels(ScoredTable.of(graded), match_labels(graded, labelled))
    assert found.score.value is not None
    assert "it takes 10 of each" in found.passes["pass_strict"].refused


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
