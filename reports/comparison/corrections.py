"""Figures of each model without the error of its judge, beside the raw ones.

By an audit of the judge on other answers (Rogan-Gladen), and by labels of some of the very answers
(prediction-powered inference). Where a correction cannot be given, its reason stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.audit.audit_rates import read_audit_rates
from ...judges.audit.correction import MIN_LABELLED_PROMPTS, Corrected
from ...judges.audit.label_correction import (
    correct_by_labels,
    match_labels,
    powered_mean,
    sampled_run,
)
from ...judges.audit.label_rows import labels_of_verdicts, read_label_files
from ...judges.audit.labels import LabelledAnswer, without_begun
from ...judges.audit.run_correction import RunCorrection, correct_run
from ...judges.data.columns import Columns
from ...judges.data.reader import can_name_rows
from ...judges.errors import DataError
from ...judges.scoring.bootstrap import ClusteredColumns
from ...judges.scoring.estimates import NOTHING, Estimate
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.rubric_arrays import Bools
from ...judges.scoring.sampled_run import SampledRun, score_difference
from .. import numbers
from ..interval_words import interval_words
from ..results.logs import is_log
from ..results.reader import read_runs
from ..results.run import Run
from ..results.samples import SAMPLE_WORDS
from .judges import AuditFigures
from .models import Model
from .paired import MAX_PAIRED, holm

_Side: TypeAlias = tuple[str, SampledRun, Bools | None]
"""A model, judge and labels, and which answers are whole where no chance is known."""
_RESULT_NAMES = ("samples_", "results_")
TITLES = {
    "score": "Score",
    "met": "Criteria met",
    "pass_range50": "Range 50",
    "pass_hb50": "Score 50",
    "pass_strict": "Strict",
}
"""Of the figures that are corrected, in their order."""


@dataclass(frozen=True, slots=True)
class LabelSource:
    """What some labels say, and where they come from."""

    name: str
    """Of the file or folder."""
    labelled: tuple[LabelledAnswer, ...]
    digests: frozenset[str] = frozenset()
    """Of the judges whose verdicts these labels are; empty for labels of people."""
    warning: str | None = None
    """What was excluded, in one line."""

    def on(self, graded: Sequence[GradedAnswer]) -> LabelSource:
        """Leave out answers on which labelling ended half-way; the warning counts them.

        Args:
            graded: Of all runs that these labels correct.
        """
        kept, n_begun = without_begun(self.labelled, graded)
        if not n_begun:
            return self
        what = "1 answer is" if n_begun == 1 else f"{n_begun:,} answers are"
        said = f"{self.name}: {what} labelled in part and excluded: whole answers were drawn"
        warning = "; ".join(filter(None, (self.warning, said)))
        return replace(self, labelled=tuple(kept), warning=warning)


def read_label_source(paths: Sequence[Path], columns: Columns | None = None) -> LabelSource:
    """Read labels of one source.

    Args:
        paths: Labelled rows (docs/trust.md), a file or one a rater; or one result file or folder in
            which a better judge graded some of the same answers.
        columns: Other names of the fields of labelled rows.

    Raises:
        DataError: A path holds none of these.
    """
    for path in paths:
        if not can_name_rows(path):
            raise DataError(f"--labels {path}: no such file or folder")
        if path.is_dir() or path.name.startswith(_RESULT_NAMES) or is_log(path):
            if len(paths) > 1:
                raise DataError(
                    f"--labels {path}: these are a judge's results; several files are those of "
                    "several raters, so give results alone"
                )
            return _of_results(path)
    file = read_label_files(paths, columns=columns)
    name = file.names if isinstance(file.names, str) else ", ".join(file.names)
    return LabelSource(name, file.answers, warning=file.warning())


def _of_results(path: Path) -> LabelSource:
    notes: list[str] = []
    runs = read_runs([path], notes.append)
    _require_one_draw(path, runs)
    return LabelSource(
        path.name,
        tuple(item for run in runs for item in labels_of_verdicts(run.graded, run.name)),
        frozenset(run.judge_digest for run in runs if run.judge_digest),
        "; ".join((*notes, *(note for run in runs for note in _notes_of(run)))) or None,
    )


def _require_one_draw(path: Path, runs: Sequence[Run]) -> None:
    """Refuse two samples of the same answers: the chances of each hold for it alone."""
    drawn: dict[tuple[str, str], Run] = {}
    for run in (run for run in runs if run.sample):
        for answer in run.graded:
            other = drawn.setdefault((answer.example.prompt_id, answer.answer), run)
            if (run.sample, run.judge_digest) != (other.sample, other.judge_digest):
                both = " and ".join(
                    f"{one.path} (share {one.sample.get('share')}, seed {one.sample.get('seed')})"
                    for one in (other, run)
                )
                raise DataError(
                    f"--labels {path}: two samples of the same answers, {both}; their verdicts "
                    "cannot be taken together: give one of them, in a folder of its own"
                )


def _notes_of(run: Run) -> Iterator[str]:
    """Give a run's notes; that a sample is no score by itself does not hold for labels."""
    return (note for note in run.notes if SAMPLE_WORDS not in note)


