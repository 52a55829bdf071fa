"""Which cascade of judges costs least for a given agreement, replayed on verdicts that are there.

A cascade asks its members in order and takes the first that is sure: whose P(met) does not lie
strictly between two bounds (Viola and Jones 2001; of judges that cost: FrugalGPT, Chen, Zaharia and
Zou 2023). Members, order and bounds are picked on one half of the prompts and measured on the
other, so that the pick does not flatter the figures. Beside each cascade stands what asking at
random does: the same members settle the same shares of the questions, drawn at random.

Axes: M members, N questions (one criterion of one answer), P prompts; K members of one cascade.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from ..audit.labels import Codes, sums_by
from ..errors import ConfigError
from ..scoring.estimates import NO_SPREAD, Estimate
from ..scoring.jackknife import LeftOut, rate, ratio
from ..scoring.plain_form import plain_fields
from ..scoring.rubric_arrays import Bools, Floats
from ..verdict import Verdict

N_CUTS = 16
"""Bounds tried on either side of one half, by the quantiles of the member's own P(met)."""
CHEAP_CALL = 0.01
"""Of a call of the judge to be saved: a call of another judge, where prices are not known."""
MAX_MEMBERS = 3
"""Of a cascade; a fourth has little left to settle."""


def bounds_of(
    low: float | Sequence[float], high: float | Sequence[float], n: int
) -> tuple[tuple[float, float], ...]:
    """Give the bounds of each member but the last.

    Args:
        low: One for all of them, or one of each.
        high: Likewise.
        n: How many they are.

    Raises:
        ConfigError: There are too few or too many, or a pair that cannot work.
    """
    lows, highs = _each("low", low, n), _each("high", high, n)
    for one, other in zip(lows, highs, strict=True):
        if not 0 <= one < other <= 1:
            raise ConfigError(f"cascade: low={one} must lie below high={other}, in [0, 1]")
    return tuple(zip(lows, highs, strict=True))


