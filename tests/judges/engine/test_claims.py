"""Processes that start the same work at once share it: nothing is paid for twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from engine_kit import CountingJudge, FlakyJudge, GatedJudge, answers, outcomes, reasons
from loopback import Loopback
from waiting import HANG_S, join, until

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.engine import claims
from rubricbeat.judges.engine.writer import FLUSH_ROWS
from rubricbeat.judges.errors import ConfigError, StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions, open_grader
from rubricbeat.judges.store.locks import FileClaims

TESTS = Path(__file__).resolve().parents[2]
IN_FLIGHT = 8
UNWRITTEN = 2 * (FLUSH_ROWS + IN_FLIGHT)
"""In flight when it died, in a transaction, or in the one being put together meanwhile."""
N_CRITERIA = 3
HOST = """
    import os, sys
    sys.path.insert(0, sys.argv[1])
    from engine_kit import answers
    import aiohttp
    from rubricbeat.judges.data import examples
    from rubricbeat.judges.backends import chat
    from rubricbeat.judges.grader import open_grader
    children = []
    for _ in range(int(sys.argv[5])):
        child = os.fork()
        if child == 0:
            with open_grader({"name": "chat", "model": "m", "base_url": sys.argv[2],
                              "store": sys.argv[3], "max_concurrency": 8}) as g:
                g.grade(answers(int(sys.argv[4])))
                os._exit(0 if not g.facts()["missing"] else 3)
        children.append(child)
    print(*children, flush=True)
    print(*[os.waitpid(child, 0)[1] for child in children], flush=True)
"""


class Host:
    """Graders of the same answers, in so many processes; a context manager."""

    def __init__(self, url: str, store: Path, n_answers: int, n: int) -> None:
        words = [sys.executable, "-c", textwrap.dedent(HOST), str(TESTS), url, str(store)]
        self.process = subprocess.Popen(
            [*words, str(n_answers), str(n)], stdout=subprocess.PIPE, text=True
        )
        self.children = self.line()

    def line(self) -> list[int]:
        """Wait for the next line; after that of the children, their exit codes."""
        assert self.process.stdout is not None
        return [int(word) for word in self.process.stdout.readline().split()]

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=HANG_S)


def stored(path: Path) -> int:
    with sqlite3.connect(path) as db:
        return int(db.execute("SELECT count(*) FROM verdicts").fetchone()[0])


def test_processes_that_start_at_once_ask_nothing_twice_and_share_the_work(tmp_path):
    path, n = tmp_path / "v.sqlite", 150
    open_grader({"name": "chat", "model": "m", "base_url": "http://127.0.0.1:9/v1"}).close()
    with Loopback() as server:
        server.hold_after(60)
        with Host(server.url, path, n, 3) as host:
            # not one after the other: all three of them have all their calls in flight
            until(lambda: server.n_held == 3 * IN_FLIGHT, "calls of all", host.process)
            server.release()
            assert host.line() == [0, 0, 0]
        assert server.n_requests == len(server.by_prompt) == n * N_CRITERIA == stored(path)


def test_what_a_killed_process_was_asking_is_taken_over_at_once(tmp_path):
    path, n = tmp_path / "v.sqlite", 150
    with Loopback(latency_s=0.01) as server:
        server.hold_after(120)  # neither of them can be done before one of them is killed
        with Host(server.url, path, n, 2) as host:
            until(lambda: server.n_requests >= 100, "a hundred requests", host.process)
            os.kill(host.children[0], signal.SIGKILL)
            server.release()
            assert host.line() == [signal.SIGKILL, 0]
        assert stored(path) == len(server.by_prompt) == n * N_CRITERIA
        assert server.n_repeated <= UNWRITTEN


def test_claims_are_kept_apart_in_a_process_and_go_with_their_store(tmp_path):
    ours, theirs = FileClaims(tmp_path / "v"), FileClaims(tmp_path / "v")
    a, b = b"a" * 8, b"b" * 8
    assert ours.claim([a]) == {a}
    assert ours.claim([a, b]) == {a, b}
    assert theirs.claim([a, b]) == set()
    theirs.release([a])  # is not theirs
    assert theirs.claim([a]) == set()
    ours.release([a])
    assert theirs.claim([a, b]) == {a}
    ours.close()
    assert theirs.claim([b]) == {b}
    theirs.close()
    assert (tmp_path / "v-claims").stat().st_size == 0
    assert (tmp_path / "v-claims").stat().st_mode & 0o777 == 0o600


HOLDER = """
    import sys
    from pathlib import Path
    from rubricbeat.judges.store.locks import FileClaims
    claims = FileClaims(Path(sys.argv[1]))
    assert claims.claim([b"a" * 8])
    print("held", flush=True)
    sys.stdin.readline()
    claims.release([b"a" * 8])
    print("free", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("end", ["release", "kill"])
def test_a_claim_of_another_process_is_free_when_it_lets_go_or_dies(tmp_path, end):
    ours = FileClaims(tmp_path / "v")
    passing = FileClaims(tmp_path / "v")
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path / "v")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    assert ours.claim([b"b" * 8]) == {b"b" * 8}
    passing.close()  # another store of this process must not take our locks with it
    assert ours.claim([b"a" * 8]) == set()
    if end == "kill":
        holder.kill()
        holder.wait(HANG_S)
    else:
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "free\n"
    assert ours.claim([b"a" * 8]) == {b"a" * 8}
    ours.close()
    holder.communicate(timeout=HANG_S)


