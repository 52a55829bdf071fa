"""What training on recorded answers gains, reward by reward: the lab's result as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError
from ...rewards import Needs, Reward, get_reward
from ...scoring.estimates import Estimate
from ...scoring.rubric_arrays import Bools, Floats
from ..advantages import Scale
from ..groups import GroupedVerdicts
from .blocks import RecordedGroups
from .features import within_prompts
from .gains import Compared, by_prompt, compare, gain_of
from .linear import train_linear
from .noise import JudgeNoise, judged_anew, mean_over_repeats
from .training import Policy, Settings, Trained, train

SCORE = "healthbench"
"""The score that is reported, unclipped; gold is this one under the better judge."""
DEFAULT_REWARDS = (
    "healthbench", "healthbench_clipped", "hybrid", "complexity", "rar_explicit", "binary",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReplayedArm:
    """One reward under one scaling."""

    reward: str
    scale: Scale
    gain: Estimate
    """Of the gold score, from the start to the end of training."""
    judge_gain: Estimate
    """Of the score under the judge that trained; the same where there is no gold."""
    dead: float
    """Share of dead groups among those drawn at the start."""
    versus: Mapping[str, Estimate]
    """This gain less that of each other reward under its scaling, paired by seed and prompt."""
    curve: tuple[float, ...]
    """Gain of the gold score at each moment."""
    judge_curve: tuple[float, ...]
    dead_curve: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Everything that was trained."""

    settings: Settings
    noise: str
    """How the judge erred, in words."""
    has_gold: bool
    """Whether gold is another judge's; else it is the score on these verdicts themselves."""
    n_prompts: int
    n_groups: int
    n_answers: int
    n_left_out: int
    """Answers without a gold score, or alone then in their group."""
    start: float
    """Mean gold score of the answers: the policy before training."""
    most: float
    """Gain of a policy that always gives the best answer to each prompt."""
    moments: tuple[int, ...]
    """Steps at which curves have a point."""
    arms: tuple[ReplayedArm, ...]
    standings: Mapping[Scale, tuple[Compared, ...]]
    """Rewards under each scaling, the best first."""
    skipped: Mapping[str, str]
    """Rewards that could not be trained with, and why."""


def replay(
    groups: GroupedVerdicts,
    rewards: Sequence[Reward],
    scales: Sequence[Scale],
    settings: Settings | None = None,
    *,
    noise: JudgeNoise | None = None,
    features_PGF: Floats | None = None,
) -> Replayed:
    """Train under every reward and scaling on the same answers, and compare what is gained.

    Args:
        groups: The answers; their gold verdicts, if there are any, give the score that counts.
        rewards: Any rewards.
        scales: Scalings of the advantages.
        settings: How to train; None for the defaults.
        noise: How the judge errs; None for its verdicts as recorded.
        features_PGF: Features of the answers, for the linear policy.

    Raises:
        ConfigError: No reward can be computed, or no group has two answers with a gold score.
    """
    settings, noise = settings or Settings(), noise or JudgeNoise()
    usable, skipped = computable(groups, rewards)
    score, gold_PG = get_reward(SCORE), gold_rewards(groups)
    own_PG = mean_over_repeats(groups, score) if noise.replicated else groups.rewards(score)
    values = [own_PG] if gold_PG is None else [gold_PG, own_PG]
    # answers that have every score, in groups of two or more of them
    known_PG = groups.answered_PG & ~np.isnan(np.stack(values)).any(0)
    answered_PG = known_PG & (known_PG.sum(1) > 1)[:, None]
    kept_P = np.nonzero(answered_PG.any(1))[0]
    if not len(kept_P):
        raise ConfigError(
            f"no prompt has two answers with a {'gold ' if len(values) > 1 else ''}score"
        )
    n_judgings = settings.seeds if settings.errors_stay else 0
    pools, left_out = judged_anew(
        groups.take(kept_P), usable, noise, seed=settings.seed, at_least=n_judgings
    )
    skipped |= left_out
    if not pools:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise ConfigError(f"no reward can be trained with: {reasons}")
    clusters_P = np.unique(groups.clusters_P[kept_P], return_inverse=True)[1].astype(np.intp)
    recorded = recorded_of(
        pools, [value[kept_P] for value in values], answered_PG[kept_P], clusters_P
    )
    if settings.by_length:
        if groups.chars_PG is None:
            raise ConfigError("--loss grpo: the answers have no text to measure")
        recorded = replace(recorded, chars_PG=groups.chars_PG[kept_P])
    if settings.policy is Policy.LINEAR:
        if features_PGF is None:
            raise ConfigError("the linear policy needs features of the answers")
        if clusters_P.max() < 1:
            raise ConfigError(
                "the linear policy is trained on half of the prompts and evaluated on the others, "
                "and there is only one prompt: give more prompts, or use --policy table"
            )
        features = within_prompts(features_PGF[kept_P], recorded.answered_PG)
        trained = train_linear(recorded, scales, settings, features, clusters_P)
    else:
        trained = train(recorded, scales, settings)
    gold = np.where(recorded.answered_PG, recorded.values_VPG[0], np.nan)
    start_P, most_P = np.nanmean(gold, axis=1), np.nanmax(gold, axis=1)
    n_answers = int(answered_PG.sum())
    arms, standings = _compared(trained, list(pools), scales, clusters_P)
    return Replayed(
        settings=settings,
        noise=noise.words,
        has_gold=len(values) > 1,
        n_prompts=int(clusters_P.max()) + 1,
        n_groups=len(kept_P),
        n_answers=n_answers,
        n_left_out=groups.n_answers - n_answers,
        start=float(start_P @ recorded.weight_P),
        most=float((most_P - start_P) @ recorded.weight_P),
        moments=settings.moments,
        skipped=skipped,
        arms=arms,
        standings=standings,
    )


