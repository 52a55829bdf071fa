"""Compare two models on the prompts that both answered.

The unit is the prompt: answers repeated under other seeds are averaged first. Pairing is what makes
a difference visible: two models find the same prompts hard, and that shared part cancels.

Sources: Miller 2024 (arXiv 2411.00640) for the paired difference, its correlation and the minimum
detectable difference; McNemar 1947, exact, and as chi-square with Edwards' correction (1948);
Holm 1979; Bonferroni 1936. Method sheet, section 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ...judges.errors import ConfigError
from ...judges.scoring.estimates import MIN_PROMPTS, Estimate, PairedTests, paired_tests
from ...judges.scoring.item_scores import PASS_RULES
from ...judges.scoring.rubric_arrays import Floats
from .measures import Measured

POWER = 0.8
ALPHA = 0.05
N_NODES = 200
"""Of the sum behind a power; 400 change nothing before the tenth digit."""
MAX_PAIRED = 30
"""Models whose pairs are all compared: 435 of them; 2,000 models have two million."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How far one model's mean lies from another's, on the prompts both have."""

    n: int
    """Prompts both have a number for."""
    mean: float | None
    """Mean of (this model - the other), each prompt once."""
    interval: Estimate
    """Student's t over prompts; of models whose answers all score 0 or 1, Bonett and Price's."""
    standard_error: float | None
    correlation: float | None
    """Pearson's, between the two models over prompts; None where one of them does not vary."""
    p_value: float | None
    """Of the test that goes with the interval, two-sided, before any correction."""
    detectable: float | None
    """Smallest true difference this n would show in four of five tries (80 % power, 5 % level)."""
    n_better: int
    n_worse: int
    n_equal: int


@dataclass(frozen=True, slots=True)
class PassChange:
    """How far one model's pass rate lies from another's, on the prompts both have."""

    n: int
    difference: float | None
    """Mean over prompts of the share of answers that pass, this model's minus the other's."""
    interval: Estimate
    p_value: float | None
    """Two-sided, before any correction: of McNemar's exact test where both models answered each
    prompt once, else of the paired t test on the prompts' shares. None below ten prompts."""
    test: str
    """`mcnemar` or `t`."""
    n_only_this: float
    """Prompts that pass under this model alone; with repeats, their shares summed up."""
    n_only_other: float
    chi_square_p: float | None
    """Of McNemar's test in its chi-square form with Edwards' correction, for comparison with
    papers; None with repeats, where its cases are not independent."""


def paired_difference(this_P: Floats, other_P: Floats) -> PairedDifference:
    """Compare two models by their means over each prompt.

    Below ten shared prompts there is no interval and no p value.

    Args:
        this_P: One number for each prompt, NaN where the model has none.
        other_P: The other model's, over the same prompts.
    """
    shared = np.isfinite(this_P) & np.isfinite(other_P)
    this, other = this_P[shared], other_P[shared]
    gaps = this - other
    n = int(gaps.size)
    better, worse = int((gaps > 0).sum()), int((gaps < 0).sum())
    tests = difference_tests(this_P[None], other_P[None])
    [interval] = tests.estimates()
    spread = float(gaps.std(ddof=1)) if n > 1 else 0.0
    return PairedDifference(
        n=n,
        mean=interval.value,
        interval=interval,
        standard_error=spread / math.sqrt(n) if n > 1 else None,
        correlation=_correlation(this, other) if n > 1 else None,
        p_value=_or_none(float(tests.p_M[0])),
        detectable=detectable_difference(spread, n),
        n_better=better,
        n_worse=worse,
        n_equal=n - better - worse,
    )


def difference_tests(this_MP: Floats, other_MP: Floats) -> PairedTests:
    """Test each row's mean difference over the prompts both sides have.

    Rows whose numbers are all 0 or 1 are shares: a prompt changes by a whole step there.
    """
    gaps_MP = this_MP - other_MP
    both = np.stack([this_MP, other_MP])
    is_share_M = ((both == 0) | (both == 1) | np.isnan(gaps_MP)).all(axis=(0, 2))
    return paired_tests(gaps_MP, is_share_M.astype(np.float64))


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _correlation(this: Floats, other: Floats) -> float | None:
    if np.ptp(this) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(this, other)[0, 1])


def detectable_difference(spread: float, n: int) -> float | None:
    """Give the smallest difference that n paired prompts show with 80 % power at the 5 % level.

    Args:
        spread: Standard deviation of the paired differences.
        n: Prompts.

    Source: power of the paired t test, two-sided (Cohen 1988, section 2.5).
    """
    if n < 2 or spread < 1e-12:
        return None
    return _detectable_effect(n) * spread


