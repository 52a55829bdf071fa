"""A grader works from wherever it is called, and leaves nothing running."""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_kit import CountingJudge, GatedJudge, answers, outcomes, reasons
from loopback import Loopback
from waiting import HANG_S, join, until

from rubricbeat.judges.errors import ConfigError, StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions, open_grader
from rubricbeat.judges.store.sqlite import VerdictStore

RIGHT = ["met", "not_met", "met"]
TESTS = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(("is_repeated", "n_kept"), [(False, 14), (True, 10)])
def test_an_interrupt_lets_the_calls_in_flight_end_and_a_second_one_does_not(is_repeated, n_kept):
    judge = GatedJudge(n_free=10)
    one = Grader(judge, RuntimeOptions(max_concurrency=4))

    def interrupt() -> None:
        until(lambda: judge.n_now == 4 and sum(judge.asked.values()) == 14, "a standstill")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        until(lambda: one.stopped == "interrupted", "the interrupt")
        if is_repeated:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        else:
            judge.goes_on.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        one.grade(answers(20))
    join(thread)
    until(lambda: judge.n_cancelled == (4 if is_repeated else 0), "the end of the calls")
    again = CountingJudge()
    with Grader(again) as two:
        two.grade(answers(20))
    assert sum(again.asked.values()) == 60 - n_kept
    # the grader itself asks again, as a notebook's next cell does
    judge.goes_on.set()
    assert outcomes(one.grade(answers(30)))[-1] == RIGHT
    one.close()


def test_grades_inside_a_running_loop_as_in_a_notebook():
    async def cell():
        with Grader(CountingJudge(pause_s=0.001)) as one:
            return one.grade(answers(3))

    assert outcomes(asyncio.run(cell())) == [RIGHT] * 3


def test_grades_from_several_loops_one_after_the_other_and_at_once():
    with Grader(CountingJudge(pause_s=0.001)) as one:
        for _ in range(2):
            assert outcomes(asyncio.run(one.grade_async(answers(2)))) == [RIGHT] * 2

        async def many():
            return await asyncio.gather(*(one.grade_async(answers(4)) for _ in range(5)))

        for graded in asyncio.run(many()):
            assert outcomes(graded) == [RIGHT] * 4


def test_grades_one_by_one_without_drawing_far_ahead(monkeypatch):
    monkeypatch.setattr("rubricbeat.judges.grader_facts.MAX_WAITING", 2)
    drawn = 0

    def source():
        nonlocal drawn
        for one in answers(3000):
            drawn += 1
            yield one

    judge = CountingJudge()
    with Grader(judge, RuntimeOptions(store=False)) as one:
        for number, graded in enumerate(one.grade_each(source())):
            assert graded.example.prompt_id == f"made-up-{number}"
            # three parts that wait, two that are asked, two to come, and the one that is given
            assert drawn <= number + 8 * 128
            if number == 700:
                break
    with Grader(CountingJudge()) as one:
        assert outcomes(list(one.grade_each(iter(answers(600))))) == [RIGHT] * 600


def test_one_slow_answer_does_not_hold_up_those_behind_it():
    class SlowAtFirst(CountingJudge):
        async def judge(self, question):
            if question.example.prompt_id == "made-up-0":
                await enough.wait()
            verdict = await super().judge(question)
            if sum(self.asked.values()) >= 3000:
                enough.set()
            return verdict

    enough = asyncio.Event()
    judge = SlowAtFirst()
    with Grader(judge, RuntimeOptions(store=False, max_concurrency=4, timeout_s=HANG_S)) as one:
        # three criteria each: the first answer is over when a thousand others are
        said = list(one.grade_each(iter(answers(1500))))
    assert outcomes(said) == [RIGHT] * 1500


def test_the_deadline_is_that_of_all_answers_and_not_of_a_part(virtual_time):
    judge = CountingJudge(pause_s=0.01)
    options = RuntimeOptions(store=False, max_concurrency=64, deadline_s=0.305)
    with Grader(judge, options) as one:
        said = list(one.grade_each(iter(answers(2000))))
    # one alone, and then 64 every .01 s up to .3: parts of 384 each, and not all of the 6,000
    n_asked = sum(v.met is not None for each in said for v in each.verdicts)
    assert 0 < n_asked <= 1 + 64 * 29
    assert reasons(said) == {"deadline: 0.305 s have passed"}


