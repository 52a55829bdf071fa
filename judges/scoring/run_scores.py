"""Turn the verdicts of a run into its scores.

Knows nothing of judges or models: it sees points and verdicts only. What one answer is worth is
`item_scores.py`, the error bars are `bootstrap.py`. Formulas and their sources are in
docs/results.md; None (NaN inside) is "not known", and is never counted as 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..answer import GradedAnswer
from .bootstrap import N_DRAWS, ClusteredColumns
from .item_scores import PASS_RULES, Items, ScoredTable, tag_items, worst_at_k
from .rubric_arrays import Floats
from .verdict_table import Codes

LENGTH_CENTRE_CHARS = 2_000
LENGTH_UNIT_CHARS = 500
N_HEAD = 2 + len(PASS_RULES)
"""Columns before those of the tags: the score, adjusted for length, and by each pass rule."""
LENGTH_PENALTIES = {"full": 0.0299, "hard": 0.0392, "consensus": 0.0020, "professional": 0.0147}
"""Score lost for 500 characters beyond 2,000, by HealthBench set (method sheet, 2)."""
SEED = 1234


@dataclass(frozen=True, slots=True)
class ScoredAnswers:
    """N scored answers, and columns of their values summed up by prompt."""

    items: Items
    prompt_N: Codes
    prompt_ids: tuple[str, ...]
    chars_N: Floats
    absolute_N: Floats
    """Absolute points of each answer's rubric."""
    n_verdicts: int
    """Asked for, the missing ones included."""
    missing_by_reason: Mapping[str, int]
    """Verdicts that never came, by outcome."""
    tags: tuple[str, ...]
    """Example tags, then criterion tags: the columns after the first `N_HEAD`."""
    columns: ClusteredColumns
    length_penalty: float
    """Score lost for 500 characters beyond 2,000."""

    @classmethod
    def of(cls, blocks: Iterable[ScoredTable], length_penalty: float) -> ScoredAnswers:
        """Sum up blocks of one run; there is at least one, and all name the same prompts and tags.

        Args:
            blocks: Scored tables, taken one at a time and let go.
            length_penalty: Score lost for 500 characters beyond 2,000.
        """
        items: list[Items] = []
        kept: list[tuple[Codes, Floats, Floats]] = []
        columns: ClusteredColumns | None = None
        n_verdicts = 0
        missing: Counter[str] = Counter()
        for block in blocks:
            table, scored = block.table, block.items
            adjusted_N = _length_adjusted(scored.h, table.chars_N, length_penalty)
            head_MN = np.stack([scored.h, adjusted_N, *(scored.passes[r] for r in PASS_RULES)])
            values_MN = np.concatenate([head_MN, tag_items(block)])
            these = ClusteredColumns.of(values_MN, table.prompt_N, len(table.prompt_ids))
            columns = these if columns is None else columns.plus(these)
            items.append(scored)
            absolute_N = np.abs(table.rubrics.points).sum(axis=1)
            kept.append((table.prompt_N, table.chars_N, absolute_N))
            n_verdicts += int(table.whole_rubrics.present.sum())
            missing.update(table.missing_by_reason)
        if columns is None:
            raise ValueError("a run has at least one block of answers, if only an empty one")
        prompt_N, chars_N, absolute_N = (np.concatenate(each) for each in zip(*kept, strict=True))
        return cls(
            items=Items.joined(items),
            prompt_N=prompt_N,
            prompt_ids=table.prompt_ids,
            chars_N=chars_N,
            absolute_N=absolute_N,
            n_verdicts=n_verdicts,
            missing_by_reason=dict(sorted(missing.items())),
            tags=(*table.example_tags, *table.criterion_tags.names),
            columns=columns,
            length_penalty=length_penalty,
        )

    def __len__(self) -> int:
        """Count the answers."""
        return len(self.prompt_N)


def _length_adjusted(h_N: Floats, chars_N: Floats, penalty: float) -> Floats:
    return h_N - penalty * (chars_N - LENGTH_CENTRE_CHARS) / LENGTH_UNIT_CHARS


Value: TypeAlias = float | int | list[float] | None


@dataclass(frozen=True, slots=True)
class TagScore:
    """The score of the answers, or of the criteria, under one tag."""

    score: float | None
    stderr: float | None
    interval: list[float] | None
    n: int
    """Answers scored under this tag."""
    n_prompts: int

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Summary:
    """Every metric of one run."""

    metrics: dict[str, Value]
    """By name; None where undefined. docs/results.md explains each."""
    tags: dict[str, TagScore]
    """Sorted by name; example tags (`theme:`) and criterion tags (`axis:`, `cluster:`, ...)."""
    worst_at_k: dict[int, float]
    """Expected score of the worst of k answers, mean over prompts with k scored answers."""
    missing_by_reason: dict[str, int]
    """Verdicts that never came, by outcome."""
    seed: int
    n_draws: int

    def to_json(self) -> dict[str, Any]:
        """Give the plain form: metrics flat, tags and worst@k as tables below them."""
        return {
            **self.metrics,
            "tags": {name: tag.to_json() for name, tag in self.tags.items()},
            "worst_at_k": {str(k): score for k, score in self.worst_at_k.items()},
            "missing_by_reason": self.missing_by_reason,
            "seed": self.seed,
            "n_draws": self.n_draws,
        }


