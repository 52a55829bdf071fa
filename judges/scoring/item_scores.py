"""Score each answer by its verdicts.

The item's formulas only; means, tags and error bars of a run are `run_scores.py`. NaN is "not
known", and is never counted as 0. Axes: N answers, C criteria, T tags, K tagged criteria.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..answer import GradedAnswer
from .points import net_bounds, net_points, ratio, shares_of, too_much_missing
from .rubric_arrays import Bools, Floats
from .verdict_table import BLOCK, Codes, VerdictTable

MAX_WORST_K = 256
"""Largest k of worst@k; more answers to a prompt still count, in the others."""
PASS_RULES = ("pass_range50", "pass_hb50", "pass_strict")


@dataclass(frozen=True, slots=True)
class Items:
    """What each answer is worth, [N]; NaN where it is not scored."""

    h: Floats
    """HealthBench item score, unclipped: may be negative."""
    low: Floats
    """Lowest h that the missing verdicts could give; NaN only without positive points."""
    high: Floats
    """Highest h that the missing verdicts could give."""
    missing_share: Floats
    """Share of the absolute points that has no verdict."""
    positive_share: Floats
    """s: share of the positive points met."""
    negative_share: Floats
    """rho: share of the negative points triggered; 0 where the rubric has none."""
    passes: Mapping[str, Floats]
    """1 or 0 by each of `PASS_RULES`, over the answered criteria.

    `pass_strict` is NaN where nothing is wrong so far and a verdict is missing.
    """

    def rows(self, at: slice | Codes) -> Items:
        """Give those of some of the answers."""
        return Items(
            **{name: getattr(self, name)[at] for name in _COLUMNS},
            passes={rule: values_N[at] for rule, values_N in self.passes.items()},
        )

    @classmethod
    def joined(cls, parts: Sequence[Items]) -> Items:
        """Put the items of blocks of answers together."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS},
            passes={rule: np.concatenate([p.passes[rule] for p in parts]) for rule in PASS_RULES},
        )


_COLUMNS = tuple(spec.name for spec in fields(Items) if spec.name != "passes")


@dataclass(frozen=True, slots=True)
class ScoredTable:
    """Answers as arrays, with what each is worth: made once a run, and handed on."""

    table: VerdictTable
    items: Items

    @classmethod
    def of(cls, graded: Iterable[GradedAnswer]) -> ScoredTable:
        """Pack graded answers and score them."""
        return cls.score(VerdictTable.of(graded))

    @classmethod
    def score(cls, table: VerdictTable) -> ScoredTable:
        """Score packed answers, block by block."""
        blocks = [table] if len(table) <= BLOCK else map(table.rows, table.blocks())
        return cls(table, Items.joined([score_items(block) for block in blocks]))

    def __len__(self) -> int:
        """Count the answers."""
        return len(self.table)

    def part(self, at: slice | Codes) -> ScoredTable:
        """Give some of the answers as a run of their own."""
        return ScoredTable(self.table.part(at), self.items.rows(at))

    def blocks(self) -> Iterator[ScoredTable]:
        """Give so many answers at a time, which name the same prompts and tags."""
        if len(self) <= BLOCK:
            yield self
            return
        for at in self.table.blocks():
            yield ScoredTable(self.table.rows(at), self.items.rows(at))


def item_scores(graded: Iterable[GradedAnswer]) -> Floats:
    """Give the unclipped item score h of each answer, [N]; NaN where not scored."""
    return ScoredTable.of(graded).items.h


def score_items(table: VerdictTable) -> Items:
    """Score each answer over its answered criteria; `points.py` has the rule for missing ones.

    Sources: h from HealthBench (arXiv 2505.08775), s and rho from Ahmadi et al. 2026
    (arXiv 2606.05174), the pass rules from the method sheet, section 5. The bounds are ours.
    """
    rubrics = table.rubrics
    hits_NC = rubrics.hits(table.verdicts_NC)
    shares = shares_of(table.verdicts_NC, rubrics)
    answered_NC = ~np.isnan(hits_NC)
    positive_NC, negative_NC = rubrics.gains, rubrics.losses
    all_positive_N = positive_NC.sum(axis=1)
    positive_N = np.where(answered_NC, positive_NC, 0.0).sum(axis=1)
    negative_N = np.where(answered_NC, negative_NC, 0.0).sum(axis=1)
    net_N = (rubrics.points * np.where(answered_NC, hits_NC, 0.0)).sum(axis=1)
    missing_NC = np.where(answered_NC, 0.0, np.abs(rubrics.points))
    zero_N = np.zeros_like(net_N)
    low_N, high_N = net_bounds(net_N, zero_N, ~answered_NC, rubrics)
    if (caps := table.caps()) is not None:
        low_N, high_N = np.minimum(low_N, caps[1]), np.minimum(high_N, caps[0])
    h_N = shares.points
    scored_N = ~np.isnan(h_N)
    if caps is not None:
        closed_N = np.isfinite(caps[0])
        most_N = np.where(closed_N, caps[0], 0.0) * all_positive_N
        net_N = np.where(closed_N, np.minimum(net_N, most_N), net_N)
    range_N = ratio(net_N + negative_N, positive_N + negative_N)
    return Items(
        h=h_N,
        low=low_N,
        high=high_N,
        missing_share=ratio(missing_NC.sum(axis=1), np.abs(rubrics.points).sum(axis=1)),
        positive_share=_where(all_positive_N > 0, shares.positive),
        negative_share=_where(all_positive_N > 0, shares.negative),
        passes={
            "pass_range50": _where(scored_N, (range_N > 0.5).astype(np.float64)),
            "pass_hb50": _where(scored_N, (h_N >= 0.5).astype(np.float64)),
            "pass_strict": _where(all_positive_N > 0, shares.perfect),
        },
    )


