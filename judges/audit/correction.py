"""Rates and scores with the judge's measured error taken out, and its uncertainty put in.

Two ways: Rogan-Gladen, where the judge was audited on other items (Rogan & Gladen 1978: true rate =
(p + q0 - 1) / (q0 + q1 - 1) with specificity q0 and sensitivity q1), and prediction-powered
inference, where some of the very items carry labels (Angelopoulos et al. 2023, with the weight of
PPI++). Intervals draw prompts of both samples. Where the audit cannot carry a correction it is
refused with the reason: a number from a judge at chance would be noise divided by nothing. A small
part of a figure whose error rates are not known may take any value: the interval allows for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..scoring.bootstrap import draw_weights
from ..scoring.estimates import t_quantile
from ..scoring.label_widths import LabelWidths
from ..scoring.plain_form import plain_fields
from ..scoring.rubric_arrays import Floats

MIN_LABELS_OF_A_CLASS = 10
"""Fewer labels of "met" or of "not met" than this say nothing of the judge's error on them."""
MIN_PROMPTS_OF_A_CLASS = 10
"""Prompts that must hold labels of a class: error rates are drawn by prompt, and an interval from 3
prompts of 40 answers holds the truth in 77 % of cases, from 10 prompts in 92 %."""
MIN_LABELLED_PROMPTS = 20
"""Fewer than this and the interval of prediction-powered inference is too short."""
MAX_UNKNOWN_SHARE = 0.05
"""Of a figure's weight, that may be of verdicts whose error rates the audit does not tell."""
MIN_ABOVE_CHANCE = 0.05
"""Specificity and sensitivity less 1, which a correction divides by: its interval must lie above
this, or one draw in forty throws the corrected figure anywhere."""
N_DRAWS = 2_000
NO_WIDTH = 1e-9
ALL_ALIKE = "no difference between prompts, or out of bounds: no interval"
ROGAN_GLADEN = "rogan-gladen"
PREDICTION_POWERED = "prediction-powered"
WEIGHTED = "prediction-powered, weighted by inclusion probabilities"
_KINDS = ([0, 2], [1, 3])
"""Columns of `agreement.CELLS` with a label "met", and with one "not met"."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected figure beside the raw one, or why there is none."""

    raw: float | None
    """As judged; None where nothing was."""
    value: float | None = None
    """Clipped to the range of the figure."""
    low: float | None = None
    high: float | None = None
    """95 % interval over both samples."""
    method: str = ""
    refused: str | None = None
    """Why the audit cannot carry a correction; None where it can."""
    widths: LabelWidths | None = None
    """What more labels would reach, of a score corrected by labels of its own run."""

    def unless_a_point(self) -> Corrected:
        """Refuse an interval of no width, which would say that the figure is known exactly."""
        if self.low is None or self.high is None or self.high - self.low > NO_WIDTH:
            return self
        return Corrected(self.raw, method=self.method, refused=ALL_ALIKE)

    to_json = plain_fields


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Draws of a judge's specificity and sensitivity, for one category or pooled."""

    specificity: float
    sensitivity: float
    specificity_B: Floats
    sensitivity_B: Floats
    refused: str | None = None
    has_enough: bool = True
    """Whether there are enough labels of both kinds, of enough prompts, to say anything."""

    @property
    def youden(self) -> float:
        """Specificity and sensitivity less 1: what a correction divides by (Youden 1950)."""
        return self.specificity + self.sensitivity - 1

    def youden_end(self, q: float) -> float:
        """Give a quantile of it over the draws."""
        return float(np.nanquantile(self.specificity_B + self.sensitivity_B - 1, q))

    @property
    def n_draws(self) -> int:
        """Count the draws."""
        return len(self.specificity_B)

    @classmethod
    def of(
        cls,
        cells_PK: Floats,
        *,
        seed: int,
        n_draws: int = N_DRAWS,
        classes: tuple[str, str] = ("labels met", "not met"),
    ) -> ErrorRates:
        """Estimate the error rates of a judge, and refuse where they cannot carry a correction.

        Args:
            cells_PK: Counts by prompt of the audit, [P, 4], in the order of `agreement.CELLS`.
            seed: Of the bootstrap over the audit's prompts.
            n_draws: Bootstrap draws.
            classes: What is counted, in words.
        """
        tp, fp, fn, tn = cells_PK.sum(axis=0)
        drawn_BK = draws(cells_PK, seed, n_draws)
        with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 is NaN: no label of a kind
            sensitivity_B = drawn_BK[:, 0] / (drawn_BK[:, 0] + drawn_BK[:, 2])
            specificity_B = drawn_BK[:, 3] / (drawn_BK[:, 3] + drawn_BK[:, 1])
            sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        n_prompts = [int(np.count_nonzero(cells_PK[:, kind].sum(axis=1))) for kind in _KINDS]
        refused: str | None
        has_enough = False
        if min(tp + fn, tn + fp) < MIN_LABELS_OF_A_CLASS:
            refused = (
                f"the audit has {tp + fn:g} {classes[0]} and {tn + fp:g} {classes[1]}; "
                f"{MIN_LABELS_OF_A_CLASS} of each are needed"
            )
        elif min(n_prompts) < MIN_PROMPTS_OF_A_CLASS:
            refused = (
                f"the audit has {classes[0]} of {n_prompts[0]} prompts and {classes[1]} of "
                f"{n_prompts[1]}; {MIN_PROMPTS_OF_A_CLASS} prompts of each are needed"
            )
        else:
            has_enough = True
            refused = _chance(specificity, sensitivity, specificity_B + sensitivity_B)
        return cls(specificity, sensitivity, specificity_B, sensitivity_B, refused, has_enough)


