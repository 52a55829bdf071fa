"""Workers with stores of their own on a real cluster: every fault, and nothing is paid for twice.

A chunk is so large that a worker reports late: what is merged then was read from its disk.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from engine_kit import count
from loopback import Loopback
from ray_kit import (
    CHUNK,
    IN_FLIGHT,
    N_CRITERIA,
    Task,
    done,
    ended,
    is_at_work,
    worker_on,
    worker_pids,
)
from waiting import until

from rubricbeat.harness.distributed.whereabouts import list_of

pytest.importorskip("ray", reason="Ray is an extra")
pytest.importorskip("psutil")

TWO = ("--workers", "2", "--store-only")
LATE = ("--chunk", "60")


class OwnTask(Task):
    """A task whose workers have stores of their own."""

    def __init__(self, folder: Path, url: str, n: int) -> None:
        super().__init__(folder, url, n)
        self.own = folder / "own"

    def flags(self, cluster) -> tuple[str, ...]:
        return (*TWO, "--ray-address", cluster.address, "--worker-stores", str(self.own))

    @property
    def n_stored(self) -> int:
        return count(self.store)

    @property
    def n_own(self) -> int:
        # only of workers that have begun: a store that is being made must be left alone
        listed = list_of(self.store)
        lines = listed.read_text().split("\n") if listed.exists() else []
        return sum(count(Path(json.loads(line)["made"])) for line in lines if "made" in line)

    def busiest(self) -> int:
        """Find the process of the worker that has most verdicts on its disk."""
        import psutil

        def n_here(pid: int) -> int:
            files = [Path(one.path) for one in psutil.Process(pid).open_files()]
            return max((count(path) for path in files if path.suffix == ".sqlite"), default=0)

        return max(worker_pids(), key=n_here)

    def assert_tidy(self) -> None:
        assert self.n_stored == self.n_verdicts
        assert list(self.own.iterdir()) == []
        assert not list_of(self.store).exists()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a store as another program's long write does."""
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Stop processes: for everybody else they are behind a network that is cut."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # somebody ended it meanwhile
                os.kill(pid, signal.SIGCONT)


def no_more_room(pid: int, bytes_more: int = 0) -> None:
    """Let no file of a process grow beyond so many bytes."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (40_000 + bytes_more, hard))


def test_what_a_killed_worker_had_not_reported_is_not_asked_again(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(108)  # of 360; a chunk has 180
        task = OwnTask(tmp_path, server.url, 120)
        run = task.start(*task.flags(cluster), *LATE)
        until(lambda: task.n_own == 108, "what is answered, on the workers' disks", run)
        assert task.n_stored == 0  # else the test would show nothing
        os.kill(task.busiest(), signal.SIGKILL)
        server.release()
        said = done(run)
        assert (said["lost_workers"], said["stopped"]) == (1, None)
        assert server.n_repeated <= IN_FLIGHT
        task.assert_tidy()


def test_a_later_driver_finds_what_the_workers_of_a_killed_one_left(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(144)
        task = OwnTask(tmp_path, server.url, 120)
        run = task.start(*task.flags(cluster), *LATE)
        until(lambda: task.n_own == 144, "what is answered, on the workers' disks", run)
        run.kill()
        ended(run)
        until(lambda: not worker_pids(), "the end of its workers")
        server.settle()
        server.release()
        assert task.n_stored == 0
        said = task.finish(*task.flags(cluster), "--resume")
        assert said["calls"] == task.n_verdicts - 144
        assert server.n_repeated <= 2 * IN_FLIGHT
        task.assert_tidy()


def test_a_network_that_is_cut_for_a_while_costs_nothing(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(108)
        task = OwnTask(tmp_path, server.url, 120)
        run = task.start(*task.flags(cluster))
        until(lambda: task.n_own == 108, "what is answered, on the workers' disks", run)
        with stopped(task.busiest()):
            server.release()
            # two chunks of eight answers are with the one that is not heard
            until(lambda: task.n_stored >= task.n_verdicts - 2 * 8 * 3, "the others' verdicts", run)
            assert run.poll() is None
        said = done(run)
        assert (said["lost_workers"], said["stopped"]) == (0, None)
        assert server.n_requests == task.n_verdicts
        task.assert_tidy()


def test_a_full_disk_of_one_worker_retires_it_and_loses_nothing(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(60)
        task = OwnTask(tmp_path, server.url, 120)
        run = task.start(*task.flags(cluster))
        until(lambda: task.n_own == 60, "what is answered, on the workers' disks", run)
        no_more_room(task.busiest())
        server.release()
        out, err = ended(run)
        assert run.returncode == 0, err
        said = json.loads(out)
        assert f"a worker stopped: verdict store {task.own}" in err
        assert (said["lost_workers"], said["missing"]) == (0, 0)
        assert server.n_requests == task.n_verdicts
        task.assert_tidy()


def test_a_full_disk_of_the_driver_ends_the_run_and_the_next_one_pays_for_the_rest(
    cluster, tmp_path
):
    with Loopback() as server:
        server.hold_after(240)
        task = OwnTask(tmp_path, server.url, 120)
        run = task.start(*task.flags(cluster))
        until(lambda: task.n_stored > 0, "the first verdicts", run)
        no_more_room(run.pid, 60_000)
        _, err = ended(run)
        assert run.returncode == 1
        assert f"verdict store {task.store}" in err
        assert task.n_stored < task.n_own < task.n_verdicts
        until(lambda: not worker_pids(), "the end of its workers")
        server.release()
        said = task.finish(*task.flags(cluster), "--resume")
        assert said["stopped"] is None
        assert server.n_repeated <= 2 * IN_FLIGHT
        task.assert_tidy()


@pytest.mark.parametrize("has_own", [True, False], ids=["own stores", "one store"])
def test_a_store_that_another_process_holds_is_waited_for(cluster, tmp_path, has_own):
    with Loopback() as server:
        server.hold_after(56)  # of 96: one of the two has done a chunk of 24, and reports it
        task = OwnTask(tmp_path, server.url, 32)  # two chunks for each: nobody waits for another
        flags = task.flags(cluster) if has_own else (*TWO, "--ray-address", cluster.address)
        run = task.start(*flags)
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


def test_an_interrupt_brings_home_what_the_workers_have(cluster, tmp_path):
    with Loopback() as server:
        server.hold_after(108)
        task = OwnTask(tmp_path, server.url, 120)
        run = task.start(*task.flags(cluster), *LATE)
        until(lambda: task.n_own == 108, "what is answered, on the workers' disks", run)
        run.send_signal(signal.SIGINT)
        _, err = ended(run)
        assert run.returncode == 130, err
        assert task.n_stored == 108
        server.release()
        assert task.finish(*task.flags(cluster), "--resume")["stopped"] is None
        assert server.n_repeated <= 2 * IN_FLIGHT
        task.assert_tidy()


SKEWED = """
import itertools, os, time
from pathlib import Path
from rubricbeat.judges.backends.chat import ChatJudge