def tag_items(scored: ScoredTable) -> Floats:
    """Give the items' h under each tag, [T, N]: example tags first, then criterion tags.

    A criterion tag's h is the same formula on the tagged criteria, where they hold a positive
    point, and the same rule for missing verdicts on their own points.
    """
    table, items = scored.table, scored.items
    by_example_TN = np.where(table.tagged_TN, items.h, np.nan)
    tags = table.criterion_tags
    at_K = (tags.answer_K, tags.criterion_K)
    points_K, gains_K = table.rubrics.points[at_K], table.rubrics.gains[at_K]
    losses_K = table.rubrics.losses[at_K]
    hits_K = table.rubrics.hits(table.verdicts_NC)[at_K]
    answered_K = ~np.isnan(hits_K)
    shape = (len(tags.names), len(table))
    cells_K = tags.tag_K * len(table) + tags.answer_K

    def total(values_K: Floats) -> Floats:
        size = shape[0] * shape[1]
        sums = np.bincount(cells_K, weights=values_K, minlength=size)
        return sums.astype(np.float64, copy=False).reshape(shape)

    if answered_K.all():
        by_criterion_TN = ratio(total(points_K * hits_K), total(gains_K))
    else:
        by_criterion_TN = _tagged_points(points_K * hits_K, gains_K, losses_K, total)
    by_criterion_TN = _where(~np.isnan(items.h), by_criterion_TN)
    return np.concatenate([by_example_TN, by_criterion_TN])


def _tagged_points(
    net_K: Floats, gains_K: Floats, losses_K: Floats, total: Callable[[Floats], Floats]
) -> Floats:
    """Give h of the tagged criteria where verdicts are missing, by the rule of `points.py`.

    Args:
        net_K: Points earned, below 0 where they are lost; NaN where there is no verdict.
        gains_K: The most points that each criterion can earn.
        losses_K: The most that it can cost.
        total: Sums over the criteria of each tag and answer.
    """
    answered_K = ~np.isnan(net_K)
    net_K = np.nan_to_num(net_K)
    shares, sizes = [], []
    for weights_K, counted_K in (
        (gains_K, np.maximum(net_K, 0.0)),
        (losses_K, np.maximum(-net_K, 0.0)),
    ):
        size_TN = total(weights_K)
        share_TN = ratio(total(counted_K), total(weights_K * answered_K))
        shares.append(np.where(size_TN > 0, share_TN, 0.0))
        sizes.append(size_TN)
    missing_TN = total(np.where(answered_K, 0.0, np.maximum(gains_K, losses_K)))
    none_TN = too_much_missing(missing_TN, total(np.maximum(gains_K, losses_K)))
    return np.where(none_TN, np.nan, net_points(*shares, *sizes))


def worst_at_k(h_N: Floats, prompt_N: Codes, *, clips: bool = True) -> dict[int, float]:
    """Give the expected score of the worst of k answers to a prompt, for each k up to 256.

    W_k = sum over ascending h_(i) of h_(i) C(n-i, k-1) / C(n, k), mean over the prompts with at
    least k scored answers, then clipped to [0, 1] unless `clips` is False. Source: HealthBench
    (arXiv 2505.08775) and openai/simple-evals.
    Empty without repeats.
    """
    scored_N = ~np.isnan(h_N)
    order = np.lexsort((h_N[scored_N], prompt_N[scored_N]))
    ordered, prompts = h_N[scored_N][order], prompt_N[scored_N][order]
    groups = np.split(ordered, np.flatnonzero(np.diff(prompts)) + 1) if len(ordered) else []
    by_size: dict[int, list[Floats]] = {}
    for group in groups:
        by_size.setdefault(len(group), []).append(group)
    most = min(MAX_WORST_K, max(by_size, default=0))
    if most < 2:
        return {}
    sums_K, counts_K = np.zeros(most), np.zeros(most)
    for n, same in by_size.items():
        total_I = np.sum(same, axis=0)
        for k in range(1, min(n, most) + 1):
            sums_K[k - 1] += float(_worst_weights(n, k) @ total_I)
        counts_K[:n] += len(same)
    means_K = np.clip(sums_K / counts_K, 0.0, 1.0) if clips else sums_K / counts_K
    return {k: float(mean) for k, mean in enumerate(means_K, start=1)}


def _worst_weights(n: int, k: int) -> Floats:
    """Give the chance that the i-th lowest of n answers is the worst of k of them, [n].

    C(n - i, k - 1) / C(n, k), as a product of its ratios from one i to the next: k / n for the
    lowest, then (n - i - k + 1) / (n - i) times as much; 0 where fewer than k are left.
    """
    i_I = np.arange(1.0, n)
    weights_I = np.empty(n)
    weights_I[0] = k / n
    np.divide(np.maximum(n - i_I - k + 1, 0.0), n - i_I, out=weights_I[1:])
    return np.cumprod(weights_I, out=weights_I)


def _where(condition: Bools, values: Floats) -> Floats:
    kept: Floats = np.where(condition, values, np.nan)
    return kept
