"""The metrics of a document and of a run, under their names in lm-eval's results.

The sums are `judges/scoring/run_scores.py`; this says which of them become metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..judges.answer import GradedAnswer
from ..judges.rubric import Example
from ..judges.scoring.item_scores import ScoredTable
from ..judges.scoring.rubric_arrays import Floats
from ..judges.scoring.run_scores import LENGTH_PENALTIES, ScoredAnswers, summarise
from ..judges.verdict import Outcome

MetricValue = float | int | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of lm-eval's results table."""

    name: str
    higher_is_better: bool | None = None


SCORE_METRICS = (
    Metric("score", higher_is_better=True),
    # lm-eval's own standard error would cost 100,000 draws in a pool of processes, unseeded by
    # us; a metric of this name, after "score", puts ours in its place (0.4.13)
    Metric("score_stderr"),
    Metric("score_low", higher_is_better=True),
    Metric("score_high", higher_is_better=True),
    Metric("score_length_adjusted", higher_is_better=True),
    Metric("missing_points", higher_is_better=False),
    Metric("n_asked"),
    Metric("n_scored"),
    Metric("pass_range50", higher_is_better=True),
    Metric("pass_hb50", higher_is_better=True),
    Metric("pass_strict", higher_is_better=True),
    Metric("f1_compat", higher_is_better=True),
    Metric("distinct_answers"),
)
NA_SHARE = Metric("na_share")
"""Of a run in which a criterion may not apply; other runs have no such number."""


def document_scores(
    graded: Mapping[str, Sequence[GradedAnswer]],
) -> dict[str, dict[str, MetricValue]]:
    """Give each document's values, None where it has none.

    A document with several answers has the mean of those that are scored.

    Args:
        graded: The answers of each document, by prompt_id.
    """
    flat = [answer for answers in graded.values() for answer in answers]
    if not flat:
        return {}
    penalty = LENGTH_PENALTIES["full"]  # which is of runs, not of documents
    by_prompt = prompt_scores(ScoredAnswers.of([ScoredTable.of(flat)], penalty))
    return {
        prompt_id: {
            **values,
            "distinct_answers": distinct_share([answer.answer for answer in answers]),
            **na_metric(answers),
        }
        for (prompt_id, answers), values in zip(graded.items(), by_prompt, strict=True)
    }


def na_metric(graded: Sequence[GradedAnswer]) -> dict[str, float | None]:
    """Give the share of verdicts that say "not applicable" as a metric; none where none may."""
    if not may_be_na(answer.example for answer in graded):
        return {}
    return {NA_SHARE.name: na_share(v.outcome for answer in graded for v in answer.verdicts)}


def prompt_scores(scored: ScoredAnswers) -> Iterator[dict[str, MetricValue]]:
    """Give each prompt's values, in the order of the prompts, as `document_scores` does.

    All but `distinct_answers`, which takes the answers' words.
    """
    order = np.argsort(scored.prompt_N, kind="stable")
    items = scored.items
    by_metric = {
        "score": items.h,
        "score_low": items.low,
        "score_high": items.high,
        "missing_points": np.where(scored.absolute_N > 0, items.missing_share, np.nan),
        **items.passes,
    }
    ordered = {name: values_N[order] for name, values_N in by_metric.items()}
    first = 0
    for n in np.bincount(scored.prompt_N, minlength=len(scored.prompt_ids)).tolist():
        here = slice(first, first + n)
        first += n
        yield {
            **{name: _mean(values_N[here]) for name, values_N in ordered.items()},
            "n_asked": n,
            "n_scored": int(np.count_nonzero(~np.isnan(ordered["score"][here]))),
        }


def run_scores(
    graded: Sequence[GradedAnswer], *, seed: int, length_penalty: float | None
) -> dict[str, object]:
    """Give the run's values; see docs/results.md for each."""
    penalty = LENGTH_PENALTIES["full"] if length_penalty is None else length_penalty
    values = summarise(graded, seed=seed, length_penalty=penalty).to_json()
    values["distinct_answers"] = mean_distinct(graded)
    return values | na_metric(graded)


def may_be_na(examples: Iterable[Example]) -> bool:
    """Say whether any criterion may be called not applicable."""
    return any(criterion.na for example in examples for criterion in example.rubric.criteria)


def na_share(outcomes: Iterable[str]) -> float | None:
    """Give the share of verdicts that say "not applicable"; None where there are none at all."""
    each = list(outcomes)
    return each.count(Outcome.NOT_APPLICABLE) / len(each) if each else None


def distinct_share(texts: Sequence[str]) -> float | None:
    """Say how far the answers to one prompt differ: 0 all alike, 1 no two alike.

    None where there is one answer only.
    """
    return (len(set(texts)) - 1) / (len(texts) - 1) if len(texts) > 1 else None


def mean_distinct(graded: Iterable[GradedAnswer]) -> float | None:
    """Give the mean of `distinct_share` over the prompts."""
    by_prompt: dict[str, list[str]] = {}
    for answer in graded:
        by_prompt.setdefault(answer.example.prompt_id, []).append(answer.answer)
    return mean_share(map(distinct_share, by_prompt.values()))


def mean_share(shares: Iterable[float | None]) -> float | None:
    """Give the mean over the prompts that have a share; None where none has."""
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
