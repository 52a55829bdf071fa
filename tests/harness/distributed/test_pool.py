"""The pool's answers to every fault, on a Ray of twenty lines that fails on command."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_kit import example

from rubricbeat.harness.distributed.pool import MAX_TRIES, Chunk, Feeder, PoolPlan, WorkerPool
from rubricbeat.harness.distributed.worker import Account, Missing, Report, StorePlace
from rubricbeat.judges.answer import Answer
from rubricbeat.judges.errors import ConfigError, StoreError
from rubricbeat.judges.verdict import Outcome, Verdict

ITEMS = [(f"p{number}", "text") for number in range(12)]
HERE = StorePlace("here", (1, 7))
SKIPPED = Verdict(Outcome.SKIPPED, explanation="budget", attempts=0)
MUTE = Verdict(Outcome.UNPARSEABLE, explanation="no verdict")
Behaviour = Callable[[int, int, list[tuple[str, str]]], Any]
"""Worker's number, which of its calls this is, the answers: gives a report or raises."""


class TaskFault(Exception):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class ActorDied(Exception):
    pass


class FakeRay:
    """Runs what is asked when it is waited for, in order."""

    class exceptions:
        RayTaskError = TaskFault
        RayError = Exception

    def __init__(self, behave: Behaviour, place: StorePlace) -> None:
        self.behave = behave
        self.place = place
        self.never_done: Any = None
        self.killed: list[int] = []
        self.started: list[int] = []
        self._numbers = itertools.count()

    def remote(self, cls: type) -> FakeRay:
        return self

    def options(self, **_: Any) -> Any:
        ray = self

        class Factory:
            @staticmethod
            def remote(options: Any, examples: Any) -> FakeActor:
                number = next(ray._numbers)
                ray.started.append(number)
                return FakeActor(ray, number)

        return Factory

    def wait(self, refs: list[Any], num_returns: int = 1, timeout: float = 0) -> Any:
        done = [ref for ref in refs if ref is not self.never_done][:num_returns]
        return done, [ref for ref in refs if ref not in done]

    def get(self, ref: Any, timeout: float | None = None) -> Any:
        return ref()

    def kill(self, actor: FakeActor) -> None:
        self.killed.append(actor.number)


class FakeActor:
    def __init__(self, ray: FakeRay, number: int) -> None:
        self.ray, self.number, self.n_calls = ray, number, 0
        self.is_dead = False
        self.ready = Method(lambda: ray.place)
        self.account = Method(lambda: ACCOUNT)
        self.close = Method(lambda: ACCOUNT)
        self.grade = Method(self._grade)

    def _grade(self, items: list[tuple[str, str]]) -> Any:
        if self.is_dead:
            raise ActorDied
        self.n_calls += 1
        try:
            return self.ray.behave(self.number, self.n_calls, items)
        except ActorDied:
            self.is_dead = True
            raise


class Method:
    def __init__(self, work: Callable[..., Any]) -> None:
        self.remote = lambda *words: lambda: work(*words)


ACCOUNT = Account(1, {"calls": 1})


def good(items, missing=(), stopped=None):
    lacking = {(one.prompt_id, one.text) for one in missing}
    counts = tuple(int(item not in lacking) for item in items)
    return Report(counts, tuple(missing), stopped, ACCOUNT)


def feeder(items, size=2):
    """Feed items, as if all were of one run."""
    some = {prompt_id: replace(example(0), prompt_id=prompt_id) for prompt_id, _ in items}
    return Feeder(((("m", ""), Answer(some[name], text)) for name, text in items), size)


def pool(behave, n_workers=2, *, has_budget=False, place=HERE, size=2, deadline_s=None):
    ray = FakeRay(behave, place)
    plan = PoolPlan([{}] * n_workers, 0, has_budget, HERE, deadline_s)
    return ray, WorkerPool(ray, plan, feeder(ITEMS, size), {})


def test_chunks_come_in_the_order_of_the_stream_and_end():
    one = feeder(ITEMS[:5])
    chunks = [one.next(), one.next()]
    assert not one.is_over
    chunks.append(one.next())
    assert [chunk.items for chunk in chunks] == [
        tuple(ITEMS[:2]), tuple(ITEMS[2:4]), tuple(ITEMS[4:5])
    ]  # fmt: skip
    assert one.next() is None
    assert one.is_over


def test_the_stream_is_read_no_further_than_asked():
    one = feeder(ITEMS)
    one.next()
    assert one.n_answers == 2


def test_an_answer_that_was_never_given_is_counted_and_goes_to_nobody():
    one = feeder([("a", None), ("b", "x"), ("c", None)])
    assert one.next() == Chunk((("b", "x"),))
    assert one.n_answers == 3


