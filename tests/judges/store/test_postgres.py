"""The store in PostgreSQL keeps the promises of the file: a real server, killed processes."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from engine_kit import CountingJudge, answers, example, outcomes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import Loopback
from waiting import HANG_S, join, until

from rubricbeat.harness.cli import main
from rubricbeat.judges.engine.writer import FLUSH_ROWS
from rubricbeat.judges.errors import ConfigError, StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions, open_grader
from rubricbeat.judges.judge import JudgeIdentity
from rubricbeat.judges.store.importing import import_lines
from rubricbeat.judges.store.protocol import Record, Subject
from rubricbeat.judges.store.transfer import export_lines, merge
from rubricbeat.judges.verdict import Outcome, Source, Verdict

psycopg = pytest.importorskip("psycopg")
from rubricbeat.judges.store import postgres as postgres_store  # noqa: E402
from rubricbeat.judges.store import postgres_connection  # noqa: E402
from rubricbeat.judges.store.postgres import PostgresStore  # noqa: E402

pytestmark = pytest.mark.border

TESTS = Path(__file__).resolve().parents[2]
JUDGE = JudgeIdentity("made-up", model="m", sampling={"temperature": 0.5})
N_KILLS = 6
N_ANSWERS = 150
IN_FLIGHT = 4
UNWRITTEN = 2 * (FLUSH_ROWS + IN_FLIGHT)
"""In flight when it died, in a transaction, or in the one being put together meanwhile."""
HOST = """
    import os, sys
    sys.path.insert(0, sys.argv[1])
    from engine_kit import answers
    import aiohttp, psycopg
    from rubricbeat.judges.store import postgres as postgres_store
    from rubricbeat.judges.data import examples
    from rubricbeat.judges.backends import chat
    from rubricbeat.judges.grader import open_grader
    for line in sys.stdin:  # a fork is killed; the imports are paid for once
        children = []
        for _ in range(int(line)):
            child = os.fork()
            if child == 0:
                with open_grader({"name": "chat", "model": "m", "base_url": sys.argv[2],
                                  "store": sys.argv[3], "max_concurrency": 4}) as g:
                    g.grade(answers(int(sys.argv[4])))
                os._exit(0)
            children.append(child)
        print(*children, flush=True)
        print(*[os.waitpid(child, 0)[1] for child in children], flush=True)
"""


class Host:
    """A process that grades in forks of itself; a context manager."""

    def __init__(self, endpoint: Loopback, address: str, n_answers: int) -> None:
        words = [sys.executable, "-c", textwrap.dedent(HOST), str(TESTS), endpoint.url, address]
        self.process = subprocess.Popen(
            [*words, str(n_answers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, n: int = 1) -> list[int]:
        """Start so many graders; gives their process ids."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return self.line()

    def line(self) -> list[int]:
        """Wait for the next line; after `start`, the exit codes."""
        assert self.process.stdout is not None
        return [int(word) for word in self.process.stdout.readline().split()]

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=HANG_S)


@pytest.fixture
def store(address):
    opened = PostgresStore(address, JUDGE)
    yield opened
    opened.close()


def record(number: int, verdict: Verdict | None = None, answer: str = "An answer.") -> Record:
    subject = Subject.of(example(number), answer)
    return Record(b"%032d" % number, subject, 0, 0, verdict or Verdict.of(True))


def count(address: str, table: str = "verdicts") -> int:
    with psycopg.connect(address) as db:
        return int(db.execute(f"SELECT count(*) FROM rubricbeat.{table}").fetchone()[0])


def test_a_verdict_comes_back_as_it_was_but_for_its_source(store):
    verdict = Verdict.of(False, probability=0.1, explanation="Über 3 cups", prompt_tokens=9)
    assert store.write([record(1, verdict)]) == {}
    found = store.lookup([record(1).key, record(2).key])
    assert found == {record(1).key: dataclasses.replace(verdict, source=Source.STORE, attempts=0)}
    assert store.lookup([]) == {}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.booleans(), st.floats(0, 1), st.text(), st.text())
def test_any_text_and_any_number_can_be_kept(store, met, probability, words, answer):
    key = secrets.token_bytes(32)
    verdict = Verdict.of(met, probability=probability, explanation=words)
    subject = Subject.of(example(1), answer)
    store.write([Record(key, subject, 0, 0, verdict)])
    found = store.lookup([key])[key]
    assert (found.met, found.probability) == (met, probability)