def test_grades_from_several_threads_at_once():
    judge = CountingJudge(pause_s=0.001)
    got: list[list[list[str]]] = []
    with Grader(judge) as one:
        threads = [
            threading.Thread(target=lambda: got.append(outcomes(one.grade(answers(10)))))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [[RIGHT] * 10] * 6
    assert set(judge.asked.values()) == {1}


def test_a_judge_must_not_call_its_own_grader():
    class Recursive(CountingJudge):
        async def judge(self, question):
            one.grade(answers(1))
            return await super().judge(question)

    one = Grader(Recursive())
    with pytest.raises(ConfigError, match="must not call its own grader"):
        one.grade(answers(1))
    one.close()


def _grade_in_child(one: Grader, said) -> None:
    said.send(outcomes(one.grade(answers(2))))
    one.close()


def test_a_pickled_grader_works_and_keeps_its_options():
    one = Grader(CountingJudge(), RuntimeOptions(replicates=2, store=False))
    two = pickle.loads(pickle.dumps(one))
    with two:
        graded = two.grade(answers(2))
    assert outcomes(graded) == [RIGHT] * 2
    assert len(graded[0].replicates) == 1


def test_a_used_grader_pickles_too():
    with Grader(CountingJudge()) as one:
        one.grade(answers(1))
        two = pickle.loads(pickle.dumps(one))
    with two:
        assert outcomes(two.grade(answers(2))) == [RIGHT] * 2


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_works_in_a_child_process(method):
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    with Grader(CountingJudge()) as one:
        if method == "fork":  # the parent's thread and connections are of no use to the child
            one.grade(answers(1))
        child = context.Process(target=_grade_in_child, args=(one, there))
        child.start()
        assert here.poll(HANG_S)
        assert here.recv() == [RIGHT] * 2
        child.join(HANG_S)
        assert child.exitcode == 0
        # and the parent goes on
        assert outcomes(one.grade(answers(3))) == [RIGHT] * 3


def test_a_script_that_never_closes_its_grader_ends_by_itself():
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from engine_kit import answers
        from rubricbeat.judges.grader import open_grader
        options = {"name": "chat", "model": "m", "base_url": sys.argv[2]}
        one, two = open_grader(options), open_grader({**options, "store": False})
        print(len(one.grade(answers(5))), len(two.grade(answers(5))))
        del two
    """
    with Loopback() as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(TESTS), server.url],
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "5 5\n", "")


def test_ctrl_c_in_a_script_keeps_what_is_finished(tmp_path):
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from engine_kit import answers
        from rubricbeat.judges.grader import open_grader
        with open_grader({"name": "chat", "model": "m", "base_url": sys.argv[2],
                          "store": sys.argv[3], "max_concurrency": 4}) as grader:
            grader.grade(answers(400))
    """
    store = str(tmp_path / "v.sqlite")
    with Loopback() as server:
        server.hold_after(40)
        words = [sys.executable, "-c", textwrap.dedent(script), str(TESTS), server.url, store]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        until(lambda: server.n_held == 4, "four calls that wait", process)
        process.send_signal(signal.SIGINT)
        assert "4 calls are in flight" in process.stderr.readline()
        server.release()
        _, said = process.communicate(timeout=HANG_S)
        assert "KeyboardInterrupt" in said
        assert "never retrieved" not in said
        assert "was destroyed" not in said
        options = {"name": "chat", "model": "m", "base_url": server.url, "store": store}
        with open_grader(options) as grader:
            grader.grade(answers(60))
    assert server.n_repeated == 0


def test_facts_are_json_and_hold_no_secret():
    options = {
        "name": "chat",
        "model": "gpt-4.1-2025-04-14",
        "base_url": "http://127.0.0.1:1/v1",
        "headers": {"X-Route": "hidden"},
        "max_concurrency": 3,
    }
    grader = open_grader(options)
    plain = json.dumps(grader.facts())
    assert "hidden" not in plain
    facts = json.loads(plain)
    assert facts["model"] == "gpt-4.1-2025-04-14"
    assert facts["options"]["max_concurrency"] == 3
    assert facts["digest"] == grader.identity.digest
    assert facts["cost_usd"] == 0.0  # nothing asked yet, at a known price


def test_facts_hold_addresses_without_what_may_be_a_key():
    given = {"url": "https://me:hidden@example.org/v1?token=hidden#hidden"}
    facts = Grader(CountingJudge(), judge_options=given).facts()
    assert facts["options"]["url"] == "https://example.org/v1"


def test_facts_hold_no_secret_of_a_jury_either():
    members = [
        {
            "name": "chat",
            "model": "m",
            "base_url": "http://127.0.0.1:1/v1",
            "headers": {"X": "hid"},
        },
        {"name": "chat", "model": "n", "base_url": "http://127.0.0.1:1/v1"},
    ]
    facts = open_grader({"name": "jury", "members": members}).facts()
    assert "hid" not in json.dumps(facts)
    assert [member["model"] for member in facts["members"]] == ["m", "n"]


def test_an_unknown_price_is_no_cost_and_not_zero():
    with Grader(CountingJudge()) as one:
        one.grade(answers(1))
    assert one.facts()["cost_usd"] is None


def test_cost_follows_the_tokens(tmp_path):
    prices = tmp_path / "p.yaml"
    prices.write_text("models: {counting: {input: 2.0, output: 8.0}}")
    with Grader(CountingJudge(), RuntimeOptions(prices=str(prices))) as one:
        one.grade(answers(2))
    # 6 calls of 100 prompt tokens at 2 dollars a million
    assert one.facts()["cost_usd"] == pytest.approx(0.0012)


def test_progress_is_quiet_when_nobody_looks(capfd):
    with Grader(CountingJudge()) as one:
        one.grade(answers(2))
    said = capfd.readouterr()
    assert said.err == said.out == ""


def test_progress_is_drawn_on_stderr_when_asked_for(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    judge = GatedJudge()

    def open_gate() -> None:
        until(lambda: "6 in flight" in stream.getvalue(), "a bar with all six calls")
        judge.goes_on.set()

    thread = threading.Thread(target=open_gate)
    thread.start()
    with Grader(judge) as one:
        one.grade(answers(2), progress=True)
    join(thread)
    text = stream.getvalue()
    assert "0/6" in text
    assert "6/6" in text.split("\r")[-1]
    assert text.endswith("\n")


def test_the_store_is_the_users_own_unless_named(monkeypatch, tmp_path):
    home = tmp_path / "home"
    monkeypatch.delenv("RUBRICBEAT_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    with Grader(CountingJudge()) as one:
        one.grade(answers(1))
    path = home / "rubricbeat" / "verdicts.sqlite"
    assert path.is_file()
    assert os.stat(path).st_mode & 0o777 == 0o600
    with Grader(CountingJudge(), RuntimeOptions(store=False)) as two:
        two.grade(answers(1))
    assert two.facts()["calls"] == 3


def test_one_answer_may_be_judged_more_often_than_the_others():
    judge = CountingJudge()
    first, second = answers(2)
    with Grader(judge, RuntimeOptions(store=False)) as one:
        graded = one.grade([replace(first, replicates=2), second])
        assert [len(answer.replicates) for answer in graded] == [1, 0]
        assert one.facts()["asked"] == 9
        assert one.estimate([replace(first, replicates=2), second]).criteria == 9


@pytest.mark.parametrize("word", ["none", "None", " off ", "no"])
def test_no_store_is_none_in_python_as_on_the_command_line(word, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with Grader(CountingJudge(), RuntimeOptions(store=word)) as one:
        one.grade(answers(1))
    assert one.options.store is False
    assert not list(tmp_path.iterdir())


def test_an_empty_store_is_refused_in_python_too():
    with pytest.raises(ConfigError, match="store is empty"):
        RuntimeOptions(store=" ")


def test_a_stop_holds_for_a_run_that_was_started_a_moment_before_it():
    judge = CountingJudge()
    with Grader(judge, RuntimeOptions(store=False)) as grader:
        grader.grade(answers(1))  # the loop thread is there
        judge.asked.clear()
        is_held, goes_on = threading.Event(), threading.Event()

        def hold() -> None:
            is_held.set()
            goes_on.wait(HANG_S)

        async def started_and_stopped() -> list[Any]:
            grader._thread.loop.call_soon_threadsafe(hold)
            is_held.wait(HANG_S)
            run = asyncio.create_task(grader.grade_async(answers(5)))
            await asyncio.sleep(0)
            grader.stop("the end", is_hard=True)
            goes_on.set()
            return await run

        graded = asyncio.run(started_and_stopped())
    assert reasons(graded) == {"the end"}
    assert judge.asked == {}


def test_a_run_is_over_when_its_own_answers_are_graded_and_not_when_all_are_asked():
    class GatesJudge(CountingJudge):
        """Answers about an answer when its gate is open."""

        gates = {text: threading.Event() for text in ("zeroth", "first", "second")}  # noqa: RUF012

        async def judge(self, question: Any) -> Any:
            self.n_now += 1
            while not self.gates[question.answer].is_set():
                await asyncio.sleep(0.002)
            return self.verdict(question)

    judge = GatesJudge()
    asked = answers(5)
    with Grader(judge, RuntimeOptions(store=False, max_concurrency=1)) as grader:
        runs = {
            text: threading.Thread(
                target=grader.grade, args=([replace(one, text=text) for one in some],)
            )
            for text, some in (("zeroth", asked[:1]), ("first", asked[1:2]), ("second", asked[2:]))
        }
        for n, run in enumerate(runs.values(), start=1):
            run.start()
            until(lambda n=n: judge.n_now and len(grader._pools.each[0].delivery.runs) == n, "it")
        judge.gates["zeroth"].set()
        judge.gates["first"].set()
        join(runs["first"])  # although most of the second run is not asked yet
        judge.gates["second"].set()
        join(*runs.values())


def test_what_came_before_an_error_is_given_beside_it(tmp_path):
    class FailingStore(VerdictStore):
        n_writes = 0

        def write(self, *records: Any, **more: Any) -> Any:
            raise StoreError("the disk is full")

    judge = CountingJudge()
    options = RuntimeOptions(store=str(tmp_path / "v.sqlite"), max_concurrency=1)
    with Grader(judge, options) as grader, pytest.MonkeyPatch.context() as patch:
        patch.setattr("rubricbeat.judges.engine.assembly.VerdictStore", FailingStore)
        graded, fault = asyncio.run(grader.grade_what_comes(answers(200)))
    assert isinstance(fault, StoreError)
    assert [one.example.prompt_id for one in graded] == [f"made-up-{i}" for i in range(200)]
    n_paid = sum(judge.asked.values())
    met = [v.met for one in graded for v in one.verdicts]
    # a call in flight at the failure may end after it: nothing that was given is lost
    assert 0 < len(met) - met.count(None) <= n_paid < 600
    assert all("the disk is full" in why for why in reasons(graded))
