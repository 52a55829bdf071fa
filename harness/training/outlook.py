"""What a dry run says of the run to come: why it could not learn, and what to expect of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...judges.answer import Answer
from ...judges.engine.ledger import Cost
from ...judges.grader import open_grader
from ...judges.rewards import get_reward
from ...judges.rubric import Example
from ...judges.scoring.estimates import MIN_PROMPTS, TOO_FEW, wilson
from .checks.judges import judge_options, rewards_of
from .checks.plan import Prepared
from .config import TrainConfig
from .reward.graders import Asked, can_rate

MOSTLY_DEAD = 0.75
"""Share of dead groups from which a run is called unable to learn; ours."""
HALF_DEAD = 0.5
FEW_LIVE_GROUPS = 100
"""Groups with a learning signal, in the whole run, below which it learns little; ours."""
NOISE_ONLY = 0.1
"""Reliability below which the spread is called judge noise; ours."""


@dataclass(frozen=True, slots=True)
class Outlook:
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
        """Groups of the planned run with a learning signal, at this share."""
        return round(self.planned_groups * (1 - self.dead))

    @property
    def dead_words(self) -> str:
        """The share with its interval: a few groups do not know it well."""
        if self.n_groups < MIN_PROMPTS:
            return f"{self.dead:.0%} ({TOO_FEW})"
        low, high = wilson(np.array(self.dead), np.array(self.n_groups))
        return f"{self.dead:.0%} [{low:.0%}, {high:.0%}]"

    @property
    def mend(self) -> str:
        """What could be done: another reward only where it helps on the same verdicts."""
        sample = "raise grpo.temperature or num_generations, or warm start by SFT"
        best = min(self.dead_by_reward, key=self.dead_by_reward.__getitem__, default=None)
        if best is not None and self.dead_by_reward[best] <= self.dead - 0.1:
            return f"with reward {best} it would be {self.dead_by_reward[best]:.0%}; or {sample}"
        if self.identical >= self.dead - 0.05:
            return f"their verdicts are identical, so no other reward helps: {sample}"
        return sample


def reasons_against(found: Outlook) -> tuple[str, ...]:
    """Give the blocking problems of the run; empty where there are none."""
    said = []
    if found.unscored > found.max_unscored:
        said.append(
            f"{found.unscored:.0%} of the answers got no reward, and the run stops above "
            f"{found.max_unscored:.0%} (reward.max_unscored_frac)"
        )
    if found.dead >= MOSTLY_DEAD:
        said.append(
            f"{found.dead:.0%} of the groups have zero reward variance: of the run's "
            f"{found.planned_groups:,} groups about {found.live_groups:,} would have a learning "
            f"signal; {found.mend}"
        )
    if found.reliability is not None and found.reliability < NOISE_ONLY:
        said.append(
            f"the reward variance is the judge's own noise (reliability {found.reliability:.2f}); "
            "use a better judge, or replicates"
        )
    return tuple(said)


def cautions(found: Outlook) -> tuple[str, ...]:
    """Give the warnings for a run that could learn, but little."""
    if found.dead >= MOSTLY_DEAD:
        return ()
    said = []
    if found.dead >= HALF_DEAD:
        said.append(f"{found.dead:.0%} of the groups have no learning signal; {found.mend}")
    if found.live_groups < FEW_LIVE_GROUPS:
        said.append(
            f"only about {found.live_groups:,} groups of the whole run would have a learning "
            "signal: too few to compare rewards"
        )
    return tuple(said)


def planned_questions(prepared: Prepared) -> tuple[int, int]:
    """Count the verdicts and the ratings the training judge gives in a whole run.

    Second verdicts and evaluations of held-out answers are included.
    """
    config, plan = prepared.config, prepared.plan
    asked = Asked.by(rewards_of(config))
    criteria = float(np.mean([len(example.rubric) for example in prepared.data.train]))
    answers = plan.n_rows * config.grpo.num_generations * replicate_factor(config)
    answers += _n_looked_at(prepared)
    return round(answers * asked.verdicts * criteria), round(answers * asked.ratings)


def _n_looked_at(prepared: Prepared) -> int:
    """Count the held-out answers that each judge looks at in a whole run."""
    gold = prepared.config.gold
    # before the first step, every so many steps, and after the last
    looks = 0 if gold.judge is None else math.ceil(prepared.plan.max_steps / gold.every) + 1
    return looks * min(gold.n_prompts, len(prepared.data.held_out))


def gold_bill(prepared: Prepared, answers: Sequence[tuple[Example, str]]) -> Cost:
    """Estimate what the gold judge costs, from the lengths of the answers; nothing is sent."""
    n, config = _n_looked_at(prepared), prepared.config
    judge = config.gold.judge
    if judge is None or n == 0 or not answers:
        return Cost()
    options = judge_options(config, judge) | {"store": False}
    few = [Answer(example, text) for example, text in answers]
    # it is asked for what its own reward needs, and for the run's rewards beside
    rewards = [get_reward(config.gold.reward), *rewards_of(config)]
    asked = Asked.by([one for one in rewards if one.needs != "rating" or can_rate(options)])
    kinds = ((False, asked.verdicts), (True, asked.ratings))
    with open_grader(options) as grader:
        each = [grader.estimate(few, rates=rates) for rates, is_asked in kinds if is_asked]
    return Cost.sum(each).times(n, of=len(answers))


def bill_of(spent: Mapping[str, Any], planned: int) -> Cost:
    """Give the cost of many questions, from the ledger of a few."""
    if planned == 0:
        return Cost()
    # a store hit took no call in the dry run and says nothing of the run's calls and price
    asked = int(spent.get("fresh") or 0) + int(spent.get("shared") or 0)
    cost = 0.0 if _is_free(spent) else spent.get("cost_usd")
    if asked <= 0:
        return Cost(planned, cost_usd=0.0 if _is_free(spent) else None)
    tokens = spent.get("tokens") or {}
    few = Cost(
        int(spent.get("calls") or 0),
        int(tokens.get("prompt") or 0),
        int(tokens.get("completion") or 0),
        None if cost is None else float(cost),
    )
    return few.times(planned, of=asked)


def _is_free(spent: Mapping[str, Any]) -> bool:
    """Say whether the judge used no model at all: no tokens either way, and no model's name."""
    return not spent.get("model") and not any((spent.get("tokens") or {}).values())


def replicate_factor(config: TrainConfig) -> float:
    """Say how many times over a run asks about its answers, second verdicts included."""
    every = config.reward.replicate_every
    return 1 + 1 / every if every > 0 else 1.0
