"""A signal study as text for the terminal: the verdict in words first, then its tables."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Sequence

import numpy as np

from ...judges.scoring.estimates import Estimate
from ...judges.signal.advantages import TermVerdict
from ...judges.signal.power import Design, PowerPlan
from ...judges.signal.study import SignalStudy
from ...judges.signal.variance import VOTES, shares
from ...reports.interval_words import interval_words
from ...reports.numbers import NONE, count, csv_cell, score, share
from ..terminal import aligned

WIDTH = 100
MAX_LISTED = 20
"""Prompts listed by id on the terminal; --json has all of them."""


def study_text(study: SignalStudy) -> str:
    """Write the whole study."""
    first = textwrap.fill(study.words[0].text, WIDTH) if study.words else ""
    parts = [first, _facts(study), _words(study)]
    parts += [
        _titled("Compared with gold (gold score gained by training)",
                _gold_table(study)),
        _titled("Dead groups (share of groups; zero reward variance)", dead_table(study)),
        _titled("Rewards over answers", _reward_table(study)),
        _titled("Advantages by scaling", _scale_table(study)),
        _titled("Terms: effect of removing one on the advantages", _term_table(study)),
        _titled("Where the variance comes from", _variance_table(study)),
        _titled("Agreement of advantages", _pair_table(study)),
        _titled("Fidelity when verdicts are flipped at random", _flip_table(study)),
        _titled("Criteria", _criteria_table(study)),
        _titled("Levels", level_table(study)) if study.levels else "",
        _titled("Cost of one triggered negative criterion (share of the reward's range)",
                _leverage_table(study)),
        _titled("How often a perfect answer is scored as perfect", _survival_table(study)),
        _drop_list(study),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def level_table(study: SignalStudy) -> str:
    """Write how often each level is said, the criteria that apply least often first."""
    ordered = sorted(study.levels, key=lambda one: (-one.na_share, -one.n))
    rows = [
        [
            f"criterion {one.criterion} of prompt {one.prompt_id[:40]}",
            f"{one.points:g}",
            count(one.n),
            share(one.na_share),
            score(one.mean_share),
            " ".join(map(count, one.counts)),
        ]
        for one in ordered[:MAX_LISTED]
    ]
    if len(ordered) > MAX_LISTED:
        rows.append([f"and {len(ordered) - MAX_LISTED} more (--json)", "", "", "", "", ""])
    heads = ["criterion", "points", "verdicts", "not applicable", "mean share of points",
             "verdicts by level"]  # fmt: skip
    return table(heads, rows)


def dead_table(study: SignalStudy) -> str:
    """Write the dead groups of each reward, split by cause, most dead first.

    The reliability stands beside them: a noisy judge makes dead groups look alive.
    """
    reliability = {split.reward: split.icc for split in study.variance}
    rows = [
        [
            d.reward,
            count(d.n_groups),
            share(d.dead.value),
            _share_interval(d.dead),
            share(d.identical),
            share(d.lost),
            share(d.floor),
            share(d.ceiling),
            _with_interval(reliability[d.reward]),
        ]
        for d in sorted(study.dead, key=lambda d: -(d.dead.value or 0.0))
    ]
    heads = ["reward", "groups", "dead", "95 %", "identical verdicts", "lost by the reward",
             "at floor", "at ceiling", "reliability"]  # fmt: skip
    return table(heads, rows)


def plan_text(plan: PowerPlan) -> str:
    """Write a plan: the cheapest designs that reach the targets, and the table they come from."""
    lines = []
    if plan.target_fidelity is not None and plan.for_fidelity is not None:
        d = plan.for_fidelity
        lines.append(
            f"For advantage fidelity {plan.target_fidelity:g} with {plan.reward}: {d.answers} "
            f"answers per prompt and {_verdicts(d.votes)} per criterion reach {score(d.fidelity)}; "
            f"{share(d.live)} of groups have a learning signal, {count(d.calls_per_prompt)} judge "
            f"calls per prompt, {count(d.calls_per_live_group)} per group with a signal."
        )
    if plan.target_difference is not None and plan.for_difference is not None:
        d = plan.for_difference
        lines.append(
            f"To tell two policies {plan.target_difference:g} apart in mean {plan.reward} (5 %, "
            f"power 80 %): {count(d.prompts)} prompts with {d.answers} answers and "
            f"{_verdicts(d.votes)} per criterion, {count(d.calls)} judge calls for each policy."
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


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set a table in columns: the first one to the left, numbers to the right."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["-" * width for width in widths]
    return aligned([heads, lines, *rows], range(1, len(heads)))


def _titled(title: str, body: str) -> str:
    return f"{title}\n{'=' * len(title)}\n{body}" if body else ""


def _facts(study: SignalStudy) -> str:
    sizes = list(study.sizes)
    spread = f"{min(sizes)}" if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
    text = (
        f"{count(study.n_groups)} groups of {spread} answers to {count(study.n_prompts)} prompts: "
        f"{count(study.n_answers)} answers, {count(study.n_verdicts)} verdicts"
    )
    text += f" ({count(study.n_missing)} missing)" if study.n_missing else " (none missing)"
    text += f", {_verdicts(study.n_replicates)} a criterion"
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


def _gold_table(study: SignalStudy) -> str:
    gold = study.gold
    if gold is None:
        return ""
    rows = [
        [
            row.reward,
            _with_interval(row.gain),
            _with_interval(row.behind),
            str(row.standing) if gold.is_enough else NONE,
        ]
        for row in gold.rows
    ]
    about = (
        f"{count(gold.n_answers)} answers in {count(gold.n_groups)} groups of "
        f"{count(gold.n_prompts)} prompts, scale {gold.scale}; the two judges agree on "
        f"{share(gold.agreement)} of the verdicts. Training is replayed over the answers "
        f"({gold.noise or 'the verdicts as recorded'}); 'rubricbeat replay-train' shows more. "
        f"Intervals of the last but one column allow for {max(1, len(gold.rows) - 1)} comparisons."
    )
    heads = ["reward", "gain of gold score", "behind the best by", "standing"]
    return f"{textwrap.fill(about, WIDTH)}\n{table(heads, rows)}"


def _reward_table(study: SignalStudy) -> str:
    rows = [
        [
            r.reward,
            count(r.n),
            count(r.n_none),
            score(r.mean.value),
            interval_words(r.mean),
            count(r.effective_n),
            score(r.sd),
            score(r.spread),
            *(score(value) for value in (r.quantiles[1:6] or [None] * 5)),
        ]
        for r in study.rewards
    ]
    heads = ["reward", "n", "none", "mean", "95 %", "effective n", "sd", "sd in group",
             "5 %", "25 %", "50 %", "75 %", "95 %"]  # fmt: skip
    return table(heads, rows)


def _scale_table(study: SignalStudy) -> str:
    rows = [
        [
            f"{s.reward}",
            str(s.scale),
            count(s.effective_answers),
            share(s.effective_share),
            share(s.low_spread_weight),
            _with_interval(s.gold_correlation),
            _with_interval(s.replicate_correlation),
        ]
        for s in study.by_scale
    ]
    heads = ["reward", "scale", "effective answers", "of all", "weight of low-spread quarter",
             "corr. with gold score", "corr. of two verdicts"]  # fmt: skip
    told = ", ".join(f"{name} {score(r)}" for name, r in study.batch_agreement.items())
    note = f"\nnone and batch at {study.batch_groups} groups a batch correlate: {told}."
    return table(heads, rows) + note


def _term_table(study: SignalStudy) -> str:
    rows = [
        [
            f"{e.reward}: {e.term}",
            str(e.scale),
            str(e.verdict) + (" (inert)" if e.verdict is TermVerdict.CANCELS else ""),
            share(e.changed),
            NONE if e.correlation is None else f"{e.correlation:.6f}",
            score(e.max_difference),
            "yes" if e.constant_in_groups else "no",
        ]
        for e in study.terms
    ]
    heads = ["term", "scale", "effect", "rewards changed", "correlation", "largest change",
             "constant in groups"]  # fmt: skip
    return table(heads, rows)


def _variance_table(study: SignalStudy) -> str:
    rows = []
    for split in study.variance:
        by_name = dict(shares(split))
        votes = [split.fidelity_of_votes(k).value for k in VOTES]
        within = split.within / split.total if split.total > 0 else None
        rows.append(
            [
                split.reward,
                share(by_name["prompts"]),
                share(within),
                share(by_name["answers"]),
                share(by_name["judge"]),
                _with_interval(split.icc),
                *(score(value) for value in votes),
            ]
        )
    heads = ["reward", "prompts", "within groups", "= answers", "+ judge", "ICC",
             *(f"fidelity k={k}" for k in VOTES)]  # fmt: skip
    note = ""
    if study.n_replicates == 1:
        note = "\nNo answer was judged twice: the judge's share and the reliability are unknown."
    return table(heads, rows) + note


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
    rates = list(dict.fromkeys(f.rate for f in study.flips))
    cells = {(f.reward, f.scale, f.rate): f for f in study.flips}
    rows = [
        [name, str(scale), *(_two_decimals(cells[name, scale, rate].fidelity) for rate in rates),
         *(f"{cells[name, scale, rate].dead:.0%}".replace("%", " %") for rate in rates)]
        for name, scale in dict.fromkeys((f.reward, f.scale) for f in study.flips)
    ]  # fmt: skip
    heads = ["reward", "scale", *(f"{100 * rate:g} % flipped" for rate in rates),
             *(f"dead at {100 * rate:g} %" for rate in rates)]  # fmt: skip
    return table(heads, rows) + (
        f"\nMean of {study.flips[0].n_draws} random draws of the flips." if rows else ""
    )


def _two_decimals(value: float | None) -> str:
    """Write as many digits as a mean of so few draws carries."""
    return NONE if value is None else f"{value:.2f}"


def _criteria_table(study: SignalStudy) -> str:
    rows = [
        [c.kind, count(c.n), share(c.pass_rate), score(c.contrast), share(c.never),
         share(c.always), share(c.variance_share)]
        for c in study.criteria
    ]  # fmt: skip
    heads = ["criteria", "n", "met", "contrast q(1-q)", "never met", "always met",
             "share of group variance"]  # fmt: skip
    return table(heads, rows)


def _leverage_table(study: SignalStudy) -> str:
    rows = [
        [r.reward, count(r.n_negative), share(r.from_best), share(r.typical), share(r.lone),
         share(r.by_points)]
        for r in study.leverage
    ]  # fmt: skip
    heads = ["reward", "negatives", "from perfect", "at seen pass rates", "the only negative",
             "by its points alone"]  # fmt: skip
    return table(heads, rows)


def _survival_table(study: SignalStudy) -> str:
    heads = ["wrong verdicts", *(f"{100 * rate:g} %" for rate in study.survival)]
    return table(heads, [["chance", *(share(value) for value in study.survival.values())]])


def _drop_list(study: SignalStudy) -> str:
    if not study.drop:
        return ""
    listed = [prompt.prompt_id for prompt in study.drop[:MAX_LISTED]]
    rest = len(study.drop) - len(listed)
    more = f"\n... and {rest} more (--json lists all)" if rest else ""
    title = "Prompts to drop: identical verdicts in every group"
    return _titled(title, "\n".join(listed) + more)


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


def _verdicts(n: int) -> str:
    return "1 verdict" if n == 1 else f"{n} verdicts"


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