def _chance(specificity: float, sensitivity: float, sum_B: Floats) -> str | None:
    """Say that a judge cannot be told from chance; None where it can."""
    if specificity + sensitivity <= 1:
        return (
            f"the judge is no better than chance on the audit (specificity {specificity:.3f} + "
            f"sensitivity {sensitivity:.3f} <= 1)"
        )
    if np.nanquantile(sum_B, 0.025) <= 1 + MIN_ABOVE_CHANCE:
        return "the audit cannot distinguish this judge from chance; it needs more labels"
    return None


def corrected_rate(sums_P: Floats, counts_P: Floats, rates: ErrorRates, *, seed: int) -> Corrected:
    """Correct the share of criteria that the judge calls met (Rogan-Gladen).

    Args:
        sums_P: Verdicts "met" of each prompt of the run.
        counts_P: All verdicts of each prompt of the run.
        rates: The judge's error rates, from an audit on other prompts.
        seed: Of the bootstrap over the run's prompts.
    """
    part = LinearPart(sums_P, counts_P, rates)
    return corrected_sum([part], np.zeros_like(counts_P), counts_P, seed=seed, bounds=(0.0, 1.0))


class Rates(Protocol):
    """Errors of a judge on one kind of criterion: `ErrorRates`, or `LevelRates` of levels."""

    @property
    def refused(self) -> str | None:
        """Why they cannot carry a correction; None where they can."""

    @property
    def n_draws(self) -> int:
        """Count the draws."""


class Part(Protocol):
    """The part of a figure that hangs on verdicts of one kind, with the judge's errors on it."""

    @property
    def name(self) -> str:
        """What the verdicts are of, for a refusal."""

    @property
    def rates(self) -> Rates:
        """Of the judge on that kind."""

    @property
    def size(self) -> float:
        """How much of the figure hangs on it."""

    @property
    def raw(self) -> float:
        """The part as judged, summed."""

    def columns(self) -> list[Floats]:
        """Give what is summed over the prompts that are drawn, [P] each."""

    def corrected(self) -> float:
        """Give the part without the judge's error, summed."""

    def drawn(self, columns_BK: Floats) -> tuple[Floats, Floats]:
        """Give the least and the most that it may be in each draw, [B] each.

        Args:
            columns_BK: Its columns, summed over the prompts of each draw.
        """


