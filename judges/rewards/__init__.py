"""Rewards: what training sees of the verdicts on one answer.

A reward is a pure function of verdicts and rubric over arrays [..., C]; it declares its name, its
range, what it needs, and which of its terms are constant within a group of answers to one prompt.
NaN is "no reward" (TRL's None); it comes from missing verdicts and is never turned into 0.

    base.py      the protocol, and plain functions as rewards
    published.py the rewards of the papers, under their names
    modifiers.py clip, power, bonus, veto, saturation, pass rule, soft, length: around a reward
    registry.py  `get_reward`: name, options, dotted path, or a specification in one string
    __init__.py  the list of ours, which importing the room registers
"""

import functools
from collections.abc import Callable

from ..registry import REWARDS
from . import modifiers, published
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


def _variant(make: Callable[..., Reward], name: str, **preset: object) -> Callable[..., Reward]:
    """Give a factory with other defaults under a name of its own."""
    return functools.partial(make, **{**preset, "name": name})


_IN_TREE: dict[str, Callable[..., object]] = {
    "healthbench": published.HealthBench,
    "binary": published.Binary,
    "rar_explicit": published.RarExplicit,
    "rar_implicit": published.RarImplicit,
    "hybrid": published.Hybrid,
    "complexity": published.Complexity,
    "healthbench_clipped": _variant(published.HealthBench, "healthbench_clipped", clip=True),
    "healthbench_uniform": _variant(published.HealthBench, "healthbench_uniform", uniform=True),
    "rar_points": _variant(published.RarExplicit, "rar_points", weights="points"),
    "rar_uniform": _variant(published.RarExplicit, "rar_uniform", weights="uniform"),
    "hybrid_unclipped": _variant(published.Hybrid, "hybrid_unclipped", clip=False),
    "hybrid_uniform": _variant(published.Hybrid, "hybrid_uniform", uniform=True),
    "complexity_unclipped": _variant(published.Complexity, "complexity_unclipped", clip=False),
    "complexity_uniform": _variant(published.Complexity, "complexity_uniform", uniform=True),
    "clip": modifiers.Clipped,
    "power": modifiers.Powered,
    "bonus": modifiers.Bonus,
    "veto": modifiers.Veto,
    "saturation": modifiers.Saturating,
    "length": modifiers.LengthPenalty,
    "soft": modifiers.Soft,
    "threshold": modifiers.Threshold,
    "pass_hb50": _variant(modifiers.Threshold, "pass_hb50", of=published.HealthBench(), at=0.5),
}
for _name, _factory in _IN_TREE.items():
    REWARDS.register(_name)(_factory)
