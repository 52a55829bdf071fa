"""The list of workers' stores outlives every crash, and goes with its last entry."""

from __future__ import annotations

import fcntl

import pytest

from rubricbeat.harness.distributed.whereabouts import Whereabouts, list_of
from rubricbeat.judges.errors import ConfigError, StoreError


@pytest.fixture
def store(tmp_path):
    return tmp_path / "v.sqlite"


def test_what_is_not_merged_is_on_the_list_of_the_next_run(store):
    first = Whereabouts(store)
    first.add("/a.sqlite", "one")
    first.add("/b.sqlite", "two")
    first.remove("/a.sqlite")
    first.close()
    again = Whereabouts(store)
    assert again.host_by_path() == {"/b.sqlite": "two"}
    again.remove("/b.sqlite")
    again.close()
    assert not list_of(store).exists()


def test_a_line_that_a_crash_cut_off_is_passed_over(store):
    first = Whereabouts(store)
    first.add("/a.sqlite", "one")
    first.close()
    with list_of(store).open("a") as file:
        file.write('{"made": "/b.sq')
    again = Whereabouts(store)
    assert again.host_by_path() == {"/a.sqlite": "one"}
    again.add("/c.sqlite", "three")
    again.close()
    last = Whereabouts(store)
    assert last.host_by_path() == {"/a.sqlite": "one", "/c.sqlite": "three"}
    last.close()


def test_two_runs_do_not_fill_one_store_at_once(store):
    first = Whereabouts(store)
    with pytest.raises(ConfigError, match="another run"):
        Whereabouts(store)
    first.close()
    Whereabouts(store).close()


def test_a_list_that_the_run_before_deletes_while_it_is_opened_is_begun_anew(store, monkeypatch):
    first, really = Whereabouts(store), fcntl.flock

    def late(file: int, how: int) -> None:
        if list_of(store).exists() and not late.is_over:  # opened already, not locked yet
            late.is_over = True
            first.close()
        really(file, how)

    late.is_over = False
    monkeypatch.setattr(fcntl, "flock", late)
    second = Whereabouts(store)
    second.add("/a.sqlite", "one")
    assert "/a.sqlite" in list_of(store).read_text()
    with pytest.raises(ConfigError, match="another run"):
        Whereabouts(store)
    second.close()


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match="No such file"):
        Whereabouts(tmp_path / "nowhere" / "v.sqlite")
