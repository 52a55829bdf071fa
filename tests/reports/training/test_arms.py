from __future__ import annotations

import json
from pathlib import Path

import pytest
from training_kit import write_run

from rubricbeat.reports.training.arms import Arm, arm_pairs, arms_of
from rubricbeat.reports.training.runs import GOLD, TRAINING, read_training_runs


def arms_in(*paths: Path) -> list[Arm]:
    return arms_of(read_training_runs(paths))


def test_a_change_is_paired_by_prompt(tmp_path: Path) -> None:
    gold = {0: [0.0, 0.5, 1.0], 20: [0.5, 1.0, 1.5]}
    [arm] = arms_in(write_run(tmp_path / "a", gold=gold))
    change = arm.changes[GOLD]
    # every prompt rose by one half; three of them say nothing of others
    assert (change.over.mean, change.over.interval.low) == (0.5, None)
    assert change.over.interval.why == "n < 10: no interval"
    assert (change.first, change.last, change.over.n_prompts) == (0.5, 1.0, 3)


def test_runs_that_differ_in_the_seed_are_one_arm_and_others_are_not(tmp_path: Path) -> None:
    gold = {0: [0.0, 0.0], 20: [0.2, 0.4]}
    write_run(tmp_path / "r" / "a1", seed=1, gold=gold)
    write_run(tmp_path / "r" / "a2", seed=2, gold={0: [0.0, 0.0], 20: [0.4, 0.6]})
    write_run(tmp_path / "r" / "b1", seed=1, reward="binary", gold=gold)
    arms = arms_in(tmp_path / "r")
    assert [(arm.name, len(arm.runs)) for arm in arms] == [
        ("hybrid, scale group", 2),
        ("binary, scale group", 1),
    ]
    change = arms[0].changes[GOLD]
    # prompts .3 and .5, mean .4; runs .3 and .5, their sample deviation .2/sqrt(2)
    assert change.over.mean == pytest.approx(0.4)
    assert change.over.between_runs == pytest.approx(0.1 * 2**0.5)


def test_where_verdicts_are_kept_and_how_often_is_saved_makes_no_other_arm(tmp_path: Path) -> None:
    for seed in (1, 2):
        changed = {
            "gold": {"judge": {"name": "local", "store": f"{seed}.sqlite"}},
            "run": {"save_steps": seed},
        }
        write_run(tmp_path / f"a{seed}", seed=seed, changed=changed)
    assert [len(arm.runs) for arm in arms_in(tmp_path)] == [2]


def test_arms_of_one_reward_are_named_by_what_differs(tmp_path: Path) -> None:
    for name, rate in (("slow", 1e-5), ("fast", 1e-3)):
        write_run(tmp_path / name, changed={"grpo": {"learning_rate": rate}})
    assert {arm.name for arm in arms_in(tmp_path)} == {
        "hybrid, scale group (grpo.learning_rate 1e-05)",
        "hybrid, scale group (grpo.learning_rate 0.001)",
    }


def test_reliability_is_of_all_groups_at_once_and_pure_noise_has_none(tmp_path: Path) -> None:
    def set_variances(folder: Path, *by_step: tuple[int, float, float]) -> None:
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for line, (groups, policy, noise) in zip(lines, by_step, strict=False):
            line |= {"replicated_groups": groups, "policy_variance": policy}
            line |= {"judge_variance": noise, "reliability": max(0.0, policy) / (policy + noise)}
        text = "".join(json.dumps(line) + "\n" for line in lines[: len(by_step)])
        (folder / "metrics.jsonl").write_text(text, "utf-8")

    noisy = write_run(tmp_path / "noisy", n_steps=2)
    set_variances(noisy, (1, 0.3, 0.9), (3, -0.2, 1.0))
    assert [arm.reliability for arm in arms_in(noisy)] == [0.0]
    real = write_run(tmp_path / "real", n_steps=2)
    set_variances(real, (1, 0.6, 0.4), (3, 0.2, 0.6))
    # (1 x .6 + 3 x .2) of (1 x 1 + 3 x .8)
    assert arms_in(real)[0].reliability == pytest.approx(1.2 / 3.4)


