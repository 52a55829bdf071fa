"""Whether prompts whose groups are dead should rest (`data.rest_dead`), at equal answers.

    python benchmarks/resting.py VERDICTS --data ROWS --evidence FILE    docs/evidence/resting.md

A policy over recorded answers is trained by GRPO in rounds of 16 prompts, which the trainer's own
`PromptOrder` draws; replayed training (`benchmarks/replay.py`) asks all prompts at each step, so
that nothing could rest there. Two minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rubricbeat.harness.inputs import read_signal_input
from rubricbeat.harness.training.prompt_order import PromptOrder
from rubricbeat.harness.training.reward.batch import Dead, GroupStats
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.scoring.estimates import Estimate
from rubricbeat.judges.scoring.rubric_arrays import Bools, Floats
from rubricbeat.judges.signal import group_answers
from rubricbeat.judges.signal.replay.features import features_of, within_prompts
from rubricbeat.judges.signal.replay.gains import gain_of

REWARDS = ("healthbench", "hybrid", "complexity", "binary")
GROUP, ROUND, SEEDS, REST_AFTER = 6, 16, 10, 2
TABLE_RATE, SLOW, FAST = 0.25, 0.002, 0.02
"""Of the policy for each prompt, and of Adam for the one for all: one that is still learning at the
end, and one that has learnt what it can."""
NEVER = -1e30


@dataclass(frozen=True, slots=True)
class Answers:
    """What was recorded, by prompt and answer."""

    gold_PA: Floats
    """The HealthBench score; 0 at padding."""
    answered_PA: Bools
    features_PAF: Floats
    rewards: dict[str, Floats]
    """By name, [P, A], in units of the spread in a prompt."""


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verdicts", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True, help="their rows")
    parser.add_argument("--evidence", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    page = "\n".join(evidence(read(args.verdicts, args.data)))
    args.evidence.write_text(page + "\n", encoding="utf-8")


def read(paths: list[Path], data: Path) -> Answers:
    """Read recorded verdicts, and keep the prompts with two answers or more."""
    found = read_signal_input(paths, data)
    groups = group_answers(found.answers)
    gold = groups.rewards(get_reward("healthbench"))
    answered = groups.answered_PG & ~np.isnan(gold)
    kept = answered.sum(1) > 1
    assert groups.places_PG is not None
    features = features_of([one.graded.answer for one in found.answers])[groups.places_PG]
    answered, rewards = answered[kept], {}
    for name in REWARDS:
        reward = np.where(answered, groups.rewards(get_reward(name))[kept], np.nan)
        rewards[name] = reward / np.nanstd(reward - np.nanmean(reward, axis=1, keepdims=True))
    gold = np.where(answered, gold[kept], 0.0)
    return Answers(gold, answered, within_prompts(features[kept], answered), rewards)


def train(
    known: Answers, name: str, seed: int, visits: int, rest_after: int, rate: float, is_one: bool
) -> tuple[Floats, float]:
    """Train one policy.

    Args:
        known: The answers.
        name: Of the reward.
        seed: Of the halves, the order and the draws.
        visits: Rounds, in epochs without rests: the answers asked for.
        rest_after: As `data.rest_dead`.
        rate: The learning rate.
        is_one: One policy for all prompts, which sees the form of an answer, trained by Adam on
            half of the prompts; else one for each prompt.

    Returns:
        The gain of each prompt that counts, NaN elsewhere, and the share of dead groups.
    """
    reward_PA, answered_PA, n = known.rewards[name], known.answered_PA, len(known.gold_PA)
    halves, draws = np.random.default_rng([7, seed]), np.random.default_rng([8, seed])
    trained, counts = np.arange(n), np.arange(n)
    if is_one:
        trained, counts = np.split(halves.permutation(n), [n // 2])
    order = PromptOrder([str(place) for place in trained], seed, rest_after)
    logits_PA = np.where(answered_PA, 0.0, NEVER)
    w_F, first_F, second_F = np.zeros((3, known.features_PAF.shape[2]))
    n_rounds, n_dead = visits * len(trained) // ROUND, 0

    def chances(places: np.ndarray) -> Floats:
        if is_one:
            scores = known.features_PAF[places] @ w_F
            logits = np.where(answered_PA[places], scores, NEVER)
        else:
            logits = logits_PA[places]
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(weights / weights.sum(1, keepdims=True))

    for t in range(n_rounds):
        asked = order.asked(t * ROUND, (t + 1) * ROUND)
        places = trained[asked]
        chance_BA = chances(places)
        points = draws.random((ROUND, GROUP, 1))
        drawn_BG = (points > chance_BA.cumsum(1)[:, None, :-1]).sum(2)
        rewards_BG = np.take_along_axis(reward_PA[places], drawn_BG, axis=1)
        advantages_BG = rewards_BG - rewards_BG.mean(1, keepdims=True)
        dead_B = np.abs(advantages_BG).max(1) < 1e-9
        n_dead += int(dead_B.sum())
        gradient_BA = -chance_BA * advantages_BG.sum(1, keepdims=True)
        np.add.at(gradient_BA, (np.arange(ROUND)[:, None], drawn_BG), advantages_BG)
        if is_one:
            step_F = np.einsum("ba,baf->f", gradient_BA, known.features_PAF[places])
            step_F /= ROUND * GROUP
            first_F, second_F = 0.9 * first_F + 0.1 * step_F, 0.999 * second_F + 0.001 * step_F**2
            root_F = np.sqrt(second_F / (1 - 0.999 ** (t + 1))) + 1e-8
            w_F = w_F + rate * first_F / (1 - 0.9 ** (t + 1)) / root_F
        else:
            np.add.at(logits_PA, places, rate * gradient_BA / GROUP)
        order.tell(
            GroupStats(str(places[i]), GROUP, GROUP, 0.0, 0.0, 0.0, Dead.REWARD if dead else None)
            for i, dead in enumerate(dead_B)
        )
    start_P = known.gold_PA.sum(1) / answered_PA.sum(1)
    gain_P = np.full(n, np.nan)
    gain_P[counts] = ((chances(np.arange(n)) * known.gold_PA).sum(1) - start_P)[counts]
    return gain_P, n_dead / (n_rounds * ROUND)


def evidence(known: Answers) -> Iterator[str]:
    """Write the page line by line."""
    n_answers = int(known.answered_PA.sum())
    yield HEAD.format(answers=f"{n_answers:,}", prompts=len(known.gold_PA))
    yield "| policy | reward | epochs | dead | dead, resting | gain | gain, resting | difference |"
    yield "|---|---|---|---|---|---|---|---|"
    for what, is_one, rate in (
        ("one per prompt", False, TABLE_RATE),
        ("shared, still learning", True, SLOW),
        ("shared, converged", True, FAST),
    ):
        for name in REWARDS:
            for visits in (4, 8, 20):
                row = _row(known, name, visits, rate, is_one)
                yield f"| {what} | `{name}` | {visits} | {row} |"
    yield TAIL


def _row(known: Answers, name: str, visits: int, rate: float, is_one: bool) -> str:
    gains, dead = {}, {}
    for after in (0, REST_AFTER):
        runs = [train(known, name, s, visits, after, rate, is_one) for s in range(SEEDS)]
        gains[after] = np.stack([gain for gain, _ in runs])
        dead[after] = float(np.mean([share for _, share in runs]))
    plain, rested = (gain_of(gain).value for gain in gains.values())
    shares = " | ".join(f"{share:.1%}" for share in dead.values())
    difference = _with_ends(gain_of(gains[REST_AFTER] - gains[0]))
    return f"{shares} | {plain:+.4f} | {rested:+.4f} | {difference}"


def _with_ends(found: Estimate) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


HEAD = """# Prompts that rest: what `data.rest_dead` gains at equal answers

