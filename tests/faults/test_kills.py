"""A kill at a random moment: complete and right, or incomplete; the next run mends it.

Moments are counted in library calls of any kind (a read, a lock, a wait, a piece of a reply), not
in seconds: a slow machine is killed in the same places as a fast one.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from faults.kit import ANYWHERE, N_TRIALS, PARTS, SEED, Driver, Ended, Found, Place
from loopback import Loopback


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_moment_leaves_truth_or_less(
    part: int,
    driver: Driver,
    server: Loopback,
    right: tuple[Found, Ended],
    tmp_path: Path,
) -> None:
    truth, whole = right
    for number in range(part, N_TRIALS // 5, PARTS):
        draw = random.Random(SEED + 1_000_000 + number)
        place = Place(tmp_path / f"{number}", server)
        # killed up to three times, most often after it has begun to ask
        for _ in range(draw.randint(1, 3)):
            at = draw.randint(draw.choice([1, *[whole.n_before] * 3]), whole.n_steps)
            trial = f"trial {number}: killed at call {at} of some {whole.n_steps}"
            ended = driver.run(place.judge, place.path, ANYWHERE, at)
            assert ended.code in {0, -9}, (trial, ended)
            assert not list(place.leftovers()), trial
            assert all(found.is_true_to(truth) for found in place.runs()), trial
        again = driver.run(place.judge, place.path)
        assert again.code == 0 and truth in place.runs(), (trial, again)
        before = server.n_requests
        last = driver.run(place.judge, place.path)
        assert (last.code, server.n_requests - before) == (0, 0), (trial, last)
        assert place.runs() == [truth], trial  # and the same run counts once
        shutil.rmtree(place.path)
