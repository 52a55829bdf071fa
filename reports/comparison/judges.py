"""What is known of the judge behind a model's verdicts: gaps, repeats, agreement, length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...judges.data.streams import bytes_of
from ...judges.errors import DataError
from ...judges.scoring.estimates import Estimate
from ...judges.scoring.rubric_arrays import Floats
from ...judges.verdict import Source
from ..results.values import number_of, parse_object
from .measures import Measured

FIGURES = {
    "balanced_f1": "Balanced F1",
    "pairwise": "Pairwise",
    "kappa": "Kappa",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
"""What the report shows of an audit; the file has more."""
SCALARS = {
    "alpha_labels": "Krippendorff's alpha among the raters",
    "alpha_with_judge": "Krippendorff's alpha with the judge as a rater",
    "length_correlation": "Correlation of length with the verdict, given the label",
}
SHA_DIGITS = 12
"""Of a hash that is shown."""


@dataclass(frozen=True, slots=True)
class JudgeFacts:
    """One model's verdicts, seen from the judge's side."""

    model: str
    judge: str
    """Name and model of the judge, in words."""
    prompt: str
    digest: str
    n_verdicts: int
    n_missing: int
    missing_by_reason: Mapping[str, int]
    n_retried: int
    """Verdicts that took more than one call."""
    n_stored: int
    """Verdicts that were not asked for anew: from the store, or replayed."""
    disagreement: float | None
    """Share of criteria judged more than once on which the verdicts differ."""
    n_judged_again: int
    length_correlation: float | None
    """Spearman's, between an answer's characters and its score."""
    share_met: float | None
    """Of the criteria that are met or not met; None without any."""
    level_share: float | None
    """Mean share of the points of criteria with levels; None without any."""
    n_na: int
    """Verdicts that a criterion does not apply."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost: float | None
    """US dollars, where every run states it."""
    latency_s: Mapping[str, float]
    """Percentiles of the calls of one run, in seconds; empty where not stated."""
    remarks: tuple[str, ...]
    """What the judge says of itself, and whether it went down or was stopped."""


def judge_facts(measured: Measured) -> JudgeFacts:
    """Gather what the verdicts and the run's facts say of the judge."""
    graded = measured.model.graded
    verdicts = [v for g in graded for v in g.verdicts]
    at_level = [
        criterion.share(verdict.level)
        for g in graded
        for criterion, verdict in zip(g.example.rubric.criteria, g.verdicts, strict=True)
        if verdict.level is not None
    ]
    runs = measured.model.runs
    identity = runs[0].judge
    missing = measured.summary.missing_by_reason
    n_again, disagreement = _disagreement(measured)
    met = [v.met for v in verdicts if v.met is not None]
    return JudgeFacts(
        model=measured.model.name,
        judge=" ".join(str(identity[k]) for k in ("name", "model") if identity.get(k)),
        prompt=str(identity.get("prompt") or ""),
        digest=runs[0].judge_digest or "",
        n_verdicts=len(verdicts),
        n_missing=sum(missing.values()),
        missing_by_reason=missing,
        n_retried=sum(v.attempts > 1 for v in verdicts),
        n_stored=sum(v.source is not Source.FRESH for v in verdicts),
        disagreement=disagreement,
        n_judged_again=n_again,
        length_correlation=_rank_correlation(measured.table.chars_N, measured.items.h),
        share_met=sum(met) / len(met) if met else None,
        level_share=sum(at_level) / len(at_level) if at_level else None,
        n_na=sum(v.is_na for v in verdicts),
        prompt_tokens=sum(v.prompt_tokens for v in verdicts),
        cached_tokens=sum(v.cached_tokens for v in verdicts),
        completion_tokens=sum(v.completion_tokens for v in verdicts),
        cost=_cost([run.facts.judge for run in runs]),
        latency_s=_latency(runs[0].facts.judge) if len(runs) == 1 else {},
        remarks=tuple(dict.fromkeys(r for run in runs for r in _remarks(run.facts.judge))),
    )


def _disagreement(measured: Measured) -> tuple[int, float | None]:
    said = [
        [(v.outcome, v.level) for v in of_criterion if not v.is_missing]
        for one in measured.model.graded
        for of_criterion in zip(one.verdicts, *one.replicates, strict=True)
    ]
    again = [set(each) for each in said if len(each) > 1]
    return len(again), sum(len(each) > 1 for each in again) / len(again) if again else None


def _rank_correlation(chars_N: Floats, h_N: Floats) -> float | None:
    known = ~np.isnan(h_N)
    chars, scores = chars_N[known], h_N[known]
    # with no spread on one side there is no order to correlate
    if len(chars) < 3 or np.ptp(chars) == 0 or np.ptp(scores) == 0:
        return None
    return float(np.corrcoef(_mid_ranks(chars), _mid_ranks(scores))[0, 1])


