"""Rewards: what training sees of the verdicts on one answer.

A reward is a pure function of verdicts and rubric over arrays [..., C]; it declares its name, its
range, what it needs, and which of its terms are constant within a group of answers to one prompt.
NaN is "no reward" (TRL's None); it comes from missing verdicts and is never turned into 0.

    base.py      the protocol, and plain functions as rewards
    published.py the rewards of the papers, under their names
    modifiers.py clip, power, bonus, veto, saturation, pass rule, soft, length: around a reward
    registry.py  `get_reward`: name, options, dotted path, or a specification in one string
    catalogue.py the list of ours; importing it registers them
"""

from . import catalogue as catalogue
from .base import FunctionReward, Needs, Reward, evaluate, evaluate_table
from .compared import evaluate_batch, evaluate_groups
from .modifiers import Bonus, Clipped, LengthPenalty, Powered, Saturating, Soft, Threshold, Veto
from .published import Binary, Complexity, HealthBench, Hybrid, RarExplicit, RarImplicit
from .registry import get_reward, parse_rewards, register_reward, reward_names, split_specs

__all__ = [
    "Binary",
    "Bonus",
    "Clipped",
    "Complexity",
    "FunctionReward",
    "HealthBench",
    "Hybrid",
    "LengthPenalty",
    "Needs",
    "Powered",
    "RarExplicit",
    "RarImplicit",
    "Reward",
    "Saturating",
    "Soft",
    "Threshold",
    "Veto",
    "evaluate",
    "evaluate_batch",
    "evaluate_groups",
    "evaluate_table",
    "get_reward",
    "parse_rewards",
    "register_reward",
    "reward_names",
    "split_specs",
]
