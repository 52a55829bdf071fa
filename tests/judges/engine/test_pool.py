"""The pool: each open question asked once, within its limits, and ended for a reason."""

from __future__ import annotations

import asyncio
import importlib
import re
import sqlite3
import threading
from typing import ClassVar

import pytest
from engine_kit import (
    UNREADABLE,
    CountingJudge,
    FlakyJudge,
    GatedJudge,
    GroupingJudge,
    answers,
    example,
    outcomes,
    reasons,
)
from waiting import HANG_S, until

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.backends.jury import JuryJudge
from rubricbeat.judges.engine.writer import FLUSH_ROWS
from rubricbeat.judges.errors import (
    ConfigError,
    JudgeError,
    OutageError,
    RateLimitError,
    RejectedError,
    StoreError,
    TransportError,
)
from rubricbeat.judges.grader import Grader, RuntimeOptions, open_grader
from rubricbeat.judges.judge import JudgeIdentity
from rubricbeat.judges.scoring.missing_reasons import MissingVerdicts
from rubricbeat.judges.verdict import Outcome, Source, Verdict

pytestmark = pytest.mark.border


def grader(judge, **options) -> Grader:
    return Grader(judge, RuntimeOptions(**{"backoff_s": 0.001, **options}))


def test_verdicts_come_in_the_order_of_answers_and_criteria():
    with grader(CountingJudge()) as one:
        graded = one.grade(answers(20, n_criteria=4))
    assert [g.example.prompt_id for g in graded] == [f"made-up-{i}" for i in range(20)]
    assert outcomes(graded) == [["met", "not_met", "met", "not_met"]] * 20
    assert all(v.attempts == 1 and v.latency_s > 0 for g in graded for v in g.verdicts)


def test_no_answers_give_no_grades():
    with grader(CountingJudge()) as one:
        assert one.grade([]) == []


def test_criteria_of_all_answers_share_one_pool_and_its_bound(virtual_time):
    judge = CountingJudge(pause_s=0.002)
    with grader(judge, max_concurrency=7) as one:
        one.grade(answers(10))
    assert judge.max_now == 7
    assert sum(judge.asked.values()) == 30


