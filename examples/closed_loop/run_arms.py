"""Run the arms of the closed loop: one warm start, then rewards x scales x seeds; resumable.

    python examples/closed_loop/run_arms.py --output runs/closed_loop
    python examples/closed_loop/run_arms.py --output runs/closed_loop --rewards hybrid --seeds 1
    rubricbeat report runs/closed_loop -o closed_loop.html

A run that is done is left alone; one that was stopped goes on from its last checkpoint. Every arm
begins from the same warm start and has the same budget: the steps, prompts and answers of
closed_loop.yaml.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from smollm2 import smollm2_folder  # noqa: E402  # beside this file

REWARDS = ("healthbench", "hybrid", "complexity", "rar_explicit", "binary")
SEEDS = (1, 2, 3)
SCALES = ("none", "group")
WARM_START = "warm_start"


def main() -> int:
    """Run what is asked for; give 1 when a run failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--rewards", nargs="+", default=REWARDS, choices=REWARDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--scales", nargs="+", default=SCALES, choices=SCALES)
    parser.add_argument("--gold", metavar="JUDGE", help="such as fitted:FOLDER")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all")
    parser.add_argument("--until", metavar="HH:MM", help="start no run after this time of day")
    args = parser.parse_args()
    warm_start = args.output / WARM_START
    if not any(one.startswith("model.name=") for one in args.set):
        args.set = [f"model.name={smollm2_folder()}", *args.set]
    if not run("sft", warm_start, ["run.seed=1", *args.set]):
        return 1
    failed = 0
    # seeds outermost: stopped early, every arm has as many seeds as any other
    for seed, reward, scale in product(args.seeds, args.rewards, args.scales):
        if args.until and time.strftime("%H:%M") >= args.until:
            print(f"stopped at {args.until}; start again to go on")
            return 1
        folder = args.output / f"{reward}-{scale}-seed{seed}"
        # the order of prompts stays that of data.seed; weights and sampling are the run's
        settings = [f"run.seed={seed}", f"run.label={folder.name}"]
        settings += [f"grpo.scale_rewards={scale}", f"model.adapter={warm_start / 'final'}"]
        if args.gold:
            settings.append(f"gold.judge={args.gold}")
        failed += not run("grpo", folder, [*settings, *args.set], ["--reward", reward])
    return 1 if failed else 0


def run(command: str, folder: Path, settings: Sequence[str], flags: Sequence[str] = ()) -> bool:
    """Run or resume one training; say whether it is done."""
    if state_of(folder) == "done":
        print(f"{folder.name}: done")
        return True
    print(f"{folder.name}: running", flush=True)
    words = [sys.executable, "-m", "rubricbeat", "train", command, *flags]
    words += ["--config", str(HERE / "closed_loop.yaml"), "--output_dir", str(folder)]
    for setting in settings:
        words += ["--set", setting]
    if state_of(folder) is not None:
        words.append("--resume")
    paths = [str(HERE.parent / "custom_judge"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with (folder.parent / f"{folder.name}.log").open("a", encoding="utf-8") as log:
        return subprocess.run(words, env=environment, stderr=log).returncode == 0


def state_of(folder: Path) -> str | None:
    """Give how a run stands, or None where there is none."""
    path = folder / "status.json"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["state"])


if __name__ == "__main__":
    sys.exit(main())