real = time.time

class SkewedChat(ChatJudge):
    def __post_init__(self):
        super().__post_init__()
        if time.time is real:  # once a process: each takes a number, and a clock of its own
            for number in itertools.count():
                try:
                    (Path(__file__).parent / f"clock{number}").touch(exist_ok=False)
                    break
                except FileExistsError:
                    pass
            days = (0, -300, 300, 900, -900)[number % 5]
            time.time = lambda: real() + 86_400 * days
"""


@pytest.mark.parametrize("has_own", [True, False], ids=["own stores", "one store"])
def test_clocks_that_are_days_apart_change_nothing(cluster, tmp_path, monkeypatch, has_own):
    (tmp_path / "skewed.py").write_text(SKEWED)
    monkeypatch.chdir(tmp_path)  # Ray's workers find what lies in the driver's folder
    with Loopback() as server:
        server.hold_after(0)
        task = OwnTask(tmp_path, server.url, 60)
        flags = task.flags(cluster) if has_own else (*TWO, "--ray-address", cluster.address)
        flags += ("--judge", "skewed:SkewedChat")
        run = task.start(*flags)
        # before its first answer a worker has three calls in flight at most: these are of both
        until(lambda: server.n_held > 3, "calls of both workers", run)
        server.release()
        server.hold_after(60)
        until(lambda: (task.n_own if has_own else task.n_stored) == 60, "what is answered", run)
        os.kill(task.busiest(), signal.SIGKILL)
        server.release()
        assert done(run)["lost_workers"] == 1
        assert server.n_repeated <= IN_FLIGHT
        again = task.finish(*flags, "--resume")
        assert (again["calls"], again["verdicts"]) == (0, task.n_verdicts)
    with sqlite3.connect(task.store) as db:
        days = db.execute("SELECT DISTINCT round(created / 86400) FROM verdicts").fetchall()
    db.close()
    assert len(days) >= 2
    assert max(days)[0] - min(days)[0] >= 300


@pytest.mark.parametrize("has_own", [True, False], ids=["own stores", "one store"])
def test_the_endpoint_of_one_worker_may_be_down(cluster, tmp_path, has_own):
    with socket.socket() as probe, Loopback() as server:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
        task = OwnTask(tmp_path, server.url, 40)
        flags = task.flags(cluster) if has_own else (*TWO, "--ray-address", cluster.address)
        said = task.finish(*flags, "--endpoints", f"{dead},{server.url}")
        assert said["stopped"] is None
        assert task.n_stored == task.n_verdicts
        assert server.n_repeated == 0


def test_a_node_that_is_cut_off_for_good_is_given_up_and_found_again_later(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1, object_store_memory=10**8)
    raylet = node.all_processes["raylet"][0].process.pid
    with Loopback() as server:
        server.hold_after(108)
        task = OwnTask(tmp_path, server.url, 120)
        run = task.start(*task.flags(cluster), "--workers", "3")
        until(lambda: worker_on(node, server.port) is not None, "a call from that node", run)
        until(lambda: task.n_own == 108, "what is answered, on the workers' disks", run)
        there = worker_on(node, server.port)
        with stopped(there):
            os.kill(raylet, signal.SIGKILL)
            server.release()
            said = done(run)
        cluster.remove_node(node, allow_graceful=False)
        # none is lost where the others have done everything before it is missed
        assert said["lost_workers"] <= 1
        assert said["stopped"] is None
        assert task.n_stored == task.n_verdicts
        assert server.n_repeated <= CHUNK * N_CRITERIA
        # read in any case; and not deleted where its worker may wake up any moment (some systems
        # end a stopped process with its parent)
        assert all(one.endswith("(its worker is still at work)") for one in said["unmerged_stores"])
        until(lambda: not is_at_work(there), "the end of a worker that was given up")
        again = task.finish(*task.flags(cluster), "--resume")
        assert (again["calls"], again["unmerged_stores"]) == (0, [])
        task.assert_tidy()
