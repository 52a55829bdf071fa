"""How many answers, verdicts and prompts a target needs, and what they cost in judge calls.

From a pilot, for one reward. Two targets can be set:

* fidelity: the correlation of an advantage (centred, unscaled) with the true one, which a group
  without end and a judge without noise would give. With G answers of a prompt and k verdicts of a
  criterion it is sqrt((1 - 1/G) ICC_k) (ours; the factor is the error of the group's own mean);
* difference: what two policies may differ by in mean reward and still be told apart, at 5 % and
  80 % power, over the same prompts.

A simulation with a seed (benchmarks/signal_study.py, tests/judges/signal) holds both to that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from ..errors import ConfigError
from ..rewards import Reward
from ..scoring.rubric_arrays import Floats
from .groups import GroupedVerdicts
from .variance import VarianceSplit, reliability_of_votes, split_variance

ANSWERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
VOTES = (1, 2, 3, 4, 5, 7, 9)
POWER = 0.8
MAX_PROMPTS = 10_000_000


@dataclass(frozen=True, slots=True)
class Design:
    """One way to spend judge calls."""

    answers: int
    """Completions of each prompt, G."""
    votes: int
    """Verdicts of each criterion, k."""
    fidelity: float | None
    """Of an advantage to the true one; None where the judge's noise is unknown."""
    live: float
    """Share of groups whose rewards are not all equal."""
    live_is_bound: bool
    """Some of the pilot's groups are smaller than this design's: at least this share is live."""
    calls_per_prompt: float
    """Judge calls for one prompt, one for each criterion."""
    calls_per_live_group: float | None
    """Judge calls for each group with a learning signal; None where none has one."""
    prompts: int | None = None
    """Prompts for the detectable difference asked for; None from `MAX_PROMPTS`."""
    calls: float | None = None
    """Judge calls for each of the two policies, for that difference."""
    detectable: float | None = None
    """Difference that the pilot's own number of prompts would detect."""


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """Designs, and the cheapest ones that reach the targets."""

    reward: str
    target_fidelity: float | None
    target_difference: float | None
    split: VarianceSplit
    prompt_correlation: float
    """Of two policies' means over prompts; 0, the careful side, with one policy."""
    correlation_measured: bool
    criteria: float
    """Mean criteria of a rubric."""
    n_prompts: int
    """Of the pilot."""
    designs: tuple[Design, ...]
    for_fidelity: Design | None
    """Fewest judge calls for each live group; None where none reaches it, or none was asked."""
    for_difference: Design | None
    """Fewest judge calls; None where none was asked."""
    notes: tuple[str, ...] = ()


def plan(
    groups: GroupedVerdicts,
    reward: Reward,
    *,
    fidelity: float | None = None,
    difference: float | None = None,
    answers: Sequence[int] = ANSWERS,
    votes: Sequence[int] = VOTES,
) -> PowerPlan:
    """Plan answers, verdicts and prompts from a pilot.

    Args:
        groups: The pilot's verdicts.
        reward: What to train with, or to compare by.
        fidelity: Target in (0, 1).
        difference: Target in units of the reward, above 0.
        answers: Completions of a prompt to consider.
        votes: Verdicts of a criterion to consider.

    Raises:
        ConfigError: A target lies outside its range.
    """
    if fidelity is not None and not 0 < fidelity < 1:
        raise ConfigError(f"plan: fidelity {fidelity:g} is not between 0 and 1")
    if difference is not None and not 0 < difference < math.inf:
        raise ConfigError(f"plan: difference {difference:g} is not a number above 0")
    rewards_RPG = groups.replicate_rewards(reward)
    rewards_PG = rewards_RPG[0]
    split = split_variance(reward.name, rewards_RPG, groups.clusters_P)
    correlation = prompt_correlation(groups, rewards_PG, split)
    criteria = float(groups.rubric_PC.present.sum(1).mean())
    n_prompts = len(set(groups.prompt_ids))
    known_judge = split.icc.value is not None
    votes = votes if known_judge else votes[:1]
    designs = []
    for n_answers in answers:
        live, is_bound = live_share(rewards_PG, n_answers)
        for n_votes in votes:
            reached = fidelity_of(split, n_answers, n_votes)
            calls = n_answers * n_votes * criteria
            variance = _difference_variance(split, correlation or 0.0, n_answers, n_votes)
            wanted = MAX_PROMPTS if difference is None else prompts_for(variance, difference)
            prompts = wanted if wanted < MAX_PROMPTS else None
            designs.append(
                Design(
                    n_answers,
                    n_votes,
                    reached,
                    live,
                    is_bound,
                    calls,
                    calls / live if live > 0 else None,
                    prompts,
                    None if prompts is None else prompts * calls,
                    detectable_difference(variance, n_prompts),
                )
            )
    return PowerPlan(
        reward=reward.name,
        target_fidelity=fidelity,
        target_difference=difference,
        split=split,
        prompt_correlation=correlation or 0.0,
        correlation_measured=correlation is not None,
        criteria=criteria,
        n_prompts=n_prompts,
        designs=tuple(designs),
        for_fidelity=_cheapest_for_fidelity(designs, fidelity),
        for_difference=_cheapest_for_difference(designs) if difference is not None else None,
        notes=tuple(_notes(split, correlation, designs, fidelity)),
    )


def fidelity_of(split: VarianceSplit, answers: int, votes: int) -> float | None:
    """Predict the correlation of an advantage with the true one; None without replicates."""
    icc = split.icc.value
    if icc is None:
        return None
    return float(np.sqrt((1 - 1 / answers) * reliability_of_votes(max(icc, 0.0), votes)))


