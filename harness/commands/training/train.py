r"""Train a policy with the judge that evaluates it: SFT warm start, GRPO, or a dry run.

  grpo      train by rewards from verdicts; writes metrics.jsonl, one line per step
  sft       warm start on reference answers in the reasoning format; writes an adapter
  score     dry run: is there a learning signal for this policy, and what will the run cost?
  configs   print the folder of the accelerate configurations (ZeRO-2, ZeRO-3, FSDP)

Examples:
  rubricbeat train grpo --preset cpu_tiny -o runs/tiny
  rubricbeat train score --config heart.yaml --prompts 16
  rubricbeat train grpo --config heart.yaml -o runs/heart --resume
  accelerate launch --config_file "$(rubricbeat train configs)/zero2.yaml" \
      -m rubricbeat train grpo --config heart.yaml -o runs/heart
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....judges.errors import ConfigError
from ....judges.judge_options import parse_judge_args
from ...flags import add_output

if TYPE_CHECKING:
    from ...training.config import TrainConfig

STAGES = ("grpo", "sft", "score", "configs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("stage", choices=STAGES, help="what to do")
    parser.add_argument("--config", metavar="FILE.yaml", help="what to train; see docs/training.md")
    parser.add_argument("--preset", help="start from cpu_tiny, recommended or paper_heart_*")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="change one value; may be repeated",
    )
    add_output(
        parser, "folder of the run", "--output_dir", "--output_path", metavar="DIR", type=str
    )
    parser.add_argument("--model", help="folder, hub name or tiny")
    parser.add_argument("--data", metavar="FILE", help="examples to train on, `demo` or `tiny`")
    parser.add_argument("--judge", help="the training judge")
    parser.add_argument(
        "--judge_args", metavar="K=V,...|FILE", help="its options: k=v,k=v or a YAML file"
    )
    parser.add_argument("--reward", help="the training reward")
    parser.add_argument("--max_steps", type=int, help="optimiser steps")
    parser.add_argument("--seed", type=int, help="random seed: weights, sampling and prompt order")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument("--prompts", type=int, default=16, help="score: number of prompts")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Run one stage."""
    if args.stage == "configs":
        from ...training.reward.graders import accelerate_folder

        print(accelerate_folder())
        return 0
    _need_training_packages()
    config = read_config(args)
    from ...training.loop import run as runs

    if args.stage == "sft":
        return runs.run_sft(config, resume=args.resume, as_json=args.json)
    if args.stage == "score":
        return runs.run_score(config, n_prompts=args.prompts, as_json=args.json)
    return runs.run_grpo(config, resume=args.resume, as_json=args.json)


def read_config(args: argparse.Namespace) -> TrainConfig:
    """Merge preset, file, `--set` and flags, later wins."""
    from ...training.config_reading import load_config

    if args.config is None and args.preset is None and args.model is None and not args.set:
        raise ConfigError("nothing to train: give --config FILE.yaml or --preset cpu_tiny")
    flags: dict[str, Any] = {}

    def put(section: str, key: str, value: object) -> None:
        if value is not None:
            flags.setdefault(section, {})[key] = value

    put("run", "output_dir", args.output)
    put("run", "seed", args.seed)
    put("data", "path", args.data)
    put("data", "seed", args.seed)
    put("model", "name", args.model)
    put("reward", "name", args.reward)
    put("sft" if args.stage == "sft" else "grpo", "max_steps", args.max_steps)
    if args.judge is not None:
        flags["judge"] = parse_judge_args(args.judge, args.judge_args)
    elif args.judge_args is not None:
        raise ConfigError("--judge_args needs --judge")
    path = Path(args.config) if args.config else None
    return load_config(path, preset=args.preset, settings=args.set, overrides=flags)


def _need_training_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("torch", "trl", "peft", "datasets") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}: pip install 'rubricbeat[train]'")
