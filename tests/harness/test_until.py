"""The order of grading and the rule's flags, apart from any judge."""

from __future__ import annotations

import pytest

from rubricbeat.harness.until import GradingOrder, stop_rule_of
from rubricbeat.judges.answer import Answer
from rubricbeat.judges.budget.stopping import Method, StopRule, prompts_expected
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.engine.ledger import Cost
from rubricbeat.judges.errors import ConfigError


def answers(*models: str, n: int = 30) -> list[tuple[tuple[str, str], Answer]]:
    rubric = [{"criterion": "says so", "points": 5}]
    rows = [{"prompt_id": f"p{at}", "prompt": "q", "rubrics": rubric} for at in range(n)]
    examples = [example_from_row(row, where="row") for row in rows]
    return [((name, ""), Answer(one, "words", 0)) for name in models for one in examples]


def ids(order: GradingOrder) -> list[str]:
    return [prompt.prompt_id for prompt in order.prompts]


def test_the_order_hangs_on_the_seed_and_not_on_the_file():
    given = answers("a", "b")
    first = GradingOrder(StopRule(), given, 7)
    assert ids(first) == ids(GradingOrder(StopRule(), given[::-1], 7))
    assert ids(first) != ids(GradingOrder(StopRule(), given, 8))
    assert sorted(ids(first)) == sorted(one.example.prompt_id for _, one in given[:30])


def test_a_prompt_is_graded_for_all_models_before_the_next():
    order = GradingOrder(StopRule(), answers("a", "b", "c"), 1)
    listed = [answer.example.prompt_id for _, answer in order]
    assert listed == [prompt_id for prompt_id in ids(order) for _ in range(3)]


def test_prompts_that_not_all_models_answered_are_left_out_and_counted():
    order = GradingOrder(StopRule(), answers("a", "b")[:-10], 1)
    assert (len(order.prompts), order.n_left_out) == (20, 10)


def test_baselines_without_a_model_are_graded_and_decide_nothing():
    order = GradingOrder(StopRule(), answers("a", "b", "baseline:empty"), 1)
    assert order.systems == ("a", "b")
    assert len(list(order)) == 90


def test_no_flag_is_no_rule():
    assert stop_rule_of(None, None, 0.0, "asymptotic", "--until") is None
    assert stop_rule_of(None, 0.1, 0.0, "betting", "--until") is not None
    found = stop_rule_of(0.9, 0.1, 0.01, "betting", "--until")
    assert found == StopRule(0.9, 0.1, 0.01, Method.BETTING)


@pytest.mark.parametrize("level", [0.2, 1.0, 95.0, float("nan")])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(ConfigError, match=r"such as 0\.95"):
        stop_rule_of(level, None, 0.0, "asymptotic", "--until")


def expected(difference: float, n_most: int = 2_000) -> int | None:
    return prompts_expected(StopRule(), 2, n_most, difference=difference, spread=0.29)


def test_larger_differences_take_fewer_prompts_and_small_ones_all():
    # .087 takes about 14 % of 890 prompts on average (docs/evidence/least-cost.md)
    assert 100 <= (expected(0.087) or 0) <= 140
    assert (expected(0.2) or 0) < (expected(0.087) or 0) < (expected(0.05) or 0)
    assert expected(0.01) is None
    assert prompts_expected(StopRule(None, 0.2), 1, 2_000, difference=0.0, spread=0.29)


def test_what_is_expected_names_the_prompts_and_the_money():
    order = GradingOrder(StopRule(), answers("a", "b", n=1_000), 1)
    said = order.expected(Cost(calls=2_000, cost_usd=100.0))
    n = expected(0.05, 1_000)
    assert f"{n} of 1,000 prompts if the difference is 0.05" in said
    assert f"${n * 0.1:,.2f}" in said  # 100 dollars for 1,000 prompts
    assert said.endswith("at worst all 1,000: 2\u202f000 calls, about $100.00")


def test_a_score_below_0_has_no_interval_rather_than_one_from_0_to_0():
    order = GradingOrder(StopRule(level=None, width=0.1), answers("a"), 1)
    order._scores_MP[:] = -2.0  # of rubrics with negative points
    order.n_graded = 30
    assert order.model_metrics("a", {"score_unclipped": -2.0})["interval"] is None