def live_share(rewards_PG: Floats, answers: int) -> tuple[float, bool]:
    """Predict the share of live groups at another number of answers.

    Fewer answers than the pilot has: exact, the mean over all ways to draw them from each group.
    More: a group that is dead in the pilot is taken to stay dead. More answers can only wake it, so
    the share is then a lower bound.

    Returns:
        The share, and whether it is a bound.
    """
    dead, n_groups, is_bound = 0.0, 0, False
    for row in rewards_PG:
        values = np.round(row[~np.isnan(row)], 9)
        n = len(values)
        if n < 2:
            continue
        n_groups += 1
        _, counts = np.unique(values, return_counts=True)
        drawn = min(answers, n)
        is_bound = is_bound or answers > n
        dead += (
            1.0
            if drawn < 2
            else sum(math.comb(int(c), drawn) for c in counts) / math.comb(n, drawn)
        )
    return (1.0 - dead / n_groups if n_groups else 0.0), is_bound


def prompt_correlation(
    groups: GroupedVerdicts, rewards_PG: Floats, split: VarianceSplit
) -> float | None:
    """Correlate the prompts' true means between the policies of a pilot; None with one policy.

    The variance between groups is split into what the groups of a prompt share and what they do
    not; policies' own means are taken out first.
    """
    policies = ["\n".join(map(str, label.values())) for label in groups.labels]
    if len(set(policies)) < 2 or split.prompts <= 0:
        return None
    n_P = (~np.isnan(rewards_PG)).sum(1)
    usable = n_P > 0
    values, sizes = np.nansum(rewards_PG, axis=1)[usable] / n_P[usable], n_P[usable]
    values -= _group_means(values, np.unique(np.asarray(policies)[usable], return_inverse=True)[1])
    clusters = np.unique(groups.clusters_P[usable], return_inverse=True)[1]
    count = np.bincount(clusters)
    freedom = int((count - 1).sum())
    if freedom < 10:
        return None
    mean_square = float(((values - _group_means(values, clusters)) ** 2).sum()) / freedom
    noise = split.within * float((1.0 / sizes[count[clusters] > 1]).mean())
    apart = max(0.0, mean_square - noise)
    return float(np.clip(1.0 - apart / split.prompts, 0.0, 1.0))


def _group_means(values: Floats, codes: NDArray[np.intp]) -> Floats:
    means: Floats = np.bincount(codes, values) / np.bincount(codes)
    return means[codes]


def prompts_for(variance: float, difference: float) -> int:
    """Give the prompts needed to detect a difference, two-sided 5 %, 80 % power.

    Args:
        variance: Of the difference on one prompt.
        difference: In units of the reward.

    Source: the normal approximation with Student's quantiles put in, iterated.
    """
    n = max(2.0, (ndtri(0.975) + ndtri(POWER)) ** 2 * variance / difference**2)
    for _ in range(50):
        df = max(1.0, n - 1)
        wanted = (stdtrit(df, 0.975) + stdtrit(df, POWER)) ** 2 * variance / difference**2
        if abs(wanted - n) < 1e-6:
            break
        n = max(2.0, 0.5 * (n + wanted))
    return int(min(MAX_PROMPTS, np.ceil(n - 1e-6)))


def detectable_difference(variance: float, n_prompts: int) -> float | None:
    """Give the difference that a number of prompts detects; None below two prompts."""
    if n_prompts < 2:
        return None
    df = n_prompts - 1
    return float((stdtrit(df, 0.975) + stdtrit(df, POWER)) * np.sqrt(variance / n_prompts))


def _difference_variance(
    split: VarianceSplit, correlation: float, answers: int, votes: int
) -> float:
    """Variance, on one prompt, of the difference of two policies' means."""
    judge = split.judge or 0.0
    policy = split.within - judge
    return 2 * (split.prompts * (1 - correlation) + (policy + judge / votes) / answers)


def _cheapest_for_fidelity(designs: Sequence[Design], fidelity: float | None) -> Design | None:
    costs = [
        (design.calls_per_live_group, design.answers, at)
        for at, design in enumerate(designs)
        if fidelity is not None
        and (design.fidelity or -1.0) >= fidelity - 1e-12
        and design.calls_per_live_group is not None
    ]
    return designs[min(costs)[2]] if costs else None


def _cheapest_for_difference(designs: Sequence[Design]) -> Design | None:
    reaching = [design for design in designs if design.calls is not None]
    return min(reaching, key=lambda d: (d.calls or 0.0, d.answers), default=None)


def _notes(
    split: VarianceSplit,
    correlation: float | None,
    designs: Sequence[Design],
    fidelity: float | None,
) -> list[str]:
    known_judge = split.icc.value is not None
    no_design = known_judge and _cheapest_for_fidelity(designs, fidelity) is None
    best = max((design.fidelity or 0.0) for design in designs)
    notes = {
        "the interval of the judge's reliability touches 0: the spread may be only its noise, and "
        "then no design reaches any fidelity": split.icc.low is not None and split.icc.low <= 0,
        "no answer was judged twice, so the judge's noise is unknown: no fidelity can be planned "
        "for; use replicates for one group in eight": not known_judge,
        "the pilot has one policy, so the scores of two policies on a prompt are assumed "
        "independent: the number of prompts for a difference is conservative": correlation is None,
        f"no design considered reaches fidelity {fidelity or 0:g}; the best has {best:.3f}": (
            fidelity is not None and no_design
        ),
    }
    return [note for note, holds in notes.items() if holds]
