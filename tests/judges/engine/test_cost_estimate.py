"""What a run would cost is known before anything is sent."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from engine_kit import CountingJudge, GroupingJudge, answers

from rubricbeat.harness.tables.score import calls_line
from rubricbeat.judges.backends.jury import JuryJudge, ReplicateJudge
from rubricbeat.judges.engine.ledger import Cost, expected_tokens
from rubricbeat.judges.engine.work_items import Call, Flight
from rubricbeat.judges.grader import Grader, RuntimeOptions


class Fixed(CountingJudge):
    """Asks with 400 bytes a question, whatever it is: 100 tokens."""

    def key_material(self, question):
        text = f"{question.example.prompt_id} {question.index} {question.answer}"
        return text.encode().ljust(400)


def prices(tmp_path) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text("models: {counting: {input: 10, output: 20}}")
    return str(path)


def test_calls_tokens_and_cost_before_anything_is_asked(tmp_path):
    judge = Fixed()
    with Grader(judge, RuntimeOptions(prices=prices(tmp_path))) as grader:
        estimate = grader.estimate(answers(4))
    assert not judge.asked
    # 12 calls of 100 prompt tokens, and 150 completion tokens each
    assert (estimate.criteria, estimate.hits, estimate.calls) == (12, 0, 12)
    assert (estimate.prompt_tokens, estimate.completion_tokens) == (1200, 1800)
    assert estimate.cost_usd == pytest.approx((1200 * 10 + 1800 * 20) / 1e6)
    assert "12 calls to make" in estimate.line()
    assert "about $0.05" in estimate.line()


def test_what_is_stored_costs_nothing(tmp_path):
    with Grader(Fixed(), RuntimeOptions(prices=prices(tmp_path))) as grader:
        grader.grade(answers(4))
        estimate = grader.estimate(answers(5))
    assert (estimate.criteria, estimate.hits, estimate.calls) == (15, 12, 3)


def test_the_estimate_is_what_is_then_asked():
    judge = Fixed()
    with Grader(judge, RuntimeOptions(replicates=2)) as grader:
        twice = [*answers(3), *answers(2)]
        estimate = grader.estimate(twice)
        grader.grade(twice)
    assert estimate.criteria == 30
    assert estimate.calls == sum(judge.asked.values()) == 18


def test_a_member_asked_thrice_is_counted_thrice_for_an_answer_with_its_own_replicates():
    with Grader(ReplicateJudge(inner=Fixed(), k=3)) as grader:
        twice = [replace(answer, replicates=2) for answer in answers(1)]
        estimate = grader.estimate(twice)
        grader.grade(twice)
        assert grader.facts()["calls"] == estimate.calls == 18  # 3 criteria x 2 x 3


def test_groups_are_counted_as_calls():
    with Grader(GroupingJudge()) as grader:
        assert grader.estimate(answers(2, n_criteria=7)).calls == 6


def test_a_judge_that_cannot_take_groups_is_counted_question_by_question():
    judge = Fixed()
    judge.group_size = 8  # and no judge_group: each question is a call
    with Grader(judge) as grader:
        estimate = grader.estimate(answers(2))
        grader.grade(answers(2))
    assert estimate.calls == sum(judge.asked.values()) == 6


def test_what_the_limits_count_for_a_call_is_what_the_estimate_counts():
    """A group's questions share one prompt, and each has its own verdict."""
    call = Call([Flight(b"", None, n_bytes, None, []) for n_bytes in (400, 800, 600)])
    assert call.n_tokens == 800 // 4 + 3 * 150
    assert expected_tokens([400, 800, 600]) == (200, 450)


def test_a_part_of_a_call_is_a_call_and_what_is_not_known_stays_so():
    few = Cost(calls=3, prompt_tokens=10, completion_tokens=5, cost_usd=0.3)
    assert few.times(10, of=3) == Cost(10, 34, 17, pytest.approx(1.0))
    assert Cost.sum([few, Cost(1, 1, 1, None)]) == Cost(4, 11, 6, None)
    assert Cost.sum([]) == Cost(0, 0, 0, 0)


def test_an_unknown_price_is_no_cost():
    with Grader(CountingJudge()) as grader:
        estimate = grader.estimate(answers(1))
    assert estimate.cost_usd is None
    assert "cost unknown" in estimate.line()
    assert "cost not stated by the judge" in replace(estimate, model="").line()


@pytest.mark.parametrize(("of_judge", "cost"), [("is_free", 0.0), (None, None)])
def test_a_judge_that_says_it_is_free_costs_nothing(of_judge, cost):
    judge = CountingJudge()
    if of_judge is not None:
        setattr(judge, of_judge, True)
    with Grader(judge) as grader:
        assert grader.estimate(answers(1)).cost_usd == cost
        grader.grade(answers(1))
        facts = grader.facts()
    assert facts["cost_usd"] == cost
    assert calls_line(facts).endswith("$0" if cost == 0 else "cost unknown")
    own = calls_line({**facts, "model": ""})
    assert own.endswith("$0" if cost == 0 else "cost not stated by the judge")
    assert calls_line({**facts, "cost_usd": 0.25}).endswith("$0.2500")


def test_a_free_judge_costs_nothing():
    judge = CountingJudge()
    judge.stored = False
    with Grader(judge) as grader:
        estimate = grader.estimate(answers(2))
    assert (estimate.cost_usd, estimate.prompt_tokens) == (0.0, 0)


def test_a_jury_costs_what_its_members_cost(tmp_path):
    jury = JuryJudge(members=(Fixed(), ReplicateJudge(inner=Fixed(model="other"), k=3)))
    with Grader(jury) as grader:
        estimate = grader.estimate(answers(2))
        grader.grade(answers(2))
        again = grader.estimate(answers(2))
    assert (estimate.criteria, estimate.calls) == (6, 6 + 18)
    assert grader.facts()["calls"] == 24
    assert (again.calls, again.hits) == (0, 24)


def test_a_budget_bounds_all_members_together():
    jury = JuryJudge(members=(Fixed(), Fixed(model="other")))
    with Grader(jury, RuntimeOptions(max_calls=7)) as grader:
        grader.grade(answers(10))
        facts = grader.facts()
    assert facts["calls"] == 7
    assert facts["stopped"] == "budget: max_calls=7 reached"


@pytest.mark.parametrize("is_there", [False, True])
def test_an_estimate_makes_no_store(tmp_path, is_there):
    path = tmp_path / "folder" / "v.sqlite"
    if is_there:
        path.parent.mkdir()
        path.touch()
    with Grader(CountingJudge(), RuntimeOptions(store=path)) as grader:
        assert grader.estimate(answers(2)).hits == 0
    assert path.read_bytes() == b"" if is_there else not path.parent.exists()


def test_an_estimate_leaves_a_store_of_an_earlier_layout_as_it_is(tmp_path):
    path = tmp_path / "v.sqlite"
    with Grader(CountingJudge(), RuntimeOptions(store=path)) as grader:
        grader.grade(answers(2))
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 2")
    db.close()
    before = path.read_bytes()
    with Grader(CountingJudge(), RuntimeOptions(store=path)) as grader:
        assert grader.estimate(answers(2)).hits == 6
    assert path.read_bytes() == before
