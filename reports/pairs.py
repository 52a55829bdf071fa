"""Every pair of models of a report, with tests corrected over all of them."""

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


def pairs_of(measured: Sequence[Measured], *, has_baseline: bool) -> tuple[Pair, ...]:
    """Compare every pair, or every model with the baseline; correct over all of them.

    Args:
        measured: The baseline first where there is one, else the highest score first.
        has_baseline: Compare with the first model only.

    Raises:
        ConfigError: Two models have no scored prompt in common.
    """
    names = [m.model.name for m in measured]
    chosen = [
        (this, other)
        for this in range(len(measured))
        for other in range(len(measured))
        # against the baseline, or the higher one against the lower one
        if this != other and (other == 0 if has_baseline else this < other)
    ]
    differences = [
        paired_difference(measured[this].scores_P(), measured[other].scores_P())
        for this, other in chosen
    ]
    for (this, other), found in zip(chosen, differences, strict=True):
        if found.n == 0:
            raise ConfigError(
                f"{names[this]} and {names[other]} have no scored prompt in common, "
                "so they cannot be compared; give runs over the same data"
            )
    corrected = holm([found.p_value for found in differences])
    changes = {rule: _pass_changes(measured, chosen, rule) for rule in PASS_RULES}
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


def _pass_changes(
    measured: Sequence[Measured], chosen: Sequence[tuple[int, int]], rule: str
) -> list[PassComparison]:
    values = [m.items.passes[rule] for m in measured]
    shares = [m.by_prompt(v) for m, v in zip(measured, values, strict=True)]
    counts = [m.count_by_prompt(v) for m, v in zip(measured, values, strict=True)]
    changes = [
        pass_change(shares[this], shares[other], counts[this], counts[other])
        for this, other in chosen
    ]
    corrected = holm([change.p_value for change in changes])
    of_papers = bonferroni([change.chi_square_p for change in changes])
    return [PassComparison(rule, *one) for one in zip(changes, corrected, of_papers, strict=True)]
