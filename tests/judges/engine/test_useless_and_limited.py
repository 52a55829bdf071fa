"""Judges that answer and are of no use, endpoints that say "later", and stray refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine_kit import UNREADABLE, CountingJudge, answers, outcomes, reasons

from rubricbeat.judges.engine.retries import USELESS_AFTER
from rubricbeat.judges.errors import DoubtfulError, RateLimitError, RefusedSettingsError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.judge import Question
from rubricbeat.judges.verdict import Outcome, Verdict


def grader(judge: Any, **options: Any) -> Grader:
    return Grader(judge, RuntimeOptions(**{"store": False, **options}))


class UselessJudge(CountingJudge):
    """Gives a verdict on some of its answers only; on the others never one."""

    def __init__(self, useful: Any = lambda question: False) -> None:
        super().__init__()
        self.useful = useful

    def verdict(self, question: Question) -> Verdict:
        return super().verdict(question) if self.useful(question) else UNREADABLE


@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_a_judge_without_one_verdict_is_stopped_after_some_dozens(max_concurrency: int) -> None:
    judge = UselessJudge()
    with grader(judge, max_concurrency=max_concurrency) as one:
        graded = one.grade(answers(400))
        stopped = one.stopped
    assert stopped is not None and "'Hm.'" in stopped and "--keep_asking" in stopped
    flat = [outcome for row in outcomes(graded) for outcome in row]
    n_ended = flat.count("unparseable")
    # those in flight end too: each counts itself before the next one begins
    assert USELESS_AFTER <= n_ended <= USELESS_AFTER + max_concurrency
    assert flat.count("skipped") == 1200 - n_ended
    # the first ones are asked six times, then twice
    assert sum(judge.asked.values()) <= 6 * (10 + max_concurrency) + 2 * n_ended


def test_whoever_wants_to_ask_on_pays_for_few_tries_that_mend_nothing() -> None:
    judge = UselessJudge()
    with grader(judge, max_concurrency=4, keep_asking=True) as one:
        graded = one.grade(answers(400))
        assert one.stopped is None
    assert {o for row in outcomes(graded) for o in row} == {"unparseable"}
    # 7,200 calls with five retries each
    assert 1200 < sum(judge.asked.values()) < 1200 * 1.5


def test_one_verdict_shows_that_the_judge_is_of_use() -> None:
    judge = UselessJudge(lambda question: question.example.prompt_id == "made-up-5")
    with grader(judge, max_concurrency=1) as one:
        graded = one.grade(answers(100))
        assert one.stopped is None
    assert sum(o != "unparseable" for row in outcomes(graded) for o in row) == 3


def test_tries_that_mend_something_stay_as_many_as_are_allowed() -> None:
    class Stubborn(CountingJudge):
        """Gives its verdict at the fourth try."""

        async def judge(self, question: Question) -> Verdict:
            verdict = await super().judge(question)
            key = (question.example.prompt_id, question.answer, question.index, 0)
            return verdict if self.asked[key] >= 4 else UNREADABLE

    with grader(Stubborn(), max_concurrency=4) as one:
        graded = one.grade(answers(60))
    assert not reasons(graded)


def test_a_new_run_of_the_same_grader_asks_again() -> None:
    judge = UselessJudge()
    with grader(judge, max_concurrency=4) as one:
        one.grade(answers(40))
        judge.useful = lambda question: True
        assert not reasons(one.grade(answers(40)))


class LimitedJudge(CountingJudge):
    """Says 429 until a moment of its loop, or for ever about some."""

    def __init__(self, until_s: float, always: str = "") -> None:
        super().__init__(pause_s=1.0)
        self.until_s = until_s
        self.always = always
        self.start_s: float | None = None
        self.n_limited = 0

    async def judge(self, question: Question) -> Verdict:
        now = asyncio.get_running_loop().time()
        self.start_s = now if self.start_s is None else self.start_s
        if now - self.start_s < self.until_s or question.example.prompt_id == self.always:
            self.n_limited += 1
            raise RateLimitError("HTTP 429: slow down")
        return await super().judge(question)


@pytest.mark.parametrize("max_concurrency", [4, 64])
def test_a_storm_of_429_is_waited_out_and_left_behind_in_seconds(
    virtual_time: list[Any], max_concurrency: int
) -> None:
    judge = LimitedJudge(until_s=60)
    n = 3 * max_concurrency * 20
    with grader(judge, max_concurrency=max_concurrency) as one:
        assert not reasons(one.grade(answers(max_concurrency * 20)))
        elapsed = virtual_time[0].now
    # at full speed the work takes 60 s: beside the storm and that, a pause of 5 s at most before
    # the first answer, and rounds of 1 s that double from one call to all of them and then creep
    assert 60 + n / max_concurrency <= elapsed <= 60 + n / max_concurrency + 30
    assert judge.max_now == max_concurrency


def test_a_judge_that_says_nothing_but_429_is_down_after_the_patience(
    virtual_time: list[Any],
) -> None:
    with grader(LimitedJudge(until_s=1e9), rate_limit_patience_s=120, max_concurrency=8) as one:
        graded = one.grade(answers(50))
        elapsed = virtual_time[0].now
        outage = one.outage
    assert 120 < elapsed < 140
    assert outage is not None and "HTTP 429: slow down" in outage and "120 s" in outage
    assert not any(verdict.met is not None for answer in graded for verdict in answer.verdicts)


def test_one_question_that_is_always_limited_is_given_up_alone(virtual_time: list[Any]) -> None:
    judge = LimitedJudge(until_s=0, always="made-up-3")
    with grader(judge, rate_limit_patience_s=120, max_concurrency=4) as one:
        graded = one.grade(answers(600))
        assert one.outage is None
    met = [verdict.met is not None for answer in graded for verdict in answer.verdicts]
    assert met.count(False) == 3
    assert [answer.example.prompt_id for answer in graded if answer.verdicts[0].met is None] == [
        "made-up-3"
    ]


@pytest.mark.parametrize(
    ("is_long", "outcome"), [(True, Outcome.OVERFLOW), (False, Outcome.REFUSED)]
)
def test_a_question_that_is_refused_before_the_first_answer_ends_with_its_own_reason(
    is_long: bool, outcome: Outcome
) -> None:
    class Picky(CountingJudge):
        """Refuses the first question that it is asked."""

        is_probed = True

        async def judge(self, question: Question) -> Verdict:
            verdict = await super().judge(question)
            if sum(self.asked.values()) == 1:
                raise DoubtfulError("HTTP 400: no", is_long=is_long)
            return verdict

    with grader(judge := Picky(), max_concurrency=1) as one:
        first, *others = (v for answer in one.grade(answers(2)) for v in answer.verdicts)
    assert (first.outcome, first.explanation) == (outcome, "HTTP 400: no")
    assert all(verdict.met is not None for verdict in others)
    # another prompt is asked about before the rest of the refused one: it tells more
    prompts = [prompt_id for prompt_id, *_ in judge.asked]
    assert prompts[:2] == ["made-up-0", "made-up-1"]
    assert sorted(prompts) == ["made-up-0"] * 3 + ["made-up-1"] * 3


def test_a_stray_refusal_of_settings_among_good_replies_is_asked_again() -> None:
    class Stray(CountingJudge):
        """Refuses its settings for every tenth question, the first time that it is asked."""

        is_probed = True

        async def judge(self, question: Question) -> Verdict:
            before = len(self.asked)
            verdict = await super().judge(question)
            if len(self.asked) > before and len(self.asked) % 10 == 0:
                raise RefusedSettingsError("HTTP 401: no such key")
            return verdict

    with grader(Stray(), max_concurrency=2, backoff_s=0.001) as one:
        assert not reasons(one.grade(answers(30)))


def test_settings_that_are_refused_from_a_moment_on_end_as_an_outage() -> None:
    class Revoked(CountingJudge):
        is_probed = True

        async def judge(self, question: Question) -> Verdict:
            verdict = await super().judge(question)
            if sum(self.asked.values()) > 20:
                raise RefusedSettingsError("HTTP 401: the key was revoked")
            return verdict

    with grader(Revoked(), max_concurrency=2, backoff_s=0.001, max_retries=1) as one:
        graded = one.grade(answers(100))
        assert "revoked" in (one.outage or "")
    assert 19 <= sum(v.met is not None for answer in graded for v in answer.verdicts) <= 20
