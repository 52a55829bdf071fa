"""A signal study as text for the terminal: the verdict in words first, then its tables."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ...judges.scoring.estimates import Estimate
from ...judges.signal.advantages import TermEffect
from ...judges.signal.agreement import FlipEffect
from ...judges.signal.criteria import CriterionSummary, PenaltyLeverage
from ...judges.signal.dead_groups import DeadGroups
from ...judges.signal.gold import GoldStudy
from ...judges.signal.levels import LevelCount
from ...judges.signal.power import Design, PowerPlan
from ...judges.signal.replay.gains import Compared
from ...judges.signal.study import QUANTILES, RewardSummary, ScaleSummary, SignalStudy
from ...judges.signal.variance import VOTES, VarianceSplit, shares
from ...reports.interval_words import interval_words
from ...reports.numbers import NONE, count, counted, csv_cell, score, share
from ..terminal import aligned

WIDTH = 100
MAX_LISTED = 20
"""Prompts listed by id on the terminal; --json has all of them."""
Row = TypeVar("Row")
Columns = Mapping[str, Callable[[Row], str]]
"""What stands in each column of a table, by its head."""


def study_text(study: SignalStudy) -> str:
    """Write the whole study."""
    first = textwrap.fill(study.words[0].text, WIDTH) if study.words else ""
    dead = sorted(study.dead, key=lambda d: -(d.dead.value or 0.0))
    levels = sorted(study.levels, key=lambda one: (-one.na_share, -one.n))
    tables = {
        "Compared with gold (gold score gained by training)": _gold_table(study.gold),
        "Dead groups (share of groups; zero reward variance)": _filled(dead, _dead_columns(study)),
        "Rewards over answers": _filled(study.rewards, REWARD_COLUMNS),
        "Advantages by scaling": _scale_table(study),
        "Terms: effect of removing one on the advantages": _filled(study.terms, TERM_COLUMNS),
        "Where the variance comes from": _variance_table(study),
        "Agreement of advantages": _pair_table(study),
        "Fidelity when verdicts are flipped at random": _flip_table(study),
        "Criteria": _filled(study.criteria, CRITERIA_COLUMNS),
        "Levels": _level_table(levels),
        "Cost of one triggered negative criterion (share of the reward's range)": _filled(
            study.leverage, LEVERAGE_COLUMNS
        ),
        "How often a perfect answer is scored as perfect": _survival_table(study),
        "Prompts to drop: identical verdicts in every group": _drop_list(study),
    }
    titled = [_titled(title, text) for title, text in tables.items()]
    return "\n\n".join(part for part in (first, _facts(study), _words(study), *titled) if part)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set a table in columns: the first one to the left, numbers to the right."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["-" * width for width in widths]
    return aligned([heads, lines, *rows], range(1, len(heads)))


def _filled(rows: Iterable[Row], columns: Columns[Row]) -> str:
    return table(list(columns), [[cell(row) for cell in columns.values()] for row in rows])


def plan_text(plan: PowerPlan) -> str:
    """Write a plan: the cheapest designs that reach the targets, and the table they come from."""
    lines = []
    if plan.target_fidelity is not None and plan.for_fidelity is not None:
        d = plan.for_fidelity
        lines.append(
            f"For advantage fidelity {plan.target_fidelity:g} with {plan.reward}: {d.answers} "
            f"answers per prompt and {counted(d.votes, 'verdict')} per criterion reach "
            f"{score(d.fidelity)}; {share(d.live)} of groups have a learning signal, "
            f"{count(d.calls_per_prompt)} judge calls per prompt, "
            f"{count(d.calls_per_live_group)} per group with a signal."
        )
    if plan.target_difference is not None and plan.for_difference is not None:
        d = plan.for_difference
        lines.append(
            f"To tell two policies {plan.target_difference:g} apart in mean {plan.reward} (5 %, "
            f"power 80 %): {count(d.prompts)} prompts with {d.answers} answers and "
            f"{counted(d.votes, 'verdict')} per criterion, {count(d.calls)} judge calls for each "
            "policy."
        )
    elif plan.target_difference is not None:
        lines.append(f"No design considered detects a difference of {plan.target_difference:g}.")
    lines += list(plan.notes)
    rows = [_design_row(d, plan) for d in plan.designs]
    heads = ["answers", "verdicts", "fidelity", "live groups", "calls/prompt", "calls/live group",
             f"detects with {plan.n_prompts}", "prompts needed", "calls needed"]  # fmt: skip
    text = "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)
    return _titled("Plan", f"{text}\n\n{table(heads, rows)}")


def criteria_csv(study: SignalStudy) -> str:
    """Write every criterion of every group as CSV; its place in the rubric, never its text."""
    groups, criteria = study.arrays.groups, study.arrays.criteria
    names = list(groups.labels[0]) if groups.labels else []
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["prompt_id", *map(csv_cell, names), "criterion", "points", "answers", "met", "contrast",
         "variance_share", "never_met", "always_met"]
    )  # fmt: skip
    n_PC = (~np.isnan(groups.verdicts_PGC)).sum(1)
    for group, column in zip(*np.nonzero(groups.rubric_PC.present), strict=True):
        at = group, column
        labels = [csv_cell(str(groups.labels[group][name])) for name in names]
        numbers = (
            criteria.pass_rate_PC[at], criteria.contrast_PC[at], criteria.variance_share_PC[at]
        )  # fmt: skip
        shown = ["" if np.isnan(value) else f"{value:.6g}" for value in numbers]
        points = f"{groups.rubric_PC.points[at]:g}"
        writer.writerow(
            [csv_cell(groups.prompt_ids[group]), *labels, int(column) + 1, points, int(n_PC[at]),
             *shown, int(criteria.never_PC[at]), int(criteria.always_PC[at])]
        )  # fmt: skip
    return file.getvalue()


def _titled(title: str, body: str) -> str:
    return f"{title}\n{'=' * len(title)}\n{body}" if body else ""


def _facts(study: SignalStudy) -> str:
    sizes = list(study.sizes)
    spread = f"{min(sizes)}" if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
    text = (
        f"{counted(study.n_groups, 'group')} of {spread} answers to "
        f"{counted(study.n_prompts, 'prompt')}: {counted(study.n_answers, 'answer')}, "
        f"{counted(study.n_verdicts, 'verdict')}"
    )
    text += f" ({count(study.n_missing)} missing)" if study.n_missing else " (none missing)"
    text += f", {counted(study.n_replicates, 'verdict')} a criterion"
    if study.n_left_out:
        text += f"; {count(study.n_left_out)} answers in smaller groups are excluded"
    lines = [text + "."]
    lines += [f"{name} is excluded: {reason}." for name, reason in study.skipped.items()]
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines)


def _words(study: SignalStudy) -> str:
    lines = [
        textwrap.fill(f"* {sentence.text} [{sentence.table}]", WIDTH, subsequent_indent="  ")
        for sentence in study.words[1:]
    ]
    return _titled("Verdict", "\n".join(lines))


def _with_interval(estimate: Estimate) -> str:
    if estimate.value is None:
        return NONE
    if estimate.low == estimate.high and not estimate.why:
        return score(estimate.value)
    return f"{score(estimate.value)} {interval_words(estimate)}"


def _share_interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return estimate.why or NONE
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def _gold_table(gold: GoldStudy | None) -> str:
    if gold is None:
        return ""
    about = (
        f"{count(gold.n_answers)} answers in {count(gold.n_groups)} groups of "
        f"{count(gold.n_prompts)} prompts, scale {gold.scale}; the two judges agree on "
        f"{share(gold.agreement)} of the verdicts. Training is replayed over the answers "
        f"({gold.noise or 'the verdicts as recorded'}); 'rubricbeat replay-train' shows more. "
        f"Intervals of the last but one column allow for {max(1, len(gold.rows) - 1)} comparisons."
    )
    columns: Columns[Compared] = {
        "reward": lambda row: row.reward,
        "gain of gold score": lambda row: _with_interval(row.gain),
        "behind the best by": lambda row: _with_interval(row.behind),
        "standing": lambda row: str(row.standing) if gold.is_enough else NONE,
    }
    return f"{textwrap.fill(about, WIDTH)}\n{_filled(gold.rows, columns)}"


def _dead_columns(study: SignalStudy) -> Columns[DeadGroups]:
    """Set the reliability beside dead groups: a noisy judge makes them look alive."""
    reliability = {split.reward: split.icc for split in study.variance}
    return {
        "reward": lambda d: d.reward,
        "groups": lambda d: count(d.n_groups),
        "dead": lambda d: share(d.dead.value),
        "95 %": lambda d: _share_interval(d.dead),
        "identical verdicts": lambda d: share(d.identical),
        "lost by the reward": lambda d: share(d.lost),
        "at floor": lambda d: share(d.floor),
        "at ceiling": lambda d: share(d.ceiling),
        "reliability": lambda d: _with_interval(reliability[d.reward]),
    }


def _quantile(place: int) -> Callable[[RewardSummary], str]:
    return lambda r: score(r.quantiles[place] if r.quantiles else None)


REWARD_COLUMNS: Columns[RewardSummary] = {
    "reward": lambda r: r.reward,
    "n": lambda r: count(r.n),
    "none": lambda r: count(r.n_none),
    "mean": lambda r: score(r.mean.value),
    "95 % interval": lambda r: interval_words(r.mean),
    "effective n": lambda r: count(r.effective_n),
    "sd": lambda r: score(r.sd),
    "sd in group": lambda r: score(r.spread),
    **{f"{100 * QUANTILES[at]:g} %": _quantile(at) for at in range(1, 6)},
}
SCALE_COLUMNS: Columns[ScaleSummary] = {
    "reward": lambda s: s.reward,
    "scale": lambda s: str(s.scale),
    "effective answers": lambda s: count(s.effective_answers),
    "of all": lambda s: share(s.effective_share),
    "weight of low-spread quarter": lambda s: share(s.low_spread_weight),
    "corr. with gold score": lambda s: _with_interval(s.gold_correlation),
    "corr. of two verdicts": lambda s: _with_interval(s.replicate_correlation),
}
TERM_COLUMNS: Columns[TermEffect] = {
    "term": lambda e: f"{e.reward}: {e.term}",
    "scale": lambda e: str(e.scale),
    "effect": lambda e: f"{e.verdict} (inert)" if e.verdict == "cancels" else str(e.verdict),
    "rewards changed": lambda e: share(e.changed),
    "correlation": lambda e: NONE if e.correlation is None else f"{e.correlation:.6f}",
    "largest change": lambda e: score(e.max_difference),
    "constant in groups": lambda e: "yes" if e.constant_in_groups else "no",
}
CRITERIA_COLUMNS: Columns[CriterionSummary] = {
    "criteria": lambda c: c.kind,
    "n": lambda c: count(c.n),
    "met": lambda c: share(c.pass_rate),
    "contrast q(1-q)": lambda c: score(c.contrast),
    "never met": lambda c: share(c.never),
    "always met": lambda c: share(c.always),
    "share of group variance": lambda c: share(c.variance_share),
}
LEVEL_COLUMNS: Columns[LevelCount] = {
    "criterion": lambda one: f"criterion {one.criterion} of prompt {one.prompt_id[:40]}",
    "points": lambda one: f"{one.points:g}",
    "verdicts": lambda one: count(one.n),
    "not applicable": lambda one: share(one.na_share),
    "mean share of points": lambda one: score(one.mean_share),
    "verdicts by level": lambda one: " ".join(map(count, one.counts)),
}
LEVERAGE_COLUMNS: Columns[PenaltyLeverage] = {
    "reward": lambda r: r.reward,
    "negatives": lambda r: count(r.n_negative),
    "from perfect": lambda r: share(r.from_best),
    "at seen pass rates": lambda r: share(r.typical),
    "the only negative": lambda r: share(r.lone),
    "by its points alone": lambda r: share(r.by_points),
}


def _level_table(levels: Sequence[LevelCount]) -> str:
    rest = len(levels) - MAX_LISTED
    more = f"\n... and {rest} more (--json)" if rest > 0 else ""
    return _filled(levels[:MAX_LISTED], LEVEL_COLUMNS) + more


def _scale_table(study: SignalStudy) -> str:
    told = ", ".join(f"{name} {score(r)}" for name, r in study.batch_agreement.items())
    note = f"\nnone and batch at {study.batch_groups} groups a batch correlate: {told}."
    return _filled(study.by_scale, SCALE_COLUMNS) + note


def _votes(k: int) -> Callable[[VarianceSplit], str]:
    return lambda split: score(split.fidelity_of_votes(k).value)


def _variance_table(study: SignalStudy) -> str:
    def part(name: str) -> Callable[[VarianceSplit], str]:
        return lambda split: share(dict(shares(split))[name])

    columns: Columns[VarianceSplit] = {
        "reward": lambda split: split.reward,
        "prompts": part("prompts"),
        "within groups": lambda s: share(s.within / s.total if s.total > 0 else None),
        "= answers": part("answers"),
        "+ judge": part("judge"),
        "ICC": lambda split: _with_interval(split.icc),
        **{f"fidelity k={k}": _votes(k) for k in VOTES},
    }
    note = ""
    if study.n_replicates == 1:
        note = "\nNo answer was judged twice: the judge's share and the reliability are unknown."
    return _filled(study.variance, columns) + note


def _pair_table(study: SignalStudy) -> str:
    rows = [
        [
            f"{p.first} ~ {p.second}",
            *(_with_interval(p.correlation[scale]) for scale in study.scales),
            score(p.rank),
            share(p.only_first),
            share(p.only_second),
        ]
        for p in study.pairs
    ]
    heads = ["rewards", *(f"corr. ({scale})" for scale in study.scales), "rank (tau-b)",
             "only first alive", "only second alive"]  # fmt: skip
    return table(heads, rows)


def _flip_table(study: SignalStudy) -> str:
    rows: dict[tuple[str, str], list[FlipEffect]] = {}
    for flip in study.flips:
        rows.setdefault((flip.reward, str(flip.scale)), []).append(flip)
    rates = [f"{100 * rate:g} %" for rate in dict.fromkeys(flip.rate for flip in study.flips)]
    # as many digits as a mean of so few draws carries
    cells = [
        [*key, *(NONE if f.fidelity is None else f"{f.fidelity:.2f}" for f in flips),
         *(f"{100 * f.dead:.0f} %" for f in flips)]
        for key, flips in rows.items()
    ]  # fmt: skip
    heads = ["reward", "scale", *(f"{rate} flipped" for rate in rates),
             *(f"dead at {rate}" for rate in rates)]  # fmt: skip
    note = f"\nMean of {study.flips[0].n_draws} random draws of the flips." if rows else ""
    return table(heads, cells) + note


def _survival_table(study: SignalStudy) -> str:
    heads = ["wrong verdicts", *(f"{100 * rate:g} %" for rate in study.survival)]
    return table(heads, [["chance", *(share(value) for value in study.survival.values())]])


def _drop_list(study: SignalStudy) -> str:
    listed = [prompt.prompt_id for prompt in study.drop[:MAX_LISTED]]
    rest = len(study.drop) - len(listed)
    return "\n".join([*listed, f"... and {rest} more (--json lists all)"] if rest else listed)


def _design_row(design: Design, plan: PowerPlan) -> list[str]:
    chosen = " *" if design in (plan.for_fidelity, plan.for_difference) else ""
    return [
        f"{design.answers}{chosen}",
        str(design.votes),
        score(design.fidelity),
        ("≥ " if design.live_is_bound else "") + share(design.live),
        count(design.calls_per_prompt),
        count(design.calls_per_live_group),
        score(design.detectable),
        count(design.prompts),
        count(design.calls),
    ]