def _mid_ranks(values_N: Floats) -> Floats:
    """Rank numbers from 1; ties share the mean of their ranks, as Spearman's needs it.

    Written here because `scipy.stats` takes a second to load.
    """
    _, place_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place_N]
    return ranks


def _cost(stated: list[Mapping[str, object]]) -> float | None:
    """Add the costs up; one run that does not state its own makes the sum unknown."""
    costs = [number_of(one.get("cost_usd")) for one in stated]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if costs and len(known) == len(costs) else None


def _latency(stated: Mapping[str, object]) -> dict[str, float]:
    value = stated.get("latency_s")
    known = value.items() if isinstance(value, Mapping) else ()
    return {str(k): float(v) for k, v in known if isinstance(v, int | float)}


def _remarks(stated: Mapping[str, object]) -> list[str]:
    remarks = [str(stated["notes"])] if stated.get("notes") else []
    said = stated.get("answers")
    remarks += [str(one) for one in said] if isinstance(said, list) else []
    if stated.get("outage"):
        remarks.append(f"the judge went down: {stated['outage']}")
    if stated.get("stopped"):
        remarks.append(f"grading was stopped: {stated['stopped']}")
    return remarks


@dataclass(frozen=True, slots=True)
class AuditRow:
    """The judge, or a baseline that never looks at the answer."""

    name: str
    n_questions: int
    n_without_verdict: int
    figures: Mapping[str, Estimate]
    """By the names in `FIGURES`."""


@dataclass(frozen=True, slots=True)
class AuditShift:
    """How far something moves the judge where the label is the same."""

    trait: str
    unit: str
    shift: Estimate
    within: str


@dataclass(frozen=True, slots=True)
class AuditFigures:
    """How far a judge agrees with labels."""

    judge: str
    """Name and model."""
    digest: str
    labels: str
    """What the labels were, in words."""
    rows: tuple[AuditRow, ...]
    """The judge first, then the baselines."""
    scalars: Mapping[str, float | None]
    path: str
    flips: Estimate | None = None
    """Share of verdicts that differ between two replicates; None without replicates."""
    shifts: tuple[AuditShift, ...] = ()
    """What moves the judge beside the label, as far as it was measured."""


def read_audits(paths: Sequence[Path]) -> list[AuditFigures]:
    """Read files that `rubricbeat audit --output FILE` wrote.

    Raises:
        DataError: A file is none of these.
    """
    return [_read(path) for path in paths]


def _read(path: Path) -> AuditFigures:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    whole: dict[str, Any] = parse_object(bytes_of(path), path.name)
    try:
        judge, audit = whole["judge"], whole["audit"]
        name = " ".join(str(judge[key]) for key in ("name", "model") if judge.get(key))
        rows = [_row(name or "the judge", audit["judge"])]
        rows += [_row(str(key), row) for key, row in audit["baselines"].items()]
        return AuditFigures(
            judge=name,
            digest=str(judge.get("digest") or ""),
            labels=_labels(whole.get("labels")),
            rows=tuple(rows),
            scalars={key: number_of(audit.get(key)) for key in SCALARS},
            path=str(path),
            flips=_figure(audit["flip_rate"]) if audit.get("flip_rate") else None,
            shifts=tuple(_shift(one) for one in audit.get("shifts") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path.name}: not an audit ({type(error).__name__}: {error}); "
            "'rubricbeat audit --output FILE' writes one"
        ) from error


def _shift(plain: Mapping[str, Any]) -> AuditShift:
    return AuditShift(
        str(plain["trait"]), str(plain["unit"]), _figure(plain["shift"]), str(plain["within"])
    )


def _row(name: str, plain: Mapping[str, Any]) -> AuditRow:
    figures = plain["figures"]
    return AuditRow(
        name=name,
        n_questions=int(plain["n_questions"]),
        n_without_verdict=int(plain["n_without_verdict"]),
        figures={key: _figure(figures.get(key) or {}) for key in FIGURES},
    )


def _figure(plain: Mapping[str, object]) -> Estimate:
    value, low, high = (number_of(plain.get(name)) for name in ("value", "low", "high"))
    return Estimate(value, low, high, str(plain.get("why") or ""))


def _labels(value: object) -> str:
    """Word where labels come from: names whole, hashes by their first digits."""
    if not isinstance(value, Mapping):
        return str(value or "")
    told = []
    for key, entry in value.items():
        entries = entry if isinstance(entry, list) else [entry]
        words = [str(one) for one in entries if isinstance(one, (str, int, float))]
        if key.endswith("sha256"):
            words = [word[:SHA_DIGITS] for word in words]
        if words:
            told.append(f"{key.replace('_', ' ')} {' '.join(words)}")
    return ", ".join(told)
