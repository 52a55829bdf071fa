"""Evaluate what the arms left: the lm-eval task, several answers a prompt, both judges; resumable.

    python examples/closed_loop/evaluate_arms.py --runs runs/closed_loop --output evaluated
    python examples/closed_loop/evaluate_arms.py ... --gold fitted:FOLDER --arms hybrid-none

A look during training takes one answer to a prompt; this takes more, of the last weights and of the
warm start they began from, by `rubricbeat run --tasks healthbench_heart_demo`. Printed are the
changes from the warm start by arm, with 95 % intervals over seeds and prompts. Before them stands
what each arm learnt on the prompts it trained on: its later steps beside those of an arm whose
policy never moved, which were asked the same prompts. p is corrected over the arms shown (Holm).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import yaml

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.rewards import evaluate_table, get_reward
from rubricbeat.judges.scoring.crossed import CrossedMean, crossed_mean
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.reports import numbers
from rubricbeat.reports.comparison.paired import holm
from rubricbeat.reports.results.reader import read_runs

HERE = Path(__file__).resolve().parent
TASK = "healthbench_heart_demo"
WARM_START = "warm_start"
REWARDS = ("healthbench", "soft(of=healthbench)")
CONTROL = "binary"
"""Its groups are all dead here: its policy stays the warm start."""
ARM = re.compile(r"^(?P<arm>.+)-seed\d+$")
REWARD_OF = re.compile(r"^[a-z_]+(?=-)")
"""The reward in a run's name."""

Scores = dict[str, float]
"""Mean reward of each prompt's answers, by prompt_id."""


def main() -> int:
    """Evaluate what is not evaluated yet, and print the table; give 1 when a run failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder of run_arms.py")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--gold", metavar="JUDGE", default="overlap_judge:OverlapJudge")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="such as hybrid-none (all)")
    parser.add_argument("--answers", type=int, default=4, help="answers to each prompt (4)")
    args = parser.parse_args()
    runs = finished(args.runs, args.arms)
    print_learning(args.runs, runs)
    names = [WARM_START, *(name for name in runs if not name.startswith(CONTROL))]
    for name in names:
        answers = args.output / "training" / name
        words = ["--repeats", str(args.answers), "--run", name]
        policy = asked_of(args.runs / name / "final")
        if not run(answers, [*policy, "--judge", "keyword", *words]):
            return 1
        again = ["--responses", str(answers), "--judge", args.gold, *words]
        if not run(args.output / "gold" / name, again):
            return 1
    found: dict[str, dict[str, Scores]] = {}
    for judge in ("training", "gold"):
        for reward in REWARDS:
            try:
                scores = {name: scores_of(args.output / judge / name, reward) for name in names}
            except ConfigError:  # this judge gives no P(met)
                continue
            found.setdefault(judge, scores)
            print_changes(f"{judge} judge, {reward}", scores)
    print_gaps(found["training"], found["gold"])
    return 0


def finished(runs: Path, arms: Sequence[str] | None) -> list[str]:
    """List the runs of some arms, or of all, that are done."""
    states = {path.parent.name: json.loads(path.read_text()) for path in runs.glob("*/status.json")}
    found = [name for name, state in sorted(states.items()) if state["state"] == "done"]
    matched = [(name, ARM.match(name)) for name in found]
    return [name for name, arm in matched if arm and (arms is None or arm["arm"] in arms)]


def asked_of(final: Path) -> list[str]:
    """Give the words of `rubricbeat run` that ask a policy as its training did."""
    config = yaml.safe_load((HERE / "closed_loop.yaml").read_text(encoding="utf-8"))
    adapter = json.loads((final / "adapter_config.json").read_text(encoding="utf-8"))
    model = {
        "pretrained": adapter["base_model_name_or_path"],
        "peft": str(final),
        "tokenizer": str(final),
        "dtype": config["model"]["dtype"],
    }
    sampling = {
        "max_gen_toks": config["grpo"]["max_completion_length"],
        "do_sample": True,
        "temperature": config["grpo"]["temperature"],
    }
    return [
        *("--model", "hf", "--model_args", json.dumps(model), "--apply_chat_template"),
        *("--gen_kwargs", json.dumps(sampling), "--batch_size", "32"),
        *("--system_instruction", config["data"]["system_prompt"]),
    ]


def run(folder: Path, words: Sequence[str]) -> bool:
    """Run the task, unless its results are there; say whether they are."""
    if any(folder.rglob("samples_*.jsonl")):
        return True
    print(f"{folder}: running", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "rubricbeat", "run", "--tasks", TASK, *words]
    paths = [str(HERE.parent / "custom_judge"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [*command, "--output_path", str(folder)], env=environment, stdout=log, stderr=log
        )
    if done.returncode:
        print(f"{folder}: failed; see log.txt there", file=sys.stderr)
    return done.returncode == 0


def scores_of(folder: Path, reward: str) -> Scores:
    """Give the mean reward of each prompt's answers in a result folder.

    Raises:
        ConfigError: The reward needs P(met), and no verdict there carries one.
    """
    graded = [answer for run in read_runs([folder]) for answer in run.graded]
    table = VerdictTable.of(graded)
    rewards_N = evaluate_table(get_reward(reward), table)
    known_N = ~np.isnan(rewards_N)
    return {
        prompt: float(rewards_N[here_N].mean())
        for code, prompt in enumerate(table.prompt_ids)
        if (here_N := known_N & (table.prompt_N == code)).any()
    }


def learning_of(folder: Path, control: Path) -> list[float]:
    """Give what each later step scored above the same step of a run that never moved."""
    own, still = (_steps_of(path) for path in (folder, control))
    half = len(own) // 2
    return [score - other for score, other in zip(own[half:], still[half:], strict=True)]


def _steps_of(folder: Path) -> list[float]:
    """Give the mean `healthbench` reward of each step's answers, whatever the run trained on."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    key = "reward" if folder.name.startswith(REWARDS[0]) else f"reward_alt/{REWARDS[0]}"
    return [float(json.loads(line)[key]) for line in lines]


