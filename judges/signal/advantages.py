"""Advantages: what GRPO makes of rewards, and which terms of a reward survive it.

The formulas are those of TRL 1.16 (`GRPOTrainer`, one reward function): the mean of the group is
subtracted; the divisor is the sample standard deviation (n - 1) of the group or of the whole batch,
plus 1e-4; a missing reward is excluded from both, and so is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..errors import UnknownNameError
from ..rewards import Reward
from ..rewards.base import Decomposable
from ..scoring.rubric_arrays import Floats
from .dead_groups import EQUAL, no_spread
from .groups import GroupedVerdicts

EPSILON = 1e-4
"""Added to the standard deviation. Source: TRL 1.16."""
INERT_DIFFERENCE = 1e-3
INERT_CORRELATION = 0.9999
"""A term whose removal changes no advantage by more, or leaves them correlated above this, is
inert."""

SAME_SIZE = 0.01
"""Relative difference in size that still counts as none."""


DEALT_GROUPS = 2_000
"""Groups dealt into batches, each as often as that takes: the agreement varies by less than .01."""


class Scale(StrEnum):
    """What an advantage is divided by; words as TRL's `scale_rewards`."""

    GROUP = "group"
    """The standard deviation within the group: TRL's default."""
    NONE = "none"
    """Nothing (Dr. GRPO)."""
    BATCH = "batch"
    """The standard deviation over the batch; here over all groups of the study, so that it is one
    factor away from none. A training's batch holds few groups, and each has a factor of its own:
    `batch_agreement` measures what that does."""


def parse_scales(text: str) -> list[Scale]:
    """Read `group,none,batch`."""
    scales = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word not in [scale.value for scale in Scale]:
            raise UnknownNameError.among("scale", word, [scale.value for scale in Scale])
        scales.append(Scale(word))
    return list(dict.fromkeys(scales)) or list(Scale)


def advantages_of(rewards_PG: Floats, scale: Scale | str = Scale.GROUP) -> Floats:
    """Turn rewards into advantages, [P, G].

    A missing reward has a missing advantage (TRL then trains on 0); an answer alone in its group
    has 0.
    """
    known = ~np.isnan(rewards_PG)
    centred = np.where(known, _centred(rewards_PG), np.nan)
    if scale == Scale.NONE:
        return centred
    if scale == Scale.GROUP:
        scaled: Floats = centred / (np.nan_to_num(spread_of(rewards_PG))[:, None] + EPSILON)
        return scaled
    n = int(known.sum())
    spread = float(np.std(rewards_PG[known], ddof=1)) if n > 1 else 0.0
    return centred / (spread + EPSILON)


def batch_agreement(rewards_PG: Floats, groups: int, *, seed: int = 0) -> float | None:
    """Correlate advantages under `none` with those under `batch` of so many groups a batch.

    Batches are dealt at random, whatever the prompt; the last one of a deal may be smaller. None
    where no advantage differs from 0.

    Args:
        rewards_PG: NaN is no reward.
        groups: Groups in a batch of the training.
        seed: Of the dealing.
    """
    rng = np.random.default_rng(seed)
    n = len(rewards_PG)
    plain = np.nan_to_num(advantages_of(rewards_PG, Scale.NONE))
    known = ~np.isnan(rewards_PG)
    filled = np.where(known, rewards_PG, 0.0)
    sums_3P = np.stack([known.sum(1), filled.sum(1), (filled**2).sum(1)])
    products = np.zeros(3)
    for _ in range(max(1, round(DEALT_GROUPS / max(n, 1)))):
        batch_P = np.argsort(rng.permutation(n)) // groups
        size, total, squares = (np.bincount(batch_P, weights=sums) for sums in sums_3P)
        centred = np.maximum(squares - total**2 / np.maximum(size, 1), 0.0)
        spread = np.sqrt(centred / np.maximum(size - 1, 1)) + EPSILON
        scaled = plain / spread[batch_P][:, None]
        products += (scaled * plain).sum(), (scaled**2).sum(), (plain**2).sum()
    squares_of_both = products[1] * products[2]
    return float(products[0] / np.sqrt(squares_of_both)) if squares_of_both > 0 else None


def spread_of(rewards_PG: Floats) -> Floats:
    """Give the sample standard deviation within each group, [P]; NaN below two rewards."""
    n_P = (~np.isnan(rewards_PG)).sum(1)
    centred = _centred(rewards_PG)
    variance_P = np.einsum("pg,pg->p", centred, centred) / np.maximum(n_P - 1, 1)
    return np.where(n_P > 1, np.sqrt(variance_P), np.nan)


def _centred(rewards_PG: Floats) -> Floats:
    """Take the mean of its group off each reward; 0 where there is none."""
    known = ~np.isnan(rewards_PG)
    filled = np.where(known, rewards_PG, 0.0)
    mean_P1 = filled.sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    return np.where(known, rewards_PG - mean_P1, 0.0)


