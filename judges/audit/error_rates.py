"""A judge's errors on one kind of criterion: the chance of what it says, given what is true.

With M[j, t] = P(the judge says j | t is true), the judge's shares q = M p come of the true ones p,
so p = M^-1 q. A share s_t of a criterion's points is corrected verdict by verdict: one at level j
counts a_j with a = M^-T s, whose mean over the judge's errors is s_t whatever the true level is
(Barron 1977 and Kuha & Skinner 1997 for the matrix). Met and not met are two levels: there M holds
sensitivity and specificity, and this is Rogan & Gladen's (1978) true rate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from ..rubric import Criterion, Polarity
from ..scoring.bootstrap import draw_weights
from ..scoring.rubric_arrays import Floats
from .labels import category_of

MIN_LABELS_OF_A_CLASS = 10
"""Fewer labels of "met" or of "not met" than this say nothing of the judge's error on them."""
MIN_PROMPTS_OF_A_CLASS = 10
"""Prompts that must hold labels of a class: error rates are drawn by prompt, and an interval from 3
prompts of 40 answers holds the truth in 77 % of cases, from 10 prompts in 92 %."""
MIN_ABOVE_CHANCE = 0.05
"""Specificity and sensitivity less 1, which a correction divides by: its interval must lie above
this, or one draw in forty throws the corrected figure anywhere."""
N_DRAWS = 2_000
MET_OR_NOT = ("labels met", "not met")


@dataclass(frozen=True, slots=True, order=True)
class Stratum:
    """A kind of criterion on which a judge has errors of its own."""

    category: str
    """As `category_of` gives it, or as the labelled data groups its rows."""
    polarity: Polarity
    """A judge that misses what is good may well see what is bad everywhere, and the other way."""
    n_levels: int = 2
    """How many levels are told apart; 2 where it is met or not met."""
    choices: str = ""
    """Digest of the criterion where its levels have no order: a choice of one says nothing of those
    of another. Empty where they have one."""

    @classmethod
    def of(cls, criterion: Criterion, category: str | None = None) -> Stratum:
        """Give the kind of a criterion.

        Args:
            criterion: With its tags.
            category: As the labelled data groups its rows, where it does.
        """
        return cls(
            category or category_of(criterion.tags),
            criterion.polarity,
            n_levels := len(criterion.levels) or 2,
            _digest_of_choices(criterion) if criterion.is_nominal and n_levels > 2 else "",
        )

    @property
    def family(self) -> Stratum:
        """Its categories are named alike up to a colon: `cluster:`, `axis:`, `level:`."""
        return replace(self, category=self.category.partition(":")[0])

    @property
    def pool(self) -> tuple[Polarity, int, str]:
        """What kinds must share for one to take the rates of all."""
        return self.polarity, self.n_levels, self.choices

    def __str__(self) -> str:
        """Name it in words."""
        levels = f", {self.n_levels} levels" if self.n_levels > 2 else ""
        choices = f" without an order ({self.choices})" if self.choices else ""
        return f"{self.polarity.value} {self.category}{levels}{choices}"


def _digest_of_choices(criterion: Criterion) -> str:
    told = "\0".join((criterion.text, *(level.text for level in criterion.levels)))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """A judge's misclassification matrix for one category or pooled, and draws of its inverse."""

    matrix: Floats
    """[K, K]: the chance of each of the judge's levels (first), given the label's; columns add up
    to 1. Of two, the first level is met."""
    inverse: Floats
    """[K, K]: the true level first; NaN where there is none."""
    inverse_BKK: Floats
    youden: float
    """How well levels are told apart, which a correction divides by. Of two specificity and
    sensitivity less 1 (Youden 1950); of more the matrix's smallest singular value, 0 where two
    cannot be told apart, and below where they are turned round."""
    youden_B: Floats
    refused: str | None = None
    """Why they cannot carry a correction; None where they can."""
    has_enough: bool = True
    """Whether there are labels enough of every level, of prompts enough, to say anything."""

    @property
    def sensitivity(self) -> float:
        """Of two levels: the share of labels "met" that the judge calls met."""
        return float(self.matrix[0, 0])

    @property
    def specificity(self) -> float:
        """Of two levels: the share of labels "not met" that it calls not met."""
        return float(self.matrix[1, 1])

    def youden_end(self, q: float) -> float:
        """Give a quantile of it over the draws."""
        return float(np.nanquantile(self.youden_B, q))

    @classmethod
    def of(
        cls,
        cells_PK: Floats,
        *,
        seed: int,
        n_draws: int = N_DRAWS,
        classes: tuple[str, ...] = MET_OR_NOT,
    ) -> ErrorRates:
        """Estimate the error rates of a judge, and refuse where they cannot carry a correction.

        Args:
            cells_PK: Counts by prompt of the audit, [P, K * K], the judge's level first; of two
                levels in the order of `agreement.CELLS`.
            seed: Of the bootstrap over the audit's prompts.
            n_draws: Bootstrap draws.
            classes: What is counted, in words, where there are two levels.
        """
        n_levels = round(cells_PK.shape[1] ** 0.5)
        if n_levels > 2:
            classes = ("labels of level 0", *(f"of level {k}" for k in range(1, n_levels)))
        square = (-1, n_levels, n_levels)
        [matrix], [inverse], [youden] = _inverted(cells_PK.sum(axis=0).reshape(square))
        _, inverse_BKK, youden_B = _inverted(draws(cells_PK, seed, n_draws).reshape(square))
        few = _few(cells_PK.reshape(square).sum(axis=1), classes)
        refused = few or _chance(matrix, float(youden), youden_B)
        return cls(matrix, inverse, inverse_BKK, float(youden), youden_B, refused, few is None)

    @classmethod
    def unknown(cls, refused: str) -> ErrorRates:
        """Give rates that are not known, and why."""
        nothing = np.full((2, 2), np.nan)
        return cls(nothing, nothing, nothing[:0], np.nan, nothing[:0, 0], refused, False)


