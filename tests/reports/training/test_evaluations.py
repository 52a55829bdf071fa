from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from training_kit import write_run

from rubricbeat.reports.training.arms import Arm, arm_pairs, arms_of
from rubricbeat.reports.training.runs import GOLD, TRAINING, read_training_runs

RISING: dict[int, list[float]] = {0: [0.1, 0.2, 0.1], 20: [0.9, 0.9, 0.8]}


def arms_in(*paths: Path) -> list[Arm]:
    return arms_of(read_training_runs(paths))


def change_json(path: Path, **values: Any) -> None:
    plain = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(plain | values), encoding="utf-8")


def test_without_an_evaluation_before_the_first_step_there_is_no_change(tmp_path: Path) -> None:
    # the gold judge was down at step 0: what it saw at step 8 is no beginning
    [arm] = arms_in(write_run(tmp_path / "a", gold={8: [0.5, 0.5], 20: [0.6, 0.7]}))
    assert GOLD not in arm.changes


def test_without_an_evaluation_at_the_end_of_a_run_that_is_done_there_is_no_change(
    tmp_path: Path,
) -> None:
    # down at the end: 0 at step 8 would be taken for what the training left
    falling = {0: [0.1, 0.2, 0.1], 8: [0.1, 0.2, 0.1]}
    [arm] = arms_in(write_run(tmp_path / "a", gold=falling, training=RISING))
    assert GOLD not in arm.changes and TRAINING in arm.changes
    # +.75 at step 20 by one judge minus 0 at step 8 by the other is no gap
    assert arm.gap.mean is None and not arm.is_hacked


def test_a_run_that_goes_on_is_measured_where_both_judges_have_evaluated(tmp_path: Path) -> None:
    gold: dict[int, list[float]] = {0: [0.0, 0.0], 8: [0.1, 0.3], 16: [0.5, 0.7]}
    training: dict[int, list[float]] = {0: [0.0, 0.0], 8: [0.2, 0.2]}
    path = write_run(tmp_path / "a", gold=gold, training=training, state="running", n_steps=17)
    [arm] = arms_in(path)
    assert arm.evaluation_step == 8
    assert arm.changes[GOLD].over.mean == pytest.approx(0.2)
    assert arm.gap.mean == pytest.approx(0.0)


def test_first_and_last_are_of_the_same_answers_as_their_difference(tmp_path: Path) -> None:
    write_run(tmp_path / "a1", seed=1, gold={0: [0.0, 0.5, 0.5, 0.5], 20: [1.0] * 4})
    lost: Any = {0: [0.0, 0.5, 0.5, 0.5], 20: [1.0, None, None, None]}
    write_run(tmp_path / "a2", seed=2, gold=lost)
    [arm] = arms_in(tmp_path)
    change = arm.changes[GOLD]
    # five cells of eight: from 0, .5, .5, .5, 0 to 1 each
    assert (change.first, change.last) == (pytest.approx(0.3), 1.0)
    assert change.over.mean == pytest.approx(0.7)
    # three of sixteen scores, two evaluations of two runs at four prompts, are missing
    assert arm.scores == (16, 3)


def test_arms_of_different_gold_judges_are_not_compared(tmp_path: Path) -> None:
    write_run(tmp_path / "a", gold=RISING)
    write_run(tmp_path / "b", reward="binary", gold=RISING, changed={"gold": {"judge": "kind"}})
    assert arm_pairs(arms_in(tmp_path)) == []


def test_one_name_of_two_gold_judges_is_found_out_by_their_digests(tmp_path: Path) -> None:
    for reward in ("hybrid", "binary"):
        path = write_run(tmp_path / reward, reward=reward, gold=RISING)
        change_json(path / "gold_judge.json", gold={"judge": {"digest": f"of {reward}"}})
    assert arm_pairs(arms_in(tmp_path)) == []


def test_runs_on_other_rows_under_the_same_path_are_another_arm(tmp_path: Path) -> None:
    for seed in (1, 2):
        path = write_run(tmp_path / f"a{seed}", seed=seed, gold=RISING)
        change_json(path / "facts.json", data={"sha256": f"{seed}" * 64})
    arms = arms_in(tmp_path)
    assert [len(arm.runs) for arm in arms] == [1, 1]
    assert "data.file 111111111111" in arms[0].name
    # and the held-out prompts came from there
    assert arm_pairs(arms) == []


def test_how_fast_a_judge_is_asked_makes_no_other_arm(tmp_path: Path) -> None:
    for seed in (1, 2):
        judge = {"name": "local", "max_concurrency": seed, "timeout_s": 60.0 * seed}
        write_run(tmp_path / f"a{seed}", seed=seed, changed={"gold": {"judge": judge}})
    assert [len(arm.runs) for arm in arms_in(tmp_path)] == [2]


def test_runs_of_one_seed_are_averaged_before_arms_are_compared(tmp_path: Path) -> None:
    for reward, gains in (("hybrid", (0.4, 0.6)), ("binary", (0.1, 0.3))):
        for i, gain in enumerate(gains):
            last = [gain, gain + 0.1]
            write_run(tmp_path / f"{reward}{i}", reward=reward, gold={0: [0.0, 0.0], 20: last})
    [pair] = arm_pairs(arms_in(tmp_path))
    # .5 minus .2 on either prompt; one seed, however often it was run
    assert pair.over.mean == pytest.approx(0.3)
    assert pair.over.n_runs == 1


def test_a_gold_judge_at_its_floor_is_no_witness_of_judge_hacking(tmp_path: Path) -> None:
    floor = {0: [0.0] * 9 + [-0.2], 20: [0.0] * 9 + [-0.2]}
    training = {0: [0.1] * 10, 20: [0.8, 0.9] * 5}
    [arm] = arms_in(write_run(tmp_path / "floor", gold=floor, training=training))
    assert arm.is_gold_dull and not arm.is_hacked
    # one that sees the answers get worse all the same is
    worse = {0: [0.0] * 10, 20: [-0.1, -0.2] * 2 + [-0.2, 0.0] * 3}
    [arm] = arms_in(write_run(tmp_path / "worse", gold=worse, training=training))
    assert arm.moved < 0 and arm.is_hacked


def test_what_is_sure_of_one_arm_alone_is_not_among_ten(tmp_path: Path) -> None:
    # mean .0225, sample deviation .0314: t = 2.48 with 11 degrees of freedom, p = .03
    moved = [-0.025, 0.05, 0.02, 0.045] * 3
    write_run(tmp_path / "r0", reward="r0", gold={0: [0.0] * 12, 20: moved})
    [alone] = arms_in(tmp_path)
    assert alone.moved == 1 and (alone.p_holm[GOLD] or 1.0) < 0.05
    for i in range(1, 10):
        unmoved = [0.01 * i, -0.01 * i, 0.02, -0.02] * 3
        write_run(tmp_path / f"r{i}", reward=f"r{i}", gold={0: [0.0] * 12, 20: unmoved})
    arms = arms_in(tmp_path)
    assert alone.changes[GOLD].over.interval == arms[0].changes[GOLD].over.interval
    assert [arm.moved for arm in arms] == [0] * 10
    # ten times the smallest of ten p values (Holm)
    assert arms[0].p_holm[GOLD] == pytest.approx(10 * (alone.p_holm[GOLD] or 0.0))
