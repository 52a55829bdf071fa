"""The page of a training run, or of several beside each other: one file, no request, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..judges.errors import DataError
from .environment import asset, environment, own_version, style_policy
from .forest import Forest, forest
from .training_arms import Arm, arms_of
from .training_facts import common_facts, run_facts
from .training_figures import captions, training_figures
from .training_notes import headline_of, notes_of
from .training_pairs import ArmPair, arm_pairs
from .training_runs import GOLD, TRAINING, TrainingRun, read_training_runs
from .training_samples import Sample, read_samples

MOST_OPEN_RUNS = 6
"""Runs up to which their table stands open."""


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
    if not runs and all(run.facts.get("kind") == "sft" for run in found):
        raise DataError(
            f"{paths[0]}: a warm start, which has no rewards to report; name a GRPO run"
        )
    if not runs:
        raise DataError(f"{paths[0]}: no step with a reward was recorded yet")
    arms = arms_of(runs)
    pairs = arm_pairs(arms)
    skipped = [run for run in found if not run.has_rewards and run.facts.get("kind") != "sft"]
    return TrainingReport(
        runs=tuple(runs),
        arms=tuple(arms),
        pairs=tuple(pairs),
        headline=headline_of(arms, pairs),
        notes=tuple(notes_of(runs, arms, skipped)),
    )


def render_training_page(report: TrainingReport, *, examples: bool = True) -> str:
    """Give the page."""
    style = asset("report.css")
    looked = [arm for arm in report.arms if GOLD in arm.changes]
    looked.sort(key=lambda arm: -(arm.changes[GOLD].difference or 0.0))
    context: dict[str, Any] = {
        "version": own_version(),
        "policy": style_policy(style),
        # our own file, not data: it must stay byte for byte what its hash is of
        "style": Markup(style),
        "headline": report.headline,
        "notes": report.notes,
        "facts": common_facts(report.runs),
        "runs": [run_facts(run) for run in report.runs],
        "are_runs_open": len(report.runs) <= MOST_OPEN_RUNS,
        "arms": report.arms,
        "looked": looked,
        "changes": _forest_of(looked),
        "rewards": list(dict.fromkeys(name for arm in looked for name in arm.by_reward)),
        "pairs": report.pairs,
        "n_sure": sum(pair.is_sure for pair in report.pairs),
        "pair_forest": _sure_where(
            forest([(p.over.mean, p.over.interval) for p in report.pairs], include=0.0),
            [pair.is_sure for pair in report.pairs],
        ),
        "was_looked_at": any(run.looks for run in report.runs),
        "gold": GOLD,
        "training": TRAINING,
        # our own drawing of escaped text: matplotlib writes text through an XML writer
        "figures": {name: Markup(svg) for name, svg in training_figures(report.arms).items()},
        "captions": captions(),
        "samples": _samples(report.arms) if examples else [],
    }
    return environment().get_template("training.html").render(context)


def _forest_of(arms: Sequence[Arm]) -> Forest:
    """Place the changes that either judge saw on one axis: gold at even places, training at odd."""
    estimates = []
    for arm in arms:
        gold, own = arm.changes[GOLD], arm.changes.get(TRAINING)
        estimates.append((gold.difference, gold.interval))
        same = gold if own is None else own
        estimates.append((None if own is None else own.difference, same.interval))
    sure = [arm.direction(judge) != 0 for arm in arms for judge in (GOLD, TRAINING)]
    return _sure_where(forest(estimates, include=0.0), sure)


def _sure_where(drawn: Forest, sure: Sequence[bool]) -> Forest:
    """Colour as sure what stands after the correction, not every interval that leaves out 0."""
    marks = [
        replace(mark, is_sure=is_sure) for mark, is_sure in zip(drawn.marks, sure, strict=True)
    ]
    return replace(drawn, marks=tuple(marks))


def _samples(arms: Sequence[Arm]) -> list[tuple[str, list[tuple[str, list[Sample]]]]]:
    """Give the samples of one run of each arm: its first."""
    read = [(arm.runs[0].name, read_samples(arm.runs[0].path)) for arm in arms]
    return [(name, prompts) for name, prompts in read if prompts]
