"""When to stop: each decision, the order alone, several systems, missing scores."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.budget.stopping import (
    Decision,
    Method,
    ScoreRange,
    StopRule,
    look,
    look_at_systems,
    stops_after,
)
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.rubric import Example

GAPS = ScoreRange(-1.0, 1.0)
SCORES = ScoreRange(0.0, 1.0)
METHODS = list(Method)


def around(mean: float, n: int = 2_000, spread: float = 0.1) -> np.ndarray:
    return mean + spread * np.tile([1.0, -1.0], n // 2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("mean", "rope", "decision"),
    [
        (0.3, 0.0, Decision.HIGHER),
        (-0.3, 0.0, Decision.LOWER),
        (0.3, 0.1, Decision.HIGHER),
        (0.0, 0.1, Decision.EQUAL),
        (0.1, 0.1, Decision.UNDECIDED),  # on the limit: neither equal nor different
        (0.0, 0.0, Decision.UNDECIDED),
    ],
)
def test_each_decision(method, mean, rope, decision):
    found = look(around(mean), StopRule(rope=rope, method=method), GAPS, alpha=0.05)
    assert found.decision is decision
    assert found.n == (2_000 if decision is Decision.UNDECIDED else found.n_looked)


@pytest.mark.parametrize("method", METHODS)
def test_the_decision_is_the_first_one_and_later_prompts_do_not_change_it(method):
    values = np.concatenate([around(0.4, 400), np.full(1_000, -1.0)])
    rule = StopRule(method=method)
    whole = look(values, rule, GAPS, alpha=0.05)
    assert whole.decision is Decision.HIGHER
    assert whole == look(values[: whole.n_looked], rule, GAPS, alpha=0.05)
    before = look(values[: whole.n_looked - 1], rule, GAPS, alpha=0.05)
    assert before.decision is Decision.UNDECIDED


@pytest.mark.parametrize("method", METHODS)
def test_a_width_is_reached_and_the_interval_is_no_wider(method):
    rule = StopRule(level=None, width=0.1, method=method)
    found = look(around(0.5), rule, SCORES, alpha=0.05, has_sign=False)
    assert found.decision is Decision.WIDTH
    low, high = found.interval.ends or (0, 0)
    assert low < 0.5 < high
    assert high - low <= 0.1
    fewer = look(around(0.5)[: found.n - 1], rule, SCORES, alpha=0.05, has_sign=False)
    assert fewer.decision is Decision.UNDECIDED


def test_prompts_without_a_score_are_looked_at_and_do_not_count():
    gaps = np.repeat(around(0.5, 200), 2)
    gaps[1::2] = np.nan
    sparse = look(gaps, StopRule(), GAPS, alpha=0.05)
    dense = look(around(0.5, 200), StopRule(), GAPS, alpha=0.05)
    assert sparse.interval == dense.interval
    assert (sparse.n, sparse.n_looked) == (dense.n, 2 * dense.n - 1)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_known_is_undecided(method):
    found = look(np.full(5, np.nan), StopRule(width=9.0, method=method), GAPS, alpha=0.05)
    assert (found.decision, found.n, found.interval.value) == (Decision.UNDECIDED, 0, None)


def test_of_three_systems_each_pair_has_a_third_of_the_risk():
    scores = np.stack([around(0.9), around(0.5), around(0.1, spread=0.2)])
    looks = look_at_systems(scores, StopRule(), SCORES)
    assert list(looks) == [(0, 1), (0, 2), (1, 2)]
    assert all(one.decision is Decision.HIGHER for one in looks.values())
    alone = look(scores[0] - scores[2], StopRule(), GAPS, alpha=0.05 / 3)
    assert looks[0, 2].interval.ends == pytest.approx(alone.interval.ends)
    assert stops_after(list(looks.values())) == max(one.n_looked for one in looks.values())


def test_grading_goes_on_while_one_pair_is_undecided():
    looks = look_at_systems(np.stack([around(0.9), around(0.5), around(0.5)]), StopRule(), SCORES)
    assert looks[0, 1].is_decided
    assert stops_after(list(looks.values())) is None


def test_one_system_has_no_sign_to_decide():
    looks = look_at_systems(around(0.5)[None], StopRule(), SCORES)
    assert looks[0, 0].decision is Decision.UNDECIDED


def test_the_range_is_that_of_the_widest_rubric():
    def example(name: str, *points: int) -> Example:
        rubric = [{"criterion": f"c{n}", "points": p} for n, p in enumerate(points)]
        return example_from_row({"prompt_id": name, "prompt": "q", "rubrics": rubric}, where=name)

    # 4 + 1 points to earn and 10 to lose: -2 to 1
    found = ScoreRange.of([example("a", 5, -1), example("b", 4, 1, -4, -6)])
    assert found == ScoreRange(-2.0, 1.0)
    assert found.of_differences == ScoreRange(-3.0, 3.0)


@pytest.mark.parametrize("method", METHODS)
def test_below_ten_prompts_nothing_is_decided_and_there_is_no_interval(method):
    rule = StopRule(width=1.9, method=method)
    few = look(np.ones(9), rule, GAPS, alpha=0.05)
    assert (few.decision, few.interval.ends) == (Decision.UNDECIDED, None)
    assert few.interval.why == "n < 10: no interval"
    assert look(np.ones(12), rule, GAPS, alpha=0.05).n_looked >= 10