@dataclass(frozen=True, slots=True)
class ModelCorrection:
    """One model's figures without its judge's error, by one audit or one file of labels."""

    model: str
    source: str
    """The audit or the labels: a name, no folder."""
    figures: Mapping[str, Corrected]
    """By the names in `TITLES`."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why figures are not corrected, each reason once, with the figures it holds for."""
        titles: dict[str, list[str]] = {}
        for name, figure in self.figures.items():
            if figure.refused is not None:
                titles.setdefault(figure.refused, []).append(TITLES[name])
        return tuple(
            f"{_listing(names, len(self.figures))}: {reason}" for reason, names in titles.items()
        )


def corrections_of(
    models: Sequence[tuple[Model, ScoredTable]],
    audits: Sequence[AuditFigures],
    labels: Sequence[LabelSource],
) -> list[ModelCorrection]:
    """Correct every model, which comes with its scores, by every audit of its judge and all labels.

    An audit of another judge corrects nothing; that is said among the notes.
    """
    found = []
    # labels of the very answers assume nothing of the judge, so they come first
    for source in labels:
        for model, scored in models:
            own = {digest for run in model.runs if (digest := run.judge_digest)}
            made = corrected_by(source, model.graded, scored, own)
            found.append(_named(model.name, source.name, made))
    for audit in audits:
        try:
            rates = read_audit_rates(Path(audit.path))
        except DataError:
            continue  # `correction_faults` says so
        for model, scored in models:
            digests = {run.judge_digest for run in model.runs}
            if digests == {audit.digest}:
                made = correct_run(model.graded, rates, judge_digest=audit.digest, scored=scored)
                found.append(_named(model.name, Path(audit.path).name, made))
    return found


@dataclass(frozen=True, slots=True)
class CorrectedPair:
    """How far one model's score lies from another's without the judge's error, prompt by prompt."""

    this: str
    other: str
    source: str
    """The labels: a name, no folder."""
    raw: float | None
    """Difference of the raw scores, unclipped."""
    difference: Estimate
    p_value: float | None
    """Of the t test, two-sided, before any correction."""
    p_holm: float | None
    """The same after Holm's correction over the pairs of these labels."""
    refused: str | None = None


