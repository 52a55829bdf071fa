"""The audit of a judge as text: the judge beside baselines that never see the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...judges.audit.agreement import Calibration
from ...judges.audit.bias import Shift
from ...judges.audit.injections import InjectionRow
from ...judges.audit.judge_audit import Audit, JudgeFigures
from ...judges.audit.reward_bench import Preference, ProbeRow
from ...judges.audit.upkeep.twins import ALL_EDITS, TwinRow
from ...reports import numbers
from ...reports.interval_words import told, told_share
from ..audit_run import Audited, SeenApart, Variant
from ..terminal import aligned
from .drift import drift_parts
from .levels import level_parts, variant_parts

_COLUMNS = ("balanced_f1", "pairwise", "auroc", "kappa", "sensitivity", "specificity")
_HEADS = ("balanced F1", "pairwise", "AUROC", "kappa", "sensitivity", "specificity")
_GROUPS = ("judge_met", "label_met", "sensitivity", "specificity")
_GROUP_HEADS = ("judge met", "labels met", "sensitivity", "specificity")
MAX_RATERS = 8
MAX_CATEGORIES = 12
"""Categories shown; all of them are in --json."""


def audit_text(found: Audited) -> str:
    """Lay out an audit for a terminal."""
    audit, judge = found.audit, found.judge
    name = " ".join(str(judge[key]) for key in ("name", "model") if judge.get(key))
    # a rubric of levels alone has no criterion that is met or not met
    has_two = audit.levels is None or audit.judge.n_questions > 0
    parts = [
        *drift_parts(found.drift),
        *(_two_sided(audit, name) if has_two else ()),
        *(level_parts(audit.levels) if audit.levels is not None else ()),
        *_learned(found.seen),
        *(_variants(found.variants, name) if has_two else ()),
        *variant_parts([(variant.name, variant.levels) for variant in found.variants]),
        "\n".join(_scalars(audit, found.usd_per_correct)),
        *_injections(found.injections),
        *_twins(found.twins),
        *_reliability(audit.judge.calibration),
        *_raters(audit),
        *_shifts(audit.shifts),
        *([aligned(_categories(audit))] if has_two else ()),
    ]
    return "\n\n".join(parts)


def _two_sided(audit: Audit, name: str) -> Iterator[str]:
    figures = audit.judge
    rows = [_row(name, figures), *(_row(f"  {n}", f) for n, f in audit.baselines.items())]
    yield (
        f"{figures.n_questions} criteria of answers, {figures.n_pairs} (judge, label) pairs, "
        f"{figures.n_without_verdict} without a verdict; {figures.n_answer_pairs} pairs of answers "
        "within a criterion"
    )
    yield from _gaps(figures)
    yield aligned([("", *_HEADS), *rows])
    yield (
        "pairwise: an answer that meets a criterion ranked above one that does not; .50 by "
        "construction\nfor a judge that never sees the answer, such as majority, category_rate and "
        "no_look."
    )


def _learned(found: SeenApart | None) -> Iterator[str]:
    """Say what of the prompts the judge has learned from, and how it does there."""
    if found is None:
        return
    warning = (found.seen.warning() or "").capitalize()
    if found.figures is None:
        yield f"{warning}. The figures above cover all prompts."
        return
    row = _row(f"{found.seen.n_seen} prompts learned from", found.figures)
    yield f"{warning}. The figures above cover the other prompts; for its own:"
    yield aligned([("", *_HEADS), row])


def _gaps(found: JudgeFigures) -> Iterator[str]:
    counts = found.counts
    if found.n_pairs == 0:
        yield "NO VERDICT AT ALL: no figures for this judge."
        return
    for kind, cells in (("met", ("tp", "fn")), ("not met", ("fp", "tn"))):
        if sum(counts[cell] for cell in cells) == 0:
            yield (
                f"No judged label says {kind}: figures that need both (balanced F1, pairwise, "
                "AUROC, kappa) are undefined."
            )


def _row(name: str, figures: JudgeFigures) -> tuple[str, ...]:
    return (name, *(told(figures.figures[column]) for column in _COLUMNS))


def _scalars(audit: Audit, usd_per_correct: float | None) -> Iterator[str]:
    named = {
        "Krippendorff's alpha among raters": audit.alpha_labels,
        "Krippendorff's alpha, with the judge as a rater": audit.alpha_with_judge,
        "correlation of length with the verdict, given the label": audit.length_correlation,
    }
    if audit.judge.calibration is not None:
        named["expected calibration error"] = audit.judge.calibration.ece
        named["Brier score"] = audit.judge.calibration.brier
    words = {name: numbers.score(value) for name, value in named.items() if value is not None}
    if audit.flip_rate.value is not None:
        words["verdicts that flip between replicates"] = told(audit.flip_rate)
    if audit.order is not None:
        words["verdicts that flip when the criteria of a call are reordered"] = told(
            audit.order.flips
        )
        words["change of P(met) from the first to the last position in a call"] = told(
            audit.order.shift
        )
    if usd_per_correct is not None:
        words["USD a verdict that agrees with its labels"] = f"{usd_per_correct:.6f}"
    width = max(map(len, words), default=0)
    yield from (f"{name:<{width}}  {value}" for name, value in words.items())
    if audit.flip_rate.value is None:
        yield "(for the flip rate: --judge_args ...,replicates=2)"


def _injections(rows: Sequence[InjectionRow]) -> Iterator[str]:
    if not rows:
        return
    if not any(row.n for row in rows):
        yield "injection: every verdict favours its answer, or is missing: there is none to turn."
        return
    cells = [(row.form, row.language, str(row.n), told(row.turned)) for row in rows]
    yield aligned([("injection", "language", "verdicts", "turned"), *cells])


def _twins(rows: Sequence[TwinRow]) -> Iterator[str]:
    if not rows:
        return
    cells = [
        (row.edit, "change" if row.must_change else "stay", str(row.n), told(row.changed))
        for row in rows
        if row.n
    ]
    if cells:
        yield aligned([("edit of the answer", "verdict should", "twins", "changed"), *cells])
    lines = [f"{row.edit}: {row.why}." for row in rows if row.why and row.edit != ALL_EDITS]
    if any(row.why and row.must_change for row in rows if row.edit == ALL_EDITS):
        lines.append(
            "No edit that must change a verdict was compared, so a judge that does not read the "
            "answers is not found out here."
        )
    if lines:
        yield "\n".join(lines)


def _reliability(known: Calibration | None) -> Iterator[str]:
    if known is None:
        return
    rows = [
        (numbers.score(one.stated), numbers.score(one.observed), str(one.n)) for one in known.bins
    ]
    yield aligned([("P(met) stated", "labels met", "criteria"), *rows])


def _raters(audit: Audit) -> Iterator[str]:
    known = [
        r for r in audit.raters if r.physician_f1 == r.physician_f1 and r.judge_f1 == r.judge_f1
    ]
    if not known:
        return
    ahead = sum(row.judge_f1 > row.physician_f1 for row in known)
    ordered = sorted(known, key=lambda row: -row.n_pairs)
    rows = [
        (row.rater or "(unnamed)", str(row.n_pairs), numbers.score(row.physician_f1),
         numbers.score(row.judge_f1))
        for row in ordered[:MAX_RATERS]
    ]  # fmt: skip
    if len(ordered) > MAX_RATERS:
        rows.append((f"and {len(ordered) - MAX_RATERS} more (--json)", "", "", ""))
    head = ("rater vs all others", "pairs", "balanced F1", "the judge on the same labels")
    yield aligned([head, *rows]) + (
        f"\nfor {ahead} of {len(known)} raters, the judge agrees better with the others than the "
        "rater does"
    )


def _variants(variants: Sequence[Variant], name: str) -> Iterator[str]:
    if not variants:
        return
    rows = [_row(f"  {variant.name}", variant.figures) for variant in variants]
    yield aligned([("variant", *_HEADS), *rows])
    changes = [
        (
            f"  {variant.name}",
            str(variant.difference.n),
            told(variant.difference.disagree),
            *(
                told(variant.difference.figures[column], signed=True)
                for column in ("balanced_f1", "pairwise", "kappa")
            ),
        )
        for variant in variants
    ]
    head = (f"minus {name}", "criteria", "differ", "balanced F1", "pairwise", "kappa")
    yield aligned([head, *changes])


def _shifts(shifts: Sequence[Shift]) -> Iterator[str]:
    """Say what moves the judge where the label is the same."""
    known = [shift for shift in shifts if shift.shift.value is not None]
    if not known:
        return
    head = ("bias: change of P(judge says met) for", "95 % interval", "n", "compared within")
    rows = [
        (shift.unit, told(shift.shift, signed=True), str(shift.n), shift.within) for shift in known
    ]
    yield aligned([head, *rows]) + (
        "\nat the same label; 0 if the judge's errors do not depend on the trait (docs/trust.md)"
    )
    groups = [
        (
            f"{shift.trait}: {group.name}" if place == 0 else f"  {group.name}",
            str(group.n),
            *(numbers.score(getattr(group, column)) for column in _GROUPS),
        )
        for shift in known
        for place, group in enumerate(shift.groups)
    ]
    yield aligned([("where", "criteria", *_GROUP_HEADS), *groups])


def _categories(audit: Audit) -> list[tuple[str, ...]]:
    each = [(n, c.counts.sum(), c.plain_figures()) for n, c in audit.by_category.items()]
    ordered = sorted(each, key=lambda one: -one[1])
    rows = [
        (
            name,
            f"{n:.0f}",
            numbers.score(row["balanced_f1"]),
            numbers.share(row["judge_met"]),
            numbers.share(row["label_met"]),
        )
        for name, n, row in ordered[:MAX_CATEGORIES]
    ]
    if len(ordered) > MAX_CATEGORIES:
        rows.append((f"and {len(ordered) - MAX_CATEGORIES} more (--json)", "", "", "", ""))
    return [("category", "pairs", "balanced F1", "judge says met", "labels say met"), *rows]


def bench_text(name: str, found: Preference, probes: Sequence[ProbeRow]) -> str:
    """Lay out what `bench-reward` measured.

    Args:
        name: What was tested.
        found: How it orders the answers.
        probes: What each probe does to the reward; may be empty.
    """
    n_rewarded = found.n_answers - found.n_without_reward
    parts = [
        f"{name}: {found.n_answers} answers to {found.n_prompts} prompts, {found.n_pairs} pairs "
        f"that the reference tells apart; {found.n_without_reward} answers without a reward",
    ]
    if n_rewarded == 0:
        return f"{parts[0]}\n\nNO REWARD AT ALL: no figures."
    parts.append(
        aligned(
            [
                ("", "95 % interval", ""),
                (
                    "pairwise accuracy",
                    told(found.accuracy),
                    f"ties {numbers.share(found.ties)}",
                ),
                ("tau within a prompt", told(found.correlation), ""),
            ]
        )
    )
    head = ("best of n", "reference score of the choice", "at random", "best possible", "prompts")
    curve = [
        (str(row.n), told(row.picked), numbers.score(row.at_random), numbers.score(row.best),
         str(row.n_prompts))
        for row in found.best_of_n
    ]  # fmt: skip
    parts.append(aligned([head, *curve]))
    if found.by_theme:
        rows = [(name, told(figure)) for name, figure in found.by_theme.items()]
        parts.append(aligned([("tag", "pairwise accuracy"), *rows]))
    parts += _probes(probes)
    return "\n\n".join(parts)


def _probes(probes: Sequence[ProbeRow]) -> Iterator[str]:
    if not probes:
        return
    rows = [
        (
            row.name,
            told_share(row.raised),
            told_share(row.lowered),
            told(row.change, signed=True),
            str(row.n),
        )
        for row in probes
    ]
    head = ("probe (no answer gets better)", "raises", "lowers", "mean change", "answers")
    yield aligned([head, *rows])
