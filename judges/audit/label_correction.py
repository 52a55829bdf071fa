"""A run's figures corrected by labels of some of its own answers: prediction-powered inference.

Where some answers of the run carry labels on all of their criteria, every figure of an answer (its
score, whether it passes) is known twice on them, by the judge and by the labels. The judge's mean
over the other answers is corrected by the difference on these (Angelopoulos et al. 2023, PPI++).
Nothing is assumed of the judge's errors, and the judge may be at chance (the weight then falls to
0 and the labels stand alone); but the labelled answers must be a random part of the run, or each
label must say with what chance it was asked for (`scoring/sampled_run.py`).

At the end, for an audit: how often the judge passes whole labelled answers as the labels do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..answer import GradedAnswer
from ..errors import DataError
from ..rubric import Example
from ..scoring.bootstrap import ClusteredColumns
from ..scoring.item_scores import PASS_RULES, ScoredTable
from ..scoring.label_widths import LabelWidths
from ..scoring.points import ratio
from ..scoring.rubric_arrays import Bools, Floats
from ..scoring.sampled import SampledTotal
from ..scoring.sampled_run import SampledRun
from ..scoring.verdict_table import VerdictTable
from ..verdict import Outcome, Verdict
from .correction import (
    MIN_LABELLED_PROMPTS,
    NO_WIDTH,
    PREDICTION_POWERED,
    WEIGHTED,
    Corrected,
    prediction_powered,
)
from .error_rates import MIN_LABELS_OF_A_CLASS
from .labels import Label, LabelledAnswer, agreed, count_cells, have_chances, keys_of, without_begun
from .run_correction import RunCorrection

MAX_Z = 3.5
"""How far the judge's mean on labelled prompts may lie from that on the others, in standard errors;
a random part of the run passes that once in two thousand times."""

MIN_CRITERIA = 2
"""Of a whole answer: rows that carry one criterion each are no rubric."""


_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class LabelsOfRun:
    """What the labels say of a run's answers."""

    truth: tuple[GradedAnswer, ...]
    """Every answer of the run with the labels' verdicts; none where a criterion has no label."""
    n_rows: int
    """Labelled rows that were given."""
    n_matched: int
    """Criteria of the run's answers that they label."""
    chances: tuple[tuple[float, ...], ...] = ()
    """Of every answer of the run, by criterion: the inclusion probability of what was chosen for a
    label, NaN elsewhere. Empty where the labels do not say."""
    is_mixed: bool = False
    """Whether they come of several draws, so that the probabilities of none of them hold."""

    @property
    def whole_N(self) -> Bools:
        """Whether every criterion of the answer has a label, [N]."""
        return np.array([not any(v.is_missing for v in one.verdicts) for one in self.truth])


def match_labels(graded: Sequence[GradedAnswer], labelled: Sequence[LabelledAnswer]) -> LabelsOfRun:
    """Find the labels of a run's answers: the same prompt, the same text, the same criterion.

    A prompt is the same by its id, or by its words where the labels name none. Of several raters
    the majority counts; where they tie the criterion has no label.

    Raises:
        DataError: A label says of a criterion what its rubric does not allow, or the labels do not
            agree on the inclusion probabilities.
    """
    by_key: dict[_Key, list[Label]] = {}
    chance_of: dict[_Key, float] = {}
    labelled, _ = without_begun(labelled, graded)
    for item in labelled:
        (_, text), _ = keys_of(item.example, item.text)
        for criterion, labels in zip(item.example.rubric.criteria, item.labels, strict=True):
            key = (item.example.prompt_id, text, criterion.text)
            by_key.setdefault(key, []).extend(labels)
        _note_chances(chance_of, item, text)
    has_chances = have_chances(labelled, "labels")
    done, is_mixed = _part_done(labelled)
    truth, chances = [], []
    for answer in graded:
        both = keys_of(answer.example, answer.answer)
        keys = [[(*key, c.text) for key in both] for c in answer.example.rubric.criteria]
        said = [next((by_key[key] for key in of if key in by_key), []) for of in keys]
        verdicts = _verdicts(said, answer.example)
        truth.append(GradedAnswer(answer.example, answer.answer, verdicts, answer.repeat))
        if has_chances:
            of_each = ([chance_of[key] for key in of if key in chance_of] for of in keys)
            chances.append(tuple(done * found[0] if found else np.nan for found in of_each))
    n_matched = sum(not v.is_missing for one in truth for v in one.verdicts)
    return LabelsOfRun(tuple(truth), len(labelled), n_matched, tuple(chances), is_mixed)


