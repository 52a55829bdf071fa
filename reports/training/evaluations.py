"""What became of each held-out prompt of one run, and which runs' evaluations can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...judges.engine.options import CHANGES_VERDICTS, RuntimeOptions
from ...judges.scoring.crossed import CrossedMean, crossed_mean
from ...judges.scoring.rubric_arrays import Floats
from .runs import GOLD, Evaluation, TrainingRun

SPEED_ONLY = frozenset(RuntimeOptions.names()) - CHANGES_VERDICTS
"""Options of a judge that say how fast and how far it may be asked, and not what it answers."""


def ends_of(run: TrainingRun, judge: str) -> tuple[Evaluation, Evaluation] | None:
    """Give a judge's evaluation before the first step and its final one; None where one is missing.

    A judge that gave nothing at step 0 has nothing to compare with, and one that gave nothing at
    the end did not see what the training left.
    """
    at = {evaluation.step: evaluation for evaluation in run.evaluations_by(judge)}
    end = run.end_step
    return (at[0], at[end]) if end > 0 and 0 in at and end in at else None


def ends_by_prompt(
    run: TrainingRun, judge: str, reward: str | None = None
) -> dict[str, tuple[float, float]]:
    """Give the initial and the final number of each prompt that has both."""
    ends, name = ends_of(run, judge), reward or run.gold_reward
    if ends is None or not all(name in evaluation.rewards for evaluation in ends):
        return {}
    before, after = (dict(zip(x.prompt_ids, x.rewards[name], strict=True)) for x in ends)
    paired = {p: (float(before[p]), float(after[p])) for p in before if p in after}
    return {p: both for p, both in paired.items() if not any(map(np.isnan, both))}


def gains(run: TrainingRun, judge: str) -> dict[str, float]:
    """Give final minus initial score of every held-out prompt, by prompt id."""
    ends = ends_by_prompt(run, judge)
    return {prompt: after - before for prompt, (before, after) in ends.items()}


def mean_over(rows: Sequence[Mapping[str, float]]) -> CrossedMean:
    """Average what runs have for each prompt, a row a run, over runs and prompts."""
    prompts = sorted({prompt for row in rows for prompt in row})
    table = [[row.get(p, np.nan) for p in prompts] for row in rows]
    return crossed_mean(np.array(table, dtype=np.float64).reshape(len(rows), len(prompts)))


def change_curve(run: TrainingRun, judge: str) -> tuple[Floats, Floats]:
    """Give the steps of a judge's evaluations and the mean change since step 0 at each.

    Prompt by prompt, as in the table: a prompt without a score at one step is excluded there.
    """
    evaluations = run.evaluations_by(judge)
    name = run.gold_reward
    if not evaluations or evaluations[0].step != 0 or name not in evaluations[0].rewards:
        return np.empty(0), np.empty(0)
    before = dict(zip(evaluations[0].prompt_ids, evaluations[0].rewards[name], strict=True))
    steps, means = [], []
    for evaluation in evaluations:
        after = dict(zip(evaluation.prompt_ids, evaluation.rewards.get(name, ()), strict=False))
        changes = np.array([after[p] - before[p] for p in before if p in after])
        changes = changes[~np.isnan(changes)]
        steps.append(float(evaluation.step))
        means.append(float(changes.mean()) if changes.size else np.nan)
    return np.array(steps), np.array(means)


def count_scores(runs: Sequence[TrainingRun]) -> tuple[int, int]:
    """Count the gold judge's scores at either end, and those of them that are missing."""
    ends = [(run, evaluation) for run in runs for evaluation in ends_of(run, GOLD) or ()]
    asked = sum(len(evaluation.prompt_ids) for _, evaluation in ends)
    scored = [evaluation.rewards.get(run.gold_reward, np.empty(0)) for run, evaluation in ends]
    return asked, asked - sum(int((~np.isnan(values)).sum()) for values in scored)


def commonest_score(runs: Sequence[TrainingRun]) -> tuple[float, float] | None:
    """Give the gold judge's commonest score over all evaluations, and the share that got it."""
    every = np.concatenate([np.empty(0), *(table for run in runs for table in run.gold_scores())])
    if not every.size:
        return None
    scores, counts = np.unique(every, return_counts=True)
    return float(scores[counts.argmax()]), float(counts.max() / every.size)


def judged_by(judge: object) -> object:
    """Give what of a judge's options decides its verdicts; a name alone is written as a name."""
    if not isinstance(judge, Mapping):
        return judge
    kept = {key: value for key, value in judge.items() if key not in SPEED_ONLY}
    return kept["name"] if set(kept) == {"name"} else kept


def held_out_data(run: TrainingRun) -> str | None:
    """Give the hash of the file the held-out prompts came from; None where it is not recorded."""
    found = run.fact("data", "held_out_sha256") or run.fact("data", "sha256")
    return None if found is None else str(found)


def difference_in_kind(this: TrainingRun, other: TrainingRun) -> str | None:
    """Say why the held-out scores of two runs mean different things; None where they do not."""
    if this.gold_reward != other.gold_reward:
        return f"scored by {this.gold_reward} and by {other.gold_reward}"
    options = [judged_by(run.asked("gold", "judge")) for run in (this, other)]
    digests = {str(run.gold_ledger.get("digest") or "") for run in (this, other)} - {""}
    if options[0] != options[1] or len(digests) > 1:
        return "judged by different gold judges"
    if len({held_out_data(this), held_out_data(other)} - {None}) > 1:
        return "held-out prompts from different files"
    return None
