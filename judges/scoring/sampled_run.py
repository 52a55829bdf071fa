"""A run's figures from a free judge on all of it and an expensive one on a weighted sample.

Whole answers that were drawn tell every figure. Verdicts that were drawn one by one tell what is a
sum over verdicts: the unclipped score and the share of criteria met. Whether an answer passes, and
a score that is clipped answer by answer, is no sum of its verdicts: its mean over what the
undrawn verdicts could be is not what the mean verdicts make of it, so it takes whole answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .item_scores import PASS_RULES, ScoredTable
from .points import ratio
from .rubric_arrays import Bools, Floats
from .sampled import SampledTotal, sampled_total

MAX_LOST = 0.2
"""Of the drawn verdicts, that may be missing; the rest then stands for them."""
MAX_UNSCORED = 0.5
"""Of the drawn answers, that may have too few verdicts for a figure of their own."""
MAX_Z = 3.5
"""How far the size of the run, as the sample tells it, may lie from its true one, in standard
errors: a sample drawn with its chances passes that once in two thousand times."""
NOT_WHOLE = (
    "single criteria were drawn, and a pass is not a sum over them; draw whole answers for it"
)


Reader = Callable[[ScoredTable, Floats], Floats]
"""Makes of verdicts what a figure sums up."""


@dataclass(frozen=True, slots=True)
class SampledRun:
    """A run that two judges graded: the free one all of it, the dear one what was drawn."""

    free: ScoredTable
    dear: ScoredTable
    """The same answers in the same order, NaN where there is no verdict."""
    chance_NC: Floats
    """Inclusion probability of what was drawn, in (0, 1]; NaN elsewhere, and at padding."""

    @property
    def drawn_NC(self) -> Bools:
        """What was drawn, whether or not a verdict came of it."""
        return ~np.isnan(self.chance_NC)

    @property
    def _least_chance_N(self) -> Floats:
        """The lowest chance of each answer's drawn verdicts; infinite where none was drawn."""
        chance_NC = np.where(self.drawn_NC, self.chance_NC, np.inf)
        return np.asarray(chance_NC.min(1, initial=np.inf))

    @property
    def counted_N(self) -> Bools:
        """Answers that can have a score: a positive point in the rubric, and a text."""
        absent_N = np.isnan(self.free.table.verdicts_NC).all(1) & (self.free.table.chars_N == 0)
        return np.asarray((self.free.table.rubrics.gains.sum(1) > 0) & ~absent_N)

    @property
    def is_whole(self) -> bool:
        """Whether all criteria of an answer were drawn together, or none."""
        drawn_NC, least_N = self.drawn_NC, self._least_chance_N
        is_same_NC = np.isclose(self.chance_NC, least_N[:, None], rtol=1e-9)
        is_fine_NC = np.where(drawn_NC, is_same_NC, ~self.free.table.rubrics.present)
        return bool(is_fine_NC[drawn_NC.any(1)].all())

    @property
    def is_sum(self) -> bool:
        """Whether a score is a sum over verdicts: no gate, no requirement, all applies to all."""
        conditions = self.free.table.rubrics.conditions
        for one in (self.free, self.dear):
            if one.table.excluded_RNC is not None and one.table.excluded_RNC[0].any():
                return False
        return conditions is None or bool(
            (conditions.requires < 0).all() and np.isnan(conditions.cap).all()
        )

    def counts(self) -> tuple[str, int, int]:
        """Say what was drawn, how many of them, and of how many."""
        drawn_NC, counted_N = self.drawn_NC, self.counted_N
        if self.is_whole:
            drawn_N = np.asarray(drawn_NC.any(1)) & counted_N
            return "answers", int(drawn_N.sum()), int(counted_N.sum())
        present_NC = self.free.table.rubrics.present & counted_N[:, None]
        return "criteria", int((drawn_NC & present_NC).sum()), int(present_NC.sum())

    def figures(self) -> dict[str, SampledTotal | str]:
        """Estimate the score, the share of criteria met, and the pass rates; or say why not."""
        is_whole = self.is_whole
        if is_whole:
            free, dear = self.free.items, self.dear.items
            soft_N = self._soft_scores() if self.is_sum else free.h
            score = self._answers(soft_N, dear.h)
            met = self._answers(_share_met(self.free), _share_met(self.dear))
            passes: Mapping[str, SampledTotal | str] = {
                rule: self._answers(free.passes[rule], dear.passes[rule]) for rule in PASS_RULES
            }
        else:
            hits, verdicts = hits_of, lambda one, verdicts_NC: verdicts_NC
            score = self._verdicts(self.worth(), hits)
            met = self._verdicts(self._even(), verdicts)
            passes = dict.fromkeys(PASS_RULES, NOT_WHOLE)
        return {"score": score, "met": met, **passes}

    def of_prompts(self, prompt_ids: Sequence[str]) -> SampledRun:
        """Give the answers to some prompts, in the order of these prompts."""
        place = {prompt_id: at for at, prompt_id in enumerate(prompt_ids)}
        place_N = np.array([
            place.get(self.free.table.prompt_ids[code], -1) for code in self.free.table.prompt_N
        ])  # fmt: skip
        order_N = np.argsort(place_N, kind="stable")
        at = order_N[np.count_nonzero(place_N < 0) :]
        free, dear = self.free.part(at), self.dear.part(at)
        width = free.table.verdicts_NC.shape[1]
        return SampledRun(free, dear, self.chance_NC[at, :width])

    @property
    def counted_prompts(self) -> set[str]:
        """The prompts with an answer that can have a score."""
        table = self.free.table
        return {table.prompt_ids[code] for code in table.prompt_N[self.counted_N].tolist()}

    def _soft_scores(self) -> Floats:
        """Give each answer's expected score, by P(met) where the free judge gives it."""
        return np.where(self.counted_N, (self.worth() * self.said(hits_of)).sum(1), np.nan)

    def said(self, read: Reader) -> Floats:
        """Read what the free judge says of each verdict, [N, C]; 0 at padding."""
        table = self.free.table
        soft_NC = table.probabilities()
        read_NC = read(self.free, table.verdicts_NC if soft_NC is None else soft_NC)
        known_NC = ~np.isnan(read_NC)
        middle = float(read_NC[known_NC].mean()) if known_NC.any() else 0.5
        return np.where(known_NC, read_NC, np.where(table.rubrics.present, middle, 0.0))

    def worth(self) -> Floats:
        """Give the weight of each verdict in the score of its answer, [N, C]."""
        rubrics = self.free.table.rubrics
        return np.nan_to_num(ratio(rubrics.points, rubrics.gains.sum(1, keepdims=True)))

    def _even(self) -> Floats:
        """Give the weight of each verdict in the share of an answer's criteria that are met."""
        present_NC = self.free.table.rubrics.present
        return np.nan_to_num(ratio(present_NC.astype(float), present_NC.sum(1, keepdims=True)))

    def _answers(self, free_N: Floats, dear_N: Floats) -> SampledTotal | str:
        """Estimate the mean of a figure of whole answers."""
        drawn_N = self.drawn_NC.any(1) & self.counted_N
        chance_N = np.where(drawn_N, self._least_chance_N, np.nan)
        if words := self._lost(drawn_N, ~np.isnan(dear_N[drawn_N])):
            return words
        return self._total(free_N, dear_N, chance_N, np.ones(len(free_N)), self.counted_N)

    def _lost(self, drawn_N: Bools, has_U: Bools) -> str | None:
        """Say that too many verdicts are missing, or leave too many answers without a figure."""
        at = self.drawn_NC & drawn_N[:, None]
        known_NC = ~np.isnan(self.dear.table.verdicts_NC)
        if self.dear.table.excluded_RNC is not None:
            known_NC = known_NC | self.dear.table.excluded_RNC[0]
        if words := _lost_words(self.chance_NC[at], known_NC[at]):
            return words
        if len(has_U) and has_U.mean() < 1 - MAX_UNSCORED:
            return (
                f"{int((~has_U).sum()):,} of {len(has_U):,} drawn answers have no score: verdicts "
                "on more than a fifth of their points are missing"
            )
        return None

    def _verdicts(self, weight_NC: Floats, read: Reader) -> SampledTotal | str:
        """Estimate the mean over answers of a weighted sum over their verdicts."""
        if not self.is_sum:
            return (
                "single criteria were drawn, and with gates, requirements or criteria that do not "
                "apply a score is not a sum over them; draw whole answers"
            )
        dear_NC = read(self.dear, self.dear.table.verdicts_NC)
        at = self.free.table.rubrics.present & self.counted_N[:, None]
        drawn_NC = self.drawn_NC & at
        if words := _lost_words(self.chance_NC[drawn_NC], ~np.isnan(dear_NC[drawn_NC])):
            return words
        return self._total(self.said(read), dear_NC, self.chance_NC, weight_NC, at)

    def _total(
        self, free: Floats, dear: Floats, chance: Floats, weight: Floats, counted: Bools
    ) -> SampledTotal | str:
        """Sum over what is counted, [N] or [N, C], as a mean over answers."""
        table = self.free.table
        answer_U = np.nonzero(counted)[0]
        prompt_U = np.unique(table.prompt_N[answer_U], return_inverse=True)[1]
        free_U, dear_U, chance_U = free[counted], dear[counted], chance[counted]
        drawn_U = ~np.isnan(chance_U)
        has_U = drawn_U & ~np.isnan(dear_U)
        if not has_U.any():
            return "no drawn item has a verdict"
        told, asked = float((1 / chance_U[has_U]).sum()), float((1 / chance_U[drawn_U]).sum())
        if words := _misfit(chance_U, drawn_U, prompt_U, asked):
            return words
        share_P = np.bincount(prompt_U[np.unique(answer_U, return_index=True)[1]])
        return sampled_total(
            free_U,
            np.where(has_U, dear_U, np.nan),
            chance_U * (told / asked),
            prompt_U,
            weight[counted] / share_P.sum(),
            share_P=share_P / share_P.sum(),
        )


