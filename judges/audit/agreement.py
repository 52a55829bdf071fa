"""A judge beside labels: agreement, raters, ranking within a criterion, calibration.

Source of the headline: HealthBench (arXiv 2505.08775), meta-evaluation: each (judge, label) pair
counts once; F1 of "met" and F1 of "not met", averaged. A figure whose divisor is 0 is None, or NaN
in arrays; it is never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..scoring.jackknife import LeftOut
from ..scoring.plain_form import plain_fields
from ..scoring.points import ratio
from ..scoring.rubric_arrays import Bools, Floats
from .labels import AuditTable, Codes, count_cells, sums_by

CELLS = ("tp", "fp", "fn", "tn")
"""Order of the counts on the last axis: judge met and label met, judge met alone, label met alone,
neither."""


N_BINS = 10


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts [..., 4] in the order of `CELLS`; figures keep the leading axes."""

    counts: Floats

    @classmethod
    def between(cls, said: Bools, label: Bools) -> Confusion:
        """Count what was said beside the labels, pair by pair."""
        return cls(count_cells(said, label, np.zeros(len(said), dtype=np.intp), 1)[0])

    def figures(self) -> dict[str, Floats]:
        """Give each agreement figure, [...]; NaN where its divisor is 0.

        `sensitivity` is the share of labels "met" that the judge calls met, `specificity` that of
        labels "not met" it calls not met. Kappa is Cohen's over the pairs; it and the balanced F1
        are of labels of both kinds, and NaN where one of them is missing.
        """
        tp, fp, fn, tn = np.moveaxis(self.counts, -1, 0)
        n = tp + fp + fn + tn
        f1_met = ratio(2 * tp, 2 * tp + fp + fn)
        f1_not = ratio(2 * tn, 2 * tn + fp + fn)
        observed = ratio(tp + tn, n)
        expected = ratio((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn), n * n)
        both = np.where((tp + fn > 0) & (tn + fp > 0), 1.0, np.nan)
        return {
            "balanced_f1": both * (f1_met + f1_not) / 2,
            "f1_met": f1_met,
            "f1_not_met": f1_not,
            "precision_met": ratio(tp, tp + fp),
            "precision_not_met": ratio(tn, tn + fn),
            "sensitivity": ratio(tp, tp + fn),
            "specificity": ratio(tn, tn + fp),
            "accuracy": observed,
            "kappa": both * ratio(observed - expected, 1 - expected),
            "judge_met": ratio(tp + fp, n),
            "label_met": ratio(tp + fn, n),
        }

    def plain_figures(self) -> dict[str, float | None]:
        """Give the figures of one judge; None where one is not defined."""
        return {name: number(value) for name, value in self.figures().items()}

    def to_json(self) -> dict[str, float | None]:
        """Give counts and figures of one judge in the plain form."""
        counts = dict(zip(CELLS, map(float, self.counts), strict=True))
        return {"n": float(self.counts.sum()), **counts, **self.plain_figures()}


def left_out(cells_PK: Floats) -> dict[str, LeftOut]:
    """Give each agreement figure of counts by prompt, with all prompts and without each."""
    total_K = cells_PK.sum(axis=0)
    without = Confusion(total_K - cells_PK).figures()
    return {
        name: LeftOut(float(value), without[name], cells_PK.sum(axis=1))
        for name, value in Confusion(total_K).figures().items()
    }


def number(value: float | Floats) -> float | None:
    """Turn NaN into None."""
    return None if np.isnan(value) else float(value)


def kappa(counts: Floats, power: int) -> Floats:
    """Give Cohen's kappa of confusion tables [..., K, K]; NaN where chance cannot disagree.

    1 - (sum of w_ij o_ij) / (sum of w_ij e_ij) with o the shares that were seen and e those of two
    raters who answer by chance with the same margins. Source: Cohen 1968, Psychological Bulletin
    70, 213.

    Args:
        counts: The judge's level, then the label's.
        power: Of the distance in the weight (|i - j| / (K - 1)) ^ power: 1 linear, 2 quadratic; 0
            counts every disagreement alike (Cohen 1960).
    """
    n_levels = counts.shape[-1]
    apart = np.abs(np.subtract.outer(np.arange(n_levels), np.arange(n_levels))) / (n_levels - 1)
    weights = np.where(apart > 0, apart**power, 0.0)
    n = counts.sum((-2, -1))
    by_chance = counts.sum(-1)[..., :, None] * counts.sum(-2)[..., None, :]
    observed = (weights * counts).sum((-2, -1))
    expected = (weights * by_chance).sum((-2, -1))
    return 1 - ratio(observed * n, expected)


