"""Part of least_cost.py: a free judge on every verdict, the dear one on a sample of known chances.

The free judge is `fitted` (head `words`), which gives each prompt's verdicts without having seen
that prompt; where there is too little to fit one, or its packages are missing, a judge that says
1/2 of everything (`ppi_free_judge` tells which). The recorded judge is the dear one. For each
system's score (the unclipped mean over its answers):

ppi_share       calls of the dear judge, as a share of those of a run that asks it everything on a
                random half of the prompts, at which the interval is as narrow as that run's. The
                design has the answers to all prompts, and samples their criteria. (On the same
                prompts no sample can be as narrow: docs/evidence/least-cost.md.)
ppi_coverage    share of intervals that hold the score of the whole file, where both the prompts
                (200 with replacement, or as many as there are) and the verdicts (35 %) are drawn.

Also: `ppi_shares`, ppi_share by the share of the prompts that the other run has; `ppi_widths`, the
width of the interval on all prompts over that of asking everything, by share of the calls, and
`ppi_widths_even` with chances that are all equal, `ppi_widths_blind` without a free judge;
`ppi_coverage_sampling`, of the intervals for these very prompts. Every number is the mean over the
systems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.audit.label_rows import labels_of_verdicts
from rubricbeat.judges.budget.two_judges import chances, expected_error
from rubricbeat.judges.errors import RubricbeatError
from rubricbeat.judges.fitted.fitting import (
    FitOptions,
    calibrated,
    folds_of,
    held_out,
    lessons_of,
)
from rubricbeat.judges.scoring.estimates import MIN_PROMPTS, Z
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.sampled import SampledTotal, sampled_total

if TYPE_CHECKING:
    from least_cost import Recorded

Floats = NDArray[np.float64]
N_FOLDS = (5, 2)
"""Of the free judge: of few verdicts and of many, where one fit takes long."""
MANY = 20_000
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
"""Of all calls, at which widths are measured."""
REFERENCES = (0.5, 0.75, 0.9, 0.95, 0.98)
"""Shares of the prompts of the run that asks everything."""
REFERENCE = 0.5
COVERAGE_SHARE = 0.35
N_COVERED = 200
"""Prompts of the draws that coverage is counted on."""
DRAWS_AN_ORDER = 3
MAX_WIDTHS = 20
"""Draws that a width is a mean of: it differs little between them."""

_FITTED: list[tuple[Any, tuple[list[Floats], str]]] = []
"""The last recorded verdicts and their free judge: fitted once for every part that needs it."""


@dataclass(frozen=True)
class Units:
    """What of one system can be drawn: a verdict, or an answer whose score is no sum over them."""

    free_U: Floats
    dear_U: Floats
    weight_U: Floats
    """In the score of its answer."""
    error_U: Floats
    calls_U: Floats
    answer_U: NDArray[np.intp]
    prompt_N: NDArray[np.intp]
    """Of each answer."""

    @property
    def n_prompts(self) -> int:
        """Count the prompts."""
        return len(np.unique(self.prompt_N))

    def total(self, chance_U: Floats, drawn_U: NDArray[np.bool_]) -> SampledTotal:
        """Estimate the score from what was drawn."""
        n_P = np.bincount(self.prompt_N)
        dear_U = np.where(drawn_U, self.dear_U, np.nan)
        weight_U, share_P = self.weight_U / n_P.sum(), n_P / n_P.sum()
        prompt_U = self.prompt_N[self.answer_U]
        return sampled_total(self.free_U, dear_U, chance_U, prompt_U, weight_U, share_P=share_P)

    def everything(self) -> SampledTotal:
        """Give the score where all was asked."""
        ones = np.ones(len(self.dear_U))
        return self.total(ones, ones > 0)

    def sampled(self, share: float, rng: np.random.Generator, *, is_even: bool) -> SampledTotal:
        """Draw a share of the calls, and estimate the score."""
        error_U = np.sqrt(self.calls_U) if is_even else self.error_U
        chance_U = chances(error_U, share, cost_U=self.calls_U)
        return self.total(chance_U, rng.random(len(chance_U)) < chance_U)

    def of_prompts(self, prompts: NDArray[np.intp]) -> Units:
        """Take some prompts, each as often as it comes, as prompts of their own."""
        answers, units = _places(self.prompt_N), _places(self.answer_U)
        chosen_N = np.concatenate([answers[p] for p in prompts])
        at_U = np.concatenate([units[n] for n in chosen_N])
        sizes_N = [len(units[n]) for n in chosen_N]
        return replace(
            self,
            **{
                name: getattr(self, name)[at_U]
                for name in ("free_U", "dear_U", "weight_U", "error_U", "calls_U")
            },
            answer_U=np.repeat(np.arange(len(chosen_N)), sizes_N),
            prompt_N=np.repeat(np.arange(len(prompts)), [len(answers[p]) for p in prompts]),
        )


def _places(code: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Give the places of each code, 0 to the largest."""
    return np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])


