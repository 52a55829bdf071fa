"""What a stated certainty costs, on recorded verdicts of two systems: shares of all judge calls.

    python benchmarks/least_cost.py --verdicts FILE [FILE ...] --data ROWS --orders 200 --json

FILE is whatever `rubricbeat import` reads as recorded rows; several systems in it: the two with
the most prompts in common. A call is a criterion of an answer. Numbers, each null with a reason
under `why` where the file cannot give it:

decided_share      mean over random orders of the share of the calls that is made until the default
                   rule of `judge --until-decided 0.95` stops; an order that never decides counts 1.
wrong_sign         share of the orders that decide for the system that is lower on all prompts.
false_decisions    share of orders that decide where there is no true difference: the larger one of
                   signs flipped at random by prompt, and of random halves of one system's answers.
ppi_share, ppi_coverage     least_cost_two_judges.py
label_share                 least_cost_labels.py
cascade_saved and others    least_cost_cascade.py
control_share and others    least_cost_control.py

`decided_share_*`, `wrong_sign_*` and `false_*` give the same by method: `asymptotic` (the default),
`betting` on the scores within the range of these rubrics, and `betting_clipped` on answers' scores
clipped to 0..1. Seeded; one and a half minutes on two cores.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.budget.stopping import Method, ScoreRange, StopRule, look
from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.data.recorded import group_runs, hold_rubrics, read_recorded
from rubricbeat.judges.errors import RubricbeatError
from rubricbeat.judges.scoring.item_scores import item_scores

Floats = NDArray[np.float64]
SEED = 20261130
LEVEL = 0.95
NAMES = (
    "decided_share", "wrong_sign", "false_decisions", "ppi_share", "ppi_coverage", "label_share",
)  # fmt: skip
PARTS = (
    ("least_cost_two_judges", "two_judges"),
    ("least_cost_labels", "labels"),
    ("least_cost_cascade", "cascade"),
    ("least_cost_control", "control"),
)
"""Modules beside this one, and their functions: (Recorded, orders, rng) -> keys."""


@dataclass(frozen=True)
class Recorded:
    """Recorded verdicts of two systems as arrays over N answers; P prompts, S = 2 systems."""

    answers: tuple[GradedAnswer, ...]
    systems: tuple[str, ...]
    """Two names; fewer where the file holds fewer."""
    prompt_ids: tuple[str, ...]
    """Prompts that both systems answered."""
    system_N: NDArray[np.intp]
    prompt_N: NDArray[np.intp]
    run_N: tuple[str, ...]
    """Label of the run of each answer."""
    h_N: Floats
    """Unclipped HealthBench score of each answer; NaN where too many verdicts are missing."""
    calls_N: NDArray[np.intp]
    """Criteria of each answer: its judge calls."""
    notes: tuple[str, ...] = ()

    def scores_SP(self, h_N: Floats | None = None) -> Floats:
        """Give the mean score of each system's answers to each prompt; NaN where there is none."""
        h_N = self.h_N if h_N is None else h_N
        cells = self.system_N * len(self.prompt_ids) + self.prompt_N
        known = ~np.isnan(h_N)
        size = 2 * len(self.prompt_ids)
        sums = np.bincount(cells[known], h_N[known], minlength=size)
        counts = np.bincount(cells[known], minlength=size)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores: Floats = (sums / counts).reshape(2, -1)
        return scores

    def calls_P(self) -> NDArray[np.intp]:
        """Count the calls of each prompt, both systems together."""
        found = np.bincount(self.prompt_N, self.calls_N, minlength=len(self.prompt_ids))
        return found.astype(np.intp)


