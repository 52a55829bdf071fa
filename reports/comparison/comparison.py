"""Everything a report says, as values: computed once, shown as HTML, tables, figures or JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ...judges.budget.stopping import StopRule
from ...judges.errors import ConfigError
from ...judges.scoring.bootstrap import N_DRAWS
from ...judges.scoring.run_scores import SEED
from ...judges.signal.groups import TaggedAnswer, group_answers
from ...judges.signal.measure import study_signal
from ...judges.signal.study import SignalStudy
from ..results.run import Run
from ..results.values import number_of
from .corrections import (
    CorrectedPair,
    LabelSource,
    ModelCorrection,
    corrected_pairs,
    corrections_of,
)
from .criteria import CriteriaGroup, criteria_of
from .headline import Headline, beside_corrected, headline_of, leading_pair
from .judges import AuditFigures, JudgeFacts, judge_facts
from .measures import (
    Measured,
    ModelResult,
    PackedModels,
    StoredCheck,
    check_model,
    measure,
    result_of,
)
from .models import (
    Model,
    group_models,
    pick_task,
    require_comparable,
    split_sanity,
    stopped_beside_whole,
)
from .notes import notes_of
from .paired import Pair, family_size, pairs_of
from .slices import Slice, WinTable, slices_of, wins_of
from .stopped import Looks, Stopping

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """A whole report."""

    task: str
    baseline: str | None
    headline: Headline
    problems: tuple[str, ...]
    """Why these runs should not be compared; empty unless the comparison was forced."""
    notes: tuple[str, ...]
    stopping: Stopping | None
    """Where grading could stop when something was decided, or `--until` asks; else None."""
    results: tuple[ModelResult, ...]
    sanity: tuple[ModelResult, ...]
    """Answers that take no model (`baseline:empty` and so on), where they were scored: what a
    judge gives to nothing. They take no part in pairs, slices or the headline."""
    pairs: tuple[Pair, ...]
    n_tested: int
    """Pairs that p values are corrected over: more than `pairs` where there are many models."""
    wins: WinTable | None
    """Of the pair that the headline names; None with one model."""
    slices: tuple[Slice, ...]
    criteria: tuple[CriteriaGroup, ...]
    """How often each criterion is passed."""
    judges: tuple[JudgeFacts, ...]
    audits: tuple[AuditFigures, ...]
    """What `rubricbeat audit` measured of the judges, where it was given."""
    corrections: tuple[ModelCorrection, ...]
    """Figures without the judge's error, where an audit or labels were given."""
    corrected_pairs: tuple[CorrectedPair, ...]
    """Differences of scores without it, where labels were given."""
    stored: tuple[StoredCheck, ...]
    signal: SignalStudy | None
    """Of the repeats, where it was asked for; None where no prompt was answered often enough by
    one model."""
    seed: int
    n_draws: int
    measured: tuple[Measured, ...]
    """Not part of the JSON."""

    def to_pandas(self) -> pd.DataFrame:
        """Give a row for each model; differences are from the baseline, else from the best."""
        import pandas as pd

        pairs = {pair.this: pair for pair in self.pairs}
        return pd.DataFrame([_plain_row(one, pairs.get(one.name)) for one in self.results])

    def __repr__(self) -> str:
        """Say it in a line."""
        return f"<Comparison: {self.headline.text}>"

    def _repr_html_(self) -> str:
        said = [self.headline.detail, *self.problems, *self.notes]
        rest = "".join(f"<p>{escape(text)}</p>" for text in said if text)
        table = self.to_pandas().to_html(index=False, float_format=lambda value: f"{value:.3f}")
        return f"<p><b>{escape(self.headline.text)}</b></p>{table}{rest}"


def _plain_row(one: ModelResult, pair: Pair | None) -> dict[str, object]:
    found = None if pair is None else pair.difference
    return {
        "model": one.name,
        "score": one.score,
        "low": one.interval.low,
        "high": one.interval.high,
        "scored": one.n_scored,
        "asked": one.n_asked,
        "compared_with": None if pair is None else pair.other,
        "difference": None if found is None else found.mean,
        "difference_low": None if found is None else found.interval.low,
        "difference_high": None if found is None else found.interval.high,
        "p": None if pair is None else pair.p_holm,
    }