@dataclass(frozen=True, slots=True)
class Ranks:
    """What Kendall's tau-b (1945) is made of, over pairs of answers, [...]."""

    score: Floats
    """Pairs that judge and labels order alike, less those that they order otherwise."""
    judge: Floats
    """Pairs that the judge tells apart."""
    label: Floats
    """Pairs that the labels tell apart."""

    @classmethod
    def of(cls, counts: Floats) -> Ranks:
        """Count them in confusion tables [..., K, K]."""
        # pairs above in both: sums over the table's lower right, and over its lower left
        above = counts[..., ::-1, :].cumsum(-2)[..., ::-1, :] - counts
        right = above[..., ::-1].cumsum(-1)[..., ::-1] - above
        left = above.cumsum(-1) - above
        score = (counts * (right - left)).sum((-2, -1))
        n = counts.sum((-2, -1))
        told = [(n**2 - (counts.sum(axis) ** 2).sum(-1)) / 2 for axis in (-1, -2)]
        return cls(score, *told)

    def tau(self) -> Floats:
        """Give tau-b in [-1, 1]; NaN where one side ties on every pair."""
        return ratio(self.score, np.sqrt(self.judge * self.label))


def krippendorff_alpha(counts_NK: Floats) -> float:
    """Give Krippendorff's alpha for K categories and any number of raters a question.

    alpha = 1 - observed / expected disagreement, over questions with two labels or more; 1 is full
    agreement, 0 chance. NaN where no question has two labels or all labels are equal.
    Source: Krippendorff 2011, nominal metric with missing values.

    Args:
        counts_NK: Labels of each question, by category.
    """
    counts_NK = counts_NK[counts_NK.sum(1) >= 2]
    n_N, all_K = counts_NK.sum(1), counts_NK.sum(0)
    total = all_K.sum()
    expected = (all_K * (total - all_K)).sum()
    if expected == 0:
        return float("nan")
    observed = (counts_NK * (n_N[:, None] - counts_NK) / (n_N[:, None] - 1)).sum()
    return float(1 - (total - 1) * observed / expected)


@dataclass(frozen=True, slots=True)
class RaterRow:
    """One physician and the judge on the same questions, against all other physicians there."""

    rater: str
    n_pairs: int
    """Pairs of this physician's labels with the other physicians' labels."""
    physician_f1: float
    """Balanced F1 of the physician against the others; NaN where undefined."""
    judge_f1: float
    """Balanced F1 of the judge against the same labels of the same others."""


def each_against_the_others(table: AuditTable) -> Iterator[RaterRow]:
    """Put each physician in the judge's place: scored on the labels of all others.

    The judge is scored on the same labels, so the two figures of a row can be compared. The order
    is that of the physicians' first labels.
    """
    own = np.full((len(table.raters), len(table)), np.nan)
    own[table.rater_L, table.question_L] = table.met_L
    judge_L = table.verdict_N[table.question_L]
    for rater in range(len(own)):
        others = (table.rater_L != rater) & ~np.isnan(own[rater, table.question_L])
        if not others.any():
            continue
        mine_L = own[rater, table.question_L[others]]
        labels = table.met_L[others]
        yield RaterRow(
            rater=table.raters[rater],
            n_pairs=int(others.sum()),
            physician_f1=_balanced_f1(mine_L, labels),
            judge_f1=_balanced_f1(judge_L[others], labels),
        )


