"""Does a judge rank answers: AUROC over all questions, and pairwise accuracy within a criterion.

F1 and AUROC can be had by looking at the criterion alone (some criteria are nearly always met). The
within-criterion pairwise accuracy cannot: it compares two answers to the same prompt on the same
criterion, one that meets it by the label and one that does not, and a judge that never looks at the
answer gets .50 by construction (method sheet, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Floats
from .labelled import Codes


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
    return Pairs(
        np.bincount(prompt_of, weights=right, minlength=n_prompts).astype(np.float64),
        np.bincount(prompt_of, weights=n_met * n_not, minlength=n_prompts).astype(np.float64),
    )


def auroc(score_N: Floats, met_N: Bools) -> float:
    """Give the chance that a question labelled met scores above one labelled not met.

    Ties count half; NaN scores are left out; NaN where one of the classes is empty.

    Args:
        score_N: The judge's score.
        met_N: The label.
    """
    has_N = ~np.isnan(score_N)
    pairs = pairs_within_criteria(score_N, met_N, _all(score_N), _all(score_N), 1)
    n_pairs = float(met_N[has_N].sum()) * float((~met_N[has_N]).sum())
    return float(pairs.right_P[0]) / n_pairs if n_pairs else float("nan")


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
    of_its_met = np.bincount(prompt[met], weights=below, minlength=n_prompts)
    of_its_others = np.bincount(prompt[~met], weights=above, minlength=n_prompts)
    inside = pairs_within_criteria(score, met, prompt, prompt, n_prompts).right_P
    taken = of_its_met + of_its_others - inside
    left = len(of_met) - np.bincount(prompt[met], minlength=n_prompts)
    left = left * (len(of_not) - np.bincount(prompt[~met], minlength=n_prompts))
    with np.errstate(invalid="ignore", divide="ignore"):
        without_P: Floats = (below.sum() - taken) / left
    return without_P


def _at_most_half(ordered: Floats, values: Floats) -> Floats:
    """Count for each value the ordered ones below it, and half of those that are equal."""
    counts: Floats = (
        np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    ) / 2
    return counts


def _all(score_N: Floats) -> Codes:
    return np.zeros(len(score_N), dtype=np.intp)


def _mid_ranks(score: Floats, group: Codes) -> Floats:
    """Rank scores within their group from 1, ties sharing the mean of their ranks."""
    order = np.lexsort((score, group))
    ordered_score, ordered_group = score[order], group[order]
    n = len(order)
    place = np.arange(n, dtype=np.float64)
    new_group = np.ones(n, dtype=bool)
    new_group[1:] = ordered_group[1:] != ordered_group[:-1]
    new_value = new_group.copy()
    new_value[1:] |= ordered_score[1:] != ordered_score[:-1]
    start_of_group = np.maximum.accumulate(np.where(new_group, place, 0.0))
    run = np.cumsum(new_value) - 1
    n_run = np.bincount(run, minlength=0)
    mean_place = np.bincount(run, weights=place) / n_run
    rank = np.empty(n)
    rank[order] = mean_place[run] - start_of_group + 1
    return rank