def test_a_run_that_is_not_done_is_left_out_beside_one_that_is(tmp_path: Path) -> None:
    write_run(tmp_path / "a1", seed=1, gold={0: [0.0, 0.1], 20: [0.5, 0.6]})
    write_run(tmp_path / "a2", seed=2, gold={0: [0.0, 0.1], 10: [9.0, 9.0]}, state="outage")
    [arm] = arms_in(tmp_path)
    assert len(arm.runs) == 2 and arm.changes[GOLD].over.n_runs == 1
    assert arm.changes[GOLD].over.mean == pytest.approx(0.5)
    [alone] = arms_in(tmp_path / "a2")
    assert alone.changes[GOLD].over.n_runs == 1 and not alone.is_done


def test_judge_hacking_needs_a_sure_rise_and_a_sure_gap(tmp_path: Path) -> None:
    rising = {0: [0.1, 0.2, 0.1] * 4, 20: [0.9, 0.9, 0.8] * 4}
    falling = {0: [0.5] * 12, 20: [0.4] * 12}
    [arm] = arms_in(write_run(tmp_path / "hacked", gold=falling, training=rising))
    # the training judge saw +.8, +.7, +.7, the gold judge -.1 each
    assert arm.gap.mean == pytest.approx(2.2 / 3 + 0.1)
    assert arm.is_hacked
    # a gold judge that is all over the place proves nothing
    noisy = {0: [0.5] * 12, 20: [2.5, -0.5, 0.4] * 4}
    [unsure] = arms_in(write_run(tmp_path / "unsure", gold=noisy, training=rising))
    assert not unsure.is_hacked
    [learnt] = arms_in(write_run(tmp_path / "learnt", gold=rising, training=rising))
    assert not learnt.is_hacked


def test_a_missing_reward_leaves_its_prompt_out_and_counts_as_nothing(tmp_path: Path) -> None:
    gold = {0: [0.0, None], 20: [1.0, 1.0]}
    [arm] = arms_in(write_run(tmp_path / "a", gold=gold))  # type: ignore[arg-type]
    change = arm.changes[GOLD]
    assert (change.over.n_prompts, change.over.mean) == (1, 1.0)
    assert TRAINING not in arm.changes


def test_arms_are_compared_on_the_seeds_and_prompts_both_have(tmp_path: Path) -> None:
    # the seed lifts both arms alike: within a seed the difference is .1, give or take .001
    for seed, lift in ((1, 0.0), (2, 0.5), (3, -0.5)):
        for reward, gain in (("hybrid", 0.3), ("binary", 0.2)):
            bump = 0.001 if reward == "hybrid" else 0.0
            last = [gain + lift + i + bump * (-1) ** i for i in range(12)]
            gold = {0: [0.0] * 12, 20: last}
            write_run(tmp_path / f"{reward}{seed}", seed=seed, reward=reward, gold=gold)
    write_run(tmp_path / "hybrid9", seed=9, gold={0: [0.0] * 12, 20: [7.0] * 12})
    [pair] = arm_pairs(arms_in(tmp_path))
    assert (pair.this, pair.other) == ("hybrid, scale group", "binary, scale group")
    assert pair.over.n_runs == 3
    assert pair.over.mean == pytest.approx(0.1)
    assert pair.over.interval.low == pytest.approx(0.1, abs=2e-3)


def test_arms_without_a_common_seed_are_not_compared(tmp_path: Path) -> None:
    gold = {0: [0.0, 0.1], 20: [0.5, 0.6]}
    write_run(tmp_path / "a", seed=1, gold=gold)
    write_run(tmp_path / "b", seed=2, reward="binary", gold=gold)
    assert arm_pairs(arms_in(tmp_path)) == []


def test_groups_that_the_reward_lost_are_told_from_those_no_reward_could_save(
    tmp_path: Path,
) -> None:
    path = write_run(tmp_path / "a", n_steps=2)
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    counts = [{"groups": 4, "dead_reward": 1}, {"groups": 4, "dead_reward": 2}]
    merged = [json.dumps(line | count) for line, count in zip(lines, counts, strict=True)]
    (path / "metrics.jsonl").write_text("\n".join(merged) + "\n", encoding="utf-8")
    [arm] = arms_in(path)
    assert arm.lost_by_reward == 3 / 8
    [without] = arms_in(write_run(tmp_path / "b"))
    assert without.lost_by_reward is None
