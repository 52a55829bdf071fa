"""The rewards that come with rubricbeat, under the names they are asked for by."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ..registry import REWARDS
from . import modifiers, published
from .base import Reward


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
