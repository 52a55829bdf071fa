"""Made-up folders of training runs, for the tests of what reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from rubricbeat.reports.training.runs import GOLD, TRAINING


def write_run(
    folder: Path,
    *,
    seed: int = 1,
    reward: str = "hybrid",
    gold: dict[int, list[float]] | None = None,
    training: dict[int, list[float]] | None = None,
    n_steps: int = 20,
    state: str = "done",
    text: str = "rest",
    scale: str = "group",
    changed: dict[str, dict[str, Any]] | None = None,
    each: dict[str, float] | None = None,
) -> Path:
    """Write the folder of a made-up run.

    `changed` replaces values of its configuration; `each` adds numbers to every step.
    """
    folder.mkdir(parents=True)
    config: dict[str, Any] = {
        "judge": "keyword",
        "reward": {"name": reward},
        "grpo": {"scale_rewards": scale},
        "data": {},
        "gold": {"judge": "local", "reward": "healthbench"},
        "run": {"seed": seed, "label": folder.name, "output_dir": str(folder)},
    }
    for section, values in (changed or {}).items():
        config.setdefault(section, {}).update(values)
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "facts.json").write_text(json.dumps({"plan": {"max_steps": 20}}), encoding="utf-8")
    (folder / "status.json").write_text(json.dumps({"state": state}), encoding="utf-8")
    lines = [
        {
            "step": step,
            "reward": float(step),
            "answers": 8,
            "unscored": 0,
            "dead_frac": 0.25,
            "group_std": 1.0,
            "reliability": 0.5 if step % 8 == 0 else None,
            "replicated_groups": 1 if step % 8 == 0 else 0,
            "judge_variance": 0.25 if step % 8 == 0 else None,
            "policy_variance": 0.25 if step % 8 == 0 else None,
            "chars": 100.0,
            "judge_share": 0.1,
            "reward_alt/binary": 0.0,
            **(each or {}),
        }
        for step in range(1, n_steps + 1)
    ]
    text_lines = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text_lines, encoding="utf-8")
    evaluations: list[dict[str, Any]] = []
    for judge, table in ((GOLD, gold), (TRAINING, training)):
        for step, values in (table or {}).items():
            ids = [f"p{i}" for i in range(len(values))]
            evaluations.append(
                {
                    "step": step,
                    "judge": judge,
                    "prompt_ids": ids,
                    "rewards": {"healthbench": values},
                    "chars": 9.0,
                }
            )
    if evaluations:
        text_evaluations = "".join(json.dumps(evaluation) + "\n" for evaluation in evaluations)
        (folder / "gold.jsonl").write_text(text_evaluations, encoding="utf-8")
    (folder / "completions").mkdir()
    row = {
        "step": 1,
        "prompt_id": "p0",
        "prompt": text,
        "completion": text,
        "reward": 1.5,
        "verdicts": json.dumps(
            [{"outcome": "met", "met": True}, {"outcome": "refused", "met": None}]
        ),
        "criteria": json.dumps(
            [
                {"text": text, "points": 5, "polarity": "desirable"},
                {"text": "b", "points": -1, "polarity": "undesirable"},
            ]
        ),
    }
    pd.DataFrame([row]).to_parquet(folder / "completions" / "step_000001.parquet")
    return folder
