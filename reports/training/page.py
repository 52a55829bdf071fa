"""The page of a training run, or of several beside each other: one file, no request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from ...judges.errors import DataError
from ...judges.scoring.crossed import CrossedMean
from ...judges.verdict import Verdict
from .. import numbers
from ..pages.figures import Forest, forest
from ..pages.html import frame, render
from ..results.values import number_of
from .arms import Arm, ArmPair, HeldOutChange, arm_pairs, arms_of
from .figures import captions, training_figures
from .notes import SCALES, headline_of, notes_of, terms_of
from .runs import GOLD, RESTING, TRAINING, TrainingRun, has_rest, number_or_nan, read_training_runs

DIFFERS = "differs between the runs"
UNKNOWN = "not recorded"
FOLDER = "completions"
PROMPTS = 3
STEPS = 4
MAX_CHARS = 3_000
MOST_OPEN_RUNS = 6
"""Runs up to which their table stands open."""
ARM_FINDINGS = (
    "evaluation_step", "is_done", "reliability", "lost_by_reward", "moved", "is_hacked",
    "is_gold_dull",
)  # fmt: skip
ARM_NUMBERS = ("dead_frac", "group_std", "judge_share", "step_s", RESTING)


def common_facts(runs: Sequence[TrainingRun]) -> list[tuple[str, str]]:
    """Name what all runs share, and say where they do not."""
    facts = []
    for name, tell in FACTS.items():
        values = [text for text in dict.fromkeys(map(tell, runs)) if text is not None]
        if values:
            text = values[0] if len(values) == 1 else f"{DIFFERS}: {'; '.join(values[:4])}"
            more = f"{text}; and {len(values) - 4} more" if len(values) > 4 else text
            facts.append((name, more))
    return facts


def run_facts(run: TrainingRun) -> dict[str, object]:
    """Give the row of one run."""
    first, last = run.ends("reward")
    return {
        "name": run.name,
        "arm": run.setting,
        "seed": run.seed,
        "steps": len(run.steps),
        "planned": number_of(run.fact("plan", "max_steps")),
        "first": first,
        "last": last,
        "dead": run.mean("dead_frac"),
        "unscored": run.total("unscored"),
        "answers": run.total("answers"),
        "step_s": run.mean("step_s"),
        "judge_share": run.mean("judge_share"),
        "state": run.state,
    }


def judge_words(judge: object) -> str:
    """Name a judge and its model, without its options."""
    if not judge:
        return "none"
    if not isinstance(judge, Mapping):
        return str(judge)
    model = judge.get("model")
    return f"{judge.get('name', '?')}{f', {model}' if model else ''}"


def _policy(run: TrainingRun) -> str:
    name, n = str(run.fact("policy", "name") or UNKNOWN), run.fact("policy", "parameters")
    name = name if len(name) <= 80 else f"{name[:79]}…"
    parts = [f"{name} ({numbers.count(n)} parameters)" if isinstance(n, int) else name]
    if run.asked("model"):
        lora = f"LoRA r {run.asked('model', 'lora_r')}"
        parts.append(lora if run.asked("model", "lora") else "all weights")
    if run.asked("model", "adapter"):
        parts.append("after a warm start")
    return ", ".join(parts)


def _known(*parts: tuple[str, object]) -> str:
    """Join what is known; each form takes its value, and what fits none is not known."""
    told = []
    for form, value in parts:
        with suppress(ValueError, TypeError):
            told += [] if value is None else [form.format(value)]
    return ", ".join(told) or UNKNOWN


def _versions(run: TrainingRun) -> str:
    versions = run.fact("versions")
    named = versions.items() if isinstance(versions, Mapping) else ()
    return ", ".join(f"{name} {found}" for name, found in named) or UNKNOWN


FACTS: Mapping[str, Callable[[TrainingRun], str | None]] = {
    "Policy": _policy,
    "Training judge": lambda run: judge_words(run.asked("judge") or run.ledger),
    "Held-out judge": lambda run: judge_words(run.asked("gold", "judge") or run.gold_ledger),
    "Note of this judge": lambda run: str(run.gold_ledger.get("notes") or "") or None,
    "Scored by": lambda run: f"reward {run.gold_reward}, on held-out prompts",
    "Prompts": lambda run: _known(
        ("{}", run.fact("data", "path")),
        ("{:,} to train on", run.fact("data", "n_train")),
        ("{:,} held out", run.fact("data", "n_held_out")),
        (
            "dead groups in a row after which a prompt rests: {}",
            run.asked("data", "rest_dead") or None,
        ),
    ),
    "Budget": lambda run: _known(
        ("{:,} steps", run.fact("plan", "max_steps")),
        ("{} prompts per step", run.asked("grpo", "prompts_per_step")),
        ("{} answers per prompt", run.asked("grpo", "num_generations")),
        ("at most {:,} tokens per answer", run.asked("grpo", "max_completion_length")),
    ),
    "Optimisation": lambda run: _known(
        ("loss {}", run.asked("grpo", "loss_type")),
        ("learning rate {}", run.asked("grpo", "learning_rate")),
        ("beta {}", run.asked("grpo", "beta")),
        ("temperature {}", run.asked("grpo", "temperature")),
    ),
    "Preset": lambda run: str(run.asked("preset") or "none"),
    "Versions": _versions,
}
"""What a page says of its runs; None is left out."""


@dataclass(frozen=True, slots=True)
class SampleCriterion:
    """A criterion with its verdict, in words."""

    text: str
    verdict: str
    side: str
    """Class of the mark: good, bad, part for a level, none where there is neither."""
    is_fault: bool
    """Whether it is bad when it is met."""


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One answer of the training, with what the judge said of it."""

    step: int
    prompt_id: str
    prompt: str
    """Its first words; empty in files that do not have them."""
    text: str
    reward: float | None
    criteria: tuple[SampleCriterion, ...]