@dataclass(frozen=True, slots=True)
class LinearPart:
    """The part of a figure that hangs on verdicts of one kind, each met or not met."""

    sums_P: Floats
    """Sum of w v over the verdicts of each prompt."""
    span_P: Floats
    """Sum of w over the same."""
    rates: ErrorRates
    name: str = ""
    """What the verdicts are of, for a refusal."""
    size_P: Floats | None = None
    """Sum of |w|, where weights of both signs come together; else that of `span_P`."""

    @property
    def size(self) -> float:
        """How much of the figure hangs on it."""
        return float(np.abs(self.span_P if self.size_P is None else self.size_P).sum())

    @property
    def raw(self) -> float:
        """The part as judged, summed."""
        return float(self.sums_P.sum())

    def columns(self) -> list[Floats]:
        """Give what is summed over the prompts that are drawn."""
        return [self.sums_P, self.span_P]

    def corrected(self) -> float:
        """Give the part without the judge's error, summed."""
        rates = self.rates
        lifted: float = _lifted(
            self.sums_P.sum(), self.span_P.sum(), rates.specificity, rates.sensitivity
        )
        return lifted

    def drawn(self, columns_BK: Floats) -> tuple[Floats, Floats]:
        """Give the least and the most that it may be in each draw."""
        (sums_B, span_B), rates = columns_BK.T, self.rates
        if rates.refused is not None:
            return np.minimum(span_B, 0.0), np.maximum(span_B, 0.0)
        lifted_B = _lifted(sums_B, span_B, rates.specificity_B, rates.sensitivity_B)
        # a draw in which the judge falls to chance says only that the figure may lie anywhere
        is_better = rates.specificity_B + rates.sensitivity_B > 1
        return np.where(is_better, lifted_B, -np.inf), np.where(is_better, lifted_B, np.inf)


def corrected_sum(
    parts: Sequence[Part],
    floor_P: Floats,
    counts_P: Floats,
    *,
    seed: int,
    bounds: tuple[float, float],
) -> Corrected:
    """Correct the mean of a figure that is linear in verdicts of several kinds.

    A figure f = floor + sum w v over the verdicts v of a unit is corrected verdict by verdict, each
    part by its own rates: (sum w v + (q0 - 1) span) / (q0 + q1 - 1) with span = sum w; what no
    verdict changes (`floor_P`) is added. A HealthBench item score has floor 0 and span equal to all
    signed points over the positive points. Parts of the same rates share their draws.

    Args:
        parts: One for each kind of verdict.
        floor_P: What no verdict changes, summed over each prompt's units.
        counts_P: Units of each prompt.
        seed: Of the bootstrap over the run's prompts.
        bounds: Range of the mean; raw and corrected are clipped to it.

    Parts whose rates are refused are refused with the figure, unless they carry no more than
    `MAX_UNKNOWN_SHARE` of it: these stay as judged, and the interval lets them take any value.
    """
    total = sum(part.raw for part in parts) + float(floor_P.sum())
    raw = float(np.clip(total / counts_P.sum(), *bounds))
    refused = _refusal(parts)
    if refused is not None:
        return Corrected(raw, method=ROGAN_GLADEN, refused=refused)
    own = [part.columns() for part in parts]
    # seeds of the two samples differ, or their draws would go together
    n_draws = max((part.rates.n_draws for part in parts), default=N_DRAWS)
    columns_PK = np.stack([counts_P, floor_P, *(column for of in own for column in of)], axis=1)
    drawn_BK = draws(columns_PK, seed + 1, n_draws)
    value, low_B, high_B = float(floor_P.sum()), drawn_BK[:, 1].copy(), drawn_BK[:, 1].copy()
    start = 2
    for part, columns in zip(parts, own, strict=True):
        value += part.raw if part.rates.refused is not None else part.corrected()
        low, high = part.drawn(drawn_BK[:, start : start + len(columns)])
        low_B += low
        high_B += high
        start += len(columns)
    value = float(np.clip(value / counts_P.sum(), *bounds))
    ends = [
        float(_quantile(np.clip(ends_B / drawn_BK[:, 0], *bounds), q))
        for ends_B, q in ((low_B, 0.025), (high_B, 0.975))
    ]
    return Corrected(raw, value, min(ends[0], value), max(ends[1], value), method=ROGAN_GLADEN)


