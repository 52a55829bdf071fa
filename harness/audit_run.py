"""Put labelled answers to a judge, once or in several ways, and audit what it said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..judges.answer import Answer, GradedAnswer
from ..judges.audit.baselines import no_look_probability
from ..judges.audit.bias import OrderEffect, order_effect, traits_of
from ..judges.audit.injections import InjectionRow, injected_answers, injection_rows, targets_of
from ..judges.audit.judge_audit import (
    Audit,
    Difference,
    JudgeFigures,
    audit_judge,
    difference,
    flip_rate_of,
    judge_figures,
)
from ..judges.audit.label_correction import pass_cells_of
from ..judges.audit.labels import AuditTable, LabelledAnswer, met_or_not
from ..judges.audit.levels import LevelAudit, level_audit
from ..judges.audit.reordered import Reordered, in_order, reorder
from ..judges.audit.upkeep.drift import Drift
from ..judges.audit.upkeep.twins import TwinRow, twin_answers, twin_rows, twins_of
from ..judges.errors import ConfigError
from ..judges.grader import Grader, open_grader
from ..judges.learned import LearnedShare, seen_by
from ..judges.scoring.missing_reasons import MissingVerdicts
from .audit_since import asked_again, earlier_verdicts, own_identity, verdicts_by_question


@dataclass(frozen=True, slots=True)
class Variant:
    """The same judge with other options, on the same rows."""

    name: str
    """The options that differ, as the user wrote them."""
    judge: Mapping[str, object]
    figures: JudgeFigures
    difference: Difference
    usd_per_correct: float | None
    levels: LevelAudit | None = None

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        plain: dict[str, object] = {
            "variant": self.name,
            "judge": dict(self.judge),
            "figures": self.figures.to_json(),
            "difference": self.difference.to_json(),
            "usd_per_correct_verdict": self.usd_per_correct,
        }
        if self.levels is None:
            return plain
        return {**plain, "scales": [scale.to_json() for scale in self.levels.scales]}


@dataclass(frozen=True, slots=True)
class SeenApart:
    """A fitted judge on prompts that it has learned from, apart from those that are new to it."""

    seen: LearnedShare
    figures: JudgeFigures | None
    """On these prompts alone; None where there are no others, or the card does not say."""

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {
            "n": self.seen.n_seen,
            "of": self.seen.n_prompts,
            "is_unknown": self.seen.is_unknown,
            "figures": self.figures.to_json() if self.figures else None,
        }


@dataclass(frozen=True, slots=True)
class Audited:
    """A judge's audit, and its variants beside it."""

    judge: Mapping[str, object]
    """Facts of the grader."""
    audit: Audit
    usd_per_correct: float | None
    variants: tuple[Variant, ...]
    injections: tuple[InjectionRow, ...]
    """What answers that write their own verdict do to the judge; empty where it was not asked."""
    stopped: str | None
    """Why the judging ended early; None where it did not."""
    missing: MissingVerdicts
    """Of the judge, its variants and the other order together."""
    seen: SeenApart | None = None
    """What the judge does on prompts it has learned from; None where there are none."""
    questions: Mapping[str, str] = field(default_factory=dict)
    """What was said of each question, by its hash: for a later audit's `--since`."""
    twins: tuple[TwinRow, ...] = ()
    """What edits of the answers do to the verdicts; empty where it was not asked."""
    drift: Drift | None = None
    """Since an earlier audit; None where it was not asked for."""


def require_label(labelled: Iterable[LabelledAnswer]) -> None:
    """See that there is something to audit by.

    Raises:
        ConfigError: There is not.
    """
    if not any(labels for item in labelled for labels in item.labels):
        raise ConfigError("no label to audit by: no row says met or not met, a level, or na")


