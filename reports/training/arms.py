"""Runs that differ in the seed alone, taken together: what became of the held-out answers.

Arms are then set against each other, seed by seed and prompt by prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from ...judges.scoring.crossed import CrossedMean
from ..comparison.paired import ALPHA, holm
from .evaluations import (
    commonest_score,
    count_scores,
    difference_in_kind,
    ends_by_prompt,
    gains,
    held_out_data,
    judged_by,
    mean_over,
)
from .runs import GOLD, TRAINING, TrainingRun

OF_THE_RUN = ("seed", "output_dir", "label", "threads")
OF_THE_RECORD = ("completions_every", "save_steps", "save_total_limit", "report_to")
"""Settings of `run` that do not affect training."""
GAP = "gap"
MOSTLY_STILL = 0.75
"""Share of equal scores from which a held-out judge is said to discriminate poorly; ours."""


def settings_of(run: TrainingRun) -> dict[str, object]:
    """Give what makes runs one arm: the configuration but for seed and folders, and the data.

    Runs whose configuration is not known are not taken for repeats of each other.
    """
    if not run.config:
        return {"folder": str(run.path)}
    plain: dict[str, Any] = json.loads(json.dumps(run.config, default=str))
    for key in (*OF_THE_RUN, *OF_THE_RECORD):
        plain.get("run", {}).pop(key, None)
    plain.get("data", {}).pop("seed", None)
    # where verdicts are kept and how fast they are asked for changes none of them
    plain["judge"] = judged_by(plain.get("judge"))
    if "gold" in plain:
        plain["gold"]["judge"] = judged_by(plain["gold"].get("judge"))
    # one path may hold other rows tomorrow
    hashes = {"file": run.fact("data", "sha256"), "held_out_file": held_out_data(run)}
    known = {key: str(value)[:12] for key, value in hashes.items() if value is not None}
    return {**plain, "data": {**plain.get("data", {}), **known}}


def arm_names(firsts: Sequence[TrainingRun]) -> list[str]:
    """Name arms by reward and scale, and by what else differs where that is not enough."""
    plain = [run.setting for run in firsts]
    flat = [_flat(settings_of(run)) for run in firsts]
    names = []
    for i, name in enumerate(plain):
        twins = [j for j, other in enumerate(plain) if other == name]
        keys = sorted({key for j in twins for key in flat[j]})
        differing = [k for k in keys if len({flat[j].get(k, "-") for j in twins}) > 1]
        more = ", ".join(f"{key} {flat[i].get(key, '-')}" for key in differing)
        names.append(f"{name} ({more})" if more else name)
    return names


def _flat(settings: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


@dataclass(frozen=True, slots=True)
class HeldOutChange:
    """Change of the held-out answers between two evaluations, by one judge."""

    judge: str
    reward: str
    """What the answers were scored by."""
    first: float | None
    """Mean over the same runs and prompts as the difference."""
    last: float | None
    over: CrossedMean
    """Of last minus first, over runs and prompts; over prompts with one run."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs that differ in the seed alone."""

    name: str
    runs: tuple[TrainingRun, ...]
    measured: tuple[TrainingRun, ...]
    """The runs that are done; all of them where none is."""
    changes: Mapping[str, HeldOutChange] = field(default_factory=dict)
    """By judge: `gold` and `training`, on the same held-out answers, by the gold reward."""
    by_reward: Mapping[str, HeldOutChange] = field(default_factory=dict)
    """The gold judge's change by every reward, the gold reward included."""
    gap: CrossedMean = field(default_factory=lambda: CrossedMean(0, 0, None))
    """The training judge's change minus the gold judge's, answer by answer."""
    p_holm: Mapping[str, float | None] = field(default_factory=dict)
    """Of `gold`, `training` and `gap`, each corrected over the arms of the page."""
    is_gold_dull: bool = False
    """Whether this arm's gold judge gave most held-out answers of the page one and the same score.

    At its floor or ceiling a judge sees little of what changes: its flat line proves nothing.
    """

    @property
    def is_done(self) -> bool:
        """Whether some run of it came to its end."""
        return any(run.state == "done" for run in self.runs)

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """Of the runs that are measured."""
        return tuple(run.seed for run in self.measured)

    @property
    def last_step(self) -> int:
        """Of the runs that are measured, the earliest last step."""
        return min(int(run.steps[-1]["step"]) for run in self.measured)

    @property
    def evaluation_step(self) -> int:
        """Step of the final evaluation that counts, the earliest of its runs."""
        return min(run.end_step for run in self.measured)

    @property
    def scores(self) -> tuple[int, int]:
        """The gold judge's scores at either end: asked, and missing of them."""
        return count_scores(self.measured)

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The trained reward at the first and at the last steps, mean over the runs."""
        first, last = zip(*(run.ends("reward") for run in self.measured), strict=True)
        return mean_of(first), mean_of(last)

    def mean(self, key: str) -> float | None:
        """Average one number of metrics.jsonl over the steps of each run, then over the runs."""
        return mean_of(run.mean(key) for run in self.measured)

    def last(self, key: str) -> float | None:
        """Average one number over the last steps of each run, then over the runs."""
        return mean_of(run.ends(key)[1] for run in self.measured)

    @property
    def reliability(self) -> float | None:
        """Share of the spread within groups that a second verdict confirms, of all groups at once.

        The policy's variance is cut off at 0 once, for the whole: an average of steps each cut off
        at 0 finds reliability in pure noise.
        """
        parts = [_variances(run) for run in self.measured]
        policy, noise = (sum(part[at] for part in parts) for at in (0, 1))
        return max(0.0, policy) / (policy + noise) if policy + noise > 0 else None

    @property
    def lost_by_reward(self) -> float | None:
        """Share of the groups that are dead although their verdicts differ: this reward's doing."""
        return mean_of(
            float(np.nansum(run.series("dead_reward")) / n)
            for run in self.measured
            if (n := np.nansum(run.series("groups"))) > 0
        )

    @property
    def is_gold_still(self) -> bool:
        """Whether the gold judge gave constant scores in all of its runs."""
        return all(run.is_gold_still for run in self.measured)

    @property
    def moved(self) -> int:
        """1 where the gold judge's score rose significantly, -1 where it fell so, else 0."""
        return self.direction(GOLD)

    @property
    def is_hacked(self) -> bool:
        """The training judge saw a significant rise, and the gold judge significantly less of it.

        A gold judge that is merely unsure is no proof: the gap between the two must be sure too.
        Nor is one that discriminates poorly, unless it saw the answers get worse.
        """
        is_blind = self.is_gold_still or (self.is_gold_dull and self.moved >= 0)
        parted = self.direction(TRAINING) > 0 and self.direction(GAP) > 0
        return GOLD in self.changes and not is_blind and parted and self.moved <= 0

    def tested(self, name: str) -> CrossedMean | None:
        """Give what `gold`, `training` or `gap` was measured as."""
        if name == GAP:
            return self.gap
        change = self.changes.get(name)
        return None if change is None else change.over

    def direction(self, name: str) -> int:
        """Say which way a number went significantly: by its interval, and after the correction."""
        over = self.tested(name)
        if over is None or over.mean is None or not over.interval.excludes_zero:
            return 0
        p = self.p_holm.get(name)
        # no p: equal numbers everywhere, which have no spread to test by
        return int(np.sign(over.mean)) if p is None or p < ALPHA else 0