def two_judges(recorded: Recorded, n_orders: int, rng: np.random.Generator) -> dict[str, Any]:
    """Measure widths and coverage."""
    chance_NC, name = free_judge(recorded)
    systems = [units_of(recorded, system, chance_NC) for system in range(len(recorded.systems))]
    systems = [units for units in systems if len(units.dear_U) and units.n_prompts >= MIN_PROMPTS]
    systems = [units for units in systems if units.everything().variance > 0]
    if not systems:
        keys = ("ppi_share", "ppi_coverage")
        words = f"no system has {MIN_PROMPTS} scored prompts that differ"
        return {**dict.fromkeys(keys), "ppi_free_judge": name, "why": dict.fromkeys(keys, words)}
    n_widths = min(n_orders, MAX_WIDTHS)
    blind = [replace(units, free_U=np.zeros_like(units.free_U)) for units in systems]
    blind = [replace(one, error_U=np.abs(one.weight_U) * np.sqrt(one.calls_U)) for one in blind]
    widths = _widths(systems, n_widths, rng)
    shares = {
        str(part): float(np.mean([_needed(units, part, widths, rng) for units in systems]))
        for part in REFERENCES
    }
    return {
        "ppi_share": shares[str(REFERENCE)],
        **_coverage(systems, n_orders * DRAWS_AN_ORDER, rng),
        "ppi_shares": shares,
        "ppi_widths": widths,
        "ppi_widths_even": _widths(systems, n_widths, rng, is_even=True),
        "ppi_widths_blind": _widths(blind, n_widths, rng),
        "ppi_free_judge": name,
    }


def free_judge(recorded: Recorded) -> tuple[list[Floats], str]:
    """Give P(met) of each answer's criteria by a judge that has not seen its prompt, and a name."""
    if not _FITTED or _FITTED[0][0] is not recorded:
        _FITTED[:] = [(recorded, _fitted_judge(recorded))]
    return _FITTED[0][1]


def _fitted_judge(recorded: Recorded) -> tuple[list[Floats], str]:
    labelled = labels_of_verdicts(recorded.answers)
    try:
        lessons, _ = lessons_of(labelled, None, None, lambda words: None, None)
        n_folds = N_FOLDS[sum(len(answer.verdicts) for answer in recorded.answers) > MANY]
        fold_N = folds_of([lesson.prompt for lesson in lessons], n_folds, 1)
        mets = [lesson.met_C for lesson in lessons]
        options = FitOptions(n_folds=n_folds, seed=1)
        logits = held_out(lessons, fold_N, options, None, True, lambda words: None, "words")
        return calibrated(logits, mets, fold_N), f"fitted (words, {n_folds} folds of prompts)"
    except (RubricbeatError, ImportError, ValueError) as error:
        blind = [np.full(len(answer.verdicts), 0.5) for answer in recorded.answers]
        return blind, f"1/2 of everything, since none could be fitted: {error}"