def test_what_comes_back_goes_out_first_and_deaths_are_counted():
    one = feeder(ITEMS[:2])
    chunk = one.next()
    one.undone(chunk.items[1:], chunk.tries + 1)
    assert (one.next_tries, one.is_over) == (1, False)
    assert one.next() == Chunk((ITEMS[1],), 1)
    assert (one.next_tries, one.next()) == (0, None)


def test_every_answer_is_graded_once_and_each_worker_has_two_chunks_at_most():
    seen: list[tuple[str, str]] = []
    ray, run = pool(lambda number, call, items: seen.extend(items) or good(items))
    outcome = run.run()
    assert sorted(seen) == sorted(ITEMS)
    assert (outcome.n_verdicts, outcome.stopped, outcome.missing) == (12, None, [])
    assert sorted(ray.killed) == [0, 1]


def test_a_dead_workers_chunks_go_to_others_and_it_is_replaced():
    seen = []

    def behave(number, call, items):
        if number == 0 and call == 2:
            raise ActorDied
        seen.extend(items)
        return good(items)

    ray, run = pool(behave)
    outcome = run.run()
    assert sorted(seen) == sorted(ITEMS)
    assert (outcome.n_lost_workers, outcome.stopped) == (1, None)
    assert ray.started == [0, 1, 2]


def test_with_a_budget_a_dead_worker_is_not_replaced():
    def behave(number, call, items):
        if number == 0:
            raise ActorDied
        return good(items)

    ray, run = pool(behave, has_budget=True)
    outcome = run.run()
    assert ray.started == [0, 1]
    assert outcome.n_verdicts == 12


def test_an_answer_that_kills_every_worker_ends_as_a_missing_verdict():
    def behave(number, call, items):
        if ("p3", "text") in items:
            raise ActorDied
        return good(items)

    _, run = pool(behave, n_workers=8, size=1)
    outcome = run.run()
    assert outcome.n_verdicts == 11
    assert {m.prompt_id for m in outcome.missing} == {"p3"}
    assert outcome.n_lost_workers >= MAX_TRIES


def test_all_workers_dying_again_and_again_is_an_end_and_no_loop():
    def behave(number, call, items):
        raise ActorDied

    _, run = pool(behave)
    outcome = run.run()
    assert outcome.n_verdicts == 0
    assert outcome.stopped is not None or len(outcome.missing) == 12


def test_a_worker_whose_disk_is_full_is_retired_and_the_other_goes_on():
    def behave(number, call, items):
        if number == 0:
            raise TaskFault(StoreError("disk is full"))
        return good(items)

    ray, run = pool(behave)
    outcome = run.run()
    assert (outcome.n_verdicts, outcome.retired) == (12, ["disk is full"])
    assert ray.started == [0, 1]


@pytest.mark.parametrize("error", [StoreError("disk is full"), ConfigError("wrong key")])
def test_what_ends_every_worker_ends_the_run_with_its_error(error):
    def behave(number, call, items):
        raise TaskFault(error)

    _, run = pool(behave)
    with pytest.raises(type(error), match=str(error)):
        run.run()


def test_a_bug_in_a_judge_ends_the_run_and_is_named():
    def behave(number, call, items):
        raise TaskFault(ZeroDivisionError("oops"))

    ray, run = pool(behave)
    with pytest.raises(ConfigError, match="ZeroDivisionError: oops"):
        run.run()
    assert sorted(ray.killed) == [0, 1]


def test_what_one_worker_may_not_ask_any_more_others_ask():
    def behave(number, call, items):
        if number == 0:
            missing = [Missing(*items[-1], 0, 0, SKIPPED)]
            return good(items, missing, "budget: max_calls=1 reached")
        return good(items)

    _, run = pool(behave)
    outcome = run.run()
    assert (outcome.n_verdicts, outcome.missing, outcome.stopped) == (12, [], None)


def test_what_a_retired_worker_has_in_hand_is_waited_for():
    ended = []

    def behave(number, call, items):
        ended.append(number)
        if number == 0 and call == 1:
            return good(items, [Missing(*items[0], 0, 0, SKIPPED)], "budget: spent")
        return good(items)

    _, run = pool(behave)
    assert run.run().n_verdicts == 12
    # its second chunk was graded, and nothing was given to it after that
    assert ended.count(0) == 2


def test_a_fault_of_all_after_some_work_is_a_stop_that_keeps_it():
    def behave(number, call, items):
        if call > 1:
            raise TaskFault(StoreError("disk is full"))
        return good(items)

    _, run = pool(behave)
    outcome = run.run()
    assert (outcome.n_verdicts, outcome.stopped) == (4, "disk is full")


