"""`plan --width`, `--budget`, `--calls`: which share a dear judge is asked beside a cheap one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...judges.audit.label_correction import match_labels, sampled_run
from ...judges.budget.split import (
    SHARES,
    USUAL_SPREAD,
    Spread,
    prompts_for,
    share_for,
    width_at,
)
from ...judges.errors import ConfigError
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.sampled_run import SampledRun
from ...reports import numbers
from ...reports.comparison.corrections import read_label_source
from ...reports.comparison.models import group_models
from ...reports.results.reader import read_runs
from ..terminal import aligned, say
from .call_costs import PlannedRun

MIN_PROMPTS = 20
"""Of a pilot: from fewer the spread is not known."""


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a split."""
    add = parser.add_argument
    add("--width", type=float, metavar="W", help="plan `judge --sample` for an interval this wide")
    add("--budget", type=float, metavar="USD", help="the same for this much money")
    add("--calls", type=int, metavar="N", help="the same for so many calls")
    add("--by", type=Path, metavar="RESULTS", help="with these: a pilot graded by the cheap judge")
    add(
        "--labels", type=Path, metavar="PATH", help="and by the dear one (results or labelled rows)"
    )
    add(
        "--correlation",
        type=float,
        metavar="R",
        help="without a pilot: of the cheap judge's P(met) with the dear one's verdicts, 0 to 1",
    )


@dataclass(frozen=True, slots=True)
class SplitCost:
    """What one share costs and gives."""

    share: float
    calls: int
    usd: float | None
    """None where no price is known."""
    width: float
    """Of the 95 % interval of a system's score."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The shares, and the one that is chosen."""

    chosen: SplitCost | None
    splits: tuple[SplitCost, ...]
    why: str
    """Why none is chosen, or what it is chosen for."""
    source: str
    """Where the variance comes from."""

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return asdict(self)

    def text(self) -> str:
        """Word it for a terminal."""
        head = ("asked", "calls", "cost", "width of the score's interval")
        rows = [
            (numbers.share(one.share), numbers.count(one.calls), numbers.cost(one.usd),
             numbers.score(one.width))
            for one in self.splits
        ]  # fmt: skip
        lines = ["cheap for all, this judge for a part (docs/least-cost.md):", ""]
        lines += [aligned([head, *rows], range(len(head))), ""]
        if self.chosen is None:
            return "\n".join([*lines, self.why, f"assumed: {self.source}"])
        one = self.chosen
        found = (
            f"{self.why}: --sample {one.share:g}, {numbers.count(one.calls)} calls, "
            f"{numbers.cost(one.usd)}, width {numbers.score(one.width)}"
        )
        return "\n".join([*lines, found, f"assumed: {self.source}"])


def is_split(args: argparse.Namespace) -> bool:
    """Say whether a split is asked for.

    Raises:
        ConfigError: Its flags cannot work.
    """
    goals = [name for name in ("width", "budget", "calls") if getattr(args, name) is not None]
    ways = [args.by is not None or args.labels is not None, args.correlation is not None]
    if not goals:
        if any(ways):
            raise ConfigError("--by, --labels and --correlation need --width, --budget or --calls")
        return False
    if len(goals) > 1:
        raise ConfigError(f"give one of --{' and --'.join(goals)}")
    goal = getattr(args, goals[0])
    if not 0 < goal < 1e12 or (goals[0] == "width" and goal >= 2):
        also = " and below 2, such as 0.05" if goals[0] == "width" else ""
        raise ConfigError(f"--{goals[0]} {goal:g}: it must be above 0{also}")
    if sum(ways) != 1 or (args.by is None) != (args.labels is None):
        raise ConfigError(
            f"--{goals[0]} needs a pilot that both judges graded, --by RESULTS and --labels PATH, "
            "or --correlation R"
        )
    if args.spread is not None and not 0 < args.spread < 10:
        raise ConfigError(f"--spread {args.spread:g}: above 0 and below 10, such as 0.33")
    if args.correlation is not None and not 0 <= args.correlation <= 1:
        raise ConfigError(f"--correlation {args.correlation:g}: from 0 to 1")
    return True