def _each(name: str, given: object, n: int) -> list[float]:
    each = list(given) if isinstance(given, list | tuple) else [given] * n
    numbers = [one for one in each if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != n or len(each) != n:
        more = f", or a list of {n} numbers" if n > 1 else ""
        raise ConfigError(f"cascade: {name} must be a number{more}")
    return numbers


def is_sure(verdict: Verdict, low: float, high: float) -> bool:
    """Say whether a cascade stops at a verdict.

    Where P(met) does not lie strictly between the bounds; of more than two levels where one reaches
    `high`; and where there is no probability. Never without a verdict.
    """
    if verdict.is_missing:
        return False
    chance, chances = verdict.probability, verdict.level_probabilities
    if chances is not None and len(chances) > 2:
        return max(chances) >= high
    chance = chances[-1] if chances else chance
    return chance is None or not low < chance < high


def sureness(verdict: Verdict) -> float:
    """Give one number from 0 to 1 on which `is_sure` is a comparison, with low < 0.5 < high."""
    if verdict.is_missing:
        return 0.5
    chance, chances = verdict.probability, verdict.level_probabilities
    if chances is not None and len(chances) > 2:
        return max(0.5, *chances)
    chance = chances[-1] if chances else chance
    return 1.0 if chance is None else chance


@dataclass(frozen=True, slots=True)
class Members:
    """What each judge said of the same questions."""

    sureness_MN: Floats
    """As `sureness` gives it."""
    agrees_MN: Bools
    """Whether it says what the reference says; a missing verdict does not."""
    usd_M: Floats
    """US dollars of a verdict; 0 where it is free, NaN where it is not known."""
    calls_M: Floats
    """What a verdict counts where prices are not known: 1 of the judge to be saved, 0 where the
    judge is free, `CHEAP_CALL` of the others."""
    prompt_N: Codes
    answer_N: Codes
    gain_MN: Floats
    """What the verdict adds to its answer's score; NaN where it is missing or does not apply."""
    reference_N: Floats
    """The same of the reference."""

    def __len__(self) -> int:
        """Count the questions."""
        return len(self.prompt_N)

    def on(self, prompts_P: Bools) -> Members:
        """Keep the questions of some prompts."""
        keep = prompts_P[self.prompt_N]
        return replace(
            self,
            sureness_MN=self.sureness_MN[:, keep],
            agrees_MN=self.agrees_MN[:, keep],
            gain_MN=self.gain_MN[:, keep],
            prompt_N=self.prompt_N[keep],
            answer_N=self.answer_N[keep],
            reference_N=self.reference_N[keep],
        )

    @property
    def cost_M(self) -> Floats:
        """What is minimised: dollars where all of them are known, else calls."""
        return self.usd_M if self.is_priced else self.calls_M

    @property
    def is_priced(self) -> bool:
        """Whether the price of every judge is known."""
        return not np.isnan(self.usd_M).any()


@dataclass(frozen=True, slots=True)
class Cascade:
    """Members in order, with the bounds of each but the last."""

    members: tuple[int, ...]
    bounds: tuple[tuple[float, float], ...] = ()

    def settled_by(self, said: Members) -> Codes:
        """Give the place in the cascade of the member whose word stands, [N]."""
        stage_N = np.full(len(said), len(self.members) - 1)
        for place in range(len(self.members) - 2, -1, -1):
            x_N, (low, high) = said.sureness_MN[self.members[place]], self.bounds[place]
            stage_N = np.where((x_N <= low) | (x_N >= high), place, stage_N)
        return stage_N


@dataclass(frozen=True, slots=True)
class Point:
    """A cascade on one half of the prompts."""

    cascade: Cascade
    agreement: float
    cost: float
    """Of a question, in the unit of `Members.cost_M`."""


def frontier(said: Members, dear: int) -> list[Point]:
    """Give the cascades that no other beats in both cost and agreement, the cheapest first.

    Args:
        said: The half that is searched.
        dear: The judge that is to be saved; the last of every cascade.
    """
    n = max(len(said), 1)
    found = [
        Point(Cascade((one,)), float(agrees_N.mean()), float(said.cost_M[one]))
        for one, agrees_N in enumerate(said.agrees_MN)
    ]
    others = [one for one in range(len(said.agrees_MN)) if one != dear]
    for size in range(1, min(MAX_MEMBERS, len(others) + 1)):
        for chain in permutations(others, size):
            found += _of_chain(said, (*chain, dear), n)
    kept: list[Point] = []
    for point in sorted(found, key=lambda p: (p.cost, -p.agreement, len(p.cascade.members))):
        if not kept or point.agreement > kept[-1].agreement:
            kept.append(point)
    return kept


def cuts_of(x_N: Floats) -> tuple[Floats, Floats]:
    """Give the lower and the upper bounds that are worth trying, rising, of three decimals."""
    shares = np.linspace(0, 1, N_CUTS)
    low, high = x_N[x_N < 0.5], x_N[(x_N > 0.5) & (x_N < 1)]
    lows = np.floor(1000 * np.quantile(low, shares)) / 1000 if len(low) else np.zeros(1)
    highs = np.ceil(1000 * np.quantile(high, shares)) / 1000 if len(high) else np.ones(1)
    return np.unique(np.append(0.0, np.clip(lows, 0, 0.499))), np.unique(
        np.append(1.0, np.clip(highs, 0.501, 1))
    )


def _of_chain(said: Members, chain: tuple[int, ...], n: int) -> Iterator[Point]:
    """Try all bounds of a chain at once, on counts of questions by the cells between bounds."""
    cuts = [cuts_of(said.sureness_MN[one]) for one in chain[:-1]]
    cells = [_cells(said.sureness_MN[m], *cut) for m, cut in zip(chain, cuts, strict=False)]
    sizes = [len(lows) + len(highs) + 1 for lows, highs in cuts]
    flat_N = np.ravel_multi_index(cells, sizes)

    def table(weights: Floats | None) -> Floats:
        counts = np.bincount(flat_N, weights, minlength=int(np.prod(sizes)))
        return counts.reshape(sizes).astype(np.float64)

    stops = [_stops(len(lows), len(highs)) for lows, highs in cuts]
    agreed, cost = _sums(table, stops, said.agrees_MN[list(chain)], said.cost_M[list(chain)])
    pairs = [[(float(a), float(b)) for a in lows for b in highs] for lows, highs in cuts]
    for place in np.ndindex(agreed.shape):
        bounds = tuple(pairs[stage][at] for stage, at in enumerate(place))
        yield Point(Cascade(chain, bounds), float(agreed[place]) / n, float(cost[place]) / n)


def _cells(x_N: Floats, lows: Floats, highs: Floats) -> Codes:
    """Number the interval that each lies in: below the first bound 0, above the last the most."""
    return np.asarray(np.searchsorted(lows, x_N, "left") + np.searchsorted(highs, x_N, "right"))


def _stops(n_lows: int, n_highs: int) -> Floats:
    """Say which cells a pair of bounds takes as sure: [pairs, cells], 1 or 0."""
    cell = np.arange(n_lows + n_highs + 1)
    low, high = np.arange(n_lows)[:, None, None], np.arange(n_highs)[None, :, None]
    return ((cell <= low) | (cell > n_lows + high)).reshape(-1, len(cell)).astype(np.float64)


def _sums(
    table: Callable[[Floats | None], Floats],
    stops: Sequence[Floats],
    agrees_MN: Bools,
    cost_M: Floats,
) -> tuple[Floats, Floats]:
    """Sum agreement and cost of every combination of bounds, one axis for each member but the last.

    Args:
        table: Sums weights of the questions by the cells they lie in; counts them without weights.
        stops: Of each member but the last, by `_stops`.
        agrees_MN: Of the chain's members, in order.
        cost_M: Likewise.
    """
    asked = table(None)
    agreed, cost = np.zeros(()), np.zeros(())
    for stage in range(len(stops) + 1):
        gone_on = [1 - stop if place < stage else None for place, stop in enumerate(stops)]
        settled = [stop if place == stage else gone_on[place] for place, stop in enumerate(stops)]
        agreed = agreed + _spread(table(agrees_MN[stage].astype(np.float64)), settled, stops)
        cost = cost + cost_M[stage] * _spread(asked, gone_on, stops)
    return agreed, cost


def _spread(sheet: Floats, factors: Sequence[Floats | None], stops: Sequence[Floats]) -> Floats:
    """Turn each axis of cells into one of bounds; all cells count where there is no factor."""
    for place, (factor, stop) in enumerate(zip(factors, stops, strict=True)):
        each = np.ones_like(stop) if factor is None else factor
        sheet = np.moveaxis(np.tensordot(each, sheet, (1, place)), 0, place)
    return sheet


def pick(
    points: Sequence[Point], full: float, *, agreement: float = 1.0, budget: float | None = None
) -> Point | None:
    """Pick from the frontier: the cheapest that agrees enough, or the best that can be paid.

    Args:
        points: As `frontier` gives them.
        full: Agreement of the dear judge alone, on the same half.
        agreement: Share of it that is to be kept.
        budget: Most that a question may cost, instead.

    Returns:
        None where none fits.
    """
    if budget is not None:
        return next((point for point in reversed(points) if point.cost <= budget), None)
    return next((point for point in points if point.agreement >= agreement * full), None)


@dataclass(frozen=True, slots=True)
class MeasuredCascade:
    """A cascade on prompts that it was not picked on."""

    agreement: Estimate
    calls_saved: Estimate
    """Share of the questions that the dear judge is not asked; calls of others are in `usd`."""
    usd_saved: Estimate
    """Share of the dollars of asking the dear judge everything, below 0 where the others cost more
    than they save; no value where prices are not known."""
    usd: float
    """Of a question; NaN where it is not known."""
    at_random: float
    """Agreement where the same members settle the same shares of the questions, drawn at random."""
    gain: Estimate
    """Agreement beyond that, paired by prompt."""
    random_saved: float | None
    """Share of the dear judge's calls that choosing at random saves at the agreement of the
    cascade; None where it cannot reach it, and of three members or one."""
    random_usd_saved: float | None
    """The same in dollars; None where prices are not known too."""
    score_shift: Estimate
    """Mean change of an answer's unclipped score against the reference, over the answers whose
    verdicts are all there."""
    settled: tuple[float, ...]
    """Share of the questions that each member settles."""
    is_better_than_random: bool
    """Whether it is shown to beat choosing at random, also with one more disagreement: where few
    questions are settled, none of them wrong by luck, the interval of the gain is too short."""

    to_json = plain_fields


def measure(cascade: Cascade, said: Members, dear: int) -> MeasuredCascade:
    """Measure a cascade on the other half.

    Args:
        cascade: What was picked.
        said: The half that it was not picked on.
        dear: The judge that is to be saved.
    """
    chain = list(cascade.members)
    prompts, prompt_N = np.unique(said.prompt_N, return_inverse=True)
    n_P = np.bincount(prompt_N).astype(np.float64)

    def by_prompt(values_N: Floats) -> Floats:
        return sums_by(prompt_N, values_N.astype(np.float64), len(prompts))

    stage_N = cascade.settled_by(said)
    each_N = np.arange(len(said))
    last_N = np.array(chain)[stage_N]
    agrees_N = said.agrees_MN[last_N, each_N]
    usd_N, dear_usd = np.cumsum(said.usd_M[chain])[stage_N], said.usd_M[dear]
    is_priced = bool(dear_usd > 0 and not np.isnan(said.usd_M[chain]).any())
    settled_KP = np.array([by_prompt(stage_N == place) for place in range(len(chain))])
    alone_KP = np.array([by_prompt(said.agrees_MN[one]) for one in chain])
    agreed_P = by_prompt(agrees_N)
    agreed = float(agrees_N.mean())
    skipped = _random_saved(chain, said, dear, agreed)
    beyond = _beyond_random(agreed_P, settled_KP, alone_KP, n_P)
    gain = beyond.estimate()
    least = gain.value if gain.why == NO_SPREAD else gain.low
    gap_N = said.gain_MN[last_N, each_N] - said.reference_N
    # the shift of an answer with a verdict that is missing is not known: it is no shift of 0
    lost_N = np.isin(said.answer_N, said.answer_N[np.isnan(gap_N) & ~agrees_N])
    shift_N = np.where(lost_N, 0.0, np.nan_to_num(gap_N))
    _, first_N = np.unique(said.answer_N, return_index=True)
    first_N = first_N[~lost_N[first_N]]
    answers_P = np.bincount(prompt_N[first_N], minlength=len(prompts)).astype(np.float64)
    return MeasuredCascade(
        agreement=rate(agreed_P, n_P),
        calls_saved=_saved(by_prompt(last_N != dear), n_P),
        usd_saved=_saved(by_prompt(1 - usd_N / dear_usd), n_P) if is_priced else Estimate(None),
        usd=float(usd_N.mean()),
        at_random=agreed - beyond.value,
        gain=gain,
        random_saved=skipped,
        random_usd_saved=(
            skipped * float(1 - said.usd_M[chain[0]] / dear_usd)
            if is_priced and skipped is not None
            else None
        ),
        score_shift=ratio(by_prompt(shift_N), answers_P),
        settled=tuple(float(row.sum() / n_P.sum()) for row in settled_KP),
        is_better_than_random=least is not None and least > 1 / len(said),
    )


def _random_saved(chain: Sequence[int], said: Members, dear: int, agreed: float) -> float | None:
    """Give the share of the dear judge's calls that are left out where agreement falls as far.

    A question that is left out is the cheap judge's alone, so agreement falls in proportion.
    """
    full, cheap = (float(said.agrees_MN[one].mean()) for one in (dear, chain[0]))
    if len(chain) != 2 or full <= cheap or agreed > full:
        return None
    return min((full - agreed) / (full - cheap), 1.0)


def _saved(sums_P: Floats, n_P: Floats) -> Estimate:
    """Give a share saved: 1 at most, and below 0 where more is paid."""
    return ratio(sums_P, n_P).mapped(lambda share: min(share, 1.0))


def _beyond_random(agreed_P: Floats, settled_KP: Floats, alone_KP: Floats, n_P: Floats) -> LeftOut:
    """Give the agreement minus that at random: shares settled times what each agrees on all."""

    def of(agreed: Floats, settled: Floats, alone: Floats, n: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(agreed / n - ((settled / n) * (alone / n)).sum(axis=0))

    each = (agreed_P, settled_KP, alone_KP, n_P)
    sums = [values.sum(axis=-1, keepdims=True) for values in each]
    without_P = of(*(total - own for total, own in zip(sums, each, strict=True)))
    return LeftOut(float(of(*sums)[0]), without_P, n_P)
