"""Speed of the signal study, and the coverage of every interval it gives.

    python benchmarks/signal_study.py                  1,000,000 verdicts, 6 rewards, 3 scales
    python benchmarks/signal_study.py --recorded FILE --data ROWS     recorded answers
    python benchmarks/signal_study.py --coverage       1,000 seeds of every interval
    python benchmarks/signal_study.py --planner        the planner against simulation

Bars: 2 s and 1 GB for the first, 1 s after loading for the second, 95 % within 2 points for the
third. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.scoring.estimates import Estimate, mean
from rubricbeat.judges.scoring.jackknife import correlation, share
from rubricbeat.judges.scoring.rubric_arrays import Floats, RubricArrays
from rubricbeat.judges.signal import GroupedVerdicts, Scale, group_answers, study_signal
from rubricbeat.judges.signal.advantages import advantages_of
from rubricbeat.judges.signal.dead_groups import equal_in_group
from rubricbeat.judges.signal.power import prompts_for
from rubricbeat.judges.signal.variance import split_variance

SIX = ("healthbench", "healthbench_clipped", "hybrid", "complexity", "rar_explicit", "binary")
N_SEEDS = 1_000


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--recorded", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--planner", action="store_true")
    args = parser.parse_args()
    if args.coverage:
        found = coverage()
    elif args.planner:
        found = planner()
    elif args.recorded:
        found = recorded(args.recorded, args.data, args.repeats)
    else:
        found = million(args.repeats)
    print(json.dumps(found, indent=2))


def million(repeats: int) -> dict[str, Any]:
    """Study 1,000,000 verdicts: 10,417 groups of 8 answers to rubrics of 12."""
    groups = made_up(10_417, 8, 12)
    rewards = [get_reward(name) for name in SIX]
    before = _rss_mb()
    seconds = _timed(lambda: study_signal(groups, rewards, tuple(Scale)), repeats)
    return {
        "n_verdicts": int(groups.verdicts_PGC.size),
        "seconds": seconds,
        "peak_rss_mb": _rss_mb(),
        "rss_before_mb": before,
    }


def recorded(path: Path, data: Path, repeats: int) -> dict[str, Any]:
    """Study recorded answers, loading apart."""
    from rubricbeat.harness.inputs import read_signal_input

    started = time.perf_counter()
    found = read_signal_input([path], data)
    loaded = time.perf_counter() - started
    seconds = _timed(lambda: study_signal(group_answers(found.answers, found.by)), repeats)
    return {"n_answers": len(found.answers), "loading_s": loaded, "seconds": seconds}


def made_up(
    n_groups: int, n_answers: int, n_criteria: int, seed: int = 0, level: float = 0.0
) -> GroupedVerdicts:
    """Draw verdicts of answers that differ in quality, on rubrics of both signs."""
    random = np.random.default_rng(seed)
    quality = random.normal(0, 1, (n_groups, 1, 1)) + random.normal(
        0, 0.7, (n_groups, n_answers, 1)
    )
    hard = random.normal(level, 1.5, (n_groups, 1, n_criteria))
    chance = 1 / (1 + np.exp(hard - quality))
    verdicts = (random.random(chance.shape) < chance).astype(np.float64)
    points = random.choice([-8.0, -5.0, -2.0, 3.0, 5.0, 7.0, 10.0], (n_groups, n_criteria))
    points[:, 0] = 5.0
    return GroupedVerdicts(
        verdicts_PGC=verdicts,
        rubric_PC=RubricArrays(points, points > 0, np.full(points.shape, -1, np.int8)),
        answered_PG=np.ones(verdicts.shape[:2], bool),
        prompt_ids=tuple(f"p{i}" for i in range(n_groups)),
    )


def coverage(n_seeds: int = N_SEEDS) -> dict[str, Any]:
    """Count how often each kind of interval holds the true value; 0.95 is the aim."""
    hits: dict[str, list[bool]] = {}

    def seen(name: str, estimate: Estimate, truth: float) -> None:
        inside = estimate.low is not None and estimate.high is not None
        hits.setdefault(name, []).append(
            inside and estimate.low <= truth <= estimate.high  # type: ignore[operator]  # not None
        )

    true_r = _true_correlation()
    truths = _verdict_truths()
    for seed in range(n_seeds):
        random = np.random.default_rng(seed)
        split = split_variance("r", normal_rewards(random, 60), np.arange(60))
        seen("icc, clustered", split.icc, 0.36 / 0.52)
        seen("fidelity", split.fidelity, float(np.sqrt(0.36 / 0.52)))
        seen(
            "fidelity, 3 votes",
            split.fidelity_of_votes(3),
            float(np.sqrt(0.36 / (0.36 + 0.16 / 3))),
        )
        skewed = skewed_rewards(random, 150)
        split = split_variance("r", skewed, np.arange(150))
        seen("icc, clustered, skewed rewards", split.icc, 0.36 / 0.52)
        twins = np.repeat(np.arange(60), 2)
        split = split_variance("r", normal_rewards(random, 120), twins)
        seen("icc, clustered, two groups a prompt", split.icc, 0.36 / 0.52)
        seen("mean, clustered", mean(twin_means(random), twins), 0.0)
        for p in (0.14, 0.38):
            seen(f"share {p}", share(random.random(300) < p, np.arange(300)), p)
            alike = np.repeat(random.random(150) < p, 2)
            seen(f"share {p}, twins alike", share(alike, np.repeat(np.arange(150), 2)), p)
        first, second = correlated(random, 120)
        seen("correlation", correlation(first, second, np.arange(120)), true_r)
        for name, estimate in verdict_estimates(judged_twice(200, seed)).items():
            seen(f"verdicts: {name}", estimate, truths[name])
    return {
        "n_seeds": n_seeds,
        "coverage": {name: float(np.mean(rows)) for name, rows in hits.items()},
    }


def normal_rewards(random: np.random.Generator, n_groups: int) -> Floats:
    """Draw two replicates of six answers: prompts 1, answers .36, judge .16."""
    return np.asarray(
        random.normal(0, 1.0, (1, n_groups, 1))
        + random.normal(0, 0.6, (1, n_groups, 6))
        + random.normal(0, 0.4, (2, n_groups, 6))
    )


def skewed_rewards(random: np.random.Generator, n_groups: int) -> Floats:
    """Draw the same variances from skewed distributions, as clipped rewards have."""
    answers = (random.exponential(1.0, (1, n_groups, 6)) - 1.0) * 0.6
    judge = (random.exponential(1.0, (2, n_groups, 6)) - 1.0) * 0.4
    return np.asarray(random.normal(0, 1.0, (1, n_groups, 1)) + answers + judge)


def twin_means(random: np.random.Generator) -> Floats:
    """Draw two groups of each of 60 prompts that share their prompt's level."""
    prompts = np.repeat(random.normal(0, 1.0, (60, 1)), 2, axis=0)
    return np.asarray(prompts + random.normal(0, 0.6, (120, 6)))


