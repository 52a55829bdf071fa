"""Every pair of models of a report, with tests corrected over all of them.

Pairs grow with the square of the models: beyond `MAX_PAIRED` models each is compared with the
highest score alone, unless all pairs are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..judges.errors import ConfigError
from ..judges.scoring import PASS_RULES
from .measures import Measured
from .paired import (
    PairedDifference,
    PassChange,
    bonferroni,
    holm,
    paired_difference,
    pass_change,
)

MAX_PAIRED = 30
"""Models whose pairs are all compared: 435 of them; 2,000 models have two million."""


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
    differences = [
        paired_difference(measured[this].scores_P(), measured[other].scores_P())
        for this, other in chosen
    ]
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
        "leave its results out"
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
        return (
            f"{names} answered no prompt in common, so they cannot be compared; give runs over "
            "the same data"
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
