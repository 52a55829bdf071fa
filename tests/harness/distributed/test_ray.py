"""Real Ray, real processes: workers, nodes and drivers are killed, and nothing is paid twice."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback import Loopback
from postgres_server import postgres_server
from ray_kit import (
    CHUNK,
    IN_FLIGHT,
    Task,
    done,
    ended,
    is_at_work,
    worker_on,
    worker_pids,
)
from waiting import HANG_S, until

pytestmark = pytest.mark.border

pytest.importorskip("ray", reason="Ray is an extra")
pytest.importorskip("psutil")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a store as another program's long write does."""
    db = sqlite3.connect(path, isolation_level=None, timeout=HANG_S)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


def no_more_room(pid: int, n_bytes: int) -> None:
    """Let no file of a process grow beyond so many bytes."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, hard))


def test_two_workers_say_what_one_process_says_and_ask_nothing_twice(cluster, tmp_path):
    with Loopback() as server:
        task = Task(tmp_path, server.url, 60)
        address = ("--ray-address", cluster.address)
        by_workers = task.finish("--workers", "2", *address)
        assert server.n_requests == len(server.by_prompt) == task.n_verdicts == task.n_stored
        again = task.finish("--workers", "2", *address, "--resume", "--store-only")
        assert (again["verdicts"], again["calls"]) == (task.n_verdicts, 0)
        alone = task.finish(engine="local")
        assert server.n_requests == task.n_verdicts
    assert by_workers["judge"]["calls"] == task.n_verdicts
    assert by_workers["judge"]["missing"] == 0
    for name, value in alone["runs"][0]["metrics"].items():
        assert by_workers["runs"][0]["metrics"][name] == value, name


def test_a_worker_that_is_killed_is_replaced_and_its_work_is_done(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(90)
        task = Task(tmp_path, server.url, 120)
        run = task.start("--workers", "2", "--ray-address", cluster.address, "--store-only")
        until(lambda: task.n_stored == 90, "what is answered, on disk", run)
        os.kill(min(worker_pids()), signal.SIGKILL)
        server.release()
        said = done(run)
        assert said["lost_workers"] == 1
        assert said["stopped"] is None
        assert task.n_stored == task.n_verdicts
        assert server.n_repeated <= IN_FLIGHT  # what the one that died was asking


def test_a_driver_that_is_killed_is_resumed(tmp_path):
    with Loopback() as server:
        server.hold_after(90)
        task = Task(tmp_path, server.url, 120)
        run = task.start("--workers", "2", "--store-only")  # on a cluster of its own
        until(lambda: task.n_stored == 90, "what is answered, on disk", run)
        until(lambda: len(worker_pids()) == 2, "both workers", run)
        workers = worker_pids()
        run.kill()
        ended(run)
        # they outlive it for seconds: one that has yet to ask would do so once all is released
        until(lambda: not any(map(is_at_work, workers)), "the end of its workers")
        server.settle()
        server.release()
        said = task.finish("--workers", "2", "--resume", "--store-only")
        assert (said["calls"], said["lost_workers"]) == (task.n_verdicts - 90, 0)
        assert task.n_stored == task.n_verdicts
        assert server.n_repeated <= 2 * IN_FLIGHT


def test_a_node_that_is_lost_leaves_its_work_to_the_other(cluster, tmp_path):
    lost = cluster.add_node(num_cpus=1, object_store_memory=10**8)
    with Loopback() as server:
        server.hold_after(90)
        task = Task(tmp_path, server.url, 150)
        run = task.start("--workers", "3", "--ray-address", cluster.address, "--store-only")
        until(lambda: worker_on(lost, server.port) is not None, "a call from that node", run)
        until(lambda: task.n_stored == 90, "what is answered, on disk", run)
        there = worker_on(lost, server.port)
        cluster.remove_node(lost, allow_graceful=False)
        # a worker outlives its node for a moment, and has nothing to do in it
        until(lambda: not is_at_work(there), "the end of its worker", run)
        server.release()
        said = done(run)
        # one that takes its place may be sent to that node before Ray knows that it is gone
        assert said["lost_workers"] >= 1
        assert said["stopped"] is None
        assert task.n_stored == task.n_verdicts
        assert server.n_repeated <= IN_FLIGHT


def test_an_interrupt_ends_the_run_and_keeps_what_is_finished(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(72)
        task = Task(tmp_path, server.url, 120)
        run = task.start("--workers", "2", "--ray-address", cluster.address, "--store-only")
        until(lambda: task.n_stored == 72, "what is answered, on disk", run)
        run.send_signal(signal.SIGINT)
        _, said = ended(run)
        assert run.returncode == 130
        assert "what was finished is kept" in said
        assert task.n_stored == 72  # and the calls in flight were called off
        server.release()
        resumed = task.finish("--workers", "2", "--ray-address", cluster.address, "--store-only")
        assert (resumed["verdicts"], resumed["stopped"]) == (task.n_verdicts, None)
        assert server.n_repeated <= 2 * IN_FLIGHT


def test_workers_meet_in_a_teams_server_and_one_of_them_may_be_killed(cluster, tmp_path):
    pytest.importorskip("psycopg")
    with postgres_server() as postgres:
        if postgres is None:
            pytest.skip("no PostgreSQL programs here")
        address = postgres.database()
        with Loopback() as server:
            server.hold_after(90)
            task = Task(tmp_path, server.url, 120)
            more = ("--ray-address", cluster.address, "--store-only", "--store", address)
            run = task.start("--workers", "2", *more)
            until(lambda: n_rows(address) == 90, "what is answered, in the server", run)
            os.kill(min(worker_pids()), signal.SIGKILL)
            server.release()
            said = done(run)
            assert (said["lost_workers"], said["stopped"]) == (1, None)
            assert n_rows(address) == task.n_verdicts
            assert server.n_repeated <= IN_FLIGHT
            assert task.finish("--workers", "2", *more)["calls"] == 0
        assert not task.store.exists()


def n_rows(address: str) -> int:
    """Count the verdicts in a server; none where its tables are still to be made."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as db:
        try:
            [count] = db.execute("SELECT count(*) FROM rubricbeat.verdicts").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return 0
    return count


