"""The pool's answers to every fault, on a Ray of twenty lines that fails on command."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.distributed.feeder import Feeder
from rubricbeat.harness.distributed.gathering import Known
from rubricbeat.harness.distributed.pool import MAX_TRIES, Pool, PoolPlan
from rubricbeat.harness.distributed.worker import Account, Missing, Place, Report
from rubricbeat.judges.errors import ConfigError, StoreError
from rubricbeat.judges.store_rows import StoreRows
from rubricbeat.judges.verdict import Outcome, Verdict

ITEMS = [(f"p{number}", "text") for number in range(12)]
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

    def __init__(self, behave: Behaviour, host: str | None = None) -> None:
        self.behave = behave
        self.host = host or socket.gethostname()
        self.killed: list[int] = []
        self.forgotten: list[tuple[int, int]] = []
        """Whose own store was let go, and after how many merged shipments."""
        self.started: list[int] = []
        self.max_out = 0
        self.n_out = 0
        self._numbers = itertools.count()

    def remote(self, cls: type) -> FakeRay:
        return self

    def options(self, **_: Any) -> Any:
        ray = self

        class Factory:
            @staticmethod
            def remote(options: Any, examples: Any, seed: int, own: Any) -> FakeActor:
                number = next(ray._numbers)
                ray.started.append(number)
                return FakeActor(ray, number)

        return Factory

    def wait(self, refs: list[Any], num_returns: int = 1, timeout: float = 0) -> Any:
        return refs[:num_returns], refs[num_returns:]

    def get(self, ref: Any, timeout: float | None = None) -> Any:
        return ref()

    def kill(self, actor: FakeActor) -> None:
        self.killed.append(actor.number)


class FakeActor:
    def __init__(self, ray: FakeRay, number: int) -> None:
        self.ray, self.number, self.n_calls = ray, number, 0
        self.is_dead = False
        self.ready = Method(lambda: Place(ray.host, f"/own/{number}.sqlite"))
        self.close = Method(lambda: Account(FACTS))
        self.forget = Method(lambda n_merged: ray.forgotten.append((number, n_merged)) or True)
        self.grade = Method(self._grade)

    def _grade(self, items: list[tuple[str, str]], known: None) -> Any:
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


FACTS = {"calls": 1}
NO_ROWS = StoreRows()
ROWS = StoreRows(verdicts=(("a verdict",),))


class FakeGathering:
    """Notes what the pool asks of it."""

    place = None

    def __init__(self, known: Callable[[str], int | None] = lambda prompt_id: None) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.fault: Exception | None = None
        self._known = known

    def began(self, place: Place) -> None:
        self.events.append(("began", place.store))

    def known(self, items: list[tuple[str, str]]) -> Known:
        each = [self._known(prompt_id) for prompt_id, _ in items]
        return Known(NO_ROWS, None if None in each else sum(each))

    def merge(self, rows: StoreRows) -> None:
        if self.fault is not None:
            raise self.fault
        self.events.append(("merge",))

    def ended(self, path: str, *, is_deleted: bool) -> None:
        self.events.append(("ended", path, is_deleted))

    def collect(self) -> None:
        self.events.append(("collect",))


def good(items, missing=(), stopped=None, rows=NO_ROWS):
    lacking = {(one.prompt_id, one.text) for one in missing}
    counts = tuple(int(item not in lacking) for item in items)
    return Report(counts, tuple(missing), stopped, FACTS, rows=rows)


def pool(
    behave,
    n_workers=2,
    *,
    has_budget=False,
    is_file=True,
    host=None,
    size=2,
    deadline_s=None,
    gathering=None,
):
    ray = FakeRay(behave, host)
    file = Path("v.sqlite") if is_file else None
    plan = PoolPlan([{}] * n_workers, 0, 0, has_budget, file, deadline_s)
    feeder = Feeder(ITEMS, size, lambda prompt_id: prompt_id.encode())
    return ray, Pool(ray, plan, feeder, {}, gathering)


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


def test_a_store_file_is_not_shared_with_another_machine():
    _, run = pool(lambda number, call, items: good(items), host="elsewhere")
    with pytest.raises(ConfigError, match="postgresql://"):
        run.run()
    _, run = pool(lambda number, call, items: good(items), host="elsewhere", is_file=False)
    assert run.run().n_verdicts == 12


def test_a_deadline_is_that_of_the_whole_run():
    _, run = pool(lambda number, call, items: good(items), deadline_s=1e-9)
    outcome = run.run()
    assert outcome.stopped == "deadline: 1e-09 s have passed"
    assert outcome.n_verdicts < 12


def test_reports_that_arrive_out_of_order_leave_the_latest_account():
    numbers = iter([2, 1])

    def behave(number, call, items):
        latest = next(numbers)
        return Report((1,) * len(items), (), None, {"calls": latest * 10}, latest)

    _, run = pool(behave, n_workers=1, size=6)
    slot = run._slots[0]
    slot.actor.close = Method(lambda: (_ for _ in ()).throw(ActorDied()))
    assert [facts["calls"] for facts in run.run().facts] == [20]


def test_workers_that_never_start_are_an_end_and_not_a_wait(monkeypatch):
    monkeypatch.setattr("rubricbeat.harness.distributed.pool.START_TIMEOUT_S", -1.0)
    ray, run = pool(lambda number, call, items: good(items))
    monkeypatch.setattr(ray, "wait", lambda refs, **_: ([], refs))
    assert run.run().stopped == "no worker could be started within -1 s"
    assert sorted(ray.killed) == [0, 1]


def test_what_a_worker_brings_is_merged_and_then_its_own_store_may_go():
    gathering = FakeGathering()
    ray, run = pool(lambda number, call, items: good(items, rows=ROWS), 1, gathering=gathering)
    assert run.run().n_verdicts == 12
    merges = [("merge",)] * 6
    assert gathering.events == [
        ("began", "/own/0.sqlite"), *merges, ("ended", "/own/0.sqlite", True)
    ]  # fmt: skip
    assert ray.forgotten == [(0, 6)]


def test_a_workers_own_store_is_noted_before_it_is_asked_anything():
    gathering = FakeGathering()

    def behave(number, call, items):
        gathering.events.append(("asked", f"/own/{number}.sqlite"))
        return good(items)

    _, run = pool(behave, 1, gathering=gathering)
    run.run()
    assert gathering.events[:2] == [("began", "/own/0.sqlite"), ("asked", "/own/0.sqlite")]


def test_what_a_dead_worker_left_is_collected_before_others_are_asked_the_same():
    gathering = FakeGathering()
    graves = []

    def behave(number, call, items):
        if number == 0 and call == 2:
            graves.extend(items)
            raise ActorDied
        if any(item in graves for item in items):
            gathering.events.append(("asked again",))
        return good(items)

    ray, run = pool(behave, gathering=gathering)
    assert run.run().n_lost_workers == 1
    events = gathering.events
    assert events.index(("ended", "/own/0.sqlite", False)) < events.index(("collect",))
    assert events.index(("collect",)) < events.index(("asked again",))
    assert 0 in ray.killed  # if only what it said was lost, it must not go on


def test_answers_whose_verdicts_are_all_known_go_to_no_worker():
    seen = []
    gathering = FakeGathering(known=lambda prompt_id: 3 if prompt_id < "p3" else None)
    _, run = pool(
        lambda number, call, items: seen.extend(items) or good(items), gathering=gathering
    )
    outcome = run.run()
    # p0 and p1 are a chunk, p10 and p11 another one; p2 shares its chunk with p3
    assert {prompt_id for prompt_id, _ in seen} == {f"p{n}" for n in range(2, 10)}
    assert (outcome.n_known, outcome.n_verdicts) == (12, 12 + 8)


def test_a_store_that_takes_nothing_ends_the_run_and_keeps_the_workers_stores():
    gathering = FakeGathering()
    gathering.fault = StoreError("the disk is full")
    ray, run = pool(lambda number, call, items: good(items, rows=ROWS), gathering=gathering)
    with pytest.raises(StoreError, match="the disk is full"):
        run.run()
    assert sorted(ray.killed) == [0, 1]
    # asked to go with fewer shipments merged than were sent, a worker keeps its file
    assert {n for _, n in ray.forgotten} == {0}