@cache
def _detectable_effect(n: int) -> float:
    """Solve for the effect in standard deviations by halving; it depends on n alone.

    The power is P(|z + effect sqrt(n)| > t s), z normal and s a sample's deviation over the true
    one, summed over s by Gauss and Legendre. Written here because statsmodels takes seconds to
    load, and `scipy.special.nctdtr` is wrong for 2 and for 2,500 prompts.
    """
    from scipy.special import gammaln, ndtr, stdtrit

    freedom = n - 1
    edge, reach = float(stdtrit(freedom, 1 - ALPHA / 2)), 12 / math.sqrt(2 * freedom)
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    low, high = max(0.0, 1 - reach), 1 + reach
    s = low + (nodes + 1) / 2 * (high - low)
    # the density of the chi distribution, scaled
    log_density = freedom / 2 * math.log(freedom / 2) + math.log(2) - gammaln(freedom / 2)
    log_density = log_density + (freedom - 1) * np.log(s) - freedom * s**2 / 2
    weights = weights * np.exp(log_density) * (high - low) / 2
    low, high = 0.0, 12.0  # two prompts, the fewest, take 11.55
    for _ in range(60):
        middle = (low + high) / 2
        shift = middle * math.sqrt(n)
        power = (weights * (ndtr(shift - edge * s) + ndtr(-shift - edge * s))).sum()
        low, high = (low, middle) if power >= POWER else (middle, high)
    return high


def pass_change(
    this_P: Floats, other_P: Floats, this_count_P: Floats, other_count_P: Floats
) -> PassChange:
    """Test whether one model passes more often than the other.

    A prompt enters once, with the shares of its answers that pass: a share of one answer and of
    four have the same mean, where a majority of them has not.

    Args:
        this_P: Share of a prompt's answers that pass, NaN where the model has none.
        other_P: The other model's, over the same prompts.
        this_count_P: Answers behind each share.
        other_count_P: The other model's.
    """
    shared = np.isfinite(this_P) & np.isfinite(other_P)
    gaps = np.where(shared, this_P - other_P, np.nan)
    counts = np.minimum(this_count_P, other_count_P)[shared]
    single = bool(np.all(this_count_P[shared] == 1) and np.all(other_count_P[shared] == 1))
    step = float((1 / counts).mean()) if counts.size else 1.0
    found = paired_tests(gaps[None], step)
    [interval] = found.estimates()
    n = int(shared.sum())
    only_this, only_other = (float(np.nansum(np.maximum(x, 0.0))) for x in (gaps, -gaps))
    exact = chi_square = None
    if single and n >= MIN_PROMPTS:
        exact, chi_square = mcnemar(round(only_this), round(only_other))
    return PassChange(
        n=n,
        difference=_or_none(float(found.mean_M[0])),
        interval=interval,
        p_value=exact if single else _or_none(float(found.p_M[0])),
        test="mcnemar" if single else "t",
        n_only_this=only_this,
        n_only_other=only_other,
        chi_square_p=chi_square,
    )


def mcnemar(only_this: int, only_other: int) -> tuple[float, float]:
    """Give the two-sided p of McNemar's test, exact and as chi-square with Edwards' correction.

    Args:
        only_this: Cases that pass on one side alone.
        only_other: Cases that pass on the other alone.
    """
    from scipy.special import bdtr, chdtrc

    n = only_this + only_other
    if n == 0:
        return 1.0, 1.0
    exact = min(1.0, 2 * float(bdtr(min(only_this, only_other), n, 0.5)))
    statistic = max(0, abs(only_this - only_other) - 1) ** 2 / n
    return exact, float(chdtrc(1, statistic))


def bonferroni(p_values: Sequence[float | None], n_family: int = 0) -> list[float | None]:
    """Multiply each p value by the size of its family; a missing one stays missing.

    Args:
        p_values: The tests that are known.
        n_family: Tests of the family where it is larger than these.
    """
    n = max(n_family, sum(p is not None for p in p_values))
    return [None if p is None else min(1.0, p * n) for p in p_values]


def holm(p_values: Sequence[float | None], n_family: int = 0) -> list[float | None]:
    """Correct a family of p values by Holm's method; a missing one stays missing.

    Args:
        p_values: The tests that are known.
        n_family: Tests of the family where it is larger than these. The others are taken to have
            larger p values, and may have smaller ones, which would make these smaller still.

    Written here for its speed: `multipletests` of statsmodels collects garbage at each call, which
    takes a fifth of a second in a process that has loaded much.
    """
    known = sorted((p, at) for at, p in enumerate(p_values) if p is not None)
    n = max(n_family, len(known))
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, at) in enumerate(known):
        # never below the one before it: a smaller p may not become the larger one
        largest = max(largest, min(1.0, p * (n - rank)))
        corrected[at] = largest
    return corrected


