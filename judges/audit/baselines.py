"""Baselines that never see the answer: what any judge has to beat.

The best of them, `no_look`, is learned from the audited labels themselves, on other prompts (folds
by prompt): logistic regression on the criterion's words, points and tags. Some criteria are nearly
always met, others hardly ever, and their wording tells; F1 and AUROC of this baseline are what they
are worth without judging.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..scoring.rubric_arrays import Floats
from .labels import AuditTable, LabelledAnswer, deal_folds

N_FOLDS = 5
MIN_CRITERIA = 3
"""Criteria that a word must occur in to have a weight."""
MAX_WORDS = 4_000
RIDGE = 3.0
"""Penalty on a weight, in observations; rare words stay near 0."""
N_ITERATIONS = 200

_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class CriterionText:
    """What is known of a criterion without an answer."""

    text: str
    points: float
    tags: tuple[str, ...]

    def words(self) -> set[str]:
        """Name everything that a weight may hang on."""
        found = {word.lower() for word in _WORD.findall(self.text)}
        opening = " ".join(_WORD.findall(self.text)[:2]).lower()
        sign = "positive" if self.points > 0 else "negative"
        marks = {f"starts:{opening}", f"points:{self.points:g}", f"sign:{sign}"}
        return found | marks | {f"tag:{tag}" for tag in self.tags}


def baselines_of(table: AuditTable) -> dict[str, AuditTable]:
    """Give the baselines that never see the answer, in the judge's place.

    `majority` says what most labels say. `category_rate` says how often the labels of the
    question's category say met on other prompts (folds by prompt): it sees what kind of criterion
    it is, and no answer. The one that reads the criterion's words is `no_look_probability`.
    """
    share_N = table.label_share_N
    overall = float(table.met_L.mean()) if len(table.met_L) else 0.0
    n_categories = len(table.categories)
    # not all other prompts: a rate that leaves out this prompt alone is the lower the more of this
    # prompt is met, which orders questions the wrong way round
    fold_N = deal_folds(table.n_prompts, N_FOLDS, 0)[table.prompt_N]
    key_N = fold_N * n_categories + table.category_N
    size = N_FOLDS * n_categories
    shape = (N_FOLDS, n_categories)
    sums = np.bincount(key_N, weights=share_N, minlength=size).reshape(shape)
    counts = np.bincount(key_N, minlength=size).reshape(shape).astype(np.float64)
    others = counts.sum(axis=0) - counts
    rate_FC = np.full(sums.shape, overall, dtype=np.float64)
    np.divide(sums.sum(axis=0) - sums, others, out=rate_FC, where=others > 0)
    category_rate: Floats = rate_FC[fold_N, table.category_N]
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
    criteria = _criteria_of(labelled)
    n_criteria = len(criteria)
    weight_C = np.bincount(table.criterion_N, minlength=n_criteria).astype(np.float64)
    share_N = table.label_share_N
    summed_C = np.bincount(table.criterion_N, weights=share_N, minlength=n_criteria)
    met_C = summed_C.astype(np.float64)
    prompt_C = np.zeros(n_criteria, dtype=np.intp)
    prompt_C[table.criterion_N] = table.prompt_N
    fold_C = deal_folds(table.n_prompts, N_FOLDS, 0)[prompt_C]
    words = _vocabulary(criteria)
    chance_C = np.full(n_criteria, met_C.sum() / max(weight_C.sum(), 1.0))
    for fold in range(N_FOLDS):
        rest, held = fold_C != fold, fold_C == fold
        if rest.any() and held.any():
            chance_C[held] = _learned(words, met_C, weight_C, rest, held)
    probability: Floats = chance_C[table.criterion_N]
    return probability


def _criteria_of(labelled: Sequence[LabelledAnswer]) -> list[CriterionText]:
    """List the criteria by their code in the table: in the order they first carry a label."""
    found: dict[tuple[str, int, str], CriterionText] = {}
    for item in labelled:
        for index, labels in enumerate(item.labels):
            if labels:
                one = item.example.rubric.criteria[index]
                tags = (*one.tags, *([item.category] if item.category else []))
                key = (item.example.prompt_id, index, one.text)
                found.setdefault(key, CriterionText(one.text, one.points, tags))
    return list(found.values())


def _vocabulary(criteria: Sequence[CriterionText]) -> list[list[int]]:
    """Give each criterion the codes of its words."""
    words_C = [criterion.words() for criterion in criteria]
    counts = Counter(word for words in words_C for word in words)
    kept = sorted((-n, word) for word, n in counts.items() if n >= MIN_CRITERIA)[:MAX_WORDS]
    code = {word: place for place, (_, word) in enumerate(kept)}
    return [sorted(code[word] for word in words if word in code) for words in words_C]


def _learned(
    words_C: Sequence[Sequence[int]],
    met_C: Floats,
    weight_C: Floats,
    rest: NDArray[np.bool_],
    held: NDArray[np.bool_],
) -> Floats:
    """Learn from some criteria and give P(met) of the others."""
    from scipy.optimize import minimize
    from scipy.sparse import csr_matrix

    lengths = [len(words) for words in words_C]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    codes = np.array([code for words in words_C for code in words], dtype=np.intp)
    n_words = int(codes.max(initial=-1)) + 1
    design = csr_matrix((np.ones(len(codes)), codes, starts), shape=(len(words_C), n_words))
    seen, met, weight = design[rest], met_C[rest], weight_C[rest]
    share = float(np.clip(met.sum() / weight.sum(), 1e-3, 1 - 1e-3))
    base = np.log(share / (1 - share))

    def loss(beta: Floats) -> tuple[float, Floats]:
        logit = seen @ beta[1:] + beta[0]
        # the log of 1 + exp, without overflow
        cost = float((weight * np.logaddexp(0.0, logit) - met * logit).sum())
        slope = weight / (1.0 + np.exp(-np.clip(logit, -30, 30))) - met
        gradient = np.concatenate([[slope.sum()], seen.T @ slope + RIDGE * beta[1:]])
        return cost + RIDGE / 2 * float(beta[1:] @ beta[1:]), gradient

    start = np.concatenate([[base], np.zeros(n_words)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": N_ITERATIONS})
    logit = design[held] @ found.x[1:] + found.x[0]
    chance: Floats = 1.0 / (1.0 + np.exp(-np.clip(logit, -30, 30)))
    return chance