def summarise(
    graded: Sequence[GradedAnswer],
    *,
    seed: int = SEED,
    n_draws: int = N_DRAWS,
    length_penalty: float = LENGTH_PENALTIES["full"],
) -> Summary:
    """Compute every metric of a run from its graded answers.

    Args:
        graded: All answers asked for, repeats and those without verdicts included.
        seed: Of the bootstrap.
        n_draws: Bootstrap draws.
        length_penalty: Score lost for 500 characters beyond 2,000 (`LENGTH_PENALTIES`).
    """
    return summarise_scored(
        ScoredAnswers.of(ScoredTable.of(graded).blocks(), length_penalty),
        seed=seed,
        n_draws=n_draws,
    )


def summarise_scored(scored: ScoredAnswers, *, seed: int = SEED, n_draws: int = N_DRAWS) -> Summary:
    """Compute every metric of scored answers; see `summarise`.

    Args:
        scored: The answers.
        seed: Of the bootstrap.
        n_draws: Bootstrap draws.
    """
    columns = scored.columns
    bars = _error_bars(columns, seed, n_draws)
    tags = {name: _tag_score(columns, bars, N_HEAD + t) for t, name in enumerate(scored.tags)}
    return Summary(
        metrics=_head_metrics(scored, bars),
        tags={name: tag for name, tag in sorted(tags.items()) if tag.n},
        worst_at_k=worst_at_k(scored.items.h, scored.prompt_N),
        missing_by_reason=dict(scored.missing_by_reason),
        seed=seed,
        n_draws=n_draws,
    )


def length_penalty_of(task: str) -> float:
    """Give the length penalty of a task by its name, such as `healthbench_hard`; else full."""
    words = task.lower().split("_")
    return next(
        (b for name, b in LENGTH_PENALTIES.items() if name in words), LENGTH_PENALTIES["full"]
    )


@dataclass(frozen=True, slots=True)
class _ErrorBars:
    stderr_M: Floats
    interval_M2: Floats
    """Of the unclipped means."""
    bootstrap_std: float
    """Of the clipped score, over draws of prompts: HealthBench's own error."""


def _error_bars(columns: ClusteredColumns, seed: int, n_draws: int) -> _ErrorBars:
    spread = math.nan
    if columns.n_prompts_M[0] > 1 and n_draws > 0:
        score = columns.of_rows([0]).draws(seed=seed, n_draws=n_draws)
        spread = float(np.nanstd(np.clip(score, 0.0, 1.0)))
    return _ErrorBars(columns.stderr_M, columns.intervals_M2, spread)


def _head_metrics(scored: ScoredAnswers, bars: _ErrorBars) -> dict[str, Value]:
    items, columns, absolute_N = scored.items, scored.columns, scored.absolute_N
    means_M = columns.means_M
    metrics: dict[str, Value] = {
        "score": _clip_or_none(means_M[0]),
        "score_stderr": _or_none(bars.stderr_M[0]),
        "interval": _clipped_pair(bars.interval_M2[0]),
        "bootstrap_std": _or_none(bars.bootstrap_std),
        "score_unclipped": _or_none(means_M[0]),
        "score_low": _clip_or_none(_mean(items.low)),
        "score_high": _clip_or_none(_mean(items.high)),
        "missing_points": _or_none(_total_share(items.missing_share * absolute_N, absolute_N)),
        "n_missing_verdicts": sum(scored.missing_by_reason.values()),
        "n_verdicts": scored.n_verdicts,
        "n_scored": int(columns.n_M[0]),
        "n_asked": len(scored),
        "n_prompts": len(scored.prompt_ids),
        "score_length_adjusted": _clip_or_none(means_M[1]),
        "score_length_adjusted_interval": _clipped_pair(bars.interval_M2[1]),
        "length_penalty": scored.length_penalty,
        "mean_chars": _or_none(_mean(scored.chars_N)),
        "positive_share": _or_none(_mean(items.positive_share)),
        "negative_share": _or_none(_mean(items.negative_share)),
    }
    for column, rule in enumerate(PASS_RULES, start=2):
        metrics[rule] = _or_none(means_M[column])
        metrics[f"{rule}_interval"] = _clipped_pair(bars.interval_M2[column])
    accuracy = metrics["pass_range50"]
    assert accuracy is None or isinstance(accuracy, float)
    metrics["f1_compat"] = None if accuracy is None else 2 * accuracy / (1 + accuracy)
    return metrics


def _tag_score(columns: ClusteredColumns, bars: _ErrorBars, column: int) -> TagScore:
    return TagScore(
        score=_clip_or_none(columns.means_M[column]),
        stderr=_or_none(bars.stderr_M[column]),
        interval=_clipped_pair(bars.interval_M2[column]),
        n=int(columns.n_M[column]),
        n_prompts=int(columns.n_prompts_M[column]),
    )


def _mean(values: Floats) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else math.nan


def _total_share(part: Floats, whole: Floats) -> float:
    total = float(whole.sum())
    return float(np.nansum(part)) / total if total else math.nan


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def _or_none(value: Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def _clip_or_none(value: object) -> float | None:
    number = _or_none(value)
    return None if number is None else _clip(number)


def _clipped_pair(ends: Floats) -> list[float] | None:
    """Clip the ends as the mean is clipped: where they hold it, they hold the clipped mean.

    None where both would be 0, or both 1: the mean's whole range lies outside of the score's.
    """
    low, high = float(ends[0]), float(ends[1])
    if math.isnan(low) or math.isnan(high) or _clip(low) == _clip(high):
        return None
    return [_clip(low), _clip(high)]