def test_a_forked_child_starts_without_the_parents_claims(tmp_path):
    ours = FileClaims(tmp_path / "v")
    ours.claim([b"a" * 8])
    child = os.fork()
    if child == 0:
        mine = FileClaims(tmp_path / "v")
        os._exit(int(bool(mine.claim([b"a" * 8])) or not mine.claim([b"b" * 8])))
    assert os.waitpid(child, 0)[1] == 0
    ours.close()


class Held:
    """Another process's hand on some answers, until it is opened."""

    def __init__(self, store: Path, some: list[Answer]) -> None:
        self.judge, self.some = GatedJudge(), some
        self.grader = Grader(self.judge, RuntimeOptions(store=str(store)))
        self.thread = threading.Thread(target=self.grader.grade, args=(some,))

    def __enter__(self) -> Held:
        self.thread.start()
        assert self.judge.is_asked.wait(HANG_S)
        until(self._has_all, "its hand on all of them")
        return self

    def _has_all(self) -> bool:
        # the first question may be asked before the second answer is claimed
        claims = self.grader._pools.each[0].delivery.writer.store._claims
        return len(claims._held) == len(self.some)

    def let_go(self) -> None:
        """Give the verdicts."""
        self.judge.goes_on.set()
        join(self.thread)

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self.grader.close()


class Graded(threading.Thread):
    """Our grading of some answers, on a thread of its own."""

    def __init__(self, ours: Grader, some: list[Answer]) -> None:
        super().__init__()
        self.ours, self.some = ours, some
        self.said: list[list[str]] = []
        self.error = ""
        self.start()

    def run(self) -> None:
        try:
            self.said = outcomes(self.ours.grade(self.some))
        except StoreError as error:
            self.error = str(error)

    def until_it_waits(self, n_questions: int = 1) -> None:
        """Wait until so many questions are left to what the other process is asked."""
        until(lambda: self._n_waiting() >= n_questions, "a run that waits for others")

    def _n_waiting(self) -> int:
        runtime = next(iter(self.ours._pools.each), None)
        return 0 if runtime is None else len(runtime.delivery.desk.waiting())


def test_other_answers_are_graded_while_one_is_waited_for(tmp_path):
    judge, some = CountingJudge(), answers(30)
    with (
        Held(tmp_path / "v", some[:1]) as held,
        Grader(judge, RuntimeOptions(store=str(tmp_path / "v"))) as ours,
    ):
        grading = Graded(ours, some)
        until(lambda: sum(judge.asked.values()) == 29 * 3, "all other verdicts")
        assert grading.is_alive()
        held.let_go()
        join(grading)
        assert grading.said == [["met", "not_met", "met"]] * 30
        assert sum(judge.asked.values()) == 29 * 3
        assert ours.facts()["store_hits"] == 3


def test_a_run_that_waits_ends_with_its_deadline_and_the_next_one_waits_again(
    tmp_path, virtual_time
):
    judge, some = CountingJudge(), answers(2)
    options = RuntimeOptions(store=str(tmp_path / "v"), deadline_s=0.2)
    with Held(tmp_path / "v", some[:1]) as held, Grader(judge, options) as ours:
        late = ours.grade(some)
        assert reasons(late) == {"deadline: 0.2 s have passed"}
        assert outcomes(late) == [["skipped"] * 3, ["met", "not_met", "met"]]
        held.let_go()
    with Grader(judge, RuntimeOptions(store=str(tmp_path / "v"))) as ours:
        assert outcomes(ours.grade(some)) == [["met", "not_met", "met"]] * 2
    assert sum(judge.asked.values()) == 3


