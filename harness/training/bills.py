"""What a planned run will ask its judges, and what that costs, from a few answers of today."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...judges.grading import Answer, open_grader
from ...judges.prices import Cost
from ...judges.rating_grader import open_rating_grader
from ...judges.rewards import get_reward
from ...judges.rubric import Example
from .config import TrainConfig
from .graders import Asked, can_rate
from .judge_checks import asked_of
from .prepared import Prepared, judge_options


def planned_questions(prepared: Prepared) -> tuple[int, int]:
    """Count the verdicts and the ratings the training judge gives in a whole run.

    Second ones and its looks at held-out answers are among them.
    """
    config, plan = prepared.config, prepared.plan
    asked = asked_of(config)
    criteria = float(np.mean([len(example.rubric) for example in prepared.data.train]))
    answers = plan.n_rows * config.grpo.num_generations * replicate_factor(config)
    answers += _n_looked_at(prepared)
    return round(answers * asked.verdicts * criteria), round(answers * asked.ratings)


def _n_looked_at(prepared: Prepared) -> int:
    """Count the held-out answers that each judge looks at in a whole run."""
    gold = prepared.config.gold
    if gold.judge is None:
        return 0
    # before the first step, every so many steps, and after the last
    looks = math.ceil(prepared.plan.max_steps / gold.every) + 1
    return looks * min(gold.n_prompts, len(prepared.data.held_out))


def gold_bill(prepared: Prepared, answers: Sequence[tuple[Example, str]]) -> Cost:
    """Estimate what the gold judge costs, from the lengths of the answers; nothing is sent."""
    n, config = _n_looked_at(prepared), prepared.config
    if n == 0 or not answers:
        return Cost()
    options = judge_options(config, config.gold.judge) | {"store": False}
    few = [Answer(example, text) for example, text in answers]
    estimates = []
    # it is asked for what its own reward needs, and for the run's rewards beside
    rewards = [get_reward(config.gold.reward)]
    rewards.append(get_reward(config.reward.name, **config.reward.options))
    rewards += map(get_reward, config.reward.alternatives)
    asked = Asked.by([one for one in rewards if one.needs != "rating" or can_rate(options)])
    if asked.verdicts:
        with open_grader(options) as grader:
            estimates.append(grader.estimate(few))
    if asked.ratings:
        with open_rating_grader(options) as rater:
            estimates.append(rater.estimate(few))
    return Cost.sum(estimates).times(n, of=len(answers))


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
