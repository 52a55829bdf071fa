"""Learning curves as SVG that sits in a page: one line style and one mark for each arm.

Runs of an arm are one line, their mean at each step, in a band from the lowest to the highest run:
the same runs that its numbers are of. Rewards have colours and scales have dashes, so that a matrix
of both can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...judges.scoring.rubric_arrays import Floats
from ..numbers import displayed
from ..pages.svg import COLOURS, GREY
from .arms import Arm
from .drawing import INK, WIDTH_IN, as_svg
from .evaluations import change_curve
from .runs import GOLD, RESTING, TRAINING, has_rest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_NAME = 42
LEGEND_ROW_IN = 0.26
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
MARKS = "osD^vP"
SMOOTH_STEPS = 10
"""Window of the moving mean, no longer than a fifth of the run."""
MOST_BANDS = 4
"""Arms up to which their bands, or the single steps of their runs, are drawn beside the lines."""
ALTERNATIVE = "reward_alt/"


def panels(n: int, columns: int, height_in: float = 2.9) -> Any:
    """Give axes for `n` panels, over steps, in rows of some columns."""
    # not pyplot: it keeps every figure it makes, and picks a backend
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = -(-n // columns)
    figure = Figure(figsize=(WIDTH_IN, height_in * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat[n:]:
        panel.set_visible(False)
    for panel in axes.flat[:n]:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no step 2.5
        panel.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
        panel.set_axisbelow(True)
    return axes


def finish(axes: Any, n_lines: int) -> Figure:
    """Put one legend below all panels, where there is more than one line."""
    figure: Figure = axes.flat[0].figure
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if n_lines > 1 and handles:
        rows = -(-len(handles) // 3)
        # beside the panels, not out of them
        figure.set_figheight(figure.get_figheight() + LEGEND_ROW_IN * rows)
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=min(3, len(handles)),
            frameon=False,
            labelcolor=INK,
            handlelength=3.2,
        )
    return figure


def log_scale(panel: Axes) -> None:
    """Make the height of a panel logarithmic, where something on it is above 0."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    heights = np.concatenate([np.asarray(curve.get_ydata(), float) for curve in panel.lines])
    if not (heights > 0).any():
        return
    panel.set_yscale("log", nonpositive="mask")
    # plain numbers: matplotlib would write powers as formulas
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def share_limits(axes: Any) -> None:
    """Give both judges one axis: a difference in level must not hide in the scale."""
    limits = [panel.get_ylim() for panel in axes.flat]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    for panel in axes.flat:
        panel.set_ylim(low, high)


def short(name: str, length: int) -> str:
    """Give a name on one line, cut in its middle: two names often differ only at the end."""
    line = " ".join(displayed(name).split())
    if len(line) <= length:
        return line
    tail = length // 2
    return f"{line[: length - 1 - tail]}…{line[-tail:]}"


@dataclass(frozen=True, slots=True)
class Line:
    """An arm and how it is drawn."""

    arm: Arm
    colour: str
    dash: Any
    mark: str
    has_band: bool

    @property
    def label(self) -> str:
        """For the legend."""
        n, of = len(self.arm.measured), len(self.arm.runs)
        runs = f" ({n} of {of} runs)" if n < of else f" ({n} runs)" if n > 1 else ""
        return short(self.arm.name, MAX_NAME) + runs


def training_figures(arms: Sequence[Arm]) -> dict[str, str]:
    """Draw every figure there is data for, as inline SVG by name."""
    drawn: dict[str, Callable[[Sequence[Line]], Figure | None]] = {
        "rewards": reward_curves,
        "gold": gold_curves,
        "groups": group_curves,
        "costs": cost_curves,
    }
    lines = lines_of(arms)
    figures = {}
    for name, draw in drawn.items():
        svg = as_svg(lambda draw=draw: draw(lines), f"training-{name}")  # type: ignore[misc]  # bound early
        if svg is not None:
            figures[name] = svg
    return figures


