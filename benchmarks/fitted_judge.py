"""How many criteria a second a fitted judge reads, on one core and on several.

    python benchmarks/fitted_judge.py --judge fitted:my-judge [--workers 2] [--answers 40]

Made-up answers of about 500 tokens and rubrics of 12 criteria of about 35 tokens, read twice:
answers to one prompt, whose rubric is known after the first, and answers that each bring a rubric
of their own. Each worker is a process with one thread. "a core" is by processor time, which a busy
machine changes little; "together" is by the clock, which it does change.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time

import numpy as np

N_CRITERIA = 12
WORDS = [
    "patient", "doctor", "advise", "aspirin", "pressure", "daily", "symptom", "water", "sleep",
    "careful", "dose", "child", "fever", "chest", "pain", "rest", "walk", "eat", "less", "salt",
    "call", "nurse", "hospital", "urgent", "test", "blood", "sugar", "weight", "heart", "mention",
    "explain", "avoid", "limit", "check", "before", "after", "week", "month", "risk", "warning",
]  # fmt: skip


def made_up(rng: np.random.Generator, n_words: int) -> str:
    """Write sentences of twelve words."""
    words = [WORDS[n] for n in rng.integers(len(WORDS), size=n_words)]
    lines = [" ".join(words[start : start + 12]) for start in range(0, n_words, 12)]
    return ". ".join(lines) + "."


def measure(spec: str, n_answers: int, seed: int) -> dict[str, float]:
    """Read answers in this process."""
    from rubricbeat.judges.judge import Question
    from rubricbeat.judges.judge_options import make_judge
    from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

    rng = np.random.default_rng(seed)

    def example(name: str) -> Example:
        criteria = [Criterion(made_up(rng, 32), 5.0, Polarity.DESIRABLE) for _ in range(N_CRITERIA)]
        return Example(name, (Message("user", made_up(rng, 40)),), Rubric(tuple(criteria)))

    def questions(one: Example) -> list[Question]:
        text = made_up(rng, 420)
        return [Question(one, text, place) for place in range(N_CRITERIA)]

    known = example("known")
    loads = {
        "rubric known": [questions(known) for _ in range(n_answers)],
        "rubric new": [questions(example(f"p{n}")) for n in range(n_answers)],
    }
    judge = make_judge(spec)
    found: dict[str, float] = {}

    async def read() -> None:
        # loads the encoder, and reads the known rubric for the first time
        await judge.judge_group(questions(known))
        for name, groups in loads.items():
            clock, cpu = time.perf_counter(), time.process_time()
            for group in groups:
                await judge.judge_group(group)
            found[f"{name}, clock"] = n_answers * N_CRITERIA / (time.perf_counter() - clock)
            found[f"{name}, cpu"] = n_answers * N_CRITERIA / (time.process_time() - cpu)
        await judge.aclose()

    asyncio.run(read())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--judge", required=True, help="fitted:DIR")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each (1)")
    parser.add_argument("--answers", type=int, default=40, help="answers a line and worker (40)")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        print(json.dumps(measure(args.judge, args.answers, args.worker)))
        return
    command = [sys.executable, __file__, "--judge", args.judge, "--answers", str(args.answers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([*command, "--worker", str(n)], stdout=subprocess.PIPE, env=environment)
        for n in range(args.workers)
    ]
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(1)
    parts = [json.loads(output) for output in outputs]
    print(f"{'':14}{'criteria/s a core':>18}{f'{args.workers} together':>14}")
    for name in ("rubric known", "rubric new"):
        core = np.mean([part[f"{name}, cpu"] for part in parts])
        together = sum(part[f"{name}, clock"] for part in parts)
        print(f"{name:14}{core:18.0f}{together:14.0f}")


if __name__ == "__main__":
    main()