def read_samples(run: Path) -> list[tuple[str, list[TrainingSample]]]:
    """Take the prompts that were asked at most of the steps on record; answers early to late."""
    files = sorted((run / FOLDER).glob("step_*.parquet"))
    if not files:
        return []
    import pandas as pd

    tables = [pd.read_parquet(file) for file in files]
    seen: dict[str, int] = {}
    for table in tables:
        for prompt_id in dict.fromkeys(table["prompt_id"]):
            seen[prompt_id] = seen.get(prompt_id, 0) + 1
    chosen = sorted(seen, key=lambda p: (-seen[p], p))[:PROMPTS]
    samples = []
    for prompt_id in chosen:
        held = [t[t["prompt_id"] == prompt_id] for t in tables]
        held = [t for t in held if len(t)]
        places = np.unique(np.linspace(0, len(held) - 1, min(STEPS, len(held))).round())
        samples.append((str(prompt_id), [_sample(held[int(place)].iloc[0]) for place in places]))
    return samples


def _sample(row: Any) -> TrainingSample:
    verdicts = json.loads(row["verdicts"])
    criteria = json.loads(row["criteria"])
    reward = number_or_nan(row["reward"])
    text = str(row["completion"])
    return TrainingSample(
        step=int(row["step"]),
        prompt_id=str(row["prompt_id"]),
        prompt=str(row.get("prompt") or ""),
        text=text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} …",
        reward=None if np.isnan(reward) else reward,
        criteria=tuple(
            _judged(str(c["text"]), Verdict.from_json(v), c["polarity"] == "desirable")
            for c, v in zip(criteria, verdicts, strict=True)
        ),
    )


