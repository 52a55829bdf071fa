"""A run that is killed at any moment resumes where it was: nothing paid twice, nothing lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

from engine_kit import answers, outcomes
from loopback import Loopback
from waiting import HANG_S, until

from rubricbeat.judges.engine.writer import FLUSH_ROWS
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.scoring.run_scores import summarise

TESTS = Path(__file__).resolve().parents[2]
N_KILLS = 20
N_ANSWERS = 400
IN_FLIGHT = 4
UNWRITTEN = 2 * (FLUSH_ROWS + IN_FLIGHT)
"""In flight when it died, in a transaction, or in the one being put together meanwhile."""
SCRIPT = """
    import os, sys
    sys.path.insert(0, sys.argv[1])
    from engine_kit import answers
    import aiohttp
    from rubricbeat.judges.data import examples
    from rubricbeat.judges.backends import chat
    from rubricbeat.judges.grader import open_grader
    for line in sys.stdin:  # a fork is killed; the imports are paid for once
        child = os.fork()
        if child == 0:
            with open_grader({"name": "chat", "model": "m", "base_url": sys.argv[2],
                              "store": sys.argv[3], "max_concurrency": int(sys.argv[4])}) as g:
                g.grade(answers(int(sys.argv[5])))
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
"""


def stored(path: Path) -> int:
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
        return int(db.execute("SELECT count(*) FROM verdicts").fetchone()[0])


def test_killed_at_twenty_random_moments_no_finished_verdict_is_asked_twice(tmp_path):
    path = tmp_path / "v.sqlite"
    rng = random.Random(20)
    n_unfinished = 0
    with Loopback(latency_s=0.004) as server:
        words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(TESTS), server.url, str(path)]
        words += [str(IN_FLIGHT), str(N_ANSWERS)]
        host = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert host.stdin is not None and host.stdout is not None
        n_before = 0
        for _ in range(N_KILLS):
            asked_before = dict(server.by_prompt)
            host.stdin.write("\n")
            child = int(host.stdout.readline())
            # somewhere inside the work: after so many requests, and some more or none
            target = server.n_requests + rng.randrange(1, 40)
            server.hold_after(target + rng.randrange(20))
            until(lambda n=target: server.n_requests >= n, "its requests", host)
            os.kill(child, signal.SIGKILL)
            assert host.stdout.readline() == "ended\n"
            server.release()
            server.settle()
            n_now = stored(path)
            assert n_now >= n_before, "a stored verdict was lost"
            n_before = n_now
            # what this life asked again: what the lives before had not finished
            again = sum(
                n - asked_before[prompt]
                for prompt, n in server.by_prompt.items()
                if prompt in asked_before
            )
            assert again <= n_unfinished
            n_unfinished = len(server.by_prompt) - n_now
            assert n_unfinished <= UNWRITTEN
        host.stdin.close()
        host.wait(HANG_S)
        host.stdout.close()
        n_stored = stored(path)
        assert 0 < n_stored < N_ANSWERS * 3
        server.latency_s = 0
        n_before = server.n_requests
        options = {"name": "chat", "model": "m", "base_url": server.url}
        with open_grader({**options, "store": str(path)}) as grader:
            resumed = grader.grade(answers(N_ANSWERS))
        assert server.n_requests - n_before == N_ANSWERS * 3 - n_stored
        with open_grader({**options, "store": False}) as grader:
            fresh = grader.grade(answers(N_ANSWERS))
    assert outcomes(resumed) == outcomes(fresh)
    ours, theirs = (summarise(g, n_draws=10).metrics["score"] for g in (resumed, fresh))
    assert ours == theirs