def _refusal(parts: Sequence[Part]) -> str | None:
    """Say why a figure cannot be corrected; None where it can, but for a small part."""
    unknown = [part for part in parts if part.rates.refused is not None and part.size > 0]
    size = sum(part.size for part in parts)
    share = sum(part.size for part in unknown) / size if size > 0 else 0.0
    if not unknown or share <= MAX_UNKNOWN_SHARE:
        return None
    largest = max(unknown, key=lambda part: part.size)
    reason = largest.rates.refused or ""
    if not largest.name:
        return reason
    kinds = "" if len(unknown) == 1 else f", and {len(unknown) - 1} more kinds"
    return (
        f"the judge's error rates are not known for {100 * share:.0f} % of what the figure is "
        f"made of ({largest.name}{kinds}): {reason}"
    )


def _quantile(ends_B: Floats, q: float) -> float:
    # an interpolated quantile between infinities is NaN; the nearest draw outwards is not
    known_B = np.sort(ends_B[~np.isnan(ends_B)])
    place = q * (len(known_B) - 1)
    return float(known_B[int(np.floor(place) if q < 0.5 else np.ceil(place))])


def _lifted(total: Any, span: Any, specificity: Any, sensitivity: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total + (specificity - 1) * span) / (specificity + sensitivity - 1)


def prediction_powered(judged_all: Floats, judged_labelled: Floats, label: Floats) -> Corrected:
    """Estimate a mean label from judged items of which some carry labels (PPI++).

    Units must be independent: give one value a prompt. The interval is Student's: both means have
    an estimated variance, so it takes Welch and Satterthwaite's degrees of freedom.

    Args:
        judged_all: The judge's figure of each prompt without labels.
        judged_labelled: The judge's figure of each prompt with labels.
        label: The labels' figure of the same prompts, in the same order.
    """
    n, n_all = len(label), len(judged_all)
    pooled = np.concatenate([judged_all, judged_labelled])
    raw = float(pooled.mean()) if len(pooled) else None
    if n < MIN_LABELLED_PROMPTS:
        carry = "1 prompt carries" if n == 1 else f"{n} prompts carry"
        return Corrected(
            raw,
            method=PREDICTION_POWERED,
            refused=f"{carry} labels; it takes {MIN_LABELLED_PROMPTS}",
        )
    variance = float(pooled.var(ddof=1))
    covariance = float(np.cov(judged_labelled, label, ddof=1)[0, 1])
    # the weight that minimises the variance; 0 throws the judge away, 1 is classical PPI
    weight = 0.0
    if variance > 0 and n_all > 1:
        weight = float(np.clip(covariance / (variance * (1 + n / n_all)), 0.0, 1.0))
    rest = label - weight * judged_labelled
    mean = (weight * judged_all.mean() if n_all else 0.0) + rest.mean()
    # the weight was fitted to these labels: it takes a degree of freedom, as a slope does
    freedom = n - 1 - (weight > 0)
    parts = [(float(((rest - rest.mean()) ** 2).sum()) / freedom / n, freedom)]
    if n_all > 1:
        parts.append((weight**2 * float(judged_all.var(ddof=1)) / n_all, n_all - 1))
    half, now = _reach(parts), sum(square for square, _ in parts)
    share = float(label.var(ddof=1)) / (n + n_all) / now if now > 0 else 1.0
    return Corrected(
        raw,
        float(mean),
        float(mean) - half,
        float(mean) + half,
        method=PREDICTION_POWERED,
        widths=LabelWidths.of("prompts", n, n + n_all, half, share),
    )


def _reach(parts: Sequence[tuple[float, int]]) -> float:
    """Give half the 95 % interval of a sum of means, from squared errors and their freedom."""
    variance = sum(square for square, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(square**2 / its for square, its in parts)
    return float(t_quantile(freedom) * variance**0.5)


def draws(columns_PK: Floats, seed: int, n_draws: int) -> Floats:
    """Sum columns over prompts drawn with replacement, [B, K]."""
    chunks = draw_weights(seed, n_draws, len(columns_PK))
    return np.concatenate([weights_BP @ columns_PK for weights_BP in chunks])
