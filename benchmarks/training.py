"""What the reward costs a training step beside the judge's latency.

    python benchmarks/training.py [--latency 1.0] [--steps 5]

One batch is 4 prompts x 6 answers x 9 criteria, judged over HTTP by the fake server of the tests.
Bars: a batch within 1.3 x the latency when the pool holds it, and at most 20 ms a step of our own
work beside it (the rewards, the groups, the four other rewards).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from loopback import Loopback

from rubricbeat.harness.training.reward.reward import RubricReward
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

PROMPTS, ANSWERS, CRITERIA = 4, 6, 9
BATCH_BAR, OWN_BAR_S = 1.3, 0.020


def main() -> int:
    """Measure; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds of one judge call")
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    with Loopback(latency_s=args.latency) as server, tempfile.TemporaryDirectory() as folder:
        judge = {
            "name": "chat",
            "model": "fake",
            "base_url": server.url,
            "max_concurrency": 256,
            "store": str(Path(folder) / "verdicts.sqlite"),
        }
        reward = RubricReward(
            judge,
            "hybrid",
            alternatives=("healthbench", "binary", "rar_explicit", "complexity"),
            group_size=ANSWERS,
        )
        walls, owns, cpus = [], [], []
        for step in range(args.steps + 1):
            examples = [_example(f"p{i}") for i in range(PROMPTS) for _ in range(ANSWERS)]
            answers = [f"answer {i} of step {step}" for i in range(len(examples))]
            began, cpu = time.perf_counter(), time.process_time()
            batch = reward.score(None, answers, examples, step=step)
            wall = time.perf_counter() - began
            if step:  # the first opens connections and the store
                walls.append(wall)
                owns.append(batch.own_s)
                cpus.append(time.process_time() - cpu)
        reward.close()
    found = {
        "verdicts": PROMPTS * ANSWERS * CRITERIA,
        "latency_s": args.latency,
        "batch_s": statistics.median(walls),
        "batch_over_latency": statistics.median(walls) / args.latency,
        "best_batch_over_latency": min(walls) / args.latency,
        # of the fake server too, which runs in this process; what a busy machine does not change
        "cpu_s": statistics.median(cpus),
        "own_s": statistics.median(owns),
        "beside_latency_s": statistics.median(walls) - args.latency,
    }
    print(json.dumps(found, indent=1))
    is_met = found["batch_over_latency"] <= BATCH_BAR and found["own_s"] <= OWN_BAR_S
    return 0 if is_met else 1


def _example(prompt_id: str) -> Example:
    criteria = tuple(
        Criterion(f"Statement number {i} is made.", float(i % 5 + 1), Polarity.DESIRABLE)
        for i in range(CRITERIA - 1)
    )
    fault = Criterion("Something false is said.", -4.0, Polarity.UNDESIRABLE)
    return Example(prompt_id, (Message("user", "what now"),), Rubric((*criteria, fault)))


if __name__ == "__main__":
    sys.exit(main())
