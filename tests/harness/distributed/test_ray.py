"""Real Ray, real processes: workers, nodes and drivers are killed, and nothing is paid twice."""

from __future__ import annotations

import os
import signal

import pytest
from loopback import Loopback
from postgres_server import postgres_server
from ray_kit import CHUNK, IN_FLIGHT, N_CRITERIA, Task, done, ended, worker_on, worker_pids
from waiting import until

pytestmark = pytest.mark.border

pytest.importorskip("ray", reason="Ray is an extra")
pytest.importorskip("psutil")


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
        run.kill()
        ended(run)
        server.settle()  # its workers are gone
        server.release()
        said = task.finish("--workers", "2", "--resume", "--store-only")
        assert said["calls"] == task.n_verdicts - 90
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
        cluster.remove_node(lost, allow_graceful=False)
        server.release()
        said = done(run)
        # none is lost where all is done before it is missed: a worker outlives its node a moment
        assert said["stopped"] is None
        assert task.n_stored == task.n_verdicts
        # its worker goes on until it notices that its node is gone: with the one chunk it has
        assert server.n_repeated <= CHUNK * N_CRITERIA


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


def test_workers_meet_in_a_teams_server(cluster, tmp_path):
    pytest.importorskip("psycopg")
    with postgres_server() as postgres:
        if postgres is None:
            pytest.skip("no PostgreSQL programs here")
        address = postgres.database()
        with Loopback() as server:
            task = Task(tmp_path, server.url, 40)
            more = ("--ray-address", cluster.address, "--store-only", "--store", address)
            said = task.finish("--workers", "2", *more)
            assert (said["verdicts"], said["missing"]) == (task.n_verdicts, 0)
            assert server.n_requests == task.n_verdicts
            assert task.finish("--workers", "2", *more)["calls"] == 0
        assert not task.store.exists()
