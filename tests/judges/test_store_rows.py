"""Rows go from store to store: once under a key, with all they refer to."""

from __future__ import annotations

import contextlib
import json

import pytest
from engine_kit import UNREADABLE, example

from rubricbeat.judges.errors import StoreError
from rubricbeat.judges.judge import JudgeIdentity
from rubricbeat.judges.records import Record, Subject
from rubricbeat.judges.store import VerdictStore
from rubricbeat.judges.store_rows import (
    Mark,
    StoreRows,
    add_rows,
    failed_replies,
    rows_after,
    rows_under,
)
from rubricbeat.judges.store_schema import open_store_file
from rubricbeat.judges.store_transfer import export_lines
from rubricbeat.judges.verdict import Verdict

JUDGE = JudgeIdentity("chat", model="m", sampling={"temperature": 0.5})


def record(number: int, verdict: Verdict, subject: Subject | None = None) -> Record:
    subject = subject or Subject.of(example(number), f"Answer {number}")
    return Record(bytes([number]) * 32, subject, 1, 0, verdict)


@pytest.fixture
def opened(tmp_path):
    with contextlib.closing(open_store_file(tmp_path / "rows.sqlite")) as db:
        yield db


def test_rows_of_replies_are_what_a_store_writes_itself(tmp_path, opened):
    replies = [
        record(1, Verdict.of(True, probability=0.75, explanation="caf\udce9", prompt_tokens=9)),
        record(2, Verdict.of(False)),
    ]
    rows = StoreRows.of(replies, JUDGE, 7.0)
    path = tmp_path / "rows.sqlite"
    assert add_rows(opened, rows, path) == 2
    other = VerdictStore(tmp_path / "other.sqlite", JUDGE)
    other.write(replies)
    other.close()

    def exported(place):
        lines = [json.loads(line) for line in export_lines(place)]
        return [{name: line[name] for name in line if name != "created"} for line in lines]

    ours = exported(path)
    assert ours == exported(tmp_path / "other.sqlite")
    assert [line["met"] for line in ours] == [True, False]


def test_what_arrives_twice_is_there_once_and_the_first_stays(tmp_path, opened):
    path = tmp_path / "rows.sqlite"
    assert add_rows(opened, StoreRows.of([record(1, Verdict.of(True))], JUDGE, 1.0), path) == 1
    assert add_rows(opened, StoreRows.of([record(1, Verdict.of(False))], JUDGE, 2.0), path) == 0
    assert rows_under(opened, [b"\x01" * 32]).verdicts[0][6] == 1


def test_a_reply_without_a_verdict_is_kept_as_often_as_it_was_paid_for(tmp_path, opened):
    path = tmp_path / "rows.sqlite"
    first = StoreRows.of([record(1, UNREADABLE)], JUDGE, 1.0)
    second = StoreRows.of([record(1, UNREADABLE)], JUDGE, 2.0)
    add_rows(opened, first, path)
    both = StoreRows.joined([first, second]).without_known(failed_replies(opened))
    assert len(both.failed) == 1
    add_rows(opened, both, path)
    assert failed_replies(opened) == {(b"\x01" * 32, 1.0), (b"\x01" * 32, 2.0)}


def test_pages_hold_every_row_once_with_its_texts(tmp_path, opened):
    replies = [record(n, Verdict.of(n % 2 == 0)) for n in range(5)] + [record(9, UNREADABLE)]
    add_rows(opened, StoreRows.of(replies, JUDGE, 1.0), tmp_path / "rows.sqlite")
    mark, pages = Mark(), []
    while True:
        page, mark = rows_after(opened, mark, 2)
        if not page:
            break
        pages.append(page)
    assert [len(page.verdicts) for page in pages] == [2, 2, 1]
    whole = StoreRows.joined(pages)
    assert [row[0][0] for row in whole.verdicts] == [0, 1, 2, 3, 4]
    assert {row[1] for row in whole.examples} == {f"made-up-{n}" for n in (0, 1, 2, 3, 4, 9)}
    assert len(whole.answers) == 6
    assert len(whole.judges) == 1
    assert mark == Mark(5, 1)


def test_a_text_that_was_kept_before_does_not_travel_again():
    subject = Subject.of(example(1), "Answer 1")
    assert len(StoreRows.of([record(1, Verdict.of(True), subject)], JUDGE, 1.0).answers) == 1
    subject.is_kept = True
    rows = StoreRows.of([record(2, Verdict.of(True), subject)], JUDGE, 1.0)
    assert (rows.answers, rows.examples, len(rows.verdicts)) == ((), (), 1)


def test_a_store_that_cannot_be_written_takes_nothing(tmp_path, opened):
    opened.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match=r"rows\.sqlite"):
        add_rows(
            opened,
            StoreRows.of([record(1, Verdict.of(True))], JUDGE, 1.0),
            tmp_path / "rows.sqlite",
        )
    opened.execute("PRAGMA query_only = 0")
    assert not rows_under(opened, [b"\x01" * 32])
