"""What is known of the judge behind a model's verdicts: gaps, repeats, agreement, length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..judges.arrays import Floats
from ..judges.verdict import Source, Verdict
from .measures import Measured


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
    runs = measured.model.runs
    identity = runs[0].judge
    missing = measured.summary.missing_by_reason
    n_again, disagreement = _disagreement(measured)
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
        share_met=_share_met(verdicts),
        prompt_tokens=sum(v.prompt_tokens for v in verdicts),
        cached_tokens=sum(v.cached_tokens for v in verdicts),
        completion_tokens=sum(v.completion_tokens for v in verdicts),
        cost=_cost([_stated(run.facts) for run in runs]),
        latency_s=_latency(_stated(runs[0].facts)) if len(runs) == 1 else {},
        remarks=tuple(dict.fromkeys(r for run in runs for r in _remarks(_stated(run.facts)))),
    )


def _disagreement(measured: Measured) -> tuple[int, float | None]:
    n_again = n_differ = 0
    for graded in measured.model.graded:
        if not graded.replicates:
            continue
        for column in range(len(graded.verdicts)):
            rows = (graded.verdicts, *graded.replicates)
            said = [row[column].met for row in rows if row[column].met is not None]
            if len(said) > 1:
                n_again += 1
                n_differ += len(set(said)) > 1
    return n_again, n_differ / n_again if n_again else None


def _rank_correlation(chars_N: Floats, h_N: Floats) -> float | None:
    known = ~np.isnan(h_N)
    chars, scores = chars_N[known], h_N[known]
    # with no spread on one side there is no order to correlate
    if len(chars) < 3 or np.ptp(chars) == 0 or np.ptp(scores) == 0:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(chars, scores).statistic)


def _share_met(verdicts: list[Verdict]) -> float | None:
    said = [v.met for v in verdicts if v.met is not None]
    return sum(said) / len(said) if said else None


def _cost(stated: list[Mapping[str, Any]]) -> float | None:
    """Add the costs up; one run that does not state its own makes the sum unknown."""
    costs = [one.get("cost_usd") for one in stated]
    known = [float(c) for c in costs if isinstance(c, (int, float)) and not isinstance(c, bool)]
    return sum(known) if costs and len(known) == len(costs) else None


def _latency(stated: Mapping[str, Any]) -> dict[str, float]:
    value = stated.get("latency_s")
    if not isinstance(value, Mapping):
        return {}
    return {str(k): float(v) for k, v in value.items() if isinstance(v, (int, float))}


def _remarks(stated: Mapping[str, Any]) -> list[str]:
    remarks = [str(stated["notes"])] if stated.get("notes") else []
    said = stated.get("answers")
    remarks += [str(one) for one in said] if isinstance(said, list) else []
    if stated.get("outage"):
        remarks.append(f"the judge went down: {stated['outage']}")
    if stated.get("stopped"):
        remarks.append(f"grading was stopped: {stated['stopped']}")
    return remarks


def _stated(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    judge = facts.get("judge")
    return judge if isinstance(judge, Mapping) else {}
