"""How often a drift or a self-preference is found where there is none, and where there is one.

    python benchmarks/upkeep.py > table.md          # 2,000 samples a row, about 10 minutes

Worlds are those of tests/made_up_upkeep.py; the seeds are 0 to samples - 1. The table stands in
docs/evidence/upkeep.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from made_up_upkeep import drift_in_world, own_family_in_world

DRIFT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("none, 12 prompts", {"n_prompts": 12}),
    ("none, 30 prompts", {"n_prompts": 30}),
    ("none, 30 prompts, one criterion in ten met", {"n_prompts": 30, "met": (1, 9)}),
    ("none, 80 prompts", {"n_prompts": 80}),
    ("a tenth of the verdicts turned, 30 prompts", {"n_prompts": 30, "turned": 0.1}),
    ("a fifth of met lost, 30 prompts", {"n_prompts": 30, "lost": 0.2}),
    ("a tenth of met lost, 30 prompts, a judge without noise", {"lost": 0.1, "noise": 0.0}),
)
FAMILY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("none, 12 prompts", {"favour": 0.0, "n_prompts": 12}),
    ("none, 25 prompts", {"favour": 0.0}),
    ("none, equal answers, 25 prompts", {"favour": 0.0, "better": 0.0}),
    ("none, 80 prompts", {"favour": 0.0, "n_prompts": 80}),
    ("+.1 of P(met), 25 prompts", {"favour": 0.1}),
    ("+.1 of P(met), 80 prompts", {"favour": 0.1, "n_prompts": 80}),
)


def share(found: Callable[[int], bool], samples: int) -> str:
    """Give the share of samples in which something was found."""
    return f"{sum(map(found, range(samples))) / samples:.1%}".replace("%", " %")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    samples = parser.parse_args().samples
    print("| drift: worlds | called significant |\n|---|---|")
    for name, world in DRIFT:

        def drifts(seed: int, world: dict[str, Any] = world) -> bool:
            return bool(drift_in_world(seed, **world).shown_by)

        print(f"| {name} | {share(drifts, samples)} |", flush=True)
    print("\n| self-preference: worlds | interval excludes 0 |\n|---|---|")
    for name, world in FAMILY:

        def prefers(seed: int, world: dict[str, Any] = world) -> bool:
            return own_family_in_world(seed, **world).shift.excludes_zero

        print(f"| {name} | {share(prefers, samples)} |", flush=True)


if __name__ == "__main__":
    main()