def audit_options(
    labelled: Sequence[LabelledAnswer],
    options: Mapping[str, object],
    variants: Mapping[str, Mapping[str, object]],
    *,
    reorder: bool = False,
    probes: int = 0,
    twins: int = 0,
    allow_seen: bool = False,
    since: str | None = None,
    seed: int,
) -> Audited:
    """Grade the labelled answers and audit the verdicts.

    Args:
        labelled: The labels.
        options: Of the judge, as `open_grader` takes them.
        variants: Options of each variant, whole, by its name.
        reorder: Ask the criteria of each answer a second time in another order.
        probes: Verdicts that answers try to turn by injection; each is asked 26 times.
        twins: Edited answers of each kind of edit at most; each is asked twice.
        allow_seen: Go on where the judge has learned from every prompt.
        since: An earlier audit of the judge, as `earlier_verdicts` takes it: it is asked anew.
        seed: Of the judge, of the other order and of the probes.

    Raises:
        ConfigError: No row has a label; the judge cannot be made, or sees one criterion at a time
            and is to be asked in another order.
    """
    require_label(labelled)
    missing = MissingVerdicts()
    if since is not None:
        options = asked_again(options)
    with contextlib.ExitStack() as stack:
        # all of them are made before one is paid
        grader = stack.enter_context(open_grader(options, seed=seed))
        others = {
            name: stack.enter_context(open_grader(changed, seed=seed))
            for name, changed in variants.items()
        }
        turned = None
        if reorder:
            _require_several(grader, labelled)
            turned = stack.enter_context(_reordered(options, seed))
        seen = seen_by(grader.judge, [item.example for item in labelled])
        if not allow_seen:
            seen.require_new("--allow_seen")
        flattered = [] if seen.is_all else seen.seen(labelled)
        labelled = labelled if seen.is_all else seen.unseen(labelled)
        earlier = earlier_verdicts(since, grader, labelled) if since is not None else None
        graded = _grade(grader, labelled, missing)
        two_sided = met_or_not(labelled)
        table = AuditTable.of(two_sided, graded)
        order = _order(turned, two_sided, table, missing, seed) if turned else None
        audit = audit_graded(labelled, graded, order, grader.facts())
        paid = grader.facts()
        learned = _learned(seen, grader, flattered, missing)
        own = own_identity(grader)  # whatever the day: a score is corrected by an audit of any
        facts = {**grader.facts(), **own.to_json(), "digest": own.digest}
        targets = targets_of(graded, probes, seed)
        injected = grader.grade(list(injected_answers(targets))) if targets else []
        edited = twins_of(labelled, graded, twins, seed) if twins else []
        edits = twin_rows(edited, grader.grade(list(twin_answers(edited)))) if twins else []
        found = [_variant(name, other, labelled, table, missing) for name, other in others.items()]
        graders = [grader, *others.values(), *([turned] if turned else [])]
        stops = [one.stopped for one in graders if one.stopped is not None]
    return Audited(
        judge=facts,
        audit=audit,
        usd_per_correct=usd_per_correct(paid, audit.judge, audit.levels),
        variants=tuple(found),
        injections=tuple(injection_rows(targets, injected) if probes else ()),
        stopped=stops[0] if stops else None,
        missing=missing,
        seen=learned,
        twins=tuple(edits),
        questions=verdicts_by_question(graded),
        drift=earlier.drift(labelled, graded) if earlier is not None else None,
    )


def audit_graded(
    labelled: Sequence[LabelledAnswer],
    graded: Sequence[GradedAnswer],
    order: OrderEffect | None = None,
    judge: object = None,
) -> Audit:
    """Audit verdicts that are there.

    Args:
        labelled: The labels.
        graded: The judge's verdicts, on the same answers in the same order.
        order: Of the criteria in a call, where it was measured.
        judge: Its options or facts, from which its family is known.
    """
    two_sided = met_or_not(labelled)
    table = AuditTable.of(two_sided, graded)
    return audit_judge(
        table,
        flip_rate=flip_rate_of(graded),
        no_look_N=no_look_probability(table, two_sided),
        traits=traits_of(two_sided, judge),
        order=order,
        pass_cells=pass_cells_of(labelled, graded),
        levels=level_audit(labelled, graded),
    )


