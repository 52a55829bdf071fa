"""Whatever a look-up, a judge, a write or the caller's answers raise: a run ends, and says why."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_kit import CountingJudge, answers, outcomes, reasons
from waiting import HANG_S

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.engine import assembly
from rubricbeat.judges.engine.assembly import open_runtime, open_store, part_of
from rubricbeat.judges.engine.delivery import Delivery
from rubricbeat.judges.engine.work_items import Sheet
from rubricbeat.judges.errors import ConfigError, EndedError, StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.judge import JudgeIdentity, Question
from rubricbeat.judges.store import upkeep as store_check
from rubricbeat.judges.store.protocol import Record
from rubricbeat.judges.verdict import Source, Verdict


class Spoilt:
    """A store whose methods fail from the n-th call on."""

    def __init__(self, store: Any, fails: str, after: int) -> None:
        self._store = store
        self._fails = fails
        self._left = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return self._failing(method) if name == self._fails else method

    def _failing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*args: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise StoreError("the store is spoilt")
            return method(*args)

        return failing


def test_a_run_that_begins_as_the_last_worker_ends_is_served() -> None:
    some = answers(2)
    options = RuntimeOptions(store=False, max_concurrency=1)
    second = Sheet(some[1].example, some[1].text)

    async def both() -> None:
        pool = open_runtime(part_of(CountingJudge(), options), options)
        begun: list[asyncio.Task[None]] = []

        def sheets() -> Iterator[Sheet]:
            yield Sheet(some[0].example, some[0].text)
            # the worker finds the end here; what it starts comes before all that its end starts
            begun.append(asyncio.get_running_loop().create_task(pool.run(iter([second]))))

        await pool.run(sheets())
        await asyncio.wait_for(begun[0], HANG_S)
        await pool.aclose()

    asyncio.run(both())
    assert [[verdict and verdict.met for verdict in row] for row in second.rows] == [
        [True, False, True]
    ]


def graded_within(one: Grader, asked: Sequence[Answer]) -> Any:
    """Grade, and fail rather than hang."""
    run = one._start(one._sheets(asked, filled := []))
    run.result(timeout=HANG_S)
    return [sheet.rows for _, sheet in filled]


@pytest.mark.parametrize(
    ("fails", "after"),
    [("write", 0), *((name, n) for name in ("lookup", "claim", "release") for n in (0, 1, 5))],
)
def test_a_store_that_fails_anywhere_ends_the_run_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, after: int
) -> None:
    judge = CountingJudge()
    options = RuntimeOptions(store=tmp_path / "v.sqlite", max_concurrency=2)
    monkeypatch.setattr(
        assembly, "open_store", lambda *words: Spoilt(open_store(*words), fails, after)
    )
    with Grader(judge, options) as one, pytest.raises(StoreError, match="the store is spoilt"):
        graded_within(one, answers(20))


def test_a_grader_goes_on_after_a_run_that_a_bug_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = CountingJudge()
    keep = Delivery.keep
    broken = [True]

    def keep_once(self: Any, flight: Any, verdict: Verdict) -> None:
        if broken:
            broken.pop()
            raise KeyError("a bug of ours")
        keep(self, flight, verdict)

    monkeypatch.setattr(Delivery, "keep", keep_once)
    with Grader(judge, RuntimeOptions(store=tmp_path / "v.sqlite", max_concurrency=1)) as one:
        with pytest.raises(KeyError, match="a bug of ours"):
            graded_within(one, answers(2))
        # the question whose call broke is not waited for: it is asked again
        rows = graded_within(one, answers(2))
    assert all(verdict.met is not None for [row] in rows for verdict in row)


def test_answers_that_raise_end_the_run_with_their_error() -> None:
    def spoilt() -> Iterator[Answer]:
        yield from answers(3)
        raise ZeroDivisionError("the caller's own")

    with Grader(CountingJudge(), RuntimeOptions(max_concurrency=2)) as one:
        with pytest.raises(ZeroDivisionError, match="the caller's own"):
            graded_within(one, spoilt())  # type: ignore[arg-type]
        assert len(graded_within(one, answers(3))) == 3


DAMAGES = {
    "the verdict": "met = 1 - met",
    "the words": "explanation = explanation || 'x'",
    "letters that are none": "explanation = CAST(x'ff41' AS TEXT)",
    "the probability": "probability = 0.25",
    "a number that is text": "prompt_tokens = 'many'",
    "the sum": "crc = crc + 1",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_verdict_costs_its_own_question_until_it_is_set_aside(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "v.sqlite"
    options = RuntimeOptions(store=path)
    with Grader(CountingJudge(), options) as one:
        good = one.grade(answers(4))
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE verdicts SET {damage} WHERE rowid = 5")
    db.close()

    judge = CountingJudge()
    with Grader(judge, options) as one:
        found = one.grade(answers(4))
    flat, before = ([o for row in outcomes(graded) for o in row] for graded in (found, good))
    assert [a == b for a, b in zip(flat, before, strict=True)].count(False) == 1
    assert flat.count("skipped") == 1
    (why,) = reasons(found)
    assert "is damaged" in why and f"rubricbeat verdicts check --repair {path}" in why
    assert sum(judge.asked.values()) == 0

    found_bad = store_check.check_store(path)
    assert (found_bad.n_verdicts, len(found_bad.damaged), found_bad.is_sound) == (12, 1, False)
    repaired = store_check.check_store(path, repair=True)
    assert repaired.is_sound and repaired.aside is not None
    assert len(repaired.aside.read_text("utf-8").splitlines()) == 1
    assert store_check.check_store(path).damaged == ()
    with Grader(judge, options) as one:
        assert outcomes(one.grade(answers(4))) == outcomes(good)
    assert sum(judge.asked.values()) == 1


def test_a_fresh_verdict_never_gives_way_to_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    with Grader(CountingJudge(), RuntimeOptions(store=path)) as one:
        one.grade(answers(1))
        store = open_store(one._part, one.options)
    assert store is not None
    with sqlite3.connect(path) as db:
        (key, *_) = db.execute("SELECT key FROM verdicts LIMIT 1").fetchone()
        db.execute("UPDATE verdicts SET met = 1 - met")
    db.close()
    from rubricbeat.judges.store.protocol import Subject

    subject = Subject.of(answers(1)[0].example, "x")
    assert store.write([Record(key, subject, 0, 0, Verdict.of(True))]) == {}
    store.close()


class Ending(CountingJudge):
    """Raises what ends a program, from its third question on."""

    def __init__(self, how: Callable[[], Any]) -> None:
        super().__init__()
        self.how = how

    async def pause(self) -> None:
        if self.asked.total() > 2:
            self.how()
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        raise SystemExit(3)


def raising(error: BaseException) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


ENDS: dict[str, Callable[[], Any]] = {
    "SystemExit: 0": raising(SystemExit(0)),
    "KeyboardInterrupt: ": raising(KeyboardInterrupt()),
    "CancelledError: ": raising(asyncio.CancelledError()),
    "BaseExceptionGroup: both": raising(BaseExceptionGroup("both", [SystemExit(1)])),
    "Wordless: ": raising(Wordless()),
}


@pytest.mark.parametrize(("said", "how"), ENDS.items(), ids=ENDS.keys())
def test_a_judge_that_raises_what_ends_programs_ends_its_questions(
    capsys: pytest.CaptureFixture[str], said: str, how: Callable[[], Any]
) -> None:
    options = RuntimeOptions(max_concurrency=1, outage_after=2)
    with Grader(Ending(how), options) as one:
        flat = [v for [row] in graded_within(one, answers(3)) for v in row]
    assert [v.met for v in flat[:3]] == [True, False, None]
    assert flat[2].explanation.startswith(said)
    assert all(v.met is None for v in flat[2:])
    assert one.outage is not None and said.strip() in one.outage
    assert "the judge could not be closed: SystemExit: 3" in capsys.readouterr().err


def test_a_judge_that_cancels_its_own_call_ends_the_run_in_words() -> None:
    def cancel() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    said = pytest.raises(EndedError, match="the judge's call was cancelled")
    with Grader(Ending(cancel), RuntimeOptions(max_concurrency=1)) as one, said:
        graded_within(one, answers(3))


def test_a_task_of_the_judge_that_ends_the_loop_ends_nobody_else() -> None:
    def start() -> None:
        async def end() -> None:
            raise SystemExit(1)

        tasks.append(asyncio.get_running_loop().create_task(end()))
        asyncio.get_running_loop().stop()

    tasks: list[asyncio.Task[None]] = []
    with Grader(Ending(start), RuntimeOptions(max_concurrency=1)) as one:
        assert all(v.met is not None for [row] in graded_within(one, answers(3)) for v in row)
    assert tasks and all(isinstance(task.exception(), SystemExit) for task in tasks)


def test_answers_that_end_the_program_end_the_run() -> None:
    def ending() -> Iterator[Answer]:
        yield from answers(1)
        raise SystemExit("enough")

    said = pytest.raises(EndedError, match="SystemExit: enough")
    with Grader(CountingJudge(), RuntimeOptions()) as one, said:
        graded_within(one, ending())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"probability": 3.0}, "probability=3.0; expected a number from 0 to 1"),
        ({"probability": -0.1}, "probability=-0.1; expected a number from 0 to 1"),
        ({"probability": "high"}, "probability='high'"),
        ({"explanation": 7}, "explanation=7; expected text"),
        ({"reply": None}, "reply=None; expected text"),
        ({"prompt_tokens": None}, "prompt_tokens=None; expected a whole number"),
        ({"prompt_tokens": -1}, "prompt_tokens=-1; expected a whole number from 0"),
        ({"cached_tokens": 10**30}, f"cached_tokens={10**30}; expected a whole number from 0"),
        ({"completion_tokens": True}, "completion_tokens=True; expected a whole number"),
        ({"latency_s": float("nan")}, "latency_s=nan; expected a number of seconds"),
        ({"latency_s": float("inf")}, "latency_s=inf; expected a number of seconds"),
        ({"attempts": "x"}, "attempts='x'; expected a whole number"),
        ({"source": "nowhere"}, "source='nowhere'; expected a Source"),
    ],
)
def test_a_verdict_that_no_store_can_hold_is_refused_by_its_field(
    fields: dict[str, Any], said: str
) -> None:
    class Careless(CountingJudge):
        def verdict(self, question: Question) -> Verdict:
            return Verdict.of(True, **fields)

    with Grader(Careless(), RuntimeOptions()) as one, pytest.raises(ConfigError) as raised:
        graded_within(one, answers(1))
    assert f"judge 'Careless' gave a Verdict with {said}" in str(raised.value)


@pytest.mark.parametrize("met", [None, "no", "true", "", 0.7, float("nan"), []])
def test_what_is_neither_true_nor_false_is_no_verdict(met: Any) -> None:
    with pytest.raises(ConfigError, match="takes True or False, not"):
        Verdict.of(met)


def test_true_and_false_of_other_libraries_are_verdicts() -> None:
    given = (True, np.bool_(True), 1, 1.0, False, np.bool_(False), 0, np.int64(0))
    assert [Verdict.of(met).met for met in given] == [True] * 4 + [False] * 4


def test_a_chance_beyond_0_to_1_by_rounding_alone_is_0_or_1() -> None:
    given = (1.0000000000000002, -1e-12, 0.25)
    assert [Verdict.of(True, probability=p).probability for p in given] == [1.0, 0.0, 0.25]


def boom(*_: Any) -> Any:
    raise ZeroDivisionError("boom")


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("requests_of", lambda *_: 0, "requests_of must give a whole number from 1, not 0"),
        ("requests_of", lambda *_: -3, "requests_of must give a whole number from 1, not -3"),
        ("requests_of", lambda *_: None, "requests_of must give a whole number from 1, not None"),
        ("requests_of", lambda *_: "2", "requests_of must give a whole number from 1, not '2'"),
        ("requests_of", boom, "its requests_of failed: ZeroDivisionError: boom"),
        ("group_size", "x", "group_size must give a whole number from 1, not 'x'"),
        ("group_size", 2.5, "group_size must give a whole number from 1, not 2.5"),
        ("key_material", lambda *_: 5, "key_material must give bytes, not 5"),
        ("key_material", lambda *_: "abc", "key_material must give bytes, not 'abc'"),
        ("key_material", lambda *_: None, "key_material must give bytes, not None"),
        ("members", 5, "its members must be a list of judges"),
        ("members", ["keyword"], "its members must be a list of judges"),
        ("members", "keyword", "its members must be a list of judges"),
        ("runtime_defaults", {"timeout": 1}, "no runtime option 'timeout'; did you mean"),
    ],
)
def test_what_a_judge_says_of_itself_is_checked_by_name(
    attribute: str, value: Any, said: str
) -> None:
    judge = CountingJudge()
    setattr(judge, attribute, value)
    if attribute == "members":
        judge.judge_with = boom  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=said):
        if attribute == "runtime_defaults":
            Grader(judge)
        else:
            with Grader(judge, RuntimeOptions(max_calls=2)) as one:
                graded_within(one, answers(2))
    assert not judge.asked


def test_a_verdict_with_numbers_of_numpy_and_a_clock_set_back_is_kept() -> None:
    counts = {"attempts": 1, "prompt_tokens": 5, "cached_tokens": 2, "completion_tokens": 3}

    class Own(CountingJudge):
        def verdict(self, question: Question) -> Verdict:
            plain = {name: np.int64(count) for name, count in counts.items()}
            return Verdict.of(True, latency_s=-0.25, source="fresh", **plain)

    with Grader(Own(), RuntimeOptions()) as one:
        [[[verdict, *_]]] = graded_within(one, answers(1))
    plain = verdict.to_json()
    json.dumps(plain)
    assert {name: plain.get(name, 1) for name in counts} == counts
    assert verdict.source is Source.FRESH


@pytest.mark.parametrize("of", [list, tuple, set, lambda judges: dict(enumerate(judges)).values()])
def test_members_may_be_any_collection_of_judges(of: Any) -> None:
    judge, member = CountingJudge(), CountingJudge()
    judge.members = of([member])  # type: ignore[attr-defined]
    judge.judge_with = lambda question, ask: ask(member, question)  # type: ignore[attr-defined]
    with Grader(judge, RuntimeOptions(max_calls=9)) as one:
        graded_within(one, answers(1))
    assert sum(member.asked.values()) == 3


def test_a_count_of_another_library_is_one() -> None:
    judge = CountingJudge()
    judge.requests_of = lambda *_: np.int64(2)  # type: ignore[attr-defined]
    with Grader(judge, RuntimeOptions(max_calls=4)) as one:
        graded_within(one, answers(1))
    assert sum(judge.asked.values()) == 2


def test_an_identity_that_is_no_json_is_refused_by_the_name_of_its_judge() -> None:
    judge = CountingJudge()
    judge.identity = JudgeIdentity("counting", sampling={"a": {1, 2}})
    with pytest.raises(ConfigError, match="judge 'counting': its identity must hold JSON values"):
        Grader(judge)


def test_more_replicates_than_memory_holds_are_a_slip_of_the_hand() -> None:
    with pytest.raises(ConfigError, match="replicates must be at most 10,000"):
        RuntimeOptions(replicates=10**9)