Made by `python benchmarks/resting.py VERDICTS --data ROWS --evidence docs/evidence/resting.md`; do
not edit by hand. VERDICTS as in [replay.md](replay.md).

A policy chooses among {answers} recorded answers to {prompts} prompts and is trained by GRPO,
16 prompts x 6 answers at a time (scale none), once in the usual order and once with resting
(`rest_dead: 2`): a prompt whose last two groups were dead is excluded from the next epoch, then of
2, 4 and 8. Both ask for the same number of answers; "epochs" is that number over the prompts. Gains
are in HealthBench score, paired differences with 95 % intervals over 10 seeds and the prompts.

* **one per prompt**: a softmax over the answers of each prompt; gain on the prompts trained on.
* **shared**: one linear score of an answer's form, trained by Adam on half of the prompts; gain on
  the held-out half. Learning rate 0.002 (still learning at the end) and 0.02 (converged).
"""
TAIL = """
Resting pays more the more groups are dead and the more often each prompt is asked: 11 % more gain
on the trained prompts under `complexity` after 20 epochs, 4 % on held-out prompts, and next to
nothing under `healthbench`, which has few dead groups. Once the policy has converged it gains
nothing, and under `binary` it loses: the few prompts that are left are overtrained. So it is off by
default; try it where a run has several epochs and the log counts a fifth of the groups or more as
dead.
"""


if __name__ == "__main__":
    main()
