"""Learning curves as SVG that sits in a page: one line style and one mark for each arm.

Runs of an arm are one line, their mean at each step, in a band from the lowest to the highest run:
the same runs that its numbers are of. Rewards have colours and scales have dashes, so that a matrix
of both can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...judges.scoring.rubric_arrays import Floats
from ..pages.curves import DASHES, Curve, Plot, Style, draw_plots
from ..pages.svg import COLOURS, short
from .arms import Arm
from .evaluations import change_curve
from .runs import GOLD, RESTING, TRAINING, has_rest

MAX_NAME = 42
SMOOTH_STEPS = 10
"""Window of the moving mean, no longer than a fifth of the run."""
MOST_BANDS = 4
"""Arms up to which their bands, or the single steps of their runs, are drawn beside the lines."""
ALTERNATIVE = "reward_alt/"
GROUPS = {
    "dead_frac": "groups with zero reward variance",
    "group_std": "reward sd within a group",
    "reliability": "judge reliability",
    RESTING: "resting prompts",
}
COSTS = {
    "chars": "characters per judged answer",
    "truncated_frac": "truncated answers",
    "judge_share": "judge time, share of a step",
}


@dataclass(frozen=True, slots=True)
class Line:
    """An arm and how it is drawn."""

    arm: Arm
    style: Style
    has_band: bool

    @property
    def label(self) -> str:
        """For the legend."""
        n, of = len(self.arm.measured), len(self.arm.runs)
        runs = f" ({n} of {of} runs)" if n < of else f" ({n} runs)" if n > 1 else ""
        return short(self.arm.name, MAX_NAME) + runs


def training_figures(arms: Sequence[Arm]) -> dict[str, str]:
    """Draw every figure there is data for, as inline SVG by name."""
    lines = lines_of(arms)
    legend = [(line.label, line.style) for line in lines] if len(lines) > 1 else []
    groups = number_plots(lines, GROUPS)
    drawn = {
        "rewards": draw_plots(reward_plots(lines), legend, columns=3),
        "gold": draw_plots(gold_plots(lines), legend, columns=2, height=270, is_shared=True),
        "groups": draw_plots(groups, legend, columns=2 if len(groups) == 4 else 3),
        "costs": draw_plots(number_plots(lines, COSTS), legend, columns=3),
    }
    return {name: drawing.svg() for name, drawing in drawn.items() if drawing is not None}


def lines_of(arms: Sequence[Arm]) -> list[Line]:
    """Give each arm its line style: by reward and scale where those suffice, else by place."""
    rewards = list(dict.fromkeys(arm.runs[0].reward for arm in arms))
    scales = list(dict.fromkeys(arm.runs[0].scale for arm in arms))
    places = [(rewards.index(arm.runs[0].reward), scales.index(arm.runs[0].scale)) for arm in arms]
    is_matrix = len(set(places)) == len(arms) and len(rewards) <= len(COLOURS)
    if not is_matrix or len(scales) > len(DASHES):
        places = [(i % len(COLOURS), i // len(COLOURS) % len(DASHES)) for i in range(len(arms))]
    has_band = len(arms) <= MOST_BANDS
    return [Line(arm, Style.at(*place), has_band) for arm, place in zip(arms, places, strict=True)]


def reward_plots(lines: Sequence[Line]) -> list[Plot]:
    """Give a panel for the trained reward and for every other one on the same verdicts."""
    runs = [run for line in lines for run in line.arm.measured]
    keys = dict.fromkeys(key for run in runs for step in run.steps for key in step)
    logged = [key.removeprefix(ALTERNATIVE) for key in keys if key.startswith(ALTERNATIVE)]
    plots = []
    for name in dict.fromkeys([*(run.reward for run in runs), *logged]):
        keyed = [
            (line, "reward" if line.arm.runs[0].reward == name else f"{ALTERNATIVE}{name}")
            for line in lines
        ]
        curves = [curve for line, key in keyed for curve in _curves(line, key)]
        plots.append(Plot(short(name, MAX_NAME), curves))
    return plots


def gold_plots(lines: Sequence[Line]) -> list[Plot]:
    """Give either judge's change of the same held-out answers since step 0; none without any."""
    evaluated = [line for line in lines if any(run.evaluations for run in line.arm.measured)]
    rewards = list(dict.fromkeys(line.arm.runs[0].gold_reward for line in evaluated))
    scored_by = short(rewards[0], 18) if len(rewards) == 1 else "score"
    titles = {GOLD: "held-out judge", TRAINING: "training judge"} if evaluated else {}
    return [
        Plot(
            f"change of held-out {scored_by}, {title}",
            [
                replace(
                    _pooled(line, [change_curve(run, judge) for run in line.arm.measured]),
                    has_marks=True,
                )
                for line in evaluated
            ],
            has_zero=True,
        )
        for judge, title in titles.items()
    ]