def score_difference(one: SampledRun, other: SampledRun) -> SampledTotal | str:
    """Estimate the difference of two systems' scores over the prompts both answered; or why not.

    Prompts are paired: what makes a prompt hard for both cancels.
    """
    shared = sorted(one.counted_prompts & other.counted_prompts)
    if not shared:
        return "no prompt was answered by both"
    parts = (one.of_prompts(shared), other.of_prompts(shared))
    this, that = (part.figures()["score"] for part in parts)
    if isinstance(this, str):
        return this
    return that if isinstance(that, str) else this.minus(that)


def _lost_words(chance_U: Floats, has_U: Bools) -> str | None:
    """Say that more of the drawn verdicts are missing than the others can stand for."""
    asked = float((1 / chance_U).sum())
    lost = float((1 / chance_U[~has_U]).sum())
    if not lost > MAX_LOST * asked:
        return None
    return f"of the verdicts that were drawn {lost / asked:.0%} are missing, more than a fifth"


def hits_of(scored: ScoredTable, values_NC: Floats) -> Floats:
    """Read verdicts as shares of their criteria's points."""
    return scored.table.rubrics.hits(values_NC)


def _misfit(
    chance_U: Floats, drawn_U: Bools, prompt_U: NDArray[np.intp], size: float
) -> str | None:
    """Say that the chances cannot be those of this run; None where they may be.

    The sum of 1 / chance is an unbiased count of all that could be drawn.
    """
    sum_P = np.bincount(prompt_U[drawn_U], weights=1 / chance_U[drawn_U])
    # within a prompt the draws may hang together: at most as if it were drawn as one
    least_P = np.ones(len(sum_P))
    np.minimum.at(least_P, prompt_U[drawn_U], chance_U[drawn_U])
    spread = float(((1 - least_P) * sum_P**2).sum()) ** 0.5
    if abs(size - len(chance_U)) <= MAX_Z * spread + 1e-6 * size:
        return None
    return (
        f"the probabilities are not those of this run: the sample stands for {size:,.0f} items, "
        f"and the run has {len(chance_U):,}; draw from all of it, and give every item's own chance"
    )


def _share_met(scored: ScoredTable) -> Floats:
    """Give the mean verdict of each answer; NaN without one."""
    verdicts_NC = scored.table.verdicts_NC
    known_NC = ~np.isnan(verdicts_NC)
    return ratio(np.where(known_NC, verdicts_NC, 0.0).sum(1), known_NC.sum(1).astype(float))