def test_several_grades_at_once_share_the_bound():
    judge = CountingJudge(pause_s=0.002)
    with grader(judge, max_concurrency=5) as one:
        threads = [threading.Thread(target=one.grade, args=(answers(20)[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert judge.max_now <= 5
    assert set(judge.asked.values()) == {1}
    assert len(judge.asked) == 60


def test_a_second_run_asks_nothing():
    judge = CountingJudge()
    with grader(judge) as one:
        first = one.grade(answers(4))
        second = one.grade(answers(4))
    assert outcomes(first) == outcomes(second)
    assert set(judge.asked.values()) == {1}
    stored = second[0].verdicts[0]
    assert (stored.source, stored.attempts, stored.prompt_tokens) == (Source.STORE, 0, 100)
    assert stored.explanation == "because"


def test_another_process_would_find_them_too():
    with grader(CountingJudge()) as one:
        one.grade(answers(4))
    judge = CountingJudge()
    with grader(judge) as other:
        other.grade(answers(4))
    assert not judge.asked
    assert other.facts()["store_hits"] == 12
    assert other.facts()["calls"] == 0


@pytest.mark.parametrize(
    "other",
    [
        JudgeIdentity("counting", model="another"),
        JudgeIdentity("counting", version="2", model="counting"),
        JudgeIdentity("counting", model="counting", prompt="p-2:0"),
        JudgeIdentity("counting", model="counting", sampling={"temperature": 0.1}),
    ],
)
def test_another_judge_is_asked_anew(other):
    with grader(CountingJudge()) as one:
        one.grade(answers(1))
    judge = CountingJudge()
    judge.identity = other
    with grader(judge) as two:
        two.grade(answers(1))
    assert sum(judge.asked.values()) == 3


def test_reasoning_judged_or_not_are_two_judges():
    text = "<think>Perhaps coffee.</think>Drink less coffee."
    judge = CountingJudge()
    with grader(judge) as plain, grader(judge, include_reasoning=True) as whole:
        plain.grade([Answer(example(), text)])
        whole.grade([Answer(example(), text)])
    assert plain.identity.digest != whole.identity.digest
    asked = {answer for _, answer, _, _ in judge.asked}
    assert asked == {"Drink less coffee.", text}


def test_equal_questions_in_flight_are_one_call_and_its_cost_counts_once(virtual_time):
    judge = CountingJudge(pause_s=0.01)
    same = answers(1) * 6
    with grader(judge) as one:
        graded = one.grade(same)
    assert set(judge.asked.values()) == {1}
    assert outcomes(graded) == [["met", "not_met", "met"]] * 6
    fresh = [v for g in graded for v in g.verdicts if v.source is Source.FRESH]
    assert len(fresh) == 3
    facts = one.facts()
    assert (facts["asked"], facts["fresh"], facts["shared"]) == (18, 3, 15)
    assert facts["tokens"]["prompt"] == 300


def test_cancelling_one_waiter_leaves_the_others_their_verdict():
    judge = GatedJudge()

    async def both(one: Grader):
        first = asyncio.create_task(one.grade_async(answers(1)))
        second = asyncio.create_task(one.grade_async(answers(1)))
        while one.facts()["shared"] < 3:
            await asyncio.sleep(0.001)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        judge.goes_on.set()
        return await second

    with grader(judge) as one:
        graded = asyncio.run(both(one))
    assert outcomes(graded) == [["met", "not_met", "met"]]
    assert set(judge.asked.values()) == {1}
    assert judge.n_cancelled == 0


def test_cancelling_the_only_waiter_ends_its_calls():
    judge = GatedJudge()

    async def cancelled(one: Grader):
        task = asyncio.create_task(one.grade_async(answers(5)))
        while not judge.is_asked.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with grader(judge, max_concurrency=4) as one:
        asyncio.run(cancelled(one))
        until(lambda: judge.n_cancelled == 1, "the end of the only call")
        judge.goes_on.set()
        assert outcomes(one.grade(answers(1))) == [["met", "not_met", "met"]]


def test_replicates_are_asked_apart_and_kept_apart():
    judge = CountingJudge()
    with grader(judge, replicates=3) as one:
        graded = one.grade(answers(2))
        again = one.grade(answers(2))
    assert sum(judge.asked.values()) == 18
    assert {replicate for *_, replicate in judge.asked} == {0, 1, 2}
    assert [len(g.replicates) for g in graded] == [2, 2]
    assert all(v.source is Source.STORE for g in again for row in g.replicates for v in row)


def test_groups_hold_the_questions_of_one_answer():
    judge = GroupingJudge()
    with grader(judge, max_concurrency=1) as one:
        graded = one.grade(answers(2, n_criteria=7))
    assert judge.groups == [[0, 1, 2], [3, 4, 5], [6]] * 2
    assert outcomes(graded) == [["met", "not_met"] * 3 + ["met"]] * 2
    assert one.facts()["calls"] == 6


def test_a_group_asks_only_what_the_store_has_not():
    first, second = GroupingJudge(), GroupingJudge()
    with grader(first, max_calls=1) as one:
        graded = one.grade(answers(1, n_criteria=7))
    assert [v.met is not None for v in graded[0].verdicts] == [True] * 3 + [False] * 4
    with grader(second) as two:
        two.grade(answers(1, n_criteria=7))
    assert second.groups == [[3, 4, 5], [6]]


def test_an_unreadable_reply_is_asked_again_a_bounded_number_of_times():
    judge = FlakyJudge(*[UNREADABLE] * 2)
    with grader(judge, max_concurrency=1) as one:
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["met", "not_met", "met"]]
    assert graded[0].verdicts[0].attempts == 3
    judge = FlakyJudge(*[UNREADABLE] * 9)
    judge.identity = JudgeIdentity("counting", model="b")
    with grader(judge, max_concurrency=1, max_retries=2) as one:
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["unparseable"] * 3]
    assert sum(judge.asked.values()) == 9
    assert graded[0].verdicts[0].reply == "Hm."
    # the tokens of bad replies were paid for
    assert one.facts()["tokens"]["prompt"] == 9 * 7


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TransportError("connection reset"), "transport"),
        (RateLimitError("slow down", 0.001), "rate_limit"),
        (RateLimitError("slow down"), "rate_limit"),
        (JudgeError("odd"), "transport"),
        (ConnectionResetError("reset"), "transport"),
        (TimeoutError(), "timeout"),
    ],
)
def test_what_a_retry_may_mend_is_tried_again(error, name):
    judge = FlakyJudge(error)
    with grader(judge, max_concurrency=1) as one:
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["met", "not_met", "met"]]
    assert one.facts()["retries"] == {name: 1}


