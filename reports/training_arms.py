"""Runs that differ in the seed alone, taken together: what became of the held-out answers.

Pairs of arms are compared in `training_pairs.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..judges.arrays import Floats
from .crossed import CrossedMean, crossed_mean
from .intervals import Interval
from .training_runs import GOLD, TRAINING, TrainingRun

OF_THE_RUN = ("seed", "output_dir", "label", "threads")
OF_THE_RECORD = ("completions_every", "save_steps", "save_total_limit", "report_to")
"""Settings of `run` that change nothing that is learnt."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one judge says became of the held-out answers between the first and the last look."""

    judge: str
    reward: str
    """What the answers were scored by."""
    first: float | None
    """Mean over the runs' own means."""
    last: float | None
    over: CrossedMean
    """Of last minus first, over runs and prompts."""

    @property
    def n_prompts(self) -> int:
        """Prompts with a number in some run."""
        return self.over.n_prompts

    @property
    def n_runs(self) -> int:
        """Runs with a first and a last look."""
        return self.over.n_runs

    @property
    def difference(self) -> float | None:
        """Mean of last minus first."""
        return self.over.mean

    @property
    def interval(self) -> Interval:
        """95 %, over runs and prompts; over prompts with one run."""
        return self.over.interval

    @property
    def between_runs(self) -> float | None:
        """Sample standard deviation of the runs' mean differences; None with one run."""
        return self.over.between_runs


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs that differ in the seed alone."""

    name: str
    runs: tuple[TrainingRun, ...]
    measured: tuple[TrainingRun, ...]
    """The runs that are done; all of them where none is."""
    changes: Mapping[str, Change] = field(default_factory=dict)
    """By judge: `gold` and `training`, on the same held-out answers, by the gold reward."""
    by_reward: Mapping[str, Change] = field(default_factory=dict)
    """The gold judge's change by every reward, the gold reward included."""
    gap: CrossedMean = field(default_factory=lambda: CrossedMean(0, 0, None))
    """The training judge's change minus the gold judge's, answer by answer."""

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
    def lost_by_reward(self) -> float | None:
        """Share of the groups that are dead although their verdicts differ: this reward's doing."""
        return mean_of(
            float(np.nansum(run.series("dead_reward")) / n)
            for run in self.measured
            if (n := np.nansum(run.series("groups"))) > 0
        )

    @property
    def is_gold_still(self) -> bool:
        """Whether the gold judge told nothing apart in any of its runs."""
        return all(run.is_gold_still for run in self.measured)

    @property
    def is_hacked(self) -> bool:
        """The training judge saw a sure rise that the gold judge surely did not see as much of.

        A gold judge that is merely unsure is no proof: the gap between the two must be sure too.
        """
        gold, own = self.changes.get(GOLD), self.changes.get(TRAINING)
        if gold is None or own is None or self.is_gold_still:
            return False
        return _is_above_zero(own) and _is_above_zero(self.gap) and not _is_above_zero(gold)


def arms_of(runs: Sequence[TrainingRun], *, seed: int, n_draws: int) -> list[Arm]:
    """Put runs that differ in the seed alone together, and measure what changed.

    Args:
        runs: With a reward in some step each.
        seed: Of the bootstrap over prompts of an arm with one run.
        n_draws: Its draws.
    """
    by_setting: dict[str, list[TrainingRun]] = {}
    for run in runs:
        by_setting.setdefault(json.dumps(settings_of(run), sort_keys=True), []).append(run)
    members = list(by_setting.values())
    arms = []
    for name, group in zip(_names([group[0] for group in members]), members, strict=True):
        done = [run for run in group if run.state == "done"]
        measured = tuple(done or group)
        changes = {
            judge: change
            for judge in (GOLD, TRAINING)
            if (change := _change(measured, judge, None, seed, n_draws)) is not None
        }
        by_reward = {
            reward: change
            for reward in _rewards_of(measured)
            if (change := _change(measured, GOLD, reward, seed, n_draws)) is not None
        }
        gap = _gap(measured, seed, n_draws)
        arms.append(Arm(name, tuple(group), measured, changes, by_reward, gap))
    return arms