@dataclass(frozen=True, slots=True)
class PassComparison:
    """The change of one pass rate, with p values corrected over all pairs."""

    rule: str
    change: PassChange
    p_holm: float | None
    chi_square_p_bonferroni: float | None
    """McNemar's chi-square form under Bonferroni's correction: for comparison with papers."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One model against another."""

    this: str
    other: str
    difference: PairedDifference
    p_holm: float | None
    passes: tuple[PassComparison, ...]


def family_size(n_models: int, *, has_baseline: bool) -> int:
    """Count the pairs that p values are corrected over.

    All of them, even where each model is compared with the best one alone: which one that is was
    seen in the same numbers.
    """
    return max(0, n_models - 1) if has_baseline else n_models * (n_models - 1) // 2


def pairs_of(
    measured: Sequence[Measured], *, has_baseline: bool, all_pairs: bool = False
) -> tuple[Pair, ...]:
    """Compare every pair, or every model with the first; correct over `family_size`.

    Args:
        measured: The baseline first where there is one, else the highest score first.
        has_baseline: Compare with the first model only.
        all_pairs: Compare every pair of more than `MAX_PAIRED` models too.

    Raises:
        ConfigError: Two models have no scored prompt in common.
    """
    names = [m.model.name for m in measured]
    chosen = _chosen(len(measured), has_baseline, all_pairs)
    scores = [one.scores_P() for one in measured]
    differences = [paired_difference(scores[this], scores[other]) for this, other in chosen]
    for (this, other), found in zip(chosen, differences, strict=True):
        if found.n == 0:
            raise ConfigError(_why_apart(measured[this], measured[other]))
    n_all = family_size(len(measured), has_baseline=has_baseline)
    n_family = n_all if len(chosen) < n_all else 0
    corrected = holm([found.p_value for found in differences], n_family)
    changes = {rule: _pass_changes(measured, chosen, rule, n_family) for rule in PASS_RULES}
    return tuple(
        Pair(
            this=names[this],
            other=names[other],
            difference=differences[index],
            p_holm=corrected[index],
            passes=tuple(changes[rule][index] for rule in PASS_RULES),
        )
        for index, (this, other) in enumerate(chosen)
    )


def _why_apart(this: Measured, other: Measured) -> str:
    """Say why two models have no scored prompt in common, and what would give them one."""
    mend = (
        "have the missing verdicts judged (the command that graded them asks only for those), or "
        "remove its results"
    )
    for one, than in ((this, other), (other, this)):
        if not one.summary.metrics["n_scored"]:
            return (
                f"{one.model.name} has no score, so it cannot be compared with {than.model.name}: "
                f"{_missing_of(one)}; {mend}"
            )
    names = f"{this.model.name} and {other.model.name}"
    shared = set(this.table.prompt_ids) & set(other.table.prompt_ids)
    if not shared:
        asked = {graded.example.prompt for graded in this.model.graded}
        same = any(graded.example.prompt in asked for graded in other.model.graded)
        why = "; their questions are the same under other rubrics or ids" if same else ""
        return (
            f"{names} answered no prompt in common, so they cannot be compared{why}; give runs "
            "over the same data"
        )
    return (
        f"{names} have {len(shared)} prompts in common and no score of both on any of them: "
        f"{_missing_of(this)}; {_missing_of(other)}; {mend}"
    )


def _missing_of(one: Measured) -> str:
    of, reasons = one.summary.metrics, one.summary.missing_by_reason
    said = ", ".join(f"{n} x {reason}" for reason, n in reasons.items())
    return (
        f"{of['n_scored']} of {of['n_asked']} answers of {one.model.name} are scored, "
        f"{of['n_missing_verdicts']} of {of['n_verdicts']} verdicts are missing"
        + (f" ({said})" if said else "")
    )


def _chosen(n_models: int, has_baseline: bool, all_pairs: bool) -> list[tuple[int, int]]:
    """Give this and other of each pair by their places, the higher one against the lower one."""
    if has_baseline:
        return [(this, 0) for this in range(1, n_models)]
    first = n_models if all_pairs or n_models <= MAX_PAIRED else 1
    return [(this, other) for this in range(first) for other in range(this + 1, n_models)]


def _pass_changes(
    measured: Sequence[Measured], chosen: Sequence[tuple[int, int]], rule: str, n_family: int
) -> list[PassComparison]:
    values = [m.items.passes[rule] for m in measured]
    shares = [m.by_prompt(v) for m, v in zip(measured, values, strict=True)]
    counts = [m.count_by_prompt(v) for m, v in zip(measured, values, strict=True)]
    changes = [
        pass_change(shares[this], shares[other], counts[this], counts[other])
        for this, other in chosen
    ]
    corrected = holm([change.p_value for change in changes], n_family)
    of_papers = bonferroni([change.chi_square_p for change in changes], n_family)
    return [PassComparison(rule, *one) for one in zip(changes, corrected, of_papers, strict=True)]