def effective_answers(advantages_PG: Floats) -> float:
    """Give the number of answers that carry the gradient: (sum |A|)^2 / sum A^2.

    As many as there are answers when all pull equally, 0 when none does. Source: Kish 1965, the
    effective sample size of a weighted sample, with |A| as the weight.
    """
    sizes = np.abs(advantages_PG[~np.isnan(advantages_PG)])
    squares = float((sizes**2).sum())
    return float(sizes.sum()) ** 2 / squares if squares > 0 else 0.0


class TermVerdict(StrEnum):
    """What a term of a reward does to the advantages."""

    CANCELS = "cancels"
    """It is constant within each group, and changes no advantage."""
    NEVER_ACTS = "never acts"
    """It changes no reward of these answers."""
    HARDLY_ACTS = "hardly acts"
    """It changes too few rewards, or changes them too little, to show in the advantages."""
    RESCALES = "only rescales"
    """It multiplies all advantages by nearly one factor: another step size, and nothing else."""
    ACTS = "acts"
    UNKNOWN = "cannot tell"
    """No advantage differs from 0, with the term or without: these answers say nothing of it."""


@dataclass(frozen=True, slots=True)
class TermEffect:
    """What taking one term out of a reward does to the advantages, measured."""

    reward: str
    term: str
    scale: Scale
    verdict: TermVerdict
    declared_constant: bool
    """The reward says that the term depends on the rubric alone."""
    constant_in_groups: bool
    """Measured: in every group it multiplies all rewards by one factor, or shifts them by one."""
    changed: float
    """Share of the rewards that it changes."""
    correlation: float | None
    """Of the advantages with and without it; None where one of them does not vary."""
    max_difference: float
    """Largest change of an advantage."""


def term_effects(
    groups: GroupedVerdicts, reward: Reward, rewards_PG: Floats, scales: Sequence[Scale]
) -> list[TermEffect]:
    """Take each term out of a reward, and compare the advantages.

    Args:
        groups: The verdicts.
        reward: A reward; one that names no terms gives an empty list.
        rewards_PG: Its values on the groups.
        scales: Scalings to compare under.
    """
    if not isinstance(reward, Decomposable):
        return []
    effects = []
    for term in reward.terms:
        without_PG = groups.rewards(reward.without(term))
        constant = _constant_in_groups(rewards_PG, without_PG)
        changed = _changed(rewards_PG, without_PG)
        for scale in scales:
            first, second = advantages_of(rewards_PG, scale), advantages_of(without_PG, scale)
            both = ~(np.isnan(first) | np.isnan(second))
            first, second = first[both], second[both]
            difference = float(np.abs(first - second).max(initial=0.0))
            correlation = pooled_correlation(first, second)
            effects.append(
                TermEffect(
                    reward=reward.name,
                    term=term,
                    scale=scale,
                    verdict=_term_verdict(first, second, changed=changed, is_constant=constant),
                    declared_constant=term in reward.constant_terms,
                    constant_in_groups=constant,
                    changed=changed,
                    correlation=correlation,
                    max_difference=difference,
                )
            )
    return effects


def _term_verdict(
    first: Floats, second: Floats, *, changed: float, is_constant: bool
) -> TermVerdict:
    if max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0)) <= EQUAL:
        return TermVerdict.UNKNOWN
    if changed == 0:
        return TermVerdict.NEVER_ACTS
    if np.abs(first - second).max() > INERT_DIFFERENCE:
        if (pooled_correlation(first, second) or 0.0) <= INERT_CORRELATION:
            return TermVerdict.ACTS
        squares = float(first @ first)
        if squares <= 0 or abs(float(first @ second) / squares - 1.0) > SAME_SIZE:
            return TermVerdict.RESCALES
    return TermVerdict.CANCELS if is_constant else TermVerdict.HARDLY_ACTS


def _changed(with_PG: Floats, without_PG: Floats) -> float:
    n = int((~np.isnan(with_PG)).sum())
    same = np.isclose(with_PG, without_PG, rtol=1e-9, atol=1e-12, equal_nan=True)
    return float((~same).sum()) / n if n else 0.0


def pooled_correlation(first: Floats, second: Floats) -> float | None:
    """Correlate two sets of advantages, already centred in their groups; None without spread."""
    squares = float(first @ first) * float(second @ second)
    if squares <= 0:
        return None
    return float(np.clip(float(first @ second) / np.sqrt(squares), -1.0, 1.0))


def _constant_in_groups(with_PG: Floats, without_PG: Floats) -> bool:
    with np.errstate(invalid="ignore", divide="ignore"):
        factor_PG = np.where(np.abs(without_PG) > EQUAL, with_PG / without_PG, np.nan)
    shift_PG = with_PG - without_PG
    zero_stays = bool(np.all(np.abs(with_PG[np.abs(without_PG) <= EQUAL]) <= EQUAL))
    return (zero_stays and bool(no_spread(factor_PG).all())) or bool(no_spread(shift_PG).all())