def test_a_rejected_request_is_not_tried_again():
    judge = FlakyJudge(RejectedError("too long"))
    with grader(judge, max_concurrency=1) as one:
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["refused", "not_met", "met"]]
    assert graded[0].verdicts[0].explanation == "too long"
    assert sum(judge.asked.values()) == 3


def test_a_bug_in_a_judge_is_named_and_not_tried_again():
    judge = FlakyJudge(ZeroDivisionError("division by zero"))
    with grader(judge, max_concurrency=1) as one:
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["judge_error", "not_met", "met"]]
    assert "ZeroDivisionError: division by zero" in graded[0].verdicts[0].explanation


def test_a_missing_file_is_a_bug_and_a_time_out_of_the_judges_own_is_told_as_such():
    with grader(FlakyJudge(FileNotFoundError("no such file:\n x")), max_concurrency=1) as one:
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["judge_error", "not_met", "met"]]
    assert graded[0].verdicts[0].explanation.startswith("FileNotFoundError: no such file: x in ")
    with grader(FlakyJudge(TimeoutError()), max_concurrency=1, max_retries=0) as one:
        assert reasons(one.grade(answers(1))) >= {"the judge timed out"}


def test_a_bug_in_a_judge_is_told_with_its_line_and_the_row(tmp_path, monkeypatch):
    (tmp_path / "made_up_judge.py").write_text(
        "import json\n\nclass Made:\n    async def judge(self, question):\n"
        "        return json.loads('{')\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    judge = importlib.import_module("made_up_judge").Made()
    with grader(judge, outage_after=100) as one:
        graded = one.grade(answers(2))
    told = MissingVerdicts.of(graded).lines()
    # the line of the judge's own file, not the one of json where the error was raised
    assert re.fullmatch(
        r"  6 x judge error: JSONDecodeError: .* in made_up_judge\.py:5 "
        r"\(first: criterion 1 of made-up-0\)",
        told[1],
    )


def test_a_judge_that_always_fails_is_an_outage_and_names_its_error():
    class Broken(CountingJudge):
        async def judge(self, question):
            raise ZeroDivisionError("no")

    with grader(Broken(), outage_after=3) as one:
        graded = one.grade(answers(50))
    assert "ZeroDivisionError" in (one.outage or "")
    assert one.facts()["calls"] < 150
    assert {o for g in outcomes(graded) for o in g} == {"judge_error", "skipped"}


def test_a_judge_that_says_it_is_down_stops_the_run_at_once():
    judge = FlakyJudge(OutageError("out of credit"))
    with grader(judge, max_concurrency=1) as one:
        graded = one.grade(answers(5))
    assert sum(judge.asked.values()) == 1
    assert one.outage == "out of credit"
    assert reasons(graded) == {"out of credit", "outage: out of credit"}


def test_something_else_than_a_verdict_is_refused_by_name():
    class Wrong(CountingJudge):
        async def judge(self, question):
            return True

    with grader(Wrong()) as one, pytest.raises(ConfigError, match=r"'bool'.*Verdict\.of"):
        one.grade(answers(3))


def test_a_wrong_setting_ends_the_run_before_anything_else_is_asked():
    judge = FlakyJudge(ConfigError("no such model"))
    with grader(judge) as one:
        with pytest.raises(ConfigError, match="no such model"):
            one.grade(answers(20))
        assert sum(judge.asked.values()) == 1
        # the next run may find it mended
        assert outcomes(one.grade(answers(1))) == [["met", "not_met", "met"]]


def test_a_time_out_bounds_one_call(virtual_time):
    judge = CountingJudge(pause_s=30)
    with grader(judge, timeout_s=0.01, max_retries=1, outage_after=100) as one:
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["transport"] * 3]
    assert reasons(graded) == {"no reply within 0.01 s"}


def test_a_judge_that_is_slow_from_the_start_is_asked_as_much_at_once_as_allowed(virtual_time):
    judge = CountingJudge(pause_s=30)
    judge.is_probed = True  # its first calls go alone, until one shows that it is there
    with grader(judge, timeout_s=10, max_retries=0, outage_after=100, max_concurrency=8) as one:
        one.grade(answers(8))
    assert judge.max_now == 8


