"""Speed of replayed training, and what it says of rewards on recorded verdicts.

    python benchmarks/replay.py VERDICTS --data ROWS                    speed, as JSON
    python benchmarks/replay.py VERDICTS --data ROWS --evidence FILE    docs/evidence/replay.md

Bars of the first, on two cores: six rewards, two scalings, 30 seeds and 400 steps over 3,892
answers in 10 s and 500 MB, loading apart. The second takes some minutes: it fits a weak judge to
the recorded verdicts, fold by fold, to train on it while the recorded ones are gold.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rubricbeat.harness.inputs import read_signal_input
from rubricbeat.judges.rewards import Reward, parse_rewards
from rubricbeat.judges.signal import GroupedVerdicts, Scale, TaggedAnswer, group_answers
from rubricbeat.judges.signal.replay.features import features_of
from rubricbeat.judges.signal.replay.gains import Standing
from rubricbeat.judges.signal.replay.noise import JudgeNoise
from rubricbeat.judges.signal.replay.study import DEFAULT_REWARDS, Replayed, ReplayedArm, replay
from rubricbeat.judges.signal.replay.training import Policy, Settings

BAR_S, BAR_MB = 10.0, 500
SCALES = (Scale.NONE, Scale.GROUP)
FEWER = Settings(seeds=10)


def main() -> int:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verdicts", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True, help="their rows")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="write the page")
    args = parser.parse_args()
    started = time.perf_counter()
    found = read_signal_input(args.verdicts, args.data)
    groups = group_answers(found.answers)
    loaded = time.perf_counter() - started
    if args.evidence:
        texts = [answer.graded.answer for answer in found.answers]
        page = "\n".join(evidence(groups, texts, args.verdicts, args.data))
        args.evidence.write_text(page + "\n", encoding="utf-8")
        return 0
    measured = speed(groups)
    print(json.dumps({"loading_s": loaded, **measured}, indent=2))
    # on a busy machine the clock says how busy it is: what one core did in the time is in time
    is_slow = min(measured["seconds"], measured["cpu_seconds"]) > BAR_S
    return int(is_slow or measured["peak_mb"] > BAR_MB)


def speed(groups: GroupedVerdicts) -> dict[str, float]:
    """Time the training that the bar is for."""
    rewards = parse_rewards(DEFAULT_REWARDS)
    wall, cpu = time.perf_counter(), time.process_time()
    done = replay(groups, rewards, SCALES)
    return {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "arms": len(done.arms),
        "answers": done.n_answers,
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }


def evidence(
    groups: GroupedVerdicts, texts: Sequence[str], paths: Sequence[Path], data: Path
) -> Iterator[str]:
    """Write the page line by line."""
    rewards = parse_rewards(DEFAULT_REWARDS)
    plain = replay(groups, rewards, SCALES)
    yield HEAD.format(answers=plain.n_answers, prompts=plain.n_prompts, most=plain.most)
    yield from _title("As recorded: training with a perfect copy of the judge")
    yield from _table(plain)
    yield CIRCLE
    yield from _title("A judge that errs")
    yield ERRS
    yield from _noise_table(groups)
    yield from _title("Two judges: trained on a weak one, gold another")
    yield WEAK
    yield from _table(_weak(paths, data))
    yield from _title("One policy for all prompts, on prompts held out")
    yield LINEAR
    assert groups.places_PG is not None
    features = features_of(texts)[groups.places_PG]
    linear = replace(FEWER, policy=Policy.LINEAR, steps=200)
    yield from _table(replay(groups, rewards, SCALES, linear, features_PGF=features))
    yield from _title("Group size, loss, missing verdicts")
    yield from _settings_table(groups)


def _title(words: str) -> Iterator[str]:
    yield f"\n## {words}\n"


def _table(found: Replayed) -> Iterator[str]:
    """Write a row per reward: what is gained under each scaling, and how far behind the best."""
    heads = [f"{scale}: gain | behind the best | standing | dead at start" for scale in SCALES]
    if found.has_gold:
        heads = [f"{head} | the judge sees" for head in heads]
    head = f"| reward | {' | '.join(heads)} |"
    yield head
    yield "|" + "---|" * (head.count("|") - 1)
    for name in dict.fromkeys(arm.reward for arm in found.arms):
        cells = [f"`{name}`"]
        for arm in (arm for arm in found.arms if arm.reward == name):
            row = next(r for r in found.standings[arm.scale] if r.reward == name)
            behind = "" if row.standing is Standing.BEST else _with_ends(row.behind)
            cells += [_with_ends(arm.gain), behind, str(row.standing), f"{arm.dead:.1%}"]
            cells += [_with_ends(arm.judge_gain)] if found.has_gold else []
        yield f"| {' | '.join(cells)} |"


def _noise_table(groups: GroupedVerdicts) -> Iterator[str]:
    rewards = parse_rewards(DEFAULT_REWARDS)
    yield from _head("verdicts", rewards)
    for rate in (0.0, 0.05, 0.1, 0.2):
        for stays in (False, True) if rate else (False,):
            settings = replace(FEWER, errors_stay=stays)
            noise = JudgeNoise.of_flips(rate)
            done = replay(groups, rewards, SCALES, settings, noise=noise)
            kind = f"{rate:.0%} flipped, {'the same each time' if stays else 'new each time'}"
            for scale in SCALES:
                arms = [arm for arm in done.arms if arm.scale is scale]
                yield f"| {kind if rate else 'as recorded'} | {scale} | {_gains(arms)} |"


def _head(first: str, rewards: Sequence[Reward]) -> Iterator[str]:
    names = " | ".join(f"`{reward.name}`" for reward in rewards)
    yield f"| {first} | scale | {names} | spread but `binary` |"
    yield "|---|---|" + "---|" * (len(rewards) + 1)


def _gains(arms: Sequence[ReplayedArm]) -> str:
    live = [arm.gain.value or 0.0 for arm in arms if arm.reward != "binary"]
    cells = [f"{arm.gain.value:+.3f}" for arm in arms]
    return " | ".join([*cells, f"{max(live) - min(live):.3f}"])


def _settings_table(groups: GroupedVerdicts) -> Iterator[str]:
    rewards = parse_rewards(DEFAULT_REWARDS)
    yield from _head("setting", rewards)
    kinds: list[tuple[str, Settings, JudgeNoise]] = [
        (f"groups of {size}", replace(FEWER, group_size=size), JudgeNoise()) for size in (3, 6, 16)
    ]
    kinds.append(("loss `grpo`: by length", replace(FEWER, by_length=True), JudgeNoise()))
    kinds.append(("10 % of the verdicts missing", FEWER, JudgeNoise.of_flips(0.0, 0.1)))
    for words, settings, noise in kinds:
        done = replay(groups, rewards, SCALES, settings, noise=noise)
        for scale in SCALES:
            yield f"| {words} | {scale} | {_gains([a for a in done.arms if a.scale is scale])} |"


def _weak(paths: Sequence[Path], data: Path) -> Replayed:
    """Train on a judge fitted to the recorded verdicts, on prompts that it has not learned from."""
    from weak_judge import judged_twice

    case = judged_twice(paths, data)
    answers = [
        TaggedAnswer(said, {}, truth.verdicts)
        for said, truth in zip(case.said, case.truth, strict=True)
    ]
    rewards = parse_rewards([*DEFAULT_REWARDS, "soft(of=healthbench)"])
    return replay(group_answers(answers), rewards, SCALES)


def _with_ends(found: object) -> str:
    value, low, high = (getattr(found, name) for name in ("value", "low", "high"))
    if value is None:
        return ""
    return f"{value:+.3f}" + ("" if low is None else f" [{low:+.3f}, {high:+.3f}]")


HEAD = """# Replayed training: what recorded verdicts say of rewards