def correlated(random: np.random.Generator, n_groups: int) -> tuple[Floats, Floats]:
    """Draw advantages of two rewards of the same answers, of unlike spread by group."""
    size = random.choice([0.5, 1.0, 2.0], (n_groups, 1))
    common = random.normal(0, 1, (n_groups, 6)) * size
    first = common + random.normal(0, 0.5, (n_groups, 6)) * size
    second = common + random.normal(0, 0.5, (n_groups, 6)) * size
    return first - first.mean(1, keepdims=True), second - second.mean(1, keepdims=True)


def judged_twice(n_groups: int, seed: int, flip: float = 0.03) -> GroupedVerdicts:
    """Draw a pilot of verdicts, judged twice by a judge that is wrong on some."""
    # short, hard rubrics: a good part of the groups is dead
    true = made_up(n_groups, 5, 4, seed, level=3.0)
    verdicts = true.verdicts_PGC
    random = np.random.default_rng([seed, 1])
    rows = [
        np.where(random.random(verdicts.shape) < flip, 1 - verdicts, verdicts) for _ in range(2)
    ]
    return replace(true, verdicts_PGC=rows[0], replicates_RPGC=np.stack(rows[1:]))


def verdict_estimates(groups: GroupedVerdicts) -> dict[str, Estimate]:
    """Give every kind of interval of the study for rewards of verdicts, far from normal."""
    clusters = groups.clusters_P
    found: dict[str, Estimate] = {}
    advantages = {}
    for name in ("healthbench", "hybrid", "complexity"):
        reward = get_reward(name)
        rewards_RPG = groups.replicate_rewards(reward)
        found[f"icc of {name}"] = split_variance(name, rewards_RPG, clusters).icc
        found[f"mean of {name}"] = mean(rewards_RPG[0], clusters)
        found[f"dead share of {name}"] = share(equal_in_group(rewards_RPG[0]), clusters)
        advantages[name] = [advantages_of(row) for row in rewards_RPG]
        first, second = advantages[name]
        found[f"two verdicts of {name}"] = correlation(first, second, clusters)
    for other in ("hybrid", "complexity"):
        pair = correlation(advantages["healthbench"][0], advantages[other][0], clusters)
        found[f"healthbench and {other}"] = pair
    return found