def gold_rewards(groups: GroupedVerdicts) -> Floats | None:
    """Give the gold score of every answer, [P, G]; NaN without one, None without any.

    Raises:
        ConfigError: Gold says what the judge says: it is the same judge.
    """
    if groups.gold_PGC is None:
        return None
    both = ~np.isnan(groups.gold_PGC) & ~np.isnan(groups.verdicts_PGC)
    if both.any() and (groups.gold_PGC[both] == groups.verdicts_PGC[both]).all():
        raise ConfigError(
            f"--gold: all of its {int(both.sum()):,} verdicts are those of the judge under study; "
            "gold must be another, better judge, or labels of people"
        )
    return groups.gold_rewards(get_reward(SCORE))


def computable(
    groups: GroupedVerdicts, rewards: Sequence[Reward]
) -> tuple[list[Reward], dict[str, str]]:
    """Part the rewards that these answers can be given from those that they cannot, with reasons.

    Raises:
        ConfigError: Two different rewards have one name.
    """
    by_name: dict[str, Reward] = {}
    for reward in rewards:
        # tables are by name, so two rewards cannot share one; one given twice counts once
        if by_name.setdefault(reward.name, reward) != reward:
            raise ConfigError(
                f"two different rewards are named {reward.name!r}; give one of them another name"
            )
    usable, skipped = [], {}
    for reward in by_name.values():
        if reward.needs is Needs.RATING and groups.ratings_PG is None:
            skipped[reward.name] = "needs a rating of the whole rubric, and there are verdicts only"
        elif reward.needs is Needs.PROBABILITIES and groups.probabilities_RPGC is None:
            skipped[reward.name] = "needs P(met), and no verdict carries one"
        elif reward.needs is Needs.VERDICTS_AND_LENGTH and groups.chars_PG is None:
            skipped[reward.name] = "needs the length of each answer"
        else:
            usable.append(reward)
    return usable, skipped


def recorded_of(
    pools: Mapping[str, Floats],
    values: Sequence[Floats],
    answered_PG: Bools,
    clusters_P: NDArray[np.intp],
) -> RecordedGroups:
    """Put together what is trained on; groups of one prompt share its weight.

    Args:
        pools: Rewards by name, [R, P, G].
        values: Scores that are followed, [P, G], the first one gold.
        answered_PG: Answers that count.
        clusters_P: A number for the prompt of each group.
    """
    n_groups_C = np.bincount(clusters_P)
    weight_P = 1.0 / n_groups_C[clusters_P] / len(n_groups_C)
    return RecordedGroups(np.stack(list(pools.values())), np.stack(values), answered_PG, weight_P)


def _compared(
    trained: Trained, names: Sequence[str], scales: Sequence[Scale], clusters_P: NDArray[np.intp]
) -> tuple[tuple[ReplayedArm, ...], dict[Scale, tuple[Compared, ...]]]:
    """Set arm against arm."""
    keys = list(product(scales, names))
    gains = {key: by_prompt(trained.gain_VJSP[0, j], clusters_P) for j, key in enumerate(keys)}
    arms = []
    for j, (scale, name) in enumerate(keys):
        own = gain_of(gains[scale, name])
        judge_SC = by_prompt(trained.gain_VJSP[-1, j], clusters_P)
        versus = {
            other: gain_of(gains[scale, name] - gains[scale, other])
            for other in names
            if other != name
        }
        arms.append(
            ReplayedArm(
                reward=name,
                scale=scale,
                gain=own,
                judge_gain=own if len(trained.gain_VJSP) == 1 else gain_of(judge_SC),
                dead=float(trained.dead_J[j]),
                versus=versus,
                curve=tuple(map(float, trained.curve_VJT[0, j])),
                judge_curve=tuple(map(float, trained.curve_VJT[-1, j])),
                dead_curve=tuple(map(float, trained.dead_JT[j])),
            )
        )
    return tuple(arms), {
        scale: tuple(compare({name: gains[scale, name] for name in names})) for scale in scales
    }