def correct_by_labels(
    scored: ScoredTable, labels: LabelsOfRun, *, fault: str | None = None
) -> RunCorrection:
    """Correct a run's figures by labels of some of its own answers.

    With inclusion probabilities every label counts for 1 / probability verdicts. Without them the
    unit is the prompt: a prompt with a labelled answer stands with its labelled answers, every
    other prompt with the mean of its answers. Intervals are Student's.

    Args:
        scored: The run.
        labels: As `match_labels` gives them for this run.
        fault: Why these labels may not be used at all; None where they may.
    """
    known = ScoredTable.of(labels.truth)
    if labels.chances and labels.n_matched and fault is None:
        return _by_chances(scored, known, labels)
    judged, by_judge, by_labels = scored.table, scored.items, known.items
    whole_N = labels.whole_N
    fault = fault or _fault(labels, whole_N)

    def figure(said_N: Floats, true_N: Floats) -> Corrected:
        """Correct one figure of an answer; NaN leaves it out."""
        return _powered(said_N, np.where(whole_N, true_N, np.nan), judged, fault)

    passes: Mapping[str, Corrected] = {
        rule: _unless_rare(
            figure(by_judge.passes[rule], by_labels.passes[rule]), by_labels.passes[rule][whole_N]
        )
        for rule in PASS_RULES
    }
    return RunCorrection(
        score=figure(by_judge.h, by_labels.h),
        met=figure(*map(_share_met, (judged, known.table))),
        passes=passes,
    )


def _share_met(table: VerdictTable) -> Floats:
    known_NC = ~np.isnan(table.verdicts_NC)
    return ratio(np.nansum(table.verdicts_NC, axis=1), known_NC.sum(axis=1).astype(np.float64))


def _note_chances(chance_of: dict[_Key, float], item: LabelledAnswer, text: str) -> None:
    """Keep with what chance each criterion of a labelled answer was chosen."""
    for criterion, chance in zip(item.example.rubric.criteria, item.chances, strict=False):
        if chance is None:
            continue
        known = chance_of.setdefault((item.example.prompt_id, text, criterion.text), chance)
        if known != chance:
            raise DataError(
                f"prompt_id {item.example.prompt_id[:64]}: {criterion.text[:60]!r} is labelled "
                f"with two inclusion probabilities, {known:g} and {chance:g}"
            )


def _part_done(labelled: Sequence[LabelledAnswer]) -> tuple[float, bool]:
    """Give the share of what was drawn that has come back, in (0, 1]; 1 where that is not known.

    Raters go through what was drawn in a random order, so that what they have reached is a random
    part of it. Also say whether the labels are of several draws.
    """
    draws = {item.draw for item in labelled if item.draw is not None}
    if len(draws) != 1 or any(item.draw is None for item in labelled):
        return 1.0, len(draws) > 1
    [(unit, n_drawn)] = draws
    back = {
        (item.example.prompt_id, item.text, c.text if unit == "criteria" else "")
        for item in labelled
        for c, chance in zip(item.example.rubric.criteria, item.chances, strict=False)
        if chance is not None
    }
    return min(1.0, len(back) / n_drawn), len(back) > n_drawn