def print_learning(runs: Path, names: Sequence[str]) -> None:
    """Print what each arm learnt on its training prompts, over seeds and steps."""
    arms: dict[str, list[list[float]]] = {}
    done = set(finished(runs, None))
    for name in names:
        control = runs / REWARD_OF.sub(CONTROL, name)
        if (arm := ARM.match(name)) and not name.startswith(CONTROL) and control.name in done:
            arms.setdefault(arm["arm"], []).append(learning_of(runs / name, control))
    print(f"training prompts, training judge, {REWARDS[0]}: later steps above those of {CONTROL}")
    _print({arm: _mean_of(tables) for arm, tables in arms.items()})


def change_of(runs: Sequence[Scores], before: Scores) -> CrossedMean:
    """Average the changes of an arm's runs from one start, over the prompts of both."""
    prompts = sorted(before)
    return _mean_of([[after.get(p, np.nan) - before[p] for p in prompts] for after in runs])


def print_changes(title: str, scores: dict[str, Scores]) -> None:
    """Print the change of each arm from the warm start."""
    before = scores[WARM_START]
    arms: dict[str, list[Scores]] = {}
    for name, of in scores.items():
        if arm := ARM.match(name):
            arms.setdefault(arm["arm"], []).append(of)
    print(f"\n{title}: warm start {numbers.score(float(np.mean(list(before.values()))))}")
    _print({arm: change_of(of_arm, before) for arm, of_arm in arms.items()})
    if len(arms) > 1:
        together = change_of([of for of_arm in arms.values() for of in of_arm], before)
        print(_row("all runs", together), flush=True)
        print_surest_pair(scores, list(arms))


def print_surest_pair(scores: dict[str, Scores], arms: Sequence[str]) -> None:
    """Print which two arms differ most surely, seed by seed, and p corrected over all pairs."""
    pairs = {
        f"{one} - {other}": _difference(scores, one, other) for one, other in combinations(arms, 2)
    }
    tested = {name: change for name, change in pairs.items() if change.p_value is not None}
    p_values = [change.p_value for change in tested.values()]
    if tested:
        # the smallest p stays the smallest when it is corrected
        name, p = list(tested)[int(np.argmin(p_values))], min(holm(p_values))
        print(f"surest of {len(pairs)} pairs: {_row(name, tested[name])}  p {numbers.p_value(p)}")


def _difference(scores: dict[str, Scores], one: str, other: str) -> CrossedMean:
    seeds = [name.removeprefix(one) for name in scores if name.startswith(f"{one}-seed")]
    both = [seed for seed in seeds if other + seed in scores]
    prompts = sorted(scores[WARM_START])
    return _mean_of(
        [
            [scores[one + s].get(p, np.nan) - scores[other + s].get(p, np.nan) for p in prompts]
            for s in both
        ]
    )


def print_gaps(training: dict[str, Scores], gold: dict[str, Scores]) -> None:
    """Print how much more of a change the judge that trains saw than the gold judge, by arm."""
    beyond = {
        name: {p: of[p] - gold[name][p] for p in of if p in gold[name]}
        for name, of in training.items()
    }
    print_changes(f"training judge above gold judge, {REWARDS[0]}", beyond)


def _mean_of(table_RP: Sequence[Sequence[float]]) -> CrossedMean:
    return crossed_mean(np.array(table_RP))


def _print(arms: Mapping[str, CrossedMean]) -> None:
    corrected = holm([change.p_value for change in arms.values()])
    for (arm, change), p in zip(arms.items(), corrected, strict=True):
        print(f"{_row(arm, change)}  p {numbers.p_value(p)}", flush=True)


def _row(name: str, change: CrossedMean) -> str:
    interval = numbers.interval(change.interval.low, change.interval.high, signed=True)
    return f"{name:20} {change.n_runs} runs  {numbers.difference(change.mean):>8} {interval}"


if __name__ == "__main__":
    sys.exit(main())