def read(files: Sequence[Path], data: Path) -> Recorded:
    """Read recorded verdicts as `rubricbeat import` does."""
    own = data in files and all(hold_rubrics(file) for file in files)
    examples = None if own else {e.prompt_id: e for e in read_examples(data).examples}
    found = read_recorded(files, examples)
    notes = [words for file in found for words in file.warnings()]
    runs = group_runs([row for file in found for row in file.rows])
    prompts: dict[str, set[str]] = {}
    for run in runs:
        prompts.setdefault(run.model, set()).update(g.example.prompt_id for g in run.graded)
    names: tuple[str, ...] = tuple(sorted(prompts))
    if len(names) > 2:
        names = max(combinations(names, 2), key=lambda two: len(prompts[two[0]] & prompts[two[1]]))
        notes.append(f"{len(prompts)} systems; the two with the most common prompts are compared")
    shared = sorted(set.intersection(*(prompts[name] for name in names))) if names else []
    place = {prompt_id: at for at, prompt_id in enumerate(shared)}
    kept = [
        (graded, names.index(run.model), run.label)
        for run in runs
        if run.model in names
        for graded in run.graded
        if graded.example.prompt_id in place
    ]
    answers = tuple(graded for graded, _, _ in kept)
    return Recorded(
        answers=answers,
        systems=names,
        prompt_ids=tuple(shared),
        system_N=np.array([system for _, system, _ in kept], dtype=np.intp),
        prompt_N=np.array([place[one.example.prompt_id] for one in answers], dtype=np.intp),
        run_N=tuple(label for _, _, label in kept),
        h_N=item_scores(answers),
        calls_N=np.array([len(one.verdicts) for one in answers], dtype=np.intp),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class Way:
    """A rule on scores of a kind."""

    method: Method
    clips: bool = False


WAYS = {
    "asymptotic": Way(Method.ASYMPTOTIC),
    "betting": Way(Method.BETTING),
    "betting_clipped": Way(Method.BETTING, clips=True),
}
DEFAULT = "asymptotic"


def stopping(recorded: Recorded, n_orders: int, rng: np.random.Generator) -> dict[str, Any]:
    """Stop in random orders, with the difference that there is and without one."""
    keys = ("decided_share", "wrong_sign", "false_decisions")
    if len(recorded.systems) < 2 or not recorded.prompt_ids:
        why = "needs two systems with prompts in common"
        return {**dict.fromkeys(keys), "why": dict.fromkeys(keys, why)}
    found: dict[str, Any] = {}
    why: dict[str, str] = {}
    within = ScoreRange.of({id(a.example): a.example for a in recorded.answers}.values())
    for name, way in WAYS.items():
        h_N = np.clip(recorded.h_N, 0.0, 1.0) if way.clips else recorded.h_N
        range_ = ScoreRange(0.0, 1.0) if way.clips else within
        for key, value in _stopped(recorded, h_N, way.method, range_, n_orders, rng).items():
            if isinstance(value, str):
                why[f"{key}_{name}"] = value
            found[f"{key}_{name}"] = None if isinstance(value, str) else value
    for key in keys:
        found[key] = found[f"{key}_{DEFAULT}"]
        if f"{key}_{DEFAULT}" in why:
            why[key] = why[f"{key}_{DEFAULT}"]
    return {**{key: found.pop(key) for key in keys}, **found, "why": why}


def _stopped(
    recorded: Recorded,
    h_N: Floats,
    method: Method,
    within: ScoreRange,
    n_orders: int,
    rng: np.random.Generator,
) -> dict[str, float | str]:
    rule = StopRule(level=LEVEL, method=method)
    gaps_P = np.subtract(*recorded.scores_SP(h_N))
    calls_P = recorded.calls_P()
    whole, truth = (
        float(calls_P.sum()),
        float(np.nanmean(gaps_P)) if np.any(gaps_P == gaps_P) else 0.0,
    )

    def stop(values_P: Floats) -> tuple[float, float, bool]:
        order = rng.permutation(len(values_P))
        one = look(values_P[order], rule, within.of_differences, alpha=rule.alpha)
        share = float(calls_P[order[: one.n_looked]].sum()) / whole
        return share, one.interval.value or 0.0, one.is_decided

    stops = [stop(gaps_P) for _ in range(n_orders)]
    flips = [stop(gaps_P * rng.choice([-1.0, 1.0], len(gaps_P)))[2] for _ in range(n_orders)]
    halves = [stop(gap_P)[2] for gap_P in _halves(recorded, h_N, n_orders, rng)]
    shares = [share for share, _, _ in stops]
    wrong = [decided and mean * truth < 0 for _, mean, decided in stops]
    false = {"flips": float(np.mean(flips))} | (
        {"halves": float(np.mean(halves))} if halves else {}
    )
    return {
        "decided_share": float(np.mean(shares)),
        "decided_share_p90": float(np.quantile(shares, 0.9)),
        "undecided": float(np.mean([not decided for _, _, decided in stops])),
        "wrong_sign": float(np.mean(wrong)) if truth else "the systems' means are equal",
        "false_decisions": max(false.values()),
        "false_flips": false["flips"],
        "false_halves": false.get("halves", "no system has two answers to a prompt"),
    }


def _halves(
    recorded: Recorded, h_N: Floats, n_orders: int, rng: np.random.Generator
) -> list[Floats]:
    """Give differences between random halves of one system's answers to each prompt."""
    n = len(recorded.prompt_ids)
    gaps = []
    for order in range(n_orders):
        mine = (recorded.system_N == order % 2) & ~np.isnan(h_N)
        prompt_A, h_A = recorded.prompt_N[mine], h_N[mine]
        mixed = rng.permutation(len(h_A))
        mixed = mixed[np.argsort(prompt_A[mixed], kind="stable")]
        prompt_A, h_A = prompt_A[mixed], h_A[mixed]
        first_P = np.searchsorted(prompt_A, np.arange(n))
        half_A = (np.arange(len(h_A)) - first_P[prompt_A]) % 2
        cells_A = half_A * n + prompt_A
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.bincount(cells_A, h_A, minlength=2 * n) / np.bincount(
                cells_A, minlength=2 * n
            )
        gap_P = np.subtract(*means.reshape(2, n))
        if np.any(gap_P == gap_P):
            # which half is the first one is by chance
            gaps.append(gap_P * rng.choice([-1.0, 1.0], n))
    return gaps


def parts() -> dict[str, Callable[[Recorded, int, np.random.Generator], Mapping[str, Any]]]:
    """Give what there is beside the stopping: the modules of `PARTS` that can be loaded."""
    sys.path.insert(0, str(Path(__file__).parent))
    found = {}
    for module, function in PARTS:
        if (Path(__file__).parent / f"{module}.py").is_file():
            found[module] = getattr(importlib.import_module(module), function)
    return found


def least_cost(recorded: Recorded, n_orders: int) -> dict[str, Any]:
    """Give every number, null where it cannot be had, with the reason under `why`."""
    results: dict[str, Any] = dict.fromkeys(NAMES)
    why: dict[str, str] = {}
    for at, part in enumerate((stopping, *parts().values())):
        found = dict(part(recorded, n_orders, np.random.default_rng([SEED, at])))
        why |= found.pop("why", {})
        results |= found
    why |= {name: why.get(name, "not measured") for name in NAMES if results[name] is None}
    facts = {
        "systems": recorded.systems,
        "prompts": len(recorded.prompt_ids),
        "answers": len(recorded.answers),
        "calls": int(recorded.calls_N.sum()),
        "orders": n_orders,
        "seed": SEED,
        "notes": recorded.notes,
    }
    return {**results, "why": why, **facts}


def main() -> int:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--verdicts", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True, help="their rows")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    try:
        found = least_cost(read(args.verdicts, args.data), args.orders)
    except RubricbeatError as error:  # nothing to read: no number, and why
        found = dict.fromkeys(NAMES) | {"why": dict.fromkeys(NAMES, str(error))}
    if args.json:
        print(json.dumps(found, indent=2, allow_nan=False))
    else:
        for name, value in found.items():
            print(f"{name}\t{value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
