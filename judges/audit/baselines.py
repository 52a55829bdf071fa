"""Baselines that never see the answer: what any judge has to beat.

The best of them, `no_look`, is learned from the audited labels themselves, on other prompts (folds
by prompt): logistic regression on the criterion's words, points and tags. Some criteria are nearly
always met, others hardly ever, and their wording tells; F1 and AUROC of this baseline are what they
are worth without judging.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from ..scoring.rubric_arrays import Floats
from .labels import AuditTable, LabelledAnswer, deal_folds, sums_by

N_FOLDS = 5
MIN_CRITERIA = 3
"""Criteria that a word must occur in to have a weight."""
MAX_WORDS = 4_000
RIDGE = 3.0
"""Penalty on a weight, in observations; rare words stay near 0."""
N_ITERATIONS = 200
MAX_LOGIT = 30.0

_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")


def baselines_of(table: AuditTable) -> dict[str, AuditTable]:
    """Give the baselines that never see the answer, in the judge's place.

    `majority` says what most labels say. `category_rate` says how often the labels of the
    question's category say met on other prompts (folds by prompt): it sees what kind of criterion
    it is, and no answer. The one that reads the criterion's words is `no_look_probability`.
    """
    overall = float(table.met_L.mean()) if len(table.met_L) else 0.0
    # not all other prompts: a rate that leaves out this prompt alone is the lower the more of this
    # prompt is met, which orders questions the wrong way round
    fold_N = deal_folds(table.n_prompts, N_FOLDS, 0)[table.prompt_N]
    category_rate = np.full(len(table), overall)
    for fold in range(N_FOLDS):
        held_N = fold_N == fold
        rest_N, n_categories = ~held_N, len(table.categories)
        sums_K = sums_by(table.category_N[rest_N], table.label_share_N[rest_N], n_categories)
        counts_K = np.bincount(table.category_N[rest_N], minlength=n_categories)
        rate_K = np.where(counts_K > 0, sums_K / np.maximum(counts_K, 1), overall)
        category_rate[held_N] = rate_K[table.category_N[held_N]]
    return {
        "majority": with_probability(table, np.full(len(table), overall, dtype=np.float64)),
        "category_rate": with_probability(table, category_rate),
    }


def with_probability(table: AuditTable, probability_N: Floats) -> AuditTable:
    """Put another judge's P(met) in the place of the judge; it says met above one half."""
    verdict_N = np.where(np.isnan(probability_N), np.nan, probability_N > 0.5)
    return replace(table, verdict_N=verdict_N, probability_N=probability_N)


def no_look_probability(table: AuditTable, labelled: Sequence[LabelledAnswer]) -> Floats:
    """Give P(met) of each question by a judge that never sees its answer, [N].

    Args:
        table: Of the same labels.
        labelled: The labels, in the order the table was made from.
    """
    words_C = _words_of_criteria(labelled)
    n_criteria = len(words_C)
    weight_C = sums_by(table.criterion_N, np.ones(len(table)), n_criteria)
    met_C = sums_by(table.criterion_N, table.label_share_N, n_criteria)
    prompt_C = np.zeros(n_criteria, dtype=np.intp)
    prompt_C[table.criterion_N] = table.prompt_N
    fold_C = deal_folds(table.n_prompts, N_FOLDS, 0)[prompt_C]
    counts = Counter(word for words in words_C for word in words)
    kept = sorted((-n, word) for word, n in counts.items() if n >= MIN_CRITERIA)[:MAX_WORDS]
    design = word_table(words_C, [word for _, word in kept])
    chance_C = np.full(n_criteria, met_C.sum() / max(weight_C.sum(), 1.0))
    for fold in range(N_FOLDS):
        rest, held = fold_C != fold, fold_C == fold
        if rest.any() and held.any():
            met, weight = met_C[rest], weight_C[rest]
            share = float(np.clip(met.sum() / weight.sum(), 1e-3, 1 - 1e-3))
            weights, bias = word_odds(
                design[rest], met, weight, ridge=RIDGE, n_iterations=N_ITERATIONS,
                bias=np.log(share / (1 - share)), bias_first=True,
            )  # fmt: skip
            chance_C[held] = chance_of(design[held] @ weights + bias)
    return np.asarray(chance_C[table.criterion_N])


def _words_of_criteria(labelled: Sequence[LabelledAnswer]) -> list[set[str]]:
    """Name all that a weight may hang on, of each criterion by its code in the table."""
    found: dict[tuple[str, int, str], set[str]] = {}
    for item in labelled:
        for index, labels in enumerate(item.labels):
            one = item.example.rubric.criteria[index]
            key = (item.example.prompt_id, index, one.text)
            if not labels or key in found:
                continue
            words = [word.lower() for word in _WORD.findall(one.text)]
            sign = "positive" if one.points > 0 else "negative"
            tags = (*one.tags, *([item.category] if item.category else []))
            marks = {f"starts:{' '.join(words[:2])}", f"points:{one.points:g}", f"sign:{sign}"}
            found[key] = {*words, *marks, *(f"tag:{tag}" for tag in tags)}
    return list(found.values())


def word_table(rows: Sequence[Set[str]], kept: Sequence[str]) -> Any:
    """Give a sparse table of texts, by their words, and the words that have a weight."""
    from scipy.sparse import csr_matrix

    code = {word: place for place, word in enumerate(kept)}
    found = [sorted(code[word] for word in words if word in code) for words in rows]
    columns = np.array([place for row in found for place in row], dtype=np.intp)
    starts = np.cumsum([0, *map(len, found)])
    return csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(rows), len(kept)))


def word_odds(
    design: Any,
    met_U: Floats,
    n_U: Floats,
    *,
    ridge: float,
    n_iterations: int,
    bias: float = 0.0,
    bias_first: bool = False,
) -> tuple[Floats, float]:
    """Fit a ridge logistic regression on words and give their weights and the bias.

    Args:
        design: As `word_table` gives it, a row a text.
        met_U: How often each text is labelled met.
        n_U: How often it is labelled.
        ridge: Penalty on a weight, in observations; the bias carries none.
        n_iterations: Steps at most (L-BFGS).
        bias: To start from.
        bias_first: Whether it is the first of the parameters, or the last: the steps end some 1e-4
            elsewhere in another order.
    """
    from scipy.optimize import minimize

    words, one = (slice(1, None), 0) if bias_first else (slice(0, -1), -1)

    def loss(beta: Floats) -> tuple[float, Floats]:
        logit = design @ beta[words] + beta[one]
        # the log of 1 + exp, without overflow
        cost = float((n_U * np.logaddexp(0.0, logit) - met_U * logit).sum())
        slope = n_U / (1.0 + np.exp(-np.clip(logit, -MAX_LOGIT, MAX_LOGIT))) - met_U
        gradient = np.empty_like(beta)
        gradient[words], gradient[one] = design.T @ slope + ridge * beta[words], slope.sum()
        return cost + ridge / 2 * float(beta[words] @ beta[words]), gradient

    start = np.zeros(design.shape[1] + 1)
    start[one] = bias
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": n_iterations}).x
    return np.asarray(found[words]), float(found[one])


def chance_of(logits: Floats) -> Floats:
    """Turn log-odds into probabilities."""
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -MAX_LOGIT, MAX_LOGIT)))