def number_plots(lines: Sequence[Line], wanted: Mapping[str, str]) -> list[Plot]:
    """Give a panel for each number that some run has: an empty one would be read as a finding."""
    runs = [run for line in lines for run in line.arm.measured]
    one_reward = len({line.arm.runs[0].reward for line in lines}) == 1
    return [
        Plot(
            title,
            [curve for line in lines for curve in _drawn(line, key)],
            has_zero=key in {"chars", RESTING},
            is_share=key not in {"chars", RESTING, "group_std"},
            is_log=key == "group_std" and not one_reward,
        )
        for key, title in wanted.items()
        if any(run.mean(key) is not None for run in runs)
        and (key != RESTING or any(map(has_rest, runs)))
    ]


def captions() -> Mapping[str, str]:
    """Say under each figure what it shows."""
    return {
        "rewards": "Mean reward of the answers of a step, both the trained reward and those only "
        f"logged, on the same verdicts: moving mean of up to {SMOOTH_STEPS} steps, averaged over "
        f"the runs of an arm. With up to {MOST_BANDS} arms, thin lines are single steps of one run "
        "and bands span the lowest to the highest run. Rewards have different ranges. Each step "
        "has different prompts, so part of a rise may come from them; an untrained arm on the same "
        "prompts shows how much.",
        "gold": "Mean change since step 0 on prompts that were never trained on, prompt by prompt, "
        "on one scale: left the held-out judge, right the training judge. If the right curve rises "
        "and the left one does not, the policy may be exploiting the training judge, or the "
        "held-out judge may not discriminate well enough. Intervals are in the table.",
        "groups": "Groups with zero reward variance have no learning signal. Read their share "
        "with the reliability: judge noise hides such groups. Reliability is measured on groups "
        "that were judged twice, if there are any. The sd is in the units of each reward: "
        "compare lines of the same reward. With several rewards its axis is logarithmic, and an "
        "sd of 0 is not drawn.",
        "costs": "Judges often favour length, so a rise of the length alone is a warning sign. "
        "Judge time is the share of a step spent waiting for the judge.",
    }


def moving_mean(values: Floats, window: int) -> Floats:
    """Average the last `window` numbers at each place; NaN is excluded."""
    means = np.full(len(values), np.nan)
    for place in range(len(values)):
        known = values[max(0, place - window + 1) : place + 1]
        known = known[~np.isnan(known)]
        if known.size:
            means[place] = known.mean()
    return means


def _curves(line: Line, key: str) -> list[Curve]:
    """Give the mean of an arm's runs, smoothed; of a single run also its single steps."""
    runs = [run for run in line.arm.measured if run.mean(key) is not None]
    series = []
    for run in runs:
        values = run.series(key)
        window = max(1, min(SMOOTH_STEPS, len(values) // 5))
        series.append((run.series("step"), moving_mean(values, window)))
    single = _points(line, key) if line.has_band and len(line.arm.measured) == 1 else []
    thin = [replace(one, is_thin=True, has_line=True, has_marks=False) for one in single]
    return [*thin, _pooled(line, series)]


def _drawn(line: Line, key: str) -> list[Curve]:
    return _points(line, key) if key == "reliability" else _curves(line, key)


def _points(line: Line, key: str) -> list[Curve]:
    series = [zip(run.series("step"), run.series(key), strict=True) for run in line.arm.measured]
    points = [(float(x), float(y)) for of_run in series for x, y in of_run if not np.isnan(y)]
    return [Curve(line.style, points, has_line=False, has_marks=True)]


def _pooled(line: Line, series: Sequence[tuple[Floats, Floats]]) -> Curve:
    """Give the mean over runs at each step, and between which values they lie."""
    at: dict[float, list[float]] = {}
    for steps, values in series:
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            if not np.isnan(value):
                at.setdefault(step, []).append(value)
    ordered = sorted(at.items())
    has_band = line.has_band and len(series) > 1
    return Curve(
        line.style,
        [(step, float(np.mean(found))) for step, found in ordered],
        [(step, min(found), max(found)) for step, found in ordered] if has_band else (),
    )
