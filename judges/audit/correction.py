"""Rates and scores with the judge's measured error taken out, and its uncertainty put in.

Two ways: Rogan-Gladen, where the judge was audited on other items (`error_rates.py`), and
prediction-powered inference, where some of the very items carry labels (Angelopoulos et al. 2023,
with the weight of PPI++). Intervals draw prompts of both samples. Where the audit cannot carry a
correction it is refused with the reason: a number from a judge at chance would be noise divided by
nothing. A small part of a figure whose error rates are not known may take any value: the interval
allows for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scoring.estimates import t_quantile
from ..scoring.label_widths import LabelWidths
from ..scoring.plain_form import plain_fields
from ..scoring.points import ratio
from ..scoring.rubric_arrays import Floats
from .error_rates import N_DRAWS, ErrorRates, draws
from .labels import Codes

MIN_LABELLED_PROMPTS = 20
"""Fewer than this and the interval of prediction-powered inference is too short."""
MAX_UNKNOWN_SHARE = 0.05
"""Of a figure's weight, that may be of verdicts whose error rates the audit does not tell."""
NO_WIDTH = 1e-9
ALL_ALIKE = "no difference between prompts, or out of bounds: no interval"
ROGAN_GLADEN = "rogan-gladen"
PREDICTION_POWERED = "prediction-powered"
WEIGHTED = "prediction-powered, weighted by inclusion probabilities"


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
class FigurePart:
    """The part of a figure that hangs on verdicts of one kind."""

    sums_PKK: Floats
    """Sums of w s over the verdicts of each prompt: s is the share of the true level (first axis),
    of verdicts at the judge's level (second)."""
    ends_P2: Floats
    """Least and most that the sum can be, whatever the levels are."""
    rates: ErrorRates
    name: str = ""
    """What the verdicts are of, for a refusal."""

    @classmethod
    def of(
        cls,
        worth_VK: Floats,
        level_V: Codes,
        prompt_V: Codes,
        n_prompts: int,
        *,
        rates: ErrorRates,
        name: str = "",
    ) -> FigurePart:
        """Sum verdicts by prompt.

        Args:
            worth_VK: What each verdict adds to the figure at each of its levels; of two, that of
                met first.
            level_V: The judge's.
            prompt_V: Of its answer.
            n_prompts: How many there are.
            rates: The judge's errors on that kind.
            name: As the field has it.
        """
        n_levels = worth_VK.shape[1]
        sums_PKK, ends_P2 = np.zeros((n_prompts, n_levels, n_levels)), np.zeros((n_prompts, 2))
        np.add.at(sums_PKK.swapaxes(1, 2), (prompt_V, level_V), worth_VK)
        np.add.at(ends_P2, prompt_V, np.stack([worth_VK.min(axis=1), worth_VK.max(axis=1)], axis=1))
        return cls(sums_PKK, ends_P2, rates, name)

    @property
    def size(self) -> float:
        """How much of the figure hangs on it."""
        return float((self.ends_P2[:, 1] - self.ends_P2[:, 0]).sum())

    @property
    def raw(self) -> float:
        """The part as judged, summed."""
        return float(np.trace(self.sums_PKK.sum(axis=0)))

    @property
    def columns_PX(self) -> Floats:
        """What is summed over the prompts that are drawn."""
        return np.column_stack([self.ends_P2, self.sums_PKK.reshape(len(self.ends_P2), -1)])

    def corrected(self) -> float:
        """Give the part without the judge's error, summed; as judged where that is not known."""
        if self.rates.refused is not None:
            return self.raw
        return float((self.rates.inverse * self.sums_PKK.sum(axis=0)).sum())

    def drawn(self, columns_BX: Floats) -> tuple[Floats, Floats]:
        """Give the least and the most that it may be in each draw, [B] each.

        Args:
            columns_BX: `columns_PX`, summed over the prompts of each draw.
        """
        if self.rates.refused is not None:
            return columns_BX[:, 0], columns_BX[:, 1]
        sums_BKK = columns_BX[:, 2:].reshape(-1, *self.sums_PKK.shape[1:])
        solved_B = (self.rates.inverse_BKK * sums_BKK).sum((1, 2))
        # a draw in which levels are not told apart says only that the figure may lie anywhere
        told_B = np.isfinite(solved_B)
        return np.where(told_B, solved_B, -np.inf), np.where(told_B, solved_B, np.inf)


def corrected_sum(
    parts: Sequence[FigurePart],
    floor_P: Floats,
    counts_P: Floats,
    *,
    seed: int,
    bounds: tuple[float, float],
) -> Corrected:
    """Correct the mean of a figure that is linear in verdicts of several kinds.

    A figure is floor + sum w s over the verdicts of a unit, s the share of their level. It is
    corrected verdict by verdict, each part by its own rates; what no verdict changes (`floor_P`) is
    added. A HealthBench item score has floor 0 and w the points over the positive points. Parts of
    the same rates share their draws.

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
    own = [part.columns_PX for part in parts]
    # seeds of the two samples differ, or their draws would go together
    n_draws = max((len(part.rates.youden_B) for part in parts), default=0) or N_DRAWS
    counts_BX, floor_BX, *own_BX = np.split(
        draws(np.column_stack([counts_P, floor_P, *own]), seed + 1, n_draws),
        np.cumsum([1, 1, *(columns_PX.shape[1] for columns_PX in own[:-1])]),
        axis=1,
    )
    ends = [part.drawn(columns_BX) for part, columns_BX in zip(parts, own_BX, strict=False)]
    low_B, high_B = (floor_BX[:, 0] + sum(of[end] for of in ends) for end in (0, 1))
    value = float(floor_P.sum()) + sum(part.corrected() for part in parts)
    value = float(np.clip(value / counts_P.sum(), *bounds))
    low, high = (
        _quantile(np.clip(ratio(ends_B, counts_BX[:, 0]), *bounds), q)
        for ends_B, q in ((low_B, 0.025), (high_B, 0.975))
    )
    return Corrected(raw, value, min(low, value), max(high, value), method=ROGAN_GLADEN)


def _refusal(parts: Sequence[FigurePart]) -> str | None:
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
