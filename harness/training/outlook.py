"""What a dry run says of the run to come: why it could not learn, and what to expect of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...judges.estimates import MIN_PROMPTS, TOO_FEW, wilson

MOSTLY_DEAD = 0.75
"""Share of groups that teach nothing from which a run is called unable to learn; ours.

A run of 40 steps with 76 % dead groups did not (examples/closed_loop).
"""
HALF_DEAD = 0.5
FEW_LIVE_GROUPS = 100
"""Groups that teach, in the whole run, below which little is to be expected of it; ours."""
NOISE_ONLY = 0.1
"""Reliability below which the spread is called the judge's; ours."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a few prompts said, as shares."""

    reward: str
    n_groups: int
    """Groups looked at."""
    dead: float
    identical: float
    """Share of groups whose verdicts were the same: no reward could help these."""
    dead_by_reward: Mapping[str, float]
    """Of the other rewards on the same verdicts."""
    reliability: float | None
    unscored: float
    """Share of the answers without a reward."""
    max_unscored: float
    planned_groups: int
    """Of the whole planned run."""

    @property
    def live_groups(self) -> int:
        """Groups of the planned run that would teach, at this share."""
        return round(self.planned_groups * (1 - self.dead))

    @property
    def dead_words(self) -> str:
        """The share with its interval: a few groups do not know it well."""
        if self.n_groups < MIN_PROMPTS:
            return f"{self.dead:.0%} ({TOO_FEW})"
        low, high = wilson(np.array(self.dead), np.array(self.n_groups))
        return f"{self.dead:.0%} [{low:.0%}, {high:.0%}]"


def reasons_against(found: Findings) -> tuple[str, ...]:
    """Say why the run could not learn; empty where nothing speaks against it."""
    reasons = []
    if found.unscored > found.max_unscored:
        reasons.append(
            f"{found.unscored:.0%} of the answers got no reward, and the run stops above "
            f"{found.max_unscored:.0%} (reward.max_unscored_frac)"
        )
    if found.dead >= MOSTLY_DEAD:
        reasons.append(
            f"{found.dead:.0%} of the groups have equal rewards and teach nothing: of "
            f"{found.planned_groups:,} groups of the run about {found.live_groups:,} would teach; "
            f"{_mend(found)}"
        )
    if found.reliability is not None and found.reliability < NOISE_ONLY:
        reasons.append(
            f"the spread is the judge's own noise (reliability {found.reliability:.2f}); ask a "
            "better judge, or the same one several times"
        )
    return tuple(reasons)


def cautions(found: Findings) -> tuple[str, ...]:
    """Say what makes little of a run that could learn."""
    said = []
    if HALF_DEAD <= found.dead < MOSTLY_DEAD:
        said.append(f"{found.dead:.0%} of the groups would teach nothing; {_mend(found)}")
    if found.dead < MOSTLY_DEAD and found.live_groups < FEW_LIVE_GROUPS:
        said.append(
            f"only about {found.live_groups:,} groups of the whole run would teach; that is few "
            "to learn from, and fewer to compare rewards by"
        )
    return tuple(said)


def _mend(found: Findings) -> str:
    """Say what could be done: another reward only where one lives of the same verdicts."""
    sample = "raise grpo.temperature or num_generations, or warm start by SFT"
    best = min(found.dead_by_reward, key=found.dead_by_reward.__getitem__, default=None)
    if best is not None and found.dead_by_reward[best] <= found.dead - 0.1:
        return f"with reward {best} it would be {found.dead_by_reward[best]:.0%}; or {sample}"
    if found.identical >= found.dead - 0.05:
        return f"their verdicts are the same, so no other reward helps: {sample}"
    return sample
