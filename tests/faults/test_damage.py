"""A damaged byte anywhere in the store: noticed and said, or without any effect."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from faults.kit import N_TRIALS, PARTS, SEED, Driver, Ended, Found, Place, is_said
from loopback import Loopback


@pytest.mark.parametrize("part", range(PARTS))
def test_a_damaged_byte_anywhere_in_the_store_is_noticed_or_harmless(
    part: int,
    driver: Driver,
    server: Loopback,
    right: tuple[Found, Ended],
    tmp_path: Path,
) -> None:
    truth, _ = right
    whole = Place(tmp_path / "whole", server)
    assert driver.run(whole.judge, whole.path).code == 0
    size = whole.store.stat().st_size
    kept = whole.store.read_bytes()
    for number in range(part, N_TRIALS // 2, PARTS):
        draw = random.Random(SEED - 1 - number)
        spot, flip = draw.randrange(size), 1 << draw.randrange(8)
        trial = f"trial {number}: byte {spot} of {size} by {flip:#x}"
        place = Place(tmp_path / f"{number}", server)
        place.store.write_bytes(kept[:spot] + bytes([kept[spot] ^ flip]) + kept[spot + 1 :])
        ended = driver.run(place.judge, place.path)
        if ended.code == 0:
            assert place.runs() == [truth], trial
        else:
            assert ended.code in {1, 2} and is_said(ended), (trial, ended)
            assert all(found.is_true_to(truth) for found in place.runs()), trial
        shutil.rmtree(place.path)
