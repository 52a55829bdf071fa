"""The verdict store: nothing paid for is lost, and nothing wrong is ever served."""

from __future__ import annotations

import math
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from engine_kit import example
from full_disk import files_up_to
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import HANG_S, join

from rubricbeat.judges.errors import StoreError
from rubricbeat.judges.judge import JudgeIdentity, Question
from rubricbeat.judges.store.keys import question_material, verdict_key
from rubricbeat.judges.store.protocol import Record, Subject
from rubricbeat.judges.store.sqlite import VerdictStore
from rubricbeat.judges.store.sqlite_file import layout_of
from rubricbeat.judges.store.statements import SCHEMA_VERSION
from rubricbeat.judges.verdict import Outcome, Source, Verdict

TESTS = Path(__file__).resolve().parents[2]
JUDGE = JudgeIdentity("made-up", model="m", sampling={"temperature": 0.5})


def record(number: int, verdict: Verdict | None = None, replicate: int = 0) -> Record:
    one = example(number)
    question = Question(one, "An answer.", 0, replicate)
    key = verdict_key(JUDGE, question_material(question), replicate)
    return Record(key, Subject.of(one, "An answer."), 0, replicate, verdict or Verdict.of(True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "v.sqlite"


@pytest.fixture
def store(path):
    opened = VerdictStore(path, JUDGE)
    yield opened
    opened.close()


def test_a_verdict_comes_back_as_it_was_but_for_its_source(store):
    verdict = Verdict.of(
        False,
        probability=0.25,
        explanation="Über 3 cups — “too many”\n\ud83d\ude00".encode(
            "utf-16", "surrogatepass"
        ).decode("utf-16"),
        prompt_tokens=1500,
        cached_tokens=1000,
        completion_tokens=80,
        latency_s=1.25,
        attempts=3,
    )
    one = record(1, verdict)
    store.write([one])
    found = store.lookup([one.key])[one.key]
    assert found.outcome is Outcome.NOT_MET
    assert (found.source, found.attempts) == (Source.STORE, 0)
    for name in ("probability", "explanation", "prompt_tokens", "cached_tokens", "latency_s"):
        assert getattr(found, name) == getattr(verdict, name), name


@settings(max_examples=30, deadline=None)
@given(
    met=st.booleans(),
    probability=st.none() | st.floats(allow_nan=True) | st.integers(0, 1),
    explanation=st.text(st.characters(codec=None), max_size=50),
)
def test_any_text_and_any_number_can_be_kept(tmp_path_factory, met, probability, explanation):
    store = VerdictStore(tmp_path_factory.mktemp("s") / "v.sqlite", JUDGE)
    one = record(1, Verdict.of(met, probability=probability, explanation=explanation))
    store.write([one])
    found = store.lookup([one.key])[one.key]
    store.close()
    assert found.met is met
    assert found.explanation == explanation.encode("utf-8", "replace").decode()
    assert repr(found.probability) == repr(one.verdict.probability)
    is_finite = probability is not None and math.isfinite(probability)
    assert (found.probability is not None) == is_finite


def test_a_probability_of_minus_nothing_is_read_again(store):
    one = record(1, Verdict.of(False, probability=-0.0))
    store.write([one])
    assert repr(store.lookup([one.key])[one.key].probability) == "0.0"


def test_it_is_for_the_user_alone(store, path):
    store.write([record(1)])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_question_judge_or_replicate_has_another_key():
    question = Question(example(1), "An answer.", 0)
    material = question_material(question)
    keys = {
        verdict_key(JUDGE, material, 0),
        verdict_key(JUDGE, material, 1),
        verdict_key(JudgeIdentity("made-up", model="n"), material, 0),
        verdict_key(JUDGE, question_material(Question(example(1), "An answer!", 0)), 0),
        verdict_key(JUDGE, question_material(Question(example(1), "An answer.", 1)), 0),
        verdict_key(JUDGE, question_material(Question(example(2), "An answer.", 0)), 0),
    }
    assert len(keys) == 6


def test_replies_without_a_verdict_are_kept_and_never_found(store, path):
    bad = record(1, Verdict(Outcome.UNPARSEABLE, reply="Hm.", completion_tokens=3))
    store.write([bad])
    assert store.lookup([bad.key]) == {}
    with sqlite3.connect(path) as db:
        kept = db.execute("SELECT outcome, reply, completion_tokens FROM failed_replies")
        assert kept.fetchall() == [("unparseable", "Hm.", 3)]


def test_each_text_is_kept_once(store, path):
    one = example(1, n_criteria=12)
    subject = Subject.of(one, "A long answer.")
    store.write([Record(bytes([i]) * 32, subject, i, 0, Verdict.of(True)) for i in range(12)])
    again = Subject.of(one, "A long answer.")
    store.write([Record(b"x" * 32, again, 0, 1, Verdict.of(True))])
    with sqlite3.connect(path) as db:
        for table in ("examples", "answers", "judges"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table


def test_the_first_verdict_under_a_key_counts_for_everybody(path, store):
    theirs = VerdictStore(path, JUDGE)
    theirs.write([record(1, Verdict.of(False))])
    ours = record(1, Verdict.of(True))
    earlier = store.write([ours, record(2)])
    assert earlier[ours.key].met is False
    theirs.close()


def test_several_processes_write_at_once_and_lose_nothing(path):
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from engine_kit import example
        from rubricbeat.judges.judge import JudgeIdentity
        from rubricbeat.judges.store.protocol import Record, Subject
        from rubricbeat.judges.store.sqlite import VerdictStore
        from rubricbeat.judges.verdict import Verdict
        store = VerdictStore(sys.argv[2], JudgeIdentity("made-up"))
        start = int(sys.argv[3])
        for number in range(start, start + 60):
            subject = Subject.of(example(number), "An answer.")
            store.write([Record(b"%032d" % number, subject, 0, 0, Verdict.of(True))])
        store.close()
    """
    words = [sys.executable, "-c", textwrap.dedent(script), str(TESTS), str(path)]
    processes = [subprocess.Popen([*words, str(start)]) for start in (0, 40, 80)]
    assert [process.wait(HANG_S) for process in processes] == [0] * 3
    store = VerdictStore(path, JUDGE)
    assert len(store.lookup([b"%032d" % n for n in range(140)])) == 140
    store.close()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_goes_away_meanwhile_is_said_at_the_next_write(store, path, is_replaced):
    store.write([record(1)])
    for each in path.parent.iterdir():
        each.unlink()
    if is_replaced:
        VerdictStore(path, JUDGE).close()
    with pytest.raises(StoreError, match=r"removed or replaced .* only in its results"):
        store.write([record(2)])


def test_a_reader_is_not_held_up_by_a_writer(store, path):
    store.write([record(1)])
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(store.lookup([record(1).key])) == 1
        waiting = threading.Thread(target=store.write, args=([record(2)],))
        waiting.start()
        other.execute("COMMIT")
        join(waiting)
    other.close()
    assert len(store.lookup([record(2).key])) == 1


def test_a_flipped_bit_is_noticed_and_never_served(store, path):
    one = record(1)
    store.write([one, record(2)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE verdicts SET met = 0 WHERE key = ?", (one.key,))
    db.close()
    (found,) = store.lookup([one.key]).values()
    assert found.met is None and "verdicts check --repair" in found.explanation
    assert store.lookup([record(2).key])[record(2).key].met is True


def test_a_broken_file_is_one_clear_line(path):
    store = VerdictStore(path, JUDGE)
    store.write([record(n) for n in range(200)])
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(StoreError, match="the file is damaged"):
        broken = VerdictStore(path, JUDGE)
        try:
            broken.lookup([record(n).key for n in range(200)])
        finally:
            broken.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.parent.mkdir()
    path.write_text("dear diary " * 100)
    with pytest.raises(StoreError, match="it is not an SQLite file"):
        VerdictStore(path, JUDGE)
    assert path.read_text().startswith("dear diary")


def test_a_database_of_another_program_is_refused(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE cookies (x)")
    db.close()
    with pytest.raises(StoreError, match="an SQLite file of another program"):
        VerdictStore(path, JUDGE)


def test_a_store_of_a_newer_version_is_refused(path):
    VerdictStore(path, JUDGE).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match=r"has layout 99.*upgrade rubricbeat"):
        VerdictStore(path, JUDGE)


def test_a_store_of_the_version_before_is_brought_up_to_date(path):
    store = VerdictStore(path, JUDGE)
    records = [record(n, Verdict.of(n % 2 == 0, explanation=f"words {n}")) for n in range(5)]
    store.write(records)
    store.close()
    with sqlite3.connect(path) as db:  # as layout 1 was: no checksums, no failed replies
        db.execute("DROP TABLE failed_replies")
        db.execute("ALTER TABLE verdicts DROP COLUMN crc")
        db.execute("PRAGMA user_version = 1")
    db.close()
    store = VerdictStore(path, JUDGE)
    found = store.lookup([r.key for r in records])
    assert [found[r.key].met for r in records] == [True, False, True, False, True]
    store.write([record(9, Verdict(Outcome.REFUSED))])
    store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    db.close()


def test_a_full_disk_keeps_what_was_committed(store):
    store.write([record(1)])
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="the disk is full"):
        for n in range(2, 400):
            store.write([record(n, Verdict.of(True, explanation="x" * 2000))])
    assert len(store.lookup([record(1).key])) == 1
    store._writer.execute("PRAGMA max_page_count = 100000")
    store.write([record(500)])
    assert len(store.lookup([record(500).key])) == 1


@pytest.mark.parametrize("n_bytes", [1, 5_000, 20_000, 40_000])
def test_a_disk_that_is_full_when_a_store_is_made_is_named(path, n_bytes):
    path.parent.mkdir()
    with files_up_to(n_bytes), pytest.raises(StoreError, match=r"disk I/O error|disk is full"):
        VerdictStore(path, JUDGE)  # SQLite may then have rolled back by itself


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot open the verdict store.*store=PATH"):
        VerdictStore(tmp_path / "file" / "v.sqlite", JUDGE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_clear_line(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot open the verdict store"):
            VerdictStore(tmp_path / "v.sqlite", JUDGE)
    finally:
        tmp_path.chmod(0o700)


def test_a_store_on_a_read_only_file_system_is_one_clear_line():
    with pytest.raises(StoreError, match="cannot open the verdict store"):
        VerdictStore("/proc/rubricbeat/v.sqlite", JUDGE)


def test_a_second_grader_of_a_process_does_not_open_the_store_to_others_cleaning_up(path):
    """Another process that opens and closes must find the file in use, whoever opened it twice."""
    first, second = VerdictStore(path, JUDGE), VerdictStore(path, JUDGE)
    first.write([record(1)])
    look = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); " + (
        "print(d.execute('SELECT count(*) FROM verdicts').fetchone()[0]); d.close()"
    )

    def seen_from_outside() -> int:
        done = subprocess.run(
            [sys.executable, "-c", look, str(path)], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert seen_from_outside() == 1
    first.write([record(2)])
    second.write([record(3)])
    assert seen_from_outside() == 3
    first.close()
    second.close()


def test_a_store_that_another_process_is_just_making_is_waited_for(path):
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # as SQLite does when it changes to WAL
    timer = threading.Timer(0.2, other.execute, ("COMMIT",))
    timer.start()
    try:
        VerdictStore(path, JUDGE).close()
    finally:
        join(timer)
        other.close()


@pytest.mark.parametrize("n_before", [0, 1, 2])
def test_a_file_that_becomes_a_store_while_it_is_looked_at_is_no_strangers(path, n_before):
    path.parent.mkdir()
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("PRAGMA journal_mode = WAL")

    class Looking:
        """The reader, and a process that makes the store after so many of its looks."""

        n = 0

        def execute(self, words: str) -> sqlite3.Cursor:
            if self.n == n_before:
                VerdictStore(path, JUDGE).close()
            self.n += 1
            return reader.execute(words)

    assert layout_of(Looking(), path) in {0, SCHEMA_VERSION}  # type: ignore[arg-type]
    reader.close()