def lines_of(arms: Sequence[Arm]) -> list[Line]:
    """Give each arm its line style: by reward and scale where those suffice, else by place."""
    rewards = list(dict.fromkeys(arm.runs[0].reward for arm in arms))
    scales = list(dict.fromkeys(arm.runs[0].scale for arm in arms))
    places = [(rewards.index(arm.runs[0].reward), scales.index(arm.runs[0].scale)) for arm in arms]
    is_matrix = len(set(places)) == len(arms) and len(rewards) <= len(COLOURS)
    if not is_matrix or len(scales) > len(DASHES):
        places = [(i % len(COLOURS), i // len(COLOURS) % len(DASHES)) for i in range(len(arms))]
    return [
        Line(
            arm, COLOURS[colour], DASHES[dash], MARKS[colour % len(MARKS)], len(arms) <= MOST_BANDS
        )
        for arm, (colour, dash) in zip(arms, places, strict=True)
    ]


def reward_curves(lines: Sequence[Line]) -> Figure:
    """Draw the trained reward and every other one on the same verdicts."""
    runs = [run for line in lines for run in line.arm.measured]
    logged = [
        key.removeprefix(ALTERNATIVE)
        for run in runs
        for step in run.steps
        for key in step
        if key.startswith(ALTERNATIVE)
    ]
    names = list(dict.fromkeys([*(run.reward for run in runs), *logged]))
    axes = panels(len(names), columns=3)
    for panel, name in zip(axes.flat, names, strict=False):
        panel.set_title(short(name, MAX_NAME))
        for line in lines:
            is_trained = line.arm.runs[0].reward == name
            _curve(panel, line, "reward" if is_trained else f"{ALTERNATIVE}{name}")
        panel.set_xlabel("step")
    return finish(axes, len(lines))


def gold_curves(lines: Sequence[Line]) -> Figure | None:
    """Draw how either judge's score of the same held-out answers changed since step 0."""
    evaluated = [line for line in lines if any(run.evaluations for run in line.arm.measured)]
    if not evaluated:
        return None
    axes = panels(2, columns=2, height_in=3.8)
    rewards = list(dict.fromkeys(line.arm.runs[0].gold_reward for line in evaluated))
    scored_by = short(rewards[0], 18) if len(rewards) == 1 else "score"
    for panel, judge in zip(axes.flat, (GOLD, TRAINING), strict=True):
        title = "held-out judge" if judge == GOLD else "training judge"
        panel.set_title(f"change of held-out {scored_by}, {title}")
        panel.axhline(0, color=GREY, linewidth=0.8)
        for line in evaluated:
            series = [change_curve(run, judge) for run in line.arm.measured]
            steps, low, mean, high = _pool(series)
            if line.has_band and len(series) > 1:
                panel.fill_between(steps, low, high, color=line.colour, alpha=0.15, linewidth=0)
            panel.plot(
                steps,
                mean,
                color=line.colour,
                linestyle=line.dash,
                marker=line.mark,
                markersize=4,
                label=line.label,
            )
        panel.set_xlabel("step")
    share_limits(axes)
    return finish(axes, len(evaluated))


def group_curves(lines: Sequence[Line]) -> Figure | None:
    """Draw dead groups, the spread inside the others, the judge's reliability, what rests."""
    return _number_curves(
        lines,
        ("dead_frac", "groups with zero reward variance"),
        ("group_std", "reward sd within a group"),
        ("reliability", "judge reliability"),
        (RESTING, "resting prompts"),
    )


def cost_curves(lines: Sequence[Line]) -> Figure | None:
    """Draw the length of the answers and the judge's share of a step."""
    return _number_curves(
        lines,
        ("chars", "characters per judged answer"),
        ("truncated_frac", "truncated answers"),
        ("judge_share", "judge time, share of a step"),
    )


def _number_curves(lines: Sequence[Line], *wanted: tuple[str, str]) -> Figure | None:
    """Draw a panel for each number that some run has; shares go from 0 to 1."""
    keys = _known(lines, *wanted)
    if not keys:
        return None
    axes = panels(len(keys), columns=min(len(keys), 2 if len(keys) == 4 else 3))
    for panel, (key, title) in zip(axes.flat, keys, strict=False):
        panel.set_title(title)
        draw = _points if key == "reliability" else _curve
        for line in lines:
            draw(panel, line, key)
        panel.set_xlabel("step")
        if key in {"chars", RESTING}:
            panel.set_ylim(bottom=0)
        elif key != "group_std":
            panel.set_ylim(-0.03, 1.03)
        elif len({line.arm.runs[0].reward for line in lines}) > 1:
            log_scale(panel)
    return finish(axes, len(lines))


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


def _curve(axes: Axes, line: Line, key: str) -> None:
    runs = line.arm.measured
    series = []
    for run in runs:
        steps, values = run.series("step"), run.series(key)
        if np.isnan(values).all():
            continue
        window = max(1, min(SMOOTH_STEPS, len(values) // 5))
        series.append((steps, moving_mean(values, window)))
        if len(runs) == 1 and line.has_band:
            axes.plot(steps, values, color=line.colour, linewidth=0.7, alpha=0.45)
    # an arm without the number keeps its place in the legend
    steps, low, mean, high = _pool(series)
    if line.has_band and len(series) > 1:
        axes.fill_between(steps, low, high, color=line.colour, alpha=0.15, linewidth=0)
    axes.plot(steps, mean, color=line.colour, linestyle=line.dash, linewidth=1.8, label=line.label)


def _points(axes: Axes, line: Line, key: str) -> None:
    for run in line.arm.measured:
        steps, values = run.series("step"), run.series(key)
        known = ~np.isnan(values)
        axes.plot(
            steps[known],
            values[known],
            linestyle="none",
            marker=line.mark,
            markersize=3.5,
            color=line.colour,
        )


def _pool(series: Iterable[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats, Floats]:
    """Give the steps of several runs, and the lowest, the mean and the highest number at each."""
    at: dict[float, list[float]] = {}
    for steps, values in series:
        for step, value in zip(steps, values, strict=True):
            if not np.isnan(value):
                at.setdefault(float(step), []).append(float(value))
    ordered = sorted(at)
    low, mean, high = (np.array([of(at[step]) for step in ordered]) for of in (min, np.mean, max))
    return np.array(ordered), low, mean, high


def _known(lines: Sequence[Line], *keys: tuple[str, str]) -> list[tuple[str, str]]:
    """Keep the numbers that some run has: an empty panel would be read as a finding."""
    runs = [run for line in lines for run in line.arm.measured]
    kept = [(key, title) for key, title in keys if any(run.mean(key) is not None for run in runs)]
    return [(key, title) for key, title in kept if key != RESTING or any(map(has_rest, runs))]
