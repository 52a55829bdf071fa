"""Which training runs are one arm, and what an arm is called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .training_looks import held_out_data, judged_by
from .training_runs import TrainingRun

OF_THE_RUN = ("seed", "output_dir", "label", "threads")
OF_THE_RECORD = ("completions_every", "save_steps", "save_total_limit", "report_to")
"""Settings of `run` that change nothing that is learnt."""


def settings_of(run: TrainingRun) -> dict[str, Any]:
    """Give what makes runs one arm: the configuration but for seed and folders, and the data."""
    plain: dict[str, Any] = json.loads(json.dumps(run.config, default=str))
    for key in (*OF_THE_RUN, *OF_THE_RECORD):
        plain.get("run", {}).pop(key, None)
    plain.get("data", {}).pop("seed", None)
    # where verdicts are kept and how fast they are asked for changes none of them
    plain["judge"] = judged_by(plain.get("judge"))
    if "gold" in plain:
        plain["gold"]["judge"] = judged_by(plain["gold"].get("judge"))
    # one path may hold other rows tomorrow
    hashes = {"file": run.facts.get("data", {}).get("sha256"), "held_out_file": held_out_data(run)}
    known = {key: str(value)[:12] for key, value in hashes.items() if value is not None}
    return {**plain, "data": {**plain.get("data", {}), **known}}


def arm_names(firsts: Sequence[TrainingRun]) -> list[str]:
    """Name arms by reward and scale, and by what else differs where that is not enough."""
    plain = [f"{run.reward}, scale {run.scale}" for run in firsts]
    flat = [_flat(settings_of(run)) for run in firsts]
    names = []
    for i, name in enumerate(plain):
        twins = [j for j, other in enumerate(plain) if other == name]
        keys = sorted({key for j in twins for key in flat[j]})
        differing = [k for k in keys if len({flat[j].get(k, "-") for j in twins}) > 1]
        more = ", ".join(f"{key} {flat[i].get(key, '-')}" for key in differing)
        names.append(f"{name} ({more})" if more else name)
    return names


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