def compare_runs(
    runs: Sequence[Run],
    *,
    baseline: str | None = None,
    task: str | None = None,
    allow_different: bool = False,
    all_pairs: bool = False,
    audits: Sequence[AuditFigures] = (),
    labels: Sequence[LabelSource] = (),
    notes: Sequence[str] = (),
    with_signal: bool = False,
    seed: int = SEED,
    n_draws: int = N_DRAWS,
    until: StopRule | None = None,
) -> Comparison:
    """Compute a report of one model or several.

    Args:
        runs: As `read_runs` gives them; runs of one model name are repeats of each other.
        baseline: The model every other one is compared with; None compares all pairs.
        task: Which task, where the runs are of several.
        allow_different: Go on where data, judges or rubrics differ, and say so.
        all_pairs: Compare every pair of more than `MAX_PAIRED` models too.
        audits: Of the judges of these runs, as `read_audits` gives them.
        labels: Of some of these answers, as `read_label_source` gives them.
        notes: What is to be said beside these runs, such as files that were excluded.
        with_signal: Study the repeats as groups of a GRPO training too.
        seed: Of the draws behind `bootstrap_std`.
        n_draws: Of them.
        until: Give intervals that hold after every prompt, and say after which prompt this rule
            decides; None does so only for runs that were graded until something was decided.

    Raises:
        ConfigError: Nothing can be compared, or should be.
    """
    chosen = pick_task(runs, task, allow_different=allow_different)
    models = group_models(chosen, baseline)
    problems = require_comparable(models, allow_different=allow_different)
    real, stand_ins = split_sanity(models, baseline)
    packed = PackedModels.of(models)
    measured = _by_height(measure(real, packed, seed=seed, n_draws=n_draws), baseline)
    results = tuple(result_of(m, m.model.name == baseline) for m in measured)
    beside = measure(stand_ins, packed, seed=seed, n_draws=n_draws)
    sanity = tuple(result_of(m, False) for m in beside)
    pairs = pairs_of(measured, has_baseline=baseline is not None, all_pairs=all_pairs)
    n_tested = family_size(len(measured), has_baseline=baseline is not None)
    looks = Looks.of(measured, until)
    stopping = looks.stopping(pairs, n_tested) if looks is not None else None
    if looks is not None:
        results, pairs = looks.results(results), looks.pairs(pairs, n_tested)
    h_by_model = {m.name: packed.whole.items.h[packed.place[m.name]] for m in models}
    stored = tuple(one for m in models for one in check_model(m, h_by_model[m.name]))
    leading = leading_pair(results, pairs)
    by_name = {m.model.name: m for m in measured}
    scored = [(m.model, m.scored) for m in measured]
    corrected = tuple(corrected_pairs(scored, labels))
    return Comparison(
        task=chosen[0].task,
        baseline=baseline,
        headline=beside_corrected(headline_of(results, pairs, sanity), leading, corrected),
        problems=tuple(problems),
        stopping=stopping,
        notes=(
            *notes,
            *_dropped(chosen),
            *(stopping.words() if stopping is not None else ()),
            *notes_of(h_by_model, models, results, sanity, audits, stored),
            *_not_all_pairs(results, pairs, n_tested),
        ),
        results=results,
        sanity=sanity,
        pairs=pairs,
        n_tested=n_tested,
        wins=wins_of(by_name[leading.this], by_name[leading.other]) if leading else None,
        slices=tuple(slices_of(measured, is_turned=baseline is None)),
        criteria=criteria_of(measured, has_baseline=baseline is not None),
        judges=tuple(judge_facts(m) for m in measured),
        audits=tuple(audits),
        corrections=tuple(corrections_of(scored, audits, labels)),
        corrected_pairs=corrected,
        stored=stored,
        signal=_signal_of([m.model for m in measured], packed) if with_signal else None,
        seed=seed,
        n_draws=n_draws,
        measured=tuple(measured),
    )


def _dropped(runs: Sequence[Run]) -> Iterator[str]:
    for run in stopped_beside_whole(runs):
        yield (
            f"{run.name}: excluded: a run that was not stopped early has the same answers and the "
            "same judge, and the scores are of that run."
        )


def _not_all_pairs(
    results: Sequence[ModelResult], pairs: Sequence[Pair], n_tested: int
) -> Iterator[str]:
    if len(pairs) < n_tested:
        yield (
            f"{len(results):,} models have {n_tested:,} pairs; each is compared with the highest "
            f"score alone, {results[0].name}, and p is corrected over all pairs; --all_pairs "
            "compares all, --baseline NAME with another model"
        )


def _by_height(measured: Sequence[Measured], baseline: str | None) -> list[Measured]:
    """Put the baseline first and then the highest score."""

    def key(one: Measured) -> tuple[bool, float, str]:
        value = number_of(one.summary.metrics["score_unclipped"])
        return one.model.name != baseline, math.inf if value is None else -value, one.model.name

    return sorted(measured, key=key)


def _signal_of(models: Sequence[Model], packed: PackedModels) -> SignalStudy | None:
    """Study answers to one prompt by one model as groups; None where none are enough."""
    labelled = [TaggedAnswer(one, {"model": m.name}) for m in models for one in m.graded]
    places = [np.arange(len(packed.whole))[packed.place[m.name]] for m in models]
    table = packed.whole.table.rows(np.concatenate(places))
    try:
        groups = group_answers(labelled, ("model",), table=table)
    except ConfigError:
        return None
    return study_signal(groups)
