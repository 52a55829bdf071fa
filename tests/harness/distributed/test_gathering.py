"""What lies on the nodes gets into the store of the run, whoever left it there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_kit import answers
from loopback import Loopback

from rubricbeat.harness.distributed.gathering import Gathering
from rubricbeat.harness.distributed.own_store import OwnPlace
from rubricbeat.harness.distributed.whereabouts import Whereabouts, list_of
from rubricbeat.harness.distributed.worker import Worker
from rubricbeat.judges.errors import StoreError
from rubricbeat.judges.grading import open_grader

pytest.importorskip("ray", reason="Ray is an extra")

SOME = answers(4)
EXAMPLES = {one.example.prompt_id: one.example for one in SOME}
ITEMS = [(one.example.prompt_id, one.text) for one in SOME]


class LocalRay:
    """A cluster whose one node is this process."""

    class exceptions:
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            cause: Exception | None = None

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.fails: Callable[[str], Exception | None] = lambda name: None

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "NodeID": "0" * 56, "NodeManagerHostname": h} for h in self.hosts]

    def remote(self, work: Callable[..., Any]) -> LocalRay:
        self.work = work
        return self

    def options(self, **_: Any) -> Any:
        ray, work = self, self.work

        class Task:
            @staticmethod
            def remote(*words: Any) -> Callable[[], Any]:
                def done() -> Any:
                    fault = ray.fails(work.__name__)
                    if fault is not None:
                        raise fault
                    try:
                        return work(*words)
                    except StoreError as error:
                        wrapped = ray.exceptions.RayTaskError(str(error))
                        wrapped.cause = error
                        raise wrapped from error

                return done

        return Task

    def get(self, ref: Callable[[], Any], timeout: float) -> Any:
        return ref()


@pytest.fixture
def server():
    with Loopback() as one:
        yield one


@pytest.fixture
def task(tmp_path, server):
    options = {"name": "chat", "model": "m", "base_url": server.url}
    with open_grader(options) as grader:
        yield tmp_path / "v.sqlite", OwnPlace(str(tmp_path / "own")), options, grader


def left_by_a_killed_worker(task, items=ITEMS) -> str:
    """Grade as a worker does that dies before its report."""
    store, place, options, _ = task
    worker = Worker(options, EXAMPLES, 0, place)
    where = worker.ready()
    noted = Whereabouts(store)
    noted.add(where.store, where.host)
    noted.close()
    worker.grade(items)
    worker._opened.close()
    worker._own.close()
    return where.store


def gathering(task, *hosts: str) -> tuple[LocalRay, Gathering]:
    store, place, _, grader = task
    ray = LocalRay(*hosts)
    return ray, Gathering(ray, store, place, grader, EXAMPLES)


def here() -> str:
    return socket.gethostname()


def test_what_an_earlier_run_left_is_known_before_anything_is_asked(task, tmp_path):
    path = left_by_a_killed_worker(task, ITEMS[:2])
    _, run = gathering(task, here())
    with run:
        assert run.known(ITEMS[:2]).n_verdicts == 6
        partly = run.known(ITEMS[1:3])
        assert (partly.n_verdicts, len(partly.rows.verdicts)) == (None, 3)
        assert [row[1] for row in partly.rows.answers] == [ITEMS[1][1]]
        assert not run.known(ITEMS[3:]).rows
    assert run.left() == ()
    assert list((tmp_path / "own").iterdir()) == []
    assert not list_of(task[0]).exists(), path


def test_a_worker_is_told_what_others_have_asked(task, server):
    left_by_a_killed_worker(task, ITEMS[:2])
    n_before = server.n_requests
    _, run = gathering(task, here())
    store, place, options, _ = task
    with run:
        worker = Worker(options, EXAMPLES, 0, place)
        run.began(worker.ready())
        report = worker.grade(ITEMS, run.known(ITEMS).rows)
        run.merge(report.rows)
        assert sum(report.n_by_item) == 12
        assert len(report.rows.verdicts) == server.n_requests - n_before == 6
        assert run.known(ITEMS).n_verdicts == 12
        account = worker.close()
        assert not account.rows
        run.ended(worker._own.path.as_posix(), is_deleted=worker.forget(1))
    assert not list_of(store).exists()


def test_a_store_on_a_node_that_is_not_there_stays_on_the_list(task):
    path = left_by_a_killed_worker(task)
    _, run = gathering(task)
    with run:
        pass
    assert run.left() == (f"{here()}:{path} (its node is not there)",)
    _, later = gathering(task, here())
    with later:
        assert later.known(ITEMS).n_verdicts == 12


def test_a_store_is_looked_for_on_its_own_machine_or_where_no_machine_bears_the_name(task):
    left_by_a_killed_worker(task)
    ray, run = gathering(task, "other", here())
    asked = []
    ray.fails = asked.append
    with run:
        pass
    # one node: is it there, its rows, the end of them, delete it
    assert asked == ["present", "read_page", "read_page", "delete_merged"]
    assert run.left() == ()
    path = left_by_a_killed_worker(task)
    _, renamed = gathering(task, "new name")
    with renamed:
        pass
    assert renamed.left() == ()
    assert not Path(path).exists()


def test_a_store_that_cannot_be_read_is_named_and_does_not_end_the_run(task):
    path = left_by_a_killed_worker(task)
    Path(path).write_bytes(b"no database at all" * 100)
    _, run = gathering(task, here())
    with run:
        pass
    (line,) = run.left()
    assert line.startswith(f"{here()}:{path} (verdict store")
    assert Path(path).exists()


def test_a_node_that_dies_under_our_hands_is_asked_again_at_the_end(task):
    path = left_by_a_killed_worker(task)
    ray, run = gathering(task, here())
    ray.fails = lambda name: ray.exceptions.RayError("gone") if name == "read_page" else None
    with run:
        assert run.left() == (f"{here()}:{path} (its node is not there)",)
        ray.fails = lambda name: None
    assert run.left() == ()


def test_a_file_that_somebody_took_away_is_taken_off_the_list(task):
    path = left_by_a_killed_worker(task)
    Path(path).unlink()
    _, run = gathering(task, here())
    with run:
        pass
    assert run.left() == ()
    assert not list_of(task[0]).exists()


def test_a_run_that_is_broken_off_leaves_its_workers_stores_on_the_list(task):
    _, place, options, _ = task
    _, run = gathering(task, here())
    worker = Worker(options, EXAMPLES, 0, place)
    with pytest.raises(KeyboardInterrupt), run:
        run.began(worker.ready())
        raise KeyboardInterrupt
    worker.close()
    assert list_of(task[0]).exists()


def test_a_jury_is_known_by_what_its_members_said(task, server, tmp_path):
    member = {"name": "chat", "model": "m", "base_url": server.url}
    jury = {
        "name": "jury",
        "members": [member, {**member, "model": "n"}, {**member, "model": "o"}],
    }
    store, place, _, _ = task
    with open_grader(jury) as grader:
        run = Gathering(LocalRay(here()), store, place, grader, EXAMPLES)
        with run:
            first = Worker(jury, EXAMPLES, 0, place)
            run.began(first.ready())
            run.merge(first.grade(ITEMS[:2]).rows)
            first.close()
            n_before = server.n_requests
            # a jury's own verdict is in no store: it is made again, of what its members said
            known = run.known(ITEMS[:2])
            assert known.n_verdicts is None
            second = Worker(jury, EXAMPLES, 0, place)
            run.began(second.ready())
            report = second.grade(ITEMS[:2], known.rows)
            second.close()
        assert sum(report.n_by_item) == 6
        assert n_before == server.n_requests == 18


def test_a_worker_that_was_never_asked_leaves_no_file(task, tmp_path):
    _, place, options, _ = task
    _, run = gathering(task, here())
    with run:
        worker = Worker(options, EXAMPLES, 0, place)
        run.began(worker.ready())
        worker.close()
        assert worker.forget(0)
    # killed before the driver heard of its end: on the list, and nowhere else
    assert run.left() == ()
    assert not (tmp_path / "own").exists()


def test_a_store_whose_worker_lives_is_read_and_named(task):
    _, place, options, _ = task
    _, run = gathering(task, here())
    with run:
        worker = Worker(options, EXAMPLES, 0, place)
        run.began(worker.ready())
        worker.grade(ITEMS)  # and then it is not heard any more
    (line,) = run.left()
    assert line.endswith("(its worker is still at work)")
    worker.close()
    _, later = gathering(task, here())
    with later:
        assert later.known(ITEMS).n_verdicts == 12
    assert later.left() == ()