def test_an_answer_that_two_workers_have_at_once_is_asked_about_once(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(0)
        task = Task(tmp_path, server.url, CHUNK)
        task.said.write_text(task.said.read_text(encoding="utf-8") * 4, encoding="utf-8")
        run = task.start("--workers", "2", "--ray-address", cluster.address, "--store-only")
        # each worker is given the same two chunks: the first of both asks, the other one waits
        until(lambda: len(worker_pids()) == 2 and server.n_held > 0, "calls", run)
        server.release()
        said = done(run)
        assert (said["answers"], said["verdicts"]) == (4 * CHUNK, 4 * task.n_verdicts)
        assert server.n_requests == task.n_stored == task.n_verdicts


def test_a_full_disk_ends_the_run_in_words_and_the_next_one_pays_for_the_rest(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(60)
        task = Task(tmp_path, server.url, 120)
        flags = ("--workers", "2", "--ray-address", cluster.address, "--store-only")
        run = task.start(*flags)
        until(lambda: len(worker_pids()) == 2, "both workers: one alone may begin, and end", run)
        until(lambda: task.n_stored == 60, "what is answered, on disk", run)
        n_bytes = task.store.with_name(f"{task.store.name}-wal").stat().st_size
        for pid in worker_pids():
            no_more_room(pid, n_bytes)
        server.release()
        _, err = ended(run)
        assert run.returncode == 1
        assert f"verdict store {task.store}" in err
        until(lambda: not worker_pids(), "the end of its workers")
        n_kept = task.n_stored
        assert 60 <= n_kept < task.n_verdicts
        said = task.finish(*flags, "--resume")
        assert (said["calls"], said["stopped"]) == (task.n_verdicts - n_kept, None)
        assert task.n_stored == task.n_verdicts


def test_a_store_that_another_process_holds_is_waited_for(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(56)  # of 96: one of the two has done a chunk of 24, and reports it
        task = Task(tmp_path, server.url, 32)  # two chunks for each: nobody waits for another
        run = task.start("--workers", "2", "--ray-address", cluster.address, "--store-only")
        until(lambda: task.n_stored >= 24, "the first verdicts", run)
        with locked(task.store):
            n_stored = task.n_stored
            server.release()
            # so much fits into a transaction, and is asked before the store is waited for
            until(lambda: server.n_requests == task.n_verdicts, "all questions", run)
            assert task.n_stored == n_stored < task.n_verdicts
            assert run.poll() is None
        said = done(run)
        assert (said["lost_workers"], said["stopped"]) == (0, None)
        assert server.n_requests == task.n_stored == task.n_verdicts


def test_the_endpoint_of_one_worker_may_be_down(cluster, tmp_path):
    with socket.socket() as probe, Loopback() as server:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
        task = Task(tmp_path, server.url, 40)
        flags = ("--workers", "2", "--ray-address", cluster.address, "--store-only")
        said = task.finish(*flags, "--endpoints", f"{dead},{server.url}")
        assert said["stopped"] is None
        assert task.n_stored == task.n_verdicts
        assert server.n_repeated == 0
