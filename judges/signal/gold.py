"""Rewards held against gold: which one's training would gain most of a better judge's score.

A reward cannot vouch for itself: on one judge's verdicts the score gains most by itself, however
poor the judge. So a policy is trained over the answers that both judges have graded, on each reward
under the training judge, and what it gains is counted in the *score* under the gold judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..scoring.rubric_arrays import Bools, Floats
from .advantages import Scale
from .groups import GroupedVerdicts
from .replay.gains import Compared, Standing, by_prompt, compare, is_above_zero
from .replay.study import gold_rewards, recorded_of
from .replay.training import Settings, train

MIN_GOLD_PROMPTS = 50
"""Prompts with two answers graded by gold, below which no reward is told from another."""


@dataclass(frozen=True, slots=True)
class GoldStudy:
    """Every reward against gold, the best first."""

    scale: Scale
    n_prompts: int
    n_groups: int
    n_answers: int
    """That every reward and gold have graded, in groups of two or more."""
    agreement: float | None
    """Share of the verdicts on which judge and gold agree; None where they share none."""
    rows: tuple[Compared, ...]
    """Gains are of the gold score."""
    is_better_than_nothing: bool
    """Whether the best one's gain is above 0, all rewards tried being allowed for."""
    is_enough: bool
    """Whether there are prompts enough to say any of this."""
    noise: str = ""
    """How the training judge was taken to err, in words."""

    @property
    def contenders(self) -> tuple[str, ...]:
        """The rewards that may be the best: with 95 % confidence the best one is among them."""
        return tuple(row.reward for row in self.rows if row.standing is not Standing.BEHIND)


def hold_against_gold(
    groups: GroupedVerdicts,
    values: Mapping[str, Floats],
    scale: Scale,
    settings: Settings | None = None,
    *,
    noise: str = "",
) -> GoldStudy | None:
    """Compare rewards by what training with them gains of the gold score.

    Args:
        groups: The verdicts, with gold's.
        values: Rewards [R, P, G] by name, under each of R judgings of the answers; [P, G] for one.
        scale: Of the advantages.
        settings: Of the training; None for the defaults of `replay-train`.
        noise: Where the judgings come from, in words.

    Returns:
        None without gold; without rows where no group has two answers that all have graded.
    """
    gold_PG = gold_rewards(groups)
    if gold_PG is None:
        return None
    pools = {name: found if found.ndim == 3 else found[None] for name, found in values.items()}
    known_PG = ~np.isnan(gold_PG)
    for rewards_RPG in pools.values():
        known_PG &= ~np.isnan(rewards_RPG).all(0)
    known_PG &= (known_PG.sum(1) > 1)[:, None]
    kept_P = known_PG.any(1)
    if not kept_P.any():
        agreement = _agreement(groups, ~np.isnan(gold_PG))
        return GoldStudy(scale, 0, 0, 0, agreement, (), False, False, noise)
    clusters_P = np.unique(groups.clusters_P[kept_P], return_inverse=True)[1].astype(np.intp)
    kept = {name: rewards_RPG[:, kept_P] for name, rewards_RPG in pools.items()}
    recorded = recorded_of(kept, [gold_PG[kept_P]], known_PG[kept_P], clusters_P)
    trained = train(recorded, [scale], settings or Settings())
    gains = {
        name: by_prompt(trained.gain_VJSP[0, place], clusters_P) for place, name in enumerate(kept)
    }
    rows = compare(gains)
    n_prompts = int(clusters_P.max()) + 1
    return GoldStudy(
        scale=scale,
        n_prompts=n_prompts,
        n_groups=int(kept_P.sum()),
        n_answers=int(known_PG.sum()),
        agreement=_agreement(groups, known_PG),
        rows=tuple(rows),
        is_better_than_nothing=is_above_zero(gains, rows),
        is_enough=n_prompts >= MIN_GOLD_PROMPTS,
        noise=noise,
    )


def _agreement(groups: GroupedVerdicts, known_PG: Bools) -> float | None:
    assert groups.gold_PGC is not None
    both = ~np.isnan(groups.gold_PGC) & ~np.isnan(groups.verdicts_PGC) & known_PG[..., None]
    # a study of ratings has no verdict of the judge to agree with
    if not both.any():
        return None
    return float((groups.gold_PGC[both] == groups.verdicts_PGC[both]).mean())