Made by `python benchmarks/replay.py VERDICTS --data ROWS --evidence docs/evidence/replay.md`; do
not edit by hand. VERDICTS are gpt-4.1's recorded verdicts on HealthBench Hard answers of
gpt-4o-mini (private: see [claims.md](claims.md)). `rubricbeat replay-train` prints the same for
verdicts of your own.

A policy chooses among {answers:,} recorded answers to {prompts} prompts and is trained by GRPO; its
mean score is known exactly at every step, so that no model, no judge call and no GPU is needed
([how](../signal.md#replayed-training)). Gains are of the unclipped HealthBench score, in its own
units; the best answer to every prompt would gain {most:+.3f}. Intervals are at 95 %, over prompts
and seeds. "Behind" is the paired difference to the best and allows for all comparisons with it.
30 seeds, 400 steps, groups of 6 where nothing else is said; tables without intervals: 10 seeds.
"""
CIRCLE = """
Gold is the score of these very verdicts here, so `healthbench` leads by construction, and the table
recommends nothing. What it shows is what the others lose: to groups that die under the clip and
under all-or-nothing, and to weights that are not the score's."""
ERRS = """Verdicts are flipped at random before the reward is taken; gold is the score of those as
recorded. "Anew": each draw is judged again. "Once and for all": one judging of each answer for all
of a training, as at temperature 0, so that the policy learns the judge's mistakes.
"""
WEAK = """The judge is a fitted one (`fit-judge`), each verdict on a prompt that it has not learned
from; gold is gpt-4.1. "The judge sees" is what a training log would show.
"""
LINEAR = """A policy that sees the form of an answer alone (length, lists, headings and so on) is
trained on half of the prompts, another half for each seed; gains are on the other half.
10 seeds, 200 steps.
"""


if __name__ == "__main__":
    raise SystemExit(main())
