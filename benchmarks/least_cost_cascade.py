"""What a cascade of the free judge and the recorded one saves: a part of `least_cost.py`.

cascade_saved          share of the recorded judge's calls that are saved at 98 % agreement with it:
                       bounds picked on a random half of the prompts, measured on the other; mean
                       over the orders.
cascade_saved_low, cascade_saved_high   95 % interval of it, over prompts, mean over the orders.
cascade_saved_random   share that skipping at random saves at the same agreement.
cascade_agreement      agreement on the half that was not searched.
cascade_below_random   share of the orders in which random skipping saved more.
cascade_score_shift    what it adds to the mean unclipped score of an answer.

    python benchmarks/least_cost_cascade.py --false

prints how often a cascade is recommended whose cheap judge has nothing to offer, measured on the
other half as `rubricbeat align cascade` does, and on the half that was searched, which is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from least_cost_two_judges import free_judge
from numpy.typing import NDArray

from rubricbeat.judges.budget.cascade import Members, frontier, measure, pick
from rubricbeat.judges.scoring.estimates import MIN_PROMPTS

AGREEMENT = 0.98
KEYS = (
    "cascade_saved", "cascade_saved_low", "cascade_saved_high", "cascade_saved_random",
    "cascade_agreement", "cascade_below_random", "cascade_score_shift",
)  # fmt: skip
FREE, DEAR = 0, 1


def cascade(recorded: Any, n_orders: int, rng: np.random.Generator) -> dict[str, Any]:
    """Pick and measure in random halves."""
    n = len(recorded.prompt_ids)
    known = {
        answer.example.prompt_id
        for answer in recorded.answers
        if answer.example.rubric.positive_points and any(v.met is not None for v in answer.verdicts)
    }
    if len(known) < 2 * MIN_PROMPTS:
        return _none(f"needs {2 * MIN_PROMPTS} prompts with verdicts, {len(known)} are there")
    said = _members(recorded, free_judge(recorded)[0])
    rows = []
    for _ in range(n_orders):
        first_P = np.zeros(n, bool)
        first_P[rng.permutation(n)[: n // 2]] = True
        searched, held = said.on(first_P), said.on(~first_P)
        point = pick(frontier(searched, DEAR), 1.0, agreement=AGREEMENT)
        assert point is not None  # the dear judge agrees with itself
        one = measure(point.cascade, held, DEAR)
        saved = one.calls_saved
        by_chance = saved.value if one.random_saved is None else one.random_saved
        values = (saved.value, saved.low, saved.high, by_chance)
        rows.append((*values, one.agreement.value, one.gain.value, one.score_shift.value))
    table = np.array([[np.nan if x is None else x for x in row] for row in rows])
    table[:, 5] = table[:, 5] < 0
    seen = ~np.isnan(table).all(axis=0)
    means = np.nanmean(table[:, seen], axis=0)
    values = dict(zip(np.array(KEYS)[seen].tolist(), means.tolist(), strict=True))
    why = {key: "no interval in any order" for key in KEYS if key not in values}
    return {**dict.fromkeys(KEYS), **values, "why": why}


def _none(why: str) -> dict[str, Any]:
    return {**dict.fromkeys(KEYS), "why": dict.fromkeys(KEYS, why)}


def _members(recorded: Any, chances: Sequence[NDArray[np.float64]]) -> Members:
    rows = [
        (chance, verdict.met, criterion.points / answer.example.rubric.positive_points, prompt, at)
        for at, (answer, chance_C, prompt) in enumerate(
            zip(recorded.answers, chances, recorded.prompt_N, strict=True)
        )
        for chance, verdict, criterion in zip(
            chance_C, answer.verdicts, answer.example.rubric.criteria, strict=True
        )
        if verdict.met is not None and answer.example.rubric.positive_points
    ]
    x_N, met_N, worth_N = (np.array([row[at] for row in rows], float) for at in range(3))
    free_N = x_N > 0.5
    return Members(
        sureness_MN=np.array([x_N, np.ones(len(rows))]),
        agrees_MN=np.array([free_N == (met_N == 1), np.ones(len(rows), bool)]),
        usd_M=np.array([0.0, 1.0]),
        calls_M=np.array([0.0, 1.0]),
        prompt_N=np.array([row[3] for row in rows]),
        answer_N=np.array([row[4] for row in rows]),
        gain_MN=np.array([worth_N * free_N, worth_N * met_N]),
        reference_N=worth_N * met_N,
    )


def _worthless(n_prompts: int, seed: int) -> Members:
    """Make a cheap judge up that is right on three of four, whatever its P(met) says."""
    rng = np.random.default_rng(seed)
    prompt_N = np.repeat(np.arange(n_prompts), 6)
    x_N, right_N = rng.uniform(size=len(prompt_N)), rng.uniform(size=len(prompt_N)) < 0.75
    one = np.ones(len(prompt_N))
    return Members(
        np.array([x_N, one]), np.array([right_N, one > 0]), np.array([0.0, 1.0]),
        np.array([0.0, 1.0]), prompt_N, prompt_N, np.array([right_N * one, one]), one,
    )  # fmt: skip


def main() -> None:
    """Print how often luck is recommended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--false", action="store_true", help="how often luck is recommended")
    parser.add_argument("--samples", type=int, default=2000)
    args = parser.parse_args()
    print("prompts  asked for  recommended  wrong on purpose")
    for n_prompts, agreement in ((20, 0.90), (60, 0.90), (60, 0.98), (200, 0.95)):
        right = wrong = 0
        for seed in range(1000, 1000 + args.samples):
            said, first_P = _worthless(n_prompts, seed), np.zeros(n_prompts, bool)
            order = np.random.default_rng(seed).permutation(n_prompts)
            first_P[order[: n_prompts // 2]] = True
            searched, held = said.on(first_P), said.on(~first_P)
            point = pick(frontier(searched, DEAR), 1.0, agreement=agreement)
            assert point is not None
            right += measure(point.cascade, held, DEAR).is_better_than_random
            wrong += measure(point.cascade, searched, DEAR).is_better_than_random
        shares = [f"{100 * n / args.samples:.1f} %" for n in (right, wrong)]
        print(f"{n_prompts:7}  {agreement:9.2f}  {shares[0]:>11}  {shares[1]:>16}")


if __name__ == "__main__":
    main()
