"""What a weighted sample of verdicts can tell of a run, and what it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import (
    Criterion,
    Example,
    Gate,
    Level,
    Message,
    Polarity,
    Requirement,
    Rubric,
)
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.sampled import SampledTotal
from rubricbeat.judges.scoring.sampled_run import NOT_WHOLE, SampledRun, score_difference
from rubricbeat.judges.verdict import Outcome, Verdict

GOOD, BAD = Polarity.DESIRABLE, Polarity.UNDESIRABLE
RUBRIC = Rubric((Criterion("a", 3.0, GOOD), Criterion("b", 1.0, GOOD), Criterion("c", -2.0, BAD)))


def graded(rows, rubric: Rubric = RUBRIC) -> ScoredTable:
    return ScoredTable.of(
        GradedAnswer(
            Example(f"p{n}", (Message("user", f"{n}?"),), rubric),
            "So.",
            tuple(Verdict.of(bool(v)) for v in row),
        )
        for n, row in enumerate(rows)
    )


def run_of(chance, rubric: Rubric = RUBRIC, seed: int = 3) -> SampledRun:
    rng = np.random.default_rng(seed)
    free, dear = (graded(rng.random((40, 3)) < 0.5, rubric) for _ in range(2))
    return SampledRun(free, dear, np.broadcast_to(chance, (40, 3)))


def test_everything_drawn_gives_the_dear_judges_figures() -> None:
    run = run_of(1.0)
    found, dear = run.figures(), run.dear
    assert found["score"].value == pytest.approx(dear.items.h.mean())
    assert found["met"].value == pytest.approx(dear.table.verdicts_NC.mean())
    assert found["pass_hb50"].value == pytest.approx(dear.items.passes["pass_hb50"].mean())


def test_single_criteria_tell_a_score_and_no_pass() -> None:
    # chances differ within an answer: all of them drawn once all the same
    found = run_of([1.0, 1.0, 0.999]).figures()
    assert found["pass_hb50"] == NOT_WHOLE
    assert found["score"].value == pytest.approx(run_of(1.0).dear.items.h.mean(), abs=0.01)


def test_a_gate_takes_whole_answers() -> None:
    gated = Rubric((*RUBRIC.criteria[:2], replace(RUBRIC.criteria[2], gate=Gate(0.0))))
    assert not isinstance(run_of(1.0, gated).figures()["score"], str)
    assert "draw whole answers" in run_of([1.0, 1.0, 0.999], gated).figures()["score"]


def test_answers_of_a_rubric_without_a_positive_point_count_nowhere() -> None:
    run = run_of(1.0, Rubric((Criterion("c", -2.0, BAD),) * 3))
    assert isinstance(run.figures()["score"], str)


def test_a_difference_pairs_the_prompts_that_both_answered() -> None:
    one, other = run_of(1.0), run_of(1.0)
    rng = np.random.default_rng(8)
    # the other system: the same prompts in another order, two of them not answered
    rows = [n for n in rng.permutation(40).tolist() if n not in (3, 7)]
    mixed = SampledRun(
        *(t.part(np.array(rows)) for t in (other.free, other.dear)), one.chance_NC[rows]
    )
    assert score_difference(one, mixed).value == pytest.approx(0, abs=1e-12)
    assert score_difference(one, mixed).p_value is None
    shifted = run_of(1.0, seed=4)
    gaps = one.dear.items.h - shifted.dear.items.h
    found = score_difference(one, shifted)
    assert found.value == pytest.approx(gaps.mean())
    assert found.variance == pytest.approx(gaps.var(ddof=1) / 40)


def two(free: ScoredTable, dear: ScoredTable, chance) -> SampledRun:
    return SampledRun(free, dear, np.broadcast_to(chance, dear.table.verdicts_NC.shape))


def half_drawn(n: int = 40) -> np.ndarray:
    """Every second answer, with a chance of a half."""
    return np.where(np.arange(n)[:, None] % 2 == 0, 0.5, np.nan)


EVEN = Rubric(tuple(Criterion(text, 1.0, GOOD) for text in "abcd"))
QUARTERS = [[True] * (n % 5) + [False] * (4 - n % 5) for n in range(40)]
"""Scores 0, .25, .5, .75 and 1, again and again: a mean of .5, and of .5 over every second one."""


def says(rows, chances) -> ScoredTable:
    """Give answers whose verdicts carry P(met)."""
    return ScoredTable.of(
        GradedAnswer(
            Example(f"p{n}", (Message("user", f"{n}?"),), EVEN),
            "So.",
            tuple(Verdict.of(v, probability=p) for v in row),
        )
        for n, (row, p) in enumerate(zip(rows, chances, strict=True))
    )


def test_a_free_judge_that_knows_every_answer_leaves_nothing_to_the_sample() -> None:
    # P(met) of .6, .7, .8, .9 and 1 is a line of the dear scores, while every verdict is "met"
    free = says([[True] * 4] * 40, [0.6 + 0.1 * (n % 5) for n in range(40)])
    found = two(free, graded(QUARTERS, EVEN), half_drawn()).figures()
    assert found["score"].value == pytest.approx(0.5, abs=1e-12)
    assert found["score"].sampling_variance == pytest.approx(0, abs=1e-12)
    assert found["score"].n_prompts == 20
    # the share met is read from its verdicts, which say nothing here
    assert found["met"].sampling_variance > 1e-4


def test_behind_a_gate_a_score_is_no_sum_and_is_read_from_verdicts() -> None:
    gated = Rubric((*EVEN.criteria[:3], replace(EVEN.criteria[3], gate=Gate(0.0))))
    rng = np.random.default_rng(6)
    rows = rng.random((40, 4)) < 0.6
    judged = graded(rows, gated)
    found = two(judged, judged, half_drawn()).figures()["score"]
    assert found.value == pytest.approx(judged.items.h.mean(), abs=1e-12)
    assert found.sampling_variance == pytest.approx(0, abs=1e-12)


def test_a_requirement_takes_whole_answers() -> None:
    first = replace(EVEN.criteria[0], id="first")
    needing = replace(EVEN.criteria[1], requires=Requirement("first"))
    judged = graded(QUARTERS, Rubric((first, needing, *EVEN.criteria[2:])))
    assert "draw whole answers" in two(judged, judged, [1, 1, 1, 0.999]).figures()["score"]
    assert not isinstance(two(judged, judged, 1.0).figures()["score"], str)


def test_levels_of_which_the_lowest_has_points_are_a_sum_all_the_same() -> None:
    steps = (Level("some", 1.0), Level("all", 4.0))
    stepped = Rubric((replace(EVEN.criteria[0], points=4.0, levels=steps), *EVEN.criteria[1:3]))
    judged = ScoredTable.of(
        GradedAnswer(
            Example(f"p{n}", (Message("user", "?"),), stepped),
            "So.",
            (Verdict.at_level(n % 2), Verdict.of(True), Verdict.of(False)),
        )
        for n in range(40)
    )
    # of 6 points (1 + 1) and (4 + 1) by turns
    found = two(judged, judged, [1.0, 1.0, 0.999]).figures()["score"]
    assert found.value == pytest.approx(3.5 / 6, abs=1e-3)


def test_what_was_drawn_is_counted_in_answers_or_in_criteria() -> None:
    free = graded(QUARTERS, EVEN)
    assert two(free, free, half_drawn()).counts() == ("answers", 20, 40)
    assert two(free, free, [0.5, np.nan, 0.25, 0.5]).counts() == ("criteria", 120, 160)
    # all of each answer, but not with one chance
    assert two(free, free, [0.5, 0.5, 0.5, 0.4]).counts() == ("criteria", 160, 160)
    assert two(free, free, np.nan).counts() == ("answers", 0, 40)


def test_what_can_have_no_score_is_not_counted() -> None:
    none = Verdict(Outcome.SKIPPED)
    plain = [Example(f"p{n}", (Message("user", "?"),), EVEN) for n in range(4)]
    bad = Example("bad", (Message("user", "?"),), Rubric((Criterion("c", -2.0, BAD),)))
    met = Verdict.of(True)
    mixed = ScoredTable.of([
        GradedAnswer(plain[0], "So.", (met,) * 4),
        GradedAnswer(plain[1], "", (none,) * 4),  # no text, no verdict: it was never there
        GradedAnswer(plain[2], "", (met,) * 4),
        GradedAnswer(plain[3], "So.", (none,) * 4),
        GradedAnswer(bad, "So.", (met,)),
    ])  # fmt: skip
    padded = np.where(np.arange(4) < np.array([4, 4, 4, 4, 1])[:, None], 1.0, np.nan)
    run = SampledRun(mixed, mixed, padded)
    assert run.counted_N.tolist() == [True, False, True, True, False]
    assert run.counted_prompts == {"p0", "p2", "p3"}
    assert run.counts() == ("answers", 3, 3)
    some = SampledRun(mixed, mixed, np.where(np.arange(4) == 0, 0.5, np.nan) * np.ones((5, 1)))
    assert some.counts() == ("criteria", 3, 12)


def with_gaps(n_missing: int) -> ScoredTable:
    """Give answers of which the last ones, half of them met, have no verdict."""
    none = Verdict(Outcome.UNPARSEABLE)
    return ScoredTable.of(
        GradedAnswer(
            Example(f"p{n}", (Message("user", f"{n}?"),), EVEN),
            "So.",
            tuple(none if n >= 40 - n_missing else Verdict.of(n % 2 == 0) for _ in range(4)),
        )
        for n in range(40)
    )


def test_the_rest_stands_for_verdicts_that_never_came() -> None:
    free = graded([[True] * 4] * 40, EVEN)
    found = two(free, with_gaps(8), 1.0).figures()
    assert found["score"].value == pytest.approx(0.5, abs=0.03)
    assert found["met"].value == pytest.approx(0.5, abs=0.03)
    # as if four of five had been drawn: w^2 (1 - pi) / pi^2 of 32 errors, each a half at least
    least = 32 * (1 / 40) ** 2 * 0.2 / 0.64 * 0.25
    assert found["score"].sampling_variance == pytest.approx(least, rel=0.1)
    assert two(free, with_gaps(0), 1.0).figures()["score"].sampling_variance == 0


def test_too_many_that_never_came_are_no_estimate() -> None:
    free = graded([[True] * 4] * 40, EVEN)
    words = "of the verdicts that were drawn 22% are missing, more than a fifth"
    # drawn whole, and with a chance that differs by criterion; weighted by 1 / chance
    assert two(free, with_gaps(9), 1.0).figures()["score"] == words
    assert two(free, with_gaps(9), [1.0, 1.0, 1.0, 0.999]).figures()["met"] == words
    assert two(free, with_gaps(40), np.nan).figures()["score"] == "no drawn item has a verdict"


def test_answers_that_lack_a_verdict_each_have_no_score() -> None:
    none = Verdict(Outcome.UNPARSEABLE)
    heavy = Rubric((Criterion("a", 6.0, GOOD), *EVEN.criteria))

    def judged(n_lost: int) -> ScoredTable:
        rows = (
            [none if n < n_lost else Verdict.of(True)] + [Verdict.of(True)] * 4 for n in range(40)
        )
        return ScoredTable.of(
            GradedAnswer(Example(f"p{n}", (Message("user", "?"),), heavy), "So.", tuple(row))
            for n, row in enumerate(rows)
        )

    free = judged(0)
    # a tenth of the verdicts, each with six of its answer's ten points
    assert two(free, judged(20), 1.0).figures()["score"].value == pytest.approx(1.0)
    assert two(free, judged(21), 1.0).figures()["score"] == (
        "21 of 40 drawn answers have no score: verdicts on more than a fifth of their points are "
        "missing"
    )


def test_chances_that_cannot_be_those_of_the_run_are_refused() -> None:
    free = graded(QUARTERS, EVEN)
    assert two(free, free, 0.5).figures()["score"] == (
        "the probabilities are not those of this run: the sample stands for 80 items, and the run "
        "has 40; draw from all of it, and give every item's own chance"
    )
    # n drawn with a chance of a half: the count 2 n has a standard error of sqrt(2 n), of which
    # 3.5 are allowed; 2 n - 40 = 3.5 sqrt(2 n) at 2 n = 69.1, 40 - 2 n at 23.2
    for n, is_taken in ((34, True), (35, False), (12, True), (11, False)):
        drawn = np.where(np.arange(40)[:, None] < n, 0.5, np.nan)
        assert isinstance(two(free, free, drawn).figures()["score"], SampledTotal) is is_taken


def test_a_difference_that_cannot_be_told_says_why() -> None:
    one, other = run_of(1.0), run_of(0.5)
    assert "not those of this run" in score_difference(one, other)
    assert "not those of this run" in score_difference(other, one)
    others = SampledRun(
        one.free.part(slice(0, 20)), one.dear.part(slice(0, 20)), one.chance_NC[:20]
    )
    rest = SampledRun(
        one.free.part(slice(20, 40)), one.dear.part(slice(20, 40)), one.chance_NC[20:]
    )
    assert score_difference(others, rest) == "no prompt was answered by both"


def test_a_part_of_a_run_is_the_answers_to_its_prompts_in_their_order() -> None:
    run = run_of(np.linspace(0.5, 0.9, 40)[:, None])
    part = run.of_prompts(["p7", "p0", "p39", "nobody"])
    names = [part.free.table.prompt_ids[code] for code in part.free.table.prompt_N]
    assert names == ["p7", "p0", "p39"]
    np.testing.assert_array_equal(part.chance_NC, run.chance_NC[[7, 0, 39]])
    np.testing.assert_array_equal(part.dear.items.h, run.dear.items.h[[7, 0, 39]])


def test_prompts_count_by_their_answers() -> None:
    # 10 prompts of two answers and 20 of one, all drawn: the mean over answers, and influences
    # that weigh a prompt's answers together
    rng = np.random.default_rng(2)
    prompts = [n // 2 for n in range(20)] + list(range(10, 30))
    judged = ScoredTable.of(
        GradedAnswer(
            Example(f"p{prompt:02}", (Message("user", "?"),), EVEN),
            "So.",
            tuple(Verdict.of(bool(v)) for v in rng.random(4) < 0.5),
            repeat=n,
        )
        for n, prompt in enumerate(prompts)
    )
    found = two(judged, judged, 1.0).figures()["score"]
    errors = judged.items.h - judged.items.h.mean()
    assert found.value == pytest.approx(judged.items.h.mean())
    assert found.influence_P == pytest.approx(np.bincount(prompts, weights=errors) / 40)
    assert found.n_prompts == 30