def arms_of(runs: Sequence[TrainingRun]) -> list[Arm]:
    """Put runs that differ in the seed alone together, and measure what changed.

    Args:
        runs: With a reward in some step each.
    """
    by_setting: dict[str, list[TrainingRun]] = {}
    for run in runs:
        by_setting.setdefault(json.dumps(settings_of(run), sort_keys=True), []).append(run)
    members = list(by_setting.values())
    arms = []
    for name, group in zip(arm_names([group[0] for group in members]), members, strict=True):
        done = [run for run in group if run.state == "done"]
        measured = tuple(done or group)
        changes = {
            judge: change
            for judge in (GOLD, TRAINING)
            if (change := _change(measured, judge, None)) is not None
        }
        by_reward = {
            reward: change
            for reward in _rewards_of(measured)
            if (change := _change(measured, GOLD, reward)) is not None
        }
        gap = _gap(measured)
        arms.append(Arm(name, tuple(group), measured, changes, by_reward, gap))
    return _corrected(arms)


def _variances(run: TrainingRun) -> tuple[float, float]:
    """Sum the policy's and the judge's variance over the groups that were judged twice."""
    weights = np.nan_to_num(run.series("replicated_groups"))
    policy, noise = (run.series(f"{whose}_variance") for whose in ("policy", "judge"))
    return float(np.nansum(weights * policy)), float(np.nansum(weights * noise))