def test_what_the_other_gave_up_is_asked_here(tmp_path):
    some = answers(1)
    judge = CountingJudge()
    with (
        Held(tmp_path / "v", some) as held,
        Grader(judge, RuntimeOptions(store=str(tmp_path / "v"))) as ours,
    ):
        grading = Graded(ours, some)
        grading.until_it_waits()
        assert not judge.asked
        held.grader._thread.submit(_cancelled(held.grader)).result(HANG_S)
        join(grading)
        assert grading.said == [["met", "not_met", "met"]]
        assert sum(judge.asked.values()) == 3


async def _cancelled(grader: Grader) -> None:
    for run in list(grader._pools.each[0].delivery.runs):
        grader._pools.each[0].delivery.leave(run, "cancelled")


def test_nobody_is_waited_for_without_end(tmp_path, monkeypatch, capsys, virtual_time):
    monkeypatch.setattr("rubricbeat.judges.engine.delivery.MIN_PATIENCE_S", 0.3)
    monkeypatch.setattr(claims, "SAY_AFTER_S", 0.1)
    judge, some = CountingJudge(), answers(1)
    options = RuntimeOptions(store=str(tmp_path / "v"), timeout_s=0.1)
    with Held(tmp_path / "v", some), Grader(judge, options) as ours:
        assert outcomes(ours.grade(some)) == [["met", "not_met", "met"]]
    said = capsys.readouterr().err
    assert "this process waits for its verdicts" in said
    assert "asked again" in said


def test_an_error_ends_those_who_wait_too(tmp_path):
    some = answers(2)
    judge = FlakyJudge(ConfigError("a wrong key"))
    with (
        Held(tmp_path / "v", some[:1]),
        Grader(judge, RuntimeOptions(store=str(tmp_path / "v"))) as ours,
        pytest.raises(ConfigError, match="wrong key"),
    ):
        ours.grade(some)


@pytest.mark.parametrize("error", [StoreError("it broke"), KeyError("it broke")])
def test_a_store_that_cannot_be_read_any_more_ends_those_who_wait(tmp_path, error):
    judge, some = CountingJudge(), answers(2)
    with (
        Held(tmp_path / "v", some) as held,
        Grader(judge, RuntimeOptions(store=str(tmp_path / "v"))) as ours,
    ):
        grading = Graded(ours, some)
        grading.until_it_waits(2 * 3)  # one not yet looked up would meet the store first

        def broken(keys: object) -> None:
            raise error

        store = ours._pools.each[0].delivery.writer.store
        store.lookup = broken
        held.judge.goes_on.set()
        join(grading)
        assert "it broke" in grading.error
        assert not store._claims._held  # others need not wait for us
    assert not judge.asked


def test_a_stop_ends_those_who_wait(tmp_path):
    judge, some = CountingJudge(), answers(1)
    with (
        Held(tmp_path / "v", some),
        Grader(judge, RuntimeOptions(store=str(tmp_path / "v"))) as ours,
    ):
        grading = Graded(ours, some)
        grading.until_it_waits()
        ours.stop("enough")
        join(grading)
        assert grading.said == [["skipped"] * 3]
        assert ours.stopped == "enough"


def test_equal_answers_in_one_run_wait_together_and_are_asked_once(tmp_path):
    judge, one = CountingJudge(), answers(1)
    with (
        Held(tmp_path / "v", one) as held,
        Grader(judge, RuntimeOptions(store=str(tmp_path / "v"), replicates=2)) as ours,
    ):
        grading = Graded(ours, one * 3)
        grading.until_it_waits()
        held.let_go()
        join(grading)
        assert grading.said == [["met", "not_met", "met"]] * 3
    # the first replicate came from the other one, the second was asked here
    assert sorted(set(judge.asked.values())) == [1]
    assert {key[3] for key in judge.asked} == {1}


def test_a_judge_without_a_store_needs_no_claims(tmp_path):
    with Grader(CountingJudge(), RuntimeOptions(store=False)) as one:
        assert outcomes(one.grade(answers(2))) == [["met", "not_met", "met"]] * 2
    assert not list(tmp_path.iterdir())
