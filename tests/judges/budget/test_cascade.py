"""Cascades replayed: what is settled where, what it saves, and that luck is not sold as skill."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from rubricbeat.judges.backends.jury import CascadeJudge
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.budget.cascade import (
    Cascade,
    Members,
    frontier,
    is_sure,
    measure,
    pick,
    sureness,
)
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Criterion, Example, Level, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict

FREE, DEAR = 0, 1


def members(sureness_N, agrees_N, prompt_N, *, usd=(0.0, 0.004)) -> Members:
    """A free judge beside a dear one that is the reference; each criterion is worth 1."""
    x, agrees = np.asarray(sureness_N, float), np.asarray(agrees_N, bool)
    truth = np.ones(len(x))
    return Members(
        sureness_MN=np.array([x, np.ones(len(x))]),
        agrees_MN=np.array([agrees, np.ones(len(x), bool)]),
        usd_M=np.array(usd),
        calls_M=np.array([0.0, 1.0]),
        prompt_N=np.asarray(prompt_N),
        answer_N=np.asarray(prompt_N),
        gain_MN=np.array([np.where(agrees, truth, 0.0), truth]),
        reference_N=truth,
    )


def sure_and_unsure(n_prompts: int = 20) -> Members:
    """Of each prompt four criteria: three of which the free judge is sure, and right."""
    prompt_N = np.repeat(np.arange(n_prompts), 4)
    return members([0.9, 0.95, 0.05, 0.6] * n_prompts, [1, 1, 1, 0] * n_prompts, prompt_N)


def made_up(n_prompts: int, seed: int, *, skill: float) -> Members:
    """A free judge that is right with its own P where `skill` is 1, and by chance where it is 0."""
    rng = np.random.default_rng(seed)
    prompt_N = np.repeat(np.arange(n_prompts), 6)
    x_N = rng.uniform(size=len(prompt_N))
    right_N = skill * np.maximum(x_N, 1 - x_N) + (1 - skill) * 0.75
    return members(x_N, rng.uniform(size=len(x_N)) < right_N, prompt_N)


def test_the_cheapest_that_agrees_is_picked_and_measured() -> None:
    said = sure_and_unsure()
    point = pick(frontier(said, DEAR), 1.0, agreement=1.0)
    assert point is not None and point.agreement == 1.0
    assert point.cost == pytest.approx(0.001)  # one criterion of four is asked, at $0.004
    [(low, high)] = point.cascade.bounds
    assert 0.05 <= low < 0.6 < high <= 0.9
    found = measure(point.cascade, said, DEAR)
    assert found.agreement.value == 1.0
    assert found.calls_saved.value == found.usd_saved.value == 0.75
    assert found.settled == (0.75, 0.25)
    # by lot three of four would be the free judge's, which is right on three of four
    assert found.at_random == pytest.approx(0.75 * 0.75 + 0.25)
    assert found.gain.value == pytest.approx(1 - (0.75 * 0.75 + 0.25))
    assert found.random_saved == 0.0
    assert found.score_shift.value == 0.0


def test_an_answer_without_a_verdict_is_no_answer_without_a_shift() -> None:
    said = sure_and_unsure()
    # of every second answer the judge gives no verdict where it is wrong in the others
    said.gain_MN[FREE, 3::8] = np.nan
    found = measure(Cascade((FREE, DEAR), ((0.499, 0.6),)), said, DEAR)
    assert found.agreement.value == 0.75
    assert found.score_shift.value == -1.0
    said.gain_MN[FREE, 3::4] = np.nan
    assert measure(Cascade((FREE,)), said, DEAR).score_shift.value is None


def test_a_loose_cascade_moves_scores_and_says_so() -> None:
    said = sure_and_unsure()
    found = measure(Cascade((FREE, DEAR), ((0.499, 0.6),)), said, DEAR)
    assert found.agreement.value == 0.75
    assert found.calls_saved.value == 1.0
    assert found.score_shift.value == -1.0  # the one criterion it misses is worth 1 an answer
    assert found.random_saved == 1.0 and found.gain.value == pytest.approx(0.0)


def test_a_budget_buys_the_best_that_can_be_paid() -> None:
    points = frontier(sure_and_unsure(), DEAR)
    point = pick(points, 1.0, budget=0.002)
    assert point is not None and point.agreement == 1.0
    free = pick(points, 1.0, budget=0.0)
    assert free is not None and free.cost == 0.0 and free.agreement == 0.75
    assert pick([p for p in points if p.cost > 0], 1.0, budget=0.0) is None


def test_three_judges_are_put_in_the_order_that_costs_least() -> None:
    """Free: right where sure, on half. Middle: right on the rest where sure, half of that."""
    n = 40
    x_free = [0.99, 0.99, 0.5, 0.5] * n
    x_middle = [0.6, 0.6, 0.99, 0.6] * n
    right = [[1, 1, 0, 0] * n, [0, 0, 1, 0] * n, [1] * 4 * n]
    prompt_N = np.repeat(np.arange(n), 4)
    one = np.ones(4 * n)
    said = Members(
        np.array([x_middle, x_free, one]), np.array([right[1], right[0], right[2]], bool),
        np.array([0.001, 0.0, 0.004]), np.array([0.01, 0.0, 1.0]), prompt_N, prompt_N,
        np.array([one, one, one]), one,
    )  # fmt: skip
    point = pick(frontier(said, 2), 1.0, agreement=1.0)
    assert point is not None and point.cascade.members == (1, 0, 2)
    # the middle judge is asked half, the dear one a quarter
    assert point.cost == pytest.approx(0.5 * 0.001 + 0.25 * 0.004)
    found = measure(point.cascade, said, 2)
    assert found.settled == (0.5, 0.25, 0.25)
    assert found.calls_saved.value == pytest.approx(0.75)  # of the dear judge's
    assert found.usd_saved.value == pytest.approx(1 - 0.0015 / 0.004)


@pytest.mark.parametrize("n", [1, 2])
def test_a_replay_settles_where_the_cascade_itself_does(n: int) -> None:
    """The judge that is pasted asks on exactly where the replay says."""
    levels = (Level("bad", 0), Level("fair", 2), Level("good", 5))
    plain = Criterion("Names it", 5, Polarity.DESIRABLE)
    graded = Criterion("Is good", 5, Polarity.DESIRABLE, levels=levels)
    said = [
        (plain, Verdict.of(True, probability=0.81)),
        (plain, Verdict.of(True, probability=0.8)),
        (plain, Verdict.of(True, probability=0.79)),
        (plain, Verdict.of(False, probability=0.2)),
        (plain, Verdict.of(False, probability=0.21)),
        (plain, Verdict.of(True)),
        (plain, Verdict(Outcome.UNPARSEABLE)),
        (graded, Verdict.at_level(1, level_probabilities=(0.1, 0.8, 0.1))),
        (graded, Verdict.at_level(1, level_probabilities=(0.3, 0.4, 0.3))),
    ]
    lows, highs = [0.2, 0.1][:n], [0.8, 0.9][:n]
    stages = []
    for criterion, verdict in said:
        example = Example("p", (Message("user", "q"),), Rubric((criterion,)))
        judges = [ScriptedJudge([verdict]) for _ in range(n)] + [ScriptedJudge([None])]
        cascade = CascadeJudge(judges, low=lows, high=highs)
        found = asyncio.run(cascade.judge(Question(example, "a", 0)))
        stages.append(int(found.explanation.removeprefix("[judge ")[0]) - 1)
    x_N = np.array([sureness(verdict) for _, verdict in said])
    none = np.zeros((n + 1, len(said)))
    world = Members(
        np.array([x_N] * n + [np.ones(len(said))]), none > 0, none[:, 0], none[:, 0],
        np.arange(len(said)), np.arange(len(said)), none, none[0],
    )  # fmt: skip
    cascade = Cascade(tuple(range(n + 1)), tuple(zip(lows, highs, strict=True)))
    assert cascade.settled_by(world).tolist() == stages


def halves(said: Members, seed: int) -> tuple[Members, Members]:
    n = int(said.prompt_N.max()) + 1
    first_P = np.zeros(n, bool)
    first_P[np.random.default_rng(seed).permutation(n)[: n // 2]] = True
    return said.on(first_P), said.on(~first_P)


def share_called_better(skill: float, *, on_other_half: bool) -> float:
    called = 0
    for seed in range(1000, 1120):
        searched, held = halves(made_up(60, seed, skill=skill), seed)
        point = pick(frontier(searched, DEAR), 1.0, agreement=0.9)
        assert point is not None
        found = measure(point.cascade, held if on_other_half else searched, DEAR)
        called += found.is_better_than_random
    return called / 120


def test_probabilities_that_mean_nothing_are_seldom_called_better_than_chance() -> None:
    assert share_called_better(0.0, on_other_half=True) <= 0.025
    # the same figures on the half that was searched flatter the pick: the rule that is wrong
    assert share_called_better(0.0, on_other_half=False) > 0.05


def test_probabilities_that_mean_something_are_found() -> None:
    assert share_called_better(1.0, on_other_half=True) > 0.6


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ([0.1], 0.8, "low must be a number, or a list of 2"),
        (0.2, [0.8, "x"], "high must be a number, or a list of 2"),
        (None, 0.8, "low must be a number"),
        (0.2, True, "high must be a number"),
        ([], 0.8, "low must be a number"),
        ([0.2, 0.9], 0.8, "low=0.9 must lie below high=0.8"),
        (-0.1, 0.8, "in \\[0, 1\\]"),
    ],
)
def test_bounds_that_cannot_work_are_refused(low, high, words) -> None:
    with pytest.raises(ConfigError, match=words):
        CascadeJudge(["constant", "keyword", "constant"], low=low, high=high)


@pytest.mark.parametrize(
    ("verdict", "sure"),
    [
        (Verdict.at_level(2, level_probabilities=(0.04, 0.05, 0.91)), True),
        (Verdict.at_level(2, level_probabilities=(0.1, 0.1, 0.8)), True),
        (Verdict.at_level(2, level_probabilities=(0.1, 0.11, 0.79)), False),
        # none of three levels is sure to be wrong at a low chance of the last
        (Verdict.at_level(0, level_probabilities=(0.5, 0.45, 0.05)), False),
        (Verdict.at_level(0, level_probabilities=(0.95, 0.05)), True),
        (Verdict.of(True, probability=0.9), True),
        (Verdict.of(False, probability=0.1), True),
        (Verdict.of(True, probability=0.5), False),
        (Verdict.of(True), True),
        (Verdict(Outcome.UNPARSEABLE), False),
    ],
)
def test_a_cascade_stops_where_a_verdict_is_sure(verdict: Verdict, sure: bool) -> None:
    assert is_sure(verdict, 0.2, 0.8) is sure