def mean_of(values: Iterable[float | None]) -> float | None:
    """Average what there is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _corrected(arms: Sequence[Arm]) -> list[Arm]:
    """Correct what is tested of every arm over all arms: one in twenty is significant by chance."""
    found: list[dict[str, float | None]] = [{} for _ in arms]
    for name in (GOLD, TRAINING, GAP):
        tested = [arm.tested(name) for arm in arms]
        p_values = holm([None if over is None else over.p_value for over in tested])
        for of_arm, p in zip(found, p_values, strict=True):
            of_arm[name] = p
    return [
        replace(arm, p_holm=of_arm, is_gold_dull=_is_dull(arm, arms))
        for arm, of_arm in zip(arms, found, strict=True)
    ]


def _is_dull(arm: Arm, arms: Sequence[Arm]) -> bool:
    """Judge the gold judge by all answers it saw, not by those of one arm."""
    runs = [run for other in arms for run in other.measured]
    alike = [run for run in runs if difference_in_kind(arm.measured[0], run) is None]
    found = commonest_score(alike)
    return found is not None and found[1] >= MOSTLY_STILL


def _rewards_of(runs: Sequence[TrainingRun]) -> list[str]:
    names = [
        name
        for run in runs
        for evaluation in run.evaluations_by(GOLD)
        for name in (run.gold_reward, *evaluation.rewards)
    ]
    return list(dict.fromkeys(names))


def _change(runs: Sequence[TrainingRun], judge: str, reward: str | None) -> HeldOutChange | None:
    """Compare the final evaluation with the initial one, prompt by prompt."""
    by_run = [ends for run in runs if (ends := ends_by_prompt(run, judge, reward))]
    if not by_run:
        return None
    return HeldOutChange(
        judge=judge,
        reward=reward or runs[0].gold_reward,
        first=mean_of(before for ends in by_run for before, _ in ends.values()),
        last=mean_of(after for ends in by_run for _, after in ends.values()),
        over=mean_over(
            [{p: after - before for p, (before, after) in ends.items()} for ends in by_run]
        ),
    )


def _gap(runs: Sequence[TrainingRun]) -> CrossedMean:
    both = [(gains(run, TRAINING), gains(run, GOLD)) for run in runs]
    return mean_over([{p: own[p] - gold[p] for p in own if p in gold} for own, gold in both])


@dataclass(frozen=True, slots=True)
class ArmPair:
    """The held-out gain of one arm minus that of another, by the gold judge."""

    this: str
    other: str
    over: CrossedMean
    """Over the seeds both arms have and the prompts evaluated in both."""
    p_holm: float | None
    """Corrected over all pairs of the page."""

    @property
    def is_sure(self) -> bool:
        """Whether the difference is significant after the correction."""
        return self.p_holm is not None and self.p_holm < 0.05


def arm_pairs(arms: Sequence[Arm]) -> list[ArmPair]:
    """Compare every pair of arms that are done and share a seed, the better one first.

    Two runs of one seed start from the same weights and ask the same prompts in the same order, so
    what the seed does to both cancels.

    Args:
        arms: Of one page.
    """
    ready = sorted(
        (arm for arm in arms if GOLD in arm.changes and arm.is_done),
        key=lambda arm: -(arm.changes[GOLD].over.mean or 0.0),
    )
    found = []
    for this, other in combinations(ready, 2):
        if difference_of_kind((this, other)) is not None:
            continue
        over = _difference(this, other)
        if over.n_runs:
            found.append((this.name, other.name, over))
    corrected = holm([over.p_value for _, _, over in found])
    return [
        ArmPair(this, other, over, p)
        for (this, other, over), p in zip(found, corrected, strict=True)
    ]


def difference_of_kind(arms: Sequence[Arm]) -> str | None:
    """Say why the held-out scores of some arms mean different things; None where they do not."""
    runs = [run for arm in arms for run in arm.measured]
    for this, other in combinations(runs, 2):
        if (why := difference_in_kind(this, other)) is not None:
            return why
    return None


def _difference(this: Arm, other: Arm) -> CrossedMean:
    mine, its = _gains_by_seed(this), _gains_by_seed(other)
    shared = [(mine[seed], its[seed]) for seed in mine if seed in its]
    return mean_over([{p: one[p] - two[p] for p in one if p in two} for one, two in shared])


def _gains_by_seed(arm: Arm) -> dict[int, dict[str, float]]:
    """Give each seed's gains; runs of one seed are averaged, and one without a seed has no twin."""
    found: dict[int, list[dict[str, float]]] = {}
    for run in arm.measured:
        if run.seed is not None:
            found.setdefault(run.seed, []).append(gains(run, GOLD))
    means = {}
    for key, rows in found.items():
        prompts = dict.fromkeys(prompt for row in rows for prompt in row)
        averaged = {p: mean_of(row[p] for row in rows if p in row) for p in prompts}
        means[key] = {p: mean for p, mean in averaged.items() if mean is not None}
    return means
