"""The rewards that come with rubricbeat, under the names they are asked for by."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..registry import REWARDS
from . import named, terms
from .base import Reward


def _variant(make: Callable[..., Reward], name: str, **preset: Any) -> Callable[..., Reward]:
    """Give a factory with other defaults under a name of its own."""
    return functools.partial(make, **{**preset, "name": name})


_IN_TREE: dict[str, Callable[..., Any]] = {
    "healthbench": named.HealthBench,
    "binary": named.Binary,
    "rar_explicit": named.RarExplicit,
    "rar_implicit": named.RarImplicit,
    "hybrid": named.Hybrid,
    "complexity": named.Complexity,
    "healthbench_clipped": _variant(named.HealthBench, "healthbench_clipped", clip=True),
    "healthbench_uniform": _variant(named.HealthBench, "healthbench_uniform", uniform=True),
    "rar_points": _variant(named.RarExplicit, "rar_points", weights="points"),
    "rar_uniform": _variant(named.RarExplicit, "rar_uniform", weights="uniform"),
    "hybrid_unclipped": _variant(named.Hybrid, "hybrid_unclipped", clip=False),
    "hybrid_uniform": _variant(named.Hybrid, "hybrid_uniform", uniform=True),
    "complexity_unclipped": _variant(named.Complexity, "complexity_unclipped", clip=False),
    "complexity_uniform": _variant(named.Complexity, "complexity_uniform", uniform=True),
    "clip": terms.Clipped,
    "power": terms.Powered,
    "bonus": terms.Bonus,
    "veto": terms.Veto,
    "saturation": terms.Saturating,
    "length": terms.LengthPenalty,
    "soft": terms.Soft,
    "threshold": terms.Threshold,
    "pass_hb50": _variant(terms.Threshold, "pass_hb50", of=named.HealthBench(), at=0.5),
}
for _name, _factory in _IN_TREE.items():
    REWARDS.register(_name)(_factory)