def units_of(recorded: Recorded, system: int, chance_N: Sequence[Floats]) -> Units:
    """Lay one system's verdicts out; whole answers where a score is no sum over verdicts."""
    at_N = np.flatnonzero((recorded.system_N == system) & ~np.isnan(recorded.h_N))
    scored = ScoredTable.of(recorded.answers[n] for n in at_N)
    table, rubrics = scored.table, scored.table.rubrics
    free_NC = np.full(table.verdicts_NC.shape, np.nan)
    for row, n in enumerate(at_N):
        free_NC[row, : len(chance_N[n])] = chance_N[n]
    hits_NC, free_NC = rubrics.hits(table.verdicts_NC), rubrics.hits(free_NC)
    gains_N = rubrics.gains.sum(1, keepdims=True)
    weight_NC = np.where(rubrics.present, rubrics.points / np.where(gains_N > 0, gains_N, 1), 0.0)
    known_NC = rubrics.present & ~np.isnan(hits_NC)
    for is_sign_NC in (rubrics.points > 0, rubrics.points < 0):
        # what is missing of a sign its other criteria stand for, as in scores
        whole_N = (np.abs(weight_NC) * is_sign_NC).sum(1)
        told_N = (np.abs(weight_NC) * (is_sign_NC & known_NC)).sum(1)
        lift_N = np.divide(whole_N, told_N, out=np.ones_like(told_N), where=told_N > 0)
        weight_NC = np.where(is_sign_NC, weight_NC * lift_N[:, None], weight_NC)
    error_NC = expected_error(weight_NC, free_NC)
    prompt_N = np.unique(recorded.prompt_N[at_N], return_inverse=True)[1]
    is_sum = np.allclose(np.where(known_NC, weight_NC * hits_NC, 0).sum(1), scored.items.h)
    if is_sum:
        answer_U = np.nonzero(known_NC)[0]
        ones = np.ones(len(answer_U))
        parts = (free_NC[known_NC], hits_NC[known_NC], weight_NC[known_NC], error_NC[known_NC])
        return Units(*parts, ones, answer_U, prompt_N)
    soft_N = np.nansum(weight_NC * free_NC, axis=1)
    error_N = np.sqrt((error_NC**2).sum(1))
    calls_N = np.maximum(rubrics.present.sum(1), 1).astype(float)
    n = len(at_N)
    return Units(soft_N, scored.items.h, np.ones(n), error_N, calls_N, np.arange(n), prompt_N)


def _widths(
    systems: Sequence[Units], n: int, rng: np.random.Generator, *, is_even: bool = False
) -> dict[str, float]:
    """Give the width of the interval over that of asking everything, by share of the calls."""
    return {
        str(share): float(
            np.mean(
                [
                    _width(units.sampled(share, rng, is_even=is_even)) / _width(units.everything())
                    for units in systems
                    for _ in range(n)
                ]
            )
        )
        for share in SHARES
    } | {"1": 1.0}


def _needed(units: Units, part: float, widths: dict[str, float], rng: np.random.Generator) -> float:
    """Give the share of the calls that is as good as everything on a part of the prompts."""
    n = max(2, round(part * units.n_prompts))
    chosen = [rng.permutation(units.n_prompts)[:n] for _ in range(MAX_WIDTHS)]
    reference = np.mean([_width(units.of_prompts(prompts).everything()) for prompts in chosen])
    goal = float(reference) / _width(units.everything())
    # the variance is linear in 1 / share; from narrow to wide, as `interp` wants its points
    found = sorted((width**2, 1 / float(share)) for share, width in widths.items())
    return 1 / float(np.interp(goal**2, *zip(*found, strict=True))) / (n / units.n_prompts)


def _coverage(systems: Sequence[Units], n_draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Count intervals that hold the score of the whole file."""
    by_both, by_sampling = [], []
    for units in systems:
        truth, n = units.everything().value, min(N_COVERED, units.n_prompts)
        for _ in range(n_draws):
            some = units.of_prompts(rng.integers(units.n_prompts, size=n))
            found = some.sampled(COVERAGE_SHARE, rng, is_even=False)
            ends = found.interval
            by_both.append((ends.low or 0.0) <= truth <= (ends.high or 0.0))
            near = abs(found.value - some.everything().value)
            by_sampling.append(near <= Z * found.sampling_variance**0.5)
    return {
        "ppi_coverage": float(np.mean(by_both)),
        "ppi_coverage_sampling": float(np.mean(by_sampling)),
    }


def _width(total: SampledTotal) -> float:
    ends = total.interval
    return (ends.high or 0.0) - (ends.low or 0.0)
