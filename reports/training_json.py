"""The numbers of a page of training runs, for other programs."""

from __future__ import annotations

from typing import Any

from .crossed import CrossedMean
from .training_arms import Arm, Change
from .training_facts import common_facts, run_facts
from .training_page import TrainingReport

ARM_NUMBERS = ("dead_frac", "group_std", "judge_share", "step_s")


def training_json(report: TrainingReport) -> dict[str, Any]:
    """Lay out runs, arms and pairs; what is not known is null."""
    return {
        "headline": report.headline,
        "notes": list(report.notes),
        "facts": dict(common_facts(report.runs)),
        "runs": [run_facts(run) | {"folder": str(run.path)} for run in report.runs],
        "arms": [_arm(arm) for arm in report.arms],
        "pairs": [
            {"this": pair.this, "other": pair.other, **_over(pair.over), "p_holm": pair.p_holm}
            for pair in report.pairs
        ],
    }


def _arm(arm: Arm) -> dict[str, Any]:
    first, last = arm.ends
    return {
        "name": arm.name,
        "runs": [run.name for run in arm.runs],
        "measured": [run.name for run in arm.measured],
        "steps": arm.last_step,
        "look_step": arm.look_step,
        "is_done": arm.is_done,
        "reward_first": first,
        "reward_last": last,
        **{key: arm.mean(key) for key in ARM_NUMBERS},
        "reliability": arm.reliability,
        "lost_by_reward": arm.lost_by_reward,
        "chars_last": arm.last("chars"),
        "held_out": {judge: _change(change) for judge, change in arm.changes.items()},
        "gold_by_reward": {name: _change(change) for name, change in arm.by_reward.items()},
        "gap": _over(arm.gap),
        "p_holm": dict(arm.p_holm),
        "moved": arm.moved,
        "is_hacked": arm.is_hacked,
        "is_gold_dull": arm.is_gold_dull,
        "scores_asked": arm.scores[0],
        "scores_missing": arm.scores[1],
    }


def _change(change: Change) -> dict[str, Any]:
    ends = {"reward": change.reward, "first": change.first, "last": change.last}
    return {**ends, **_over(change.over)}


def _over(found: CrossedMean) -> dict[str, Any]:
    return {
        "difference": found.mean,
        "interval": found.interval.to_json(),
        "p": found.p_value,
        "n_runs": found.n_runs,
        "n_prompts": found.n_prompts,
        "between_runs": found.between_runs,
    }