def _verdict_truths() -> dict[str, float]:
    """Give the values of a population of 100,000 groups."""
    found = verdict_estimates(judged_twice(100_000, 987_654_321))
    return {name: float(estimate.value or 0.0) for name, estimate in found.items()}


def _true_correlation() -> float:
    """Give 1 / 1.25: the common part over common and own."""
    return 0.8


def planner(n_seeds: int = 400) -> dict[str, Any]:
    """Hold the planner's two promises to simulation."""
    random = np.random.default_rng(0)
    fidelity = []
    for answers, votes in ((3, 1), (6, 1), (6, 3), (12, 2)):
        true = random.normal(0, 0.6, (20_000, answers))
        judged = true + random.normal(0, 0.4, (votes, 20_000, answers)).mean(0)
        noisy = judged - judged.mean(1, keepdims=True)
        measured = float(np.corrcoef(noisy.ravel(), true.ravel())[0, 1])
        icc = 0.36 / (0.36 + 0.16 / votes)
        fidelity.append(
            {"answers": answers, "votes": votes, "measured": measured,
             "planned": float(np.sqrt((1 - 1 / answers) * icc))}
        )  # fmt: skip
    # power at the planned number of prompts: prompts shared, answers .36 and judge .16 over 4
    variance = 2 * (0.36 + 0.16) / 4
    power = []
    for difference in (0.1, 0.2, 0.5):
        n = prompts_for(variance, difference)
        found = 0
        for _ in range(n_seeds * 50):
            gaps = difference + random.normal(0, np.sqrt(variance), n)
            t = gaps.mean() / (gaps.std(ddof=1) / np.sqrt(n))
            found += abs(t) > _t975(n - 1)
        power.append({"difference": difference, "prompts": n, "power": found / (n_seeds * 50)})
    return {"fidelity": fidelity, "power": power}


def _t975(df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.975))


def _timed(call: Callable[[], object], repeats: int) -> dict[str, Any]:
    times, cpu = [], []
    for _ in range(repeats):
        started, cpu_started = time.perf_counter(), time.process_time()
        call()
        times.append(time.perf_counter() - started)
        cpu.append(time.process_time() - cpu_started)
    # on a busy machine the processor's own time is the fairer number
    return {"median": median(times), "cpu_median": median(cpu), "all": [round(t, 3) for t in times]}


def _rss_mb() -> float:
    """Give the peak resident memory of this process, in MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