def _balanced_f1(said: Floats, labels: Bools) -> float:
    has = ~np.isnan(said)
    return float(Confusion.between(said[has] == 1, labels[has]).figures()["balanced_f1"])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of answers ordered right, summed by cluster; ties count half."""

    right_P: Floats
    n_P: Floats


def pairs_within_criteria(
    score_N: Floats, met_N: Bools, criterion_N: Codes, prompt_N: Codes, n_prompts: int
) -> Pairs:
    """Count pairs (met, not met) of one criterion that the score orders right.

    Args:
        score_N: The judge's score; NaN leaves the question out.
        met_N: The label.
        criterion_N: Same code for the same criterion of the same prompt.
        prompt_N: Cluster of each question.
        n_prompts: How many clusters there are.
    """
    has_N = ~np.isnan(score_N)
    score, met, prompt = score_N[has_N], met_N[has_N], prompt_N[has_N]
    _, criterion = np.unique(criterion_N[has_N], return_inverse=True)
    n_criteria = int(criterion.max(initial=-1)) + 1
    n_met = np.bincount(criterion[met], minlength=n_criteria).astype(np.float64)
    n_not = np.bincount(criterion[~met], minlength=n_criteria).astype(np.float64)
    # Mann-Whitney by ranks: sum of the met answers' mid-ranks within their criterion
    rank = _mid_ranks(score, criterion)
    rank_sum = np.bincount(criterion[met], weights=rank[met], minlength=n_criteria)
    right = rank_sum - n_met * (n_met + 1) / 2
    prompt_of = np.zeros(n_criteria, dtype=np.intp)
    prompt_of[criterion] = prompt
    return Pairs(*(sums_by(prompt_of, of, n_prompts) for of in (right, n_met * n_not)))


def auroc(score_N: Floats, met_N: Bools) -> float:
    """Give the chance that a question labelled met scores above one labelled not met.

    Ties count half; NaN scores are excluded; NaN where one of the classes is empty.

    Args:
        score_N: The judge's score.
        met_N: The label.
    """
    one_N = np.zeros(len(score_N), dtype=np.intp)
    pairs = pairs_within_criteria(score_N, met_N, one_N, one_N, 1)
    return float(ratio(pairs.right_P, pairs.n_P)[0])


def auroc_without(score_N: Floats, met_N: Bools, prompt_N: Codes, n_prompts: int) -> Floats:
    """Give the same without the questions of each prompt in turn, [P].

    A prompt takes the pairs of its met questions with all others, and of all others with its
    questions that are not met; the pairs inside it are counted in both, and given back once.

    Args:
        score_N: The judge's score.
        met_N: The label.
        prompt_N: Prompt of each question.
        n_prompts: How many there are.
    """
    has_N = ~np.isnan(score_N)
    score, met, prompt = score_N[has_N], met_N[has_N], prompt_N[has_N]
    of_met, of_not = np.sort(score[met]), np.sort(score[~met])
    below = _at_most_half(of_not, score[met])
    above = len(of_met) - _at_most_half(of_met, score[~met])
    of_its_met = sums_by(prompt[met], below, n_prompts)
    of_its_others = sums_by(prompt[~met], above, n_prompts)
    inside = pairs_within_criteria(score, met, prompt, prompt, n_prompts).right_P
    taken = of_its_met + of_its_others - inside
    n_met, n_all = (sums_by(prompt, of, n_prompts) for of in (met, np.ones(len(met))))
    left = (len(of_met) - n_met) * (len(of_not) - n_all + n_met)
    return ratio(below.sum() - taken, left)


def _at_most_half(ordered: Floats, values: Floats) -> Floats:
    """Count for each value the ordered ones below it, and half of those that are equal."""
    counts: Floats = (
        np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    ) / 2
    return counts


def _mid_ranks(score: Floats, group: Codes) -> Floats:
    """Rank scores within their group from 1, ties sharing the mean of their ranks."""
    _, level = np.unique(score, return_inverse=True)
    width = int(level.max(initial=0)) + 1
    keys, code, counts = np.unique(group * width + level, return_inverse=True, return_counts=True)
    up_to = np.cumsum(counts)
    first_of_group = np.searchsorted(keys, keys // width * width)
    before_group = np.concatenate([[0], up_to])[first_of_group]
    return np.asarray((up_to - (counts - 1) / 2 - before_group)[code])


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Questions of nearly one stated probability."""

    stated: float
    """Their mean P(met)."""
    observed: float
    """Share of their labels that say met."""
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How stated probabilities stand to the share of labels that say met."""

    n: int
    """Questions with a stated probability."""
    brier: float
    """Mean squared error in [0, 1]; 0.25 for one that always says .5 (Brier 1950)."""
    ece: float
    """Mean gap between stated and observed, weighted by the size of ten equal bins, in [0, 1]
    (Naeini et al. 2015)."""
    bins: tuple[CalibrationBin, ...]
    """The reliability curve: each bin that is not empty."""

    to_json = plain_fields


def calibration(probability_N: Floats, label_share_N: Floats) -> Calibration | None:
    """Compare stated probabilities with labels; None where no question has a probability.

    Args:
        probability_N: P(met); NaN leaves the question out.
        label_share_N: Share of the question's labels that say met.
    """
    has = ~np.isnan(probability_N)
    stated, observed = probability_N[has], label_share_N[has]
    if not len(stated):
        return None
    bin_N = np.minimum((stated * N_BINS).astype(np.intp), N_BINS - 1)
    n_B = np.bincount(bin_N, minlength=N_BINS)
    filled = n_B > 0
    stated_B = np.bincount(bin_N, weights=stated, minlength=N_BINS)[filled] / n_B[filled]
    observed_B = np.bincount(bin_N, weights=observed, minlength=N_BINS)[filled] / n_B[filled]
    gap = float((n_B[filled] * np.abs(stated_B - observed_B)).sum() / len(stated))
    bins = tuple(
        CalibrationBin(float(s), float(o), int(n))
        for s, o, n in zip(stated_B, observed_B, n_B[filled], strict=True)
    )
    return Calibration(len(stated), float(((stated - observed) ** 2).mean()), gap, bins)