def usd_per_correct(
    judge: Mapping[str, object], figures: JudgeFigures, levels: LevelAudit | None = None
) -> float | None:
    """Give the cost of a verdict that agrees with its labels; None where the cost is not known.

    Verdicts from the store were paid for in another run, so with any of them it is not known. Each
    replicate of a question is a verdict.
    """
    cost, accuracy = judge.get("cost_usd"), figures.figures["accuracy"].value
    options = judge.get("options")
    replicates = options.get("replicates") if isinstance(options, Mapping) else None
    n_right = (figures.n_questions - figures.n_without_verdict) * (accuracy or 0.0)
    for scale in levels.scales if levels else ():
        known = scale.figures["accuracy"].value if scale.figures else None
        n_right += (scale.n_questions - scale.n_without_verdict) * (known or 0.0)
    if not isinstance(cost, float | int) or not cost or judge.get("store_hits") or not n_right:
        return None
    return cost / n_right / (replicates if isinstance(replicates, int) else 1)


def _grade(
    grader: Grader, labelled: Sequence[LabelledAnswer], missing: MissingVerdicts
) -> list[GradedAnswer]:
    graded = grader.grade([Answer(item.example, item.text) for item in labelled])
    for answer in graded:
        missing.add(answer)
    return graded


def _learned(
    seen: LearnedShare,
    grader: Grader,
    labelled: Sequence[LabelledAnswer],
    missing: MissingVerdicts,
) -> SeenApart | None:

    if seen.warning() is None:
        return None
    if not any(labels for item in met_or_not(labelled) for labels in item.labels):
        return SeenApart(seen, None)
    table = AuditTable.of(met_or_not(labelled), _grade(grader, labelled, missing))
    return SeenApart(seen, judge_figures(table))


def _variant(
    name: str,
    grader: Grader,
    labelled: Sequence[LabelledAnswer],
    first: AuditTable,
    missing: MissingVerdicts,
) -> Variant:

    graded = _grade(grader, labelled, missing)
    table = AuditTable.of(met_or_not(labelled), graded)
    levels = level_audit(labelled, graded)
    figures, facts = judge_figures(table), grader.facts()
    return Variant(
        name=name,
        judge=facts,
        figures=figures,
        difference=difference(first, table),
        usd_per_correct=usd_per_correct(facts, figures, levels),
        levels=levels,
    )


# The order of a call


def _require_several(grader: Grader, labelled: Sequence[LabelledAnswer]) -> None:
    """Refuse another order where there is none: it would be measured as no effect."""
    if _group_size(grader) < 2:
        raise ConfigError(
            f"--reorder: judge {grader.identity.name!r} sees one criterion per call, so order "
            "cannot matter; use it with grouped calls (--judge_args shape=grouped)"
        )
    if all(len(item.example.rubric) < 2 for item in labelled):
        raise ConfigError(
            "--reorder: each labelled row has one criterion, so there is no order; take "
            "recorded verdicts of whole rubrics (--verdicts FILES --data ROWS)"
        )


def _order(
    grader: Grader,
    labelled: Sequence[LabelledAnswer],
    table: AuditTable,
    missing: MissingVerdicts,
    seed: int,
) -> OrderEffect:
    """Compare with what the judge says of the criteria of each answer in another order."""
    turned = [reorder(item, seed) for item in labelled]
    size = _group_size(grader)
    said: list[float] = []
    places: list[tuple[float, float]] = []
    graded = _grade(grader, [item for item, _ in turned], missing)
    for item, (_, order), answer in zip(labelled, turned, graded, strict=True):
        verdicts, n = in_order(answer, order), len(order)
        for index, labels in enumerate(item.labels):
            if labels:
                said.append(verdicts[index])
                places.append((_place(index, n, size), _place(order.index(index), n, size)))
    return order_effect(
        table.verdict_N,
        np.array(said),
        np.array(places),
        table.prompt_N,
        table.n_prompts,
    )


def _reordered(options: Mapping[str, object], seed: int) -> Grader:
    """Open the judge once more, as one that is asked in another order."""
    plain = open_grader(options, seed=seed)
    return Grader(Reordered(plain.judge, seed), replace(plain.options, replicates=1), options)


def _place(index: int, n_criteria: int, group_size: int) -> float:
    """Place a criterion in its call: 0 the first, 1 the last; 0 where it is alone."""
    start = index - index % group_size
    n = min(group_size, n_criteria - start)
    return (index - start) / (n - 1) if n > 1 else 0.0


def _group_size(grader: Grader) -> int:
    judge = grader.judge
    return int(getattr(judge, "group_size", 1) or 1) if hasattr(judge, "judge_group") else 1