def test_a_deadline_bounds_the_run_and_keeps_what_is_done(virtual_time):
    judge = CountingJudge(pause_s=0.01)
    with grader(judge, deadline_s=0.155, max_concurrency=2) as one:
        graded = one.grade(answers(200))
    # the first one alone, and then two every .01 s up to .15
    n_done = 1 + 2 * 14
    assert sum(o != "skipped" for g in outcomes(graded) for o in g) == n_done
    assert reasons(graded) == {"deadline: 0.155 s have passed"}
    judge.pause_s, before = 0, sum(judge.asked.values())
    with grader(judge) as two:
        two.grade(answers(200))
    assert sum(judge.asked.values()) - before == 600 - n_done


def test_a_slow_disk_holds_up_the_asking(virtual_time, monkeypatch):
    judge = CountingJudge()
    with grader(judge, max_concurrency=4) as one:
        one.grade(answers(1))
        store, asked = one._pools.each[0].delivery.writer.store, []
        write, loop = store.write, virtual_time[0]
        loop.is_idle.clear()

        def write_at_last(records):
            loop.is_idle.wait(HANG_S)  # until everybody has asked what may be asked
            asked.append(sum(judge.asked.values()))
            return write(records)

        monkeypatch.setattr(store, "write", write_at_last)
        assert outcomes(one.grade(answers(400))) == [["met", "not_met", "met"]] * 400
    # three are known; while the first transaction is on its way one more is made ready, by four
    assert asked[0] - 3 <= 2 * (FLUSH_ROWS + 4)


def test_a_budget_of_calls_is_never_passed():
    judge = FlakyJudge(*[UNREADABLE] * 3)
    with grader(judge, max_calls=10) as one:
        graded = one.grade(answers(20))
    assert sum(judge.asked.values()) == 10
    assert "budget: max_calls=10 reached" in reasons(graded)
    assert one.facts()["stopped"] == "budget: max_calls=10 reached"
    assert sum(v.met is not None for g in graded for v in g.verdicts) == 7


def test_a_budget_of_money_is_never_passed(tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text("models: {counting: {input: 10000, output: 0}}")  # 1 cent a token
    judge = CountingJudge()  # 100 tokens a call: 1 dollar

    class Long(CountingJudge):
        def key_material(self, question):
            return b"x" * 200 + question.criterion.text.encode()

    judge = Long()
    # at worst a call costs (200 + 11) // 2 + 64 cents, about 1.70
    with grader(judge, max_cost=6.0, prices=str(prices)) as one:
        graded = one.grade(answers(20))
    facts = one.facts()
    assert 4.0 <= facts["cost_usd"] <= 6.0
    assert facts["stopped"] == "budget: one more call could pass max_cost=6"
    assert sum(v.met is not None for g in graded for v in g.verdicts) == facts["calls"]


def test_money_without_a_price_is_refused_before_anything_is_asked():
    with pytest.raises(ConfigError, match="none is known of model 'counting'"):
        grader(CountingJudge(), max_cost=1.0)


def test_stored_verdicts_come_even_when_the_budget_is_spent():
    with grader(CountingJudge()) as one:
        one.grade(answers(3))
    with grader(CountingJudge(), max_calls=0) as two:
        graded = two.grade(answers(4))
    assert outcomes(graded)[:3] == [["met", "not_met", "met"]] * 3
    assert outcomes(graded)[3] == ["skipped"] * 3


def test_a_question_that_cannot_be_worded_is_skipped_by_itself():
    class Picky(CountingJudge):
        def key_material(self, question):
            if question.index == 1:
                raise UnicodeError("cannot word it")
            return repr(question).encode()

    with grader(Picky()) as one:
        graded = one.grade(answers(2))
    assert outcomes(graded) == [["met", "skipped", "met"]] * 2
    assert reasons(graded) == {"the question cannot be put: UnicodeError: cannot word it"}


def test_a_skipped_verdict_of_the_judge_is_final_and_not_kept():
    class Silent(CountingJudge):
        def verdict(self, question):
            return Verdict(Outcome.SKIPPED, explanation="no predicate")

    judge = Silent()
    with grader(judge) as one:
        one.grade(answers(1))
        graded = one.grade(answers(1))
    assert outcomes(graded) == [["skipped"] * 3]
    assert set(judge.asked.values()) == {2}


def test_a_free_judge_is_asked_each_time_and_leaves_no_store(tmp_path):
    judge = CountingJudge()
    judge.stored = False
    with grader(judge, store=str(tmp_path / "none.sqlite")) as one:
        one.grade(answers(1))
        one.grade(answers(1))
    assert set(judge.asked.values()) == {2}
    assert not (tmp_path / "none.sqlite").exists()


def test_a_disk_that_is_full_ends_the_run_with_a_clear_line(tmp_path):
    path = tmp_path / "v.sqlite"
    judge = CountingJudge(pause_s=0.001)
    with grader(judge, store=str(path), max_concurrency=8) as one:
        one.grade(answers(1))
        assert one._pools.each[0] is not None and one._pools.each[0].delivery.writer is not None
        db = one._pools.each[0].delivery.writer.store._writer
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="the disk is full; what was committed is kept"):
            one.grade(answers(400))
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        n_kept = db.execute("SELECT count(*) FROM verdicts").fetchone()[0]
    assert n_kept >= 3
    # it did not go on paying
    assert sum(judge.asked.values()) - n_kept <= 2 * (FLUSH_ROWS + 8)