def _inverted(counts_BKK: Floats) -> tuple[Floats, Floats, Floats]:
    """Give matrices, their inverses (NaN where levels are not told apart), and how well they are.

    A draw without a label of some level says nothing: all of it is NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix_BKK = counts_BKK / counts_BKK.sum(axis=1, keepdims=True)
    one = np.eye(matrix_BKK.shape[-1])
    known_B = np.isfinite(matrix_BKK).all((1, 2))
    safe_BKK = np.where(known_B[:, None, None], matrix_BKK, one)
    sign_B = np.sign(np.linalg.det(safe_BKK))
    if len(one) == 2:
        youden_B = safe_BKK[:, 0, 0] + safe_BKK[:, 1, 1] - 1
    else:
        youden_B = np.linalg.svd(safe_BKK, compute_uv=False)[:, -1] * sign_B
    solved_B11 = (known_B & (youden_B > 0) & (sign_B > 0))[:, None, None]
    inverse_BKK = np.linalg.inv(np.where(solved_B11, safe_BKK, one))
    youden_B = np.where(known_B, youden_B, np.nan)
    return matrix_BKK, np.where(solved_B11, inverse_BKK, np.nan), youden_B


def _few(labels_PK: Floats, classes: tuple[str, ...]) -> str | None:
    n_labels, n_prompts = labels_PK.sum(axis=0), np.count_nonzero(labels_PK, axis=0)
    if n_labels.min() < MIN_LABELS_OF_A_CLASS:
        words = [f"{n:g} {name}" for n, name in zip(n_labels, classes, strict=True)]
        return f"the audit has {_listed(words)}; {MIN_LABELS_OF_A_CLASS} of each are needed"
    if n_prompts.min() < MIN_PROMPTS_OF_A_CLASS:
        words = [f"{name} of {n}" for n, name in zip(n_prompts, classes, strict=True)]
        words[0] += " prompts"
        return (
            f"the audit has {_listed(words)}; {MIN_PROMPTS_OF_A_CLASS} prompts of each are needed"
        )
    return None


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _chance(matrix: Floats, youden: float, youden_B: Floats) -> str | None:
    has_two = len(matrix) == 2
    if not youden > 0 and has_two:
        return (
            f"the judge is no better than chance on the audit (specificity {matrix[1, 1]:.3f} + "
            f"sensitivity {matrix[0, 0]:.3f} <= 1)"
        )
    if not youden > 0:
        return (
            "the judge swaps levels on the audit, or does not distinguish two of them "
            f"(smallest singular value of its errors {youden:.3f})"
        )
    if np.nanquantile(youden_B, 0.025) > MIN_ABOVE_CHANCE:
        return None
    if has_two:
        return "the audit cannot distinguish this judge from chance; it needs more labels"
    return "the audit does not show that this judge distinguishes the levels; it needs more labels"


def draws(columns_PK: Floats, seed: int, n_draws: int) -> Floats:
    """Sum columns over prompts drawn with replacement, [B, K]."""
    chunks = draw_weights(seed, n_draws, len(columns_PK))
    return np.concatenate([weights_BP @ columns_PK for weights_BP in chunks])