def test_when_no_worker_may_ask_any_more_the_run_stops_with_the_reason():
    def behave(number, call, items):
        return good(items, [Missing(*item, 0, 0, SKIPPED) for item in items], "budget: spent")

    _, run = pool(behave)
    outcome = run.run()
    assert outcome.stopped == "budget: spent"
    assert outcome.n_verdicts == 0


def test_a_stop_on_the_very_last_answers_is_a_stop_too():
    def behave(number, call, items):
        return good(items, [Missing(*item, 0, 0, SKIPPED) for item in items], "budget: spent")

    _, run = pool(behave, n_workers=1, size=12)
    assert run.run().stopped == "budget: spent"


def test_a_reply_without_a_verdict_is_missing_and_not_asked_again():
    calls = []

    def behave(number, call, items):
        calls.extend(items)
        return good(items, [Missing(*items[0], 0, 0, MUTE)])

    _, run = pool(behave)
    outcome = run.run()
    assert len(calls) == 12
    assert len(outcome.missing) == 6


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            StorePlace("elsewhere", (1, 7)), id="another machine, by chance the same numbers"
        ),
        pytest.param(StorePlace("here", (1, 8)), id="a machine of the same name, another file"),
        pytest.param(StorePlace("here"), id="no such file there"),
    ],
)
def test_a_worker_that_would_write_another_file_ends_the_run_before_it_is_asked(place):
    asked = []
    _, run = pool(lambda number, call, items: asked.append(items) or good(items), place=place)
    with pytest.raises(
        ConfigError, match=f"workers on {place.host} cannot reach it.*postgresql://"
    ):
        run.run()
    assert asked == []


def test_a_deadline_is_that_of_the_whole_run():
    _, run = pool(lambda number, call, items: good(items), deadline_s=1e-9)
    outcome = run.run()
    assert outcome.stopped == "deadline: 1e-09 s have passed"
    assert outcome.n_verdicts < 12


def dies(*_):
    raise ActorDied


def calls_known(run):
    """Run, and say how many calls are known of each worker, and how many workers were lost."""
    outcome = run.run()
    return [facts["calls"] for facts in outcome.facts], outcome.n_lost_workers


def test_reports_that_arrive_out_of_order_leave_the_latest_account():
    # two chunks at once: all is asked, and the second account was taken later, with more calls
    accounts = iter([Account(2, {"calls": 48}), Account(1, {"calls": 30})])

    def behave(number, call, items):
        return Report((1,) * len(items), (), None, next(accounts))

    _, run = pool(behave, n_workers=1, size=6)
    run._slots[0].actor.account = run._slots[0].actor.close = Method(dies)
    # it died when nothing was left for it to say
    assert calls_known(run) == ([48], 0)


def test_a_worker_that_is_slow_to_close_has_said_what_it_spent_before():
    ray, run = pool(good_of, n_workers=1, deadline_s=1e-9)  # stopped with nothing reported
    slot = run._slots[0]
    slot.starting, slot.actor.account = None, Method(lambda: Account(1, {"calls": 7}))
    ray.never_done = dies
    slot.actor.close.remote = lambda: ray.never_done
    assert calls_known(run) == ([7], 0)


@pytest.mark.parametrize("n_done", [0, 1])
def test_a_worker_that_says_nothing_of_its_last_chunk_counts_as_lost(n_done):
    def behave(number, call, items):
        if call > n_done:
            raise TaskFault(StoreError("disk is full"))
        return Report((1,) * len(items), (), None, Account(1, {"calls": 2}))

    _, run = pool(lambda number, *words: (behave if number == 0 else good_of)(number, *words))
    run._slots[0].actor.account = run._slots[0].actor.close = Method(dies)
    assert calls_known(run) == ([2] * n_done + [1], 1)


def good_of(number, call, items):
    return good(items)


def test_a_worker_that_could_never_begin_is_not_lost():
    _, run = pool(good_of)
    run._slots[0].starting = lambda: (_ for _ in ()).throw(TaskFault(ConfigError("no key")))
    run._slots[0].actor.account = run._slots[0].actor.close = Method(dies)
    assert calls_known(run) == ([1], 0)


def test_workers_that_never_start_are_an_end_and_not_a_wait(monkeypatch):
    monkeypatch.setattr("rubricbeat.harness.distributed.pool.START_TIMEOUT_S", -1.0)
    ray, run = pool(lambda number, call, items: good(items))
    monkeypatch.setattr(ray, "wait", lambda refs, **_: ([], refs))
    assert run.run().stopped == "no worker could be started within -1 s"
    assert sorted(ray.killed) == [0, 1]