def _by_chances(scored: ScoredTable, known: ScoredTable, labels: LabelsOfRun) -> RunCorrection:
    run = sampled_run(scored, known, labels)
    figures = {
        name: _weighted(_raw(scored, name), total, run) for name, total in run.figures().items()
    }
    whole_N = labels.whole_N
    passes = {
        rule: _unless_rare(figures[rule], known.items.passes[rule][whole_N]) for rule in PASS_RULES
    }
    return RunCorrection(score=figures["score"], met=figures["met"], passes=passes)


def sampled_run(scored: ScoredTable, known: ScoredTable, labels: LabelsOfRun) -> SampledRun:
    """Put a run beside the weighted sample of its labels.

    Args:
        scored: The run.
        known: The labels of its answers, scored.
        labels: Which say with what chance they were chosen.

    Raises:
        DataError: They are of several draws.
    """
    if labels.is_mixed:
        raise DataError(
            "the labels are of several draws (pages of 'rubricbeat label'), and their "
            "probabilities hold for one alone: give the labels of one page"
        )
    chance_NC = np.full(scored.table.verdicts_NC.shape, np.nan)
    for row_C, chances in zip(chance_NC, labels.chances, strict=bool(labels.chances)):
        row_C[: len(chances)] = chances
    return SampledRun(scored, known, chance_NC)


def _raw(scored: ScoredTable, name: str) -> float | None:
    values = {"score": scored.items.h, "met": scored.table.verdicts_NC, **scored.items.passes}[name]
    return None if np.isnan(values).all() else float(np.clip(np.nanmean(values), 0.0, 1.0))


def _weighted(raw: float | None, total: SampledTotal | str, run: SampledRun) -> Corrected:
    if isinstance(total, SampledTotal) and total.n_prompts < MIN_LABELLED_PROMPTS:
        total = f"labels tell it on {total.n_prompts} prompts; it takes {MIN_LABELLED_PROMPTS}"
    if isinstance(total, str):
        return Corrected(raw, method=WEIGHTED, refused=total)
    widths, found = None, total.interval.clipped(0.0, 1.0)
    if total.interval.ends is not None:
        low, high = total.interval.ends
        share = 1 - total.sampling_variance / total.variance if total.variance > 0 else 1.0
        widths = LabelWidths.of(*run.counts(), (high - low) / 2, share)
    made = Corrected(raw, found.value, found.low, found.high, method=WEIGHTED, widths=widths)
    return made.unless_a_point()


def _unless_rare(found: Corrected, passed: Floats) -> Corrected:
    """Refuse a pass rate whose labels nearly all say the same: a normal interval would lie."""
    n_passed, n_failed = int((passed == 1).sum()), int((passed == 0).sum())
    if found.refused is not None or min(n_passed, n_failed) >= MIN_LABELS_OF_A_CLASS:
        return found
    return Corrected(
        found.raw,
        method=found.method,
        refused=(
            f"of the labelled answers {n_passed} pass and {n_failed} do not; "
            f"{MIN_LABELS_OF_A_CLASS} of each are needed"
        ),
    )


def _fault(labels: LabelsOfRun, whole_N: Bools) -> str | None:
    """Say why the labels cannot correct this run at all; None where they may."""
    if not labels.n_matched:
        return (
            f"none of the {labels.n_rows} labelled rows is about an answer of this run (the same "
            "prompt, answer and criterion)"
        )
    if not whole_N.any():
        return (
            f"the labels are of {labels.n_matched} criteria, and no answer of this run has one on "
            "each of its criteria"
        )
    return None


def _powered(said_N: Floats, true_N: Floats, table: VerdictTable, fault: str | None) -> Corrected:
    raw = float(np.clip(np.nanmean(said_N), 0.0, 1.0)) if not np.isnan(said_N).all() else None
    if fault is not None:
        return Corrected(raw, method=PREDICTION_POWERED, refused=fault)
    both_N = ~np.isnan(said_N) & ~np.isnan(true_N)
    said_P, true_P = (_mean_by_prompt(values, both_N, table) for values in (said_N, true_N))
    rest_P = _mean_by_prompt(said_N, ~np.isnan(said_N), table)
    labelled_P = ~np.isnan(said_P)
    rest = rest_P[~labelled_P & ~np.isnan(rest_P)]
    found = powered_mean(rest, said_P[labelled_P], true_P[labelled_P])
    if found.value is None or found.low is None or found.high is None:
        return Corrected(raw, method=PREDICTION_POWERED, refused=found.refused)
    value, low, high = (float(np.clip(x, 0.0, 1.0)) for x in (found.value, found.low, found.high))
    return replace(found, raw=raw, value=value, low=low, high=high).unless_a_point()