def _judged(text: str, verdict: Verdict, is_good: bool) -> SampleCriterion:
    if verdict.level is not None:
        # whether a level is good is in its points, which the table of a step does not hold
        return SampleCriterion(text, f"level {verdict.level}", "part", False)
    if verdict.is_na:
        words, side = f"{numbers.NONE} not applicable", "none"
    elif verdict.met is None:
        words, side = "? no verdict", "none"
    else:
        words = "✓ met" if verdict.met else "✗ not met"
        side = "good" if verdict.met == is_good else "bad"
    return SampleCriterion(text, words, side, not is_good)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a page of training runs says, computed once."""

    runs: tuple[TrainingRun, ...]
    arms: tuple[Arm, ...]
    pairs: tuple[ArmPair, ...]
    headline: str
    notes: tuple[str, ...]


def training_report(
    paths: Sequence[Path | str],
) -> TrainingReport:
    """Read runs and measure them.

    Raises:
        DataError: There is no training run, or none with a reward yet.
    """
    found = read_training_runs(paths)
    runs = [run for run in found if run.has_rewards]
    if not runs and all(run.is_warm_start for run in found):
        raise DataError(
            f"{paths[0]}: a warm start, which has no rewards to report; name a GRPO run"
        )
    if not runs:
        raise DataError(f"{paths[0]}: no step with a reward was recorded yet")
    arms = arms_of(runs)
    pairs = arm_pairs(arms)
    skipped = [run for run in found if not run.has_rewards and not run.is_warm_start]
    return TrainingReport(
        runs=tuple(runs),
        arms=tuple(arms),
        pairs=tuple(pairs),
        headline=headline_of(arms, pairs),
        notes=tuple(notes_of(runs, arms, skipped)),
    )


def render_training_page(report: TrainingReport, *, examples: bool = True) -> str:
    """Give the page."""
    evaluated = [arm for arm in report.arms if GOLD in arm.changes]
    evaluated.sort(key=lambda arm: -(arm.changes[GOLD].over.mean or 0.0))
    context: dict[str, object] = {
        **frame(),
        "headline": report.headline,
        "notes": report.notes,
        "facts": common_facts(report.runs),
        "runs": [run_facts(run) for run in report.runs],
        "are_runs_open": len(report.runs) <= MOST_OPEN_RUNS,
        "arms": report.arms,
        "terms": terms_of(report.arms),
        "scales": [name for name in SCALES if any(a.runs[0].scale == name for a in report.arms)],
        "resting": RESTING if any(map(has_rest, report.runs)) else None,
        "evaluated": evaluated,
        "changes": _forest_of(evaluated),
        "rewards": list(dict.fromkeys(name for arm in evaluated for name in arm.by_reward)),
        "pairs": report.pairs,
        "n_sure": sum(pair.is_sure for pair in report.pairs),
        "pair_forest": _sure_where(
            forest([p.over.interval for p in report.pairs], include=0.0),
            [pair.is_sure for pair in report.pairs],
        ),
        "was_evaluated": any(run.evaluations for run in report.runs),
        "gold": GOLD,
        "training": TRAINING,
        # our own drawing, whose text is escaped
        "figures": {name: Markup(svg) for name, svg in training_figures(report.arms).items()},
        "captions": captions(),
        "samples": _samples(report.arms) if examples else [],
    }
    return render("training.html", context)


def _forest_of(arms: Sequence[Arm]) -> Forest:
    """Place the changes that either judge saw on one axis: gold at even places, training at odd."""
    estimates = []
    for arm in arms:
        gold, own = arm.changes[GOLD], arm.changes.get(TRAINING)
        estimates.append(gold.over.interval)
        estimates.append(
            replace(gold.over.interval, value=None) if own is None else own.over.interval
        )
    sure = [arm.direction(judge) != 0 for arm in arms for judge in (GOLD, TRAINING)]
    return _sure_where(forest(estimates, include=0.0), sure)


def _sure_where(drawn: Forest, sure: Sequence[bool]) -> Forest:
    """Colour what is significant after the correction, not every interval that excludes 0."""
    marks = [
        replace(mark, is_sure=is_sure) for mark, is_sure in zip(drawn.marks, sure, strict=True)
    ]
    return replace(drawn, marks=tuple(marks))


def _samples(arms: Sequence[Arm]) -> list[tuple[str, list[tuple[str, list[TrainingSample]]]]]:
    """Give the samples of one run of each arm: its first."""
    read = [(arm.runs[0].name, read_samples(arm.runs[0].path)) for arm in arms]
    return [(name, prompts) for name, prompts in read if prompts]


def training_json(report: TrainingReport) -> dict[str, object]:
    """Lay out runs, arms and pairs; what is not known is null."""
    return {
        "headline": report.headline,
        "notes": list(report.notes),
        "facts": dict(common_facts(report.runs)),
        "runs": [run_facts(run) | {"folder": str(run.path)} for run in report.runs],
        "arms": [_arm(arm) for arm in report.arms],
        "pairs": [
            {"this": pair.this, "other": pair.other, **_over(pair.over), "p_holm": pair.p_holm}
            for pair in report.pairs
        ],
    }


def _arm(arm: Arm) -> dict[str, object]:
    first, last = arm.ends
    asked, missing = arm.scores
    return {
        "name": arm.name,
        "runs": [run.name for run in arm.runs],
        "measured": [run.name for run in arm.measured],
        "steps": arm.last_step,
        "reward_first": first,
        "reward_last": last,
        **{key: arm.mean(key) for key in ARM_NUMBERS},
        "chars_last": arm.last("chars"),
        "held_out": {judge: _change(change) for judge, change in arm.changes.items()},
        "gold_by_reward": {name: _change(change) for name, change in arm.by_reward.items()},
        "gap": _over(arm.gap),
        "p_holm": dict(arm.p_holm),
        **{name: getattr(arm, name) for name in ARM_FINDINGS},
        "scores_asked": asked,
        "scores_missing": missing,
    }


def _change(change: HeldOutChange) -> dict[str, object]:
    ends = {"reward": change.reward, "first": change.first, "last": change.last}
    return {**ends, **_over(change.over)}


def _over(found: CrossedMean) -> dict[str, object]:
    return {
        "difference": found.mean,
        "interval": found.interval.ends,
        "p": found.p_value,
        "n_runs": found.n_runs,
        "n_prompts": found.n_prompts,
        "between_runs": found.between_runs,
    }