def corrected_pairs(
    models: Sequence[tuple[Model, ScoredTable]], labels: Sequence[LabelSource]
) -> list[CorrectedPair]:
    """Compare models by labels: weighted where these say with what chance they were chosen.

    Args:
        models: With their scores; of many, each is compared with the first one.
        labels: All sources.
    """
    found: list[CorrectedPair] = []
    for source in labels if len(models) > 1 else ():
        has_chances = any(item.chances for item in source.labelled)
        runs = []
        for model, scored in models:
            matched = match_labels(model.graded, source.labelled)
            own = {digest for run in model.runs if (digest := run.judge_digest)}
            if matched.n_matched and not own & source.digests:
                known = ScoredTable.of(matched.truth)
                run = sampled_run(scored, known, matched)
                whole_N = None if has_chances else matched.whole_N
                runs.append((model.name, run, whole_N))
        firsts = runs if len(runs) <= MAX_PAIRED else runs[:1]
        pairs = [
            _corrected_pair(source.name, one, other)
            for at, one in enumerate(firsts)
            for other in runs[at + 1 :]
        ]
        family = holm([pair.p_value for pair in pairs], len(runs) * (len(runs) - 1) // 2)
        found += [replace(pair, p_holm=p) for pair, p in zip(pairs, family, strict=True)]
    return found


def _corrected_pair(source: str, one: _Side, other: _Side) -> CorrectedPair:
    (this, mine, whole_N), (that, theirs, others_N) = one, other
    raw = float(np.nanmean(mine.free.items.h) - np.nanmean(theirs.free.items.h))
    if whole_N is not None and others_N is not None:
        made = _by_prompts(one, other)
        ends = Estimate(made.value, made.low, made.high)
        return CorrectedPair(this, that, source, raw, ends, None, None, made.refused)
    total = score_difference(mine, theirs)
    if not isinstance(total, str) and total.n_prompts < MIN_LABELLED_PROMPTS:
        total = f"labels of {total.n_prompts} prompts; it takes {MIN_LABELLED_PROMPTS}"
    if isinstance(total, str):
        return CorrectedPair(this, that, source, raw, NOTHING, None, None, total)
    return CorrectedPair(this, that, source, raw, total.interval, total.p_value, None)


def _by_prompts(mine: _Side, theirs: _Side) -> Corrected:
    """Correct the paired difference by the prompts on which both models have labels (PPI++)."""
    (every, said, true), (its_every, its_said, its_true) = map(_prompt_means, (mine, theirs))
    both = [name for name in true if name in its_true]
    if len(both) < MIN_LABELLED_PROMPTS:
        few = f"{len(both)} prompts carry labels for both; it takes {MIN_LABELLED_PROMPTS}"
        return Corrected(None, refused=few)
    rest = [name for name in every if name in its_every and not (name in true and name in its_true)]
    return powered_mean(
        np.array([every[name] - its_every[name] for name in rest]),
        np.array([said[name] - its_said[name] for name in both]),
        np.array([true[name] - its_true[name] for name in both]),
    )


def _prompt_means(side: _Side) -> tuple[Mapping[str, float], ...]:
    """Give mean scores by prompt: the judge's, and on whole labelled answers those of both."""
    _, run, whole_N = side
    said_N, true_N, table = run.free.items.h, run.dear.items.h, run.free.table
    has_N = np.asarray(whole_N) & ~np.isnan(said_N) & ~np.isnan(true_N)
    values_MN = np.stack([said_N, np.where(has_N, said_N, np.nan), np.where(has_N, true_N, np.nan)])
    columns = ClusteredColumns.of(values_MN, table.prompt_N, len(table.prompt_ids))
    return tuple(
        {name: mean for name, mean in zip(table.prompt_ids, means, strict=True) if mean == mean}
        for means in columns.means_MP.tolist()
    )


def pair_lines(pairs: Sequence[CorrectedPair]) -> Iterator[str]:
    """Word corrected differences for a terminal."""
    for pair in pairs:
        what = f"{pair.this} minus {pair.other}, by {pair.source}"
        if pair.refused is not None:
            yield f"{what}: not corrected: {pair.refused}"
            continue
        found = pair.difference
        yield (
            f"{what}: {numbers.difference(found.value)} {interval_words(found, signed=True)}, "
            f"raw {numbers.difference(pair.raw)}"
            + (f", p {numbers.p_value(pair.p_holm)} (Holm)" if pair.p_holm is not None else "")
        )


def corrected_by(
    source: LabelSource, graded: Sequence[GradedAnswer], scored: ScoredTable, digests: set[str]
) -> RunCorrection:
    """Correct the figures of some answers by labels of a part of them.

    Args:
        source: The labels.
        graded: The answers they are about.
        scored: The same with their scores.
        digests: Of the judges of these answers.
    """
    fault = None
    if digests & source.digests:
        fault = "the labels are verdicts of the judge to be corrected"
    labels = match_labels(graded, source.labelled)
    return correct_by_labels(scored, labels, fault=fault)


def correction_faults(audits: Sequence[AuditFigures]) -> Iterator[str]:
    """Say which audits cannot correct anything, for want of their counts."""
    for audit in audits:
        try:
            read_audit_rates(Path(audit.path))
        except DataError as error:
            yield f"No figure is corrected for the judge's error: {error}."


def preference(by_audit: RunCorrection | None, by_labels: RunCorrection | None) -> str | None:
    """Say which of two corrections to go by, or what the one there is assumes; None for none."""
    if by_audit is None or (by_audit.score.refused and by_audit.met.refused):
        return None
    if by_labels is not None and by_labels.score.refused is None:
        return (
            "Prefer the correction by labels: it assumes nothing about the judge's errors, while "
            "the audit assumes that they are the same here as on the audited answers."
        )
    return (
        "This assumes that the judge's errors on each kind of criterion are the same here as on "
        "the audited answers. Labels on a random sample of these answers (--labels) need no such "
        "assumption."
    )


def corrected_words(corrected: Corrected) -> str:
    """Word a corrected figure, or why there is none."""
    raw = numbers.score(corrected.raw)
    if corrected.refused is not None:
        return f"raw {raw}; not corrected: {corrected.refused}"
    interval = numbers.interval(corrected.low, corrected.high)
    return f"raw {raw}, without the judge's error {numbers.score(corrected.value)} {interval}"


def correction_lines(name: str, source: str, correction: RunCorrection) -> Iterator[str]:
    """Word every figure of one run for a terminal."""
    made = _named(name, source, correction)
    method = next(iter(made.figures.values())).method
    yield f"{name}, without the judge's error by {source} ({method}):"
    reasons = {figure.refused for figure in made.figures.values()}
    if len(reasons) == 1 and None not in reasons:
        yield f"  not corrected: {reasons.pop()}"
        return
    width = max(map(len, TITLES.values()))
    for key, figure in made.figures.items():
        yield f"  {TITLES[key]:<{width}}  {corrected_words(figure)}"
    if (widths := made.figures["score"].widths) is not None:
        yield f"  Score: {widths.words()}"


def _named(model: str, source: str, correction: RunCorrection) -> ModelCorrection:
    return ModelCorrection(model, source, correction.figures())


def _listing(names: Sequence[str], n_all: int) -> str:
    return "No figure is corrected" if len(names) == n_all else f"{', '.join(names)} not corrected"