def powered_mean(rest_P: Floats, said_P: Floats, true_P: Floats) -> Corrected:
    """Correct a mean over prompts, unless the labelled ones are no random part of them.

    Args:
        rest_P: The judge's figure of each prompt without labels.
        said_P: The judge's figure of each prompt with labels.
        true_P: The labels' figure of the same.
    """
    found = prediction_powered(rest_P, said_P, true_P)
    z = _distance(said_P, rest_P) if found.refused is None else None
    if z is None or z <= MAX_Z:
        return found.unless_a_point()
    return Corrected(
        found.raw,
        method=PREDICTION_POWERED,
        refused=(
            f"the {len(said_P)} labelled prompts are not a random sample of the run: the judge "
            f"gives them {said_P.mean():.3f} and the others {rest_P.mean():.3f}"
        ),
    )


def _mean_by_prompt(values_N: Floats, has_N: Bools, table: VerdictTable) -> Floats:
    kept_N = np.where(has_N, values_N, np.nan)
    n_prompts = len(table.prompt_ids)
    [means_P] = ClusteredColumns.of(kept_N[None], table.prompt_N, n_prompts).means_MP
    return np.asarray(means_P)


def _distance(some: Floats, others: Floats) -> float | None:
    """Give how far two means lie apart, in standard errors; None where it cannot be told."""
    if min(len(some), len(others)) < 2:
        return None
    error = np.sqrt(some.var(ddof=1) / len(some) + others.var(ddof=1) / len(others))
    return float(abs(some.mean() - others.mean()) / error) if error > NO_WIDTH else None


def pass_cells_of(
    labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer]
) -> dict[str, Floats]:
    """Count answers that pass by the judge and by the labels, by rule: [P, 4] as in `CELLS`.

    Only answers whose every criterion has a label are counted; empty where there is none.

    Args:
        labelled: The labels.
        graded: The judge's verdicts on the same answers, in the same order.
    """
    whole = [
        (graded_by_labels(item), answer)
        for item, answer in zip(labelled, graded, strict=True)
        if is_whole(item)
    ]
    if not whole:
        return {}
    truth, said = (ScoredTable.of(side) for side in zip(*whole, strict=True))
    table, by_labels, by_judge = truth.table, truth.items, said.items
    cells = {}
    for rule in PASS_RULES:
        wanted_N, given_N = by_labels.passes[rule], by_judge.passes[rule]
        has = ~np.isnan(wanted_N) & ~np.isnan(given_N)
        cells[rule] = count_cells(
            given_N[has] == 1, wanted_N[has] == 1, table.prompt_N[has], len(table.prompt_ids)
        )
    return cells


def is_whole(item: LabelledAnswer) -> bool:
    """Say whether the labels tell every criterion of a rubric of two or more."""
    verdicts = _verdicts(item.labels, item.example)
    return len(verdicts) >= MIN_CRITERIA and not any(v.is_missing for v in verdicts)


def graded_by_labels(item: LabelledAnswer) -> GradedAnswer:
    """Take what most labels say for the verdicts; none where there is no label, or a tie."""
    return GradedAnswer(item.example, item.text, _verdicts(item.labels, item.example))


def _verdicts(labels: Sequence[Sequence[Label]], example: Example) -> tuple[Verdict, ...]:
    said = map(agreed, labels, example.rubric.criteria)
    return tuple(one or Verdict(Outcome.SKIPPED) for one in said)