def plan_split(args: argparse.Namespace, whole: PlannedRun) -> SplitPlan:
    """Choose the share of the verdicts that the dear judge is asked.

    Args:
        args: With the flags of a split.
        whole: The dear judge's work where it is asked everything.

    Raises:
        ConfigError: The pilot cannot tell the variance, or the price is not known.
    """
    if args.correlation is not None:
        per_prompt = whole.work.criteria * whole.work.samples
        sd = USUAL_SPREAD if args.spread is None else args.spread
        spreads = [Spread.assumed(args.correlation, per_prompt, sd)]
        source = (
            f"verdicts correlate at {args.correlation:g} (given), criteria of equal weight, "
            f"a standard deviation of scores over prompts of {sd:g}"
            + (" (HealthBench Hard)" if args.spread is None else " (given)")
        )
    else:
        spreads = _pilot_spreads(args.by, args.labels)
        source = f"variances as in the pilot {args.by.name} with {args.labels.name}"
    if whole.cost.calls < whole.work.verdicts:
        source += "; a call holds several criteria, so that calls fall less than the share"
    n = whole.work.rows

    def split(share: float) -> SplitCost:
        usd = whole.cost.cost_usd
        return SplitCost(
            share,
            round(share * whole.cost.calls),
            None if usd is None else share * usd,
            width_at(spreads, share, n),
        )

    share, why = _chosen(args, whole, spreads)
    splits = tuple(map(split, SHARES))
    return SplitPlan(None if share is None else split(share), splits, why, source)


def _chosen(
    args: argparse.Namespace, whole: PlannedRun, spreads: Sequence[Spread]
) -> tuple[float | None, str]:
    if args.width is not None:
        share = share_for(spreads, args.width, whole.work.rows)
        if share is not None:
            return share, f"for a width of {args.width:g}"
        return None, (
            f"no share gives a width of {args.width:g} with {whole.work.rows:,} prompts: asking "
            f"everything takes {prompts_for(spreads, args.width):,} prompts for it"
        )
    most = whole.cost.calls if args.calls is not None else whole.cost.cost_usd
    goal = args.calls if args.calls is not None else args.budget
    if most is None:
        raise ConfigError("--budget needs the judge's price: prices=FILE names it; or give --calls")
    if most <= 0:
        raise ConfigError("this judge costs nothing: ask it everything")
    share = min(1.0, goal / most)
    if share < 0.01:
        return None, f"--{'calls' if args.calls is not None else 'budget'} {goal:g}: below 1 %"
    unit = "calls" if args.calls is not None else "USD"
    return round(share - 0.00005, 4), f"for {goal:g} {unit}"


def _pilot_spreads(by: Path, labels: Path) -> list[Spread]:
    """Measure the variance on each system of a pilot."""
    source = read_label_source([labels])
    say(source.warning, "plan")
    runs = read_runs([by])
    if any(run.sample for run in runs):
        raise ConfigError(
            f"--by {by}: holds a sample; give the cheap judge's results on all answers"
        )
    if {run.judge_digest for run in runs} & source.digests:
        raise ConfigError(f"--labels {labels}: verdicts of the very judge of --by; give another's")
    found: list[Spread] = []
    faults: list[str] = []
    for model in group_models(runs):
        matched = match_labels(model.graded, source.labelled)
        at = np.flatnonzero([
            any(not v.is_missing for v in one.verdicts) for one in matched.truth
        ])  # fmt: skip
        free, dear = ScoredTable.of(model.graded), ScoredTable.of(matched.truth)
        if matched.chances:
            run = sampled_run(free, dear, matched)
        else:  # a random part: the pilot is these answers, whole
            free, dear = free.part(at), dear.part(at)
            run = SampledRun(free, dear, np.where(np.isnan(dear.table.verdicts_NC), np.nan, 1.0))
        n_prompts = len({model.graded[n].example.prompt_id for n in at.tolist()})
        spread: Spread | str = f"{n_prompts} prompts have verdicts of both; it takes {MIN_PROMPTS}"
        if n_prompts >= MIN_PROMPTS:
            spread = Spread.of(run)
        if isinstance(spread, str):
            faults.append(f"{model.name}: {spread}")
        else:
            found.append(spread)
    if not found:
        raise ConfigError(f"--by {by}: the pilot cannot tell the variance: {'; '.join(faults)}")
    return found
