"""A process that dies or a disk that fails at any write: complete and right, or said to be not.

A real command grades against a real endpoint while one of its writing calls below its folder ends
the process, is done half, or fails. `RUBRICBEAT_FAULTS=5000` asks for more trials.
"""

from __future__ import annotations

import itertools
import random
import shutil
from pathlib import Path

import pytest
from faults.kit import ACTIONS, N_TRIALS, PARTS, SEED, Driver, Ended, Found, Place, is_said
from loopback import Loopback


@pytest.mark.parametrize("part", range(PARTS))
def test_a_fault_at_any_write_of_a_judge_run_leaves_truth_or_words(
    part: int,
    driver: Driver,
    server: Loopback,
    right: tuple[Found, Ended],
    tmp_path: Path,
) -> None:
    truth, whole = right
    for number in range(part, N_TRIALS, PARTS):
        draw = random.Random(SEED + number)
        name = draw.choice(sorted(ACTIONS))
        at = draw.randint(1, whole.n_calls + 2)
        place = Place(tmp_path / f"{number}", server)
        trial = f"trial {number}: {name} at call {at}"
        ended = driver.run(place.judge, place.path, ACTIONS[name], at)
        assert not list(place.leftovers()), trial
        if ended.code == 0:
            assert place.runs() == [truth], trial
        else:
            assert ended.code in {1, 2, -9}, (trial, ended)
            assert ended.code == -9 or is_said(ended), (trial, ended)
            assert all(found.is_true_to(truth) for found in place.runs()), trial
            again = driver.run(place.judge, place.path)
            assert again.code == 0, (trial, again)
            assert truth in place.runs(), trial
        if number % 10 == 0:  # and once more: everything that was paid for is in the store
            before = server.n_requests
            last = driver.run(place.judge, place.path)
            assert (last.code, server.n_requests - before) == (0, 0), (trial, last)
        shutil.rmtree(place.path)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_page_is_the_old_one_or_the_new_one_whatever_write_fails(
    action: str,
    driver: Driver,
    server: Loopback,
    right: tuple[Found, Ended],
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "p", server)
    assert driver.run(place.judge, place.path).code == 0
    place.page.write_text("the page before", encoding="utf-8")
    for at in itertools.count(1):
        ended = driver.run(place.compare, place.path, ACTIONS[action], at)
        page = place.page.read_text("utf-8")
        if ended.n_calls < at:  # past its last call: nothing failed
            assert ended.code == 0
            return
        assert page == "the page before" or page.rstrip().endswith("</html>"), (action, at)
        assert ended.code in {0, 1, 2, -9} and (ended.code <= 0 or is_said(ended)), (at, ended)
        place.page.write_text("the page before", encoding="utf-8")
