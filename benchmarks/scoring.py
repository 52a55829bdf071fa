"""Time all metrics and tags with the seeded bootstrap. Bar: 500 examples in 50 ms (design.md).

    python benchmarks/scoring.py [--examples 500] [--repeats 1] [--json]

Made-up rubrics of the published set's size: about 11 criteria a row, 5 axes, 34 consensus
clusters, 7 themes, 17 physician categories. Packing is timed apart: it happens once a run. `first`
is the first summary of a process (it loads numpy's generators), `new seed` makes its draws, `same
seed` finds those of the run before it (5 MB are kept). Medians of --rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.run_scores import (
    LENGTH_PENALTIES,
    ScoredAnswers,
    Summary,
    summarise_scored,
)
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.verdict import Verdict

POSITIVE = (1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10)
AXES, CLUSTERS, THEMES, CATEGORIES = 5, 34, 7, 17


def made_up_run(n_examples: int, n_repeats: int, seed: int = 0) -> list[GradedAnswer]:
    rng = random.Random(seed)
    examples = [made_up_example(rng, str(index)) for index in range(n_examples)]
    return [
        GradedAnswer(
            example,
            "x" * rng.randint(500, 4_000),
            tuple(Verdict.of(rng.random() < 0.5) for _ in example.rubric.criteria),
            repeat,
        )
        for example in examples
        for repeat in range(n_repeats)
    ]


def made_up_example(rng: random.Random, prompt_id: str) -> Example:
    criteria = []
    for index in range(max(2, round(rng.gauss(11, 3)))):
        is_positive = index == 0 or rng.random() < 0.67
        points = rng.choice(POSITIVE) * (1 if is_positive else -1)
        if rng.random() < 0.8:
            tags = ("level:example", f"axis:{rng.randrange(AXES)}")
        else:
            tags = ("level:cluster", f"cluster:{rng.randrange(CLUSTERS)}")
        polarity = Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE
        criteria.append(Criterion(f"criterion {index}", points, polarity, tags))
    themes = (f"theme:{rng.randrange(THEMES)}", f"category:{rng.randrange(CATEGORIES)}")
    return Example(prompt_id, (Message("user", "?"),), Rubric(tuple(criteria)), themes)


def milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def summarise_table(table: VerdictTable, seed: int = 1234) -> Summary:
    blocks = ScoredTable.score(table).blocks()
    return summarise_scored(ScoredAnswers.of(blocks, LENGTH_PENALTIES["full"]), seed=seed)


def median(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    wall, cpu = zip(*rounds, strict=True)
    return statistics.median(wall), statistics.median(cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    graded = made_up_run(args.examples, args.repeats)
    packing = milliseconds(lambda: VerdictTable.of(graded))
    table = VerdictTable.of(graded)
    first = milliseconds(lambda: summarise_table(table))
    same_seed = [milliseconds(lambda: summarise_table(table)) for _ in range(args.rounds)]
    new_seeds = [
        milliseconds(lambda seed=seed: summarise_table(table, seed=seed))
        for seed in range(args.rounds)
    ]
    times = {
        "packing": packing,
        "first": first,
        "new seed": median(new_seeds),
        "same seed": median(same_seed),
    }
    if args.json:
        print(json.dumps({k: {"wall_ms": w, "cpu_ms": c} for k, (w, c) in times.items()}))
        return
    print(f"{len(table)} answers, {len(summarise_table(table).tags)} tags, 10,000 draws")
    for name, (wall, cpu) in times.items():
        print(f"{name:9} {wall:7.1f} ms wall {cpu:7.1f} ms CPU")


if __name__ == "__main__":
    main()