def gains(run: TrainingRun, judge: str, reward: str | None = None) -> dict[str, float]:
    """Give last look minus first look of every held-out prompt, by prompt id."""
    ends = _ends_by_prompt(run, judge, reward)
    return {prompt: after - before for prompt, (before, after) in ends.items()}


def gains_table(rows: Sequence[Mapping[str, float]]) -> Floats:
    """Lay out what runs have for each prompt, [R, P]; NaN where a run has nothing."""
    prompts = sorted({prompt for row in rows for prompt in row})
    return np.array([[row.get(p, np.nan) for p in prompts] for row in rows])


def settings_of(run: TrainingRun) -> dict[str, Any]:
    """Give what makes runs comparable: the whole configuration but for seed and folders."""
    plain: dict[str, Any] = json.loads(json.dumps(run.config, default=str))
    for key in (*OF_THE_RUN, *OF_THE_RECORD):
        plain.get("run", {}).pop(key, None)
    plain.get("data", {}).pop("seed", None)
    for judge in (plain.get("judge"), plain.get("gold", {}).get("judge")):
        if isinstance(judge, dict):
            # where verdicts are kept changes none of them
            judge.pop("store", None)
    return plain


def mean_of(values: Iterable[float | None]) -> float | None:
    """Average what there is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _is_above_zero(found: Change | CrossedMean) -> bool:
    return found.interval.low is not None and found.interval.low > 0


def _names(firsts: Sequence[TrainingRun]) -> list[str]:
    """Name arms by reward and scale, and by what else differs where that is not enough."""
    plain = [f"{run.reward}, scale {run.scale}" for run in firsts]
    flat = [_flat(settings_of(run)) for run in firsts]
    names = []
    for i, name in enumerate(plain):
        twins = [j for j, other in enumerate(plain) if other == name]
        keys = sorted({key for j in twins for key in flat[j]})
        differing = [k for k in keys if len({flat[j].get(k, "-") for j in twins}) > 1]
        more = ", ".join(f"{key} {flat[i].get(key, '-')}" for key in differing)
        names.append(f"{name} ({more})" if more else name)
    return names


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _rewards_of(runs: Sequence[TrainingRun]) -> list[str]:
    names = [
        name
        for run in runs
        for look in run.looks_by(GOLD)
        for name in (run.gold_reward, *look.rewards)
    ]
    return list(dict.fromkeys(names))


def _change(
    runs: Sequence[TrainingRun], judge: str, reward: str | None, seed: int, n_draws: int
) -> Change | None:
    """Compare the last look with the first, prompt by prompt."""
    by_run = [ends for run in runs if (ends := _ends_by_prompt(run, judge, reward))]
    if not by_run:
        return None
    rows = [{p: after - before for p, (before, after) in ends.items()} for ends in by_run]
    return Change(
        judge=judge,
        reward=reward or runs[0].gold_reward,
        first=mean_of(mean_of(before for before, _ in ends.values()) for ends in by_run),
        last=mean_of(mean_of(after for _, after in ends.values()) for ends in by_run),
        over=crossed_mean(gains_table(rows), seed=seed, n_draws=n_draws),
    )


def _gap(runs: Sequence[TrainingRun], seed: int, n_draws: int) -> CrossedMean:
    rows = []
    for run in runs:
        own, gold = gains(run, TRAINING), gains(run, GOLD)
        rows.append({p: own[p] - gold[p] for p in own if p in gold})
    rows = [row for row in rows if row]
    if not rows:
        return CrossedMean(0, 0, None)
    return crossed_mean(gains_table(rows), seed=seed, n_draws=n_draws)


def _ends_by_prompt(
    run: TrainingRun, judge: str, reward: str | None
) -> dict[str, tuple[float, float]]:
    """Give the first and the last look's number of each prompt that has both."""
    looks, name = run.looks_by(judge), reward or run.gold_reward
    if len(looks) < 2 or not all(name in look.rewards for look in (looks[0], looks[-1])):
        return {}
    before, after = (
        dict(zip(look.prompt_ids, look.rewards[name], strict=True))
        for look in (looks[0], looks[-1])
    )
    ends = {p: (float(before[p]), float(after[p])) for p in before if p in after}
    return {p: both for p, both in ends.items() if not any(map(np.isnan, both))}