def test_replies_without_a_verdict_are_kept_and_never_found(store, address):
    mute = Verdict(Outcome.UNPARSEABLE, explanation="none", reply="a \0 in it", prompt_tokens=5)
    store.write([record(1, mute)])
    assert store.lookup([record(1).key]) == {}
    assert (count(address), count(address, "failed_replies")) == (0, 1)


def test_each_text_is_kept_once(store, address):
    store.write([record(1), record(2)])
    store.write([record(3)])
    assert (count(address, "examples"), count(address, "answers")) == (3, 1)


def test_the_first_verdict_under_a_key_counts_for_everybody(store, address):
    theirs = PostgresStore(address, JUDGE)
    theirs.write([record(1, Verdict.of(False))])
    earlier = store.write([record(1, Verdict.of(True)), record(2)])
    assert earlier[record(1).key].met is False
    assert store.lookup([record(1).key])[record(1).key].met is False
    theirs.close()


def test_equal_keys_written_at_once_from_both_ends_are_written_once(address):
    stores = [PostgresStore(address, JUDGE) for _ in range(4)]
    records = [record(number) for number in range(300)]
    threads = [
        threading.Thread(target=each.write, args=(records if i % 2 else records[::-1],))
        for i, each in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    join(*threads)
    assert (count(address), count(address, "examples")) == (300, 300)
    for each in stores:
        each.close()


def test_a_damaged_verdict_is_noticed_and_never_served(store, address):
    store.write([record(1)])
    with psycopg.connect(address) as db:
        db.execute("UPDATE rubricbeat.verdicts SET met = 0")
    (found,) = store.lookup([record(1).key]).values()
    assert found.met is None and "is damaged" in found.explanation


def test_a_server_that_restarts_is_waited_for(store, server, address, monkeypatch):
    monkeypatch.setattr(postgres_store, "RECONNECT_S", HANG_S)
    store.write([record(1)])
    if server.folder is None:
        pytest.skip("somebody else's server")
    server.stop()
    starting = threading.Timer(0.3, server.start)
    starting.start()
    store.write([record(2)])
    assert set(store.lookup([record(1).key, record(2).key])) == {record(1).key, record(2).key}
    join(starting)


def test_a_server_that_is_gone_is_one_clear_line(tmp_path):
    with pytest.raises(StoreError) as caught:
        PostgresStore(f"postgresql://tests@/none?host={tmp_path}", JUDGE)
    assert "is the server up" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_belongs_into_the_environment_and_is_not_repeated():
    for address in ("postgresql://me:hunter2@h/db", "postgresql://me@h/db?password=hunter2"):
        with pytest.raises(ConfigError, match="PGPASSWORD") as caught:
            PostgresStore(address, JUDGE)
        assert "hunter2" not in str(caught.value)


def test_without_psycopg_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(postgres_connection, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"rubricbeat\[postgres\]"):
        PostgresStore("postgresql://h/db", JUDGE)


def test_tables_of_a_newer_version_are_refused(store, address):
    with psycopg.connect(address) as db:
        db.execute("INSERT INTO rubricbeat.layout VALUES (99)")
    with pytest.raises(StoreError, match="upgrade"):
        PostgresStore(address, JUDGE)


def test_the_environment_can_name_the_teams_store(monkeypatch, address):
    monkeypatch.setenv("RUBRICBEAT_STORE", address)
    with Loopback() as endpoint:
        options = {"name": "chat", "model": "m", "base_url": endpoint.url}
        for n_requests in (6, 6):
            with open_grader(options) as grader:
                grader.grade(answers(2))
            assert endpoint.n_requests == n_requests


def test_killed_at_random_moments_no_finished_verdict_is_asked_twice(address):
    rng = random.Random(20)
    n_unfinished = n_before = 0
    PostgresStore(address, JUDGE).close()
    with Loopback(latency_s=0.004) as endpoint:
        with Host(endpoint, address, N_ANSWERS) as host:
            for _ in range(N_KILLS):
                asked_before = dict(endpoint.by_prompt)
                [child] = host.start()
                target = endpoint.n_requests + rng.randrange(1, 40)
                endpoint.hold_after(target + rng.randrange(20))
                until(lambda n=target: endpoint.n_requests >= n, "its requests", host.process)
                os.kill(child, signal.SIGKILL)
                host.line()
                endpoint.release()
                endpoint.settle()
                n_now = count(address)
                assert n_now >= n_before, "a stored verdict was lost"
                n_before = n_now
                again = sum(
                    n - asked_before[prompt]
                    for prompt, n in endpoint.by_prompt.items()
                    if prompt in asked_before
                )
                assert again <= n_unfinished
                n_unfinished = len(endpoint.by_prompt) - n_now
                assert n_unfinished <= UNWRITTEN
        n_stored = count(address)
        assert 0 < n_stored < N_ANSWERS * 3
        endpoint.latency_s = 0
        n_requests = endpoint.n_requests
        options = {"name": "chat", "model": "m", "base_url": endpoint.url}
        with open_grader({**options, "store": address}) as grader:
            resumed = grader.grade(answers(N_ANSWERS))
        assert endpoint.n_requests - n_requests == N_ANSWERS * 3 - n_stored
        with open_grader({**options, "store": False}) as grader:
            assert outcomes(resumed) == outcomes(grader.grade(answers(N_ANSWERS)))


def test_two_processes_at_once_lose_nothing_and_agree(address):
    with Loopback(latency_s=0.002) as endpoint, Host(endpoint, address, 40) as host:
        assert len(host.start(2)) == 2
        assert host.line() == [0, 0]
        assert count(address) == 120
        n_requests = endpoint.n_requests
        assert n_requests == 120  # and nothing is asked twice
        options = {"name": "chat", "model": "m", "base_url": endpoint.url, "store": address}
        with open_grader(options) as grader:
            grader.grade(answers(40))
        assert endpoint.n_requests == n_requests


def test_what_a_killed_process_was_asking_is_taken_over_by_the_other(address):
    PostgresStore(address, JUDGE).close()
    with Loopback(latency_s=0.01) as endpoint, Host(endpoint, address, 80) as host:
        endpoint.hold_after(80)  # neither of them can be done before one of them is killed
        children = host.start(2)
        until(lambda: endpoint.n_requests >= 60, "sixty requests", host.process)
        os.kill(children[0], signal.SIGKILL)
        endpoint.release()
        assert host.line() == [signal.SIGKILL, 0]
        assert count(address) == len(endpoint.by_prompt) == 240
        assert endpoint.n_repeated <= UNWRITTEN


def test_claims_keep_stores_apart_and_go_with_the_connection(address):
    ours, theirs = PostgresStore(address, JUDGE), PostgresStore(address, JUDGE)
    a, b, most = b"a" * 8, b"\xff" * 8, postgres_store.MAX_CLAIMS
    assert ours.claim([a]) == {a}
    assert ours.claim([a, b]) == {a, b}
    assert theirs.claim([a, b]) == set()
    theirs.release([a])  # is not theirs
    assert theirs.claim([a]) == set()
    ours.release([a])
    assert theirs.claim([a, b]) == {a}
    # a connection that breaks lets everything go, and the next claim is taken on a new one
    ours._reader.close()
    assert ours.claim([a]) == set()
    assert theirs.claim([b]) == {b}
    # the server's room is left to others: beyond so many nobody is kept out
    many = [number.to_bytes(8, "big") for number in range(most + 10)]
    assert ours.claim(many) == set(many)
    assert len(theirs.claim(many)) < len(many)
    ours.close()
    until(lambda: theirs.claim(many) == set(many), "the server to notice")
    theirs.close()


def file_store(path, start, stop, model="counting"):
    with Grader(CountingJudge(model=model), RuntimeOptions(store=str(path))) as grader:
        grader.grade(answers(stop)[start:])
    return path


def test_store_files_merge_into_a_server_once_each(address, tmp_path):
    files = [file_store(tmp_path / f"{n}.sqlite", n * 5, n * 5 + 10) for n in range(4)]
    moved = merge(address, files)
    assert (moved.n_added, moved.n_known) == (75, 45)
    assert merge(address, files[:1]).n_added == 0
    judge = CountingJudge()
    with Grader(judge, RuntimeOptions(store=address)) as grader:
        grader.grade(answers(25))
    assert not judge.asked


def test_a_server_is_counted_and_exported_as_a_file_is(address, tmp_path, capsys):
    file = file_store(tmp_path / "v.sqlite", 0, 3)
    merge(address, [file])
    ours, theirs = (
        # the first line of an example carries it, and the server's order is its own
        sorted((line["key"], line["answer"], line["met"]) for line in map(json.loads, lines))
        for lines in (export_lines(address), export_lines(file))
    )
    assert ours == theirs
    copied = tmp_path / "copied.sqlite"
    assert import_lines(copied, export_lines(address), where="server").n_added == 9
    assert main(["verdicts", "stats", address]) == 0
    assert "9 verdicts on 3 answers to 3 examples" in capsys.readouterr().out
    out = tmp_path / "out"
    assert main(["verdicts", "export", address, "--format", "parquet", "-o", str(out)]) == 0
    assert "9 verdicts" in capsys.readouterr().out


def test_merging_from_both_ends_at_once_gives_the_union(address, tmp_path):
    files = [file_store(tmp_path / f"{n}.sqlite", 0, 40) for n in range(3)]
    PostgresStore(address, JUDGE).close()
    threads = [threading.Thread(target=merge, args=(address, [f])) for f in files]
    for thread in threads:
        thread.start()
    join(*threads)
    assert count(address) == 120


def layout_2(address: str) -> None:
    """Take the tables back to the layout of the version before."""
    with psycopg.connect(address, autocommit=True) as db:
        db.execute("SET search_path TO rubricbeat")
        db.execute("ALTER TABLE verdicts DROP COLUMN level, DROP COLUMN level_probabilities")
        db.execute("ALTER TABLE verdicts ALTER COLUMN met SET NOT NULL")
        db.execute("UPDATE layout SET version = 2")


def test_tables_of_the_version_before_are_brought_up_to_date_by_one_of_many(store, address):
    store.write([record(n, Verdict.of(n % 2 == 0, probability=0.25)) for n in range(5)])
    layout_2(address)
    gate = threading.Barrier(3)

    def look(found: list[object]) -> None:
        gate.wait()
        other = PostgresStore(address)
        found.append(other.lookup([record(n).key for n in range(5)]))
        other.close()

    found: list[object] = []
    threads = [threading.Thread(target=look, args=(found,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    said = {record(n).key: n % 2 == 0 for n in range(5)}
    assert [{key: v.met for key, v in each.items()} for each in found] == [said] * 3
    store.write([record(9, Verdict.not_applicable())])
    with psycopg.connect(address) as db:
        assert db.execute("SELECT max(version) FROM rubricbeat.layout").fetchone() == (3,)


def test_tables_that_another_user_made_are_that_users_to_change(store, address):
    layout_2(address)
    with psycopg.connect(address, autocommit=True) as db:
        db.execute("DROP ROLE IF EXISTS rubricbeat_guest")
        db.execute("CREATE ROLE rubricbeat_guest")
        db.execute("GRANT USAGE ON SCHEMA rubricbeat TO rubricbeat_guest")
        db.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA rubricbeat TO rubricbeat_guest")
    guest = f"{address}{'&' if '?' in address else '?'}options=-c%20role%3Drubricbeat_guest"
    with pytest.raises(
        StoreError, match=r"must be upgraded to layout 3 once, by the user who made them"
    ):
        PostgresStore(guest)


KILLED = """
    import os, signal, sys
    import psycopg
    from rubricbeat.judges.store import postgres_connection

    n_left, execute = int(sys.argv[2]), psycopg.Connection.execute

    def count(self, *words, **options):
        global n_left
        n_left -= 1
        if n_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(self, *words, **options)

    psycopg.Connection.execute = count
    postgres_connection.connect(sys.argv[1], makes_tables=True).close()
"""


def test_killed_at_any_statement_the_tables_are_old_or_new_and_whole(store, address):
    store.write([record(n, Verdict.of(n % 2 == 0)) for n in range(5)])
    layout_2(address)
    keys = [record(n).key for n in range(5)]
    n_killed = 0
    for n_statements in range(40):
        words = [sys.executable, "-c", textwrap.dedent(KILLED), address, str(n_statements)]
        done = subprocess.run(words, check=False, timeout=HANG_S)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        n_killed += 1
        with psycopg.connect(address) as db:
            row = db.execute("SELECT max(version) FROM rubricbeat.layout").fetchone()
            columns = db.execute(
                "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'rubricbeat' "
                "AND table_name = 'verdicts' AND column_name LIKE 'level%'"
            ).fetchone()
        assert (row, columns) in {((2,), (0,)), ((3,), (2,))}
    assert n_killed >= 8
    assert {key: v.met for key, v in store.lookup(keys).items()} == {
        record(n).key: n % 2 == 0 for n in range(5)
    }
