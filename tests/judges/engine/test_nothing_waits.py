"""Whatever a look-up, a judge, a write or the caller's answers raise: a run ends, and says why."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from engine_kit import CountingJudge, answers, outcomes, reasons
from waiting import HANG_S

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.engine import assembly
from rubricbeat.judges.engine.assembly import open_store
from rubricbeat.judges.engine.delivery import Delivery
from rubricbeat.judges.errors import StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.store import check as store_check
from rubricbeat.judges.store.protocol import Record
from rubricbeat.judges.verdict import Verdict


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