def test_closing_a_jury_leaves_no_thread_of_its_members_stores(tmp_path):
    members = [CountingJudge(model=name) for name in ("a", "b", "c")]
    before = threading.active_count()
    one = grader(JuryJudge(members), store=str(tmp_path / "store.sqlite"))
    one.grade(answers(2))
    assert threading.active_count() > before + 1
    one.close()
    assert all(member.is_closed for member in members)
    assert threading.active_count() == before


def test_closing_closes_the_judge_and_leaves_no_thread():
    judge = CountingJudge()
    before = threading.active_count()
    one = grader(judge)
    one.grade(answers(2))
    assert threading.active_count() > before
    one.close()
    one.close()
    assert judge.is_closed
    assert threading.active_count() == before
    # and it opens again
    assert outcomes(one.grade(answers(1))) == [["met", "not_met", "met"]]
    one.close()


def test_answers_may_come_from_a_generator_that_fails():
    def some():
        yield from answers(2)
        raise OSError("the file ended early")

    class Answers(list):
        def __iter__(self):
            return some()

    with grader(CountingJudge()) as one, pytest.raises(OSError, match="ended early"):
        one.grade(Answers())


def test_unknown_options_are_refused_with_the_near_names():
    with pytest.raises(ConfigError, match="max_concurrency"):
        open_grader({"name": "constant", "max_concurency": 3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_concurrency": 0}, "max_concurrency must be at least 1"),
        ({"timeout_s": 0}, "timeout_s must be above 0"),
        ({"max_retries": -1}, "max_retries must not be negative"),
        ({"rate_limit_patience_s": -1}, "rate_limit_patience_s must not be negative"),
        ({"max_concurrency": "many"}, "must be a whole number, not 'many'"),
        ({"max_concurrency": "2.5"}, "must be a whole number"),
        ({"timeout_s": "nan"}, "timeout_s must be a number"),
        ({"timeout_s": float("nan")}, "timeout_s must be a finite number"),
        ({"include_reasoning": "perhaps"}, "must be true or false"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        open_grader({"name": "constant", **options})


def test_options_may_be_text_as_a_command_line_gives_them():
    options = RuntimeOptions.from_mapping(
        {
            "max_concurrency": "32",
            "timeout_s": "1e1",
            "max_cost": "none",
            "store": "none",
            "include_reasoning": "true",
        }
    )
    assert options == RuntimeOptions(32, timeout_s=10.0, store=False, include_reasoning=True)


def test_a_member_of_a_jury_has_the_options_it_needs(virtual_time):
    class Patient(CountingJudge):
        runtime_defaults: ClassVar = {"timeout_s": 60.0, "max_concurrency": 90}

    patient, other = Patient(pause_s=0.05, model="patient"), CountingJudge(0.05, model="other")
    options = RuntimeOptions(max_concurrency=64, store=False)
    with Grader(JuryJudge(members=(patient, other)), options) as one:
        one.grade(answers(40))
    assert 64 < patient.max_now <= 90
    assert other.max_now <= 64
