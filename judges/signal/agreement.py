"""How far the advantages of two rewards agree, and how far they survive flipped verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..rewards import Needs, Reward
from ..scoring.estimates import Estimate
from ..scoring.jackknife import correlation
from ..scoring.points import mean_known
from ..scoring.rubric_arrays import Floats
from .advantages import Scale, advantages_of, pooled_correlation
from .dead_groups import EQUAL, equal_in_group
from .groups import GroupedVerdicts
from .levels import OtherLevels

FLIP_RATES = (0.02, 0.05, 0.1)
"""Shares of verdicts flipped at random. Physicians disagree with a good judge on 10 % and more."""
MAX_FLIP_GROUPS = 1_500
"""Groups drawn for the flip study: its error is then below .01."""
MAX_FLIP_DRAWS = 20
"""Times that the verdicts of fewer groups are flipped, so that about as many groups are seen."""


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """How alike the advantages of two rewards are on the same verdicts."""

    first: str
    second: str
    correlation: Mapping[Scale, Estimate]
    """Of the advantages over all answers that both reward."""
    rank: float | None
    """Kendall's tau-b over pairs of answers within a group; the scale does not enter."""
    only_first: float
    """Share of groups that are alive under the first reward alone."""
    only_second: float
    """Share of groups that are alive under the second reward alone."""


@dataclass(frozen=True, slots=True)
class FlipEffect:
    """What random flips of verdicts leave of a reward's advantages."""

    reward: str
    scale: Scale
    rate: float
    """Share of verdicts flipped."""
    fidelity: float | None
    """Correlation of the advantages with those of the verdicts as they stand, a mean of draws."""
    dead: float
    """Share of dead groups after the flips: noise makes dead groups look alive."""
    n_draws: int
    """Times that verdicts were flipped."""


def pair_agreements(
    rewards: Mapping[str, Floats],
    advantages: Mapping[str, Mapping[Scale, Floats]],
    clusters_P: NDArray[np.intp],
) -> list[PairAgreement]:
    """Compare every two rewards.

    Args:
        rewards: Rewards [P, G] by name.
        advantages: Advantages [P, G] by name and scale.
        clusters_P: Prompt of each group.
    """
    orders = {name: _orders(rewards_PG) for name, rewards_PG in rewards.items()}
    dead = {name: equal_in_group(rewards_PG) for name, rewards_PG in rewards.items()}
    ties = {name: int(np.count_nonzero(order)) for name, order in orders.items()}
    pairs = []
    for first, second in combinations(rewards, 2):
        scales = advantages[first]
        both = int((orders[first] * orders[second]).sum(dtype=np.int64))
        scale = np.sqrt(float(ties[first]) * ties[second])
        n = max(len(clusters_P), 1)
        pairs.append(
            PairAgreement(
                first,
                second,
                {s: correlation(scales[s], advantages[second][s], clusters_P) for s in scales},
                both / scale if scale else None,
                int((~dead[first] & dead[second]).sum()) / n,
                int((dead[first] & ~dead[second]).sum()) / n,
            )
        )
    return pairs


def _orders(rewards_PG: Floats) -> NDArray[np.int8]:
    """Give the sign of the difference of each two answers of a group, 0 where tied or missing."""
    first, second = np.triu_indices(rewards_PG.shape[1], 1)
    difference = rewards_PG[:, first] - rewards_PG[:, second]
    with np.errstate(invalid="ignore"):
        return (difference > EQUAL).astype(np.int8) - (difference < -EQUAL).astype(np.int8)


def flip_effects(
    groups: GroupedVerdicts,
    rewards: Sequence[Reward],
    scales: Sequence[Scale],
    *,
    rates: Sequence[float] = FLIP_RATES,
    seed: int = 0,
    values: Mapping[str, Floats] | None = None,
) -> list[FlipEffect]:
    """Flip verdicts at random, and compare the advantages with the ones before.

    A flipped level is another level: as the judge's own repeats differ where there are some, else
    each other one as likely. The verdicts as they stand are taken for the truth: this is the effect
    of further noise of a given size, not the noise that is in them. Rewards of ratings or of P(met)
    are excluded.

    Args:
        groups: The verdicts; of more than `MAX_FLIP_GROUPS` groups that many are drawn.
        rewards: The rewards.
        scales: Scalings of the advantages.
        rates: Shares of verdicts to flip.
        seed: Of the flips and of the groups drawn.
        values: What the rewards give on the verdicts as they stand, by name, where it is known.
    """
    judged = [r for r in rewards if r.needs not in {Needs.RATING, Needs.PROBABILITIES}]
    before = {r.name: groups.rewards(r) if values is None else values[r.name] for r in judged}
    random = np.random.default_rng(seed)
    if groups.n_groups > MAX_FLIP_GROUPS:
        drawn = np.sort(random.choice(groups.n_groups, MAX_FLIP_GROUPS, replace=False))
        groups = groups.take(drawn)
        before = {name: rewards_PG[drawn] for name, rewards_PG in before.items()}
    n_draws = min(MAX_FLIP_DRAWS, -(-MAX_FLIP_GROUPS // groups.n_groups))
    others = OtherLevels.of(groups.levels_PCK, groups.verdicts_RPGC)
    first = {(r.name, s): advantages_of(before[r.name], s) for r in judged for s in scales}
    found: dict[tuple[str, Scale, float], list[tuple[float, float]]] = {}
    for rate in [rate for rate in rates for _ in range(n_draws)]:
        flips = random.random(groups.verdicts_PGC.shape) < rate
        other = others.draw(groups.verdicts_PGC, random)
        said = np.where(flips, other, groups.verdicts_PGC)
        flipped = replace(groups, verdicts_PGC=said, replicates_RPGC=None)
        for reward in judged:
            after_PG = flipped.rewards(reward)
            dead = float(equal_in_group(after_PG).mean())
            for scale in scales:
                kept = _fidelity(first[reward.name, scale], advantages_of(after_PG, scale))
                found.setdefault((reward.name, scale, rate), []).append((kept, dead))
    means = {key: np.array(each) for key, each in found.items()}
    return [
        FlipEffect(*key, mean_known(of_draws[:, 0]), float(of_draws[:, 1].mean()), n_draws)
        for key, of_draws in means.items()
    ]


def _fidelity(first_PG: Floats, second_PG: Floats) -> float:
    """Correlate where both are known; NaN without spread."""
    both = ~(np.isnan(first_PG) | np.isnan(second_PG))
    found = pooled_correlation(first_PG[both], second_PG[both])
    return np.nan if found is None else found


def survival(n_criteria: float | Floats, rate: float) -> Floats:
    """Give the chance that a bonus for a perfect answer survives the judge: (1 - e)^n.

    Args:
        n_criteria: Criteria that all have to be right.
        rate: Share of verdicts that are wrong, e.
    """
    return np.asarray((1.0 - rate) ** np.asarray(n_criteria, dtype=np.float64))
